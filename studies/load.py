"""From a YAML file to a sound Study, or every mistake in it as `file:line:column: what, cure`."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from searchspace import yamlio
from searchspace.cost import COUNTED, Infeasible
from searchspace.expressions import names
from searchspace.problems import Path as Where
from searchspace.problems import Problem, SpecError
from searchspace.sentences import nearest, problems
from searchspace.space import Assignment, SearchSpace, search_space
from searchspace.variables import IntRange, levels, probes, sample
from studies.candidate import Study, filled, network_of
from studies.design import every_cell
from studies.spec import TEMPLATES, StudySpec
from worker import metrics
from worker.datasource import DataFacts, describe

TRIES = 256
"""Random assignments tried before a space is said to hold no network at all."""


def load(path: Path) -> Study:
    """The study in a file; a SpecError lists every mistake that can be seen without training."""
    document = yamlio.read(path)
    try:
        return _study(document, path.resolve().parent)
    except SpecError as error:
        if error.file:
            raise
        keys = [problem.where for problem in error.problems if problem.message.startswith("unknown field")]
        raise yamlio.placed(document, error.problems, at_key=keys) from None


def from_tree(tree: Mapping[str, Any], text: str) -> Study:
    """The study of a normalised tree from the store, which was checked when it was stored."""
    spec = StudySpec.model_validate(tree)
    return Study(spec, _space(spec), describe(spec.data, spec.task), tree, text)


def _study(document: yamlio.Document, folder: Path) -> Study:
    if not isinstance(document.data, dict):
        raise SpecError([Problem((), "a study is a mapping; start with apiVersion: archstudy/v1")])
    data = _absolute(document.data, folder)
    try:
        spec = StudySpec.model_validate(data)
    except ValidationError as error:
        found = problems(error, data, StudySpec)
        raise SpecError([*found, *_space_problems(data)]) from None
    space = _space(spec)
    found = [*_objective_problems(spec), *_unused(spec, space), *_design_problems(spec, space)]
    facts = _facts(spec, found)
    found += _template_problems(space)
    if found or facts is None:
        raise SpecError(found)
    study = Study(spec, space, facts, spec.model_dump(mode="json", exclude_none=True), document_text(document))
    _must_hold_a_network(study)
    return study


def document_text(document: yamlio.Document) -> str:
    """The file as its author wrote it, for the record."""
    return Path(document.file).read_text(encoding="utf-8-sig")


def _absolute(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The tree with a relative path in `data.source` resolved against the file's folder."""
    section = data.get("data")
    source = section.get("source") if isinstance(section, dict) else None
    kind, colon, path = source.partition(":") if isinstance(source, str) else ("", "", "")
    if not colon or kind == "hf":
        return data
    return {**data, "data": {**data["data"], "source": f"{kind}:{(folder / path).resolve()}"}}


def _space(spec: StudySpec) -> SearchSpace:
    return search_space(spec.variables, {section: getattr(spec, section) for section in TEMPLATES})


def _space_problems(data: Mapping[str, Any]) -> list[Problem]:
    """Mistakes of variables and templates in a file whose other sections are wrong too."""
    parts = {name: data.get(name, {}) for name in ("variables", *TEMPLATES)}
    if not all(isinstance(part, dict) for part in parts.values()):
        return []
    try:
        space = search_space(parts["variables"], {section: parts[section] for section in TEMPLATES})
    except SpecError as error:
        return list(error.problems)
    return list(_template_problems(space)) if parts["blueprint"] else []


def _facts(spec: StudySpec, found: list[Problem]) -> DataFacts | None:
    try:
        return describe(spec.data, spec.task)
    except ValueError as error:
        found.append(Problem(("data", "source"), str(error)))
        return None


def _objective_problems(spec: StudySpec) -> Iterator[Problem]:
    known = [*metrics.metric_names(spec.task), *COUNTED]
    for index, objective in enumerate(spec.search.objectives if spec.search else ()):
        where: Where = ("search", "objectives", index)
        if objective.target not in known:
            yield Problem(where, f"unknown objective {objective.target!r}{nearest(objective.target, known)}")
        elif index == 0 and objective.target in COUNTED:
            yield Problem(where, "the first objective ranks and prunes, so it must be a metric; move the cost behind")
    for name in spec.search.constraints if spec.search else ():
        if name not in COUNTED:
            yield Problem(
                ("search", "constraints", name), f"{name!r} is no cost that is counted{nearest(name, list(COUNTED))}"
            )


def _unused(spec: StudySpec, space: SearchSpace) -> Iterator[Problem]:
    """Declared variables that nothing refers to, whose variation could change nothing."""
    used = {name for _, value in space.derived if isinstance(value, str) for name in names(value)}
    used |= {name for text in _texts(space.templates) for name in names(text)}
    for name in spec.variables:
        if name not in used:
            yield Problem(("variables", name), f"nothing refers to {name!r}; write ${name} somewhere or remove it")


def _texts(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    for child in tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ():
        yield from _texts(child)


def _design_problems(spec: StudySpec, space: SearchSpace) -> Iterator[Problem]:
    """Factors that are not there or have no levels, a match by no integer, variables left open."""
    design = spec.design
    if design is None:
        return
    matched = {design.match.by} if design.match else set()
    for index, name in enumerate(design.factors):
        yield from _factor_problems(space, ("design", "factors", index), name)
    if len(set(design.factors)) < len(design.factors):
        yield Problem(("design", "factors"), "a factor is named twice; name each once")
    for name in matched:
        if name in design.factors:
            yield Problem(("design", "match", "by"), f"{name!r} is a factor; a match turns a variable that is none")
        elif name not in space.names or not isinstance(space[name].domain, IntRange):
            known = [one.name for one in space.variables if isinstance(one.domain, IntRange)]
            yield Problem(
                ("design", "match", "by"), f"{name!r} is no {{int: [low, high]}} variable{nearest(name, known)}"
            )
    for name in space.names:
        if name not in matched and name not in design.factors:
            yield Problem(("variables", name), f"{name!r} is neither a factor nor matched; add it or give it one value")


def _factor_problems(space: SearchSpace, where: Where, name: str) -> Iterator[Problem]:
    if name not in space.names:
        yield Problem(where, f"unknown variable {name!r}{nearest(name, list(space.names))}")
        return
    try:
        levels(space[name].domain)
    except ValueError as error:
        yield Problem(where, str(error))


def probe_assignments(space: SearchSpace) -> Iterator[Assignment]:
    """A baseline, then each variable's other probes one at a time."""
    baseline = {variable.name: probes(variable.domain)[0] for variable in space.variables}
    yield baseline
    for variable in space.variables:
        for value in probes(variable.domain)[1:]:
            yield {**baseline, variable.name: value}


def _template_problems(space: SearchSpace) -> list[Problem]:
    """What is wrong with the blueprint or recipe, for any probe of any variable; each place and sentence once."""
    found: dict[tuple[Where, str], Problem] = {}
    baseline: Assignment | None = None
    for assignment in probe_assignments(space):
        baseline = assignment if baseline is None else baseline
        try:
            filled(space, assignment)
        except SpecError as error:
            changed = [f"{name} = {value!r}" for name, value in assignment.items() if value != baseline[name]]
            when = f" (with {changed[0]})" if changed else ""
            for problem in error.problems:
                place = (problem.where, problem.message)
                found.setdefault(place, Problem(problem.where, problem.message + when))
    return list(found.values())


def _must_hold_a_network(study: Study) -> None:
    """A space in which no network exists, or a match that no cell can reach, is a mistake of the file."""
    if study.spec.design:
        cells = every_cell(study)
        if all(cell.reason for cell in cells):
            where: Where = ("design", "match") if study.spec.design.match else ("blueprint",)
            raise SpecError([Problem(where, f"no cell is possible: {cells[0].reason}")])
        return
    generator, last = random.Random(study.spec.seed), None
    for assignment in _tries(study.space, generator):
        try:
            network_of(study, assignment)
            return
        except Infeasible as error:
            last = last or error
    assert last is not None
    place = ("blueprint", *(int(part) if part.isdigit() else part for part in last.where.split(".")))
    raise SpecError([Problem(place, f"no network of this space can exist: {last}")])


def _tries(space: SearchSpace, generator: random.Random) -> Iterator[Assignment]:
    yield from probe_assignments(space)
    for _ in range(TRIES if space.variables else 0):
        yield {variable.name: sample(variable.domain, generator) for variable in space.variables}
