"""What the rules of advice are told about a network, found in one walk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import NamedTuple

from searchspace.core import (
    Auxiliary,
    Conv,
    Dropout,
    Identity,
    Linear,
    Local,
    Network,
    Node,
    Parallel,
    Pool,
    Sequence,
    Size,
    TransposedConv,
    WeightedPool,
    Within,
)
from searchspace.cost import Cost, Layer

WEIGHTED = (Conv, TransposedConv, Local, Linear)
POOLS = (Pool, WeightedPool)
WINDOWS = (Conv, Local, Pool, WeightedPool)


@dataclass(frozen=True, slots=True)
class Advice:
    """What could be better. `where` are the names of the layers, `message` and `reason` sentences, `source` a text."""

    kind: str
    where: tuple[str, ...]
    message: str
    reason: str
    cure: str
    source: str


START = Layer("", Identity(), (), (), 0, 0, 0, (), (), ())
"""What stands before the first layer."""


class Link(NamedTuple):
    """A layer and what lies before it.

    `before` is the layer whose output only this one reads, `dropout` the last dropout on the way here, `unmixed` a
    depthwise convolution since which no layer has mixed channels, `gate` whether this stands in a branch that
    multiplies.
    """

    layer: Layer = START
    before: Layer | None = None
    dropout: Layer | None = None
    unmixed: Layer | None = None
    gate: bool = False


@dataclass(frozen=True)
class Facts:
    """A network as the rules see it: its layers in order, without auxiliary classifiers, and its totals."""

    network: Network
    traced: tuple[Layer, ...]
    cost: Cost
    batch: int | None

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """All but those of auxiliary classifiers."""
        return tuple(layer for layer in self.traced if not layer.side)

    @cached_property
    def weighted(self) -> tuple[Layer, ...]:
        """Convolutions and linear layers."""
        return tuple(layer for layer in self.layers if isinstance(layer.node, WEIGHTED))

    @cached_property
    def strided(self) -> tuple[Layer, ...]:
        """Windows with a stride."""
        return tuple(one for one in self.layers if isinstance(one.node, WINDOWS) and max(one.node.stride) > 1)

    @cached_property
    def after_stem(self) -> tuple[Layer, ...]:
        """The layers after the first weighted one and its pool."""
        number = next((n for n, layer in enumerate(self.layers, 1) if isinstance(layer.node, WEIGHTED)), 0)
        for place, layer in enumerate(self.layers[number:], number + 1):
            if isinstance(layer.node, (*WEIGHTED, Parallel)):
                break
            if isinstance(layer.node, POOLS):
                return self.layers[place:]
        return self.layers[number:]

    @cached_property
    def links(self) -> tuple[Link, ...]:
        """Each layer with what lies before it."""
        found: list[Link] = []
        rows = iter(self.traced)
        _follow(self.network.root, Link(), rows, found)
        return tuple(found)

    def depth_before(self, layer: Layer) -> float:
        """The share of weighted layers that stand before this layer."""
        names = [one.name for one in self.layers]
        place = names.index(layer.name)
        return sum(isinstance(one.node, WEIGHTED) for one in self.layers[:place]) / len(self.weighted)


def _follow(node: Node, here: Link, rows: Iterator[Layer], found: list[Link]) -> Link:
    """Notes every layer of the network proper; returns what lies before whatever follows `node`."""
    if isinstance(node, Sequence):
        for _, child in node.items:
            here = _follow(child, here, rows, found)
        return here
    if isinstance(node, Parallel):
        return _together(node, here, rows, found)
    if isinstance(node, Within):
        end = _follow(node.body, _follow(node.pool, here, rows, found), rows, found)
        next(rows)
        return end._replace(before=None)
    if isinstance(node, Auxiliary):
        _follow(node.body, here, rows, [])
        next(rows)
        return here._replace(before=None)
    return _past(Link(next(rows), *here[1:]), found)


def _together(node: Parallel, here: Link, rows: Iterator[Layer], found: list[Link]) -> Link:
    inside = here._replace(before=None, gate=here.gate or node.merge == "multiply")
    ends = [_follow(branch, inside, rows, found) for _, branch in node.branches]
    next(rows)
    dropout = next((end.dropout for end in ends if end.dropout), None)
    unmixed = ends[0].unmixed if all(end.unmixed for end in ends) else None
    return here._replace(before=None, dropout=dropout, unmixed=unmixed)


def _past(link: Link, found: list[Link]) -> Link:
    """The layer noted, and what a layer after it has before it."""
    found.append(link)
    layer, dropout, unmixed = link.layer, link.dropout, link.unmixed
    if isinstance(layer.node, Identity):
        return link
    if isinstance(layer.node, WEIGHTED):
        unmixed = layer if depthwise(layer) else None
    elif isinstance(layer.node, Dropout) and layer.node.rate:
        dropout = layer
    return Link(layer, layer, dropout, unmixed, link.gate)


def depthwise(layer: Layer) -> bool:
    """Whether the layer is a convolution with a filter for each channel."""
    node = layer.node
    return isinstance(node, Conv) and 1 < node.groups == layer.in_shape[0]


def covers(layer: Layer) -> bool:
    """Whether one window holds the whole map: a global pool, or a fully connected layer, by another name."""
    return prod(layer.out_shape[1:]) == 1 and all(
        k >= n
        for k, n in zip(layer.node.kernel, layer.in_shape[1:], strict=True)  # type: ignore[union-attr]
    )


def named(names: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b and 3 more`."""
    listed = list(names)
    if len(listed) > 3:
        return f"{listed[0]}, {listed[1]} and {len(listed) - 2} more"
    return " and ".join(filter(None, [", ".join(listed[:-1]), *listed[-1:]]))


def by(size: Iterable[int]) -> str:
    """A size as `3x3`; `3` in one axis."""
    return "x".join(map(str, size))


def percent(share: float) -> str:
    """`.5` as `50%`."""
    return f"{share:.0%}"


def map_of(layer: Layer) -> Size:
    """The map that the layer reads."""
    return layer.in_shape[1:]
