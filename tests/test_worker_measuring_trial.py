"""What is measured of real trainings: it agrees with their metrics, and changes nothing of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from worker import trainer
from worker.job import Job
from worker.measure import MeasureSpec
from worker.measuring import Meter, fitted, measured, watched
from worker.training import steps
from worker.training.run import Run

BLUEPRINT = {
    "stages": [
        {"block": "plain", "width": 8, "repeat": 2, "norm": "batch", "pool": "max"},
        {"block": "residual", "width": 8, "norm": "batch"},
    ],
    "head": {"dropout": 0.2},
}
RECIPE = {"epochs": 2, "batch_size": 128, "metrics": ["top3"]}
ALL = MeasureSpec(shifts=1, latency=True, layers=True)


def job(folder: Path, recipe: dict[str, Any] | None = None, **others: Any) -> Job:
    fields = {"data": {"source": "digits"}, "task": "classification", "seed": 4} | others
    return Job(1, BLUEPRINT, RECIPE | (recipe or {}), folder=str(folder), **fields)


def run_of(asked: Job) -> Run:
    return trainer.prepared(trainer.network_of(asked), trainer.loaded(asked), asked)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network after an epoch of training; nobody writes into it."""
    made = run_of(job(tmp_path_factory.mktemp("trial")))
    steps.trained(made, 1)
    return made


@pytest.fixture(scope="module")
def found(run: Run) -> dict[str, Any]:
    return measured(run, ALL, [2.0, 1.0, 0.5], Meter(run.device))


def weights(run: Run) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in run.state().items()}


def test_it_is_json(found: dict[str, Any]) -> None:
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_the_confusion_is_of_the_accuracy_that_was_validated(run: Run, found: dict[str, Any]) -> None:
    classes, accuracy = found["classes"], steps.evaluated(run, run.splits.validation)[1].item()
    assert sum(classes["confusion"][c][c] for c in range(10)) / classes["examples"] == pytest.approx(accuracy)
    assert [sum(row) for row in classes["confusion"]] == torch.bincount(run.splits.validation.y).tolist()
    still = found["shifts"]["by_pixels"][0]
    assert still == {"pixels": 0, "mean": pytest.approx(accuracy), "worst": pytest.approx(accuracy)}
    assert found["shifts"]["by_pixels"][1]["worst"] <= found["shifts"]["by_pixels"][1]["mean"]


def test_the_fit_is_of_training_examples_as_they_are(run: Run, found: dict[str, Any]) -> None:
    expected = steps.evaluated(run, run.splits.train)
    names = ("fit_loss", "fit_accuracy", "fit_top3")
    assert found["fit"] == {"examples": 1077} | dict(zip(names, map(pytest.approx, expected.tolist()), strict=True))


def test_the_fit_is_of_the_examples_that_were_trained_on(tmp_path: Path) -> None:
    made = run_of(job(tmp_path, {"examples": 200}))
    assert measured(made, MeasureSpec(), [])["fit"]["examples"] == 200
    x, y = next(made.splits.train.batches([made.pool]))
    with torch.inference_mode():
        right = (made.model.eval()(x).argmax(1) == y).double().mean().item()
    assert fitted(made)["fit_accuracy"] == pytest.approx(right)


def test_layers_are_those_of_the_network(run: Run, found: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in found["layers"]["layers"]}
    assert {"stages.0.conv1", "stages.0.act1", "head.fc"} <= set(rows)
    assert all(row["ms"] >= 0 for row in rows.values())
    conv = rows["stages.0.conv1"]
    assert conv["macs_per_second"] == pytest.approx(9 * 8 * 64 * 128 / conv["ms"] * 1e3)
    assert rows["stages.0.act1"]["macs_per_second"] is None
    assert found["layers"]["between_ms"] > 0
    assert not any(layer._forward_hooks or layer._forward_pre_hooks for layer in run.model.modules())


def test_speed_and_memory_and_energy(run: Run, found: dict[str, Any]) -> None:
    assert found["images_per_second"] == (1077 / 1.0 + 1077 / 0.5) / 2
    assert found["memory"]["predicted_bytes"] == pytest.approx(found["memory"]["peak_bytes"], rel=0.2)
    assert found["energy"]["joules"] is None
    assert found["latency"]["precision"] == "float32"
    assert "latency" not in measured(run, MeasureSpec(), [])


@pytest.mark.parametrize("batch", [64, "all"])
@pytest.mark.parametrize("width", [2, 300], ids=["maps", "weights"])
def test_the_memory_of_split_steps_is_predicted(tmp_path: Path, batch: int | str, width: int) -> None:
    """The gradients of the parts before lie beside each part: of a network that is all weights, they are a third."""
    one = job(tmp_path, {"epochs": 1, "batch_size": batch, "accumulate": 4})
    stages = [{"block": "plain", "width": 16, "norm": "batch"}]
    made = run_of(replace(one, blueprint={"stages": stages, "head": {"pool": None, "hidden": [width]}}))
    steps.trained(made, 1)
    memory = measured(made, MeasureSpec(), [1.0], Meter(made.device))["memory"]
    assert memory["predicted_bytes"] == pytest.approx(memory["peak_bytes"], rel=0.1)


@pytest.mark.parametrize("kind", ["sgd", "adam", "rmsprop", "lbfgs"])
def test_measuring_changes_nothing(tmp_path: Path, kind: str) -> None:
    recipe = {"optimizer": {"kind": kind}} | ({"batch_size": "all", "examples": 100} if kind == "lbfgs" else {})
    made = run_of(job(tmp_path, recipe))
    steps.trained(made, 1)
    before, modes = weights(made), [module.training for module in made.model.modules()]
    told = measured(made, MeasureSpec(shifts=1), [1.0])
    watched(made, 1)
    assert told["memory"]["peak_bytes"] > sum(value.nbytes for value in made.model.parameters())
    after = weights(made)
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert modes == [module.training for module in made.model.modules()]


def told(asked: Job) -> tuple[list[dict[str, float]], dict[str, Any]]:
    """The metrics of a training's epochs, and what was measured at its end."""
    epochs = list(trainer.train(asked))
    return [dict(one.metrics) for one in epochs], dict(epochs[-1].measured or {})


def test_training_is_the_same_whether_watched_or_not(tmp_path: Path) -> None:
    """Bit for bit, with dropout and batch norm; the last weights too."""
    recipe = {"epochs": 3}
    plain, _ = told(job(tmp_path / "plain", recipe))
    seen, found = told(job(tmp_path / "seen", recipe, measure={"watch": 1, "fit_every": 2, "shifts": 1}))
    fit = [{name: one.pop(name) for name in list(one) if name.startswith("fit_")} for one in seen]
    assert seen == plain
    assert [sorted(one) for one in fit] == [[], ["fit_accuracy", "fit_loss", "fit_top3"], []]
    assert [one["epoch"] for one in found["watched"]] == [1, 2, 3]
    first, second = (trainer.finished(job(tmp_path / name, recipe)).model.state_dict() for name in ("plain", "seen"))
    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_what_is_watched(run: Run) -> None:
    seen = watched(run, 1)
    rows = {row["name"]: row for row in seen["layers"]}
    total = torch.cat([p.grad.flatten() for p in run.model.parameters()]).norm().item()
    assert seen["gradient_norm"] == pytest.approx(total, rel=1e-5)
    assert (rows["stages.0.conv1"]["dead_units"], rows["stages.0.act1"]["weight_norm"]) == (None, None)
    assert rows["head.fc"]["weight_norm"] > 0
    assert 0 <= rows["stages.0.act1"]["dead_units"] < 1
    json.dumps(seen, allow_nan=False)


def test_a_regression_is_measured_too(tmp_path: Path) -> None:
    """Without classes; the error at rest is that of validation."""
    source = np.random.default_rng(3)
    x = source.normal(size=(60, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "set.npz", x=x, y=x.mean((1, 2)))
    data = {"source": f"arrays:{tmp_path}/set.npz"}
    made = run_of(job(tmp_path, {"batch_size": 12, "metrics": ["rmse"]}, data=data, task="regression"))
    steps.trained(made, 1)
    found = measured(made, MeasureSpec(shifts=2), [1.0])
    mae = steps.evaluated(made, made.splits.validation)[1].item()
    assert found["classes"] is None
    assert found["shifts"]["by_pixels"][0]["mean"] == pytest.approx(mae)
    assert found["shifts"]["by_pixels"][1]["worst"] >= found["shifts"]["by_pixels"][1]["mean"]
    assert sorted(found["fit"]) == ["examples", "fit_loss", "fit_mae", "fit_rmse"]
    assert found["fit"]["fit_rmse"] >= found["fit"]["fit_mae"]


def test_a_measurement_that_runs_out_of_memory_ends_no_trial(tmp_path: Path) -> None:
    """A network that asks for more than any machine has, when it is looked at once more."""
    made = run_of(job(tmp_path))

    def greedy(x: Tensor) -> Tensor:
        return torch.empty(1 << 50)

    told = measured(replace(made, forward=greedy), MeasureSpec(), [1.0])
    assert "memory ran out" in told["fit"]["reason"]
    assert "memory ran out" in told["classes"]["reason"]
    assert told["images_per_second"] == 1077


@pytest.mark.parametrize("precision", ["float64", "bfloat16"])
def test_memory_is_predicted_for_float32_alone(tmp_path: Path, precision: str) -> None:
    made = run_of(job(tmp_path, {"precision": precision}))
    steps.trained(made, 1)
    memory = measured(made, MeasureSpec(), [1.0])["memory"]
    assert memory["peak_bytes"] > 0
    assert "predicted_bytes" not in memory
