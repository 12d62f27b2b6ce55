"""Effects in a latin hypercube, where no two cells differ in one factor alone: a model in which they add up.

value = mean + sum over factors of (slope x level), fitted to the cells of each seed by least squares: over log2(level)
where levels are above zero and span fourfold or more, else over the level; levels that are no numbers have an effect
each. A contrast is the fitted difference of two levels, with Student's interval over the seeds. That covers the seeds,
not that the truth may bend or that effects may not add up: this the cells cannot show.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Any

import numpy as np

from studies.analysis.cells import key, levels_of, numeric
from studies.analysis.contrasts import Compare, pairs
from studies.analysis.paired import Floats, Group, Values, averaged
from studies.analysis.results import CellResult, Contrast, Trend
from studies.statistics import Estimate, differs

FOLD = 4
"""A range that spans so much or more is one of doublings."""


def sloped(
    results: Sequence[CellResult], factors: Sequence[str], compare: Compare | None = None
) -> tuple[list[Contrast], list[tuple[str, Estimate]]]:
    """Of numbers the highest level against the lowest, else every two levels; and the effect per doubling, where it is.

    p is not adjusted. That of an effect per doubling is its contrast's. Nothing where there are too few cells.
    """
    ran = _kept(results)
    found, doublings = [], []
    for factor, low, high, weights in effects(ran, factors, compare):
        told, _ = averaged(Values.of(ran), [Group(tuple(range(len(ran))), tuple(weights.tolist()))])
        if told is None:
            continue
        found.append(Contrast(factor, low, high, told, differs(told)))
        if in_doublings(levels := levels_of(ran, factor)):
            doublings.append((factor, _scaled(told, 1 / log2(levels[-1] / levels[0]))))
    return found, doublings


def slope_trends(doublings: Sequence[tuple[str, Estimate]], contrasts: Sequence[Contrast]) -> list[Trend]:
    """As trends with the adjusted p of their contrasts; a line has no best level between its ends."""
    by = {one.factor: one.p for one in contrasts}
    return [Trend(name, told, None, (), by[name]) for name, told in doublings]


def in_doublings(levels: Sequence[Any]) -> bool:
    """Whether levels in rising order are numbers whose logarithms are looked at."""
    return numeric(levels) and len(levels) > 1 and levels[0] > 0 and levels[-1] >= FOLD * levels[0]


def effects(
    results: Sequence[CellResult], factors: Sequence[str], compare: Compare | None = None
) -> list[tuple[str, Any, Any, Floats]]:
    """(factor, low, high, weights of the cells) of each fitted difference; none where the cells cannot tell them."""
    if not results:
        return []
    blocks = {name: _columns(results, name) for name in factors}
    design = np.hstack([np.ones((len(results), 1)), *blocks.values()])
    if np.linalg.matrix_rank(design) < design.shape[1]:
        return []
    solved, start, found = np.linalg.pinv(design), 1, []
    for name, block in blocks.items():
        rows = solved[start : start + block.shape[1]]
        start += block.shape[1]
        levels = levels_of(results, name)
        if numeric(levels):
            found += [(name, levels[0], levels[-1], rows[0])] if len(levels) > 1 else []
        else:
            at = {key(level): row for level, row in zip(levels, [np.zeros(len(results)), *rows], strict=True)}
            asked = [pair for pair in pairs(results, name, compare) if {key(one) for one in pair} <= at.keys()]
            found += [(name, low, high, at[key(high)] - at[key(low)]) for low, high in asked]
    return found


def _columns(results: Sequence[CellResult], factor: str) -> Floats:
    """A factor of numbers as a line from 0 to 1 over its range, another as indicators of all levels but the first."""
    levels = levels_of(results, factor)
    if not numeric(levels):
        there = [key(cell.levels[factor]) for cell in results]
        return np.asarray([[float(one == key(level)) for level in levels[1:]] for one in there])
    if len(levels) == 1:
        return np.zeros((len(results), 0))
    values = np.asarray([cell.levels[factor] for cell in results], dtype=float)
    values = np.log2(values) if in_doublings(levels) else values
    return np.asarray((values - values.min()) / (values.max() - values.min()))[:, None]


def _kept(results: Sequence[CellResult]) -> list[CellResult]:
    """The cells with more than half of the seeds of the one that has the most: the others would cost too many seeds."""
    most = max((len(cell.values) for cell in results), default=0)
    return [cell for cell in results if 2 * len(cell.values) > most]


def _scaled(told: Estimate, by: float) -> Estimate:
    deviation = None if told.deviation is None else told.deviation * by
    half_width = None if told.half_width is None else told.half_width * by
    return Estimate(told.n, told.mean * by, deviation, half_width, told.freedom)
