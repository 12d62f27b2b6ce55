"""An epoch together is an epoch each alone: in float64 to 1e-10, with every recipe that can be shared."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from worker import trainer
from worker.job import Job
from worker.training import steps
from worker.training.replicas import group
from worker.training.run import Run, prepared

EXACT = 1e-10
NORM = {"kind": "batch", "place": "before_activation"}
WEAK = {"weight_decay": 1e-3, "decayed": "weights"}
RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"optimizer": {"kind": "sgd", "lr": 0.05}},
    "sgd without momentum": {"optimizer": {"kind": "sgd", "lr": 0.05, "momentum": 0.0, "nesterov": False}},
    "adagrad": {"optimizer": {"kind": "adagrad", "lr": 0.01, "weight_decay": 1e-3}},
    "adadelta": {"optimizer": {"kind": "adadelta", "lr": 0.5, **WEAK}},
    "rmsprop": {"optimizer": {"kind": "rmsprop", "lr": 1e-3, "momentum": 0.5, "weight_decay": 1e-3}},
    "adam": {"optimizer": {"kind": "adam", "lr": 0.01, "weight_decay": 1e-3}},
    "adamw": {"optimizer": {"kind": "adamw", "lr": 0.01, **WEAK}},
    "augmented": {"augment": [{"kind": "flip"}, {"kind": "crop", "padding": 1}], "test_augment": {"flip": True}},
    "mixed": {"augment": [{"kind": "mixup"}], "label_smoothing": 0.1},
    "clipped": {"clip": {"norm": 0.5}, "noise": {"eta": 1e-4}},
    "cut": {"clip": {"value": 0.01}},
    "ema": {"average": {"kind": "ema", "decay": 0.9}},
    "swa": {"average": {"kind": "swa", "start": 0.0}},
    "some, balanced": {"examples": 200, "balanced": True, "loss": "mse", "metrics": ["top5"]},
}


pytestmark = pytest.mark.usefixtures("one_thread")


def blueprint(norm: dict[str, Any] | None = NORM) -> dict[str, Any]:
    stages = [
        {"block": "plain", "width": 4, "norm": norm, "dropout": 0.2, "pool": {"kind": "max", "size": 2}},
        {"block": "auxiliary", "weight": 0.3, "stages": [], "head": {}},
        {"block": "residual", "width": 6, "norm": norm},
    ]
    return {"stages": stages, "head": {"hidden": [8], "dropout": 0.3}}


def job(folder: Path, seed: int = 0, **recipe: Any) -> Job:
    recipe = {"epochs": 2, "batch_size": 128, "examples": 320, "precision": "float64"} | recipe
    return Job(seed + 1, blueprint(), recipe, {"source": "digits"}, "classification", seed, str(folder / str(seed)))


def runs(folder: Path, count: int = 3, **recipe: Any) -> list[Run]:
    jobs = [job(folder, seed, **recipe) for seed in range(count)]
    return [prepared(trainer.network_of(one), trainer.loaded(one), one) for one in jobs]


def near(one: dict[str, Any], other: dict[str, Any], exact: float = EXACT) -> None:
    assert list(one) == list(other)
    for name, value in one.items():
        assert value.shape == other[name].shape, name
        assert value.stride() == other[name].stride(), name
        assert (value - other[name]).abs().max() <= exact * max(1.0, float(other[name].abs().max())), name


def agree(make: Callable[[], list[Run]]) -> None:
    """An epoch with validation, together and each alone: means, and all that the next epoch depends on."""
    together, single = group.grouped(make()), make()
    means = [tally.means() for tally in group.trained(together, 1)]
    with group.served(together, 1):
        means += group.evaluated(together)
    together.part()
    alone = [steps.trained(run, 1).means() for run in single]
    for run in single:
        with steps.served(run, 1):
            alone.append(steps.evaluated(run, run.splits.validation))
    assert torch.stack(means).sub(torch.stack(alone)).abs().max() < EXACT
    for run, other in zip(together.runs, single, strict=True):
        near(run.state(), other.state())


@pytest.mark.parametrize("name", RECIPES)
def test_an_epoch_together_is_an_epoch_alone(tmp_path: Path, name: str) -> None:
    agree(lambda: runs(tmp_path, **RECIPES[name]))


@pytest.mark.parametrize("memory", [None, 1], ids=["held", "streamed"])
def test_numbers_of_a_series(tmp_path: Path, memory: int | None) -> None:
    """A regression of two numbers, in the unit of the source, from memory and read by other threads."""
    x = np.random.default_rng(0).random((90, 12, 2))
    np.savez(tmp_path / "set.npz", x=x, y=x[:, :2].sum(2) * 40 + 7)
    data = {"source": f"arrays:{tmp_path}/set.npz", "memory": memory}
    stages = [{"block": "plain", "width": 4, "norm": NORM}, {"block": "plain", "width": 3, "dropout": 0.2}]
    recipe = {"epochs": 2, "batch_size": 20, "precision": "float64", "loss": "huber", "clip": {"norm": 1.0}}

    def make() -> list[Run]:
        jobs = [Job(seed, {"stages": stages}, recipe, data, "regression", seed, str(tmp_path)) for seed in range(2)]
        return [prepared(trainer.network_of(one), trainer.loaded(one), one) for one in jobs]

    agree(make)


def test_the_gradients_of_the_last_step_are_given_back(tmp_path: Path) -> None:
    together, single = group.grouped(runs(tmp_path)), runs(tmp_path)
    group.trained(together, 1)
    together.part_gradients()
    for run, other in zip(together.runs, single, strict=True):
        steps.trained(other, 1)
        for mine, its in zip(run.model.parameters(), other.model.parameters(), strict=True):
            assert mine.grad is not None
            assert its.grad is not None
            assert (mine.grad - its.grad).abs().max() < EXACT
