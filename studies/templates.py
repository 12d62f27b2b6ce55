"""What is wrong with a study's templates, found by filling them in: with every option, and with random assignments."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from searchspace.language.expressions import names
from searchspace.language.problems import Path, Problem, SpecError, dotted
from searchspace.language.space import Assignment, SearchSpace
from searchspace.language.variables import Choice, Variable, first, probes
from studies.candidate import filled
from worker.datasource import DataFacts

DRAWN = 100
"""Random assignments tried beside the probes, for mistakes that only some combinations make."""


def probe_assignments(space: SearchSpace) -> Iterator[Assignment]:
    """A baseline, then each variable's other probes one at a time; a conditional one where it exists."""
    yield space.completed({})
    for variable in space.variables:
        for value in probes(variable.domain)[1:]:
            yield space.completed({**space.reaching(variable), variable.name: value})


def random_assignments(space: SearchSpace, seed: int, count: int) -> Iterator[Assignment]:
    """Assignments drawn at random; none where nothing varies."""
    generator = random.Random(seed)
    for _ in range(count if space.variables else 0):
        yield space.sample(generator)


def template_problems(space: SearchSpace, task: str, facts: DataFacts | None = None) -> list[Problem]:
    """What is wrong with the blueprint or recipe, each place once, with the values that bring it about.

    A variable's option that is wrong where others are right is reported at the option.
    """
    probed = list(probe_assignments(space))
    failing: dict[Path, dict[int, Problem]] = {}
    for number, assignment in enumerate(probed):
        for problem in _wrong(space, assignment, task, facts):
            place = _place(space, assignment, problem.where)
            failing.setdefault(place.path, {}).setdefault(number, problem)
    found = [told for where, at in failing.items() for told in _told(space, probed, where, at)]
    if not found:
        found = _combined(space, task, facts)
    return found


def _wrong(space: SearchSpace, assignment: Assignment, task: str, facts: DataFacts | None) -> list[Problem]:
    try:
        filled(space, assignment, task, facts)
    except SpecError as error:
        return list(error.problems)
    return []


class _Place(NamedTuple):
    """Where a problem stands in the file, the text there if it is text, and the choices within whose options it is."""

    path: Path
    text: str | None
    within: tuple[str, ...]


def _place(space: SearchSpace, assignment: Assignment, where: Path) -> _Place:
    """The place of a filled-in template, which may lie within an option of a choice that stands for a section."""
    tree: Any = {**space.templates, "variables": dict(space.derived)}
    path: Path = ()
    within: list[str] = []
    for depth, part in enumerate(where):
        name = tree.strip().removeprefix("$") if isinstance(tree, str) and tree.strip().startswith("$") else ""
        if name in assignment and name not in within and isinstance(domain := space[name].domain, Choice):
            within.append(name)
            tree = assignment[name]
            path = (*space[name].where, "choice", _number(domain, tree))
        children = tree if isinstance(tree, dict) else dict(enumerate(tree)) if isinstance(tree, list) else {}
        path = (*path, part)
        if part not in children:
            known = isinstance(tree, dict) and depth == len(where) - 1
            return _Place(path, None, tuple(within)) if known else _Place(where, None, ())
        tree = children[part]
    return _Place(path, tree if isinstance(tree, str) else None, tuple(within))


def _number(domain: Choice, value: Any) -> int:
    """Which option a value is."""
    return next(index for index, option in enumerate(domain.options) if option is value)


def _told(space: SearchSpace, probed: list[Assignment], where: Path, at: dict[int, Problem]) -> Iterator[Problem]:
    """The problems of one place, given the numbers of the probes that have one there."""
    number, problem = next(iter(at.items()))
    assignment = probed[number]
    _, text, within = _place(space, assignment, problem.where)
    guilty = _guilty(space, probed, at, within)
    alone = text is not None and len(guilty) == 1 and text.strip() == f"${guilty[0]}"
    if alone or (len(guilty) == 1 and space[guilty[0]].within):
        blamed = [(probed[number][guilty[0]], one) for number, one in at.items() if guilty[0] in probed[number]]
        wrong = {repr(value): (value, one) for value, one in blamed}
        yield from (_at_option(space[guilty[0]], value, one) for value, one in wrong.values())
    else:
        named = guilty or sorted(names(text) & assignment.keys())
        if any(f"${name} is" in problem.message for name in named):
            named = []  # the sentence has the value already
        message = problem.message + _when({name: assignment[name] for name in named})
        yield replace(problem, where=where, message=message + (_used(problem, where) if within else ""))


def _guilty(space: SearchSpace, probed: list[Assignment], at: dict[int, Problem], within: tuple[str, ...]) -> list[str]:
    """The variables whose values bring a problem about, given the probes that have it; the place says those `within`.

    They are what the first such probe changed, else, where the baseline itself is wrong, all that can mend it.
    """
    assignment = probed[next(iter(at))]
    peers = {n: one for n, one in enumerate(probed) if all(one.get(name) == assignment[name] for name in within)}
    baseline = next(iter(peers.values()))
    usual = {name: baseline.get(name, first(space[name].domain)) for name in assignment}
    changed = [name for name, value in assignment.items() if value != usual[name]]
    # A choice that only makes another variable exist is not to blame.
    parents = {name for one in changed for name in space.reaching(space[one])}
    return [name for name in changed if name not in parents] or [
        name
        for name in assignment
        if any(_differs(name, one, baseline) and number not in at for number, one in peers.items())
    ]


def _differs(name: str, one: Assignment, baseline: Assignment) -> bool:
    return name in one and one[name] != baseline.get(name)


def _when(values: Assignment) -> str:
    return f" (with {', '.join(f'{name} = {value!r}' for name, value in values.items())})" if values else ""


def _text_at(space: SearchSpace, where: Path) -> str | None:
    """The text that the templates have at a place, if it is text."""
    tree: Any = {**space.templates, "variables": dict(space.derived)}
    for part in where:
        children = tree if isinstance(tree, dict) else dict(enumerate(tree)) if isinstance(tree, list) else {}
        tree = children.get(part)
    return tree if isinstance(tree, str) else None


def _at_option(variable: Variable, value: Any, problem: Problem) -> Problem:
    """The problem at the option, or at the end of the range, that is to blame; the sentence says for which place."""
    if isinstance(variable.domain, Choice):
        where: Path = (*variable.where, "choice", _number(variable.domain, value))
    else:
        kind = "int" if isinstance(value, int) else "float"
        where = (*variable.where, kind, 0 if value == variable.domain.low else 1)
    return Problem(where, problem.message + _used(problem, variable.where))


def _used(problem: Problem, where: Path) -> str:
    """For which place of a template a problem in the `variables:` is one."""
    return f" (for {dotted(problem.where)})" if where[0] == "variables" != problem.where[0] else ""


def _combined(space: SearchSpace, task: str, facts: DataFacts | None) -> list[Problem]:
    """Mistakes of combinations: those of the first random assignment that has any, with the values that matter."""
    baseline = next(probe_assignments(space))
    for assignment in random_assignments(space, 0, DRAWN):
        if not _wrong(space, assignment, task, facts):
            continue
        for name, value in baseline.items():
            calmer = space.completed({**assignment, name: value})
            assignment = calmer if _wrong(space, calmer, task, facts) else assignment
        when = _when({name: value for name, value in assignment.items() if value != baseline.get(name)})
        places = {one: _place(space, assignment, one.where) for one in _wrong(space, assignment, task, facts)}
        return [replace(one, where=place.path, message=one.message + when) for one, place in places.items()]
    return []
