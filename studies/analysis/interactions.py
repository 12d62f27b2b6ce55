"""Whether one factor's effect depends on another: the difference of two differences, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from studies.analysis.cells import key, levels_of, numeric
from studies.analysis.contrasts import Compare, Lines, lines, pairs
from studies.analysis.paired import Group, Values, averaged
from studies.analysis.results import CellResult, Interaction
from studies.statistics import differs


def interactions(
    results: Sequence[CellResult], factors: Sequence[str], compare: Compare | None = None
) -> list[Interaction]:
    """Every two factors: of numbers the lowest against the highest level, else every two levels; p not adjusted.

    Fewer claims have more power: a trend over numbers shows at its ends. Pairs that the study lists take their place.
    """
    ran = [cell for cell in results if cell.values]
    values = Values.of(ran)
    ends = {factor: _ends(ran, factor, compare) for factor in factors}
    found = []
    for one, two in combinations(factors, 2):
        there = lines(ran, [one, two])
        for first in ends[one]:
            for second in ends[two]:
                told, _ = averaged(values, _groups(there, first, second))
                if told is not None:
                    found.append(Interaction((one, *first), (two, *second), told, differs(told)))
    return found


def _ends(results: Sequence[CellResult], factor: str, compare: Compare | None) -> list[tuple[Any, Any]]:
    levels = levels_of(results, factor)
    if len(levels) > 2 and numeric(levels) and not (compare or {}).get(factor):
        return [(levels[0], levels[-1])]
    return pairs(results, factor, compare)


def _groups(there: Lines, first: tuple[Any, Any], second: tuple[Any, Any]) -> list[Group]:
    """The four cells of each combination of the other factors that has them all."""
    corners = [(key(one), key(two)) for two in second for one in first]
    return [
        Group(tuple(line[corner] for corner in corners), (1.0, -1.0, -1.0, 1.0))
        for line in there.values()
        if all(corner in line for corner in corners)
    ]
