"""The recipe: defaults, refusals, schedules against torch's own, and the published recipes by name."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from worker.recipe import Adam, AdamW, Cosine, OneCycle, Progress, Recipe, Sgd, loss_name
from worker.recipe.named import NAMED, SOURCES
from worker.recipe.schedules import Constant, Exponential, Linear, Plateau, Schedule, Step, Warmup
from worker.recipe.spec import Ema
from worker.training import averaging, gradients, optimizers


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


LBFGS = {"optimizer": {"kind": "lbfgs"}, "batch_size": "all"}


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
        ({"schedule": {"kind": "step"}}, r"takes one of at and every, not neither; write at: \[80, 120\] or every: 30"),
        ({"schedule": {"kind": "step", "at": [3], "every": 2}}, "one of at and every, not both; write"),
        ({"schedule": {"kind": "step", "at": [5, 2, 5]}}, r"\[5, 2, 5\] does not rise; write \[2, 5\]"),
        ({"optimizer": {"kind": "lbfgs"}}, "lbfgs needs all examples at every step; write batch_size: all"),
        (LBFGS | {"noise": {}}, "noise: a line search needs the gradients themselves; leave it out, or use sgd"),
        (
            LBFGS | {"clip": {"norm": 1.0}},
            "clip: a line search needs the gradients themselves; leave it out, or use sgd",
        ),
        ({"clip": {"norm": 1.0, "value": 1.0}}, "clip takes one of norm and value"),
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


def factors(schedule: Schedule, steps: int, per_epoch: int = 1, losses: Sequence[float] = ()) -> list[float]:
    """Of all steps; at each, the schedule knows the losses of the epochs that are done."""
    return [schedule.factor(Progress(step, steps, per_epoch, losses[: step // per_epoch])) for step in range(steps)]


def torch_factors(make: Callable[[Optimizer], Any], steps: int, per_epoch: int = 1) -> list[float]:
    """Of torch's scheduler from a rate of 1, stepped after every `per_epoch` steps."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimizer)
    found = []
    for step in range(1, steps + 1):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if step % per_epoch == 0:
                schedule.step()
    return found


@pytest.mark.parametrize("steps", [3, 5, 17, 204])
@pytest.mark.parametrize(("warmup", "div", "final"), [(0.3, 25.0, 1e4), (0.5, 10.0, 100.0), (0.9, 1.0, 1.0)])
def test_one_cycle_is_torchs(steps: int, warmup: float, div: float, final: float) -> None:
    options = {"max_lr": 1.0, "total_steps": steps, "pct_start": warmup, "div_factor": div, "final_div_factor": final}
    expected = torch_factors(lambda optimizer: OneCycleLR(optimizer, cycle_momentum=False, **options), steps)
    schedule = OneCycle(warmup_fraction=warmup, div=div, final_div=final)
    assert factors(schedule, steps) == pytest.approx(expected, rel=1e-12, abs=1e-15)


def test_one_cycle_survives_the_shortest_trainings() -> None:
    assert factors(OneCycle(), 1) == [1.0]
    assert factors(OneCycle(warmup_fraction=0.5), 2)[0] == 1.0


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (Constant(kind="constant"), lambda it: LambdaLR(it, lambda epoch: 1.0)),
        (Step(kind="step", every=3, by=0.5), lambda it: StepLR(it, 3, 0.5)),
        (Step(kind="step", at=(2, 5), by=0.2), lambda it: MultiStepLR(it, [2, 5], 0.2)),
        (Exponential(kind="exponential", by=0.9), lambda it: ExponentialLR(it, 0.9)),
    ],
    ids=["constant", "every", "at", "exponential"],
)
def test_schedules_by_epoch_are_torchs(schedule: Schedule, theirs: Callable[[Optimizer], Any]) -> None:
    assert factors(schedule, 40, 5) == pytest.approx(torch_factors(theirs, 40, 5), rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "theirs"),
    [
        (Cosine(kind="cosine"), lambda it: CosineAnnealingLR(it, 30)),
        (Cosine(kind="cosine", last=0.1), lambda it: CosineAnnealingLR(it, 30, 0.1)),
        (Linear(kind="linear", last=0.2), lambda it: LinearLR(it, 1.0, 0.2, 30)),
    ],
    ids=["cosine", "cosine_to", "linear"],
)
def test_schedules_by_step_are_torchs(schedule: Schedule, theirs: Callable[[Optimizer], Any]) -> None:
    assert factors(schedule, 30) == pytest.approx(torch_factors(theirs, 30), abs=1e-12)


LOSSES = [3.0, 2.0, 2.1, 1.99, 1.985, 1.0, 1.0, 0.995, 0.7, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.695, 0.2, 0.1]


@pytest.mark.parametrize(("patience", "by", "least"), [(1, 0.1, 1e-4), (2, 0.5, 0.01), (1, 0.3, 0.1), (9, 0.1, 0.0)])
def test_plateau_is_torchs(patience: int, by: float, least: float) -> None:
    losses = iter(LOSSES)

    class Told(ReduceLROnPlateau):
        def step(self) -> None:  # type: ignore[override]
            super().step(next(losses))

    def theirs(optimizer: Optimizer) -> Told:
        return Told(optimizer, "min", by, patience, least, "rel", eps=0.0)

    steps = 3 * len(LOSSES)
    schedule = Plateau(kind="plateau", patience=patience, by=by, min_delta=least)
    expected = torch_factors(theirs, steps, 3)
    assert factors(schedule, steps, 3, LOSSES) == pytest.approx(expected, rel=1e-12)
    assert (min(expected) < 1) == (patience < 9)


def test_a_warm_up_is_torchs_one_step_ahead() -> None:
    schedule = Constant(kind="constant", warmup=Warmup(epochs=2.4, first=0.25))
    theirs = torch_factors(lambda it: LinearLR(it, 0.25, 1.0, 12), 31)
    assert factors(schedule, 30, 5) == pytest.approx(theirs[1:], rel=1e-12)
    assert factors(Constant(kind="constant", warmup=Warmup(epochs=1)), 5, 4) == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_what_falls_all_the_way_falls_after_the_warm_up() -> None:
    schedule = Cosine(kind="cosine", warmup=Warmup(epochs=2))
    assert factors(schedule, 30, 5)[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert factors(schedule, 30, 5)[10:] == pytest.approx(torch_factors(lambda it: CosineAnnealingLR(it, 20), 20))
    straight = factors(Linear(kind="linear", last=0.5, warmup=Warmup(epochs=1)), 15, 5)
    assert straight[5:] == pytest.approx([1 - 0.5 * step / 10 for step in range(10)])


def test_a_warm_up_multiplies_what_drops_at_epochs() -> None:
    schedule = Step(kind="step", at=(1, 4), warmup=Warmup(epochs=2))
    assert factors(schedule, 10, 2) == pytest.approx([0.25, 0.5, 0.075, 0.1, 0.1, 0.1, 0.1, 0.1, 0.01, 0.01])


def test_a_warm_up_may_be_longer_than_the_training() -> None:
    for schedule in (Cosine(kind="cosine", warmup=Warmup(epochs=8)), Linear(kind="linear", warmup=Warmup(epochs=8))):
        assert factors(schedule, 4) == [pytest.approx((step + 1) / 8) for step in range(4)]


def test_specs_load_without_torch() -> None:
    script = (
        "import sys, worker.recipe, worker.datasource, worker.metrics, worker.job;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'sklearn', 'ray')))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def like(name: str, **own: Any) -> Recipe:
    return Recipe.model_validate({"like": name, **own})


@pytest.mark.parametrize("name", NAMED)
def test_published_recipes_are_whole(name: str) -> None:
    recipe = like(name)
    assert recipe.epochs == NAMED[name]["epochs"]
    assert name.rpartition("-")[2][:2] == "20" or name == "resnet-2015-cifar"
    assert Recipe.model_validate(recipe.model_dump()) == recipe
    assert like(name, epochs=3).epochs == 3


def test_each_has_its_source() -> None:
    assert NAMED.keys() == SOURCES.keys()


def test_the_papers_numbers() -> None:
    wrn = like("wrn-2016")
    assert (wrn.epochs, wrn.batch_size) == (200, 128)
    assert wrn.optimizer == Sgd(lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4)
    assert wrn.schedule == Step(kind="step", at=(60, 120, 160), by=0.2)
    airbench = like("airbench-2024").optimizer
    assert isinstance(airbench, Sgd)
    assert airbench.lr == pytest.approx(11.5 / (1 + 1 / (1 - 0.85)))
    tricks = like("bag-of-tricks-2018")
    assert tricks.label_smoothing == 0.1
    assert tricks.initial is not None
    assert tricks.initial.zero_gamma


def test_a_section_of_the_same_kind_is_merged_by_field() -> None:
    paper = Sgd(lr=0.2, momentum=0.9, nesterov=False, weight_decay=1e-4)
    assert like("resnet-2015", optimizer={"lr": 0.2}).optimizer == paper
    assert like("resnet-2015", optimizer={"kind": "sgd", "lr": 0.2}).optimizer == paper
    assert like("wrn-2016", schedule={"by": 0.5}).schedule == Step(kind="step", at=(60, 120, 160), by=0.5)
    assert like("googlenet-2014", average={"decay": 0.9}).average == Ema(kind="ema", decay=0.9)


def test_a_section_of_another_kind_replaces() -> None:
    assert like("resnet-2015", optimizer={"kind": "adamw", "lr": 0.2}).optimizer == AdamW(kind="adamw", lr=0.2)
    assert like("resnet-2015", schedule={"kind": "cosine"}).schedule == Cosine(kind="cosine")


def test_lists_and_nothing_replace() -> None:
    assert like("resnet-2015", augment=[{"kind": "flip"}]).augment == like("resnet-2015").augment[1:2]
    assert like("resnet-2015", augment=None).augment is None
    assert like("bag-of-tricks-2018", schedule={"warmup": None}).schedule == Cosine(kind="cosine")


def test_a_field_drives_out_the_one_that_it_excludes() -> None:
    assert like("wrn-2016", schedule={"every": 60}).schedule == Step(kind="step", every=60, by=0.2)
    assert like("resnext-2016", schedule={"at": [9]}).schedule == Step(kind="step", at=(9,))
    clip = like("mobilenet-2017", clip={"value": 0.5}).clip
    assert clip is not None
    assert (clip.norm, clip.value) == (None, 0.5)


def test_epochs_of_the_paper_shrink_with_a_shorter_training() -> None:
    assert like("wrn-2016", epochs=20).schedule == Step(kind="step", at=(6, 12, 16), by=0.2)
    assert like("wrn-2016", epochs=2).schedule == Step(kind="step", at=(1, 2), by=0.2)
    assert like("wrn-2016", epochs=20, schedule={"at": [15]}).schedule == Step(kind="step", at=(15,), by=0.2)
    assert like("resnext-2016", epochs=40).schedule == Step(kind="step", every=10)
    tricks = like("bag-of-tricks-2018", epochs=20).schedule
    assert tricks == Cosine(kind="cosine", warmup=Warmup(epochs=0.5))


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("resnet-cifar", "did you mean 'resnet-2015-cifar'?"),
        ("qqq", "known here: alexnet-2012, vgg-2014,"),
        (7, "known here:"),
    ],
    ids=str,
)
def test_an_unknown_recipe_has_a_nearest(name: object, cure: str) -> None:
    with pytest.raises(ValidationError, match=f"there is no recipe {name!r}.*{cure}"):
        Recipe.model_validate({"like": name, "epochs": 1})


def test_like_nothing_is_no_recipe() -> None:
    assert Recipe.model_validate({"like": None, "epochs": 2}) == Recipe(epochs=2)


@pytest.mark.parametrize("name", NAMED)
def test_published_recipes_train(name: str) -> None:
    """Ten epochs of 240 digits in batches of 30, the rates of very large batches lowered in proportion to theirs."""
    recipe, size = like(name, epochs=10), 30
    digits = load_digits()
    x = torch.tensor(digits.images[:240], dtype=torch.float32)[:, None] / 16 - 0.3
    y = torch.tensor(digits.target[:240])
    torch.manual_seed(0)
    layers = [nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)]
    model = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    assert recipe.optimizer.lr != "auto"
    rate = recipe.optimizer.lr * (size / recipe.batch(240) if recipe.batch(240) >= 1000 else 1)
    optimizer = optimizers.make(model, recipe.optimizer, rate, fused=True)
    average = averaging.Average(model, recipe.average) if recipe.average else None
    per_epoch = 240 // size
    losses: list[float] = []
    for step in range(10 * per_epoch):
        at = Progress(step, 10 * per_epoch, per_epoch)
        optimizers.set_rate(optimizer, rate * recipe.schedule.factor(at))
        part = slice(step % per_epoch * size, (step % per_epoch + 1) * size)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x[part]), y[part], label_smoothing=recipe.label_smoothing)
        loss.backward()
        if recipe.clip:
            gradients.clip(model.parameters(), recipe.clip)
        optimizer.step()
        losses.append(loss.item())
        if average:
            average.after_step()
    assert sum(losses[-per_epoch:]) < 0.7 * sum(losses[:per_epoch])
