"""The core: the few primitives and combinators that every word of a blueprint lowers to.

Costs, drawings, torch modules and plain source know these and nothing else. A primitive is a frozen record; per-axis
quantities are tuples of one, two or three numbers (series, images, volumes). A combinator holds its children by name,
and a node's full name is the path to it: `stages.0.block2.body.conv1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Size = tuple[int, ...]
"""A spatial size, or any other quantity per axis: one, two or three integers."""
Shape = tuple[int, ...]
"""Of one example: (channels, *map size), or (features,) after a flatten or a global pool."""
NormKind = Literal["batch", "layer", "instance", "group"]
ActivationKind = Literal["relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh"]
PoolKind = Literal["max", "average"]
Merge = Literal["add", "concat", "multiply"]


@dataclass(frozen=True)
class Conv:
    """Convolution to `out` channels; `padding` is (before, after) per axis, which may differ (even kernels)."""

    out: int
    kernel: Size
    stride: Size
    padding: tuple[tuple[int, int], ...]
    dilation: Size
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True)
class Norm:
    """Normalization with learned scale and shift: `batch`, `layer` (over channels and map), `instance`, `group`."""

    kind: NormKind
    groups: int = 1


@dataclass(frozen=True)
class Activation:
    """A pointwise nonlinearity."""

    kind: ActivationKind


@dataclass(frozen=True)
class Pool:
    """`max` or `average` over windows; zero padding counts in no average (torch: count_include_pad=False)."""

    kind: PoolKind
    kernel: Size
    stride: Size
    padding: tuple[tuple[int, int], ...]
    ceil: bool = False


@dataclass(frozen=True)
class GlobalPool:
    """`max` or `average` over the whole map: (C, *size) -> (C,)."""

    kind: PoolKind


@dataclass(frozen=True)
class Dropout:
    """Zeroes each value with probability `rate` in training and scales the rest by 1 / (1 - rate)."""

    rate: float


@dataclass(frozen=True)
class Flatten:
    """(C, *size) -> (C * prod(size),)."""


@dataclass(frozen=True)
class Linear:
    """A fully connected layer to `out` features."""

    out: int
    bias: bool = True


@dataclass(frozen=True)
class Identity:
    """Passes its input on: the shortcut of a residual block whose shape does not change."""


@dataclass(frozen=True)
class Sequence:
    """Children one after the other."""

    items: tuple[tuple[str, Node], ...]


@dataclass(frozen=True)
class Parallel:
    """Branches over the same input, merged by `add`, `concat` (channels) or `multiply`."""

    branches: tuple[tuple[str, Node], ...]
    merge: Merge


Primitive = Conv | Norm | Activation | Pool | GlobalPool | Dropout | Flatten | Linear | Identity
Node = Primitive | Sequence | Parallel


@dataclass(frozen=True)
class Network:
    """What a blueprint lowers to: the shape of one input, (channels, *map size), and the nodes it passes."""

    input: Shape
    root: Sequence


def leaves(node: Node, name: str = "") -> Iterator[tuple[str, Primitive]]:
    """Every primitive under `node` with its full name, in the order in which all walks visit them."""
    children = node.items if isinstance(node, Sequence) else node.branches if isinstance(node, Parallel) else None
    if children is None:
        assert not isinstance(node, Sequence | Parallel)
        yield name, node
        return
    for key, child in children:
        yield from leaves(child, f"{name}.{key}" if name else key)


def same_padding(kernel: Size, dilation: Size) -> tuple[tuple[int, int], ...]:
    """Zeros (before, after) per axis that keep a map's size at stride 1: d(k - 1) in all, the odd one after."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)
