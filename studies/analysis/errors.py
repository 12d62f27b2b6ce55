"""Is a network worse because it does not train, or because it does not carry over? A contrast's error, split.

validation error = training error (optimisation and modelling) + gap (estimation). Of a share such as accuracy the error
is 1 - accuracy; any other metric is an error itself.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from statistics import fmean
from typing import Any

from studies.analysis.cells import key
from studies.analysis.results import CellResult, Contrast, Errors
from studies.statistics import Estimate, estimate
from worker.metrics import as_error

Pair = tuple[CellResult, CellResult]
Place = tuple[Hashable, ...]
SOURCES = ("fit", "train")
"""Where training errors are read, the better first: training examples as they are, with the network as validated; else
the running mean over the last epoch, with augmentation and dropout."""


def errors(cells: Sequence[CellResult], contrasts: Sequence[Contrast], metric: str) -> tuple[Errors, ...]:
    """One split for each contrast whose compared replicates all have a training metric of the same kind."""
    places = Places(cells)
    found = (_split(places, one, metric) for one in contrasts)
    return tuple(one for one in found if one)


def _split(places: Places, contrast: Contrast, metric: str) -> Errors | None:
    pairs = _compared(places, contrast)
    seeds = sorted(set.intersection(*({*one.values} & {*two.values} for one, two in pairs))) if pairs else []
    source = _source(pairs, seeds, metric)
    if source is None:
        return None
    validation = _differences(pairs, seeds, lambda cell, seed: as_error(_told(cell, seed, metric), metric))
    training = _differences(pairs, seeds, lambda cell, seed: as_error(cell.metrics[seed][source], source))
    gap = [one - two for one, two in zip(validation, training, strict=True)]
    one, two, three = (_estimate(values, seeds, pairs) for values in (validation, training, gap))
    return Errors(contrast.factor, contrast.low, contrast.high, one, two, three, source)


def _compared(places: Places, contrast: Contrast) -> list[Pair]:
    """The pairs of cells that the contrast is of: with values, and not left out."""
    return [
        (low, high)
        for low, high in places.partners(contrast.factor, contrast.low, contrast.high)
        if low.values and high.values and _others(low, contrast.factor) not in contrast.left_out
    ]


class Places:
    """Cells by their levels, looked up once for all contrasts."""

    def __init__(self, cells: Sequence[CellResult]) -> None:
        self._column = {name: at for at, name in enumerate(cells[0].levels)} if cells else {}
        self._cells: dict[Place, CellResult] = {}
        self._at: dict[tuple[str, Hashable], list[Place]] = {}
        for cell in cells:
            place = tuple(key(cell.levels[name]) for name in self._column)
            self._cells[place] = cell
            for name, level in zip(self._column, place, strict=True):
                self._at.setdefault((name, level), []).append(place)

    def partners(self, factor: str, low: Any, high: Any) -> list[Pair]:
        """The pairs of cells at the low and the high level of a factor, equal in all others."""
        at, end = self._column.get(factor, 0), key(high)
        pairs = (
            (self._cells[place], self._cells.get((*place[:at], end, *place[at + 1 :])))
            for place in self._at.get((factor, key(low)), ())
        )
        return [(one, two) for one, two in pairs if two]


def _others(cell: CellResult, factor: str) -> str:
    return ", ".join(f"{name}={level}" for name, level in cell.levels.items() if name != factor)


def _source(pairs: Sequence[Pair], seeds: Sequence[int], metric: str) -> str | None:
    """The best training metric that every compared replicate has."""
    compared = [cell.metrics.get(seed, {}) for pair in pairs for cell in pair for seed in seeds]
    names = [f"{part}_{metric.partition('_')[2]}" for part in SOURCES]
    return next((name for name in names if compared and all(name in told for told in compared)), None)


def _told(cell: CellResult, seed: int, metric: str) -> float:
    return cell.metrics[seed].get(metric, cell.values[seed])


def _differences(pairs: Sequence[Pair], seeds: Sequence[int], error: Callable[[CellResult, int], float]) -> list[float]:
    return [fmean(error(high, seed) - error(low, seed) for low, high in pairs) for seed in seeds]


def _estimate(values: Sequence[float], seeds: Sequence[int], pairs: Sequence[Pair]) -> Estimate:
    """With the first stage's deviation where seeds were added by their spread."""
    first = min((cell.first for pair in pairs for cell in pair if cell.first), default=0)
    early = sum(seed < first for seed in seeds)
    return estimate(values, first=early) if 2 <= early < len(values) else estimate(values)
