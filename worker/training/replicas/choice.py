"""Whether replicates are trained together: where they can be, and where a short calibration finds that faster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from statistics import median
from typing import Any

import torch

from searchspace.core import Network
from worker.recipe import Recipe
from worker.recipe.optimizers import Lbfgs
from worker.recipe.schedules import Plateau
from worker.training import optimizers, order, steps
from worker.training.replicas import stacking
from worker.training.replicas.group import Group, stepping
from worker.training.run import Run

FASTER = 1.1
"""Trained together where that is so many times as fast: less may be chance, or is not worth the rounding."""
WARMING, COUNTED = 2, 9
"""Steps to warm up, and how many are timed after them at most."""
SECONDS = 0.6
"""After which no further step is timed; two there are always, of which the second counts."""
SHARE = 0.02
"""Of a training may go into the question; one too short for that is not worth it."""


def unsupported(network: Network, recipe: Recipe) -> str | None:
    """Why replicates of this network with this recipe are trained one by one, or None."""
    reasons = {
        "lbfgs searches along a line of all weights": isinstance(recipe.optimizer, Lbfgs),
        "a range test finds each replicate's own learning rate": recipe.optimizer.lr == "auto",
        "a plateau lowers each replicate's learning rate at its own time": isinstance(recipe.schedule, Plateau),
        "each replicate stops early at its own time": recipe.early_stopping is not None,
        "a curriculum ranks the examples for each replicate": recipe.curriculum is not None,
        "steps are computed in parts": recipe.accumulate not in (None, 1),
        "the module is compiled": bool(recipe.compile),
    }
    return next((reason for reason, holds in reasons.items() if holds), None) or stacking.unsupported(network)


def chosen(group: Group) -> dict[str, Any]:
    """{"together", "ratio", "replicas"}: the ratio is the time one by one over the time together.

    All trainings go back to where they stood, so the numbers that follow do not know of it.
    """
    many, run = len(group.runs), group.runs[0]
    if 2 * (many + 1) > SHARE * many * run.steps * (run.recipe.epochs - len(run.journal.history)):
        return {"together": False, "ratio": None, "replicas": many}
    start = {name: value.detach().clone() for name, value in run.state().items()}
    try:
        ratio = calibrated(group)
    finally:
        run.restore(start)
        group.join()
    return {"together": ratio >= FASTER, "ratio": round(ratio, 3), "replicas": many}


def calibrated(group: Group) -> float:
    """Median time of a step one by one over that of one together, in turns, after some to warm up."""
    run, began = group.runs[0], time.perf_counter()
    together, alone = endless(run, lambda: stepping(group, 1)), endless(run, lambda: single(run))
    seconds: list[tuple[float, float]] = []
    while len(seconds) < WARMING + COUNTED:
        seconds.append((timed(together, run.device), timed(alone, run.device)))
        if len(seconds) > 1 and time.perf_counter() - began > SECONDS:
            break
    counted = seconds[min(WARMING, len(seconds) - 1) :]
    one, other = (median(side) for side in zip(*counted, strict=True))
    return float(other * len(group.runs) / one)


def single(run: Run) -> Iterator[object]:
    """The steps of one training by itself, as in `worker.training.steps.trained`."""
    here = steps.begun(run, 1)
    for step, (x, y) in enumerate(run.splits.train.batches(order.of_epoch(run, 1))):
        optimizers.set_rate(run.optimizer, steps.rate(here, step))
        x, targets = steps.augmented(here, x, y)
        yield steps.updated(here, step, x, targets)


def endless(run: Run, epoch: Callable[[], Iterator[object]]) -> Iterator[object]:
    """Steps of epoch after epoch, without an epoch's last batch, which may be smaller."""
    while True:
        yield from islice(epoch(), min(WARMING + COUNTED, max(1, run.steps - 1)))


def timed(work: Iterator[object], device: torch.device) -> float:
    """Seconds of the next step, to its end on the device."""
    began = time.perf_counter()
    next(work)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - began
