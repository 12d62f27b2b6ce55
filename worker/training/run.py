"""One training: everything that it is made of, made ready for its first step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from searchspace.core import Network
from worker import build, data, tasks
from worker.checkpoint import Checkpoint, under
from worker.data import Scale, Splits
from worker.job import EpochMetrics, Job, TrainingFailed
from worker.layers import Auxiliary, Dropout
from worker.measure import MeasureSpec
from worker.recipe import Recipe, check_balance, loss_name
from worker.recipe.spec import Ema
from worker.training import augment, initial, optimizers
from worker.training.averaging import Average
from worker.training.devices import Precision, device_of, precision_of

Augment = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
UNLEARNED = 0.05
"""So much of the first weights in an average at the end is told."""
SAMPLE = 10_000
"""Training examples that first filters are made of."""


@dataclass
class Journal:
    """What a training has found out on its way, and a checkpoint keeps.

    `lr` is the peak learning rate, found or given; `parts` into how many each step is split. `best` holds the weights
    of the best epoch, under early stopping. `replicas` says whether and why it is trained together with others.
    """

    lr: float
    parts: int = 1
    notes: list[str] = field(default_factory=list)
    lr_curve: list[list[float]] | None = None
    watched: list[dict[str, Any]] = field(default_factory=list)
    replicas: dict[str, Any] | None = None
    history: list[EpochMetrics] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """That its epochs were trained."""
        return sum(told.train_seconds for told in self.history)

    def facts(self) -> dict[str, Any]:
        """The part that is JSON, without the epochs."""
        names = ("lr", "parts", "notes", "lr_curve", "watched", "replicas")
        return {name: getattr(self, name) for name in names}

    def recall(self, found: Checkpoint) -> None:
        """What a checkpoint remembers, but for its tensors."""
        self.history[:] = found.history
        for name, value in found.facts.items():
            setattr(self, name, value)

    def findings(self) -> dict[str, Any]:
        """What the user is told of it at the end."""
        found = {"lr": self.lr, "lr_curve": self.lr_curve} if self.lr_curve else {}
        return found | {name: getattr(self, name) for name in ("notes", "watched", "replicas") if getattr(self, name)}


@dataclass(frozen=True)
class Run:
    """What is trained, with what, on what. Module, optimizer, average and journal change, nothing else does.

    `forward` is the module, compiled where the recipe says so. A regression learns standardized targets: `unit` brings
    outputs into the unit of the source, and `loss` takes outputs and targets of that unit. `pool` holds the indices of
    the training examples that may be seen, the first ones first under a curriculum.
    """

    network: Network
    model: nn.Module
    forward: Callable[[Tensor], Tensor]
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    task: tasks.Task
    loss: tasks.Loss
    unit: Callable[[Tensor], Tensor]
    splits: Splits
    pool: Tensor
    seed: int
    device: torch.device
    precision: Precision
    journal: Journal
    augment: Augment | None = None
    average: Average | None = None
    views: Sequence[Callable[[Tensor], Tensor]] = ()
    auxiliaries: Sequence[Auxiliary] = ()
    asked: MeasureSpec = field(default_factory=MeasureSpec)
    timeout: float = math.inf
    deadline: float = math.inf

    @cached_property
    def batch(self) -> int:
        """Examples per step."""
        return self.recipe.batch(len(self.pool))

    @cached_property
    def least(self) -> int:
        """Examples that a batch must have: a batch norm needs two."""
        return 2 if build.has_batch_norm(self.model) else 1

    @cached_property
    def steps(self) -> int:
        """Steps per epoch. A last batch that is too small is left out."""
        whole, rest = divmod(len(self.pool), self.batch)
        steps = whole + (rest >= self.least)
        if steps == 0 or self.batch < self.least:
            reason = "batch_size: a batch norm cannot train on batches of one; set batch_size to 2 or more"
            raise TrainingFailed("error", reason)
        return steps

    @cached_property
    def parameters(self) -> list[nn.Parameter]:
        """What the optimizer changes."""
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]

    def split(self, parts: int, why: str | None = None) -> None:
        """Each step in so many parts that follow one another; a batch norm then sees a part at a time, so say so."""
        self.journal.parts = parts
        size = -(-self.batch // parts)
        note = f"{why}: from there on each step is computed in {parts} parts of {size} examples" if why else ""
        if self.least > 1 and parts > 1:
            note += ("; " if note else "") + f"batch norms take their statistics over the {size} examples of a part"
        if note:
            self.journal.notes.append(note)

    def generator(self, purpose: str, epoch: int) -> torch.Generator:
        """The only source of randomness: nothing random outlives an epoch."""
        return build.generator(self.seed, purpose, epoch, device=self.device)

    def seed_dropout(self, epoch: int) -> None:
        """Every dropout draws its masks from the epoch's own stream."""
        stream = self.generator("dropout", epoch)
        for layer in self.model.modules():
            if isinstance(layer, Dropout):
                layer.generator = stream

    def state(self) -> dict[str, Tensor]:
        """All tensors that the next epoch depends on, under `weights/`, `optimizer/`, `average/`, ..."""
        parts = {"weights": self.model.state_dict(), "optimizer": optimizers.state(self.model, self.optimizer)}
        parts |= {"average": self.average.state() if self.average else {}, "best": self.journal.best}
        parts |= {"curriculum": {"pool": self.pool} if self.recipe.curriculum else {}}
        return {f"{part}/{name}": value for part, tensors in parts.items() for name, value in tensors.items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go back to what `state` gave; the very same bits follow."""
        self.model.load_state_dict(under("weights/", state))
        self.optimizer.state.clear()
        optimizers.restore(self.model, self.optimizer, under("optimizer/", state))
        self.journal.best = under("best/", state)
        if self.average:
            self.average.restore(under("average/", state))


def prepared(network: Network, splits: Splits, job: Job) -> Run:
    """The module with its first weights, its optimizer, and the data, on the job's device."""
    recipe, device = Recipe.model_validate(job.recipe), device_of(job)
    precision, splits = precision_of(recipe.precision, device), data.moved(splits, device)
    pool = pool_of(recipe, splits, job.task)
    model = initialized(network, recipe, job.seed, splits, pool).to(device, precision.held)
    if len(network.input) == 3:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    lr = 1.0 if recipe.optimizer.lr == "auto" else recipe.optimizer.lr
    unit, loss = in_unit(splits.target, tasks.losses(loss_name(recipe, job.task)), device)
    run = Run(
        network=network,
        model=model,
        forward=compiled(model, device) if recipe.compile else model,
        optimizer=optimizers.make(model, recipe.optimizer, lr, fused=True),
        recipe=recipe,
        task=tasks.task_of(job.task, recipe.metrics),
        loss=loss,
        unit=unit,
        splits=splits,
        pool=pool,
        seed=job.seed,
        device=device,
        precision=precision,
        journal=Journal(lr, notes=list(splits.notes)),
        augment=augment.augmenter(recipe.augment, splits.transform, splits.facts.outputs) if recipe.augment else None,
        average=Average(model, recipe.average) if recipe.average else None,
        views=augment.views(recipe.test_augment, len(network.input) - 1) if recipe.test_augment else (),
        auxiliaries=auxiliaries(model),
        asked=MeasureSpec.model_validate(job.measure),
        timeout=job.timeout_seconds or math.inf,
        deadline=time.monotonic() + (job.timeout_seconds or math.inf),
    )
    if isinstance(recipe.accumulate, int):
        run.split(recipe.accumulate)
    run.journal.notes += slow_average(run)
    return run


def slow_average(run: Run) -> list[str]:
    """A note where the average of weights never gets rid of the first ones; those weigh decay^steps at the end."""
    if not isinstance(run.recipe.average, Ema):
        return []
    decay, steps = run.recipe.average.decay, run.steps * run.recipe.epochs
    if decay**steps < UNLEARNED:
        return []
    part = f"{decay**steps:.0%} of it are the first weights"
    return [f"average: a decay of {decay:g} is slow for {steps:,} steps: {part}; lower it, or train longer"]


def initialized(network: Network, recipe: Recipe, seed: int, splits: Splits, pool: Tensor) -> nn.Module:
    """The module with the study's first weights; filters of the data are of examples that may be seen."""
    model = build.module(network)
    initial.initialize(model, seed, recipe.initial, lambda: next(splits.train.batches([pool[:SAMPLE]]))[0].cpu())
    return model


def auxiliaries(model: nn.Module) -> tuple[Auxiliary, ...]:
    return tuple(layer for layer in model.modules() if isinstance(layer, Auxiliary))


def in_unit(
    scale: Scale | None, loss: tasks.Loss, device: torch.device
) -> tuple[Callable[[Tensor], Tensor], tasks.Loss]:
    """How outputs come into the unit of the source, and the loss of the standardized values behind them."""
    if scale is None:
        return lambda outputs: outputs, loss
    mean, std = (torch.tensor(values, device=device) for values in (scale.mean, scale.std))
    return (
        lambda outputs: outputs * std + mean,
        lambda outputs, targets, smoothing: loss((outputs - mean) / std, (targets - mean) / std, smoothing),
    )


def compiled(model: nn.Module, device: torch.device) -> Callable[[Tensor], Tensor]:
    """On a GPU in CUDA graphs, whose outputs the next call overwrites, so they are copied. Not measured on a GPU.

    Each shape is compiled for itself; what an earlier network left behind would be in the way.
    """
    torch._dynamo.reset()
    if device.type != "cuda":
        return torch.compile(model, dynamic=False)
    graphed = torch.compile(model, dynamic=False, mode="reduce-overhead")

    def forward(x: Tensor) -> Tensor:
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        outputs: Tensor = graphed(x).clone()
        return outputs

    return forward


def pool_of(recipe: Recipe, splits: Splits, task: str) -> Tensor:
    """The indices of the training examples that may be seen."""
    check_balance(recipe, task)
    if recipe.examples is None:
        return torch.arange(len(splits.train))
    return data.subset(splits.train.y.cpu(), task, recipe.examples)
