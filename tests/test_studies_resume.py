"""A run may end anywhere: whatever is cut off, the study ends with the very rows of one that was never interrupted."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import trainers
from sqlalchemy import Connection

from studies import inline
from studies.candidate import Study
from studies.conductor import Conductor
from studies.progress import silent
from studies.run import enrol
from studies.run import run as run_study
from studies.store import Engine, Writer, acquire, connect, query, this_process
from worker import trainer
from worker.job import EpochMetrics, Job

Build = Callable[..., Study]
Outcome = Callable[[Engine], dict[str, Any]]
TPE = {"sampler": "tpe", "pruner": {"kind": "asha", "min_epochs": 1, "eta": 2}, "constraints": {"params": "<= 190"}}
SGD = {"kind": "sgd", "lr": "$lr"}
RECIPE = {"epochs": 3, "batch_size": 512, "optimizer": SGD}
SMALL = {
    "variables": {"width": {"int": [2, 9]}, "kernel": {"choice": [1, 3]}},
    "recipe": {"epochs": 3, "batch_size": 512},
}


class Cut(BaseException):
    """The end of a process: nobody who means an error catches it."""


@dataclass(frozen=True)
class CutOff(Writer):
    """Writes until its last transaction; from then on its process is as good as dead."""

    left: Iterator[int] = field(default_factory=count)

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        if next(self.left, None) is None:
            raise Cut
        with super().begin() as connection:
            yield connection


def conduct(
    study: Study,
    engine: Engine,
    files: Path,
    train: Any,
    evaluate: Any,
    most: int | None = None,
    drive: Any = inline.drive,
) -> bool:
    """What `run` does, but the process dies before transaction `most`. Whether it came to an end before."""
    row, _ = enrol(study, engine)
    if row["state"] == "complete":
        return True
    token = acquire(engine, row["id"], {**this_process(), "pid": 2**22 + 1})  # a dead one: the next goes on at once
    writer = CutOff(engine, row["id"], token, count() if most is None else iter(range(most)))
    try:
        conductor = Conductor(study, writer, files)
        drive(conductor, train, evaluate)
        writer.finish_study("complete", conductor.outcome, conductor.note)
    except Cut:
        return False
    return True


def quick(study: Study, engine: Engine, files: Path, most: int | None = None, drive: Any = inline.drive) -> bool:
    return conduct(study, engine, files, trainers.quick, trainers.measured, most, drive)


def real(study: Study, engine: Engine, files: Path, most: int | None = None) -> bool:
    return conduct(study, engine, files, trainer.train, trainer.evaluate, most)


def stores(folder: Path) -> Iterator[tuple[Engine, Path]]:
    """One empty store after the other, each with a folder for its files."""
    for number in count():
        engine = connect(f"sqlite:///{folder}/{number}.db")
        yield engine, folder / str(number)
        engine.dispose()


SEARCH = {"search": TPE, **SMALL, "budget": {"trials": 6}}
EXHAUSTED = {"variables": {"width": {"int": [2, 3]}}, "blueprint": {"stages": [{"block": "plain", "width": "$width"}]}}
EXHAUSTED |= {"recipe": {"epochs": 1}, "budget": {"trials": 6}, "confirm": {"top": 1, "replicates": 2}}


@pytest.mark.parametrize(
    ("kind", "sections", "every"),
    [
        pytest.param("search", SEARCH, 1, id="search"),
        pytest.param("design", {}, 1, id="design"),
        pytest.param("search", EXHAUSTED, 67, id="exhausted"),
    ],
)
def test_a_run_cut_at_any_transaction(
    kind: str, sections: dict[str, Any], every: int, tiny: Build, tmp_path: Path, outcome: Outcome
) -> None:
    """One run for every transaction that there is, cut off right before it, and one that goes on."""
    study, fresh = tiny(kind, **sections), stores(tmp_path)
    engine, files = next(fresh)
    quick(study, engine, files)
    whole = outcome(engine)
    assert whole["state"] == "complete"
    for most in count(0, every):
        engine, files = next(fresh)
        ended = quick(study, engine, files, most)
        quick(study, engine, files)
        assert outcome(engine) == whole, f"cut off before transaction {most}"
        if ended:
            break
    assert most > 40


@pytest.mark.parametrize("seed", range(6))
def test_a_run_cut_again_and_again(seed: int, tiny: Build, tmp_path: Path, outcome: Outcome) -> None:
    generator, study, fresh = random.Random(seed), tiny(**SEARCH, seed=seed), stores(tmp_path)
    engine, files = next(fresh)
    quick(study, engine, files)
    whole, (engine, files) = outcome(engine), next(fresh)
    runs = 1
    while not quick(study, engine, files, generator.randrange(3, 14)):
        runs += 1
    assert outcome(engine) == whole
    assert runs > 5


@pytest.mark.parametrize("seed", range(3))
def test_the_real_trainer_cut_again_and_again(seed: int, tiny: Build, tmp_path: Path, outcome: Outcome) -> None:
    generator, fresh = random.Random(seed), stores(tmp_path)
    study = tiny(search={"sampler": "tpe"}, recipe=RECIPE, budget={"trials": 3}, confirm={"top": 1, "replicates": 2})
    engine, files = next(fresh)
    real(study, engine, files)
    whole, (engine, files) = outcome(engine), next(fresh)
    runs = 1
    while not real(study, engine, files, generator.randrange(3, 9)):
        runs += 1
    assert outcome(engine) == whole
    assert runs > 3


# ---- several at a time ---------------------------------------------------------------------------------------------


def crowd(generator: random.Random, slots: int) -> Any:
    """A driver of several trials at a time, in any order, one of whose workers is lost now and then."""

    def drive(conductor: Conductor, *_: Any) -> None:
        live: dict[int, tuple[Job, Iterator[EpochMetrics]]] = {}
        while True:
            while len(live) < slots and isinstance(job := conductor.next(), Job):
                live[job.trial] = job, trainers.quick(job)
            if not live:
                return
            trial = generator.choice(list(live))
            if not advanced(conductor, *live[trial], lost=generator.random() < 0.05):
                del live[trial]

    return drive


def advanced(conductor: Conductor, job: Job, epochs: Iterator[EpochMetrics], lost: bool) -> bool:
    """One step of one trial; whether it is still under way."""
    if lost:
        conductor.failed(job, "worker_lost", "it is gone")
    elif job.mode == "test":
        conductor.tested(job, trainers.measured(job))
    elif told := next(epochs, None):
        return conductor.report(job, told)
    else:
        conductor.finished(job)
    return False


@pytest.mark.parametrize("seed", range(8))
def test_several_at_a_time_cut_again_and_again(
    seed: int, tiny: Build, store: Engine, tmp_path: Path, outcome: Outcome
) -> None:
    """What was ever shown complete stands, the budget is met exactly, and every value is that of its own training."""
    generator, study = random.Random(seed), tiny(**SEARCH | {"budget": {"trials": 12, "parallel": 3}})
    shown: dict[int, dict[str, Any]] = {}
    ended = False
    while not ended:
        ended = quick(study, store, tmp_path / "files", generator.randrange(6, 40), crowd(generator, 3))
        rows = {row["number"]: row for row in outcome(store)["trials"]}
        assert all(rows[number] | {"test_metrics": None} == row for number, row in shown.items())
        done = [row for row in rows.values() if row["state"] in ("complete", "pruned", "failed", "infeasible")]
        shown = {row["number"]: row | {"test_metrics": None} for row in done}
    searched = [row for row in query.trials(store, 1, phase="search") if row["repeat_of"] is None]
    trained = [row for row in searched if row["state"] in ("complete", "pruned", "failed")]
    assert len(trained) == 12
    assert len({row["key"] for row in trained}) == 12
    assert {row["state"] for row in query.trials(store, 1)} <= {"complete", "pruned", "failed", "infeasible"}
    for row in query.trials(store, 1, states=("complete",)):
        assert row["value"] == trainers.value(row)


# ---- one trial -----------------------------------------------------------------------------------------------------


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The epochs that were really trained, in order."""
    epochs, one_epoch = [], trainer.one_epoch

    def counting(run: trainer.Run, epoch: int) -> EpochMetrics:
        epochs.append(epoch)
        return one_epoch(run, epoch)

    monkeypatch.setattr(trainer, "one_epoch", counting)
    return epochs


def abandoned(epochs: int) -> Any:
    """The real trainer, in a process that dies when it has told so many epochs of its first trial."""

    def train(job: Job) -> Iterator[EpochMetrics]:
        for told in trainer.train(job):
            yield told
            if job.trial == 1 and told.epoch == epochs:
                raise Cut

    return train


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("epochs", [1, 2, 3, 4])
def test_a_trial_goes_on_from_its_checkpoint(
    epochs: int, optimizer: str, tiny: Build, tmp_path: Path, outcome: Outcome, trained: list[int]
) -> None:
    recipe = {"epochs": 4, "batch_size": 512, "optimizer": {"kind": optimizer, "lr": 0.01}}
    study = tiny("design", variables={"width": {"choice": [4]}}, blueprint=NET, recipe=recipe, design=ONE)
    (whole, whole_files), (cut, files) = [one for one, _ in zip(stores(tmp_path), range(2), strict=False)]
    real(study, whole, whole_files)
    assert trained == [1, 2, 3, 4]
    assert not conduct(study, cut, files, abandoned(epochs), trainer.evaluate)
    trained.clear()
    assert real(study, cut, files)
    assert trained == [1, 2, 3, 4][epochs:]  # none is trained twice
    assert outcome(cut) == outcome(whole)
    assert [row["attempts"] for row in query.trials(cut, 1)] == [2]
    attempts = files / "checkpoints" / "1"
    assert sorted(path.name for path in attempts.iterdir()) == ["1", "2"]


NET = {"stages": [{"block": "plain", "width": "$width", "norm": {"kind": "batch", "place": "before_activation"}}]}
NET |= {"head": {"dropout": 0.3}}
ONE = {"factors": ["width"], "replicates": 1}


def test_without_a_checkpoint_a_trial_begins_again(
    tiny: Build, tmp_path: Path, outcome: Outcome, trained: list[int]
) -> None:
    sections = {"resources": {"checkpoint_seconds": 3600}, "recipe": RECIPE}
    study = tiny(budget={"trials": 1}, confirm={"top": 1, "replicates": 2}, **sections)
    (whole, whole_files), (cut, files) = [one for one, _ in zip(stores(tmp_path), range(2), strict=False)]
    real(study, whole, whole_files)
    assert not conduct(study, cut, files, abandoned(2), trainer.evaluate)
    trained.clear()
    assert real(study, cut, files)
    assert trained == [1, 2, 3] * 3
    assert outcome(cut) == outcome(whole)


# ---- seeds ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_the_same_seed_gives_the_same_study(sampler: str, tiny: Build, tmp_path: Path, outcome: Outcome) -> None:
    fresh, found = stores(tmp_path), []
    for seed in (7, 7, 8):
        engine, files = next(fresh)
        quick(tiny(search={"sampler": sampler}, budget={"trials": 15}, seed=seed), engine, files)
        found.append(outcome(engine))
    first, again, other = found
    assert first == again
    assignments = [[row["assignment"] for row in one["trials"]] for one in (first, other)]
    assert not any(one == two for one, two in zip(*assignments, strict=True))


def test_the_same_seed_gives_the_same_numbers(tiny: Build, tmp_path: Path, outcome: Outcome) -> None:
    fresh, found = stores(tmp_path), []
    for seed in (7, 7, 8):
        engine, files = next(fresh)
        study = tiny("design", variables={"width": {"choice": [4]}}, blueprint=NET, design=ONE, seed=seed)
        run_study(study, engine, files, lambda it: inline.drive(it, trainer.train, trainer.evaluate), silent)
        found.append(outcome(engine)["epochs"])
    assert found[0] == found[1]
    assert found[0] != found[2]
