"""The trial as Ray Tune calls it: one result an epoch, failures as values, the next job in the same process."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from worker.job import EpochMetrics, Job, TrainingFailed
from worker.trainable import Trial

CLOSED: list[int] = []


def toy(job: Job) -> Iterator[EpochMetrics]:
    try:
        for epoch in range(1, 3):
            yield EpochMetrics(epoch, {"val_loss": float(job.seed)}, 0.1)
    finally:
        CLOSED.append(job.trial)


def diverging(job: Job) -> Iterator[EpochMetrics]:
    yield EpochMetrics(1, {"val_loss": 1.0}, 0.1)
    raise TrainingFailed("diverged", "lower the learning rate")


def broken(job: Job) -> Iterator[EpochMetrics]:
    raise KeyError("first line\nsecond line")


def measured(job: Job) -> dict[str, float]:
    return {"test_accuracy": 0.5}


def config(trainer: Any = toy, **changes: Any) -> dict[str, Any]:
    job = Job(1, {}, {}, {}, "classification", 7, "/nowhere", **changes)
    return {
        "job": asdict(job),
        "trainer": f"{__name__}:{trainer.__name__}",
        "evaluator": f"{__name__}:measured",
    }


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    one = Trial(config())
    yield one
    one.stop()


def test_one_result_an_epoch(trial: Trial) -> None:
    first = trial.train()
    assert (first["epoch"], first["metrics"], first["train_seconds"]) == (1, {"val_loss": 7.0}, 0.1)
    assert (first["pid"], first["device"]) == (os.getpid(), "cpu")
    assert first["host"]
    second, last = trial.step(), trial.step()
    assert second == {"epoch": 2, "metrics": {"val_loss": 7.0}, "train_seconds": 0.1}
    assert last == {"finished": True, "done": True}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""


def test_failures_are_results(trial: Trial) -> None:
    assert trial.reset_config(config(diverging))
    trial.step()
    assert trial.step() == {"failure": "diverged", "reason": "lower the learning rate", "done": True}


def test_unforeseen_failures_keep_their_traceback(trial: Trial) -> None:
    trial.reset_config(config(broken))
    result = trial.step()
    assert (result["failure"], result["done"]) == ("error", True)
    assert result["reason"].startswith("KeyError: ")
    assert "\n" not in result["reason"]
    assert "in broken" in result["traceback"]


def test_the_test_part_is_read_in_its_own_mode(trial: Trial) -> None:
    trial.reset_config(config(mode="test"))
    result = trial.step()
    assert (result["test_metrics"], result["done"]) == ({"test_accuracy": 0.5}, True)


def test_the_next_job_ends_the_last_one(trial: Trial) -> None:
    CLOSED.clear()
    trial.step()
    assert trial.reset_config(config())
    assert CLOSED == [1]
    first = trial.step()
    assert (first["epoch"], first["pid"]) == (1, os.getpid())


def test_the_real_trainer_is_the_default(trial: Trial, tmp_path: Path) -> None:
    job = Job(
        1,
        {"stages": [{"block": "plain", "width": 4}]},
        {"epochs": 1},
        {"source": "digits"},
        "classification",
        0,
        str(tmp_path),
    )
    trial.reset_config({"job": asdict(job)})
    assert set(trial.step()["metrics"]) == {"train_loss", "train_accuracy", "val_loss", "val_accuracy"}
    assert trial.step() == {"finished": True, "done": True}
    trial.reset_config({"job": asdict(job) | {"mode": "test"}})
    assert set(trial.step()["test_metrics"]) == {"test_loss", "test_accuracy"}
