"""The running means of an epoch. They stay on the device until they are read, once."""

from __future__ import annotations

import torch
from torch import Tensor

from worker.tasks import Task

TOGETHER = 64
"""Batches that are counted together: a step pays for keeping a reference, not for its metrics."""
HELD = 1 << 20
"""Outputs that may wait to be counted."""


class Tally:
    """Of the loss, and of each metric."""

    def __init__(self, task: Task, device: torch.device) -> None:
        self.losses: list[Tensor] = []
        self._task, self._sizes = task, list[int]()
        self._sums = torch.zeros(len(task.metrics), dtype=torch.float64, device=device)
        self._waiting, self._held = list[tuple[Tensor, Tensor]](), 0

    def add(self, loss: Tensor, outputs: Tensor, targets: Tensor) -> None:
        """A batch's mean loss, outputs and targets, all detached."""
        self.losses.append(loss)
        self._sizes.append(len(outputs))
        self._waiting.append((outputs, targets))
        self._held += outputs.numel()
        if self._held >= HELD or len(self._waiting) == TOGETHER:
            self._count()

    def _count(self) -> None:
        if self._waiting:
            outputs, targets = (torch.cat(parts) for parts in zip(*self._waiting, strict=True))
            self._sums += torch.stack([measure(outputs, targets) for measure in self._task.metrics.values()])
        self._waiting, self._held = [], 0

    def means(self) -> Tensor:
        """Over all examples: float64 (1 + metrics,), the loss first."""
        self._count()
        sizes = torch.tensor(self._sizes, dtype=torch.float64).to(self._sums.device)
        loss = torch.stack(self.losses).double() @ sizes
        return torch.cat([loss[None], self._sums]) / sum(self._sizes)
