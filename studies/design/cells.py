"""The cells of a controlled study: combinations of levels, each with the cost that is held, or why it cannot be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from searchspace.cost import Cost, Infeasible
from searchspace.language.problems import Path, shown
from searchspace.language.space import Assignment, label
from studies.candidate import Study, counted_of, place
from studies.design.costs import MEASURED
from studies.design.layouts import combinations
from studies.design.matching import sketch_cell, solve_cell
from studies.tabular import costed

Row = Mapping[str, Any]
RAW = "raw: "
"""What the names of unmatched cells begin with."""


@dataclass(frozen=True)
class Cell:
    """One combination of factor levels; `reason` says why it cannot be run.

    `assignment` adds the variables that have one value only, those that are solved, and the first setting of those that
    are tuned. `error` is the signed relative distance of the held cost from its target (the largest of several), None
    where nothing is held; `errors` has that of each; `where` is the place in the study's file that the reason is about.
    """

    name: str
    levels: Assignment
    assignment: Assignment
    cost: Cost | None
    error: float | None
    reason: str | None
    where: Path = ()
    errors: Mapping[str, float] = field(default_factory=dict)
    raw: bool = False


def every_cell(study: Study, stored: Mapping[str, Row] | None = None) -> tuple[Cell, ...]:
    """All cells in the order of their factors' levels, possible or not; solved once for a study.

    `stored` has a trial of each cell that was solved before: a measured latency would not give the same again.
    """
    if "cells" not in study.memo:
        kept = (stored or {}) if measured(study) else {}
        study.memo["cells"] = tuple(_cell(study, one, kept.get(_name(study, one))) for one in _combinations(study))
    return study.memo["cells"]  # type: ignore[no-any-return]


def sketched(study: Study) -> tuple[Cell, ...]:
    """The cells; of a latency that is held only whether they could be, since measuring takes long."""
    if not measured(study):
        return every_cell(study)
    return tuple(_cell(study, one, sketch=True) for one in _combinations(study))


def measured(study: Study) -> bool:
    """Whether what is held has to be measured."""
    design = study.spec.design
    return design is not None and not design.held.keys().isdisjoint(MEASURED)


def raw_cells(study: Study) -> tuple[Cell, ...]:
    """The same combinations unmatched, at the values that `design.raw` names; none where it does not."""
    assert study.spec.design is not None
    raw = study.spec.design.raw
    return tuple(_counted(study, one, {**_constants(study), **raw}, RAW) for one in _combinations(study)) if raw else ()


def _combinations(study: Study) -> tuple[Assignment, ...]:
    assert study.spec.design is not None
    return combinations(study.spec.design, study.space, study.spec.seed)


def names(study: Study) -> list[str]:
    """Every cell's name in the design's order, then those of the unmatched ones; nothing is solved for it."""
    assert study.spec.design is not None
    found = [_name(study, one) for one in _combinations(study)]
    return [*found, *(RAW + name for name in found)] if study.spec.design.raw else found


def name_of(combination: Assignment, alike: Collection[tuple[str, str]] = ()) -> str:
    """`depth=2, kernel=3`; a section by its word, or whole where two of the factor's have this word (`alike`).

    Text in which a comma or an equals sign stands is quoted, so that it cannot be read as another factor.
    """
    told = {name: str(_shown(value)) for name, value in combination.items()}
    return ", ".join(
        f"{name}={shown(combination[name]) if (name, text) in alike or set(text) & set(',=') else text}"
        for name, text in told.items()
    )


def _name(study: Study, combination: Assignment) -> str:
    """The cell's name, which no other cell of the study has."""
    if "alike" not in study.memo:
        levels = {
            (name, repr(level)): str(_shown(level)) for one in _combinations(study) for name, level in one.items()
        }
        met = Counter((name, text) for (name, _), text in levels.items())
        study.memo["alike"] = {one for one, times in met.items() if times > 1}
    return name_of(combination, study.memo["alike"])


def _shown(value: Any) -> Any:
    return label(value) or value if isinstance(value, dict | list) else value


def settings(study: Study) -> list[Assignment]:
    """Every combination of the nuisance variables' settings; one empty one where nothing is tuned."""
    assert study.spec.design is not None
    found: list[Assignment] = [{}]
    for name, options in (study.spec.design.tune or {}).items():
        found = [{**one, name: option} for one in found for option in options]
    return found


def _constants(study: Study) -> Assignment:
    """The variables outside the factors and the match: each has one value, or is tuned and has its first setting."""
    design = study.spec.design
    assert design is not None
    told = {*design.factors, *design.turned}
    rest = {name: value for name, value in study.space.completed({}).items() if name not in told}
    return rest | {name: options[0] for name, options in (design.tune or {}).items()}


def _cell(study: Study, combination: Assignment, stored: Row | None = None, sketch: bool = False) -> Cell:
    assert study.spec.design is not None
    known, match = _constants(study), study.spec.design.match
    if match is None:
        return _counted(study, combination, known)
    if stored and not set(match.turned) - set(stored["assignment"]):
        return _as_stored(study, combination, known, stored)
    try:
        solved = (sketch_cell if sketch else solve_cell)(study, {**combination, **known})
    except Infeasible as error:
        where = ("design", "match") if error.where == "match" else place(error)
        name, known = _name(study, combination), {**combination, **known}
        return Cell(name, combination, known, None, None, str(error), where)
    priced = costed(study.spec, study.space, solved.assignment, solved.cost)
    found = (combination, solved.assignment, priced, solved.error, solved.reason)
    return Cell(_name(study, combination), *found, ("design", "match"), solved.errors)


def _as_stored(study: Study, combination: Assignment, known: Assignment, stored: Row) -> Cell:
    """The cell with what was solved for it before, and the reason why it could not be, if there was one."""
    assert study.spec.design is not None
    found = {name: stored["assignment"][name] for name in study.spec.design.turned}
    cell = _counted(study, combination, {**known, **found})
    return replace(cell, reason=stored["reason"]) if never_tried(stored) else cell


def never_tried(row: Row) -> bool:
    """Whether the row is of a cell that could not be, rather than of a trial that memory was too small for."""
    return row["state"] == "infeasible" and row.get("failure_kind") is None


def _counted(study: Study, combination: Assignment, known: Assignment, prefix: str = "") -> Cell:
    """A cell as it stands, with nothing solved."""
    name, assignment = prefix + _name(study, combination), {**combination, **known}
    try:
        counted = costed(study.spec, study.space, assignment, counted_of(study, assignment)[1])
        return Cell(name, combination, assignment, counted, None, None, raw=bool(prefix))
    except Infeasible as error:
        return Cell(name, combination, assignment, None, None, str(error), place(error), raw=bool(prefix))
