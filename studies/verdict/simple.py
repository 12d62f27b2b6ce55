"""The effect of one factor at one level of another, from the cells; also with failed trials as the worst value seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.analysis.cells import key
from studies.analysis.contrasts import unadjusted
from studies.analysis.failures import filled
from studies.analysis.results import CellResult, Contrast, Interaction
from studies.statistics import Estimate

Pair = tuple[Any, Any]


def simple_contrasts(
    cells: Sequence[CellResult], factor: str, pairs: Sequence[Pair], second: str, level: Any
) -> list[Contrast]:
    """The contrasts of these (low, high) of a factor at one level of the second, as far as cells tell them."""
    at = [cell for cell in cells if key(cell.levels[second]) == key(level)]
    return unadjusted(at, [factor], {factor: pairs})


def stands(cells: Sequence[CellResult], one: Interaction, direction: str) -> bool:
    """Whether an interaction keeps its sign when every failed trial counts as the worst value seen."""
    if not any(cell.failed.keys() - cell.values.keys() for cell in cells):
        return True
    whole = filled(cells, direction)
    (factor, *pair), (second, *ends) = one.first, one.second
    low, high = (_told(simple_contrasts(whole, factor, [(pair[0], pair[1])], second, level)) for level in ends)
    return low is not None and high is not None and (high.mean - low.mean) * one.difference.mean > 0


def _told(found: Sequence[Contrast]) -> Estimate | None:
    return found[0].difference if found else None
