"""Easy examples first: which examples an epoch may see, by how hard a network found them (Hacohen & Weinshall 2019)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from worker.recipe.augmentation import Curriculum

Order = Literal["easiest", "hardest", "random"]
ROUNDING = 1e-9
"""A share that floats make a little larger than it is gives no example more."""


def allowed(spec: Curriculum, epoch: int, epochs: int, n: int) -> int:
    """How many of n examples epoch (from 1) of `epochs` trains on: the first so many of `ranked`.

    The share is first + (1 - first) (epoch - 1) / (over epochs), at most 1; rounded up, so there is always one.
    """
    share = spec.first + (1 - spec.first) * (epoch - 1) / (spec.over * epochs)
    return n if share >= 1 else math.ceil(share * n - ROUNDING)


def ranked(losses: Tensor, order: Order, generator: torch.Generator, labels: Tensor | None = None) -> Tensor:
    """The n examples' indices in the order in which they join, of their losses (n,); equal losses in random order.

    With `labels`, each class joins at the same pace: its r-th example of m stands at (r + 1/2) / m, as the paper keeps
    classes balanced. A loss that is not a number is the largest. Indices are on the CPU, where order is decided.
    """
    n, losses = len(losses), losses.detach().cpu()
    shuffled = torch.randperm(n, generator=generator)
    if order != "random":
        keys = losses.double().nan_to_num(nan=math.inf)[shuffled]
        shuffled = shuffled[torch.argsort(keys, stable=True, descending=order == "hardest")]
    if labels is None:
        return shuffled
    return shuffled[torch.argsort(_places(labels.cpu()[shuffled]), stable=True)]


def _places(labels: Tensor) -> Tensor:
    """(r + 1/2) / m for the r-th of a class's m examples, in (0, 1)."""
    by_class = torch.argsort(labels, stable=True)
    _, count = torch.unique_consecutive(labels[by_class], return_counts=True)
    first = (count.cumsum(0) - count).repeat_interleave(count)
    place = torch.empty(len(labels), dtype=torch.float64)
    rank = torch.arange(len(labels)) - first
    place[by_class] = (rank.double() + 0.5) / count.repeat_interleave(count)
    return place
