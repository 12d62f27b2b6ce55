"""Means with their intervals and tests. Intervals cover the seeds that were drawn, not the sampling of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import fsum, sqrt
from statistics import fmean

ALPHA = 0.05
"""How often a study may claim what is not so."""
ROUNDING = 1e-12
"""Values that differ by less than this share of their size agree: the rest is floating-point arithmetic."""


@dataclass(frozen=True)
class Estimate:
    """The mean of n values, their standard deviation and the half-width of the mean's 95 % t interval.

    Both are None where n = 1: one value says nothing of its own spread. `freedom` counts the degrees of freedom of the
    deviation: n - 1, or fewer where it is that of a first stage (Stein 1945).
    """

    n: int
    mean: float
    deviation: float | None
    half_width: float | None
    freedom: int = 0

    @property
    def low(self) -> float | None:
        """The interval's lower end."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """The interval's upper end."""
        return None if self.half_width is None else self.mean + self.half_width


def estimate(
    values: Sequence[float], confidence: float = 0.95, first: int | None = None, size: float | None = None
) -> Estimate:
    """Mean +- t(f, (1 + confidence) / 2) * s / sqrt(n), Student's interval, f = n - 1.

    With `first`, s is the deviation of so many values from the start and f = first - 1: where that first stage alone
    decided how many values there are, mean sqrt(n) / s is still exactly Student's (Stein 1945). Should these few agree
    to the last digit, all values count. `size` is how large the numbers are that the values were computed from.
    """
    n, mean = len(values), fmean(values)
    early = values[:first] if first is not None and 2 <= first < n else values
    deviation = _deviation(early, size)
    if not deviation and early is not values:
        early, deviation = values, _deviation(values, size)
    if deviation is None:
        return Estimate(n, mean, None, None)
    freedom = len(early) - 1
    return Estimate(n, mean, deviation, quantile(freedom, confidence) * deviation / sqrt(n), freedom)


def _deviation(values: Sequence[float], size: float | None) -> float | None:
    """With n - 1 below; exactly 0 where the values differ by rounding alone, None for one value."""
    if len(values) < 2:
        return None
    if max(values) - min(values) <= ROUNDING * (size or max(abs(value) for value in values)):
        return 0.0
    mean = fmean(values)
    return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


@lru_cache(maxsize=4096)
def quantile(freedom: float, confidence: float = 0.95) -> float:
    """The two-sided quantile of Student's t: 4.30 for 2 degrees of freedom at 95 %."""
    from scipy.special import stdtrit  # 0.1 s to import, so not before it is needed

    return float(stdtrit(freedom, (1 + confidence) / 2))


def differs(told: Estimate) -> float | None:
    """Two-sided p of the t test that the mean is zero; None for one value.

    Values that agree to the last digit (a coarse metric) say nothing of their noise, and so show nothing: p = 1.
    """
    from scipy.special import stdtr

    if told.deviation is None:
        return None
    if not told.deviation:
        return 1.0
    return float(2 * stdtr(told.freedom, -abs(told.mean) * sqrt(told.n) / told.deviation))


def within(told: Estimate, margin: float) -> float | None:
    """The p of the two one-sided tests (Schuirmann 1987) that the mean is beyond +- margin; as `differs` otherwise."""
    from scipy.special import stdtr

    if told.deviation is None:
        return None
    if not told.deviation:
        return 1.0
    return float(stdtr(told.freedom, (abs(told.mean) - margin) * sqrt(told.n) / told.deviation))


def holm(found: Sequence[float | None]) -> list[float | None]:
    """Holm (1979): the i-th smallest of m p-values times (m - i + 1), never below the one before; None stays None."""
    ranked = sorted((p, place) for place, p in enumerate(found) if p is not None)
    adjusted: list[float | None] = [None] * len(found)
    least = 0.0
    for passed, (p, place) in enumerate(ranked):
        least = max(least, min(1.0, p * (len(ranked) - passed)))
        adjusted[place] = least
    return adjusted


def image_error(accuracy: float, images: int) -> float:
    """The standard error of an accuracy because the validation images are a sample: sqrt(a (1 - a) / images)."""
    return sqrt(max(accuracy * (1 - accuracy), 0.0) / images)
