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
    """Branches over the same input, merged by "add", "multiply" or "concat" (of channels).

    A branch whose map has a single position is spread over the maps of the others.
    """

    def __init__(self, how: str, /, **branches: nn.Module) -> None:
        super().__init__()
        self.how = how
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: list[torch.Tensor] = [branch(x) for branch in self.children()]
        if self.how == "concat":
            size = max((output.shape[2:] for output in outputs), key=torch.Size.numel)
            return torch.cat([output.expand(*output.shape[:2], *size) for output in outputs], 1)
        return reduce(torch.add if self.how == "add" else torch.mul, outputs)


class Within(nn.Module):
    """A max pool that also returns where its maxima stood, a body, and the body's output put back at those places.

    All other places are 0. `pads` are padded before the pool and cut off in the end.
    """

    def __init__(self, pads: tuple[int, ...] = (), *, pool: nn.Module, body: nn.Module) -> None:
        super().__init__()
        self.pads, self.pool, self.body = pads, pool, body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        padded = pad(x, self.pads, value=float("-inf"))
        maxima, places = self.pool(padded)
        inner: torch.Tensor = self.body(maxima.masked_fill(maxima == float("-inf"), 0))
        empty = inner.new_zeros(*padded.shape[:2], padded.shape[2:].numel())
        unpooled = empty.scatter(2, places.flatten(2), inner.flatten(2)).reshape(padded.shape)
        return pad(unpooled, [-side for side in self.pads])


class Auxiliary(nn.Module):
    """Passes its input on; in training the body's `output` for it is kept, whose loss is to count `weight` times."""

    def __init__(self, weight: float, *, body: nn.Module) -> None:
        super().__init__()
        self.weight, self.body = weight, body
        self.output: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.output = self.body(x) if self.training else None
        return x


class GlobalPool(nn.Module):
    """The "average" or "max" of each channel's whole map: (N, C, *size) -> (N, C), or (N, C, 1, ...) to `keep` axes."""

    def __init__(self, how: str, keep: bool = False) -> None:
        super().__init__()
        self.how, self.keep = how, keep

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = tuple(range(2, x.dim()))
        return x.mean(axes, self.keep) if self.how == "average" else x.amax(axes, self.keep)


class Padded(nn.Module):
    """Gives a convolution other zeros before than after; `pads` as torch.nn.functional.pad takes them."""

    def __init__(self, *sizes: Any, pads: tuple[int, ...], **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.pads = pads

    def forward(self, x: torch.Tensor) -> Any:
        return super().forward(pad(x, self.pads))


class PaddedConv1d(Padded, nn.Conv1d): ...


class PaddedConv2d(Padded, nn.Conv2d): ...


class PaddedConv3d(Padded, nn.Conv3d): ...


class Cropped(nn.Module):
    """Takes more from a transposed convolution's one side than from the other; `crops` are pads that are negative."""

    def __init__(self, *sizes: Any, crops: tuple[int, ...], **options: Any) -> None:
        super().__init__(*sizes, **options)
        self.crops = crops

    def forward(self, x: torch.Tensor, output_size: list[int] | None = None) -> Any:
        return pad(super().forward(x, output_size), self.crops)


class CroppedConvTranspose1d(Cropped, nn.ConvTranspose1d): ...


class CroppedConvTranspose2d(Cropped, nn.ConvTranspose2d): ...


class CroppedConvTranspose3d(Cropped, nn.ConvTranspose3d): ...


class Local(nn.Module):
    """A convolution with filters of its own for each position of its output, a map of size `size`.

    Weights are (positions, out, channels * prod(kernel)), biases (out, *size).
    """

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: tuple[int, ...],
        size: tuple[int, ...],
        stride: tuple[int, ...] = (),
        pads: tuple[int, ...] = (),
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.kernel, self.stride, self.pads = kernel, stride or (1,) * len(kernel), pads
        inputs = channels * torch.Size(kernel).numel()
        self.weight = nn.Parameter(torch.randn(torch.Size(size).numel(), out, inputs) / inputs**0.5)
        self.bias = nn.Parameter(torch.zeros(out, *size)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        windows, axes = pad(x, self.pads), len(self.kernel)
        for axis, (length, step) in enumerate(zip(self.kernel, self.stride, strict=True), 2):
            windows = windows.unfold(axis, length, step)  # (N, C, *size, *kernel) in the end
        size = windows.shape[2 : 2 + axes]
        windows = windows.movedim(1, 1 + axes).flatten(1, axes).flatten(2)
        summed = torch.bmm(windows.transpose(0, 1), self.weight.transpose(1, 2)).permute(1, 2, 0)
        summed = summed.reshape(-1, self.weight.shape[1], *size)
        return summed if self.bias is None else summed + self.bias


class PaddedMaxPool(nn.Module):
    """Max pooling with padding of any width, which never wins; a window of padding only gives 0."""

    def __init__(self, pads: tuple[int, ...], pool: nn.Module) -> None:
        super().__init__()
        self.pads, self.pool = pads, pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pooled: torch.Tensor = self.pool(pad(x, self.pads, value=float("-inf")))
        return pooled.masked_fill(pooled == float("-inf"), 0)


class PaddedAvgPool(nn.Module):
    """Average pooling with padding of any width, which counts only if it is to; what lies `beyond` it never does."""

    def __init__(
        self, pads: tuple[int, ...], pool: nn.Module, beyond: tuple[int, ...] = (), count_padding: bool = False
    ) -> None:
        super().__init__()
        self.pads, self.pool, self.beyond, self.count_padding = pads, pool, beyond, count_padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        counted = pad(torch.ones_like(x[:1, :1]), self.pads, value=float(self.count_padding))
        share: torch.Tensor = self.pool(pad(counted, self.beyond))
        pooled: torch.Tensor = self.pool(pad(pad(x, self.pads), self.beyond))
        return pooled / share.masked_fill(share == 0, 1)


class MixedPool(nn.Module):
    """s max + (1 - s) average of each window, s the sigmoid of one learned number."""

    def __init__(self, maximum: nn.Module, average: nn.Module) -> None:
        super().__init__()
        self.maximum, self.average = maximum, average
        self.mixture = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        share = self.mixture.sigmoid()
        mixed: torch.Tensor = share * self.maximum(x) + (1 - share) * self.average(x)
        return mixed


class WeightedPool(nn.Module):
    """A weighted sum of each window, channel by channel: (channels or 1, positions or 1) weights, an average at first.

    With a bias, each channel has its own.
    """

    def __init__(
        self,
        channels: int,
        kernel: tuple[int, ...],
        stride: tuple[int, ...],
        pads: tuple[int, ...] = (),
        per_channel: bool = True,
        per_position: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.channels, self.kernel, self.stride, self.pads = channels, kernel, stride, pads
        window = torch.Size(kernel).numel()
        shape = (channels if per_channel else 1, window if per_position else 1)
        self.weight = nn.Parameter(torch.full(shape, 1 / window))
        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        filters = self.weight.expand(self.channels, torch.Size(self.kernel).numel())
        filters = filters.reshape(self.channels, 1, *self.kernel)
        convolution = getattr(nn.functional, f"conv{len(self.kernel)}d")
        pooled: torch.Tensor = convolution(pad(x, self.pads), filters, self.bias, self.stride, groups=self.channels)
        return pooled


class ScaledTanh(nn.Module):
    """1.7159 tanh(2x / 3), which maps 1 to 1 and -1 to -1 (LeCun et al. 1998)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 1.7159 * torch.tanh(x * 2 / 3)


class Prototypes(nn.Module):
    """The negative squared distances to fixed patterns of -1 and +1, which only (out, features) decide."""

    patterns: torch.Tensor

    def __init__(self, features: int, out: int) -> None:
        super().__init__()
        drawn = torch.randint(0, 2, (out, features), generator=torch.Generator().manual_seed(out << 32 | features))
        self.register_buffer("patterns", 2.0 * drawn - 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x @ self.patterns.T - x.square().sum(1, keepdim=True) - x.shape[1]


class Select(nn.Module):
    """The listed channels, in that order."""

    channels: torch.Tensor

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.register_buffer("channels", torch.tensor(channels), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.index_select(1, self.channels)


class PadChannels(nn.Module):
    """Channels of zeros before and after those that are there."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before, self.after = before, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return pad(x, (0, 0) * (x.dim() - 2) + (self.before, self.after))


class Coordinates(nn.Module):
    """A further channel per axis that holds each position's coordinate, -1 to 1."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        axes = [torch.linspace(-1, 1, n, dtype=x.dtype, device=x.device) for n in x.shape[2:]]
        grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))
        return torch.cat([x, grid.expand(x.shape[0], *grid.shape)], 1)


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
