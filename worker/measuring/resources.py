"""What a training took besides time: memory at its peak, and energy. What is not known is None, with the reason."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import profiler

from worker.measuring import energy
from worker.training import optimizers

Found = dict[str, Any]
Closure = Callable[[], Tensor]
Closures = Callable[[nn.Module, torch.optim.Optimizer], Closure]
"""For a model and its optimizer, what computes a loss and its gradients, as optimizers want it."""


class Meter:
    """Made when a training begins or goes on; says at its end what the device used in between.

    `since` is the first epoch that it sees, `alone` whether no other trial shares the device.
    """

    def __init__(self, device: torch.device, since: int = 1, alone: bool = True) -> None:
        self.device, self.since, self.alone = device, since, alone
        self._joules = energy.counter(device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)

    def energy(self) -> Found:
        """Joules of the whole device, or why they are not known."""
        now = energy.counter(self.device)
        if self.device.type != "cuda":
            return {"joules": None, "reason": f"a {self.device.type} does not tell what one process uses"}
        if not self.alone:
            return {"joules": None, "reason": "other trials share the GPU, and its counter is of all of them"}
        if self.since > 1:
            return {"joules": None, "reason": f"the training was interrupted and went on at epoch {self.since}"}
        if now is None or self._joules is None:
            return {"joules": None, "reason": "this GPU's energy counter cannot be read"}
        return {"joules": now - self._joules, "of": "the whole GPU, idle power included"}

    def memory(self) -> Found | None:
        """The most bytes that tensors of this process held on a GPU, data included; None on a CPU, see `one_step`."""
        if self.device.type != "cuda":
            return None
        of = "all tensors of the process on the GPU, data included"
        return {"peak_bytes": torch.cuda.max_memory_allocated(self.device), "of": of}


def one_step(model: nn.Module, optimizer: torch.optim.Optimizer, closure_of: Closures, batch_bytes: int) -> Found:
    """The most bytes that a training step holds on a CPU: weights, buffers, the optimizer's state, and what it makes.

    The step is taken by copies, and measured in torch's allocator: a process that trains one network after the other
    never gives all back to the system, so its size says nothing of one of them.
    """
    model, optimizer = copy.deepcopy((model, optimizer))
    model.train().zero_grad()
    held = sum(value.nbytes for value in (*model.parameters(), *model.buffers()))
    state = sum(value.nbytes for kept in optimizer.state.values() for value in _tensors(kept))
    closure = closure_of(model, optimizer)
    made = allocated(lambda: optimizers.step(optimizer, closure))
    return {"peak_bytes": held + state + batch_bytes + made, "of": "one training step, CPU allocator"}


def allocated(work: Callable[[], object]) -> int:
    """The most bytes that `work` holds at one time in torch's CPU allocator, beyond what was there before.

    What oneDNN keeps for itself while a convolution runs does not pass this allocator.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # else it writes each start and stop to stderr
    with profiler.profile(profile_memory=True) as profile:
        work()
    events = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    return most


def _tensors(kept: dict[str, Any]) -> list[Tensor]:
    """Those of one parameter's state, also in lists."""
    lists = [value if isinstance(value, list) else [value] for value in kept.values()]
    return [value for values in lists for value in values if isinstance(value, Tensor)]
