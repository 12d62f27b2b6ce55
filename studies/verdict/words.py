"""How numbers and lists are written in sentences: rounded to their intervals, in points where the metric is a share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor, log10
from typing import Any

from studies.statistics import Estimate
from worker.metrics import is_share

LONGEST = 40
"""Words of a packed sentence; a part that is longer stands alone."""


@dataclass(frozen=True)
class Scale:
    """The unit of a metric's differences: points where it is a share of examples, its own where it is not."""

    share: bool

    @property
    def factor(self) -> int:
        """What a value is multiplied by to be written."""
        return 100 if self.share else 1

    def effect(self, one: Estimate, sign: str = "+") -> str:
        """`+0.3 points [-1.6, +2.2]`: which way it goes stands in the sign."""
        mean, low, high = one.mean * self.factor, one.low, one.high
        if low is None or high is None:
            return f"{self.unit(f'{mean:{sign}.3g}')} (1 seed)"
        number, ends = between(mean, low * self.factor, high * self.factor, int(self.share), sign)
        return f"{self.unit(number)} {ends}"

    def size(self, one: Estimate) -> str:
        """`5.10 points [4.85, 5.35]`: which way it goes has been said."""
        return self.effect(replace(one, mean=abs(one.mean)), "")

    def amount(self, value: float) -> str:
        """`0.5 points`, `1 point`, `0.02`: two digits and no interval."""
        return self.unit(self.bare(value))

    def plural(self, value: float) -> bool:
        """Whether an amount is of several: points, but for one of them."""
        return self.share and self.bare(value) != "1"

    def bare(self, value: float) -> str:
        """The amount without its unit."""
        return plain(abs(value) * self.factor)

    def unit(self, text: str) -> str:
        """A written number and its unit."""
        return f"{text} point{'' if text.lstrip('+-') == '1' else 's'}" if self.share else text

    def part(self, value: float, beside: Estimate) -> str:
        """A signed number without its unit, with as many decimals as one beside it."""
        half, *ends = (part * self.factor for part in (beside.half_width or 0.0, beside.low or 0.0, beside.high or 0.0))
        return _fixed(value * self.factor, _rounding(half, (ends[0], ends[1]), int(self.share)), "+")


def between(mean: float, low: float, high: float, least: int = 0, sign: str = "") -> tuple[str, str]:
    """`0.35` and `[0.30, 0.41]`, rounded to the interval, with at least so many decimals."""
    places = _rounding((high - low) / 2, (low, high), least)
    number, *ends = (_fixed(value, places, sign) for value in (mean, low, high))
    return number, f"[{', '.join(ends)}]"


def counted(number: int, noun: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(items: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join([part for part in (", ".join(items[:-1]), *items[-1:]) if part])


def some(items: Sequence[str], most: int = 4, join: str = ", ") -> str:
    """The first few, and how many more there are."""
    rest = [f"and {len(items) - most} more"] if len(items) > most else []
    return join.join([*items[:most], *rest])


def sentences(lead: str, parts: Sequence[str]) -> str:
    """`lead: a; b. Also c; d.`: as many sentences as keep each one readable; nothing where there are no parts."""
    packed: list[list[str]] = []
    for part in parts:
        if packed and _words(lead, *packed[-1], part) <= LONGEST:
            packed[-1].append(part)
        else:
            packed.append([part])
    told = [
        f"{lead}: {'; '.join(group)}." if not at else f"Also {'; '.join(group)}." for at, group in enumerate(packed)
    ]
    return " ".join(told)


def as_text(value: Any, metric: str) -> str:
    """A metric's value on screens: accuracies in percent, others with four digits."""
    return f"{value * 100:.2f} %" if is_share(metric) else f"{value:.4g}"


def around(mean: float, half_width: float, metric: str) -> tuple[str, str]:
    """`98.61 %` and `0.42`: a mean and its half-width, with more decimals where that would be written as nothing."""
    if not is_share(metric):
        return as_text(mean, metric), f"{half_width:.2g}"
    half = half_width * 100
    places = 1 - floor(log10(half)) if 0 < half < 0.01 else 2
    return f"{mean * 100:.{places}f} %", f"{half:.{places}f}"


def plain(value: float) -> str:
    """Two significant digits, never as a power of ten: `0.5`, `12`, `1300`."""
    if not value:
        return "0"
    places = 1 - floor(log10(abs(value)))
    text = f"{round(value, places):.{max(places, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _words(*parts: str) -> int:
    return sum(len(part.split()) for part in parts)


def _fixed(value: float, places: int, sign: str) -> str:
    """`places` decimals; what rounds to nothing has no sign."""
    text = f"{value:.3g}" if places > 6 and value else f"{value:{sign}.{min(places, 6)}f}"
    return text if any(digit in text for digit in "123456789") else text.lstrip("+-")


def _rounding(half_width: float, ends: tuple[float, float], least: int) -> int:
    """Decimals: one digit of the half-width, two where it begins with 1 or 2; more where an end would round to zero.

    An end that is written as 0 leaves open whether the interval has zero in it.
    """
    if not half_width:
        return max(2 - floor(log10(max(map(abs, ends)) or 1.0)), 0)
    order = floor(log10(half_width))
    places = max(-order + int(half_width / 10**order < 2.95), least)
    more = (places + extra for extra in range(3) if all(not end or round(end, places + extra) for end in ends))
    return next(more, places)
