"""When a training is over, and which of its epochs counts: pure functions of the epochs so far."""

from __future__ import annotations

from collections.abc import Sequence

from worker.job import EpochMetrics, TrainingFailed
from worker.metrics import direction
from worker.recipe import Recipe
from worker.recipe.spec import EarlyStopping


def over(recipe: Recipe, history: Sequence[EpochMetrics]) -> bool:
    """Whether all epochs are done, or `patience` of them went by without a better one."""
    if len(history) >= recipe.epochs:
        return True
    spec = recipe.early_stopping
    return spec is not None and len(history) - best_epoch(spec, history) >= spec.patience


def counting(recipe: Recipe, history: Sequence[EpochMetrics]) -> EpochMetrics:
    """The epoch whose weights and numbers are the training's: the last, or the best under early stopping."""
    spec = recipe.early_stopping
    return history[best_epoch(spec, history) - 1 if spec else -1]


def best_epoch(spec: EarlyStopping, history: Sequence[EpochMetrics]) -> int:
    """The last epoch that was better by `min_delta` than the best before it; 1 if none ever was, 0 of no epochs."""
    sign = 1 if direction(spec.metric) == "maximize" else -1
    best, highest = min(1, len(history)), float("-inf")
    for told in history:
        if spec.metric not in told.metrics:
            known = ", ".join(told.metrics)
            raise TrainingFailed("error", f"early_stopping: {spec.metric!r} is not measured; known are {known}")
        value = sign * told.metrics[spec.metric]
        if value > highest + spec.min_delta:
            best, highest = told.epoch, value
    return best
