"""The shape of a factor of numbers: where it stops paying, where it degrades, which levels may be best."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from studies.analysis.results import Contrast, Trend
from studies.verdict.case import Case
from studies.verdict.words import LONGEST, listed, sentences


def shape(case: Case, factor: str, told: Sequence[Contrast]) -> tuple[list[str], list[Contrast]]:
    """Sentences on plateau, degradation and best level, and the contrasts that they tell."""
    trend = case.trend(factor)
    levels = _levels(case, factor)
    if trend is None or not trend.best or len(levels) < 3 or not case.claims(factor) or _unsure(case, factor):
        return [], []
    best = _best(case, trend, levels)
    start, flat = plateau(case, factor)
    if flat:
        group = [case.level(factor, level) for level in levels[levels.index(start) :]]
        margin = case.scale.amount(case.reading.margin or 0.0)
        level = f"From {group[0]} on {factor} pays no more: {listed(group)} tie within {margin}"
        return [f"{level}; {best}." if best else f"{level}."], flat
    _, worse = degradation(case, factor)
    named = [f"{_capital(best)}."] if best else []
    if worse:
        return [_degrades(case, trend, worse, told), *named], worse
    return [*named, *_doubling(case, trend, levels)], []


def _unsure(case: Case, factor: str) -> bool:
    """Whether failures or another factor decide on its shape."""
    return case.doubted(factor) or bool(case.partners(factor))


def best_cells(case: Case) -> list[str]:
    """The cells that are not distinguishable from the best one."""
    names, ran = list(case.reading.best), case.ran
    if (
        (len(case.design.factors) == 1 and (len(ran) < 3 or case.trend(case.design.factors[0])))
        or not names
        or len(ran) < 2
        or not any(one.p is not None for one in case.reading.contrasts)
    ):
        return []
    among = (
        ", among the trials that did not fail" if any(case.doubted(factor) for factor in case.design.factors) else ""
    )
    alone = len(case.design.factors) == 1  # beside its contrasts, which Holm corrects for more claims
    among += " by comparisons with the best alone" if alone and not among else ""
    if len(names) == len(ran):
        return [f"No cell can be ruled out as the best{among} (95 %)."]
    if len(names) == 1:
        return [f"The best cell{among} (95 %): {names[0]}."]
    return [f"Not distinguishable from the best cell{among} (95 %): {_few(names)}."]


def _levels(case: Case, factor: str) -> list[Any]:
    """A factor's levels in rising order; none where they are not numbers."""
    found = {level for one in case.of(factor) for level in (one.low, one.high) if _number(level)}
    whole = all(_number(one.low) and _number(one.high) for one in case.of(factor))
    return sorted(found) if whole else []


def _number(level: Any) -> bool:
    return isinstance(level, int | float) and not isinstance(level, bool)


def plateau(case: Case, factor: str) -> tuple[Any, list[Contrast]]:
    """The level from which on all tie, if it is better than a lower one, and those ties; else no ties."""
    levels = _levels(case, factor)
    tied = {frozenset((one.low, one.high)): one for one in case.standings(factor, "tied")}
    for start in range(1, len(levels) - 1):
        pairs = [frozenset(pair) for pair in combinations(levels[start:], 2)]
        if all(pair in tied for pair in pairs) and _gained(case, factor, levels[start]):
            return levels[start], [tied[pair] for pair in pairs]
    return None, []


def degradation(case: Case, factor: str) -> tuple[Any, list[Contrast]]:
    """The level of the best mean, if it is not the lowest one, and the claims that a higher one is worse."""
    trend, levels = case.trend(factor), _levels(case, factor)
    if trend is None or not levels or trend.peak == levels[0] or case.partners(factor):
        return None, []
    worse = [one for one in case.claims(factor) if upper(case, one) == trend.peak == min(one.low, one.high)]
    return trend.peak, [one for one in worse if case.standing(one) == "clear"]


def upper(case: Case, one: Contrast) -> Any:
    """The better of a contrast's two levels."""
    return one.high if case.good(one.difference.mean) else one.low


def _gained(case: Case, factor: str, level: Any) -> bool:
    """Whether a level is clearly better than a lower one."""
    return any(upper(case, one) == level and min(one.low, one.high) < level for one in case.claims(factor))


def _degrades(case: Case, trend: Trend, worse: Sequence[Contrast], told: Sequence[Contrast]) -> str:
    peak = case.level(trend.factor, trend.peak)
    lead = f"Beyond {peak} {trend.factor} degrades"
    parts = [
        f"{case.level(trend.factor, max(one.low, one.high))} is worse than {peak} by {case.scale.size(one.difference)}"
        for one in worse
        if not any(one is other for other in told)
    ]
    return sentences(lead, parts) or f"{lead}."


def _best(case: Case, trend: Trend, levels: Sequence[Any]) -> str:
    """Nothing where a claim rules out one of the set: the two are tested apart, over other seeds perhaps."""
    worse = {one.low if upper(case, one) == one.high else one.high for one in case.claims(trend.factor)}
    if worse & {*trend.best}:
        return ""
    names = [case.level(trend.factor, level) for level in trend.best]
    if len(names) >= len(levels):
        return f"any {trend.factor} tried may be the best (95 %)"
    return f"the best {trend.factor} is {listed(names, 'or')} (95 % set)"


def _doubling(case: Case, trend: Trend, levels: Sequence[Any]) -> list[str]:
    """The slope over log2, where the highest level is claimed to differ from the lowest one in the same direction."""
    slope = trend.per_doubling
    whole = [one for one in case.claims(trend.factor) if {one.low, one.high} == {levels[0], levels[-1]}]
    if not whole or slope.low is None or slope.high is None or slope.low * slope.high <= 0:
        return []
    if (upper(case, whole[0]) == levels[-1]) != case.good(slope.mean):
        return []
    ends = f"{case.level(trend.factor, levels[0])} to {case.level(trend.factor, levels[-1])}"
    return [
        f"Each doubling of {trend.factor} changes {case.metric} by {case.scale.effect(slope)}, on average from {ends}."
    ]


def _few(names: Sequence[str]) -> str:
    """As many names as a sentence holds."""
    shown: list[str] = []
    for name in names:
        if sum(len(one.split()) for one in [*shown, name]) > LONGEST - 15:
            return "; ".join([*shown, f"and {len(names) - len(shown)} more"])
        shown.append(name)
    return "; ".join(shown)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
