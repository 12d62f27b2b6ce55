"""From a YAML file to a sound Study, or every mistake in it as `file:line:column: what, cure`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from searchspace.language import yamlio
from searchspace.language.bundled import unpacked
from searchspace.language.problems import FieldError, Problem, SpecError, dotted
from searchspace.language.problems import Path as Where
from searchspace.language.sentences import at_keys, problems
from searchspace.language.space import Assignment, SearchSpace, search_space, survey
from studies.candidate import Impossible, Study, network_of
from studies.checks import checks
from studies.design.cells import sketched
from studies.design.spec import DesignSpec
from studies.errors import NotFound
from studies.spec import TEMPLATES, StudySpec, one_question
from studies.tablechecks import unanswered
from studies.tabular import NO_NETWORK, table_of
from studies.templates import probe_assignments, random_assignments
from worker.datasource import DataFacts, describe, digest

TRIES = 256
"""Random assignments tried before a space is said to hold no network at all."""

STAND_INS: dict[str, Any] = {
    "apiVersion": "archstudy/v1",
    "kind": "Study",
    "name": "study",
    "data": {"source": "digits"},
    "blueprint": {},
    "design": {"factors": [""]},
}
"""What stands in for a section that is wrong or missing, so that the others can be checked."""

UNTRAINED: dict[str, Any] = {"blueprint": NO_NETWORK, "recipe": {"epochs": 1}}
"""What stands for the sections that only training has a use for."""


def load(path: Path) -> Study:
    """The study in a file; a SpecError lists every mistake that can be seen without training."""
    if not path.exists():
        raise NotFound(f"there is no file {path}; give the path of a study's YAML file")
    document = yamlio.read(path)
    try:
        return _study(document, path.resolve().parent)
    except SpecError as error:
        if error.file:
            raise
        raise yamlio.placed(document, error.problems, at_keys(error.problems)) from None


def from_tree(tree: Mapping[str, Any], text: str, facts: DataFacts | None = None) -> Study:
    """The study of a normalised tree from the store, which was checked when it was stored.

    A ValueError where `facts` are not given and its data cannot be looked at.
    """
    spec = StudySpec.model_validate(tree)
    return Study(spec, _space(spec), facts or describe(spec.data, spec.task), tree, text)


def stored(row: Mapping[str, Any]) -> Study:
    """The study of a row; without its data set, which may have been moved since, nothing is known of its data."""
    try:
        return from_tree(row["spec"], row["yaml"])
    except (ValueError, OSError):
        return from_tree(row["spec"], row["yaml"], DataFacts((), 0, 0, ()))


def _study(document: yamlio.Document, folder: Path) -> Study:
    if not isinstance(document.data, dict):
        raise SpecError([Problem((), "a study is a mapping; start with apiVersion: archstudy/v1")])
    data, unread = _unpacked(_untrained(_absolute(document.data, folder)), folder)
    spec, broken, found = _readable(data)
    found += unread
    space, more = survey(spec.declared, {section: getattr(spec, section) for section in TEMPLATES})
    found += more if "variables" not in broken else []
    facts = _facts(spec, found) if not broken & {"data", "task"} else None
    found += checks(spec, space, broken, facts)
    if found or facts is None:
        raise SpecError(_once(found))
    spec = _pinned(spec, space)
    study = Study(spec, space, facts, spec.model_dump(mode="json", exclude_none=True), document_text(document))
    _must_hold_a_network(study)
    if asked := unanswered(study):
        raise SpecError(asked)
    return study


def _pinned(spec: StudySpec, space: SearchSpace) -> StudySpec:
    """The spec with the digests of its data and of its table."""
    found: dict[str, Any] = {"data": spec.data.model_copy(update={"digest": digest(spec.data)})}
    if spec.evaluate:
        found["evaluate"] = spec.evaluate.model_copy(update={"digest": table_of(spec, space).digest})
    return spec.model_copy(update=found)


def _readable(data: dict[str, Any]) -> tuple[StudySpec, set[str], list[Problem]]:
    """The spec with stand-ins for the sections that are wrong, which sections these are, and what is wrong there."""
    broken: set[str] = set()
    found: list[Problem] = []
    rest = dict(data)
    try:
        one_question(data.get("design"), data.get("search"))
    except FieldError as error:
        found.append(Problem((error.field,) if error.field in data else (), str(error)))
        broken |= {"search"} if data.get("design") else {"design", "search"}
    try:
        StudySpec.model_validate(_stood_in(rest, broken))
    except ValidationError as error:
        found += problems(error, data, StudySpec)
        broken |= {str(finding["loc"][0]) for finding in error.errors()}
        broken |= {"design"} if "search" in broken and not rest.get("design") else set()
    return StudySpec.model_validate(_stood_in(rest, broken)), broken, found


def _stood_in(data: dict[str, Any], broken: set[str]) -> dict[str, Any]:
    kept = {name: value for name, value in data.items() if name not in broken}
    kept |= {name: STAND_INS[name] for name in broken if name in STAND_INS}
    return kept | {"design": STAND_INS["design"] | _tuned(data)} if "design" in broken and data.get("design") else kept


def _tuned(data: dict[str, Any]) -> dict[str, Any]:
    """What `design.tune` declares for other sections, where it can be read though the rest of the design cannot."""
    try:
        told = {"tune": data["design"]["tune"]}
        DesignSpec.model_validate(STAND_INS["design"] | told)
    except (KeyError, TypeError, ValidationError):
        return {}
    return told


def _once(found: list[Problem]) -> list[Problem]:
    """The first problem of each place: what follows from it would only confuse."""
    first: dict[Where, Problem] = {}
    for problem in found:
        if len(problem.where) > 1:
            first.setdefault(problem.where, problem)
    return [one for one in found if first.get(one.where, one) is one]


def document_text(document: yamlio.Document) -> str:
    """The file as its author wrote it, for the record."""
    return Path(document.file).read_text(encoding="utf-8-sig")


def _absolute(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The tree with relative paths, of the data, a table and first filters, resolved against the file's folder."""
    section = data.get("data")
    source = section.get("source") if isinstance(section, dict) else None
    kind, colon, path = source.partition(":") if isinstance(source, str) else ("", "", "")
    if colon and kind != "hf":
        data = {**data, "data": {**data["data"], "source": f"{kind}:{(folder / path).resolve()}"}}
    table = data.get("evaluate")
    if isinstance(table, dict) and isinstance(table.get("table"), str):
        data = {**data, "evaluate": {**table, "table": str((folder / table["table"]).resolve())}}
    return _with_filters(data, folder)


def _untrained(data: dict[str, Any]) -> dict[str, Any]:
    """The tree of a study whose results come from a table with the network and the recipe that it need not have."""
    return {**UNTRAINED, **data} if "evaluate" in data else data


def _with_filters(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`recipe.initial.first.path` made absolute, if it is there as text."""
    sections = [data]
    for name in ("recipe", "initial", "first"):
        inner = sections[-1].get(name)
        if not isinstance(inner, dict):
            return data
        sections.append(inner)
    path = sections[-1].get("path")
    if not isinstance(path, str) or "$" in path:
        return data
    changed = {**sections[3], "path": str((folder / path).resolve())}
    recipe = {**sections[1], "initial": {**sections[2], "first": changed}}
    return {**data, "recipe": recipe}


def _space(spec: StudySpec) -> SearchSpace:
    return search_space(spec.declared, {section: getattr(spec, section) for section in TEMPLATES})


def _unpacked(data: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[Problem]]:
    """The tree with the blueprints of bundles in their places, so that what is stored needs no folder."""
    found: list[Problem] = []
    for section in ("blueprint", "variables"):
        if section in data:
            tree, problems = unpacked(data[section], folder, (section,))
            data, found = {**data, section: tree}, found + problems
    return data, found


def _facts(spec: StudySpec, found: list[Problem]) -> DataFacts | None:
    try:
        return describe(spec.data, spec.task)
    except ValueError as error:
        found.append(Problem(("data", "source"), str(error)))
        return None


def _must_hold_a_network(study: Study) -> None:
    """A space in which no network exists, or a match that no cell can reach, is a mistake of the file."""
    if study.spec.design:
        cells = sketched(study)
        if all(cell.reason for cell in cells):
            best = min(cells, key=lambda cell: inf if cell.error is None else abs(cell.error))
            what = "no cell is possible" + (f", the nearest is {best.name}" if best.error is not None else "")
            reason = (best.reason or "").removeprefix(f"{dotted(best.where[1:])}: ")
            raise SpecError([Problem(best.where, f"{what}: {reason}")])
        return
    last = None
    for assignment in _tries(study):
        try:
            network_of(study, assignment)
            return
        except Impossible as error:
            last = last or error
    assert last is not None
    what = "no network of this space can exist: " if study.space.variables else ""
    raise SpecError([Problem(last.place, what + last.told)])


def _tries(study: Study) -> Iterator[Assignment]:
    yield from probe_assignments(study.space)
    yield from random_assignments(study.space, study.spec.seed, TRIES)
