"""The power law error = a n^-b + c over training-set sizes n: how fast data help, and what no data would cure.

For a given b the law is linear in a and c, so the fit is a scan over b alone (variable projection, Golub and Pereyra
1973). For a given b the parameters whose sum of squares stays below a bound are an ellipse, so intervals of the profile
likelihood are closed forms along the same scan: of b where the ellipse is not empty, of c and of a forecast the ends of
a linear function over it. All with sizes in units of the largest, c >= 0, a >= 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, log, sqrt
from statistics import fmean, variance
from typing import TYPE_CHECKING, Any

from studies.analysis.results import CellResult, PowerLaw
from worker.metrics import as_error, is_share

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]
    Range = tuple[float, float]

LEAST, TELLING = 3, 4
"""Sizes below which there is no law, and below which its regime is not told."""
LOW, HIGH, POINTS = 0.01, 10.0, 600
"""The exponents b that are looked at."""
AHEAD = (2, 10)
"""The forecasts: times the largest size."""


@dataclass(frozen=True)
class Fitted:
    """a (sizes in units of the largest), b, c, and the weighted sum of squares that they leave."""

    a: float
    b: float
    c: float
    left: float

    def at(self, size: float) -> float:
        """The error at so many times the largest size."""
        return float(self.a * size**-self.b + self.c)


def power_law(cells: Sequence[CellResult], factor: str, metric: str, images: int | None = None) -> PowerLaw | None:
    """The law over the levels of `factor`, which are numbers of examples or shares of `images`; None below 3 sizes.

    Each value is a seed's error, averaged over the other factors. Intervals are those of the profile likelihood, which
    hold 94 to 98 % in simulations; resampled seeds (20 of them) held 91 to 94 %.
    """
    errors = by_size(cells, factor, metric, images)
    values = sum(map(len, errors.values()))
    if len(errors) < LEAST or values <= LEAST:
        return None
    weights = _weights(errors)
    best = fit(errors, weights)
    largest = max(errors)
    b, c, *ahead = _profile(errors, weights, best)
    forecast = [(times * largest, best.at(times), *span) for times, span in zip(AHEAD, ahead, strict=True)]
    regime = _regime(errors, best, b, c, is_share(metric))
    sizes, a = tuple(errors), best.a * largest**best.b
    return PowerLaw(sizes, a, (best.b, *b), (best.c, *c), tuple(forecast), regime)


def by_size(cells: Sequence[CellResult], factor: str, metric: str, images: int | None) -> dict[int, dict[int, float]]:
    """Size -> seed -> error, in rising order, over those combinations of the other factors that ran at every size."""
    told: dict[str, dict[int, CellResult]] = {}
    for cell in cells:
        size = _examples({**cell.assignment, **cell.levels}.get(factor), images)
        if size and cell.values:
            others = repr(sorted((name, level) for name, level in cell.levels.items() if name != factor))
            told.setdefault(others, {})[size] = cell
    sizes = sorted({size for one in told.values() for size in one})
    whole = [one for one in told.values() if len(one) == len(sizes)]
    return {size: seeds for size in sizes if (seeds := _averaged([one[size] for one in whole], metric))}


def _averaged(cells: Sequence[CellResult], metric: str) -> dict[int, float]:
    """The mean error of each seed that all of the cells have."""
    common = set.intersection(*(set(cell.values) for cell in cells)) if cells else set()
    means = {seed: fmean(cell.values[seed] for cell in cells) for seed in sorted(common)}
    return {seed: as_error(mean, metric) for seed, mean in means.items()}


def _examples(level: Any, images: int | None) -> int | None:
    """A level as a number of examples: 500, or 0.1 and "10%" of the images; None (all) is all of them."""
    if isinstance(level, str):
        level = float(level[:-1]) / 100 if level.endswith("%") else None
    elif level is None:
        level = 1.0
    if level is None or isinstance(level, bool):
        return None
    if isinstance(level, float) and level <= 1:
        return round(level * images) if images else None
    return int(level)


def _weights(errors: Mapping[int, Mapping[int, float]]) -> dict[int, float]:
    """One over the variance at each size, smoothed as a power of the size since few seeds tell it badly; else all 1."""
    import numpy as np

    spreads = {size: variance(one.values()) for size, one in errors.items() if len(one) > 1}
    if len(spreads) < len(errors) or min(spreads.values()) <= 0:
        return dict.fromkeys(errors, 1.0)
    freedom = [sqrt(len(one) - 1) for one in errors.values()]
    slope, level = np.polyfit(np.log(list(spreads)), np.log(list(spreads.values())), 1, w=freedom)
    return {size: float(np.exp(-slope * log(size) - level)) for size in errors}


def fit(errors: Mapping[int, Mapping[int, float]], weights: Mapping[int, float]) -> Fitted:
    """Weighted least squares over all single values: a scan over b, then three finer ones about the best."""
    import numpy as np

    grid = np.geomspace(LOW, HIGH, POINTS)
    for _ in range(4):
        scan = _scan(errors, weights, grid)
        at = int(np.argmin(scan[2]))
        a, c, left = (float(part[at]) for part in scan)
        best = Fitted(a, float(grid[at]), c, left)
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)], 41)
    return best


def _scan(
    errors: Mapping[int, Mapping[int, float]], weights: Mapping[int, float], grid: Array
) -> tuple[Array, Array, Array]:
    """For each b the best a >= 0 and c >= 0, and the weighted sum of squares over single values."""
    import numpy as np

    x, y, w, within = _sums(errors, weights)
    powers = x ** -grid[:, None]  # (b, size)
    mean_y, mean_p = (w * y).sum() / w.sum(), (w * powers).sum(1) / w.sum()
    centred = powers - mean_p[:, None]
    a = (w * centred * y).sum(1) / (w * centred**2).sum(1)
    c = mean_y - a * mean_p
    through = (w * powers * y).sum(1) / (w * powers**2).sum(1)  # the best a where c = 0
    a, c = np.where(c < 0, through, a), np.where(c < 0, 0.0, c)
    a, c = np.where(a < 0, 0.0, a), np.where(a < 0, mean_y, c)
    return a, c, within + (w * (y - a[:, None] * powers - c[:, None]) ** 2).sum(1)


def _sums(errors: Mapping[int, Mapping[int, float]], weights: Mapping[int, float]) -> tuple[Array, Array, Array, float]:
    """Sizes in units of the largest, mean errors, summed weights, and the weighted sum of squares within sizes."""
    import numpy as np

    y = np.array([fmean(one.values()) for one in errors.values()])
    w = np.array([weights[size] * len(one) for size, one in errors.items()])
    about = [weights[size] * variance(one.values()) * (len(one) - 1) for size, one in errors.items() if len(one) > 1]
    return np.array(list(errors)) / max(errors), y, w, float(sum(about))


def _profile(errors: Mapping[int, Mapping[int, float]], weights: Mapping[int, float], best: Fitted) -> list[Range]:
    """95 % intervals of b, c and forecasts: where the sum of squares stays below (1 + t^2 / freedom) times its least.

    Smoothed weights cost two degrees of freedom. Where c = 0 lies at the edge of what is possible a cut profile would
    be too narrow for b (86 % in simulation), so there b and c are bounded together.
    """
    import numpy as np
    from scipy.special import fdtri, stdtrit

    freedom = max(1, sum(map(len, errors.values())) - LEAST - (2 if len(set(weights.values())) > 1 else 0))
    bound = best.left * (1 + float(stdtrit(freedom, 0.975)) ** 2 / freedom)
    both = best.left * (1 + 2 * float(fdtri(2, freedom, 0.95)) / freedom)  # of b and c at once
    grid = np.union1d(np.geomspace(LOW, HIGH, POINTS), [best.b])
    x, y, w, within = _sums(errors, weights)
    kept = [b for b, left in zip(grid, _scan(errors, weights, grid)[2], strict=True) if left <= bound]
    spans: list[list[Range]] = [[] for _ in range(1 + len(AHEAD))]
    for b in kept:
        points = _edge(np.stack([x**-b, np.ones_like(x)], 1), y, w, bound - within)
        for span, wanted in zip(spans, [(0.0, 1.0), *((times**-b, 1.0) for times in AHEAD)], strict=True):
            told = points @ np.array(wanted)
            span.append((float(told.min()), float(told.max())))
    kept += [b for b in grid if len(_without_floor(x**-b, y, w, both - within))]  # where c may be 0
    of_b = (float(min(kept)), float(max(kept)))
    return [of_b, *((min(low for low, _ in span), max(high for _, high in span)) for span in spans)]


def _edge(columns: Array, y: Array, w: Array, bound: float) -> Array:
    """Points (a, c) on the rim of the ellipse of sums of squares below `bound`, cut off where a or c is below 0."""
    import numpy as np

    square = columns.T @ (w[:, None] * columns)
    centre = np.linalg.solve(square, columns.T @ (w * y))
    room = max(0.0, bound - float((w * (y - columns @ centre) ** 2).sum()))
    turn = np.linspace(0, 2 * np.pi, 181)
    rim = np.linalg.solve(np.linalg.cholesky(square).T, np.stack([np.cos(turn), np.sin(turn)])).T
    points = centre + sqrt(room) * rim
    inside = points[(points >= 0).all(1)]
    crossing = _without_floor(columns[:, 0], y, w, bound)
    return np.vstack([inside, crossing]) if len(inside) or len(crossing) else np.maximum(centre, 0)[None]


def _without_floor(powers: Array, y: Array, w: Array, bound: float) -> Array:
    """The ends of the segment of the ellipse where c = 0; none where it does not reach there."""
    import numpy as np

    square, mixed = float((w * powers**2).sum()), float((w * powers * y).sum())
    room = bound - float((w * y**2).sum()) + mixed**2 / square
    if room < 0:
        return np.empty((0, 2))
    a, half = mixed / square, sqrt(room / square)
    return np.array([[max(0.0, a - half), 0.0], [a + half, 0.0]])


def _regime(errors: Mapping[int, Mapping[int, float]], best: Fitted, b: Range, c: Range, share: bool) -> str:
    """Which part of the curve was seen: Hestness et al. (2017) name the three."""
    if len(errors) < TELLING:
        return "cannot tell"
    if share and _flat_start(errors):
        return "small data"
    if c[0] > best.at(1) / 2:
        return "near its floor"
    hopeless = b[0] <= LOW * 1.01 or b[1] >= HIGH * 0.99 or b[1] > 4 * b[0]
    return "cannot tell" if hopeless or best.a <= 0 else "power law"


def _flat_start(errors: Mapping[int, Mapping[int, float]]) -> bool:
    """Whether more than half is wrong at the smallest size, and the error falls there clearly less than later.

    A power law falls the steeper in log error over log size the smaller the size; the slope's upper limit over the
    first step must lie below half of the steepest later one.
    """
    means = [fmean(one.values()) for one in errors.values()]
    if means[0] <= 0.5 or min(means) <= 0:
        return False
    sizes = list(errors)
    steps = [log(means[at] / means[at + 1]) / log(sizes[at + 1] / sizes[at]) for at in range(len(sizes) - 1)]
    first, second = list(errors.values())[:2]
    noise = sqrt(sum(_relative(one) for one in (first, second))) / log(sizes[1] / sizes[0])
    return steps[0] + 2 * noise < max(steps[1:]) / 2


def _relative(values: Mapping[int, float]) -> float:
    """The squared relative standard error of a mean; unknown (infinite) of one value."""
    return variance(values.values()) / len(values) / fmean(values.values()) ** 2 if len(values) > 1 else inf
