"""Tasks by name: their losses and metrics as functions of tensors. Nothing else knows that accuracy exists.

Targets are int64 labels (n,), weights of classes (n, classes) as mixed examples have them, or numbers (n, outputs).
Nothing here waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from searchspace.language.problems import nearest
from worker import metrics

Measure = Callable[[Tensor, Tensor], Tensor]
"""(outputs, targets) of a batch -> a scalar: the sum over its examples."""
Loss = Callable[[Tensor, Tensor, float], Tensor]
"""(outputs, targets, label smoothing) of a batch -> a scalar: the mean over its examples."""


@dataclass(frozen=True)
class Task:
    """What is measured beside the loss; the names are those of `worker.metrics`, and so are their directions."""

    name: str
    metrics: dict[str, Measure]


def task_of(name: str, extra: Sequence[str] | None = ()) -> Task:
    """The task with the metrics that a recipe names beside its own: `task_of("classification", ["top5"])`."""
    names = metrics.measured_names(name, extra)
    return Task(name, {metric: _measure(metric) for metric in names if metric != "loss"})


def losses(name: str) -> Loss:
    """The loss of that name."""
    if name not in LOSSES:
        raise ValueError(f"loss: unknown {name!r}{nearest(name, LOSSES)}")
    return LOSSES[name]


def sums(task: Task, loss: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
    """Loss and metrics of a batch, each summed over its examples: float64 (1 + metrics,), in the order of names."""
    outputs = outputs if outputs.dtype == torch.float64 else outputs.float()
    measured = [measure(outputs, targets) for measure in task.metrics.values()]
    return torch.stack([value.double() for value in (loss.detach() * len(targets), *measured)])


def named(part: str, means: Tensor, task: Task) -> dict[str, float]:
    """`val_loss`, `val_accuracy` and so on, of the means over a part's examples: `sums` added up, by their number."""
    values = zip(("loss", *task.metrics), means.tolist(), strict=True)
    return {f"{part}_{name}": finished(name, value) for name, value in values}


def finished(name: str, mean: float) -> float:
    """A metric's value from its mean over examples."""
    return FINISHED.get(name, float)(mean)


def correct(outputs: Tensor, targets: Tensor) -> Tensor:
    """How many have their largest output at the label; of a mixed target, the weight of the class with that output.

    So a mixture's accuracy is the mean over the examples in it (the running accuracy of Zhang et al. 2018's code).
    """
    predicted = outputs.argmax(1)
    if targets.is_floating_point():
        return targets.gather(1, predicted[:, None]).sum()
    return (predicted == targets).sum()


def within(k: int) -> Measure:
    """How many have the label among their `k` largest outputs; of a mixed target, the weight of those k classes."""

    def measure(outputs: Tensor, targets: Tensor) -> Tensor:
        largest = outputs.topk(k, 1, sorted=False).indices
        return targets.gather(1, largest).sum() if targets.is_floating_point() else (largest == targets[:, None]).sum()

    return measure


def absolute_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Sum over examples of the mean absolute error over outputs."""
    return (outputs - targets).abs().mean(1).sum()


def square_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Sum over examples of the mean squared error over outputs; the root of its mean is the RMSE over all outputs."""
    return (outputs - targets).square().mean(1).sum()


def cross_entropy(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """-sum_c t_c log softmax(z)_c, with targets t = (1 - smoothing) t + smoothing / classes."""
    targets = targets.to(outputs.dtype) if targets.is_floating_point() else targets
    return functional.cross_entropy(outputs, targets, label_smoothing=smoothing)


def binary_cross_entropy(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """One classifier per class against all others: sum_c -t_c log s(z_c) - (1 - t_c) log(1 - s(z_c)), s the sigmoid.

    Summed over classes, not averaged: it is a likelihood, and its slope s(z) - t in an output is as large as that of
    the cross-entropy, so learning rates carry over. An untrained network's is classes * ln 2.
    """
    one_each = functional.binary_cross_entropy_with_logits(outputs, _dense(outputs, targets), reduction="sum")
    return one_each / len(outputs)


def squared_error(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Mean over outputs of (z - t)^2; labels count as one-hot vectors (Hui & Belkin 2021)."""
    return functional.mse_loss(outputs, _dense(outputs, targets))


def huber(outputs: Tensor, targets: Tensor, smoothing: float) -> Tensor:
    """Mean over outputs of e^2 / 2 where |e| <= 1, else |e| - 1/2 (Huber 1964): outliers pull with a bounded force."""
    return functional.huber_loss(outputs, _dense(outputs, targets), delta=1.0)


LOSSES: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "mse": squared_error,
    "huber": huber,
}
MEASURES: dict[str, Measure] = {"accuracy": correct, "mae": absolute_error, "rmse": square_error}
FINISHED: dict[str, Callable[[float], float]] = {"rmse": math.sqrt}
"""What makes of the mean over examples the value, where that is not the mean itself."""


def _measure(name: str) -> Measure:
    k = metrics.top_k(name)
    return within(k) if k else MEASURES[name]


def _dense(outputs: Tensor, targets: Tensor) -> Tensor:
    """Labels as one-hot vectors, other targets as they are, in the outputs' type."""
    if targets.dim() == 1:
        targets = functional.one_hot(targets, outputs.shape[1])
    return targets.to(outputs.dtype)
