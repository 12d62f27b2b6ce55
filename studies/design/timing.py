"""A latency that is held: measured on this machine, with networks built but not trained."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from statistics import median

from searchspace.cost import Cost, Infeasible
from searchspace.language.space import Assignment
from searchspace.language.units import percent
from searchspace.language.variables import IntRange
from studies.candidate import Study
from studies.design.costs import counted
from studies.design.misses import either, raised
from studies.design.spec import MatchTo

REPEATS = 3
"""The values near the target are measured so many times, in turns."""


@dataclass(frozen=True)
class Timed:
    """The value whose median latency is nearest, with its `spread`: half the distance of the quartiles, in ms."""

    assignment: Assignment
    cost: Cost
    latency: float
    spread: float
    error: float
    reason: str | None

    @property
    def note(self) -> str:
        """The measurement in words."""
        return f"measured {self.latency:.3g} ms, give or take {self.spread:.2g} ms"


def solve(study: Study, match: MatchTo, known: Assignment) -> Timed:
    """By bisection, assuming that a larger value takes longer; `Infeasible` where it cannot be done."""
    values, timer = _values(study, match), _Timer(study, match.turned, known)
    return _judged(timer, _nearest(timer, values, match.targets["latency"]) if match.turned else None, match)


def sketch(study: Study, match: MatchTo, known: Assignment) -> tuple[Assignment, Cost]:
    """Whether it could be solved, without measuring: the first value that has a network, from both ends inwards."""
    values, timer = _values(study, match), _Timer(study, match.turned, known)
    inwards = [one for pair in zip(values, reversed(values), strict=True) for one in pair]
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
        self.found: dict[int | None, list[tuple[float, float, float]]] = {}

    def assignment(self, value: int | None) -> Assignment:
        """With the turned variable at this value."""
        return self.known if value is None else {**self.known, self.names[0]: value}

    def measure(self, value: int | None) -> float:
        """One more measurement; the median of all so far."""
        from worker.measuring.single import latency

        network = counted(self.study, self.assignment(value), ("macs",)).network
        self.found.setdefault(value, []).append(latency(network))
        return self.latency(value)

    def latency(self, value: int | None) -> float:
        """The median in milliseconds."""
        return median(middle for _, middle, _ in self.found[value])

    def spread(self, value: int | None) -> float:
        """Half the distance between the quartiles."""
        return median((high - low) / 2 for low, _, high in self.found[value])


def _nearest(timer: _Timer, values: range, target: float) -> int:
    """Bisection, then the neighbours on both sides again and again, in turns."""
    low, high = 0, len(values) - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _time(timer, values[middle]) >= target else (middle + 1, high)
    near = [values[place] for place in range(max(0, low - 2), min(len(values), low + 2))]
    for _ in range(REPEATS):
        for value in near:
            _time(timer, value)
    possible = [value for value in near if value in timer.found]
    if not possible:
        raise Infeasible("match", f"no network exists near {timer.names[0]} = {values[low]}; narrow its range")
    return min(possible, key=lambda value: abs(timer.latency(value) - target))


def _time(timer: _Timer, value: int) -> float:
    """The latency; endless where no network exists, so that bisection goes down."""
    try:
        return timer.measure(value)
    except Infeasible:
        return float("inf")


def _judged(timer: _Timer, value: int | None, match: MatchTo) -> Timed:
    if value is None:
        timer.measure(value)
    target, got, spread = match.targets["latency"], timer.latency(value), timer.spread(value)
    cost = counted(timer.study, timer.assignment(value), ("macs",)).cost
    error, tolerance = (got - target) / target, float(match.tolerance)
    reason = None
    if abs(error) > tolerance + spread / target:
        at = f"{timer.names[0]} = {value} with " if timer.names else ""
        told = f"{target:g} ms are out of reach within {percent(tolerance)}: the nearest is {at}{got:.3g} ms"
        reason = f"{told} ({error:+.1%}, give or take {spread:.2g} ms); {either(raised(error))}"
    return Timed(timer.assignment(value), cost, got, spread, error, reason)
