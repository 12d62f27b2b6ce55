"""The names of what is measured, per task, and which way is better. No torch; `worker.tasks` has the functions."""

from __future__ import annotations

from typing import Literal

Direction = Literal["maximize", "minimize"]

MEASURED: dict[str, dict[str, Direction]] = {
    "classification": {"loss": "minimize", "accuracy": "maximize"},
    "regression": {"loss": "minimize", "mae": "minimize"},
}
"""What each task measures, without the part of the data (`train_`, `val_`, `test_`) that stands before the name."""
LOSSES = {"classification": "cross_entropy", "regression": "mse"}


def metric_names(task: str) -> tuple[str, ...]:
    """What each epoch reports: `train_loss`, `train_accuracy`, `val_loss`, `val_accuracy`.

    The training values are running means over the epoch, of the network as it was trained (with dropout and the
    smoothed loss); the validation values are of the network at the epoch's end, with the plain loss.
    """
    return tuple(f"{part}_{name}" for part in ("train", "val") for name in _measured(task))


def test_metric_names(task: str) -> tuple[str, ...]:
    """What a job of mode "test" reports: `test_loss`, `test_accuracy`."""
    return tuple(f"test_{name}" for name in _measured(task))


def direction(metric: str) -> Direction:
    """Which way `val_accuracy` (or any other metric) is better."""
    name = metric.split("_", 1)[-1]
    for measured in MEASURED.values():
        if name in measured:
            return measured[name]
    raise ValueError(f"unknown metric {metric!r}; known are {', '.join(_all_names())}")


def task_loss(task: str) -> str:
    """The loss that a task is trained with unless the recipe names another."""
    _measured(task)
    return LOSSES[task]


def _measured(task: str) -> dict[str, Direction]:
    if task not in MEASURED:
        raise ValueError(f"unknown task {task!r}; known are {', '.join(MEASURED)}")
    return MEASURED[task]


def _all_names() -> list[str]:
    return sorted({name for task in MEASURED for name in metric_names(task)})
