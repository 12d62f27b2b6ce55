"""The driver without Ray: one trial after the other in this very process. For tests and debugging."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator

from studies.conductor import Conductor, Pause
from worker.job import EpochMetrics, Job, TrainingFailed

Trainer = Callable[[Job], Iterator[EpochMetrics]]
Evaluator = Callable[[Job], dict[str, float]]


def drive(conductor: Conductor, train: Trainer, evaluate: Evaluator) -> None:
    """Run the study to its end, or until something outside ends the process."""
    while isinstance(job := conductor.next(), Job):
        try:
            if job.mode == "test":
                conductor.tested(job, evaluate(job))
            else:
                _train(conductor, job, train)
        except TrainingFailed as error:
            conductor.failed(job, error.kind, error.reason)
        except Exception as error:  # a trial's own mistake ends the trial, not the study
            conductor.failed(job, "error", f"{type(error).__name__}: {error}", traceback.format_exc())
    assert job is Pause.DONE, "nothing runs beside this process, so there is nothing to wait for"


def _train(conductor: Conductor, job: Job, train: Trainer) -> None:
    for epoch in train(job):
        if not conductor.report(job, epoch):
            return
    conductor.finished(job)
