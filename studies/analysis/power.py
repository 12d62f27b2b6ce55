"""What a comparison can show: the exact power of the two-sided t test, the seeds it needs, the spread it rests on.

With n seeds, true difference d and deviation s of one seed's difference, delta = d sqrt(n) / s and the power is
P(|T| > t) of the noncentral t. Given the mean's deviate Z the variance is chi-square, so power = E[F((delta + Z)^2
freedom / t^2)], F the chi-square distribution: one sum over Z, stable where library versions of the noncentral t give
NaN or do not end (large delta, or a small level with few seeds).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from statistics import variance

from studies.analysis.results import CellResult
from studies.statistics import ALPHA

MOST_SEEDS = 10_000
_NODES, _REACH = 4_001, 9.0
"""Points of the sum over Z and how far it goes: its error is below 1e-5."""


@dataclass(frozen=True)
class Residual:
    """The deviation of a value about its cell's mean, and its degrees of freedom."""

    deviation: float
    freedom: int


def power_of(
    difference: float, deviation: float, seeds: int, tests: int = 1, arms: int = 1, freedom: int | None = None
) -> float:
    """How probably a true `difference` is shown at 5 % / tests, the hardest step of Holm's correction.

    `deviation` is that of one seed's paired difference. For two arms that share no seeds (`arms=2`) it is each arm's,
    and `seeds` are those of one arm. `freedom` is the deviation's where it is of a first stage alone (Stein 1945).
    """
    if seeds < 2:
        return 0.0
    if deviation <= 0:
        return 1.0 if difference else ALPHA / tests
    return _power(abs(difference) / deviation * sqrt(seeds / arms), freedom or arms * (seeds - 1), tests)


def smallest_difference(
    deviation: float, seeds: int, tests: int = 1, power: float = 0.8, arms: int = 1, freedom: int | None = None
) -> float:
    """The difference that is shown with this power; infinite for one seed. Arguments as of `power_of`."""
    if seeds < 2:
        return inf
    return _delta(freedom or arms * (seeds - 1), tests, power) * deviation * sqrt(arms / seeds)


def seeds_for(
    difference: float,
    deviation: float,
    tests: int = 1,
    power: float = 0.8,
    arms: int = 1,
    freedom: int | None = None,
) -> int:
    """The fewest seeds, at least 2, that show `difference` with this power; a ValueError above 10,000.

    With `freedom` the deviation stays that of a first stage, whatever the number of seeds.
    """
    if difference == 0:
        raise ValueError("seeds_for: no number of seeds shows a difference of 0; give the smallest one that matters")

    def shown(seeds: int) -> bool:
        return power_of(difference, deviation, seeds, tests, arms, freedom) >= power

    if not shown(MOST_SEEDS):
        raise ValueError(
            f"seeds_for: a difference of {difference:g} at a deviation of {deviation:g} needs more than {MOST_SEEDS:,} "
            "seeds; ask for a larger difference or a quieter measure"
        )
    few, enough = 1, 2
    while not shown(enough):
        few, enough = enough, min(2 * enough, MOST_SEEDS)
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if shown(middle) else (middle, enough)
    return enough


def _power(delta: float, freedom: float, tests: int) -> float:
    import numpy as np
    from scipy.special import gammainc, stdtrit

    critical = stdtrit(freedom, 1 - ALPHA / (2 * tests))
    z = np.linspace(-_REACH, _REACH, _NODES)
    density = np.exp(-(z**2) / 2) / sqrt(2 * np.pi)
    shown = gammainc(freedom / 2, freedom * ((delta + z) / critical) ** 2 / 2)
    return float(np.sum(density * shown) * (z[1] - z[0]))


def _delta(freedom: float, tests: int, power: float) -> float:
    """The noncentrality at which the power is reached."""
    from scipy.optimize import brentq

    if not ALPHA / tests < power < 1:
        raise ValueError(f"power: must lie between {ALPHA / tests:g} and 1, got {power:g}; write 0.8")
    most = 4.0
    while _power(most, freedom, tests) < power:
        most *= 2
    return float(brentq(lambda delta: _power(delta, freedom, tests) - power, 0.0, most, xtol=1e-9))


def residual(cells: Sequence[CellResult]) -> Residual | None:
    """What is left of the values after each cell's mean and each seed's common effect (two-way additive).

    With k cells of the same n seeds it has (k - 1)(n - 1) degrees of freedom. Where no seeds are common it is the
    deviation within cells; None where there are no two values in any cell.
    """
    return _additive(cells) or _within(cells)


def _additive(cells: Sequence[CellResult]) -> Residual | None:
    import numpy as np

    told = [(at, seed, value) for at, cell in enumerate(cells) for seed, value in cell.values.items()]
    if not told:
        return None
    places, seeds = sorted({at for at, _, _ in told}), sorted({seed for _, seed, _ in told})
    design = np.zeros((len(told), len(places) + len(seeds)))
    for line, (at, seed, _) in enumerate(told):
        design[line, places.index(at)] = design[line, len(places) + seeds.index(seed)] = 1.0
    values = np.array([value for _, _, value in told])
    solution, _, rank, _ = np.linalg.lstsq(design, values - values.mean(), rcond=None)
    freedom = len(told) - int(rank)
    if freedom < 1:
        return None
    left = values - values.mean() - design @ solution
    return Residual(sqrt(float(left @ left) / freedom), freedom)


def _within(cells: Sequence[CellResult]) -> Residual | None:
    repeated = [list(cell.values.values()) for cell in cells if len(cell.values) > 1]
    freedom = sum(len(values) - 1 for values in repeated)
    if not freedom:
        return None
    return Residual(sqrt(sum(variance(one) * (len(one) - 1) for one in repeated) / freedom), freedom)


def effect_deviation(spread: float, combinations: int = 1) -> float:
    """That of one seed's contrast, averaged over combinations of the other factors: s sqrt(2 / combinations)."""
    return spread * sqrt(2 / combinations)
