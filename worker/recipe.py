"""How to train: epochs, batches, optimizer, schedule of the learning rate, loss. No torch."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from searchspace.blueprint import Spec, as_tuple
from worker.metrics import task_loss

MAX_EPOCHS = 100_000

Finite = Annotated[float, Field(allow_inf_nan=False)]
Rate = Annotated[Finite, Field(gt=0.0)]
Decay = Annotated[Finite, Field(ge=0.0)]
Fraction = Annotated[Finite, Field(ge=0.0, lt=1.0)]
LossName = Literal["cross_entropy", "mse"]


class Sgd(Spec):
    """Stochastic gradient descent; the decay is L2 on every parameter, as torch has it."""

    kind: Literal["sgd"] = "sgd"
    lr: Rate = 0.1
    momentum: Fraction = 0.9
    nesterov: bool = True
    weight_decay: Decay = 5e-4

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0; set momentum: 0.9 or nesterov: false")
        return self


class Adam(Spec):
    """Adam (Kingma & Ba 2015); the decay is L2 inside the gradient."""

    kind: Literal["adam"]
    lr: Rate = 1e-3
    betas: Annotated[tuple[Fraction, Fraction], BeforeValidator(as_tuple)] = (0.9, 0.999)
    eps: Rate = 1e-8
    weight_decay: Decay = 0.0


class AdamW(Spec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"]
    lr: Rate = 1e-3
    betas: Annotated[tuple[Fraction, Fraction], BeforeValidator(as_tuple)] = (0.9, 0.999)
    eps: Rate = 1e-8
    weight_decay: Decay = 0.01


class Constant(Spec):
    """The same learning rate at every step."""

    kind: Literal["constant"]

    def factor(self, step: int, steps: int) -> float:
        """What the learning rate is multiplied by at `step` (from 0) of `steps`: 1."""
        return 1.0


class Cosine(Spec):
    """From the full learning rate to 0 along half a cosine (Loshchilov & Hutter 2017, without restarts)."""

    kind: Literal["cosine"]

    def factor(self, step: int, steps: int) -> float:
        """(1 + cos(pi step / steps)) / 2."""
        return _between(1.0, 0.0, step / steps)


class OneCycle(Spec):
    """Up from lr / div to lr over the first part, then down to lr / (div final_div) (Smith & Topin 2018)."""

    kind: Literal["one_cycle"] = "one_cycle"
    warmup_fraction: Fraction = 0.3
    div: Annotated[Finite, Field(ge=1.0)] = 25.0
    final_div: Annotated[Finite, Field(ge=1.0)] = 1e4

    def factor(self, step: int, steps: int) -> float:
        """Half cosines up to the peak at step `warmup_fraction * steps - 1`, then down; as torch's OneCycleLR."""
        peak = self.warmup_fraction * steps - 1
        if peak > 0 and step <= peak:
            return _between(1 / self.div, 1.0, step / peak)
        return _between(1.0, 1 / (self.div * self.final_div), (step - peak) / (steps - 1 - peak))


class Recipe(Spec):
    """How one network is trained. `loss: null` is the task's own; smoothing needs the cross-entropy."""

    epochs: Annotated[int, Field(ge=1, le=MAX_EPOCHS)]
    batch_size: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    optimizer: Annotated[Sgd | Adam | AdamW, Field(discriminator="kind")] = Sgd()
    schedule: Annotated[Constant | Cosine | OneCycle, Field(discriminator="kind")] = OneCycle()
    loss: LossName | None = None
    label_smoothing: Fraction = 0.0


def loss_name(recipe: Recipe, task: str) -> str:
    """The loss that `recipe` means for `task`; a ValueError where the two do not go together."""
    loss = recipe.loss or task_loss(task)
    if loss == "cross_entropy" and task == "regression":
        raise ValueError("loss: cross_entropy needs classes, but the task is regression; write mse")
    if recipe.label_smoothing and loss != "cross_entropy":
        raise ValueError(f"label_smoothing: only the cross_entropy loss has it, not {loss}; set label_smoothing: 0")
    return loss


def _between(start: float, end: float, progress: float) -> float:
    """From `start` to `end` along half a cosine as `progress` goes from 0 to 1."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))
