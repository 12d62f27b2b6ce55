"""Failures by factor: whether they depend on its level, and whether its claims would stand if they counted.

A trial that ran out of memory, diverged or took too long is not missing at random: what is left of a cell is its
luckier part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import comb
from statistics import fmean
from typing import Any

from studies.analysis.cells import key
from studies.analysis.errors import Places
from studies.analysis.results import CellResult, Contrast, FailureTable
from studies.statistics import ALPHA

Again = Callable[[Sequence[CellResult]], Sequence[Contrast]]
CHANCE = ("worker_lost",)
"""Kinds of failure that have nothing to do with what was trained."""
MOST_STEPS = 100_000
"""Steps of the enumeration (a tenth of a second); beyond, chi-square's approximation is used, a good one there."""


def failures(
    cells: Sequence[CellResult],
    contrasts: Sequence[Contrast],
    factors: Sequence[str],
    direction: str,
    again: Again,
    everywhere: bool = False,
) -> tuple[FailureTable, ...]:
    """One table for each factor of two or more levels, where any trial failed; none otherwise.

    `again` tells the differences of other values of the cells, as the study tells them; `everywhere`: each is of all
    cells, whatever levels it is told between.
    """
    ended = [cell for cell in cells if cell.values or cell.failed]
    if not any(_lost(cell) for cell in ended):
        return ()
    kinds = dict(Counter(cell.failed[one] for cell in ended for one in sorted(_lost(cell))).most_common())
    turns = _turning(filled(ended, direction), again)
    tables = []
    for factor in factors:
        counts = _counts(ended, factor)
        if len(counts) > 1:
            claims = [one for one in contrasts if one.factor == factor and one.p is not None and one.p < ALPHA]
            stands = not any(turns(one) for one in claims)
            p = fisher(list(counts.values()))
            tables.append(FailureTable(factor, counts, p, kinds, stands, everywhere))
    return tuple(tables)


def withheld(tables: Sequence[FailureTable], one: Contrast) -> bool:
    """Whether failed trials of its levels keep a difference, or a tie, from being told.

    A tie is one of survivors wherever trials failed by what was trained, a difference where it would turn.
    """
    found = next((table for table in tables if table.factor == one.factor), None)
    if found is None:
        return False
    levels = found.counts if found.everywhere else (key(one.low), key(one.high))
    if not any(found.counts.get(level, (not found.survives, 0))[0] for level in levels):
        return False
    if one.p is not None and one.p < ALPHA and not found.survives:
        return True
    return one.tie is not None and one.tie < ALPHA and not (found.survives and set(found.kinds) <= set(CHANCE))


def _counts(cells: Sequence[CellResult], factor: str) -> dict[Any, tuple[int, int]]:
    """Level (of a section its text) -> (failed, ended)."""
    counts: dict[Any, tuple[int, int]] = {}
    for cell in cells:
        level = key(cell.levels[factor])
        failed, ended = counts.get(level, (0, 0))
        counts[level] = (failed + len(_lost(cell)), ended + len(cell.values.keys() | cell.failed.keys()))
    return counts


def _lost(cell: CellResult) -> set[int]:
    """The replicates that failed and were not completed by another attempt."""
    return cell.failed.keys() - cell.values.keys()


def filled(cells: Sequence[CellResult], direction: str) -> list[CellResult]:
    """The cells with every failed replicate at the worst value seen; as they are where none was seen."""
    seen = [value for cell in cells for value in cell.values.values()]
    if not seen:
        return list(cells)
    worst = min(seen) if direction == "maximize" else max(seen)
    return [replace(cell, values={**cell.values, **dict.fromkeys(_lost(cell), worst)}) for cell in cells]


def _turning(cells: Sequence[CellResult], again: Again) -> Callable[[Contrast], bool]:
    """Whether a claim's difference is zero or has the other sign over `cells`, seed by seed."""
    places, every = Places(cells), again(cells)
    whole = {_pair(one): one.difference.mean for one in every}
    slopes = {one.factor: one.difference.mean for one in every}  # the ends of a line may move, its sign does not

    def turns(claim: Contrast) -> bool:
        told = _paired(claim, places)
        told = whole.get(_pair(claim), slopes.get(claim.factor)) if told is None else told
        return told is not None and told * claim.difference.mean <= 0

    return turns


def _pair(one: Contrast) -> tuple[Any, ...]:
    return one.factor, key(one.low), key(one.high)


def _paired(claim: Contrast, places: Places) -> float | None:
    """The mean difference of the cells that differ in the factor alone; None where there are none."""
    differences = []
    for low, high in places.partners(claim.factor, claim.low, claim.high):
        shared = low.values.keys() & high.values.keys()
        if shared:
            differences.append(fmean(high.values[seed] - low.values[seed] for seed in shared))
    return fmean(differences) if differences else None


def fisher(counts: Sequence[tuple[int, int]]) -> float:
    """Fisher's exact p of an r x 2 table, given (failed, ended) by level, that failing does not depend on the level.

    The sum of the probabilities of all tables of the same margins that are not more probable than this one. A table's
    probability is prod C(ended, failed) / C(all, all failed): whole numbers, so ties are exact (Freeman and Halton
    1951). Tables are added up level by level; partial ones of equal count and product are one.
    """
    total, lost = sum(ended for _, ended in counts), sum(failed for failed, _ in counts)
    states: dict[tuple[int, int], int] = {(0, 1): 1}
    left, seen, steps = total, 1, 0
    for failed, ended in counts:
        seen *= comb(ended, failed)
        left -= ended
        grown: Counter[tuple[int, int]] = Counter()
        for (so_far, product), times in states.items():
            possible = range(max(0, lost - so_far - left), min(ended, lost - so_far) + 1)
            steps += len(possible)
            if steps > MOST_STEPS:
                return _chi_square(counts)
            for more in possible:
                grown[so_far + more, product * comb(ended, more)] += times
        states = dict(grown)
    return sum(product * times for (_, product), times in states.items() if product <= seen) / comb(total, lost)


def _chi_square(counts: Sequence[tuple[int, int]]) -> float:
    """Pearson's, for tables too large to enumerate."""
    from scipy.special import chdtrc

    rate = sum(failed for failed, _ in counts) / sum(ended for _, ended in counts)
    told = sum((failed - rate * ended) ** 2 / (ended * rate * (1 - rate)) for failed, ended in counts)
    return float(chdtrc(len(counts) - 1, told))
