"""What happens before the first epoch: the learning rate is found, the examples are ranked; or a checkpoint knows."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from searchspace.core import Network
from worker import build
from worker.checkpoint import Checkpoint
from worker.data import Splits
from worker.job import Job
from worker.training import curriculum, lr_range, optimizers, order, steps
from worker.training.run import Run, auxiliaries, prepared

PLAIN = ("curriculum", "early_stopping", "average")
"""What the training that ranks examples leaves out."""


def begun(network: Network, splits: Splits, job: Job, found: Checkpoint | None) -> Run:
    """Ready for the first epoch, or for the one after the checkpoint's."""
    run = prepared(network, splits, job)
    if found:
        return resumed(run, found)
    if run.recipe.optimizer.lr == "auto":
        result = rate(run)
        run.journal.lr, run.journal.lr_curve = result.lr, [list(point) for point in result.curve]
    return replace(run, pool=ranked(run, job)) if run.recipe.curriculum else run


def resumed(run: Run, found: Checkpoint) -> Run:
    """As it was at the checkpoint."""
    run.journal.recall(found)
    run.restore(found.tensors)
    return replace(run, pool=found.tensors["curriculum/pool"]) if run.recipe.curriculum else run


def rate(run: Run) -> lr_range.Found:
    """The learning rate by a range test on a copy of the module, with batches and masks of its own."""
    batches = order.of_epoch(run, 0)

    def loss(model: nn.Module, step: int) -> Tensor:
        here = steps.begun(replace(run, model=model, forward=model, auxiliaries=auxiliaries(model)), -step)
        x, y = next(iter(run.splits.train.batches([batches[step % len(batches)]])))
        x, targets = steps.augmented(here, x, y)
        outputs = steps.forward(here.run, x)
        main = run.loss(outputs, targets, run.recipe.label_smoothing)
        return steps.with_side_losses(here.run, main, targets)

    return lr_range.find(run.model, lambda model, lr: optimizers.make(model, run.recipe.optimizer, lr), loss)


def ranked(run: Run, job: Job) -> Tensor:
    """The pool in the order in which a curriculum takes it up: by each example's loss after a short plain training."""
    spec = run.recipe.curriculum
    assert spec is not None
    plain = {name: value for name, value in job.recipe.items() if name not in PLAIN} | {"epochs": spec.epochs}
    scorer = prepared(run.network, run.splits, replace(job, recipe=plain))
    scorer.journal.lr = run.journal.lr
    for epoch in range(1, spec.epochs + 1) if spec.order != "random" else ():
        steps.trained(scorer, epoch)
    labels = run.splits.train.y.cpu()[run.pool] if run.task.name == "classification" else None
    places = curriculum.ranked(losses(scorer), spec.order, build.generator(run.seed, "curriculum"), labels)
    return run.pool[places]


@torch.inference_mode()
def losses(run: Run) -> Tensor:
    """The plain loss of each example of the pool."""
    run.model.eval()
    batches = run.splits.train.batches(order.split(run.pool.to(run.device), max(steps.LEAST_EVALUATED, run.batch)))
    each = torch.vmap(lambda outputs, target: run.loss(outputs[None], target[None], 0.0))
    return torch.cat([each(steps.viewed(run, x.to(run.precision.held)), y) for x, y in batches])
