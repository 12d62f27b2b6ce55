"""The conductor, inline: what is trained, what is not, what counts, who wins, and who may conduct."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from studies import confirm, inline, pruner
from studies.candidate import Study
from studies.conductor import Conductor, Pause
from studies.design.cells import every_cell
from studies.errors import Conflict
from studies.progress import silent
from studies.run import Ended, enrol, run
from studies.seeds import derive
from studies.store import Engine, LeaseLost, Writer, acquire, connect, query, this_process
from worker.job import EpochMetrics, Job, TrainingFailed
from worker.trainer import evaluate, train

Build = Callable[..., Study]
Row = dict[str, Any]
SGD = {"kind": "sgd", "lr": "$lr"}
WIDTHS = {"width": {"int": [2, 9]}}
ONLY_WIDTHS = {
    "variables": WIDTHS,
    "blueprint": {"stages": [{"block": "plain", "width": "$width"}]},
    "recipe": {"epochs": 2},
}


def width(job: Job) -> int:
    return int(job.blueprint["stages"][0]["width"])


def toy(job: Job) -> Iterator[EpochMetrics]:
    """Wider is better."""
    for epoch in range(1, job.recipe["epochs"] + 1):
        yield EpochMetrics(epoch, {"val_accuracy": width(job) / 10 + epoch / 100}, 0.5)


def toy_test(job: Job) -> dict[str, float]:
    return {"test_accuracy": width(job) / 10}


@pytest.fixture
def conducted(store: Engine, tmp_path: Path) -> Callable[..., Ended]:
    def inner(study: Study, train: Any = toy, evaluate: Any = toy_test, watch: Any = silent) -> Ended:
        return run(study, store, tmp_path / "files", partial(inline.drive, train=train, evaluate=evaluate), watch)

    return inner


@pytest.fixture
def by_hand(store: Engine, tmp_path: Path) -> Callable[[Study], Conductor]:
    """A conductor that waits for our calls. Every one takes the study over from the one before."""

    def inner(study: Study) -> Conductor:
        row, _ = enrol(study, store)
        token = acquire(store, row["id"], dead())
        return Conductor(study, Writer(store, row["id"], token), tmp_path / "files")

    return inner


def dead() -> Mapping[str, Any] | Any:
    """A holder of this very machine that is provably dead: a process id that is never given."""
    return {**this_process(), "pid": 2**22 + 1}


def trials(engine: Engine, **those: Any) -> list[Row]:
    return [row for row in query.trials(engine, 1) if all(row[name] == value for name, value in those.items())]


def told(epoch: int, value: float) -> EpochMetrics:
    return EpochMetrics(epoch, {"val_accuracy": value}, 0.1)


def job_of(conductor: Conductor) -> Job:
    job = conductor.next()
    assert isinstance(job, Job)
    return job


# ---- the budget ----------------------------------------------------------------------------------------------------


def test_the_real_trainer_ends_a_search(tiny: Build, store: Engine, conducted: Any) -> None:
    ended = conducted(tiny(budget={"trials": 3}), train, evaluate)
    assert (ended.study["state"], ended.worked) == ("complete", True)
    assert [row["state"] for row in trials(store)] == ["complete"] * 7
    assert all(row["train_seconds"] > 0 for row in trials(store))
    again = conducted(tiny(budget={"trials": 3}), train, evaluate)
    assert (again.worked, again.study) == (False, ended.study)


def test_the_budget_is_met_exactly(tiny: Build, store: Engine, conducted: Any) -> None:
    """Complete, pruned and failed count; what was over the limit or had been trained before does not."""

    def sometimes(job: Job) -> Iterator[EpochMetrics]:
        if width(job) == 5:
            raise TrainingFailed("diverged", "lower the rate")
        yield from toy(job)

    search = {"sampler": "random", "constraints": {"params": "<= 150"}, "pruner": {"kind": "asha", "eta": 2}}
    study = tiny(**ONLY_WIDTHS | {"search": search, "budget": {"trials": 5}})
    conducted(study, sometimes)
    rows = trials(store, phase="search")
    counted = [row for row in rows if row["state"] != "infeasible" and row["repeat_of"] is None]
    assert len(counted) == 5
    assert {row["state"] for row in counted} == {"complete", "pruned", "failed"}
    assert {row["state"] for row in rows} == {"complete", "pruned", "failed", "infeasible"}
    assert any(row["repeat_of"] is not None for row in rows)
    assert sum(one["counted"] for one in query.counts(store, 1) if one["phase"] == "search") == 5


def test_impossible_proposals_are_rows_with_their_reason(tiny: Build, store: Engine, conducted: Any) -> None:
    conducted(tiny(**ONLY_WIDTHS | {"search": {"constraints": {"params": "<= 90"}}}))
    found = trials(store, state="infeasible")
    assert found
    for row in found:
        assert row["params"] > 90
        assert "params" in row["reason"]
        assert row["brain"]["excess"]["params"] > 0
        assert (row["value"], row["started_at"], row["attempts"]) == (None, None, 0)


def test_a_search_in_which_nothing_fits_ends_with_the_nearest_miss(tiny: Build, store: Engine, conducted: Any) -> None:
    space = {"variables": {"width": {"int": [2, 4000]}}, "search": {"constraints": {"params": "<= 10"}}}
    study = tiny(**ONLY_WIDTHS | space | {"budget": {"trials": 2}})
    ended = conducted(study)
    rows = trials(store)
    nearest = min(rows, key=lambda row: (row["params"], row["number"]))
    assert [row["state"] for row in rows] == ["infeasible"] * 100
    assert ended.study["state"] == "failed"
    assert ended.study["note"] == (
        "no trial was completed, so there is no winner: 100 proposals could not be trained, the nearest "
        f"(trial {nearest['number']}) because {nearest['reason']}; loosen a constraint or widen a variable"
    )


def test_a_space_that_holds_fewer_networks_than_the_budget(tiny: Build, store: Engine, conducted: Any) -> None:
    calls = []

    def counting(job: Job) -> Iterator[EpochMetrics]:
        calls.append(job.trial)
        yield from toy(job)

    space = ONLY_WIDTHS | {"variables": {"width": {"int": [2, 4]}}}
    ended = conducted(tiny(**space, budget={"trials": 10}), counting)
    assert ended.study["state"] == "complete"
    assert ended.study["note"] == "the space holds no more than the 3 networks that were found; widen a variable"
    assert len(calls) == 3 + 2 * 2
    rows = {row["number"]: row for row in trials(store, phase="search")}
    for row in rows.values():
        if row["repeat_of"] is not None:
            first = rows[row["repeat_of"]]
            assert first["repeat_of"] is None
            assert (row["value"], row["metrics"], row["key"]) == (first["value"], first["metrics"], first["key"])
            assert row["reason"].endswith(f"as trial {first['number']}, whose result it takes")


def test_a_repeat_of_a_trial_under_way_ends_with_it(tiny: Build, store: Engine, by_hand: Any) -> None:
    space = ONLY_WIDTHS | {"variables": {"width": {"int": [2, 3]}}}
    conductor = by_hand(tiny(**space, budget={"trials": 3, "parallel": 3}))
    first, second = job_of(conductor), job_of(conductor)
    assert conductor.next() is Pause.WAIT  # it searched for a third network until it gave up
    (waiting,) = trials(store, state="queued")
    jobs = {0: first, 1: second}
    twin = jobs.pop(waiting["repeat_of"])
    (other,) = jobs.values()
    conductor.report(other, told(1, 0.5))
    conductor.finished(other)
    assert trials(store, id=waiting["id"])[0]["state"] == "queued"
    conductor.failed(twin, "error", "it broke")
    assert trials(store, id=waiting["id"])[0]["state"] == "failed"
    assert not trials(store, state="queued")
    assert conductor.failed_trials == 1
    assert by_hand(tiny(**space, budget={"trials": 3})).failed_trials == 1


def test_hours(tiny: Build, store: Engine, conducted: Any) -> None:
    ended = conducted(tiny(budget={"trials": 4, "hours": 1e-9}))
    assert (ended.study["state"], trials(store)) == ("paused", [])
    spent = "the budget of 1e-09 hours is spent; raise budget.hours and run it again to go on"
    assert ended.study["note"] == f"no trial was completed, so there is no winner: {spent}"
    spent = ended.study["conductor_seconds"]
    ended = conducted(tiny(budget={"trials": 4, "hours": 1}))
    assert (ended.study["state"], ended.study["note"]) == ("complete", None)
    assert ended.study["conductor_seconds"] > spent > 0


def test_a_search_that_runs_out_of_time_has_a_winner(tiny: Build, store: Engine, conducted: Any) -> None:
    def slow(job: Job) -> Iterator[EpochMetrics]:
        time.sleep(0.2)
        yield from toy(job)

    ended = conducted(tiny(budget={"trials": 400, "hours": 0.5 / 3600}), slow)
    assert 1 <= len(trials(store, phase="search", state="complete")) < 10
    assert ended.study["state"] == "complete"
    assert "hours is spent" in ended.study["note"]
    assert ended.study["conclusion"]["kind"] == "winner"


def test_hours_are_counted_over_all_runs(tiny: Build, store: Engine, by_hand: Any) -> None:
    study = tiny(budget={"trials": 4, "hours": 1})
    row, _ = enrol(study, store)
    Writer(store, row["id"], acquire(store, row["id"], dead())).add_seconds(3601)
    conductor = by_hand(study)
    assert (conductor.next(), conductor.paused) == (Pause.DONE, True)


def test_too_many_failures_end_the_study(tiny: Build, store: Engine, conducted: Any) -> None:
    def broken(job: Job) -> Iterator[EpochMetrics]:
        raise TrainingFailed("diverged", "lower the learning rate")
        yield

    ended = conducted(tiny(budget={"trials": 9, "max_failed": 2}), broken)
    assert ended.study["state"] == "failed"
    assert ended.study["note"] == "3 trials failed and budget.max_failed is 2"
    assert [row["state"] for row in trials(store)] == ["failed"] * 3
    assert not conducted(tiny(budget={"trials": 9, "max_failed": 2}), toy).study["conclusion"]
    assert len(trials(store)) == 3  # nothing more is started while the limit stands
    ended = conducted(tiny(budget={"trials": 9, "max_failed": 3}), toy)
    assert ended.study["state"] == "complete"
    assert len(trials(store, phase="search", state="complete")) == 6


# ---- pruning -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "eta", "epochs", "rungs"),
    [
        (1, 3, 10, [1, 3, 9]),
        (1, 3, 9, [1, 3]),
        (2, 2, 16, [2, 4, 8]),
        (4, 2, 4, []),
        (5, 2, 4, []),
        (3, 4, 13, [3, 12]),
    ],
)
def test_rungs(least: int, eta: int, epochs: int, rungs: list[int]) -> None:
    spec = pruner.AshaPruner(kind="asha", min_epochs=least, eta=eta)
    assert [epoch for epoch in range(1, epochs + 1) if pruner.is_rung(spec, epoch, epochs)] == rungs


@pytest.mark.parametrize(
    ("value", "others", "eta", "direction", "goes_on"),
    [
        (0.1, [], 3, "maximize", True),  # the first one always
        (0.1, [0.2], 3, "maximize", False),
        (0.1, [0.2], 3, "minimize", True),
        (0.2, [0.1, 0.3], 3, "maximize", False),
        (0.3, [0.1, 0.3], 3, "maximize", True),  # a tie goes on
        (0.2, [0.1, 0.0, 0.3], 3, "maximize", True),  # ceil(4 / 3) = 2 of 4
        (0.2, [0.1, 0.0, 0.3], 2, "minimize", False),
    ],
)
def test_the_best_part_of_a_rung_goes_on(
    value: float, others: list[float], eta: int, direction: str, goes_on: bool
) -> None:
    assert pruner.goes_on(value, [*others, value], eta, direction) is goes_on


def test_asha_decides_from_the_rows(tiny: Build, store: Engine, by_hand: Any) -> None:
    asha = {"sampler": "random", "pruner": {"kind": "asha", "min_epochs": 2, "eta": 2}}
    study = tiny(search=asha, recipe={"epochs": 5, "optimizer": SGD}, budget={"trials": 4, "parallel": 4})
    conductor = by_hand(study)
    jobs = [job_of(conductor) for _ in range(4)]
    assert conductor.next() is Pause.WAIT
    values = {1: [0.9, 0.1, 0.1, 0.1], 2: [0.5, 0.4, 0.6, 0.5]}  # epoch 1 is no rung; the first at a rung goes on
    going = {
        epoch: [conductor.report(job, told(epoch, value)) for job, value in zip(jobs, at_epoch, strict=True)]
        for epoch, at_epoch in values.items()
    }
    assert going == {1: [True] * 4, 2: [True, False, True, True]}
    assert [row["state"] for row in trials(store)] == ["running", "pruned", "running", "running"]
    assert trials(store)[1]["value"] == 0.4
    again = by_hand(study)  # the conductor is lost, and what it decided stands
    assert [job_of(again).trial for _ in range(3)] == [1, 3, 4]
    again.report(jobs[3], told(1, 0.1))
    assert again.report(jobs[3], told(2, 0.5))  # the value it passed with, and would pass with


def test_pruned_trials_leave_no_checkpoints_and_cannot_win(tiny: Build, store: Engine, conducted: Any) -> None:
    def folders(job: Job) -> Iterator[EpochMetrics]:
        (Path(job.folder) / "1").mkdir(parents=True)
        (Path(job.folder) / "1" / "weights").touch()
        for told in toy(job):
            yield EpochMetrics(told.epoch, {"val_accuracy": 1 - told.metrics["val_accuracy"]}, 0.1)

    search = {"sampler": "random", "pruner": {"kind": "asha", "eta": 2}}
    ended = conducted(tiny(**ONLY_WIDTHS | {"search": search}), folders)
    pruned = trials(store, state="pruned")
    assert pruned
    assert all(len(row["metrics"]) == 1 and row["value"] is not None for row in pruned)
    kept = {int(path.name) for path in Path(job_folder(store)).iterdir()}
    assert kept == {row["id"] for row in trials(store, state="complete") if row["repeat_of"] is None}
    assert ended.study["conclusion"]["trial"] not in {row["number"] for row in pruned}


def job_folder(engine: Engine) -> Path:
    return Path(str(engine.url.database)).parent / "files" / "checkpoints"


# ---- failures ------------------------------------------------------------------------------------------------------


def test_kinds_of_failure(tiny: Build, store: Engine, conducted: Any, tmp_path: Path) -> None:
    """A known one has its sentence; an unforeseen one its traceback in a file; a value that is no number is none."""

    def failing(job: Job) -> Iterator[EpochMetrics]:
        yield told(1, 0.5)
        if job.trial == 1:
            raise TrainingFailed("timeout", "it took too long")
        if job.trial == 2:
            raise ZeroDivisionError("all\0 is lost")
        yield told(2, float("nan") if job.trial == 3 else 0.5)

    ended = conducted(tiny(budget={"trials": 5}), failing)
    assert ended.study["state"] == "complete"
    first, second, third, *others = trials(store, phase="search")
    assert (first["state"], first["failure_kind"], first["reason"]) == ("failed", "timeout", "it took too long")
    file = tmp_path / "files" / "failures" / "tiny-1.txt"
    assert (second["failure_kind"], second["reason"]) == ("error", f"ZeroDivisionError: all is lost (see {file})")
    assert "in failing" in file.read_text()
    assert (third["state"], third["failure_kind"]) == ("failed", "diverged")
    assert third["reason"] == "val_accuracy is no finite number after the last epoch; lower optimizer.lr"
    assert [row["state"] for row in others] == ["complete"] * 2
    assert [row["attempts"] for row in (first, second, third)] == [1, 1, 1]


def test_a_lost_worker_is_replaced_twice(tiny: Build, store: Engine, by_hand: Any) -> None:
    conductor = by_hand(tiny(budget={"trials": 1}))
    for attempt in (1, 2, 3):
        job = job_of(conductor)
        assert conductor.report(job, told(1, 0.5))
        assert trials(store)[0]["attempts"] == attempt
        conductor.failed(job, "worker_lost", "it is gone")
    assert [(row["state"], row["failure_kind"]) for row in trials(store)] == [("failed", "worker_lost")]
    assert conductor.next() is Pause.DONE


def test_the_death_of_conductors_is_not_blamed_on_a_trial(tiny: Build, store: Engine, by_hand: Any) -> None:
    study = tiny(budget={"trials": 1})
    for _ in range(5):
        job_of(by_hand(study))
    conductor = by_hand(study)
    conductor.failed(job_of(conductor), "worker_lost", "it is gone")
    assert [(row["state"], row["attempts"]) for row in trials(store)] == [("queued", 6)]


def test_a_trial_that_had_passed_a_rung_is_not_judged_there_again(tiny: Build, store: Engine, by_hand: Any) -> None:
    asha = {"sampler": "random", "pruner": {"kind": "asha", "eta": 2}}
    study = tiny(search=asha, recipe={"epochs": 3, "optimizer": SGD}, budget={"trials": 2, "parallel": 2})
    conductor = by_hand(study)
    first, second = job_of(conductor), job_of(conductor)
    assert conductor.report(first, told(1, 0.1))  # the first one always passes
    assert conductor.report(second, told(1, 0.9))
    conductor.failed(first, "worker_lost", "it is gone")
    assert job_of(conductor) == first
    assert conductor.report(first, told(1, 0.1))


def test_a_replay_with_other_numbers_is_told_and_replaces_them(tiny: Build, store: Engine, by_hand: Any) -> None:
    study = tiny(budget={"trials": 1})
    conductor = by_hand(study)
    job = job_of(conductor)
    for epoch in (1, 2, 3):
        conductor.report(job, told(epoch, 0.5))
    conductor = by_hand(study)  # goes on with other threads, say
    job = job_of(conductor)
    conductor.report(job, told(1, 0.5))
    conductor.report(job, told(2, 0.25))
    assert [row["metrics"]["val_accuracy"] for row in query.epochs(store, 1)] == [0.5, 0.25]
    conductor.finished(job)
    assert trials(store)[0]["reason"] == "its epochs from 2 on came out otherwise when it went on"
    assert trials(store)[0]["value"] == 0.25


def test_only_the_finalists_of_now_can_win_and_the_test_split_is_counted(tiny: Build, conducted: Any) -> None:
    first = conducted(tiny(budget={"trials": 1}, confirm={"top": 1, "replicates": 2}))
    assert first.study["conclusion"]["opened"] == 1
    again = conducted(tiny(budget={"trials": 3}, confirm={"top": 1, "replicates": 3}))
    assert again.study["conclusion"]["fresh"]["n"] == 3
    assert again.study["conclusion"]["opened"] == 1 + (
        again.study["conclusion"]["trial"] != first.study["conclusion"]["trial"]
    )


def test_equal_means_are_no_matter_of_rounding() -> None:
    finalists = [{"number": 0, "macs": 200, "value": 1.0}, {"number": 1, "macs": 100, "value": 1.0}]
    values = {"0": (0.1, 0.2, 0.3), "1": (0.3, 0.2, 0.1)}
    rows = [{"cell": cell, "value": one, "state": "complete"} for cell, three in values.items() for one in three]
    won = confirm.winner(finalists, rows, "maximize")
    assert won
    assert won["number"] == 1  # the cheaper


def test_an_error_of_the_conductor_is_not_blamed_on_a_trial(tiny: Build, store: Engine, conducted: Any) -> None:
    @contextmanager
    def failing(conductor: Conductor) -> Iterator[None]:
        def fail() -> None:
            if query.epochs(store, 1):
                raise OSError("the disk is full")

        conductor.on_change = fail
        yield

    with pytest.raises(OSError, match=r"^the disk is full$"):
        conducted(tiny(), watch=failing)
    assert [row["state"] for row in trials(store)] == ["running"]
    assert not query.find_study(store, "tiny")["leased"]  # type: ignore[index]
    assert conducted(tiny()).study["state"] == "complete"


def test_a_test_split_that_cannot_be_read(tiny: Build, store: Engine, conducted: Any) -> None:
    def unreadable(job: Job) -> dict[str, float]:
        raise TrainingFailed("error", "the weights are gone")

    ended = conducted(tiny(), evaluate=unreadable)
    assert ended.study["state"] == "failed"
    assert ended.study["note"].startswith("the test split could not be read with trial ")
    assert conducted(tiny()).study["state"] == "complete"


def test_losing_workers_on_the_test_split_has_an_end_too(tiny: Build, store: Engine, by_hand: Any) -> None:
    conductor, lost = by_hand(tiny(budget={"trials": 1}, confirm={"top": 1, "replicates": 2})), 0
    while isinstance(job := conductor.next(), Job):
        if job.mode == "test":
            conductor.failed(job, "worker_lost", "it is gone")
            lost += 1
        else:
            conductor.report(job, told(1, 0.5))
            conductor.finished(job)
    assert (lost, job) == (5, Pause.DONE)  # two trials in turn, until one was lost for the third time
    assert conductor.stopped == "the test split could not be read with trial 1: it is gone"
    assert {row["state"] for row in trials(store)} == {"complete"}


# ---- the winner ----------------------------------------------------------------------------------------------------


def lucky(job: Job) -> Iterator[EpochMetrics]:
    """The widest network had luck in the search; on fresh seeds narrow ones are better, and seeds differ."""
    fresh = job.seed != derive(7, "replicate", 0)
    value = (1 - width(job) / 10 + job.seed % 7 / 1000) if fresh else width(job) / 10
    yield told(1, value)


def test_the_winner_is_the_best_on_fresh_seeds(tiny: Build, store: Engine, conducted: Any) -> None:
    opened = []

    def opening(job: Job) -> dict[str, float]:
        opened.append(job.trial)
        return {"test_accuracy": job.seed % 11 / 10}

    study = tiny(**ONLY_WIDTHS, budget={"trials": 6}, confirm={"top": 3, "replicates": 4})
    conclusion = conducted(study, lucky, opening).study["conclusion"]
    searched = trials(store, phase="search", repeat_of=None)
    best = sorted(searched, key=lambda row: -row["value"])[:3]
    confirming = trials(store, phase="confirm")
    assert [row["cell"] for row in confirming] == [str(row["number"]) for row in best for _ in range(4)]
    assert len({row["seed"] for row in confirming}) == 4  # the same fresh seeds for every finalist
    assert {row["seed"] for row in confirming}.isdisjoint(row["seed"] for row in searched)
    won = best[2]
    theirs = [row for row in confirming if row["cell"] == str(won["number"])]
    assert conclusion["trial"] == won["number"]
    assert conclusion["fresh"]["mean"] == pytest.approx(fmean(row["value"] for row in theirs))
    assert conclusion["optimism"] == pytest.approx(won["value"] - conclusion["fresh"]["mean"])
    assert (
        sorted(opened) == [row["id"] for row in theirs] == [row["id"] for row in trials(store) if row["test_metrics"]]
    )
    assert conclusion["test"]["test_accuracy"]["mean"] == pytest.approx(fmean(row["seed"] % 11 / 10 for row in theirs))
    ordered = sorted(theirs, key=lambda row: row["value"])
    assert conclusion["exported"] == ordered[1]["number"]  # the lower of the two middle ones
    assert conclusion["replicates"] == [row["number"] for row in theirs]


def test_more_budget_goes_on_with_a_finished_study(tiny: Build, store: Engine, conducted: Any, outcome: Any) -> None:
    conducted(tiny(budget={"trials": 3}, confirm={"top": 2, "replicates": 2}))
    before = trials(store)
    ended = conducted(tiny(budget={"trials": 3}, confirm={"top": 2, "replicates": 3}))
    assert ended.worked
    assert trials(store)[: len(before)] == before
    assert ended.study["conclusion"]["fresh"]["n"] == 3
    assert [row["phase"] for row in trials(store)][len(before) :] == ["confirm"] * 2
    conducted(tiny(budget={"trials": 5}, confirm={"top": 2, "replicates": 3}))
    rows = trials(store, phase="search", repeat_of=None)
    assert len(rows) == 5
    assert [row["number"] for row in trials(store)] == list(range(len(trials(store))))


def test_the_same_name_with_another_question_is_refused(tiny: Build, store: Engine, conducted: Any) -> None:
    conducted(tiny())
    other = tiny(seed=8, recipe={"epochs": 3, "batch_size": 256, "optimizer": SGD})
    with pytest.raises(Conflict, match="the store holds another study named 'tiny'") as refused:
        conducted(other)
    first, *changes = str(refused.value).split("\n  ")
    assert changes == ["recipe.epochs: 2 -> 3", "seed: 7 -> 8"]
    assert str(query.find_study(store, "tiny")["fingerprint"]) in first  # type: ignore[index]


# ---- designs -------------------------------------------------------------------------------------------------------


def test_a_design_trains_replicate_by_replicate(tiny: Build, store: Engine, conducted: Any) -> None:
    ended = conducted(tiny("design"))
    rows = trials(store)
    assert (ended.study["state"], ended.study["conclusion"]) == ("complete", {"kind": "design"})
    assert [row["replicate"] for row in rows] == [0] * 6 + [1] * 6
    orders = [[row["cell"] for row in rows if row["replicate"] == number] for number in (0, 1)]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]
    seeds = {(row["replicate"], row["seed"]) for row in rows}
    assert seeds == {(0, derive(7, "replicate", 0)), (1, derive(7, "replicate", 1))}  # paired: one seed a replicate
    assert all(row["test_metrics"] is None for row in rows)


def test_replicates_may_rise_but_not_fall(tiny: Build, store: Engine, conducted: Any) -> None:
    def with_replicates(count: int) -> Study:
        return tiny("design", design={"factors": ["width", "kernel"], "replicates": count})

    conducted(with_replicates(2))
    before, calls = trials(store), []

    def counting(job: Job) -> Iterator[EpochMetrics]:
        calls.append(job.trial)
        yield from toy(job)

    conducted(with_replicates(3), counting)
    assert trials(store)[:12] == before
    assert {row["replicate"] for row in trials(store)[12:]} == {2}
    assert len(calls) == 6
    with pytest.raises(Conflict, match=r"^design.replicates may rise but not fall; it was 3, write at least that$"):
        conducted(with_replicates(2))


def test_impossible_cells_are_rows_with_the_nearest_miss(tiny: Build, store: Engine, conducted: Any) -> None:
    sections = {
        "variables": {"kernel": {"choice": [1, 7]}, "width": {"int": [2, 40]}},
        "blueprint": {"stages": [{"block": "plain", "width": "$width", "kernel": "$kernel"}]},
        "design": {"factors": ["kernel"], "match": {"params": 600, "by": "width"}, "replicates": 2},
    }
    study = tiny("design", **sections)
    cells = {cell.name: cell for cell in every_cell(study)}
    ended = conducted(study)
    assert ended.study["state"] == "complete"
    rows = trials(store)
    assert len(rows) == 4
    for row in rows:
        cell = cells[row["cell"]]
        assert row["state"] == ("infeasible" if cell.reason else "complete")
        assert (row["assignment"], row["params"], row["reason"]) == (cell.assignment, cell.cost.params, cell.reason)
    (reason,) = {row["reason"] for row in rows if row["state"] == "infeasible"}
    assert reason.startswith("600 params are out of reach within ")
    assert "the nearest is width = 40 with 490 (-18.3%)" in reason


def test_a_design_of_which_nothing_is_left_has_no_verdict(tiny: Build, conducted: Any) -> None:
    def broken(job: Job) -> Iterator[EpochMetrics]:
        raise TrainingFailed("diverged", "lower the learning rate")
        yield

    ended = conducted(tiny("design"), broken)
    assert (ended.study["state"], ended.study["conclusion"]) == ("failed", None)
    assert ended.study["note"] == (
        "no trial was completed, so there is nothing to compare: "
        "12 failed, most often with diverged: lower the learning rate"
    )


# ---- the lease -----------------------------------------------------------------------------------------------------


def test_another_living_conductor(tiny: Build, store: Engine, conducted: Any) -> None:
    study = tiny()
    row, _ = enrol(study, store)
    acquire(store, row["id"], {**this_process(), "pid": os.getppid(), "start_time": None})
    with pytest.raises(Conflict, match=rf"^the study is being run on \S+ \(process {os.getppid()}\); end that run"):
        conducted(study)
    assert trials(store) == []


def test_a_dead_conductor_is_not_waited_for(tiny: Build, store: Engine, conducted: Any) -> None:
    study = tiny()
    row, _ = enrol(study, store)
    acquire(store, row["id"], dead(), seconds=3600)
    assert conducted(study).study["state"] == "complete"


@pytest.mark.parametrize("changed", [{"host": "elsewhere"}, {"machine": "another container of this host"}])
def test_a_conductor_elsewhere_is_waited_for(
    changed: dict[str, str], tiny: Build, store: Engine, conducted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    study = tiny()
    row, _ = enrol(study, store)
    acquire(store, row["id"], {**this_process(), **changed}, seconds=0.3)
    assert conducted(study).study["state"] == "complete"
    assert capsys.readouterr().err.endswith("; waiting 0 s for its lease to run out\n")


def test_a_lost_lease_stops_everything(tiny: Build, store: Engine, conducted: Any) -> None:
    left = []

    def robbed(job: Job) -> Iterator[EpochMetrics]:
        yield told(1, 0.5)
        expire(store)
        acquire(store, 1, seconds=3600)
        left.append((trials(store), query.find_study(store, "tiny")))
        yield told(2, 0.5)

    with pytest.raises(LeaseLost, match=r"^another process has taken this study over"):
        conducted(tiny(), robbed)
    assert left == [(trials(store), query.find_study(store, "tiny"))]  # not a word was written, the lease stands


def expire(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE study SET lease_until = 0")


ROBBED = """
import sys, time
from functools import partial
from pathlib import Path
from studies import inline, run, store
from studies.load import load
from studies.progress import silent

run.BEAT_SECONDS = 0.05

def train(job):
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE study SET lease_token = lease_token + 1")
    time.sleep(60)
    yield

engine = store.connect(sys.argv[1])
run.run(load(Path(sys.argv[2])), engine, Path("files"), partial(inline.drive, train=train, evaluate=None), silent)
"""


def test_a_lost_lease_ends_the_process_while_it_trains(tiny: Build, store: Engine, tmp_path: Path) -> None:
    tiny()
    command = [sys.executable, "-c", ROBBED, str(store.url), str(tmp_path / "study.yaml")]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=50)
    assert ended.returncode == 1
    assert ended.stderr == (
        "archstudy: another process has taken this study over; nothing was written, and this run must end\n"
    )


def test_a_search_starts_where_it_is_told_to_and_goes_on_there(tiny: Build, store: Engine, conducted: Any) -> None:
    """Warm starts, also partial ones: networks of the zoo first, then the sampler's own; a resumed study the same."""
    start = [{"net": "wrn_16_4", "width": 0.5}, {"net": "resnet20_cifar"}, {"width": 0.25, "net": "wrn_16_4"}]
    sections = {
        "variables": {"net": {"choice": ["resnet20_cifar", "wrn_16_4"]}, "width": {"float": [0.25, 1.0]}},
        "blueprint": {"zoo": "$net", "width": "$width", "classes": 10},
        "recipe": {"epochs": 1},
        "search": {"start": start},
    }
    conducted(tiny(**sections, budget={"trials": 2}))
    conducted(tiny(**sections, budget={"trials": 5}))
    rows = trials(store, phase="search")
    assert [row["assignment"] | told for row, told in zip(rows, start, strict=False)] == [
        row["assignment"] for row in rows[:3]
    ]
    assert len(rows) == 5
    assert all(0.25 <= row["assignment"]["width"] <= 1.0 for row in rows)
    assert rows[0]["blueprint"]["stages"][0]["width"] == 8


def test_a_start_names_options_that_are_sections_by_their_word(tiny: Build, store: Engine, conducted: Any) -> None:
    """Also by their number where two have the same word; what a start leaves open is the sampler's."""
    options = [{"block": "plain", "width": {"int": [2, 9]}}, {"block": "residual", "width": 4, "repeat": "$times"}]
    twins = [{"kind": "sgd", "lr": 0.1}, {"kind": "sgd", "lr": {"choice": [0.02, 0.05]}}]
    study = tiny(
        variables={"stem": {"choice": options}, "times": {"int": [1, 3]}, "opt": {"choice": twins}},
        blueprint={"stages": ["$stem"]},
        recipe={"epochs": 1, "optimizer": "$opt"},
        search={
            "start": [{"stem": "plain", "stem_plain_width": 7.0}, {"stem": "residual", "opt": 1, "opt_1_lr": 0.05}]
        },
        budget={"trials": 2},
    )
    conducted(study)
    first, second = (row["assignment"] for row in trials(store, phase="search"))
    assert (first["stem"]["block"], first["stem_plain_width"]) == ("plain", 7)
    assert (second["stem"]["block"], second["opt"]["lr"], second["opt_1_lr"]) == ("residual", "$opt_1_lr", 0.05)
    assert "stem_plain_width" not in second


def test_variables_within_options_are_asked_for_where_they_exist(tiny: Build, tmp_path: Path) -> None:
    """With TPE; and a study that was paused proposes what an uninterrupted one does."""
    stage = {
        "choice": [
            {"block": "plain", "width": "$width", "kernel": {"choice": [1, 3, 5]}},
            {"block": "residual", "width": "$width", "repeat": {"int": [1, 3]}},
        ]
    }
    sections = {
        "variables": {
            "width": {"int": [2, 30]},
            "opt": {"choice": [{"kind": "sgd", "lr": {"float": [0.01, 0.1]}}, {"kind": "adam"}]},
        },
        "blueprint": {"stages": [stage]},
        "recipe": {"epochs": 1, "optimizer": "$opt"},
        "search": {"sampler": "tpe"},
    }
    proposed = []
    for budgets in ([16], [5, 16]):
        engine = connect(f"sqlite:///{tmp_path}/{len(budgets)}.db")
        for trials_ in budgets:
            drive = partial(inline.drive, train=toy, evaluate=toy_test)
            run(tiny(**sections, budget={"trials": trials_}), engine, tmp_path / str(len(budgets)), drive, silent)
        proposed.append([row["assignment"] for row in query.trials(engine, 1, phase="search")])
        engine.dispose()
    assert proposed[0] == proposed[1]
    for one in proposed[0]:
        plain = one["blueprint_stages_0"]["block"] == "plain"
        assert ("blueprint_stages_0_plain_kernel" in one) == plain
        assert ("blueprint_stages_0_residual_repeat" in one) != plain
        assert ("opt_sgd_lr" in one) == (one["opt"]["kind"] == "sgd")
    assert len({(one["blueprint_stages_0"]["block"], one["opt"]["kind"]) for one in proposed[0]}) == 4
