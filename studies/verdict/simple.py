"""The effect of one factor at one level of another, from the cells; also with failed trials as the worst value seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from studies.analysis.results import CellResult, Interaction
from studies.statistics import Estimate, estimate


def simple_effect(cells: Sequence[CellResult], first: tuple[str, Any, Any], second: str, level: Any) -> Estimate | None:
    """High minus low of `first` (factor, low, high) at one level of the second, over the seeds that all cells share."""
    factor, low, high = first
    at = [cell for cell in cells if cell.values and cell.levels[second] == level]
    pairs = [
        (one, two)
        for one in at
        for two in at
        if one.levels[factor] == low and dict(two.levels) == {**one.levels, factor: high}
    ]
    seeds = sorted(set.intersection(*({*one.values} & {*two.values} for one, two in pairs))) if pairs else []
    if not seeds:
        return None
    values = [fmean(two.values[seed] - one.values[seed] for one, two in pairs) for seed in seeds]
    return estimate(values, first=_early(pairs[0][0], seeds))


def stands(cells: Sequence[CellResult], one: Interaction, direction: str) -> bool:
    """Whether an interaction keeps its sign when every failed trial counts as the worst value seen."""
    if not any(cell.failed.keys() - cell.values.keys() for cell in cells):
        return True
    filled = _filled(cells, direction)
    second, *ends = one.second
    low, high = (simple_effect(filled, one.first, second, level) for level in ends)
    return low is not None and high is not None and (high.mean - low.mean) * one.difference.mean > 0


def _filled(cells: Sequence[CellResult], direction: str) -> list[CellResult]:
    seen = [value for cell in cells for value in cell.values.values()]
    worst = (min if direction == "maximize" else max)(seen, default=0.0)
    return [replace(cell, values={**dict.fromkeys(cell.failed, worst), **cell.values}) for cell in cells]


def _early(cell: CellResult, seeds: Sequence[int]) -> int | None:
    """How many of the seeds are of the first stage; None where there was one stage only."""
    early = sum(seed < (cell.first or 0) for seed in seeds)
    return early if 2 <= early < len(seeds) else None
