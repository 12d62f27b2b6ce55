"""What the sections of a study say of each other: every mistake that can be told without looking at the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from math import prod
from typing import Any

from searchspace.cost import COUNTED
from searchspace.language.expressions import names
from searchspace.language.problems import Path, Problem, nearest
from searchspace.language.space import SearchSpace, texts
from searchspace.language.variables import FloatRange, IntRange, levels, probes
from studies.spec import TEMPLATES, DesignSpec, StudySpec
from studies.starts import mistakes
from studies.templates import template_problems
from worker import metrics
from worker.datasource import DataFacts

MAX_CELLS = 1_000
"""The most cells of a design."""
MAX_COUNTED = 10_000
"""The most networks that a match may count: about two seconds."""


def checks(spec: StudySpec, space: SearchSpace, broken: set[str], facts: DataFacts | None) -> Iterator[Problem]:
    """Every mistake between the sections that can be read; `broken` are those that cannot."""
    if not broken & {"search", "task"}:
        yield from _search_problems(spec)
    if not broken & {"search", "variables"}:
        yield from _start_problems(spec, space)
    if not broken & {"variables", *TEMPLATES}:
        yield from _unused(spec, space)
    if not broken & {"variables", "design", *TEMPLATES}:
        yield from _design_problems(spec, space)
    if "variables" not in broken:
        for problem in template_problems(space, spec.task, facts):
            if problem.where[0] not in broken and not (problem.where == ("recipe", "loss") and "task" in broken):
                yield problem


def _search_problems(spec: StudySpec) -> Iterator[Problem]:
    """Objectives and constraints that name nothing that is measured or counted, or the wrong way."""
    known = [*_measured(spec), *COUNTED]
    targets = [objective.target for objective in spec.search.objectives] if spec.search else []
    for index, objective in enumerate(spec.search.objectives if spec.search else ()):
        where: Path = ("search", "objectives", index)
        if objective.target not in known:
            yield Problem(where, f"unknown objective {objective.target!r}{nearest(objective.target, known)}")
        elif index == 0 and objective.target in COUNTED:
            metric = spec.usual.target
            cure = f"put {{{metrics.direction(metric)}: {metric}}} before it"
            yield Problem(where, f"the first objective ranks and prunes, so it cannot be a cost; {cure}")
        elif objective.direction != (better := _better(objective.target)):
            yield Problem(where, f"this looks for the worst {objective.target}; write {{{better}: {objective.target}}}")
        elif objective.target in targets[:index]:
            yield Problem(where, f"{objective.target!r} is an objective twice; name it once")
    for name in spec.search.constraints if spec.search else ():
        if name not in COUNTED:
            yield Problem(
                ("search", "constraints", name), f"{name!r} is no cost that is counted{nearest(name, COUNTED)}"
            )


def _measured(spec: StudySpec) -> tuple[str, ...]:
    """The metrics of each epoch, those included that the recipe adds; what is wrong with these, the recipe says."""
    extra = spec.recipe.get("metrics")
    try:
        return metrics.metric_names(spec.task, extra if isinstance(extra, list) else ())
    except (ValueError, TypeError):
        return metrics.metric_names(spec.task)


def _start_problems(spec: StudySpec, space: SearchSpace) -> Iterator[Problem]:
    """Warm starts that name no variable, a value outside its domain, or a variable that does not exist with them."""
    for index, given in enumerate((spec.search.start or []) if spec.search else []):
        for name, sentence in mistakes(space, given):
            yield Problem(("search", "start", index, name), sentence)


def _better(target: str) -> str:
    return "minimize" if target in COUNTED else metrics.direction(target)


def _unused(spec: StudySpec, space: SearchSpace) -> Iterator[Problem]:
    """Declared variables that nothing refers to, whose variation could change nothing."""
    used = {name for value in spec.variables.values() for _, text in texts(value) for name in names(text)}
    used |= {name for section in TEMPLATES for _, text in texts(getattr(spec, section)) for name in names(text)}
    misspelt = used - {*spec.variables, *space.names}
    for name in spec.variables:
        if name not in used and not get_close_matches(name, misspelt):
            yield Problem(("variables", name), f"nothing refers to {name!r}; write ${name} somewhere or remove it")


def _design_problems(spec: StudySpec, space: SearchSpace) -> Iterator[Problem]:
    """Factors that are not there or have no levels, a match by no integer, variables left open, too much to count."""
    design = spec.design
    if design is None:
        return
    found = [
        problem
        for index, name in enumerate(design.factors)
        for problem in _factor_problems(space, ("design", "factors", index), name, spec.variables)
    ]
    if len(set(design.factors)) < len(design.factors):
        found.append(Problem(("design", "factors"), "a factor is named twice; name each once"))
    if design.match:
        found += _match_problems(design, space, spec.variables)
    yield from found
    if not found and {*design.factors, *([design.match.by] if design.match else [])} <= {*space.names}:
        yield from _open(design, space)
        yield from _too_much(design, space)


def _match_problems(design: DesignSpec, space: SearchSpace, declared: Mapping[str, Any]) -> Iterator[Problem]:
    assert design.match is not None
    where, name = ("design", "match", "by"), design.match.by
    if name in design.factors:
        yield Problem(where, f"{name!r} is a factor; name another variable, or take it out of the factors")
    elif name in space.names:
        if not isinstance(space[name].domain, IntRange):
            yield Problem(where, f"a match turns whole numbers; declare {name!r} as {{int: [low, high]}}")
    elif name not in declared:
        known = [one.name for one in space.variables if isinstance(one.domain, IntRange)]
        yield Problem(where, f"unknown variable {name!r}{nearest(name, [*known, *_unread(space, declared)])}")


def _unread(space: SearchSpace, declared: Mapping[str, Any]) -> list[str]:
    """Variables that are declared with a domain that cannot be read: a name can still be meant to be theirs."""
    return [name for name, raw in declared.items() if isinstance(raw, Mapping | list) and name not in space.names]


def _open(design: DesignSpec, space: SearchSpace) -> Iterator[Problem]:
    """Variables that are neither factors nor matched and have several values, so that nothing says what they are."""
    for variable in space.variables:
        told = variable.name in (*design.factors, design.match and design.match.by)
        if not told and len(probes(variable.domain)) > 1:
            cure = "give it one value" if variable.within else "add it to design.factors, or give it one value"
            yield Problem(variable.where, f"{variable.name!r} is neither a factor nor matched; {cure}")


def _too_much(design: DesignSpec, space: SearchSpace) -> Iterator[Problem]:
    """A design of too many cells, or a match with too many values."""
    cells = prod(len(levels(space[name].domain)) for name in design.factors)
    if cells > MAX_CELLS:
        yield Problem(("design", "factors"), f"{cells:,} cells, and {MAX_CELLS:,} may be; name fewer levels or factors")
    elif design.match:
        variable = space[design.match.by]
        assert isinstance(variable.domain, IntRange)
        values = len(variable.domain.values())
        if cells * values > MAX_COUNTED:
            step = -(-cells * values // MAX_COUNTED) * variable.domain.step
            what = (
                f"{cells:,} cells x {values:,} values are {cells * values:,} networks to count, {MAX_COUNTED:,} may be"
            )
            yield Problem(variable.where, f"{what}; narrow the range or write step: {step}")


def _factor_problems(space: SearchSpace, where: Path, name: str, declared: Mapping[str, Any]) -> Iterator[Problem]:
    if name not in space.names:
        if name not in declared:
            known = [*space.names, *_unread(space, declared)]
            yield Problem(where, f"unknown variable {name!r}{nearest(name, known)}")
        elif not isinstance(declared[name], Mapping | list):
            yield Problem(where, f"{name!r} is computed from others and has no levels; name a variable with a domain")
    elif parent := space[name].within:
        yield Problem(where, f"{name!r} exists only within an option of {parent[0]!r}; vary it in a search")
    elif isinstance(space[name].domain, FloatRange):
        yield Problem(where, f"{name!r} is a range of real numbers; list its levels with {{choice: [...]}}")
