"""The driver without Ray: one trial after the other in this very process. For tests and debugging."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from studies.conductor import Conductor, Pause
from worker.job import EpochMetrics, FailureKind, Job, Lost, TrainingFailed

Trainer = Callable[[Job], Iterator[EpochMetrics | Lost]]
Evaluator = Callable[[Job], dict[str, float]]


@dataclass(frozen=True)
class _Failure:
    kind: FailureKind
    reason: str
    details: str | None = None


def drive(conductor: Conductor, train: Trainer, evaluate: Evaluator) -> None:
    """Run the study to its end, or until something outside ends the process."""
    while isinstance(job := conductor.next(), Job):
        for told in _told(job, train, evaluate):
            if not _take(conductor, job, told):
                break
        else:
            conductor.finished(job)
    assert job is Pause.DONE, "nothing runs beside this process, so there is nothing to wait for"


Told = EpochMetrics | Lost | dict[str, float] | _Failure


def _told(job: Job, train: Trainer, evaluate: Evaluator) -> Iterator[Told]:
    """What a job gives. Its own mistake ends the trial, not the study; an error of the conductor never comes here."""
    try:
        if job.mode == "test":
            yield evaluate(job)
        else:
            yield from train(job)
    except TrainingFailed as error:
        yield _Failure(error.kind, error.reason)
    except Exception as error:
        yield _Failure("error", f"{type(error).__name__}: {error}", traceback.format_exc())


def _take(conductor: Conductor, job: Job, told: Told) -> bool:
    """Hand on what a job gave; whether more is wanted."""
    match told:
        case EpochMetrics():
            return conductor.report(job, told)
        case Lost():
            conductor.failed(job, told.kind, told.reason, trial=told.trial)
            return True
        case _Failure():
            conductor.failed(job, told.kind, told.reason, told.details)
        case _:
            conductor.tested(job, told)
    return False
