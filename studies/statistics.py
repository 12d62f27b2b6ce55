"""Means with their intervals. Intervals cover the seeds that were drawn, not the sampling of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev


@dataclass(frozen=True)
class Estimate:
    """The mean of n values, their standard deviation and the half-width of the mean's 95 % t interval.

    Both are None where n = 1: one value says nothing of its own spread.
    """

    n: int
    mean: float
    deviation: float | None
    half_width: float | None

    @property
    def low(self) -> float | None:
        """The interval's lower end."""
        return None if self.half_width is None else self.mean - self.half_width

    @property
    def high(self) -> float | None:
        """The interval's upper end."""
        return None if self.half_width is None else self.mean + self.half_width


def estimate(values: Sequence[float], confidence: float = 0.95) -> Estimate:
    """Mean +- t(n - 1, (1 + confidence) / 2) * s / sqrt(n), Student's interval."""
    if len(values) < 2:
        return Estimate(len(values), fmean(values), None, None)
    deviation = stdev(values)
    return Estimate(
        len(values), fmean(values), deviation, quantile(len(values) - 1, confidence) * deviation / sqrt(len(values))
    )


def quantile(freedom: float, confidence: float = 0.95) -> float:
    """The two-sided quantile of Student's t: 4.30 for 2 degrees of freedom at 95 %."""
    from scipy.special import stdtrit  # 0.1 s to import, so not before it is needed

    return float(stdtrit(freedom, (1 + confidence) / 2))
