"""The core: the few primitives and combinators that every word of a blueprint lowers to.

Costs, drawings, torch modules and plain source know these and nothing else. A primitive is a frozen record; per-axis
quantities are tuples of one, two or three numbers (series, images, volumes). A combinator holds its children by name,
and a node's full name is the path to it: `stages.0.block2.body.conv1`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

Size = tuple[int, ...]
"""A spatial size, or any other quantity per axis: one, two or three integers."""
Shape = tuple[int, ...]
"""Of one example: (channels, *map size), or (features,) after a flatten or a global pool."""
Padding = tuple[tuple[int, int], ...]
"""Zeros (before, after) per axis."""
NormKind = Literal["batch", "layer", "instance", "group"]
ActivationKind = Literal[
    "relu", "relu6", "leaky_relu", "prelu", "elu", "gelu", "silu", "sigmoid", "tanh", "scaled_tanh"
]
PoolKind = Literal["max", "average", "mixed"]
GlobalKind = Literal["max", "average"]
UpsampleKind = Literal["nearest", "linear"]
Merge = Literal["add", "concat", "multiply"]


@dataclass(frozen=True, slots=True)
class Conv:
    """Convolution to `out` channels; `padding` is (before, after) per axis, which may differ (even kernels)."""

    out: int
    kernel: Size
    stride: Size
    padding: Padding
    dilation: Size
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True, slots=True)
class TransposedConv:
    """The transpose of a convolution: (n - 1) s - before - after + d(k - 1) + extra + 1 positions per axis.

    `extra` (torch: output_padding) picks one of the sizes that a strided convolution maps to the same n (Dumoulin &
    Visin 2016, relationship 14).
    """

    out: int
    kernel: Size
    stride: Size
    padding: Padding
    extra: Size
    dilation: Size
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True, slots=True)
class Local:
    """A convolution whose filters are not shared: every position has weights, and a bias per output, of its own."""

    out: int
    kernel: Size
    stride: Size
    padding: Padding
    bias: bool = True


@dataclass(frozen=True, slots=True)
class Norm:
    """Normalization with learned scale and shift: `batch`, `layer` (over channels and map), `instance`, `group`."""

    kind: NormKind
    groups: int = 1
    eps: float = 1e-5


@dataclass(frozen=True, slots=True)
class LocalResponse:
    """x / (k + alpha / size * sum of x^2 over `size` neighbouring channels)^beta (Krizhevsky et al. 2012, sec. 3.3)."""

    size: int = 5
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 2.0


@dataclass(frozen=True, slots=True)
class Activation:
    """A pointwise nonlinearity. `slope` is leaky_relu's below zero, 0 for all others.

    `prelu` learns that slope for each channel, or one for all where it is `shared` (He et al. 2015); `scaled_tanh` is
    1.7159 tanh(2x / 3) (LeCun et al. 1998).
    """

    kind: ActivationKind
    slope: float = 0.0
    shared: bool = False


@dataclass(frozen=True, slots=True)
class Pool:
    """`max`, `average`, or `mixed` (s max + (1 - s) average, s the sigmoid of one learned number; Lee et al. 2016).

    Padding never wins a maximum; in an average it counts only where `count_padding` says so. `ceil` rounds the number
    of windows up, and the last ones are cut short.
    """

    kind: PoolKind
    kernel: Size
    stride: Size
    padding: Padding
    ceil: bool = False
    count_padding: bool = False


@dataclass(frozen=True, slots=True)
class WeightedPool:
    """Learned pooling: a weighted sum of each window, channel by channel.

    A weight for each channel and window position, or shared over either; with a bias, each channel has its own. Shared
    over positions with a bias it is LeNet-5's trainable subsampling: a coefficient and a bias per map.
    """

    kernel: Size
    stride: Size
    padding: Padding
    per_channel: bool = True
    per_position: bool = True
    bias: bool = False


@dataclass(frozen=True, slots=True)
class GlobalPool:
    """`max` or `average` over the whole map: (C, *size) -> (C,), or (C, 1, ...) where it is to `keep` its axes."""

    kind: GlobalKind
    keep: bool = False


@dataclass(frozen=True, slots=True)
class Upsample:
    """A map `scale` times as large per axis: `nearest` repeats, `linear` interpolates (torch: align_corners=False)."""

    scale: Size
    kind: UpsampleKind = "nearest"


@dataclass(frozen=True, slots=True)
class Dropout:
    """Zeroes each value with probability `rate` in training and scales the rest by 1 / (1 - rate)."""

    rate: float


@dataclass(frozen=True, slots=True)
class Flatten:
    """(C, *size) -> (C * prod(size),)."""


@dataclass(frozen=True, slots=True)
class Linear:
    """A fully connected layer to `out` features."""

    out: int
    bias: bool = True


@dataclass(frozen=True, slots=True)
class Prototypes:
    """The negative squared distances to `out` fixed patterns of -1 and +1; nothing is learned (LeNet-5's output)."""

    out: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Passes its input on: the shortcut of a residual block whose shape does not change."""


@dataclass(frozen=True, slots=True)
class Select:
    """The listed channels, counted from 0, in that order."""

    channels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PadChannels:
    """Channels of zeros before and after those that are there: the parameter-free shortcut of He et al. 2015."""

    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Coordinates:
    """A further channel per axis that holds each position's coordinate, -1 to 1 (CoordConv, Liu et al. 2018)."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """Children one after the other."""

    items: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Parallel:
    """Branches over the same input, merged by `add`, `concat` (channels) or `multiply`.

    A branch whose map has a single position is spread over the maps of the others.
    """

    branches: tuple[tuple[str, Node], ...]
    merge: Merge


@dataclass(frozen=True, slots=True)
class Within:
    """A max pool, a body that keeps its shape, and the unpooling to the places that the pool's maxima came from.

    Max-unpooling with switches: Zeiler & Fergus 2014; SegNet.
    """

    pool: Pool
    body: Node


@dataclass(frozen=True, slots=True)
class Auxiliary:
    """Passes its input on; in training `body` classifies it too, and its loss counts `weight` times (GoogLeNet)."""

    body: Node
    weight: float


Primitive = (
    Conv
    | TransposedConv
    | Local
    | Norm
    | LocalResponse
    | Activation
    | Pool
    | WeightedPool
    | GlobalPool
    | Upsample
    | Dropout
    | Flatten
    | Linear
    | Prototypes
    | Identity
    | Select
    | PadChannels
    | Coordinates
)
Combinator = Sequence | Parallel | Within | Auxiliary
Node = Primitive | Combinator


@dataclass(frozen=True, slots=True)
class Network:
    """What a blueprint lowers to: the shape of one input, (channels, *map size), and the nodes it passes."""

    input: Shape
    root: Sequence


def children(node: Node) -> tuple[tuple[str, Node], ...]:
    """What a combinator holds, by name, in the order in which all walks visit it; nothing for a primitive."""
    match node:
        case Sequence():
            return node.items
        case Parallel():
            return node.branches
        case Within():
            return ("pool", node.pool), ("body", node.body)
        case Auxiliary():
            return (("body", node.body),)
    return ()


def leaves(node: Node, name: str = "") -> Iterator[tuple[str, Primitive]]:
    """Every primitive under `node` with its full name, in the order in which all walks visit them."""
    if not isinstance(node, Combinator):
        yield name, node
        return
    for key, child in children(node):
        yield from leaves(child, f"{name}.{key}" if name else key)


@lru_cache(maxsize=1_024)
def same_padding(kernel: Size, dilation: Size) -> Padding:
    """Zeros (before, after) per axis that keep a map's size at stride 1: d(k - 1) in all, the odd one after."""
    totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)
