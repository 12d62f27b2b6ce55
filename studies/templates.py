"""What is wrong with a study's templates, found by filling them in: with every option, and with random assignments."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from searchspace.language.expressions import names
from searchspace.language.problems import Path, Problem, SpecError
from searchspace.language.space import Assignment, SearchSpace
from searchspace.language.variables import Choice, Variable, probes
from studies.candidate import filled

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


def template_problems(space: SearchSpace, task: str) -> list[Problem]:
    """What is wrong with the blueprint or recipe, each place once, with the values that bring it about.

    A variable's option that is wrong where others are right is reported at the option.
    """
    probed = list(probe_assignments(space))
    failing: dict[Path, dict[int, Problem]] = {}
    for number, assignment in enumerate(probed):
        for problem in _wrong(space, assignment, task):
            failing.setdefault(problem.where, {})[number] = problem
    found = [told for where, at in failing.items() for told in _told(space, probed, where, at)]
    if not found:
        found = _combined(space, task)
    return found


def _wrong(space: SearchSpace, assignment: Assignment, task: str) -> list[Problem]:
    try:
        filled(space, assignment, task)
    except SpecError as error:
        return list(error.problems)
    return []


def _told(space: SearchSpace, probed: list[Assignment], where: Path, at: dict[int, Problem]) -> Iterator[Problem]:
    """The problems of one place, given the numbers of the probes that have one there."""
    first, problem = next(iter(at.items()))
    baseline, assignment = probed[0], probed[first]
    changed = [name for name, value in assignment.items() if value != baseline.get(name)]
    # A choice that only makes another variable exist is not to blame.
    parents = {name for one in changed for name in space.reaching(space[one])}
    changed = [name for name in changed if name not in parents]
    guilty = changed or [
        variable.name
        for variable in space.variables
        if any(_differs(variable.name, one, baseline) and number not in at for number, one in enumerate(probed))
    ]
    text = _text_at(space, where)
    alone = text is not None and len(guilty) == 1 and text.strip() == f"${guilty[0]}"
    if alone or (len(guilty) == 1 and space[guilty[0]].within):
        wrong = {repr(value): (value, one) for n, one in at.items() if (value := probed[n].get(guilty[0])) is not None}
        yield from (_at_option(space[guilty[0]], value, one) for value, one in wrong.values())
    else:
        named = guilty or sorted(names(text) & assignment.keys())
        if any(f"${name} is" in problem.message for name in named):
            named = []  # the sentence has the value already
        yield replace(problem, message=problem.message + _when({name: assignment[name] for name in named}))


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
        index = next(index for index, option in enumerate(variable.domain.options) if option is value)
        where: Path = (*variable.where, "choice", index)
    else:
        kind = "int" if isinstance(value, int) else "float"
        where = (*variable.where, kind, 0 if value == variable.domain.low else 1)
    used = f" (for {'.'.join(map(str, problem.where))})" if problem.where != variable.where else ""
    return Problem(where, problem.message + used)


def _combined(space: SearchSpace, task: str) -> list[Problem]:
    """Mistakes of combinations: those of the first random assignment that has any, with the values that matter."""
    baseline = next(probe_assignments(space))
    for assignment in random_assignments(space, 0, DRAWN):
        if not _wrong(space, assignment, task):
            continue
        for name, value in baseline.items():
            calmer = space.completed({**assignment, name: value})
            assignment = calmer if _wrong(space, calmer, task) else assignment
        when = _when({name: value for name, value in assignment.items() if value != baseline.get(name)})
        return [replace(one, message=one.message + when) for one in _wrong(space, assignment, task)]
    return []
