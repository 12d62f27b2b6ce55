"""The learning-rate range test: train a copy at a rate that grows from step to step, and see where the loss turns.

Smith 2017, section 3.3, with the exponential growth, the smoothing and the stop of Howard & Gugger 2020 (fastai).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from worker.job import TrainingFailed
from worker.training import optimizers

LOWEST, HIGHEST = 1e-6, 10.0
STEPS = 100
"""For any data: batches come again where an epoch has fewer. In 24 tests 44 steps showed no rate 6 times, 100 once."""
SMOOTHING = 0.9
DIVERGED = 4.0
"""Times the lowest smoothed loss: more than that, and the test is over."""
BELOW_MINIMUM = 10.0
LEAST_FALL = 0.99
"""Of the first smoothed loss: a lowest one above that share of it shows no rate at which anything is learned."""


class Point(NamedTuple):
    """The loss of a step's batch, smoothed, at the rate with which that batch was then learned."""

    lr: float
    loss: float


@dataclass(frozen=True)
class Found:
    """The rate that the test suggests and the curve that it read it from."""

    lr: float
    curve: tuple[Point, ...]


def find(
    model: nn.Module,
    make_optimizer: Callable[[nn.Module, float], torch.optim.Optimizer],
    loss: Callable[[nn.Module, int], Tensor],
    steps: int = STEPS,
) -> Found:
    """The rate for `model`, which stays as it is: the test trains a copy, with an optimizer of its own.

    `loss(copy, step)` is the loss on the step's batch, detached, and leaves its gradients; what it draws must come from
    (seed, step), then so does the result. A TrainingFailed where the loss falls at no rate.
    """
    trial = copy.deepcopy(model).train()
    optimizer = make_optimizer(trial, LOWEST)
    losses: list[float] = []
    for step, lr in enumerate(rates(steps)):
        optimizer.zero_grad()
        losses.append(float(loss(trial, step)))
        if _over(losses):
            break
        optimizers.set_rate(optimizer, lr)
        optimizer.step()
    return Found(*suggested(tuple(map(Point, rates(steps), smoothed(losses)))))


def rates(steps: int) -> list[float]:
    """From the lowest to the highest, each the same multiple of the one before."""
    return [LOWEST * (HIGHEST / LOWEST) ** (step / max(1, steps - 1)) for step in range(steps)]


def smoothed(losses: Sequence[float]) -> list[float]:
    """Running means m <- b m + (1 - b) loss from 0, over 1 - b^n as in Adam, up to the first that is not finite."""
    mean, found = 0.0, []
    for count, loss in enumerate(losses, 1):
        if not math.isfinite(loss):
            break
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        found.append(mean / (1 - SMOOTHING**count))
    return found


def suggested(curve: tuple[Point, ...]) -> tuple[float, tuple[Point, ...]]:
    """A tenth of the rate at the lowest smoothed loss, where it still falls with a margin (Howard & Gugger 2020)."""
    lowest = min(curve, key=lambda point: point.loss, default=None)
    if lowest is None or not lowest.loss < LEAST_FALL * curve[0].loss:
        reason = f"optimizer.lr: auto: the loss falls at no rate from {LOWEST:g} to {HIGHEST:g}; write a number"
        raise TrainingFailed("error", reason)
    return lowest.lr / BELOW_MINIMUM, curve


def _over(losses: list[float]) -> bool:
    if not math.isfinite(losses[-1]):
        return True
    means = smoothed(losses)
    return means[-1] > DIVERGED * min(means)
