"""Trainers that are no trainers: what the conductor is told in tests. The workers of Ray import this file too."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from worker.job import EpochMetrics, Job, Lost


def value(row: dict[str, Any]) -> float:
    """What the row of a trial that `quick` has completed must say."""
    return _score(row["blueprint"], row["recipe"], row["seed"], row["recipe"]["epochs"])


def score(job: Job, epoch: int) -> float:
    return _score(job.blueprint, job.recipe, job.seed, epoch)


def _score(*parts: Any) -> float:
    """A number in [0, 1) that depends on the network, the recipe, the seed and the epoch, and on nothing else."""
    text = json.dumps(parts, sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


def quick(job: Job) -> Iterator[EpochMetrics]:
    """All epochs at once; nothing is kept, so an interrupted trial tells all of them again."""
    for epoch in range(1, job.recipe["epochs"] + 1):
        yield EpochMetrics(epoch, {"val_accuracy": score(job, epoch), "val_loss": 1.0 / epoch}, 0.25)


def measured(job: Job) -> dict[str, float]:
    return {"test_accuracy": score(job, 0)}


def together(job: Job) -> Iterator[EpochMetrics | Lost]:
    """Replicates in the same steps; the job's own trial is lost after an epoch where it is trial 1."""
    mates = [(job.trial, job.seed), *((mate.trial, mate.seed) for mate in job.mates)]
    for epoch in range(1, job.recipe["epochs"] + 1):
        for trial, seed in mates:
            if trial == 1 and epoch == 2:
                yield Lost(trial, "diverged", "the loss is nan")
                mates = mates[1:]
                continue
            yield EpochMetrics(epoch, {"val_accuracy": seed % 97 / 97}, 0.25, trial, {"seen": [seed]})


def slow(job: Job) -> Iterator[EpochMetrics]:
    for told in quick(job):
        time.sleep(0.2)
        yield told


def second_raises(job: Job) -> Iterator[EpochMetrics]:
    if job.trial == 2:
        raise KeyError("no such thing\nat all")
    yield from quick(job)


def second_dies(job: Job) -> Iterator[EpochMetrics]:
    """Takes its process with it, every time."""
    if job.trial == 2:
        os._exit(1)
    yield from quick(job)


def dies_once(job: Job) -> Iterator[EpochMetrics]:
    """The real trainer, whose process ends with the first trial's second epoch, once. `trained` counts real epochs."""
    from worker import trainer

    real, mark = trainer.one_epoch, Path(job.folder) / "died"

    def counted(run: trainer.Run, epoch: int) -> EpochMetrics:
        with (Path(job.folder) / "trained").open("a") as file:
            file.write(f"{epoch} ")
        return real(run, epoch)

    trainer.one_epoch = counted
    try:
        for told in trainer.train(job):
            if job.trial == 1 and told.epoch == 2 and not mark.exists():
                mark.touch()
                os._exit(1)
            yield told
    finally:
        trainer.one_epoch = real
