"""How to train: epochs, batches, optimizer, schedule, loss, augmentation, and how to stop. No torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from searchspace.blueprint import Spec, as_tuple
from searchspace.language.problems import nearest
from worker.metrics import metric_names, task_loss
from worker.recipe.augmentation import Curriculum, Input, Steps, TestAugmentation
from worker.recipe.initial import Initial
from worker.recipe.named import merged
from worker.recipe.optimizers import Lbfgs, Optimizer, Sgd
from worker.recipe.parts import Fraction, NotNegative, Positive, Share
from worker.recipe.schedules import OneCycle, Schedule

MAX_EPOCHS = 100_000

LossName = Literal["cross_entropy", "binary_cross_entropy", "mse", "huber"]


class Clip(Spec):
    """Gradients scaled down to a total `norm`, or cut to [-value, value] one by one."""

    norm: Positive | None = None
    value: Positive | None = None

    @model_validator(mode="after")
    def _one(self) -> Clip:
        if (self.norm is None) == (self.value is None):
            raise ValueError("clip takes one of norm and value; write {norm: 1.0}")
        return self


class GradientNoise(Spec):
    """Normal noise on the gradients, of variance eta / (1 + t)^gamma at step t (Neelakantan et al. 2015)."""

    eta: Positive = 0.01
    gamma: NotNegative = 0.55


class EarlyStopping(Spec):
    """Stop after `patience` epochs without the validation `metric` better by `min_delta`; the best epoch's weights."""

    patience: Annotated[int, Field(ge=1)] = 10
    min_delta: NotNegative = 0.0
    metric: str = "val_loss"


class Ema(Spec):
    """An exponential moving average of the weights after each step is what is validated and kept."""

    kind: Literal["ema"]
    decay: Fraction = 0.999


class Swa(Spec):
    """The mean of the weights at the epoch ends of the last part of training (Izmailov et al. 2018).

    `start` is the share of epochs after which it begins. Batch norms' statistics are taken anew for the mean.
    """

    kind: Literal["swa"]
    start: Fraction = 0.75


class Recipe(Spec):
    """How one network is trained. `like` names a published recipe, whose values stand where none are written.

    `loss: null` is the task's own; smoothing needs the cross-entropy. What is null is off.
    """

    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] | Literal["all"] = 64
    optimizer: Annotated[Optimizer, Field(discriminator="kind")] = Sgd()
    schedule: Annotated[Schedule, Field(discriminator="kind")] = OneCycle()
    loss: LossName | None = None
    label_smoothing: Fraction = 0.0
    metrics: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] | None = None
    examples: Annotated[int, Field(ge=2)] | Share | None = None
    balanced: bool | None = None
    input: Input | None = None
    augment: Steps | None = None
    curriculum: Curriculum | None = None
    initial: Initial | None = None
    clip: Clip | None = None
    noise: GradientNoise | None = None
    accumulate: Annotated[int, Field(ge=1)] | Literal["auto"] | None = None
    average: Annotated[Ema | Swa, Field(discriminator="kind")] | None = None
    early_stopping: EarlyStopping | None = None
    test_augment: TestAugmentation | None = None
    precision: Literal["auto", "float32", "bfloat16", "float64"] | None = None
    compile: bool | None = None

    def batch(self, examples: int) -> int:
        """Examples per step, of so many."""
        return examples if self.batch_size == "all" else self.batch_size

    @model_validator(mode="before")
    @classmethod
    def _like(cls, data: Any) -> Any:
        return merged(data)

    @model_validator(mode="after")
    def _whole_batches(self) -> Recipe:
        if isinstance(self.optimizer, Lbfgs) and self.batch_size != "all":
            raise ValueError("batch_size: lbfgs needs all examples at every step; write batch_size: all")
        changed = next((name for name in ("noise", "clip") if getattr(self, name)), None)
        if isinstance(self.optimizer, Lbfgs) and changed:
            raise ValueError(f"{changed}: a line search needs the gradients themselves; leave it out, or use sgd")
        return self


def loss_name(recipe: Recipe, task: str) -> str:
    """The loss that `recipe` means for `task`; a ValueError where the two do not go together."""
    loss = recipe.loss or task_loss(task)
    if loss in ("cross_entropy", "binary_cross_entropy") and task == "regression":
        raise ValueError(f"loss: {loss} needs classes, but the task is regression; write mse")
    if recipe.label_smoothing and loss != "cross_entropy":
        raise ValueError(f"label_smoothing: only the cross_entropy loss has it, not {loss}; set label_smoothing: 0")
    return loss


def check_balance(recipe: Recipe, task: str) -> None:
    """A ValueError where there are no classes to draw equally often."""
    if recipe.balanced and task != "classification":
        raise ValueError(f"balanced: draws every class equally often, but the task is {task}; leave it out")


def metrics_of(recipe: Recipe, task: str) -> tuple[str, ...]:
    """The names of what each epoch reports; a ValueError at a metric that the task does not have."""
    return metric_names(task, recipe.metrics)


def stopping_metric(recipe: Recipe, task: str) -> str | None:
    """What early stopping looks at; a ValueError unless it is measured on the validation part."""
    if recipe.early_stopping is None:
        return None
    known = [name for name in metric_names(task, recipe.metrics) if name.startswith("val_")]
    metric = recipe.early_stopping.metric
    if metric not in known:
        raise ValueError(f"early_stopping.metric: {metric!r} is not measured{nearest(metric, known)}")
    return metric
