"""A latency that is held: measured on this machine, with networks built but not trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from searchspace.cost import Cost, Infeasible
from searchspace.language.space import Assignment
from searchspace.language.units import percent
from searchspace.language.variables import IntRange
from studies.candidate import Study
from studies.design.costs import counted
from studies.design.misses import either, raised
from studies.design.spec import MatchTo

POINTS = 9
"""So many values are measured in one step of the search."""
TURNS = 3
"""So often, in turns: what else the machine does then falls on all of them alike."""


@dataclass(frozen=True)
class Timed:
    """The value whose latency is nearest; `reason` says why it cannot be used."""

    assignment: Assignment
    cost: Cost
    error: float
    reason: str | None


def solve(study: Study, match: MatchTo, known: Assignment) -> Timed:
    """The nearest value, assuming that a larger one is never faster; `Infeasible` where it cannot be done."""
    values, timer = _values(study, match), _Timer(study, match.turned, known)
    if match.turned:
        return _judged(timer, *_nearest(timer, values, match.targets["latency"]), match)
    for _ in range(TURNS):
        timer.measure(None)
    return _judged(timer, None, timer.latency(None), match)


def sketch(study: Study, match: MatchTo, known: Assignment) -> tuple[Assignment, Cost]:
    """Whether it could be solved, without measuring: the first value that has a network, from both ends inwards."""
    values, timer = _values(study, match), _Timer(study, match.turned, known)
    inwards = list(dict.fromkeys(one for pair in zip(values, reversed(values), strict=True) for one in pair))
    last = None
    for value in inwards or (None,):
        try:
            return timer.assignment(value), counted(study, timer.assignment(value), ("macs",)).cost
        except Infeasible as error:
            last = error
    assert last is not None
    raise last


def _values(study: Study, match: MatchTo) -> range:
    """The values of the one variable that is turned, none where none is."""
    if find_spec("torch") is None:
        raise Infeasible("match", "a latency is measured with torch, which is not installed; hold macs instead")
    if len(match.targets) > 1:
        raise Infeasible("match", "a latency is held alone, since it is measured; hold one of the two")
    if not match.turned:
        return range(0)
    domain = study.space[match.turned[0]].domain
    if len(match.turned) > 1 or not isinstance(domain, IntRange):
        raise Infeasible("match", "a latency is held by one whole number; name one variable of {int: [low, high]}")
    return domain.values()


class _Timer:
    """Measurements so far, by value."""

    def __init__(self, study: Study, names: tuple[str, ...], known: Assignment) -> None:
        self.study, self.names, self.known = study, names, known
        self.found: dict[int | None, list[float]] = {}

    def assignment(self, value: int | None) -> Assignment:
        """With the turned variable at this value."""
        return self.known if value is None else {**self.known, self.names[0]: value}

    def measure(self, value: int | None) -> None:
        """One more measurement."""
        from worker.measuring.single import latency

        network = counted(self.study, self.assignment(value), ("macs",)).network
        self.found.setdefault(value, []).append(latency(network))

    def exists(self, value: int) -> bool:
        """Whether there is a network."""
        try:
            counted(self.study, self.assignment(value), ("macs",))
        except Infeasible:
            return False
        return True

    def curve(self, values: Sequence[int]) -> dict[int, float]:
        """Milliseconds by value: measured in turns, then the nearest curve that never falls (isotonic regression)."""
        from scipy.optimize import isotonic_regression

        for _ in range(TURNS):
            for value in values:
                self.measure(value)
        fitted = isotonic_regression([self.latency(value) for value in values]).x
        return dict(zip(values, map(float, fitted), strict=True))

    def latency(self, value: int | None) -> float:
        """The milliseconds of the fastest turn, the one that the machine's other work disturbed least."""
        return min(self.found[value])

    def spread(self, value: int | None) -> float:
        """Half the range of the turns."""
        return (max(self.found[value]) - min(self.found[value])) / 2


def _nearest(timer: _Timer, values: range, target: float) -> tuple[int, float]:
    """The value whose latency is nearest, of equally near ones the largest, and its milliseconds.

    Over the whole range, then between the neighbours of the best, until these are all measured.
    """
    low, high = 0, len(values) - 1
    while True:
        places = [place for place in _spaced(low, high) if timer.exists(values[place])]
        if not places:
            raise Infeasible("match", f"no network exists near {timer.names[0]} = {values[low]}; narrow its range")
        curve = timer.curve([values[place] for place in places])
        best = min(places, key=lambda place: (abs(curve[values[place]] - target), -place))
        if high - low < POINTS:
            return values[best], curve[values[best]]
        at = places.index(best)
        low, high = places[max(0, at - 1)], places[min(len(places) - 1, at + 1)]


def _spaced(low: int, high: int) -> list[int]:
    """At most `POINTS` places from `low` to `high`, each about as many times the one before."""
    if high - low < POINTS:
        return [*range(low, high + 1)]
    ratio = (high + 1) / (low + 1)
    return sorted({round((low + 1) * ratio ** (one / (POINTS - 1))) - 1 for one in range(POINTS)})


def _judged(timer: _Timer, value: int | None, got: float, match: MatchTo) -> Timed:
    target, spread = match.targets["latency"], timer.spread(value)
    cost = counted(timer.study, timer.assignment(value), ("macs",)).cost
    error, tolerance = (got - target) / target, float(match.tolerance)
    reason = None
    if abs(error) > tolerance + spread / target:
        at = f"{timer.names[0]} = {value} with " if timer.names else ""
        told = f"{target:g} ms are out of reach within {percent(tolerance)}: the nearest is {at}{got:.3g} ms"
        reason = f"{told} ({error:+.1%}, give or take {spread:.2g} ms); {either(raised(error))}"
    return Timed(timer.assignment(value), cost, error, reason)
