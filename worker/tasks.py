"""Tasks by name: their losses and metrics as functions of tensors. Nothing else knows that accuracy exists."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Measure = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) of a batch -> a scalar: the sum over its examples."""
Loss = Callable[[Tensor, Tensor, float], Tensor]
"""(outputs, targets, label smoothing) of a batch -> a scalar: the mean over its examples."""


@dataclass(frozen=True)
class Task:
    """What is measured beside the loss; the names are those of `worker.metrics`, and so are their directions."""

    metrics: dict[str, Measure]


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """How many have their largest output at the label."""
    return (outputs.argmax(1) == targets).sum()


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Sum over examples of the mean absolute error over outputs."""
    return (outputs - targets).abs().mean(1).sum()


def cross_entropy(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    return functional.cross_entropy(outputs, targets, label_smoothing=smoothing)


def squared_error(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Mean squared error; labels count as one-hot vectors (Hui & Belkin 2021)."""
    if targets.dim() == 1:
        targets = functional.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    return functional.mse_loss(outputs, targets)


TASKS: dict[str, Task] = {
    "classification": Task({"accuracy": correct}),
    "regression": Task({"mae": absolute_error}),
}
LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "mse": squared_error}


def sums(task: Task, loss: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss and metrics of a batch, each summed over its examples: float64 (1 + metrics,), in the order of names."""
    measured = [measure(outputs, targets) for measure in task.metrics.values()]
    return torch.stack([value.double() for value in (loss.detach() * len(targets), *measured)])
