"""One trial as Ray Tune runs it. The only file of this package that knows Ray; torch comes with the first step."""

from __future__ import annotations

import json
import os
import socket
import traceback
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from ray import tune

from worker.job import EpochMetrics, Job, Lost, Mate, TrainingFailed

TRAINER, EVALUATOR = "worker.trainer:train", "worker.trainer:evaluate"

Trainer = Callable[[Job], Iterator[EpochMetrics | Lost]]
Evaluator = Callable[[Job], dict[str, float]]


class Trial(tune.Trainable):
    """`config` is {"job": the fields of a Job} and, instead of ours, the dotted names of a "trainer" and "evaluator".

    Each step is one epoch: {"epoch", "metrics", "train_seconds"} with "trial" where a job has several and "measured"
    (JSON text) at the end, or the end of one of several: {"lost" (its trial), "kind", "reason"}. The last result has
    "done" and one of "finished", "test_metrics" (mode "test"), or "failure" with "reason" (and "traceback", if nobody
    foresaw it). The first result of a job adds "host", "pid" and "device". Checkpoints are the trainer's own; Tune's
    are off.
    """

    def setup(self, config: dict[str, Any]) -> None:
        mates = tuple(Mate(**mate) for mate in config["job"].get("mates", ()))
        self._job = Job(**config["job"] | {"mates": mates})
        if self._job.gpus == 0:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # an actor without GPUs would see them all
        self._trainer = config.get("trainer", TRAINER)
        self._evaluator = config.get("evaluator", EVALUATOR)
        self._epochs: Iterator[EpochMetrics | Lost] | None = None
        self._first = True

    def step(self) -> dict[str, Any]:
        origin = _origin(self._job) if self._first else {}
        self._first = False
        try:
            return origin | (self._tested() if self._job.mode == "test" else self._advanced())
        except TrainingFailed as failed:
            return origin | {"failure": failed.kind, "reason": failed.reason, "done": True}
        except Exception as error:
            return origin | _unforeseen(error)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next job in the same process (`reuse_actors=True`), which has torch and the data already."""
        self.cleanup()
        self.setup(new_config)
        return True

    def cleanup(self) -> None:
        close = getattr(self._epochs, "close", None)
        self._epochs = None
        if close is not None:
            close()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the trainer keeps its own."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing: the trainer finds its own."""

    def _advanced(self) -> dict[str, Any]:
        if self._epochs is None:
            trainer: Trainer = _named(self._trainer)
            self._epochs = iter(trainer(self._job))
        row = next(self._epochs, None)
        if row is None:
            return {"finished": True, "done": True}
        if isinstance(row, Lost):
            return {"lost": row.trial, "kind": row.kind, "reason": row.reason}
        told = {"epoch": row.epoch, "metrics": row.metrics, "train_seconds": row.train_seconds}
        told |= {"trial": row.trial} if row.trial is not None else {}
        return told | ({"measured": json.dumps(row.measured)} if row.measured is not None else {})

    def _tested(self) -> dict[str, Any]:
        evaluator: Evaluator = _named(self._evaluator)
        return {"test_metrics": evaluator(self._job), "done": True}


def _named(dotted: str) -> Any:
    """`package.module:function`."""
    module, _, name = dotted.partition(":")
    return getattr(import_module(module), name)


def _origin(job: Job) -> dict[str, Any]:
    device = f"cuda:{os.environ.get('CUDA_VISIBLE_DEVICES', '')}" if job.gpus > 0 else "cpu"
    return {"host": socket.gethostname(), "pid": os.getpid(), "device": device}


def _unforeseen(error: Exception) -> dict[str, Any]:
    lines = str(error).splitlines() or [""]
    reason = f"{type(error).__name__}: {lines[0]}"
    text = "".join(traceback.format_exception(error))
    return {"failure": "error", "reason": reason, "traceback": text, "done": True}
