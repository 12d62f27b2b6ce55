"""The core written directly: a stage of nodes, each named by its kind, for whatever no word says."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from searchspace import core
from searchspace.state import Infeasible
from searchspace.words import parts
from searchspace.words.parts import (
    ActivationSpec,
    Items,
    Lowered,
    Name,
    Pads,
    PerAxis,
    Place,
    Rate,
    Spec,
    Width,
    Word,
    Zeros,
    as_tuple,
)

Out = Width | Literal["outputs"]
"""A number of channels or features, or `outputs`: as many as the network has classes or targets."""


class RawNode(Spec):
    """A node of the core; `name` is its name in the network, by default its kind and number."""

    name: Name | None = None

    def lower(self, place: Place) -> core.Node:
        """The node at its place."""
        raise NotImplementedError


class RawConv(RawNode):
    """`conv`, `transposed` (enlarges by its stride) or `local` (filters not shared)."""

    node: Literal["conv", "transposed", "local"]
    out: Out
    kernel: PerAxis
    stride: PerAxis = 1
    padding: Pads = 0
    dilation: PerAxis = 1
    output_padding: Zeros = 0
    groups: Annotated[int, Field(ge=1)] = 1
    bias: bool = True

    def lower(self, place: Place) -> core.Node:
        """Every quantity per axis."""
        kernel, stride = parts.per_axis(self.kernel, place), parts.per_axis(self.stride, place)
        dilation, out = parts.per_axis(self.dilation, place), _out(self.out, place)
        pads = parts.padding(self.padding, kernel, dilation, place)
        if self.node == "conv":
            return core.Conv(out, kernel, stride, pads, dilation, self.groups, self.bias)
        if self.node == "local":
            if self.groups > 1 or max(dilation) > 1:
                raise Infeasible(place.where, "a local convolution has neither groups nor dilation; leave them out")
            return core.Local(out, kernel, stride, pads, self.bias)
        extra = (self.output_padding,) * place.axes
        return core.TransposedConv(out, kernel, stride, pads, extra, dilation, self.groups, self.bias)


class RawNorm(RawNode):
    """A norm of whatever kind."""

    node: Literal["norm"]
    kind: core.NormKind = "batch"
    groups: Annotated[int, Field(ge=1)] = 1
    eps: Annotated[float, Field(gt=0.0)] = 1e-5

    def lower(self, place: Place) -> core.Node:
        """Groups count only for `group`."""
        return core.Norm(self.kind, self.groups if self.kind == "group" else 1, self.eps)


class RawLocalResponse(RawNode):
    """Local response normalization."""

    node: Literal["local_response"]
    size: Annotated[int, Field(ge=1)] = 5
    alpha: Annotated[float, Field(ge=0.0)] = 1e-4
    beta: Annotated[float, Field(ge=0.0)] = 0.75
    k: Annotated[float, Field(gt=0.0)] = 2.0

    def lower(self, place: Place) -> core.Node:
        """The same fields."""
        return core.LocalResponse(self.size, self.alpha, self.beta, self.k)


class RawActivation(RawNode, ActivationSpec):
    """A nonlinearity."""

    node: Literal["activation"]

    def lower(self, place: Place) -> core.Node:
        """As in a word."""
        return parts.activation(self, "")[0][1]


class RawPool(RawNode, parts.PoolSpec):
    """Pooling, `learned` too."""

    node: Literal["pool"]

    def lower(self, place: Place) -> core.Node:
        """As in a word."""
        return parts.pool(self, place)[0][1]


class RawGlobalPool(RawNode):
    """Global pooling; `keep` leaves a map of one position."""

    node: Literal["global_pool"]
    kind: core.GlobalKind = "average"
    keep: bool = False

    def lower(self, place: Place) -> core.Node:
        """The same fields."""
        return core.GlobalPool(self.kind, self.keep)


class RawUpsample(RawNode):
    """Upsampling."""

    node: Literal["upsample"]
    scale: PerAxis = 2
    kind: core.UpsampleKind = "nearest"

    def lower(self, place: Place) -> core.Node:
        """The scale per axis."""
        return core.Upsample(parts.per_axis(self.scale, place), self.kind)


class RawDropout(RawNode):
    """Dropout."""

    node: Literal["dropout"]
    rate: Rate

    def lower(self, place: Place) -> core.Node:
        """The same field."""
        return core.Dropout(self.rate)


class RawLinear(RawNode):
    """A fully connected layer."""

    node: Literal["linear"]
    out: Out
    bias: bool = True

    def lower(self, place: Place) -> core.Node:
        """To its features."""
        return core.Linear(_out(self.out, place), self.bias)


class RawPrototypes(RawNode):
    """Negative squared distances to fixed patterns: LeNet-5's output layer."""

    node: Literal["prototypes"]
    out: Out

    def lower(self, place: Place) -> core.Node:
        """To its features."""
        return core.Prototypes(_out(self.out, place))


class RawSelect(RawNode):
    """Some of the channels, counted from 0."""

    node: Literal["select"]
    channels: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=parts.MAX_WIDTH)], ...], BeforeValidator(as_tuple), Field(min_length=1)
    ]

    def lower(self, place: Place) -> core.Node:
        """The same field."""
        return core.Select(self.channels)


class RawPadChannels(RawNode):
    """Channels of zeros before and after."""

    node: Literal["pad_channels"]
    before: Zeros = 0
    after: Zeros = 0

    def lower(self, place: Place) -> core.Node:
        """The same fields."""
        return core.PadChannels(self.before, self.after)


class RawSimple(RawNode):
    """A node without fields."""

    node: Literal["flatten", "identity", "coordinates"]

    def lower(self, place: Place) -> core.Node:
        """By its kind."""
        if self.node == "flatten":
            return core.Flatten()
        return core.Identity() if self.node == "identity" else core.Coordinates()


Nodes = Annotated["tuple[AnyNode, ...]", BeforeValidator(as_tuple)]


class RawSequence(RawNode):
    """Nodes one after the other."""

    node: Literal["sequence"]
    nodes: Nodes

    def lower(self, place: Place) -> core.Node:
        """The nodes."""
        return lower_nodes(self.nodes, place)


class RawParallel(RawNode):
    """Branches over the same input, by name, merged."""

    node: Literal["parallel"]
    merge: core.Merge
    branches: Annotated[dict[Name, Nodes], Field(min_length=1, max_length=256)]

    def lower(self, place: Place) -> core.Node:
        """Each branch."""
        branches = ((name, lower_nodes(nodes, place.inside(0, name))) for name, nodes in self.branches.items())
        return core.Parallel(tuple(branches), self.merge)


class RawWithin(RawNode):
    """A max pool, nodes, and the unpooling."""

    node: Literal["within"]
    pool: parts.PoolField = parts.PoolSpec()
    nodes: Nodes

    def lower(self, place: Place) -> core.Node:
        """The pool and the body."""
        pool = parts.pool(self.pool, place)[0][1]
        if not isinstance(pool, core.Pool):
            raise Infeasible(f"{place.where}.pool", f"{self.pool.kind!r} pooling has no switches; write kind: max")
        return core.Within(pool, lower_nodes(self.nodes, place.inside(0, "body")))


class RawAuxiliary(RawNode):
    """A classifier on the side, which must end in the network's outputs."""

    node: Literal["auxiliary"]
    weight: Annotated[float, Field(ge=0.0, le=10.0)] = 0.3
    nodes: Nodes

    def lower(self, place: Place) -> core.Node:
        """The side branch."""
        return core.Auxiliary(lower_nodes(self.nodes, place.inside(0, "body")), self.weight)


AnyNode = Annotated[
    RawConv
    | RawNorm
    | RawLocalResponse
    | RawActivation
    | RawPool
    | RawGlobalPool
    | RawUpsample
    | RawDropout
    | RawLinear
    | RawPrototypes
    | RawSelect
    | RawPadChannels
    | RawSimple
    | RawSequence
    | RawParallel
    | RawWithin
    | RawAuxiliary,
    Field(discriminator="node"),
]


class RawStage(Word):
    """The core written directly: `nodes` one after the other, each `{node: conv, ...}`."""

    block: Literal["raw"]
    nodes: Nodes

    def lower(self, place: Place) -> Lowered:
        """The nodes, and the channels that they leave."""
        node = lower_nodes(self.nodes, place)
        return Lowered(node, channels_after(node, place.inputs, place.axes))


def _out(out: int | Literal["outputs"], place: Place) -> int:
    return place.outputs if out == "outputs" else out


def lower_nodes(nodes: tuple[Any, ...], place: Place) -> core.Sequence:
    """Nodes one after the other, under their own names, or their kind and number."""
    items: Items = []
    for number, node in enumerate(nodes):
        name = node.name or f"{node.node}{number}"
        if any(name == other for other, _ in items):
            raise Infeasible(place.where, f"the name {name!r} stands twice; rename one")
        items.append((name, node.lower(place.inside(0, name))))
    return core.Sequence(tuple(items))


def channels_after(node: core.Node, channels: int, axes: int) -> int:
    """The channels that leave a node; 0 after a flatten, since only the map's size would tell."""
    match node:
        case core.Sequence():
            for _, child in node.items:
                channels = channels_after(child, channels, axes)
            return channels
        case core.Parallel():
            leaving = [channels_after(child, channels, axes) for _, child in node.branches]
            return sum(leaving) if node.merge == "concat" else leaving[0]
        case core.Conv() | core.TransposedConv() | core.Local() | core.Linear() | core.Prototypes():
            return node.out
        case core.Select():
            return len(node.channels)
        case core.PadChannels():
            return channels + node.before + node.after
        case core.Coordinates():
            return channels + axes
        case core.Flatten():
            return 0
    return channels


for _model in (RawSequence, RawParallel, RawWithin, RawAuxiliary, RawStage):
    _model.model_rebuild()
