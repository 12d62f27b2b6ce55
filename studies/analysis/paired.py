"""Sums over cells taken seed by seed: what contrasts, interactions and slopes have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from studies.analysis.results import CellResult
from studies.statistics import Estimate, estimate

Floats = np.ndarray[Any, np.dtype[np.float64]]
Flags = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True)
class Group:
    """One weighted sum of cells, by their places: (low, high) with weights (-1, 1) is a difference."""

    cells: tuple[int, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True)
class Values:
    """Every cell's values, (cells, replicates), nan where there is none; `early` columns are of the first stage.

    `early` is None where there was one stage only.
    """

    matrix: Floats
    there: Flags
    early: int | None

    @classmethod
    def of(cls, results: Sequence[CellResult]) -> Values:
        """The values of cells in their order, replicates in theirs."""
        replicates = sorted({replicate for cell in results for replicate in cell.values})
        column = {replicate: place for place, replicate in enumerate(replicates)}
        matrix = np.full((len(results), len(replicates)), np.nan)
        for place, cell in enumerate(results):
            for replicate, value in cell.values.items():
                matrix[place, column[replicate]] = value
        first = next((cell.first for cell in results if cell.first is not None), None)
        early = None if first is None else sum(replicate < first for replicate in replicates)
        return cls(matrix, ~np.isnan(matrix), early)


def averaged(values: Values, groups: Sequence[Group]) -> tuple[Estimate | None, list[int]]:
    """The mean over the groups of each seed's weighted sum; and the places of groups that are left out.

    Seeds are those that every group's cells have. With a first stage the deviation is of its seeds alone.
    """
    kept, seeds = _common(values, groups)
    left_out = [place for place in range(len(groups)) if place not in kept]
    if not kept:
        return None, left_out
    weights: dict[int, float] = {}
    for place in kept:
        for cell, weight in zip(groups[place].cells, groups[place].weights, strict=True):
            weights[cell] = weights.get(cell, 0.0) + weight / len(kept)
    part = values.matrix[list(weights)][:, seeds]
    size = float(np.abs(part).max())
    first = None if values.early is None else int(seeds[: values.early].sum())
    return _settled(estimate((list(weights.values()) @ part).tolist(), first=first, size=size), size), left_out


def _settled(told: Estimate, size: float) -> Estimate:
    """A mean that is rounding alone is none."""
    return (
        Estimate(told.n, 0.0, 0.0, 0.0, told.freedom) if told.deviation == 0 and abs(told.mean) < 1e-12 * size else told
    )


def _common(values: Values, groups: Sequence[Group]) -> tuple[Sequence[int], Flags]:
    """The places of the groups that are compared, and which seeds all of these share.

    From the group with the most seeds on, one is left out where with it no more than half of those most would remain.
    Seeds of a second stage are unequal by intention and leave nothing out; only those of the first count.
    """
    if values.there.all():
        return range(len(groups)), np.ones(values.there.shape[1], bool)
    shared: list[Flags] = [np.all(values.there[list(group.cells)], axis=0) for group in groups]
    counts = [int(one[: values.early].sum()) for one in shared]
    order = sorted((place for place, one in enumerate(shared) if one.any()), key=lambda place: -counts[place])
    if not order:
        return [], np.zeros(0, bool)
    kept, seeds = [order[0]], shared[order[0]]
    for place in order[1:]:
        remain = shared[place] & seeds
        if 2 * int(remain[: values.early].sum()) > counts[order[0]]:
            kept.append(place)
            seeds = remain
    return kept, seeds
