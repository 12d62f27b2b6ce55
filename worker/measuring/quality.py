"""How good a trained network is, in more than one number: its fit, its confusions, and what small shifts do to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from worker import metrics, tasks

Outputs = Callable[[Tensor], Tensor]
"""A batch of inputs -> the network's outputs, in evaluation mode."""
BATCH = 256
"""Examples that are looked at together."""
MOST_FITTED = 10_000
MOST_SHIFTED = 2_000
MOST_CLASSES = 100
"""A confusion matrix has so many rows at most; of more classes, only the pairs that are confused most are told."""
MOST_PAIRS = 50


class Examples(Protocol):
    """A part of the data, as `worker.data` has it."""

    @property
    def y(self) -> Tensor: ...

    def __len__(self) -> int: ...

    def batches(self, order: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of each set of indices."""


@dataclass(frozen=True)
class Some:
    """Those examples of a part that `index` names."""

    part: Examples
    index: Tensor

    @property
    def y(self) -> Tensor:
        """Their targets."""
        return self.part.y[self.index]

    def __len__(self) -> int:
        return len(self.index)

    def batches(self, order: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Indices are into the chosen ones."""
        return self.part.batches([self.index[own.to(self.index.device)] for own in order])

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All of them, so many at a time."""
        return self.part.batches(torch.split(self.index, size))


def spread(index: Tensor, most: int) -> Tensor:
    """At most so many of the indices, evenly spread over them: the same ones at every call."""
    count = min(most, len(index))
    return index[torch.arange(count, device=index.device) * len(index) // max(count, 1)]


def every(part: Examples) -> Tensor:
    """The indices of a whole part."""
    return torch.arange(len(part), device=part.y.device)


@torch.inference_mode()
def confusion(outputs: Outputs, part: Examples, classes: int) -> Tensor:
    """int64 (classes, classes): how many of each class (row) were taken for each class (column)."""
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=part.y.device)
    for x, y in part.batches(torch.split(every(part), BATCH)):
        counts += torch.bincount(y * classes + outputs(x).argmax(1), minlength=classes * classes)
    return counts.view(classes, classes).cpu()


def by_class(counts: Tensor) -> dict[str, Any]:
    """The confusion as lists, or its largest entries, and the accuracy of each class; None of one without examples."""
    seen, right = counts.sum(1).tolist(), counts.diagonal().tolist()
    accuracy = [hit / number if number else None for hit, number in zip(right, seen, strict=True)]
    found = {"confusion": counts.tolist()} if len(counts) <= MOST_CLASSES else {"confused": _pairs(counts)}
    return {"examples": int(counts.sum()), "class_accuracy": accuracy, **found}


def _pairs(counts: Tensor) -> list[list[int]]:
    """[class, taken for, how often] of the most frequent mistakes."""
    wrong = counts.clone().fill_diagonal_(0).flatten()
    number, place = wrong.topk(min(MOST_PAIRS, len(wrong)))
    rows = torch.stack([place // len(counts), place % len(counts), number], 1)
    return [row for row in rows.tolist() if row[2]]


@torch.inference_mode()
def shifts(outputs: Outputs, part: Examples, task: tasks.Task, furthest: int) -> dict[str, Any]:
    """The task's first metric on inputs moved by 1 to `furthest` pixels: the mean and the worst of all directions.

    Of an image there are eight, of a series two. What moves in is 0, which is the mean of a standardized input.
    """
    name = next(iter(task.metrics))
    index = spread(every(part), MOST_SHIFTED)
    moves = list(_moves(part, index, furthest))
    total = torch.zeros(len(moves), dtype=torch.float64, device=part.y.device)
    for x, y in part.batches(torch.split(index, BATCH)):
        scores = [task.metrics[name](outputs(shifted(x, move[1:])).float(), y) for move in moves]
        total += torch.stack([score.double() for score in scores])
    values: dict[int, list[float]] = {}
    for move, value in zip(moves, (total / len(index)).tolist(), strict=True):
        values.setdefault(move[0], []).append(tasks.finished(name, value))
    worst = min if metrics.direction(f"val_{name}") == "maximize" else max
    rows = [{"pixels": n, "mean": sum(found) / len(found), "worst": worst(found)} for n, found in values.items()]
    return {"metric": name, "examples": len(index), "by_pixels": rows}


def shifted(x: Tensor, steps: Sequence[int]) -> Tensor:
    """(n, C, *map size) moved by so many pixels along each axis, filled with zeros."""
    return pad(x, [side for step in reversed(steps) for side in (step, -step)])


def _moves(part: Examples, index: Tensor, furthest: int) -> Iterator[tuple[int, ...]]:
    """(pixels, *steps along each axis), at first no move at all; a map moved out of its frame says nothing."""
    x, _ = next(iter(part.batches([index[:1]])))
    axes = x.dim() - 2
    yield 0, *(0,) * axes
    for pixels in range(1, 1 + min(furthest, *(n - 1 for n in x.shape[2:])) if axes else 1):
        for signs in product((-1, 0, 1), repeat=axes):
            if any(signs):
                yield pixels, *(sign * pixels for sign in signs)
