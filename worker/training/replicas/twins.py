"""The layers of R networks as one layer, where torch's own with R times the channels or groups will not do.

Maps are (N, R C, *size) and features (N, R F), a network's channels side by side. Every parameter is the R networks'
parameters one after the other along the first axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from worker import layers


class Linear(nn.Module):
    """R linear layers as one batched product; weights (R out, in)."""

    def __init__(self, replicas: int, features: int, out: int, bias: bool = True) -> None:
        super().__init__()
        self.replicas = replicas
        self.weight = nn.Parameter(torch.zeros(replicas * out, features))
        self.bias = nn.Parameter(torch.zeros(replicas * out)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        each = x.reshape(len(x), self.replicas, -1).transpose(0, 1)  # (R, N, in)
        weight = self.weight.reshape(self.replicas, -1, each.shape[2]).transpose(1, 2)  # (R, in, out)
        if self.bias is None:
            return torch.bmm(each, weight).transpose(0, 1).flatten(1)
        bias = self.bias.reshape(self.replicas, 1, -1)
        return torch.baddbmm(bias, each, weight).transpose(0, 1).flatten(1)


class Local(layers.Local):
    """R unshared convolutions; weights (R positions, out, channels * prod(kernel)), biases (R out, *size)."""

    def __init__(self, replicas: int, channels: int, out: int, *more: object, **options: object) -> None:
        super().__init__(channels, out, *more, **options)  # type: ignore[arg-type]
        self.replicas = replicas
        self.weight = nn.Parameter(self.weight.detach().repeat(replicas, 1, 1))
        if self.bias is not None:
            self.bias = nn.Parameter(self.bias.detach().repeat(replicas, *(1,) * (self.bias.dim() - 1)))

    def forward(self, x: Tensor) -> Tensor:
        windows, axes = pad(x, self.pads), len(self.kernel)
        for axis, (length, step) in enumerate(zip(self.kernel, self.stride, strict=True), 2):
            windows = windows.unfold(axis, length, step)  # (N, R C, *size, *kernel) in the end
        size = windows.shape[2 : 2 + axes]
        windows = windows.reshape(len(x), self.replicas, -1, *windows.shape[2:]).movedim(2, 2 + axes)
        windows = windows.flatten(2, 1 + axes).flatten(3)  # (N, R, positions, C prod(kernel))
        weight = self.weight.reshape(self.replicas, -1, *self.weight.shape[1:])
        summed = torch.einsum("nrpi,rpoi->nrop", windows, weight).reshape(len(x), -1, *size)
        return summed if self.bias is None else summed + self.bias


class SharedSlope(nn.Module):
    """A PReLU with one slope for all channels of each network."""

    def __init__(self, replicas: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((replicas,), 0.25))

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.prelu(x, _spread(self.weight, x.shape[1]))


class MixedPool(nn.Module):
    """s max + (1 - s) average, with a share s of its own for each network."""

    def __init__(self, replicas: int, maximum: nn.Module, average: nn.Module) -> None:
        super().__init__()
        self.maximum, self.average = maximum, average
        self.mixture = nn.Parameter(torch.zeros(replicas))

    def forward(self, x: Tensor) -> Tensor:
        share = _spread(self.mixture.sigmoid(), x.shape[1]).reshape(-1, *(1,) * (x.dim() - 2))
        mixed: Tensor = share * self.maximum(x) + (1 - share) * self.average(x)
        return mixed


class WeightedPool(layers.WeightedPool):
    """Weights (R, positions or 1), each row for all channels of its network."""

    def __init__(self, replicas: int, channels: int, *more: object, **options: object) -> None:
        super().__init__(replicas * channels, *more, **options)  # type: ignore[arg-type]
        self.weight = nn.Parameter(self.weight.detach().repeat(replicas, 1))

    def forward(self, x: Tensor) -> Tensor:
        window = torch.Size(self.kernel)
        filters = _spread(self.weight, self.channels).expand(-1, window.numel()).reshape(-1, 1, *window)
        convolution = getattr(nn.functional, f"conv{len(window)}d")
        pooled: Tensor = convolution(pad(x, self.pads), filters, self.bias, self.stride, groups=self.channels)
        return pooled


class Prototypes(layers.Prototypes):
    """The patterns are every network's; they are kept R times only to be written as each network's own."""

    def __init__(self, replicas: int, features: int, out: int) -> None:
        super().__init__(features, out)
        self.replicas, self.out = replicas, out
        self.register_buffer("patterns", self.patterns.repeat(replicas, 1))

    def forward(self, x: Tensor) -> Tensor:
        each = x.reshape(len(x), self.replicas, -1)
        near: Tensor = 2 * each @ self.patterns[: self.out].T
        return (near - each.square().sum(2, keepdim=True) - each.shape[2]).flatten(1)


class Interleaved(layers.Parallel):
    """Joins the branches' channels network by network."""

    def __init__(self, replicas: int, how: str, /, **branches: nn.Module) -> None:
        super().__init__(how, **branches)
        self.replicas = replicas

    def forward(self, x: Tensor) -> Tensor:
        outputs: list[Tensor] = [branch(x) for branch in self.children()]
        size = max((output.shape[2:] for output in outputs), key=torch.Size.numel)
        parts = [output.expand(*output.shape[:2], *size).chunk(self.replicas, 1) for output in outputs]
        return torch.cat([part for each in zip(*parts, strict=True) for part in each], 1)


class Folded(nn.Module):
    """A layer that learns nothing, on all networks' examples as one batch: (N, R C, ...) as (R N, C, ...) and back."""

    def __init__(self, replicas: int, layer: nn.Module) -> None:
        super().__init__()
        self.replicas, self.layer = replicas, layer

    def forward(self, x: Tensor) -> Tensor:
        folded: Tensor = self.layer(torch.cat(x.chunk(self.replicas, 1)))
        return torch.cat(folded.chunk(self.replicas), 1)


class Dropout(layers.Dropout):
    """Each network's values are drawn from its own generator, in the order in which it would draw alone."""

    def __init__(self, replicas: int, rate: float) -> None:
        super().__init__(rate)
        self.replicas = replicas
        self.generators: Sequence[torch.Generator] = ()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0:
            return x
        drawn = zip(x.chunk(self.replicas, 1), self.generators, strict=True)
        kept = [torch.empty_like(part).bernoulli_(1 - self.rate, generator=source) for part, source in drawn]
        return x * torch.cat(kept, 1) / (1 - self.rate)


def _spread(values: Tensor, channels: int) -> Tensor:
    """(R, ...) to (channels, ...): each network's value for all of its channels."""
    return values.repeat_interleave(channels // len(values), 0)
