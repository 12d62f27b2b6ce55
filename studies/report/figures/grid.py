"""How a design's cells lie on figures: levels in order, panels by the later factors, means over the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from statistics import fmean
from typing import Any

from studies.analysis.cells import key, levels_of
from studies.analysis.results import CellResult
from studies.report import words
from studies.text import setting

MOST_PANELS = 9
MOST_SERIES = 6
MOST_SEEDS = 1_200
"""More single seeds than this are not drawn."""
SPARSE = 0.5
"""A layout with fewer of all combinations than this is looked at one factor at a time."""


def levels(cells: Sequence[CellResult], factor: str) -> list[Any]:
    """A factor's levels in order, each once."""
    return levels_of(cells, factor)


def text(cells: Sequence[CellResult], factor: str, level: Any) -> str:
    """A level in words, or whole where another of the factor's has the same word."""
    alike = [one for one in levels(cells, factor) if setting(one) == setting(level)]
    return words.whole(level) if len(alike) > 1 else setting(level)


def texts(cells: Sequence[CellResult], given: Mapping[str, Any]) -> str:
    """`depth 2, kernel 3`."""
    return ", ".join(f"{factor} {text(cells, factor, level)}" for factor, level in given.items())


def same(one: Any, other: Any) -> bool:
    """Whether two levels are one."""
    return key(one) == key(other)


def where(cells: Sequence[CellResult], given: Mapping[str, Any]) -> list[CellResult]:
    """The cells at these levels."""
    return [one for one in cells if all(same(one.levels[name], value) for name, value in given.items())]


def few_seeds(cells: Sequence[CellResult]) -> bool:
    """Whether every single seed can be drawn."""
    return sum(len(one.values) for one in cells) <= MOST_SEEDS


def sparse(cells: Sequence[CellResult], factors: Sequence[str]) -> bool:
    """Whether so few of all combinations are there that panels of combinations would be nearly empty."""
    every = prod(len(levels(cells, factor)) for factor in factors)
    return len(factors) > 1 and len(cells) < SPARSE * every


def combinations(cells: Sequence[CellResult], factors: Sequence[str]) -> list[dict[str, Any]]:
    """Every combination of these factors that a cell has, in the order of the levels."""
    order = {factor: [key(one) for one in levels(cells, factor)] for factor in factors}
    found = {tuple(key(cell.levels[f]) for f in factors): {f: cell.levels[f] for f in factors} for cell in cells}
    ranked = sorted(found, key=lambda keys: [order[f].index(one) for f, one in zip(factors, keys, strict=True)])
    return [found[keys] for keys in ranked]


def averaged(cells: Sequence[CellResult], given: Mapping[str, Any]) -> float | None:
    """The mean of the cells' means at these levels, None without a value."""
    means = [told.mean for one in where(cells, given) if (told := one.estimate)]
    return fmean(means) if means else None


def balanced(cells: Sequence[CellResult], factors: Sequence[str], pair: Sequence[str]) -> list[CellResult]:
    """The cells whose levels of the other factors meet every combination of a pair: their means can be compared.

    All cells where no combination of the others does.
    """
    ran = [one for one in cells if one.values]
    rest = [factor for factor in factors if factor not in pair]
    wanted = len(combinations(ran, pair))
    kept = [one for given in combinations(ran, rest) if len(here := where(ran, given)) >= wanted for one in here]
    return kept if rest and kept else ran
