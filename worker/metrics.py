"""The names of what is measured, per task, and which way is better. No torch; `worker.tasks` has the functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from searchspace.language.problems import nearest

Direction = Literal["maximize", "minimize"]

MEASURED: dict[str, dict[str, Direction]] = {
    "classification": {"loss": "minimize", "accuracy": "maximize"},
    "regression": {"loss": "minimize", "mae": "minimize"},
}
"""What each task always measures, without the part of the data that stands before the name."""
NAMED: dict[str, dict[str, Direction]] = {"classification": {}, "regression": {"rmse": "minimize"}}
"""What a recipe's `metrics` may add. For classification that is `top<k>`: `top5`, or any other k above 1."""
PARTS = ("train", "val", "test", "fit")
"""Which examples a value is of. `fit` are training examples as they are, with the network in evaluation mode."""
LOSSES = {"classification": "cross_entropy", "regression": "mse"}
TOP = re.compile(r"top([1-9]\d*)")


def metric_names(task: str, extra: Sequence[str] | None = ()) -> tuple[str, ...]:
    """What each epoch reports: `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`; `extra` come after those.

    The training values are running means over the epoch, of the network as it was trained (with dropout and the
    smoothed loss); the validation values are of the network at the epoch's end, with the plain loss.
    """
    return tuple(f"{part}_{name}" for part in ("train", "val") for name in measured_names(task, extra))


def test_metric_names(task: str, extra: Sequence[str] | None = ()) -> tuple[str, ...]:  # noqa: PT028 (no test)
    """What a job of mode "test" reports: `test_loss`, `test_accuracy`."""
    return tuple(f"test_{name}" for name in measured_names(task, extra))


def measured_names(task: str, extra: Sequence[str] | None = ()) -> tuple[str, ...]:
    """`loss`, the task's own, and each of `extra` that is not among those; a ValueError at one that is no metric."""
    for name in extra or ():
        _checked(task, name)
    return tuple(dict.fromkeys((*_measured(task), *(extra or ()))))


def check(task: str, extra: Sequence[str] | None, outputs: int | None = None) -> None:
    """Refuse metrics that are not the task's, or that say nothing of `outputs` classes."""
    for name in measured_names(task, extra):
        k = top_k(name)
        if k and outputs is not None and k >= outputs:
            cure = f"name top2 to top{outputs - 1}" if outputs > 2 else "leave it out"
            raise ValueError(f"metrics: {name} of {outputs} classes is always 1; {cure}")


def is_share(metric: str) -> bool:
    """Whether it is a fraction of examples, which screens show in percent: an accuracy, or top-k's."""
    name = metric.rpartition("_")[2]
    return name == "accuracy" or top_k(name) is not None


def as_error(value: float, metric: str) -> float:
    """What is less the better: 1 - an accuracy, and a loss or an error as it is."""
    return 1 - value if is_share(metric) else value


def top_k(name: str) -> int | None:
    """5 of `top5`; None of any other metric."""
    found = TOP.fullmatch(name)
    return int(found[1]) if found else None


def direction(metric: str) -> Direction:
    """Which way `val_accuracy` (or any other metric of any part) is better."""
    part, _, name = metric.partition("_")
    ways = {name: way for table in (*MEASURED.values(), *NAMED.values()) for name, way in table.items()}
    if part in PARTS and name in ways:
        return ways[name]
    if part in PARTS and (top_k(name) or 0) > 1:
        return "maximize"
    known = [f"{part}_{name}" for part in PARTS for name in (*ways, "top5")]
    raise ValueError(f"unknown metric {metric!r}{nearest(metric, known)}")


def task_loss(task: str) -> str:
    """The loss that a task is trained with unless the recipe names another."""
    _measured(task)
    return LOSSES[task]


def _checked(task: str, name: str) -> None:
    known = (*_measured(task), *NAMED[task])
    k = top_k(name) if task == "classification" else None
    if k == 1:
        raise ValueError("metrics: top1 is the accuracy, which is always measured; leave it out")
    if not k and name not in known:
        listed = (*known, "top5") if task == "classification" else known
        raise ValueError(f"metrics: {name!r} is no metric of {task}{nearest(name, listed)}")


def _measured(task: str) -> dict[str, Direction]:
    if task not in MEASURED:
        raise ValueError(f"unknown task {task!r}; known are {', '.join(MEASURED)}")
    return MEASURED[task]
