"""What the sections of a study say of each other: every mistake that can be told without looking at the data."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from searchspace.cost import COUNTED
from searchspace.language.expressions import names
from searchspace.language.problems import Path, Problem, nearest
from searchspace.language.space import SearchSpace, texts
from studies.design.checks import design_problems
from studies.spec import TEMPLATES, StudySpec
from studies.starts import mistakes
from studies.tablechecks import table_problems
from studies.tabular import columns
from studies.templates import template_problems
from worker import metrics
from worker.datasource import DataFacts


def checks(spec: StudySpec, space: SearchSpace, broken: set[str], facts: DataFacts | None) -> Iterator[Problem]:
    """Every mistake between the sections that can be read; `broken` are those that cannot."""
    if not broken & {"search", "task"}:
        yield from _search_problems(spec)
    if not broken & {"search", "variables"}:
        yield from _start_problems(spec, space)
    if not broken & {"variables", *TEMPLATES}:
        yield from _unused(spec, space)
    if not broken & {"variables", "design", *TEMPLATES}:
        yield from design_problems(spec, space)
    if not broken & {"variables", "design", "search", "task", "evaluate", *TEMPLATES}:
        yield from table_problems(spec, space)
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
    used = {name for value in spec.declared.values() for _, text in texts(value) for name in names(text)}
    used |= {*columns(spec, space)}
    used |= {name for section in TEMPLATES for _, text in texts(getattr(spec, section)) for name in names(text)}
    misspelt = used - {*spec.declared, *space.names}
    for name in spec.declared:
        if name not in used and not get_close_matches(name, misspelt):
            near = [] if name in spec.variables else get_close_matches(name, spec.variables)
            cure = f", did you mean {near[0]!r}?" if near else f"; write ${name} somewhere or remove it"
            where: Path = ("variables", name) if name in spec.variables else ("design", "tune", name)
            yield Problem(where, f"nothing refers to {name!r}{cure}")
