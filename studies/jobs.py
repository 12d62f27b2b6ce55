"""From a trial's row to the job that a worker gets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from studies.candidate import Study
from worker.job import Job


def job_of(study: Study, row: Mapping[str, Any], files: Path, mode: Literal["train", "test"]) -> Job:
    """The job that trains a trial's row, or reads the test split with its weights; `files` is the store's folder."""
    resources = study.spec.resources
    return Job(
        trial=row["id"],
        blueprint=row["blueprint"],
        recipe=row["recipe"],
        data=study.tree["data"],
        task=study.spec.task,
        seed=row["seed"],
        folder=str(folder_of(files, row["id"])),
        mode=mode,
        threads=resources.cpus,
        gpus=resources.gpus,
        checkpoint_seconds=resources.checkpoint_seconds,
    )


def folder_of(files: Path, trial_id: int) -> Path:
    """Where a trial's checkpoints lie."""
    return files / "checkpoints" / str(trial_id)
