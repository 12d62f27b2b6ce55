"""What travels between the conductor and a worker: a Job goes out, EpochMetrics come back. Plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

FailureKind = Literal["out_of_memory", "diverged", "timeout", "worker_lost", "error"]
Mode = Literal["train", "test", "baseline"]


@dataclass(frozen=True)
class Mate:
    """Another replicate of a job's network, to be trained together with it: its trial, seed and folder."""

    trial: int
    seed: int
    folder: str


@dataclass(frozen=True)
class Job:
    """All that a worker must know to train one network, or (`mode="test"`) to read the test split with its weights.

    `folder` is the trial's own checkpoint folder (absolute); a worker claims the next free attempt inside it.
    `blueprint`, `recipe` and `data` are resolved: no `$variable` is left in them. `checkpoint_seconds` is the least
    time between two checkpoints; 0 writes one at every epoch end. `mates` are replicates that may be trained in the
    same steps; how that is done is the worker's choice, and each is a trial of its own. `measure` is the study's
    section of that name. `table` names the lines that answer it where results come from a table (`worker.table`):
    file, digest, variables, assignment, phase, replicate, metric. A baseline's recipe is {"baseline": its name}, and
    its blueprint is empty.
    """

    trial: int
    blueprint: dict[str, Any]
    recipe: dict[str, Any]
    data: dict[str, Any]
    task: str
    seed: int
    folder: str
    mode: Mode = "train"
    threads: int = 1
    gpus: float = 0.0
    checkpoint_seconds: float = 2.0
    timeout_seconds: float | None = None
    mates: tuple[Mate, ...] = ()
    measure: dict[str, Any] = field(default_factory=dict)
    table: dict[str, Any] | None = None


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch's measurements: `epoch` counts from 1, `metrics` go by name (`val_accuracy`, `train_loss`).

    `train_seconds` is the time of this epoch's training alone. A resumed trial first yields the epochs that its
    checkpoint remembers, with the very same numbers. `trial` says whose epoch it is where a job has mates (None: the
    job's own). `measured` comes with the last epoch: what is measured once per trial, as JSON would have it.
    """

    epoch: int
    metrics: dict[str, float]
    train_seconds: float
    trial: int | None = None
    measured: dict[str, Any] | None = None


@dataclass(frozen=True)
class Lost:
    """One of several replicates ended without a result; its mates go on."""

    trial: int
    kind: FailureKind
    reason: str


class TrainingFailed(RuntimeError):
    """A trial that ended without a result, with its kind and one sentence for the user."""

    def __init__(self, kind: FailureKind, reason: str) -> None:
        self.kind: FailureKind = kind
        self.reason = reason
        super().__init__(f"{kind}: {reason}")
