"""Optimizers by name, with torch's meaning of every number. No torch; `worker.training.optimizers` makes them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from searchspace.blueprint import Spec, as_tuple
from worker.recipe.parts import Fraction, NotNegative, Positive, Rate

Decayed = Literal["all", "weights"]
Betas = Annotated[tuple[Fraction, Fraction], BeforeValidator(as_tuple)]


class Decaying(Spec):
    """What all have but L-BFGS. `decayed: weights` leaves biases and the parameters of norms undecayed."""

    weight_decay: NotNegative = 0.0
    decayed: Decayed = "all"


class Sgd(Decaying):
    """Stochastic gradient descent; the decay is L2, added to the gradient, as torch has it."""

    kind: Literal["sgd"] = "sgd"
    lr: Rate = 0.1
    momentum: Fraction = 0.9
    nesterov: bool = True
    weight_decay: NotNegative = 5e-4

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> Sgd:
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs a momentum above 0; set momentum: 0.9 or nesterov: false")
        return self


class Adagrad(Decaying):
    """Steps divided by the root of the summed squares of gradients (Duchi et al. 2011)."""

    kind: Literal["adagrad"]
    lr: Rate = 0.01
    eps: Positive = 1e-10


class Adadelta(Decaying):
    """Steps scaled by running means of squared steps and squared gradients (Zeiler 2012)."""

    kind: Literal["adadelta"]
    lr: Rate = 1.0
    rho: Fraction = 0.9
    eps: Positive = 1e-6


class RmsProp(Decaying):
    """Steps divided by the root of a running mean of squared gradients (Hinton, Coursera lecture 6e, 2012)."""

    kind: Literal["rmsprop"]
    lr: Rate = 0.01
    alpha: Fraction = 0.99
    eps: Positive = 1e-8
    momentum: Fraction = 0.0


class Adam(Decaying):
    """Adam (Kingma & Ba 2015); the decay is L2 inside the gradient."""

    kind: Literal["adam"]
    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8


class AdamW(Decaying):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    kind: Literal["adamw"]
    lr: Rate = 1e-3
    betas: Betas = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: NotNegative = 0.01


class Lbfgs(Spec):
    """L-BFGS with a strong-Wolfe line search (Nocedal & Wright 2006, ch. 7): needs `batch_size: all`."""

    kind: Literal["lbfgs"]
    lr: Positive = 1.0
    iterations: Annotated[int, Field(ge=1, le=1_000)] = 20
    history: Annotated[int, Field(ge=1, le=1_000)] = 10


Optimizer = Sgd | Adagrad | Adadelta | RmsProp | Adam | AdamW | Lbfgs
