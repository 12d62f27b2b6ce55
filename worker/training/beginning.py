"""What happens before the first epoch: the learning rate is found, the examples are ranked; or a checkpoint knows."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from searchspace.core import Network
from worker import build
from worker.checkpoint import Checkpoint
from worker.data import Splits
from worker.job import Job
from worker.training import curriculum, gradients, lr_range, optimizers, order, steps
from worker.training.fitting import that_fits
from worker.training.run import Run, auxiliaries, prepared

PLAIN = ("curriculum", "early_stopping", "average")
"""What the training that ranks examples leaves out."""


def begun(network: Network, splits: Splits, job: Job, found: Checkpoint | None) -> Run:
    """Ready for the first epoch, or for the one after the checkpoint's."""
    run = prepared(network, splits, job)
    if found:
        return resumed(run, found)
    if run.recipe.optimizer.lr == "auto":
        result = that_fits(run, "in the range test", lambda: rate(run))
        run.journal.lr, run.journal.lr_curve = result.lr, [list(point) for point in result.curve]
    return replace(run, pool=ranked(run, job)) if run.recipe.curriculum else run


def resumed(run: Run, found: Checkpoint) -> Run:
    """As it was at the checkpoint, with as much time left."""
    run.journal.recall(found)
    run.restore(found.tensors)
    if found.torch != torch.__version__:
        note = f"up to epoch {found.epoch} by torch {found.torch}, from there on by {torch.__version__}"
        run.journal.notes.append(f"trained {note}: the numbers are those of no one version")
    pool = found.tensors["curriculum/pool"] if run.recipe.curriculum else run.pool
    return replace(run, pool=pool, deadline=run.deadline - run.journal.seconds)


def rate(run: Run) -> lr_range.Found:
    """The learning rate by a range test on a copy of the module, with batches and masks of its own."""
    batches = order.of_epoch(run, 0)

    def loss(model: nn.Module, step: int) -> Tensor:
        here = steps.begun(replace(run, model=model, forward=model, auxiliaries=auxiliaries(model)), -step)
        x, y = next(iter(run.splits.train.batches([batches[step % len(batches)]])))
        value, _ = steps.backward(here.run, *steps.augmented(here, x, y))
        if run.recipe.clip:
            gradients.clip(model.parameters(), run.recipe.clip)
        steps.check_time(run, "in the range test")
        return value

    return lr_range.find(run.model, lambda model, lr: optimizers.make(model, run.recipe.optimizer, lr), loss)


def ranked(run: Run, job: Job) -> Tensor:
    """The pool in the order in which a curriculum takes it up: by each example's loss after a short plain training."""
    spec = run.recipe.curriculum
    assert spec is not None
    plain = {name: value for name, value in job.recipe.items() if name not in PLAIN} | {"epochs": spec.epochs}
    scorer = replace(prepared(run.network, run.splits, replace(job, recipe=plain)), deadline=run.deadline)
    scorer.journal.lr, scorer.journal.parts = run.journal.lr, run.journal.parts
    for epoch in range(1, spec.epochs + 1) if spec.order != "random" else ():
        that_fits(scorer, "in ranking the examples", partial(steps.trained, scorer, epoch))
    labels = run.splits.train.y.cpu()[run.pool] if run.task.name == "classification" else None
    each = that_fits(scorer, "in ranking the examples", partial(losses, scorer))
    places = curriculum.ranked(each, spec.order, build.generator(run.seed, "curriculum"), labels)
    return run.pool[places]


@torch.inference_mode()
def losses(run: Run) -> Tensor:
    """The plain loss of each example of the pool."""
    run.model.eval()
    batches = run.splits.train.batches(order.split(run.pool.to(run.device), steps.evaluated_at_once(run)))
    each = torch.vmap(lambda outputs, target: run.loss(outputs[None], target[None], 0.0))
    return torch.cat([each(steps.viewed(run, x.to(run.precision.held)), y) for x, y in batches])
