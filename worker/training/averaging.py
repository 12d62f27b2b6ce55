"""Averages of the weights, to be validated and kept in the place of the last ones.

EMA (Polyak & Juditsky 1992; Tarvainen & Valpola 2017) after every step: a <- d a + (1 - d) w. SWA (Izmailov et al.
2018) at epoch ends: a <- a + (w - a) / (n + 1). Both begin with a <- w, as torch's AveragedModel, and both are one
`lerp` over all tensors: w alone moves to a by the weight 1 - d or 1 / (n + 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from worker.layers import Auxiliary, Dropout
from worker.recipe.spec import Ema, Swa

Norm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
UPDATES, WEIGHTS = "updates", "weights/"


class Average:
    """The running average for one model, which is where it stays: `updates` states went into it, at first none.

    EMA averages the statistics of batch norms too; SWA leaves them out and takes them anew (`weights`).
    """

    def __init__(self, model: nn.Module, spec: Ema | Swa) -> None:
        self.spec, self.updates = spec, 0
        self.live = _averaged(model, buffers=isinstance(spec, Ema))
        self.mean = {name: torch.empty_like(tensor, requires_grad=False) for name, tensor in self.live.items()}

    def after_step(self) -> None:
        """To be called after each optimizer step."""
        if isinstance(self.spec, Ema):
            self._take(1 - self.spec.decay)

    def after_epoch(self, epoch: int, epochs: int) -> None:
        """To be called at the end of epoch `epoch` (from 1) of `epochs`, before validation."""
        if isinstance(self.spec, Swa) and epoch > self.spec.start * epochs:
            self._take(1 / (self.updates + 1))

    @contextmanager
    def weights(self, model: nn.Module, inputs: Callable[[], Iterable[Tensor]]) -> Iterator[None]:
        """Inside, the model has the averaged weights, in the same tensors; a state_dict to keep is to be copied there.

        SWA runs the `inputs` of the training batches through it once, for the statistics of its batch norms.
        """
        if not self.updates:
            yield
            return
        changed = [*model.parameters(), *model.buffers()]
        kept = [tensor.detach().clone() for tensor in changed]
        _copy(list(self.live.values()), list(self.mean.values()))
        try:
            if isinstance(self.spec, Swa):
                renew_statistics(model, inputs())
            yield
        finally:
            _copy(changed, kept)

    def state(self) -> dict[str, Tensor]:
        """All that the next update depends on beside the model. Nothing is copied."""
        if not self.updates:
            return {}
        return {UPDATES: torch.tensor(self.updates)} | {WEIGHTS + name: mean for name, mean in self.mean.items()}

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """What `state` gave."""
        self.updates = int(tensors[UPDATES]) if tensors else 0
        for name, mean in self.mean.items() if tensors else ():
            mean.copy_(tensors[WEIGHTS + name])

    @torch.no_grad()
    def _take(self, weight: float) -> None:
        mean, live = list(self.mean.values()), list(self.live.values())
        if self.updates:
            torch._foreach_lerp_(mean, live, weight)
        else:
            _copy(mean, live)
        self.updates += 1


@torch.no_grad()
def renew_statistics(model: nn.Module, inputs: Iterable[Tensor]) -> None:
    """Means and variances of batch norms as equal means over the batches, as torch's `update_bn`.

    But without dropout, as the network is evaluated: it would widen the variances (Li et al. 2019), and draw.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, Norm)]
    if not norms:
        return
    momenta, training = [norm.momentum for norm in norms], model.training
    model.train()
    for layer in model.modules():
        if isinstance(layer, Dropout):
            layer.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        for x in inputs:
            model(x)
    finally:
        for layer in model.modules():
            if isinstance(layer, Auxiliary):
                layer.output = None
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        model.train(training)


@torch.no_grad()
def _copy(into: list[Tensor], values: list[Tensor]) -> None:
    torch._foreach_copy_(into, values)


def _averaged(model: nn.Module, buffers: bool) -> dict[str, Tensor]:
    """Parameters, and with `buffers` all that a module remembers beside them, whole numbers left out."""
    named = [*model.named_parameters(), *(model.named_buffers() if buffers else ())]
    return {name: tensor for name, tensor in named if tensor.is_floating_point()}
