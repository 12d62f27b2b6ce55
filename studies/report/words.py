"""Numbers and levels as a report writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import floor, isfinite, log10
from typing import Any

from searchspace.language.problems import shown
from searchspace.language.space import label
from searchspace.language.units import human
from studies.statistics import Estimate
from studies.text import setting
from studies.verdict.words import around, between
from worker.metrics import is_share


def levels(assignment: Mapping[str, Any]) -> str:
    """`depth 2, kernel 3`."""
    return ", ".join(f"{name} {setting(value)}" for name, value in assignment.items())


def value(number: float | None, metric: str) -> str:
    """`98.52 %`, or four digits of what is no share."""
    if number is None or not isfinite(number):
        return "–"
    return f"{number * 100:.2f} %" if is_share(metric) else f"{number:.4g}"


def difference(number: float, metric: str, sign: str = "+") -> str:
    """`+0.52`, in points of a share, or in the metric's own unit."""
    points = number * 100
    places = 1 - floor(log10(abs(points))) if 0 < abs(points) < 0.005 else 2
    text = f"{points:{sign}.{places}f}" if is_share(metric) else f"{number:{sign}.3g}"
    return text.replace("-", "−") if re.search("[1-9]", text) else text.lstrip("+-")


def unit(metric: str) -> str:
    """What follows a difference."""
    return " points" if is_share(metric) else ""


def size(number: float, metric: str) -> str:
    """`0.50 points`: a difference without its sign."""
    return difference(number, metric, "") + unit(metric)


def mean(told: Estimate | None, metric: str) -> str:
    """`98.52 % ± 0.42`; the mean alone where one seed gives no interval."""
    if told is None:
        return "–"
    return " ± ".join(around(told.mean, told.half_width, metric)) if told.half_width else value(told.mean, metric)


def ends(told: Estimate, metric: str) -> str:
    """`+0.52 [+0.10, +0.94]`; without brackets where one seed gives no interval."""
    text = difference(told.mean, metric)
    if told.low is None or told.high is None:
        return text
    if is_share(metric):  # as many decimals as tell whether zero is within
        text, brackets = between(told.mean * 100, told.low * 100, told.high * 100, 2, "+")
        return f"{text} {brackets}".replace("-", "−")
    return f"{text} [{difference(told.low, metric)}, {difference(told.high, metric)}]"


def probability(p: float | None) -> str:
    """`0.031`, `< 0.001`, or a dash where it cannot be told."""
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def share(part: float) -> str:
    """`12 %`, with one digit more below 10 %."""
    return f"{part * 100:.0f} %" if part >= 0.0995 else f"{part * 100:.1f} %"


def count(number: float | None) -> str:
    """`1.99 M`, or a dash."""
    return human(number) if number else "–"


def in_order(levels: Mapping[str, Any], names: Iterable[str]) -> str:
    """A sentence on what short names consist of, where one of these names is short."""
    return "" if all("=" in name for name in names) else f" Names give {', '.join(levels)}, in this order."


def short(name: str, levels: Mapping[str, Any], most: int = 26) -> str:
    """A cell's name, or its levels alone where that is too long."""
    return name if len(name) <= most else cut(", ".join(map(setting, levels.values())), most)


def cut(text: str, most: int) -> str:
    """Text of at most so many characters."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def whole(level: Any) -> str:
    """`group, groups 4`: a section by its kind with all else that it says; a number with all its digits."""
    word = label(level)
    if word is None:
        return shown(level)
    return ", ".join([word, *(f"{name} {shown(one)}" for name, one in level.items() if one != word)])


def apart(levels: Sequence[Any], most: int) -> list[str]:
    """Each of a factor's levels in words, or whole where two have the same, with more kept where cuts look alike."""
    told = [setting(one) for one in levels]
    told = [whole(one) if told.count(text) > 1 else text for one, text in zip(levels, told, strict=True)]
    brief = [cut(text, most) for text in told]
    return brief if len(set(brief)) == len(set(told)) else [cut(text, 2 * most) for text in told]


def listed(items: Iterable[str], most: int, noun: str = "others") -> str:
    """`a; b; and 12 others`."""
    every: Sequence[str] = list(items)
    return "; ".join(every[:most]) + (f"; and {len(every) - most} {noun}" if len(every) > most else "")
