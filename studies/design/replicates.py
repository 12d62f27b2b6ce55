"""How many seeds each cell gets: a number, or by Stein's two stages as many as its spread calls for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any

from studies.analysis.cells import cells, key
from studies.analysis.reading import differences
from studies.analysis.results import CellResult
from studies.design.cells import RAW
from studies.design.spec import Adaptive, DesignSpec
from studies.statistics import quantile

Row = Mapping[str, Any]


def wanted(design: DesignSpec, rows: Sequence[Row]) -> dict[str, int]:
    """Cell -> seeds of its second stage, given the rows of its first; empty where all cells have the same number.

    A cell without a spread (fewer than two values) gets no more: more of what fails tells nothing.
    """
    adaptive = design.replicates
    if not isinstance(adaptive, Adaptive):
        return {}
    stage = [dict(row) for row in rows if row["replicate"] < adaptive.at_least and row["phase"] in ("design", "raw")]
    found: dict[str, int] = {}
    for phase in ("design", "raw"):
        many = needed(design, cells(stage, design.factors, phase))
        found |= {RAW * (phase == "raw") + name.removeprefix(RAW): number for name, number in many.items()}
    return found


def needed(design: DesignSpec, results: Sequence[CellResult]) -> dict[str, int]:
    """Cell -> its seeds in all, by the values of the first stage alone; every cell the same where nothing is added."""
    adaptive = design.replicates
    if not isinstance(adaptive, Adaptive):
        return dict.fromkeys((one.name for one in results), design.least)
    stage = [replace(one, values={r: v for r, v in one.values.items() if r < adaptive.at_least}) for one in results]
    effects = adaptive.until.of == "effects"
    return _by_effects(design, stage, adaptive) if effects else _by_means(stage, adaptive)


def _by_means(results: Sequence[CellResult], adaptive: Adaptive) -> dict[str, int]:
    """So that each cell's own mean is known well enough."""
    told = {one.name: one.estimate for one in results}
    return {
        name: seeds_to_reach(adaptive, one.deviation if one and one.n == adaptive.at_least else None)
        for name, one in told.items()
    }


def _by_effects(design: DesignSpec, results: Sequence[CellResult], adaptive: Adaptive) -> dict[str, int]:
    """So that each compared difference is known well enough; a cell gets what the widest of its contrasts needs."""
    found = {one.name: adaptive.at_least for one in results}
    everywhere = design.arrangement == "latin_hypercube"  # there each effect is of all cells
    for contrast in differences(design, results):
        many = seeds_to_reach(adaptive, contrast.difference.deviation, contrast.difference.freedom)
        for one in results:
            if everywhere or key(one.levels[contrast.factor]) in (key(contrast.low), key(contrast.high)):
                found[one.name] = max(found[one.name], many)
    return found


def seeds_to_reach(adaptive: Adaptive, deviation: float | None, freedom: int | None = None) -> int:
    """Stein (1945): ceil((t s / h)^2) with t of the first stage's degrees of freedom, within the two limits.

    `freedom` is that of the deviation: less than the stage's where trials of it failed.
    """
    if not deviation:
        return adaptive.at_least
    half_width = float(adaptive.until.half_width)
    many = ceil((quantile(freedom or adaptive.at_least - 1) * deviation / half_width) ** 2)
    return min(max(many, adaptive.at_least), adaptive.at_most)
