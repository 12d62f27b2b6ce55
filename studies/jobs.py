"""From a trial's row to the job that a worker gets."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studies.candidate import Study
from studies.seeds import derive
from studies.tabular import request
from worker.job import Job, Mate, Mode

Row = dict[str, Any]


def job_of(study: Study, row: Mapping[str, Any], files: Path, mode: Mode, mates: Sequence[Row] = ()) -> Job:
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
        timeout_seconds=resources.timeout_seconds,
        mates=tuple(Mate(mate["id"], mate["seed"], str(folder_of(files, mate["id"]))) for mate in mates),
        measure=study.spec.measure.model_dump(mode="json", exclude_none=True),
        table=request(study.spec, study.space, row),
    )


def baseline_job(study: Study, name: str, files: Path) -> Job:
    """The job that fits a baseline. It is no trial: its number is below 0, one for each name."""
    number = -1 - study.spec.baselines.index(name)  # type: ignore[arg-type]
    seed = derive(study.spec.seed, "baseline", 0)
    row = {"id": number, "blueprint": {}, "recipe": {"baseline": name}, "seed": seed}
    return job_of(study, row, files, "baseline")


def mates_of(row: Row, queue: deque[Row], most: int) -> list[Row]:
    """Takes from the queue what may be trained in the same steps as `row`: other replicates of the very same network.

    A search trains each network once, so these are a design's replicates or those that confirm a finalist.
    """
    same = ("phase", "blueprint", "recipe")
    found = [one for one in queue if one["phase"] != "search" and all(one[name] == row[name] for name in same)]
    for one in found[: most - 1]:
        queue.remove(one)
    return found[: most - 1]


def folder_of(files: Path, trial_id: int) -> Path:
    """Where a trial's checkpoints lie."""
    return files / "checkpoints" / str(trial_id)


def written(files: Path, study: str, number: int, details: str) -> Path:
    """The file that holds the traceback of a trial's failure."""
    file = files / "failures" / f"{study}-{number}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(details)
    return file
