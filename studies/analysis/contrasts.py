"""Each factor's levels against each other, seed by seed, among cells that differ in that factor alone.

A contrast is the mean over the other factors' combinations of the difference of two cells, with Student's interval over
the seeds. In a balanced fraction of a design no two cells differ in one factor alone; there it is the difference of the
two levels' means, in which the other factors cancel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from studies.analysis.cells import key, levels_of
from studies.analysis.paired import Group, Values, averaged
from studies.analysis.results import CellResult, Contrast
from studies.analysis.ties import adjusted
from studies.statistics import differs

Compare = Mapping[str, Sequence[Sequence[Any]]]


def contrasts(results: Sequence[CellResult], factors: Sequence[str], compare: Compare | None = None) -> list[Contrast]:
    """The compared pairs of levels of every factor, with p adjusted over these alone."""
    return adjusted(unadjusted(results, factors, compare))


def unadjusted(results: Sequence[CellResult], factors: Sequence[str], compare: Compare | None = None) -> list[Contrast]:
    """The same with each p as its own test gives it."""
    ran = [cell for cell in results if cell.values]
    values = Values.of(ran)
    found = []
    for factor in factors:
        there, planned = lines(ran, [factor]), lines(results, [factor]) if len(ran) < len(results) else {}
        for low, high in pairs(ran, factor, compare):
            one = _contrast(ran, values, factor, low, high, there)
            if one is not None:
                found.append(replace(one, left_out=(*one.left_out, *_without(results, one, planned, there))))
    return found


def pairs(results: Sequence[CellResult], factor: str, compare: Compare | None) -> list[tuple[Any, Any]]:
    """(low, high) of what is compared: what the study lists, else every two levels."""
    listed = (compare or {}).get(factor)
    return [(low, high) for low, high in listed] if listed else list(combinations(levels_of(results, factor), 2))


Lines = dict[tuple[Any, ...], dict[tuple[Any, ...], int]]


def lines(results: Sequence[CellResult], apart: Sequence[str]) -> Lines:
    """For each combination of the other factors the places of its cells, by their levels of the factors `apart`."""
    found: Lines = {}
    for place, cell in enumerate(results):
        rest = tuple(key(level) for name, level in cell.levels.items() if name not in apart)
        found.setdefault(rest, {})[tuple(key(cell.levels[name]) for name in apart)] = place
    return found


def _contrast(
    results: Sequence[CellResult], values: Values, factor: str, low: Any, high: Any, there: Lines
) -> Contrast | None:
    ends = ((key(low),), (key(high),))
    groups = [Group((line[ends[0]], line[ends[1]]), (-1.0, 1.0)) for line in there.values() if set(ends) <= line.keys()]
    told, left_out = averaged(values, groups or _balanced(results, factor, low, high))
    if told is None:
        return None
    names = tuple(_others(results[groups[place].cells[0]], factor) for place in left_out)
    return Contrast(factor, low, high, told, differs(told), names)


def _without(results: Sequence[CellResult], one: Contrast, planned: Lines, there: Lines) -> list[str]:
    """The combinations that the design has of both levels and of which one has no value at all."""
    ends = {(key(one.low),), (key(one.high),)}
    both = {rest for rest, line in there.items() if ends <= line.keys()}
    lost = [line for rest, line in planned.items() if ends <= line.keys() and rest not in both]
    return [_others(results[line[key(one.low),]], one.factor) for line in lost] if both else []


def _balanced(results: Sequence[CellResult], factor: str, low: Any, high: Any) -> list[Group]:
    """All cells of the two levels, where every level of every other factor is as often with the one as the other."""
    sides = [[at for at, cell in enumerate(results) if key(cell.levels[factor]) == key(end)] for end in (low, high)]
    rest = [name for name in results[0].levels if name != factor] if results else []
    met = [[Counter(key(results[at].levels[name]) for at in side) for name in rest] for side in sides]
    if not all(sides) or met[0] != met[1]:
        return []
    weights = (-1 / len(sides[0]),) * len(sides[0]) + (1 / len(sides[1]),) * len(sides[1])
    return [Group((*sides[0], *sides[1]), weights)]


def _others(cell: CellResult, factor: str) -> str:
    return ", ".join(f"{name}={level}" for name, level in cell.levels.items() if name != factor)
