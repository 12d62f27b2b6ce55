"""The few modules that torch lacks. Plain PyTorch: an exported model.py carries the source of those it needs."""

from __future__ import annotations

from collections import OrderedDict
from functools import reduce
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad


def sequence(**layers: nn.Module) -> nn.Sequential:
    """Layers one after the other, by name."""
    return nn.Sequential(OrderedDict(layers))


class Parallel(nn.Module):
    """Branches over the same input, merged by "add", "multiply" or "concat" (of channels)."""

    def __init__(self, how: str, /, **branches: nn.Module) -> None:
        super().__init__()
        self.how = how
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: list[torch.Tensor] = [branch(x) for branch in self.children()]
        if self.how == "concat":
            return torch.cat(outputs, 1)
        return reduce(torch.add if self.how == "add" else torch.mul, outputs)


class GlobalPool(nn.Module):
    """The "average" or "max" of each channel's whole map: (N, C, *size) -> (N, C)."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(2).mean(2) if self.how == "average" else x.flatten(2).amax(2)


class PaddedConv1d(nn.Conv1d):
    """A convolution with other zeros before than after; `pads` as torch.nn.functional.pad takes them."""

    def __init__(self, *sizes: Any, pads: tuple[int, ...], **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.pads = pads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(pad(x, self.pads))


class PaddedConv2d(nn.Conv2d):
    """A convolution with other zeros before than after; `pads` as torch.nn.functional.pad takes them."""

    def __init__(self, *sizes: Any, pads: tuple[int, ...], **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.pads = pads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(pad(x, self.pads))


class PaddedConv3d(nn.Conv3d):
    """A convolution with other zeros before than after; `pads` as torch.nn.functional.pad takes them."""

    def __init__(self, *sizes: Any, pads: tuple[int, ...], **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.pads = pads

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(pad(x, self.pads))


class PaddedMaxPool(nn.Module):
    """Max pooling with other padding before than after; the padding never wins."""

    def __init__(self, pads: tuple[int, ...], pool: nn.Module) -> None:
        super().__init__()
        self.pads, self.pool = pads, pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.pool(pad(x, self.pads, value=float("-inf")))
        return pooled


class PaddedAvgPool(nn.Module):
    """Average pooling with other padding before than after; the padding counts in no average."""

    def __init__(self, pads: tuple[int, ...], pool: nn.Module) -> None:
        super().__init__()
        self.pads, self.pool = pads, pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        share: torch.Tensor = self.pool(pad(torch.ones_like(x[:1, :1]), self.pads))
        pooled: torch.Tensor = self.pool(pad(x, self.pads)) / share
        return pooled


class Dropout(nn.Module):
    """Zeroes values with probability `rate` in training, drawing from `generator`, and scales the rest up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.generator: torch.Generator | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.rate == 0:
            return x
        kept = torch.empty_like(x).bernoulli_(1 - self.rate, generator=self.generator)
        return x * kept / (1 - self.rate)
