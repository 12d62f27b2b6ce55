"""The driver with Ray Tune, on a real local Ray: the same trials as inline, lost workers, failures, slots."""

import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from studies import inline, tune
from studies.candidate import Study
from studies.progress import silent
from studies.run import Ended, run
from studies.store import Engine, query
from worker.job import EpochMetrics, Job
from worker.trainer import evaluate, train

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

Build = Callable[..., Study]


def dies_once(job: Job) -> Iterator[EpochMetrics]:
    """The real trainer, but the first process that comes to the second epoch of the first trial ends there."""
    for told in train(job):
        mark = Path(job.folder) / "died"
        if job.trial == 1 and told.epoch == 2 and not mark.exists():
            mark.touch()
            os._exit(1)
        yield told


def through_ray(study: Study, engine: Engine, files: Path, **config: Any) -> Ended:
    return run(study, engine, files, partial(tune.drive, **config), silent)


def test_a_lost_worker(tiny: Build, store: Engine, tmp_path: Path, capfd) -> None:
    study = tiny(budget={"trials": 2}, confirm={"top": 1, "replicates": 2})
    ended = through_ray(study, store, tmp_path / "files", trainer=f"{Path(__file__).stem}:dies_once")
    print(ended)
    print(capfd.readouterr())
    assert 0
