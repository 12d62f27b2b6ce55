"""Resumed is uninterrupted, bit for bit on a CPU: for every optimizer, and for all that a recipe may add."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from worker import checkpoint, trainer
from worker.job import EpochMetrics, Job

NORM = {"kind": "batch", "place": "before_activation"}
STAGES = [
    {"block": "plain", "width": 4, "norm": NORM, "pool": {"kind": "max", "size": 2}},
    {"block": "residual", "width": 8, "norm": NORM},
]
OPTIMIZERS: dict[str, dict[str, Any]] = {
    "sgd": {"kind": "sgd", "lr": 0.1, "decayed": "weights"},
    "sgd without momentum": {"kind": "sgd", "lr": 0.1, "momentum": 0, "nesterov": False},
    "adagrad": {"kind": "adagrad", "lr": 0.02},
    "adadelta": {"kind": "adadelta"},
    "rmsprop": {"kind": "rmsprop", "lr": 0.005, "momentum": 0.9},
    "adam": {"kind": "adam", "lr": 0.01, "weight_decay": 1e-4},
    "adamw": {"kind": "adamw", "lr": 0.01},
    "lbfgs": {"kind": "lbfgs", "iterations": 3},
}
FLIP = {"kind": "flip"}
ADDED: dict[str, dict[str, Any]] = {
    "augmentation": {"augment": [FLIP, {"kind": "crop", "padding": 1}, {"kind": "mixup"}, {"kind": "noise"}]},
    "ema": {"average": {"kind": "ema", "decay": 0.9}},
    "swa": {"average": {"kind": "swa", "start": 0.25}},
    "plateau": {"schedule": {"kind": "plateau", "patience": 1, "min_delta": 0.9}},
    "early stopping": {"early_stopping": {"patience": 2, "min_delta": 0.05, "metric": "val_accuracy"}},
    "early stopping of an average": {"average": {"kind": "ema", "decay": 0.5}, "early_stopping": {"patience": 2}},
    "curriculum": {"curriculum": {"epochs": 1, "first": 0.2}, "balanced": True},
    "a found learning rate": {"optimizer": {"kind": "sgd", "lr": "auto"}},
    "accumulation": {"accumulate": 3},
    "clipping and noise": {"clip": {"norm": 0.5}, "noise": {"eta": 0.001}},
    "fewer examples, views": {"examples": 0.5, "test_augment": {"flip": True, "shift": 1}},
    "double precision": {"precision": "float64", "metrics": ["top3"]},
    "bfloat16": {"precision": "bfloat16"},
    "watching": {"measure": {"watch": 2, "fit_every": 2}},
}


def job(folder: Path, recipe: dict[str, Any], measure: dict[str, Any] | None = None) -> Job:
    recipe = {"epochs": 4, "batch_size": 256, "schedule": {"kind": "cosine"}} | recipe
    blueprint = {"stages": STAGES, "head": {"dropout": 0.2}}
    one = Job(1, blueprint, recipe, {"source": "digits"}, "classification", 3, str(folder), measure=measure or {})
    return replace(one, checkpoint_seconds=0.0)


def numbers(epochs: list[EpochMetrics]) -> list[tuple[int, dict[str, float]]]:
    return [(told.epoch, told.metrics) for told in epochs]


def same_after_cuts(tmp_path: Path, whole: Job, cuts: tuple[int, ...]) -> list[EpochMetrics]:
    """Train once through and once cut off after so many epochs, again and again; the numbers and weights agree."""
    broken = replace(whole, folder=str(tmp_path / "broken"))
    expected = list(trainer.train(whole))
    for count in cuts:
        assert numbers(list(islice(trainer.train(broken), count))) == numbers(expected)[:count]
    resumed = list(trainer.train(broken))
    assert numbers(resumed) == numbers(expected)
    mine, theirs = (trainer.finished(one).model.state_dict() for one in (whole, broken))
    assert all(torch.equal(mine[key], theirs[key]) for key in mine)
    findings = [{key: (told.measured or {}).get(key) for key in KEPT} for told in (expected[-1], resumed[-1])]
    assert findings[0] == findings[1]
    return expected


KEPT = ("best_epoch", "lr", "lr_curve", "notes", "watched", "classes")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(tmp_path: Path, name: str) -> None:
    full = {"batch_size": "all"} if name == "lbfgs" else {}
    same_after_cuts(tmp_path, job(tmp_path / "whole", {"optimizer": OPTIMIZERS[name]} | full), (1, 3))


@pytest.mark.parametrize("name", ADDED)
def test_all_that_a_recipe_may_add(tmp_path: Path, name: str) -> None:
    recipe = dict(ADDED[name])
    same_after_cuts(tmp_path, job(tmp_path / "whole", recipe, recipe.pop("measure", None)), (3,))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_restored_optimizer_has_its_parameters_layout(tmp_path: Path, name: str) -> None:
    """Fused kernels walk memory: a state in another layout than its parameter's would give wrong updates, silently."""
    full = {"batch_size": "all"} if name == "lbfgs" else {}
    one = job(tmp_path, {"optimizer": OPTIMIZERS[name]} | full)
    list(islice(trainer.train(one), 2))
    found = checkpoint.latest(tmp_path)
    assert found is not None
    run = trainer.begun(trainer.network_of(one), trainer.loaded(one), one, found)
    kept = [(p, value) for p, state in run.optimizer.state.items() for value in state.values()]
    states = [(p, value) for p, value in kept if isinstance(value, torch.Tensor) and value.shape == p.shape]
    assert all(value.stride() == parameter.stride() for parameter, value in states)
    assert (len(states) > 0) == (name not in ("sgd without momentum", "lbfgs"))
    assert any(not parameter.is_contiguous() for parameter, _ in states) == (len(states) > 0)
