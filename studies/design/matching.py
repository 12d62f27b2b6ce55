"""One cell at equal cost: its free variables solved, or the nearest miss and what would reach the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from searchspace.cost import Cost, Infeasible
from searchspace.language.problems import SpecError
from searchspace.language.space import Assignment
from searchspace.language.turned import Turned, Undecided, rising
from searchspace.language.variables import Domain, FloatRange, IntRange
from searchspace.match import Axis, Match, Reals, solve
from searchspace.rising import rises
from searchspace.words.parts import MAX_WIDTH
from studies.candidate import Study
from studies.design import timing
from studies.design.costs import MEASURED, OF_NETWORK, OF_TRAINING, blueprint_at, counted
from studies.design.misses import missed, unmatched
from studies.design.spec import MatchTo

FURTHER = 256
"""So many values beyond a range are tried for what would reach, where the cost is not known to rise."""
PROVED = 200
"""For at most so many values of the other variables it is looked whether a cost rises with one."""
RISING_RECIPE = {"train_macs": ("epochs", "examples"), "memory": ("batch_size", "examples")}
"""The fields of a recipe that a cost rises with."""


@dataclass(frozen=True)
class Solved:
    """A cell's whole assignment, its cost, and the signed relative errors of what is held; `error` is the worst.

    `reason` says why the cell cannot be used: it is beyond the tolerance.
    """

    assignment: Assignment
    cost: Cost
    error: float
    errors: dict[str, float]
    reason: str | None


def solve_cell(study: Study, known: Assignment) -> Solved:
    """The variables of the match solved for one combination; `Infeasible` if no network exists at all.

    `known` has every other variable's value, the factors' among them.
    """
    assert study.spec.design is not None
    match = study.spec.design.match
    assert match is not None
    if set(match.targets) & set(MEASURED):
        return _measured(study, match, known)
    names = tuple(match.targets)
    if not match.turned:
        found = counted(study, known, names)
        errors = {name: (found.held[name] - target) / target for name, target in match.targets.items()}
        return _judged(match, known, found.cost, errors, partial(unmatched, match, errors, found.held))
    problem = _Problem(study, match, known)
    best = problem.solve(problem.axes())
    assignment = {**known, **best.values}
    errors = dict(zip(names, best.errors, strict=True))
    cost = problem.costs.get(repr(best.values)) or counted(study, assignment, names).cost
    return _judged(match, assignment, cost, errors, partial(_missed, problem, best))


def sketch_cell(study: Study, known: Assignment) -> Solved:
    """A cell of a latency that is held at any value that has a network, unmeasured; `Infeasible` as `solve_cell`."""
    assert study.spec.design is not None
    match = study.spec.design.match
    assert match is not None
    assignment, cost = timing.sketch(study, match, known)
    return Solved(assignment, cost, 0.0, {}, None)


def _judged(match: MatchTo, assignment: Assignment, cost: Cost, errors: dict[str, float], reason: Any) -> Solved:
    worst = max(errors.values(), key=abs)
    beyond = abs(worst) > float(match.tolerance)
    return Solved(assignment, cost, worst, errors, reason() if beyond else None)


def _measured(study: Study, match: MatchTo, known: Assignment) -> Solved:
    """A latency that is held, by one whole number."""
    found = timing.solve(study, match, known)
    return Solved(found.assignment, found.cost, found.error, {"latency": found.error}, found.reason)


def _missed(problem: _Problem, best: Match) -> str:
    return missed(problem.match, best, problem.beyond(best))


class _Problem:
    """The search for one cell: what is counted, along which axes, and what is known of them."""

    def __init__(self, study: Study, match: MatchTo, known: Assignment) -> None:
        self.study, self.match, self.known = study, match, known
        self.names = tuple(match.targets)
        self.costs: dict[str, Cost] = {}
        self.domains: dict[str, Domain] = {name: study.space[name].domain for name in match.turned}

    def solve(self, axes: Sequence[Axis]) -> Match:
        """The nearest point of the axes."""
        real = any(isinstance(axis.values, Reals) for axis in axes)
        return solve(self._costs, axes, tuple(self.match.targets.values()), self._same if real else None)

    def _costs(self, values: Mapping[str, Any]) -> tuple[float, ...]:
        found = counted(self.study, {**self.known, **values}, self.names)
        self.costs[repr(values)] = found.cost
        return tuple(found.held.values())

    def _same(self, values: Mapping[str, Any]) -> str:
        """The filled templates that costs depend on, as text."""
        sections = ("blueprint", "recipe") if set(self.names) & set(OF_TRAINING) else ("blueprint",)
        try:
            found, problems = self.study.space.attempt({**self.known, **values}, sections)
        except SpecError as error:
            return str(error)
        return repr([one.tree for one in found.values()] + problems)

    def axes(self) -> list[Axis]:
        """The variables with what is known of them: all rise together, or one of them does for all others' values."""
        values = {name: _values(domain) for name, domain in self.domains.items()}
        reals = [name for name, domain in self.domains.items() if isinstance(domain, FloatRange)]
        if len(reals) > 1:
            raise Infeasible("match", f"{' and '.join(reals)} are both real; make all but one whole numbers")
        free = [name for name, one in values.items() if _numbers(one)]
        if not reals and free and self._rise(free, values, {}):
            return [Axis(name, one, name in free) for name, one in values.items()]
        for name in reals or sorted(free, key=lambda one: -len(values[one]))[:1]:
            if self._rises_alone(name, values):
                return [Axis(other, one, other == name) for other, one in values.items()]
        if reals:
            held = " and ".join(self.names)
            cure = "turn it in widths or epochs alone, or make it a whole number"
            raise Infeasible("match", f"it is not known that {held} rise with {reals[0]}, a real number; {cure}")
        return [Axis(name, one) for name, one in values.items()]

    def _rises_alone(self, name: str, values: Mapping[str, Sequence[Any]]) -> bool:
        others = {other: one for other, one in values.items() if other != name}
        if self._rise([name], values, {other: one[0] for other, one in others.items()}) and not others:
            return True
        points = 1
        for one in others.values():
            points *= len(one)
        combinations = product(*others.values()) if points <= PROVED else ()
        fixed = [dict(zip(others, one, strict=True)) for one in combinations]
        return bool(fixed) and all(self._rise([name], values, one) for one in fixed)

    def _rise(self, names: Sequence[str], values: Mapping[str, Sequence[Any]], fixed: Assignment) -> bool:
        """Whether every held cost is known to rise with these variables together."""
        turned = {name: Turned(values[name][0], values[name][len(values[name]) - 1], name) for name in names}
        try:
            return self._known({**self.known, **fixed, **turned})
        except (SpecError, Undecided, TypeError, AttributeError):
            return False

    def _known(self, assignment: Assignment) -> bool:
        channels, memory = self.study.facts.shape[0], "memory" in self.names
        if not rises(blueprint_at(self.study, assignment).tree, channels, memory):
            return False
        return all(_rising_recipe(self.study, assignment, name) for name in self.names if name not in OF_NETWORK)

    def beyond(self, best: Match) -> Match | None:
        """The nearest point beyond the end of the range where the solution stands, if there is any."""
        if len(self.domains) > 1:
            return None
        name, value = next(iter(best.values.items()))
        domain = self.domains[name]
        if not isinstance(domain, IntRange) or value not in (domain.low, domain.values()[-1]):
            return None
        values = _beyond(domain, up=best.error < 0)
        known = self._rise([name], {name: values}, {}) if values else False
        axis = Axis(name, values if known else values[:FURTHER] if best.error < 0 else values[-FURTHER:], known)
        try:
            return self.solve([axis])
        except Infeasible:
            return None


def _beyond(domain: IntRange, up: bool) -> range:
    if up:
        return range(domain.values()[-1] + domain.step, MAX_WIDTH + 1, domain.step)
    return range((domain.low - 1) % domain.step + 1, domain.low, domain.step)


def _values(domain: Domain) -> Sequence[Any]:
    """A domain's values, numbers in rising order."""
    if isinstance(domain, IntRange):
        return domain.values()
    if isinstance(domain, FloatRange):
        return Reals(float(domain.low), float(domain.high))
    return sorted(domain.options) if _numbers(domain.options) else domain.options


def _numbers(values: Sequence[Any]) -> bool:
    """Whether values are plain numbers, so that their order means something."""
    if isinstance(values, range | Reals):
        return True
    return all(isinstance(one, int | float) and not isinstance(one, bool) for one in values)


def _rising_recipe(study: Study, assignment: Assignment, name: str) -> bool:
    sections, problems = study.space.attempt(assignment, ("recipe",))
    turned = rising(sections["recipe"].tree)
    return not problems and all(where[-1] in RISING_RECIPE[name] and one.rises for where, one in turned)
