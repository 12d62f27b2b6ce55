"""Training: learns, goes on where it was, fails with a name and a cure."""

import json
import logging
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from searchspace.core import Activation, Auxiliary, Conv, Flatten, GlobalPool, Linear, Network, Sequence
from worker import checkpoint, data, trainer
from worker.job import EpochMetrics, Job, TrainingFailed
from worker.training import steps
from worker.training.failures import named
from worker.training.run import prepared

NORM = {"kind": "batch", "place": "before_activation"}
ADAM = {"kind": "adam", "lr": 0.01, "weight_decay": 1e-4}


def blueprint(width: int = 8, norm: dict[str, Any] | None = NORM, dropout: float = 0.2) -> dict[str, Any]:
    stages = [
        {"block": "plain", "width": width, "norm": norm, "pool": {"kind": "max", "size": 2}},
        {"block": "residual", "width": 2 * width, "norm": norm},
    ]
    return {"stages": stages, "head": {"dropout": dropout}}


def job(folder: Path, **changes: Any) -> Job:
    recipe = {"epochs": 4, "batch_size": 64}
    fields = {
        "trial": 1,
        "blueprint": blueprint(),
        "recipe": recipe | changes.pop("recipe", {}),
        "data": {"source": "digits"},
        "task": "classification",
        "seed": 3,
        "folder": str(folder),
        "checkpoint_seconds": 0.0,
    }
    return Job(**fields | changes)


def metrics(epochs: list[EpochMetrics]) -> list[dict[str, float]]:
    assert [epoch.epoch for epoch in epochs] == list(range(1, len(epochs) + 1))
    return [epoch.metrics for epoch in epochs]


def arrays(folder: Path, count: int = 50, **more: Any) -> dict[str, Any]:
    """A regression whose target is the brightness of the image's left half."""
    x = np.random.default_rng(0).random((count, 6, 6))
    np.savez(folder / "set.npz", x=x, y=x[:, :, :3].mean((1, 2)) * 4)
    return {"data": {"source": f"arrays:{folder}/set.npz"}, "task": "regression"} | more


def test_digits_are_learned(tmp_path: Path) -> None:
    one = job(tmp_path, blueprint=blueprint(16, dropout=0.0), recipe={"epochs": 6})
    epochs = list(trainer.train(one))
    assert list(epochs[0].metrics) == ["train_loss", "train_accuracy", "val_loss", "val_accuracy"]
    assert epochs[-1].metrics["val_accuracy"] > 0.95
    assert all(0 < epoch.train_seconds < 60 for epoch in epochs)
    tested = trainer.evaluate(replace(one, mode="test"))
    assert list(tested) == ["test_loss", "test_accuracy"]
    assert tested["test_accuracy"] > 0.95


def test_a_damaged_newest_checkpoint_falls_back(tmp_path: Path) -> None:
    one = job(tmp_path)
    first = list(islice(trainer.train(one), 3))
    state = tmp_path / "1" / "epoch-0003" / checkpoint.STATE
    state.write_bytes(state.read_bytes()[:-4] + b"\0\0\0\1")
    again = list(trainer.train(one))
    assert again[:2] == first[:2]
    assert again[2].metrics == first[2].metrics
    assert len(again) == 4


def test_a_finished_trial_is_replayed_without_training(tmp_path: Path) -> None:
    one = job(tmp_path)
    assert list(trainer.train(one)) == list(trainer.train(one))
    assert not list((tmp_path / "2").iterdir())


def test_another_seeds_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    one = job(tmp_path)
    list(trainer.train(one))
    fresh = list(trainer.train(replace(one, seed=4, folder=str(tmp_path / "fresh"))))
    assert metrics(list(trainer.train(replace(one, seed=4)))) == metrics(fresh)


def test_checkpoints_wait_for_their_time(tmp_path: Path) -> None:
    list(trainer.train(job(tmp_path, checkpoint_seconds=1e9)))
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["epoch-0004"]
    found = checkpoint.load(tmp_path / "1" / "epoch-0004")
    assert found.final
    assert found.tensors.keys() == {f"weights/{name}" for name in found.weights}


def test_two_processes_agree(tmp_path: Path) -> None:
    one = job(tmp_path / "here", recipe={"epochs": 2})
    other = json.dumps(asdict(replace(one, folder=str(tmp_path / "there"))))
    script = (
        "import json, sys; from worker.job import Job; from worker.trainer import train;"
        "print(json.dumps([epoch.metrics for epoch in train(Job(**json.loads(sys.argv[1])))]))"
    )
    text = subprocess.run([sys.executable, "-c", script, other], check=True, capture_output=True, text=True).stdout
    assert json.loads(text) == metrics(list(trainer.train(one)))


def test_regression_end_to_end(tmp_path: Path) -> None:
    recipe = {"epochs": 15, "batch_size": 8, "optimizer": {"kind": "adamw", "lr": 0.02}}
    plain = {"stages": [{"block": "plain", "width": 8, "kernel": 3}], "head": {"pool": None, "hidden": [8]}}
    one = job(tmp_path / "trial", blueprint=plain, recipe=recipe, **arrays(tmp_path, 120))
    epochs = list(trainer.train(one))
    assert list(epochs[0].metrics) == ["train_loss", "train_mae", "val_loss", "val_mae"]
    assert epochs[-1].metrics["val_mae"] < 0.5 * epochs[0].metrics["val_mae"]
    assert list(trainer.evaluate(replace(one, mode="test"))) == ["test_loss", "test_mae"]


def test_classes_with_squared_error(tmp_path: Path) -> None:
    recipe = {"loss": "mse", "epochs": 6, "optimizer": ADAM}
    epochs = list(trainer.train(job(tmp_path, blueprint=blueprint(16, dropout=0.0), recipe=recipe)))
    assert epochs[-1].metrics["val_accuracy"] > 0.8


@pytest.mark.parametrize("batch_size", [29, 15, 14, 7, 4, 2])
def test_a_last_batch_of_one_is_left_out_of_batch_norms(tmp_path: Path, batch_size: int) -> None:
    one = job(tmp_path / "trial", recipe={"epochs": 1, "batch_size": batch_size}, **arrays(tmp_path, 48))  # 28 train
    assert len(list(trainer.train(replace(one, blueprint=blueprint(2))))) == 1
    odd = replace(one, folder=str(tmp_path / "odd"), **arrays(tmp_path, 49))  # 29 train
    assert len(list(trainer.train(replace(odd, blueprint=blueprint(2))))) == 1


def test_batches_of_one(tmp_path: Path) -> None:
    one = job(tmp_path / "trial", recipe={"epochs": 1, "batch_size": 1}, **arrays(tmp_path, 10))
    with pytest.raises(TrainingFailed, match="cannot train on batches of one; set batch_size to 2 or more"):
        list(trainer.train(one))
    assert len(list(trainer.train(replace(one, blueprint=blueprint(2, norm=None))))) == 1


DIVERGED = r"the training loss is (nan|inf) at step \d of epoch 1 \(learning rate 1e\+06\); lower optimizer.lr"


def test_diverged(tmp_path: Path) -> None:
    recipe = {"optimizer": {"kind": "sgd", "lr": 1e6}}
    with pytest.raises(TrainingFailed, match=DIVERGED) as failed:
        list(trainer.train(job(tmp_path, blueprint=blueprint(norm=None), recipe=recipe)))
    assert failed.value.kind == "diverged"


def test_out_of_memory(tmp_path: Path) -> None:
    convs = (Conv(out, (k, k), (1, 1), ((k // 2, k // 2),) * 2, (1, 1)) for out, k in ((65_536, 1), (65_536, 2_001)))
    layers = (("a", next(convs)), ("b", next(convs)), ("pool", GlobalPool("max")), ("out", Linear(10)))
    network = Network((1, 8, 8), Sequence(layers))  # 69 petabytes: more than an address can reach
    with (
        pytest.raises(TrainingFailed, match=r"memory ran out: 68.8 PB asked, .* free; lower batch_size") as failed,
        named(),
    ):
        list(trainer.train_network(network, trainer.loaded(job(tmp_path)), job(tmp_path)))
    assert failed.value.kind == "out_of_memory"


def with_auxiliary(weight: float | None) -> Network:
    """A small network, with a second classifier in its middle unless `weight` is None."""
    side = Auxiliary(Sequence((("flat", Flatten()), ("out", Linear(10)))), weight or 0.0)
    convs = [Conv(8, (3, 3), (2, 2), ((1, 1),) * 2, (1, 1)) for _ in range(2)]
    items = {"a": convs[0], "act": Activation("relu"), "side": side, "b": convs[1]}
    items |= {"pool": GlobalPool("average"), "out": Linear(10)}
    return Network(
        (1, 8, 8), Sequence(tuple((key, node) for key, node in items.items() if weight is not None or key != "side"))
    )


def test_auxiliary_classifiers_add_to_what_is_minimized(tmp_path: Path) -> None:
    """A step of gradient descent on loss + 0.3 auxiliary loss, with labels smoothed in both; reported is the loss."""
    sgd = {"kind": "sgd", "lr": 0.1, "momentum": 0, "nesterov": False, "weight_decay": 0}
    recipe = {
        "epochs": 1,
        "batch_size": 5000,
        "label_smoothing": 0.1,
        "optimizer": sgd,
        "schedule": {"kind": "constant"},
    }
    one = job(tmp_path, recipe=recipe)
    splits = trainer.loaded(one)
    run = prepared(with_auxiliary(0.3), splits, one)
    before = {name: value.detach().clone() for name, value in run.model.named_parameters()}
    assert isinstance(splits.train, data.Held)
    outputs = run.model.train()(splits.train.x)
    main, side = (run.loss(y, splits.train.y, 0.1) for y in (outputs, run.model.side.output))
    expected = torch.autograd.grad(main + 0.3 * side, list(run.model.parameters()))
    reported = steps.trained(run, 1).means()
    for (name, value), gradient in zip(run.model.named_parameters(), expected, strict=True):
        torch.testing.assert_close((before[name] - value) / 0.1, gradient, rtol=1e-3, atol=1e-5)
    assert float(reported[0]) == pytest.approx(main.item())
    assert run.model.side.output is None


def test_an_auxiliary_of_no_weight_changes_nothing(tmp_path: Path) -> None:
    splits = trainer.loaded(job(tmp_path))
    plain, silent, heard = (
        metrics(list(trainer.train_network(with_auxiliary(weight), splits, job(tmp_path / str(weight)))))
        for weight in (None, 0.0, 0.3)
    )
    assert silent == plain
    assert heard != plain


def test_other_mistakes_keep_their_own_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needs classes, but the task is regression"):
        list(trainer.train(job(tmp_path, recipe={"loss": "cross_entropy"}, **arrays(tmp_path))))


def test_training_goes_on_without_a_disk(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    epochs = trainer.train(job(tmp_path))
    next(epochs)
    shutil.rmtree(tmp_path / "1")
    (tmp_path / "1").touch()
    with caplog.at_level(logging.WARNING):
        assert [next(epochs).epoch, next(epochs).epoch] == [2, 3]
    assert "no checkpoint at epoch 2" in caplog.text
    assert len(caplog.records) == 1
    with pytest.raises(TrainingFailed, match=r"the final weights cannot be written .*; free the disk") as failed:
        next(epochs)
    assert failed.value.kind == "error"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TrainingFailed, match="checkpoints cannot be written here"):
        next(trainer.train(job(tmp_path / "file")))


def test_the_test_part_waits_for_the_final_weights(tmp_path: Path) -> None:
    one = job(tmp_path)
    list(islice(trainer.train(one), 2))
    with pytest.raises(TrainingFailed, match="there are no final weights of this network; train it to its end"):
        trainer.evaluate(replace(one, mode="test"))
