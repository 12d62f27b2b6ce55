"""What a design study says: each cell's mean with its interval, each factor's contrasts paired by seed, the verdict.

Pure functions of rows. A contrast of two levels is the mean over the other factors' combinations of the difference,
taken seed by seed, with Student's interval over the seeds; its p-value is adjusted by Holm over all the study's
contrasts before it may turn into words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import ceil, inf, sqrt
from statistics import NormalDist, fmean
from typing import Any

from studies.statistics import Estimate, estimate

Row = dict[str, Any]
ALPHA = 0.05


@dataclass(frozen=True)
class CellResult:
    """One cell: its levels, the solved assignment, its costs, every seed's value and their estimate."""

    name: str
    levels: Mapping[str, Any]
    assignment: Mapping[str, Any]
    costs: Mapping[str, int]
    values: Mapping[int, float]
    failures: int
    reason: str | None

    @property
    def estimate(self) -> Estimate | None:
        """None while no replicate is complete."""
        return estimate(list(self.values.values())) if self.values else None


@dataclass(frozen=True)
class Contrast:
    """Level `high` minus level `low` of a factor, averaged over the other factors; `p` is adjusted by Holm.

    `left_out` names the combinations of the other factors whose two cells ran but share too few seeds to take part.
    """

    factor: str
    low: Any
    high: Any
    difference: Estimate
    p: float | None
    left_out: tuple[str, ...] = ()


def cells(rows: Sequence[Row], factors: Sequence[str]) -> list[CellResult]:
    """One result per cell, in the order of the factors' levels."""
    found = []
    for name in dict.fromkeys(row["cell"] for row in rows):
        members = [row for row in rows if row["cell"] == name]
        first = members[0]
        found.append(
            CellResult(
                name,
                {factor: first["assignment"][factor] for factor in factors},
                first["assignment"],
                {cost: first[cost] for cost in ("macs", "params", "activations")},
                {row["replicate"]: row["value"] for row in members if row["state"] == "complete"},
                sum(row["state"] == "failed" for row in members),
                first["reason"] if first["state"] == "infeasible" else None,
            )
        )
    return sorted(found, key=lambda cell: [_sortable(level) for level in cell.levels.values()])


def _sortable(level: Any) -> tuple[float, str]:
    return (float(level), "") if isinstance(level, int | float) else (inf, str(level))


def contrasts(results: Sequence[CellResult], factors: Sequence[str]) -> list[Contrast]:
    """Every pair of levels of every factor, over the seeds and combinations that both have."""
    found = []
    for factor in factors:
        named = dict.fromkeys(cell.levels[factor] for cell in results)
        for low, high in combinations(sorted(named, key=_sortable), 2):
            differences, left_out = _paired(results, factor, low, high)
            if differences:
                found.append(Contrast(factor, low, high, estimate(differences), _p(differences), left_out))
    return _holm(found)


def _paired(results: Sequence[CellResult], factor: str, low: Any, high: Any) -> tuple[list[float], tuple[str, ...]]:
    """For each common seed the mean difference over the other factors' combinations; and those that are left out."""
    pairs = [
        (one, two)
        for one in results
        for two in results
        if one.levels[factor] == low and two.levels == {**one.levels, factor: high} and one.values and two.values
    ]
    kept, seeds = _common(pairs)
    differences = [fmean(two.values[seed] - one.values[seed] for one, two in kept) for seed in seeds]
    return differences, tuple(_others(one, factor) for one, two in pairs if (one, two) not in kept)


def _common(pairs: Sequence[tuple[CellResult, CellResult]]) -> tuple[list[tuple[CellResult, CellResult]], list[int]]:
    """The pairs that are compared and the seeds that all of these share.

    From the pair with the most seeds on, one is left out where with it no more than half of those most would remain.
    """
    kept: list[tuple[CellResult, CellResult]] = []
    seeds: set[int] = set()
    shared = [({*one.values} & {*two.values}, (one, two)) for one, two in pairs]
    shared.sort(key=lambda item: -len(item[0]))
    for both, pair in shared:
        remain = both & seeds if kept else both
        if 2 * len(remain) > len(shared[0][0]):
            kept.append(pair)
            seeds = remain
    return kept, sorted(seeds)


def _others(cell: CellResult, factor: str) -> str:
    return ", ".join(f"{name}={level}" for name, level in cell.levels.items() if name != factor)


def _p(differences: Sequence[float]) -> float | None:
    """Two-sided p of the paired t test; None for one seed.

    Seeds that agree to the last digit (a coarse metric) say nothing of their noise, and so show nothing: p = 1.
    """
    from scipy.special import stdtr

    told = estimate(differences)
    if told.deviation is None:
        return None
    if told.deviation <= 1e-12 * abs(told.mean):
        return 1.0
    return float(2 * stdtr(told.n - 1, -abs(told.mean) / (told.deviation / sqrt(told.n))))


def _holm(found: list[Contrast]) -> list[Contrast]:
    """Holm (1979): the i-th smallest of m p-values times (m - i + 1), never below the one before."""
    ranked = sorted((one for one in found if one.p is not None), key=lambda one: one.p or 0.0)
    adjusted, least = {}, 0.0
    for place, one in enumerate(ranked):
        least = max(least, min(1.0, (one.p or 0.0) * (len(ranked) - place)))
        adjusted[id(one)] = least
    return [replace(one, p=adjusted.get(id(one))) for one in found]


def seeds_needed(deviation: float, difference: float, tests: int = 1) -> int:
    """Seeds for a paired comparison to show a true `difference` with 80 % power at 5 %: ((z + 0.84) s / d)^2 + z^2 / 2.

    z is 1.96 for one test, and that of 5 % / m for the hardest of m under Holm. The normal approximation, and z^2 / 2
    for Student's tails; `deviation` s is that of the paired differences. Two arms that share no seeds, each with
    deviation s', have s = sqrt(2) s': the case of most published tables.
    """
    z = NormalDist().inv_cdf(1 - ALPHA / (2 * tests))
    return max(3, ceil(((z + 0.84) * deviation / difference) ** 2 + z**2 / 2))


def image_error(accuracy: float, images: int) -> float:
    """The standard error of an accuracy because the validation images are a sample: sqrt(a (1 - a) / images)."""
    return sqrt(max(accuracy * (1 - accuracy), 0.0) / images)


def spread(results: Sequence[CellResult], cost: str) -> float:
    """By what factor a cost varies over the cells that ran: the largest over the smallest."""
    values = [cell.costs[cost] for cell in results if not cell.reason and cell.costs[cost]]
    return max(values) / min(values) if values else 1.0
