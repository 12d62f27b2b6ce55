"""The recipe and the names of metrics: defaults, refusals, and schedules against torch's own."""

import subprocess
import sys
import warnings

import pytest
import torch
from pydantic import ValidationError
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from worker import metrics, tasks
from worker.recipe import Adam, Cosine, OneCycle, Recipe, Sgd, loss_name


def test_epochs_are_enough() -> None:
    recipe = Recipe.model_validate({"epochs": 8})
    assert recipe.optimizer == Sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    assert recipe.schedule == OneCycle(warmup_fraction=0.3, div=25, final_div=1e4)
    assert (recipe.loss, recipe.label_smoothing) == (None, 0.0)


def test_lists_and_whole_numbers_are_read() -> None:
    optimizer = {"kind": "adam", "lr": 1, "betas": [0.8, 0.9]}
    assert Recipe.model_validate({"epochs": 1, "optimizer": optimizer}).optimizer == Adam(
        kind="adam", lr=1.0, betas=(0.8, 0.9)
    )
    recipe = Recipe.model_validate({"epochs": 1, "optimizer": optimizer})
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate(recipe.model_dump()) == recipe


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "greater than or equal to 1"),
        ({"epochs": 2.5}, "valid integer"),
        ({"batch_size": "64"}, "valid integer"),
        ({"optimizer": {"kind": "sgd", "lr": 0}}, "greater than 0"),
        ({"optimizer": {"kind": "sgd", "lr": float("nan")}}, "finite number|greater than 0"),
        ({"optimizer": {"kind": "sgd", "momentum": 0}}, "nesterov needs a momentum above 0; set momentum: 0.9 or"),
        ({"optimizer": {"kind": "adam", "momentum": 0.9}}, "Extra inputs"),
        ({"optimizer": {"kind": "lion"}}, "does not match any of the expected tags"),
        ({"schedule": {"kind": "one_cycle", "warmup_fraction": 1.0}}, "less than 1"),
        ({"loss": "hinge"}, "cross_entropy"),
        ({"patience": 3}, "Extra inputs"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refusals(change: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate({"epochs": 1} | change)


def test_losses_must_suit_the_task() -> None:
    assert loss_name(Recipe(epochs=1), "classification") == "cross_entropy"
    assert loss_name(Recipe(epochs=1), "regression") == "mse"
    assert loss_name(Recipe(epochs=1, loss="mse"), "classification") == "mse"
    with pytest.raises(ValueError, match="needs classes, but the task is regression; write mse"):
        loss_name(Recipe(epochs=1, loss="cross_entropy"), "regression")
    with pytest.raises(ValueError, match="set label_smoothing: 0"):
        loss_name(Recipe(epochs=1, label_smoothing=0.1), "regression")


def torch_factors(scheduler: type, steps: int, **options: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = scheduler(optimizer, **options)
    factors = []
    for _ in range(steps):
        factors.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schedule.step()
    return factors


@pytest.mark.parametrize("steps", [3, 5, 17, 204])
@pytest.mark.parametrize(("warmup", "div", "final"), [(0.3, 25.0, 1e4), (0.5, 10.0, 100.0), (0.9, 1.0, 1.0)])
def test_one_cycle_is_torchs(steps: int, warmup: float, div: float, final: float) -> None:
    options = {"max_lr": 1.0, "total_steps": steps, "pct_start": warmup, "div_factor": div, "final_div_factor": final}
    expected = torch_factors(OneCycleLR, steps, cycle_momentum=False, **options)
    schedule = OneCycle(warmup_fraction=warmup, div=div, final_div=final)
    assert [schedule.factor(step, steps) for step in range(steps)] == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_one_cycle_survives_the_shortest_trainings() -> None:
    assert OneCycle().factor(0, 1) == pytest.approx(1 / 25e4)
    assert OneCycle(warmup_fraction=0.5).factor(0, 2) == 1.0


def test_cosine_is_torchs() -> None:
    expected = torch_factors(CosineAnnealingLR, 30, T_max=30)
    assert [Cosine(kind="cosine").factor(step, 30) for step in range(30)] == pytest.approx(expected, abs=1e-12)


def test_metrics_have_names_and_directions() -> None:
    assert metrics.metric_names("classification") == ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    assert metrics.test_metric_names("regression") == ("test_loss", "test_mae")
    assert metrics.direction("val_accuracy") == "maximize"
    assert metrics.direction("val_mae") == "minimize"
    with pytest.raises(ValueError, match="unknown metric 'val_f1'; known are train_accuracy"):
        metrics.direction("val_f1")
    with pytest.raises(ValueError, match="unknown task 'detection'; known are classification, regression"):
        metrics.metric_names("detection")


def test_names_and_functions_are_of_the_same_metrics() -> None:
    assert {name: {"loss", *task.metrics} for name, task in tasks.TASKS.items()} == {
        name: set(measured) for name, measured in metrics.MEASURED.items()
    }


def test_specs_load_without_torch() -> None:
    script = (
        "import sys, worker.recipe, worker.datasource, worker.metrics, worker.job;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'ray')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
