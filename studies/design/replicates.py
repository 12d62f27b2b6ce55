"""How many seeds each cell gets: a number, or by Stein's two stages as many as its spread calls for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from studies.analysis.cells import cells
from studies.analysis.contrasts import contrasts
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
        results = cells(stage, design.factors, phase)
        effects = adaptive.until.of == "effects"
        needed = _by_effects(design, results, adaptive) if effects else _by_means(results, adaptive)
        found |= {RAW * (phase == "raw") + name.removeprefix(RAW): number for name, number in needed.items()}
    return found


def _by_means(results: Sequence[CellResult], adaptive: Adaptive) -> dict[str, int]:
    """So that each cell's own mean is known well enough."""
    told = {one.name: one.estimate for one in results}
    return {
        name: seeds_to_reach(adaptive, one.deviation if one and one.n == adaptive.at_least else None)
        for name, one in told.items()
    }


def _by_effects(design: DesignSpec, results: Sequence[CellResult], adaptive: Adaptive) -> dict[str, int]:
    """So that each compared difference is known well enough; a cell gets what the widest of its contrasts needs."""
    needed = {one.name: adaptive.at_least for one in results}
    for contrast in contrasts(results, design.factors, design.compare):
        many = seeds_to_reach(adaptive, contrast.difference.deviation)
        for one in results:
            if one.levels[contrast.factor] in (contrast.low, contrast.high):
                needed[one.name] = max(needed[one.name], many)
    return needed


def seeds_to_reach(adaptive: Adaptive, deviation: float | None) -> int:
    """Stein (1945): ceil((t s / h)^2) with t of the first stage's degrees of freedom, within the two limits."""
    if not deviation:
        return adaptive.at_least
    half_width = float(adaptive.until.half_width)
    needed = ceil((quantile(adaptive.at_least - 1) * deviation / half_width) ** 2)
    return min(max(needed, adaptive.at_least), adaptive.at_most)
