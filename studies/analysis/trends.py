"""Factors of numbers: the effect per doubling, and at which levels the best mean may be."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Any

import numpy as np

from studies.analysis.best import Direction, contenders
from studies.analysis.cells import key, levels_of, numeric
from studies.analysis.contrasts import Lines, lines
from studies.analysis.paired import Group, Values, averaged
from studies.analysis.results import CellResult, Trend


def trends(results: Sequence[CellResult], factors: Sequence[str], direction: Direction) -> list[Trend]:
    """One per factor whose levels are numbers above zero and of which some combination of the others has two."""
    ran = [cell for cell in results if cell.values]
    found = []
    for factor in factors:
        levels = levels_of(ran, factor)
        if len(levels) > 1 and numeric(levels) and levels[0] > 0:
            there = lines(ran, [factor])
            one = _trend(Values.of(ran), there, factor, levels, direction)
            found += [one] if one else []
    return found


def _trend(values: Values, there: Lines, factor: str, levels: Sequence[Any], direction: Direction) -> Trend | None:
    groups = [_slope(line) for line in there.values() if len(line) > 1]
    told, _ = averaged(values, groups)
    if told is None:
        return None
    able, means = _by_level(values, there, levels)
    sign = 1 if direction == "maximize" else -1
    if not means.matrix.size:
        peak = max(levels, key=lambda level: sign * _pooled(values, there, level))
        return Trend(factor, told, peak, tuple(levels))
    peak = able[int(np.argmax(sign * np.nanmean(means.matrix, axis=1)))]
    best = contenders(means, direction)
    return Trend(factor, told, peak, tuple(level for level, keep in zip(able, best, strict=True) if keep))


def _slope(line: dict[tuple[Any, ...], int]) -> Group:
    """Least squares over log2(level): the weights of one combination's cells, (x - mean x) / sum (x - mean x)^2."""
    centred = np.asarray([log2(level) for (level,) in line])
    centred -= centred.mean()
    return Group(tuple(line.values()), tuple((centred / (centred**2).sum()).tolist()))


def _pooled(values: Values, there: Lines, level: Any) -> float:
    """A level's mean over all its values, where no seed is common to the levels."""
    return float(np.nanmean(values.matrix[[line[(key(level),)] for line in there.values() if (key(level),) in line]]))


def _by_level(values: Values, there: Lines, levels: Sequence[Any]) -> tuple[list[Any], Values]:
    """Each level's mean over the same combinations, seed by seed: those with the most levels, and all these share."""
    most = max(there.values(), key=len)
    able = [level for level in levels if (key(level),) in most]
    full = [line for line in there.values() if most.keys() <= line.keys()]
    places = np.asarray([[line[(key(level),)] for line in full] for level in able])
    matrix = values.matrix[places].mean(axis=1)
    usable = ~np.isnan(matrix).any(axis=0)
    matrix = matrix[:, usable]
    early = None if values.early is None else int(usable[: values.early].sum())
    return able, Values(matrix, ~np.isnan(matrix), early)
