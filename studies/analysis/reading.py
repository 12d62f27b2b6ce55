"""Rows of a design study to its reading: every estimate, test and table, from which sentences and pictures are made."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from statistics import fmean
from typing import Any

from studies.analysis.best import Direction, best_cells
from studies.analysis.cells import Row, cells, failed, key
from studies.analysis.contrasts import unadjusted
from studies.analysis.errors import errors
from studies.analysis.failures import failures
from studies.analysis.interactions import interactions
from studies.analysis.results import CellResult, Contrast, Flip, Interaction, PowerLaw, Reading, Trend, Untuned
from studies.analysis.scaling import power_law
from studies.analysis.slopes import slope_trends, sloped
from studies.analysis.ties import family, tied
from studies.analysis.trends import trends
from studies.analysis.variance import beyond, shares
from studies.design.spec import Adaptive, DesignSpec
from studies.spec import StudySpec
from studies.statistics import ALPHA

RAW = "raw: "


def read(spec: StudySpec, rows: Sequence[Row], images: int | None = None) -> Reading:
    """What the rows say so far. All differences told, raw ones and interactions among them, are one family for Holm."""
    design, metric, direction = spec.design, spec.objective.target, spec.objective.direction
    assert design is not None
    matched, unmatched = (cells(rows, design.factors, phase, stage(design)) for phase in ("design", "raw"))
    at_common, setting = common(design, rows, direction)
    groups, depends = claims(design, matched, unmatched, at_common)
    compared, raw, shared = tied(groups, design.smallest(metric))
    return Reading(
        cells=tuple(matched),
        raw_cells=tuple(unmatched),
        contrasts=tuple(compared),
        raw=tuple(raw),
        common=tuple(shared),
        common_setting=setting,
        interactions=tuple(depends),
        trends=tuple(_trends(design, matched, compared, direction)),
        flips=flips(compared, raw),
        best=best_cells(matched, direction),
        failures=failures(matched, compared, design.factors, direction, partial(differences, design), _fitted(design)),
        shares=shares(matched, design.factors),
        errors=errors(matched, compared, metric),
        law=_law(spec, matched, images),
        margin=design.smallest(metric),
        claims=count(groups, depends),
        beyond=beyond(matched, design.factors) if design.arrangement in ("factorial", "cells") else None,
        untuned=untuned(design, rows),
    )


def differences(design: DesignSpec, some: Sequence[CellResult]) -> list[Contrast]:
    """What a layout compares, with p not adjusted: cells that differ in one factor alone, or the fitted ends of one."""
    if _fitted(design):
        return sloped(some, design.factors, design.compare)[0]
    return unadjusted(some, design.factors, design.compare)


def claims(design: DesignSpec, *groups: Sequence[CellResult]) -> tuple[list[list[Contrast]], list[Interaction]]:
    """The differences of the compared, the raw and the commonly set cells, and the interactions of the compared ones.

    All of it is one family for Holm.
    """
    told = [differences(design, some) for some in groups]
    crossed = [] if _fitted(design) else interactions(groups[0], design.factors, design.compare)
    return family(told, crossed)


def _fitted(design: DesignSpec) -> bool:
    """Whether effects are fitted over all cells, since no two differ in one factor alone."""
    return design.arrangement == "latin_hypercube"


def count(groups: Sequence[Sequence[Contrast]], depends: Sequence[Interaction]) -> int:
    """How many claims Holm corrects for: those that have a p."""
    return sum(p is not None for p in [one.p for some in groups for one in some] + [one.p for one in depends])


def _trends(
    design: DesignSpec, matched: Sequence[CellResult], compared: Sequence[Contrast], direction: Direction
) -> list[Trend]:
    if design.arrangement == "latin_hypercube":
        return slope_trends(sloped(matched, design.factors, design.compare)[1], compared)
    return trends(matched, design.factors, direction)


def stage(design: DesignSpec) -> int | None:
    """The seeds of the first stage, where a second one adds as many as their spread calls for."""
    return design.replicates.at_least if isinstance(design.replicates, Adaptive) else None


def flips(matched: Sequence[Contrast], raw: Sequence[Contrast]) -> tuple[Flip, ...]:
    """The contrasts that exist both ways; both p are of one family, so two clear ones are clear together."""
    unmatched = {_pair(one): one for one in raw}
    both = [(one, unmatched[_pair(one)]) for one in matched if _pair(one) in unmatched]
    return tuple(Flip(one, two, _clear(one) and _clear(two)) for one, two in both)


def _clear(one: Contrast) -> bool:
    return one.p is not None and one.p < ALPHA


def _pair(one: Contrast) -> tuple[Any, ...]:
    return one.factor, key(one.low), key(one.high)


def common(design: DesignSpec, rows: Sequence[Row], direction: str) -> tuple[list[CellResult], Mapping[str, Any]]:
    """The cells on their tuning seeds at the one nuisance setting that is best on average; nothing where none is tuned.

    Settings are compared on the same cells: those at which the most cells have all their values are looked at.
    """
    tune = design.tune or {}
    tuning = [row for row in rows if row["phase"] == "tune" and not row["cell"].startswith(RAW)]
    if not tune or not tuning:
        return [], {}
    at = {}
    for options in product(*tune.values()):
        setting = dict(zip(tune, options, strict=True))
        here = [row for row in tuning if setting.items() <= row["assignment"].items()]
        at[options] = [replace(cell, reason=None) for cell in cells(here, design.factors, "tune")]
    worth = {options: _worth(some, direction) for options, some in at.items()}
    best = max(worth, key=lambda options: worth[options])
    return (at[best], dict(zip(tune, best, strict=True))) if worth[best][0] else ([], {})


def untuned(design: DesignSpec, rows: Sequence[Row]) -> tuple[Untuned, ...]:
    """The failed tuning trials, by cell and setting."""
    found: dict[str, tuple[str, Mapping[str, Any], Counter[str]]] = {}
    for row in rows:
        if row["phase"] == "tune" and failed(row):
            setting = {name: row["assignment"][name] for name in design.tune or {}}
            place = found.setdefault(f"{row['cell']}: {setting}", (row["cell"], setting, Counter()))
            place[2][row.get("failure_kind") or "error"] += 1
    return tuple(Untuned(*one) for one in found.values())


def _worth(some: Sequence[CellResult], direction: str) -> tuple[int, float]:
    """How many cells have all their values at a setting, and how good these are on average."""
    whole = [fmean(cell.values.values()) for cell in some if cell.values and not cell.failed]
    sign = 1 if direction == "maximize" else -1
    return len(whole), sign * fmean(whole) if whole else 0.0


def _law(spec: StudySpec, matched: Sequence[CellResult], images: int | None) -> PowerLaw | None:
    """Where the number of training examples is a factor."""
    examples = spec.recipe.get("examples")
    name = examples.strip("${} ") if isinstance(examples, str) and examples.startswith("$") else None
    known = spec.design is not None and name in spec.design.factors
    return power_law(matched, name, spec.objective.target, images) if known and name else None
