"""In which order the examples of an epoch are seen, decided by (seed, epoch) alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from worker import build, data
from worker.training import curriculum
from worker.training.run import Run


def of_epoch(run: Run, epoch: int) -> Sequence[Tensor]:
    """The indices of each step. There are as many steps whatever part of the pool a curriculum allows."""
    pool, count = run.pool, len(run.pool)
    stream = build.generator(run.seed, "order", epoch)
    if run.recipe.curriculum:
        pool = pool[: curriculum.allowed(run.recipe.curriculum, epoch, run.recipe.epochs, count)]
    if run.recipe.balanced:
        order = pool[data.balanced_order(run.splits.train.y[pool.to(run.device)], count, stream)]
    else:
        order = shuffled(pool, count, stream)
    return split(order.to(run.device), run.batch, run.least)


def shuffled(pool: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`count` of the pool's indices in random order: each once, and again in another order until there are enough."""
    rounds = -(-count // len(pool))
    drawn = [torch.randperm(len(pool), generator=generator) for _ in range(rounds)]
    return pool[torch.cat(drawn)[:count]]


def split(order: Tensor, size: int, least: int = 1) -> Sequence[Tensor]:
    """The indices of each step; a last batch of fewer than `least` is left out."""
    batches: tuple[Tensor, ...] = torch.split(order, size)
    return batches if len(batches[-1]) >= least else batches[:-1]
