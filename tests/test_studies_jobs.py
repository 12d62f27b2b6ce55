"""What jobs beyond one trial carry: replicates in the same steps, baselines, memory that ran out, what is measured."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from studies import inline, screens
from studies.candidate import Study
from studies.progress import silent
from studies.run import Ended, run
from studies.store import Engine, query
from worker.job import EpochMetrics, Job, Lost, TrainingFailed

Build = Callable[..., Study]
Row = dict[str, Any]
DESIGN = {"factors": ["width"], "replicates": 3}
WIDTHS = {
    "variables": {"width": {"choice": [4, 6]}},
    "blueprint": {"stages": [{"block": "plain", "width": "$width"}]},
    "recipe": {"epochs": 2},
}


@pytest.fixture
def conducted(store: Engine, tmp_path: Path) -> Callable[..., Ended]:
    def inner(study: Study, train: Any, driver: Any = inline.drive) -> Ended:
        return run(study, store, tmp_path / "files", partial(driver, train=train, evaluate=lambda job: {}), silent)

    return inner


def seeds(job: Job) -> dict[int, int]:
    return {job.trial: job.seed} | {mate.trial: mate.seed for mate in job.mates}


class Together:
    """A trainer of several replicates at once, that remembers what it was given."""

    def __init__(self, lose: int | None = None) -> None:
        self.jobs: list[Job] = []
        self.lose = lose

    def __call__(self, job: Job) -> Iterator[EpochMetrics | Lost]:
        self.jobs.append(job)
        for epoch in range(1, job.recipe["epochs"] + 1):
            for trial, seed in seeds(job).items():
                if trial != self.lose:
                    yield EpochMetrics(epoch, {"val_accuracy": seed % 97 / 97}, 0.5, trial, {"seen": seed})
                elif epoch == 1:
                    yield Lost(trial, "diverged", "the training loss is nan at step 3 of epoch 1; lower optimizer.lr")


def rows(store: Engine) -> list[Row]:
    return query.trials(store, 1)


def test_replicates_of_a_cell_may_come_in_one_job(tiny: Build, store: Engine, conducted: Any) -> None:
    trainer = Together()
    study = tiny("design", **WIDTHS, design=DESIGN, resources={"cpus": 1, "gpus": 0, "together": 3})
    assert conducted(study, trainer).study["state"] == "complete"
    assert [len(job.mates) for job in trainer.jobs] == [2, 2]
    assert all(len(set(seeds(job).values())) == 3 for job in trainer.jobs)
    assert [row["state"] for row in rows(store)] == ["complete"] * 6
    for row in rows(store):
        assert row["value"] == row["seed"] % 97 / 97
        assert row["measured"] == {"seen": row["seed"]}
    folders = [one.folder for job in trainer.jobs for one in (job, *job.mates)]
    assert len(set(folders)) == 6


def test_without_leave_every_trial_is_a_job(tiny: Build, conducted: Any) -> None:
    trainer = Together()
    conducted(tiny("design", **WIDTHS, design=DESIGN), trainer)
    assert [job.mates for job in trainer.jobs] == [()] * 6


def test_one_lost_replicate_leaves_its_mates(tiny: Build, store: Engine, conducted: Any) -> None:
    study = tiny("design", **WIDTHS, design=DESIGN, resources={"cpus": 1, "gpus": 0, "together": 8})
    conducted(study, Together(lose=2))
    lost = [row for row in rows(store) if row["state"] == "failed"]
    assert [(row["id"], row["failure_kind"]) for row in lost] == [(2, "diverged")]
    assert sum(row["state"] == "complete" for row in rows(store)) == 5


def fitted(job: Job) -> Iterator[EpochMetrics]:
    if job.mode == "baseline":
        name = job.recipe["baseline"]
        if name == "hog_svm":
            raise TrainingFailed("error", "hog_svm: the examples are no images; leave it out")
        yield EpochMetrics(1, {"val_accuracy": {"majority": 0.1}.get(name, 0.9)}, 0.1, measured={"params": 7})
        return
    yield EpochMetrics(1, {"val_accuracy": 0.5}, 0.5)


def test_baselines_stand_beside_the_trials(tiny: Build, store: Engine, conducted: Any) -> None:
    study = tiny("design", **WIDTHS, design=DESIGN, baselines=["majority", "hog_svm"])
    ended = conducted(study, fitted)
    assert ended.study["state"] == "complete"
    assert ended.study["baselines"] == {
        "majority": {"metrics": {"val_accuracy": 0.1}, "train_seconds": 0.1, "params": 7},
        "hog_svm": {"reason": "hog_svm: the examples are no images; leave it out"},
    }
    assert len(rows(store)) == 6
    assert screens.baselines(ended.study) == [
        "",
        "baselines, one fit each: majority 10.00 % val_accuracy",
        "hog_svm: hog_svm: the examples are no images; leave it out",
    ]


def test_a_baseline_may_be_added_to_a_complete_study(tiny: Build, conducted: Any) -> None:
    first = conducted(tiny("design", **WIDTHS, design=DESIGN), fitted)
    assert (first.study["baselines"], screens.baselines(first.study)) == (None, [])
    again = conducted(tiny("design", **WIDTHS, design=DESIGN, baselines=["majority"]), fitted)
    assert (again.worked, list(again.study["baselines"])) == (True, ["majority"])


def test_a_network_that_memory_is_too_small_for_is_infeasible(tiny: Build, store: Engine, conducted: Any) -> None:
    """It does not count, and the sampler hears of a broken constraint; also where the conductor was replaced."""

    def train(job: Job) -> Iterator[EpochMetrics]:
        width = job.blueprint["stages"][0]["width"]
        if width > 6:
            raise TrainingFailed("out_of_memory", "memory ran out: 9 GB asked, 1 GB free; lower the width")
        yield EpochMetrics(1, {"val_accuracy": width / 10}, 0.5)

    space = {**WIDTHS, "variables": {"width": {"int": [2, 9]}}}
    study = tiny(**space, search={"sampler": "random"}, budget={"trials": 5}, confirm={"top": 1, "replicates": 2})
    ended = conducted(study, train)
    assert ended.study["state"] == "complete"
    found = [row for row in rows(store) if row["phase"] == "search" and row["repeat_of"] is None]
    too_large = [row for row in found if row["assignment"]["width"] > 6]
    assert too_large
    assert {(row["state"], row["failure_kind"]) for row in too_large} == {("infeasible", "out_of_memory")}
    assert all(row["brain"] == {"excess": {"memory_bytes": 1.0}} for row in too_large)
    assert sum(row["state"] == "complete" for row in found) == 5


def test_under_early_stopping_the_best_epoch_counts(tiny: Build, store: Engine, conducted: Any) -> None:
    def train(job: Job) -> Iterator[EpochMetrics]:
        yield EpochMetrics(1, {"val_accuracy": 0.8}, 0.5)
        yield EpochMetrics(2, {"val_accuracy": 0.6}, 0.5, measured={"best_epoch": 1})

    conducted(tiny("design", **WIDTHS, design=DESIGN), train)
    assert {(row["value"], row["metrics"]["val_accuracy"]) for row in rows(store)} == {(0.8, 0.8)}
