"""The replicates of a job as one stream: as each alone, resumed together or alone, one lost, or one after the other."""

import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from test_worker_replicas_group import EXACT, blueprint, runs

from worker import checkpoint, trainer
from worker.job import EpochMetrics, Job, Lost, Mate
from worker.recipe import Recipe
from worker.training.replicas import choice, group

ADAM = {"kind": "adam", "lr": 0.01, "weight_decay": 1e-3}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the training, and whatever the clock says: together."""
    monkeypatch.setattr(choice, "FASTER", 0.0)
    monkeypatch.setattr(choice, "SHARE", float("inf"))
    monkeypatch.setattr(choice, "WARMING", 0)
    monkeypatch.setattr(choice, "COUNTED", 1)


together = pytest.mark.usefixtures("_always")


def job(folder: Path, count: int = 3, **recipe: Any) -> Job:
    standard = {"epochs": 4, "batch_size": 128, "examples": 320, "precision": "float64"}
    mates = tuple(Mate(10 + seed, seed, str(folder / str(seed))) for seed in range(1, count))
    data, place = {"source": "digits"}, str(folder / "0")
    made = Job(10, blueprint(), standard | recipe, data, "classification", 0, place, checkpoint_seconds=0.0)
    return replace(made, mates=mates)


def singles(one: Job) -> list[Job]:
    """The same replicates, each in a folder of its own elsewhere."""
    every = [(one.trial, one.seed, one.folder), *((mate.trial, mate.seed, mate.folder) for mate in one.mates)]
    return [replace(one, trial=trial, seed=seed, folder=f"{folder}-alone", mates=()) for trial, seed, folder in every]


def by_trial(told: Iterable[EpochMetrics | Lost]) -> dict[int, list[EpochMetrics]]:
    found = defaultdict(list)
    for epoch in told:
        assert isinstance(epoch, EpochMetrics), epoch
        assert epoch.trial is not None
        found[epoch.trial].append(epoch)
    for epochs in found.values():
        assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))
    return found


def numbers(epochs: Iterable[EpochMetrics]) -> torch.Tensor:
    return torch.tensor([list(epoch.metrics.values()) for epoch in epochs], dtype=torch.double)


def weights(one: Job) -> dict[str, torch.Tensor]:
    found = checkpoint.latest(Path(one.folder), trainer.identity(one))
    assert found is not None
    assert found.final
    return found.weights


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor], exact: float) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert (value - other[name]).abs().max() <= exact, name


@together
def test_each_replicate_is_as_if_alone(tmp_path: Path) -> None:
    one = job(tmp_path, optimizer=ADAM)
    found = by_trial(trainer.train(one))
    assert list(found) == [10, 11, 12]
    for alone in singles(one):
        epochs, mine = list(trainer.train(alone)), found[alone.trial]
        assert epochs[0].metrics.keys() == mine[0].metrics.keys()
        assert (numbers(epochs) - numbers(mine)).abs().max() < EXACT
        assert mine[-1].measured is not None
        assert epochs[-1].measured is not None
        assert mine[-1].measured.keys() - epochs[-1].measured.keys() == {"replicas"}
        assert mine[-1].measured["replicas"]["together"] is True
        mine_alone = replace(alone, folder=alone.folder.removesuffix("-alone"))
        same(weights(mine_alone), weights(alone), EXACT)
        assert trainer.validate(mine_alone)["val_accuracy"] == mine[-1].metrics["val_accuracy"]


@together
@pytest.mark.parametrize("optimizer", ["sgd", "adagrad", "adadelta", "rmsprop", "adam", "adamw"])
def test_resumed_together_is_uninterrupted(tmp_path: Path, optimizer: str) -> None:
    recipe = {"optimizer": {"kind": optimizer, "lr": 0.01}, "average": {"kind": "ema", "decay": 0.9}, "epochs": 3}
    whole = by_trial(trainer.train(job(tmp_path / "whole", 2, **recipe)))
    one = job(tmp_path / "cut", 2, **recipe)
    assert len(list(islice(trainer.train(one), 3))) == 3  # the first epoch of both, the second of one
    again = by_trial(trainer.train(one))
    for trial, epochs in whole.items():
        assert [epoch.metrics for epoch in again[trial]] == [epoch.metrics for epoch in epochs]


@together
def test_after_a_kill_between_their_checkpoints_they_go_on_from_the_last_in_common(tmp_path: Path) -> None:
    one = job(tmp_path)
    whole = by_trial(trainer.train(job(tmp_path / "whole")))
    list(islice(trainer.train(one), 7))
    for mate in one.mates:
        (newest,) = Path(mate.folder).glob("1/epoch-0003")
        newest.rename(newest.with_name(".epoch-0003"))
    again = by_trial(trainer.train(one))
    assert {trial: [e.metrics for e in epochs] for trial, epochs in again.items()} == {
        trial: [e.metrics for e in epochs] for trial, epochs in whole.items()
    }
    assert all(epochs[-1].measured["replicas"]["together"] for epochs in again.values() if epochs[-1].measured)


@together
def test_one_goes_on_alone(tmp_path: Path) -> None:
    one = job(tmp_path)
    whole = by_trial(trainer.train(job(tmp_path / "whole")))
    list(islice(trainer.train(one), 6))
    mate = one.mates[0]
    alone = replace(one, trial=mate.trial, seed=mate.seed, folder=mate.folder, mates=())
    assert (numbers(trainer.train(alone)) - numbers(whole[mate.trial])).abs().max() < EXACT


@together
def test_without_an_epoch_in_common_each_goes_on_alone(tmp_path: Path) -> None:
    one = job(tmp_path)
    whole = by_trial(trainer.train(job(tmp_path / "whole")))
    list(islice(trainer.train(one), 6))
    shutil.rmtree(one.mates[1].folder)
    found = by_trial(trainer.train(one))
    for trial, epochs in whole.items():
        assert (numbers(epochs) - numbers(found[trial])).abs().max() < EXACT
        last = found[trial][-1].measured
        assert last is not None
        assert last["replicas"]["reason"] == "their checkpoints have no epoch in common"


@together
@pytest.mark.parametrize("optimizer", ["sgd", "adadelta", "adam"])
def test_one_that_diverges_does_not_touch_the_others(tmp_path: Path, optimizer: str) -> None:
    recipe = {"optimizer": {"kind": optimizer, "lr": 0.01}, "clip": {"norm": 0.5}, "noise": {"eta": 1e-4}}
    one = job(tmp_path, **recipe)
    list(islice(trainer.train(one), 3))
    poison(Path(one.mates[0].folder))
    told = list(trainer.train(one))
    lost = [it for it in told if isinstance(it, Lost)]
    assert [(it.trial, it.kind) for it in lost] == [(11, "diverged")]
    assert "loss is nan at step 1 of epoch 2" in lost[0].reason
    found = by_trial(it for it in told if isinstance(it, EpochMetrics))
    assert len(found[11]) == 1
    for alone in (singles(one)[0], singles(one)[2]):
        assert (numbers(trainer.train(alone)) - numbers(found[alone.trial])).abs().max() < EXACT
        same(weights(replace(alone, folder=alone.folder.removesuffix("-alone"))), weights(alone), EXACT)


def poison(folder: Path) -> None:
    """The newest checkpoint again, in a later attempt, with one filter that is no number."""
    found = checkpoint.latest(folder)
    assert found is not None
    tensors = {name: value.clone() for name, value in found.tensors.items()}
    next(value for name, value in tensors.items() if name.startswith("weights/") and value.dim() == 4)[0] = float("nan")
    checkpoint.save(checkpoint.claim(folder), replace(found, tensors=tensors))


@together
def test_weights_that_diverge_in_the_last_step_are_lost(tmp_path: Path) -> None:
    sgd = {"kind": "sgd", "lr": 1e300, "momentum": 0.0, "nesterov": False}
    one = job(tmp_path, 2, optimizer=sgd, epochs=1, batch_size="all", schedule={"kind": "constant"})
    told = list(trainer.train(one))
    assert [(it.trial, it.kind) for it in told if isinstance(it, Lost)] == [(10, "diverged"), (11, "diverged")]
    assert all("validation loss is nan after epoch 1" in it.reason for it in told if isinstance(it, Lost))


@together
def test_all_may_be_lost(tmp_path: Path) -> None:
    one = job(
        tmp_path,
        2,
        optimizer={"kind": "sgd", "lr": 1e8, "momentum": 0.0, "nesterov": False},
        schedule={"kind": "constant"},
    )
    told = list(trainer.train(one))
    assert [it.trial for it in told if isinstance(it, Lost)] == [10, 11]
    assert not any(isinstance(it, EpochMetrics) and it.measured for it in told)


REASONS: dict[str, dict[str, Any]] = {
    "a line of all weights": {"optimizer": {"kind": "lbfgs"}, "batch_size": "all"},
    "own learning rate": {"optimizer": {"kind": "sgd", "lr": "auto"}},
    "at its own time": {"schedule": {"kind": "plateau"}},
    "stops early": {"early_stopping": {"patience": 2}},
    "ranks the examples": {"curriculum": {}},
    "computed in parts": {"accumulate": "auto"},
    "compiled": {"compile": True},
}


@pytest.mark.parametrize("why", REASONS)
def test_what_cannot_be_shared_is_told(tmp_path: Path, why: str) -> None:
    one = job(tmp_path, **REASONS[why])
    assert why in str(choice.unsupported(trainer.network_of(one), Recipe.model_validate(one.recipe)))


@together
def test_what_cannot_be_shared_is_trained_one_by_one(tmp_path: Path) -> None:
    one = job(tmp_path, 2, epochs=2, early_stopping={"patience": 2})
    found = by_trial(trainer.train(one))
    for alone in singles(one):
        assert [epoch.metrics for epoch in trainer.train(alone)] == [it.metrics for it in found[alone.trial]]
    last = found[11][-1].measured
    assert last is not None
    assert (last["replicas"]["together"], last["replicas"]["reason"]) == (
        False,
        "each replicate stops early at its own time",
    )


def test_a_training_too_short_to_ask_is_not_asked(tmp_path: Path) -> None:
    found = by_trial(trainer.train(job(tmp_path, 2, epochs=1)))
    last = found[10][-1].measured
    assert last is not None
    assert last["replicas"] == {"together": False, "ratio": None, "replicas": 2}


def test_the_calibration_leaves_no_trace(tmp_path: Path) -> None:
    """All states are bit for bit what they were, and the verdict is what was measured."""
    recipe = {"epochs": 100, "average": {"kind": "ema"}, "clip": {"norm": 1.0}, "augment": [{"kind": "flip"}]}
    asked, other = (group.grouped(runs(tmp_path, **recipe)) for _ in range(2))
    verdict = choice.chosen(asked)
    assert verdict["ratio"] > 0
    assert verdict["together"] == (verdict["ratio"] >= choice.FASTER)
    for one, its in zip((*asked.runs, asked.stacked), (*other.runs, other.stacked), strict=True):
        same(one.state(), its.state(), 0.0)
    losses, unasked = (torch.stack([t.means() for t in group.trained(each, 1)]) for each in (asked, other))
    assert losses.equal(unasked)
