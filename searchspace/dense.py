"""The same network over larger inputs: its fully connected layers as convolutions, its global pools as windows.

A linear layer behind a flatten of a C x h x w map is a convolution with an h x w kernel, further ones are 1x1, and a
global pool is a pool of that size at stride 1 (Sermanet et al. 2014, OverFeat, sec. 3.5; Long et al. 2015, FCN). What
comes out is a map of predictions, one for each place of the window that the network was trained on. Names stay, so
weights only change their shape.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from searchspace import core
from searchspace.core import Network, Node, Sequence, Size
from searchspace.cost import Layer, trace
from searchspace.state import Infeasible

UNALIKE: dict[type, str] = {
    core.Local: "its filters belong to positions",
    core.Coordinates: "coordinates belong to positions",
    core.TransposedConv: "an enlarged map has no window of its own for each position",
    core.Upsample: "an enlarged map has no window of its own for each position",
    core.Within: "its pool and unpooling go by the place of a window",
    core.Prototypes: "distances to prototypes have no form as a convolution",
}
"""What a window that slides cannot do, and why."""
INSIDE = "inside of a branch it sees the whole map, which is larger there"


class Sliding(NamedTuple):
    """The trained input is the `window`; two predictions lie `step` pixels apart, per axis.

    `exact`: each prediction is that of its window cut out and classified. Padding inside the network makes it differ:
    there the cut-out sees zeros where the larger input goes on.
    """

    window: Size
    step: Size
    exact: bool


def dense(network: Network, size: Size | None = None) -> Network:
    """The network for inputs of map size `size` (None: its own), ending in a map of predictions.

    `Infeasible` names what cannot slide. At its own size the map has one position, equal to the network's outputs.
    """
    channels, *trained = network.input
    wanted = tuple(trained) if size is None else size
    if len(wanted) != len(trained) or any(n < least for n, least in zip(wanted, trained, strict=True)):
        window = "x".join(map(str, trained))
        raise Infeasible("input", f"{'x'.join(map(str, wanted))} has no place for the window of {window}; enlarge it")
    root = _Walk({row.name: row for row in trace(network)}).sequence(network.root, "")
    made = Network((channels, *wanted), root)
    trace(made)
    return made


def sliding(network: Network) -> Sliding:
    """How the dense form of a network moves over larger inputs."""
    rows = [row for row in trace(dense(network)) if not row.side]
    stride = rows[-1].stride if rows else (1,) * len(network.input[1:])
    return Sliding(network.input[1:], tuple(int(step) for step in stride), not any(map(_bordered, rows)))


def _bordered(row: Layer) -> bool:
    """Whether the layer sees a border: by padding, or by windows that a map's end cuts short."""
    padding = getattr(row.node, "padding", ())
    if any(map(any, padding)):
        return True
    if not isinstance(row.node, core.Pool) or not row.node.ceil:
        return False
    sides = zip(row.in_shape[1:], row.node.kernel, row.node.stride, strict=True)
    return any((n - k) % s for n, k, s in sides)


class _Walk:
    """Down the chain from the input to the outputs; `flat` is the size of a flattened map until a layer has read it."""

    def __init__(self, rows: dict[str, Layer]) -> None:
        self.rows = rows
        self.flat: Size = ()
        self.features = False

    def sequence(self, node: Sequence, name: str) -> Sequence:
        return Sequence(tuple((key, self.node(child, f"{name}.{key}" if name else key)) for key, child in node.items))

    def node(self, node: Node, name: str) -> Node:
        """The node's dense form."""
        match node:
            case Sequence():
                return self.sequence(node, name)
            case core.Auxiliary():
                return core.Identity()
            case core.Parallel():
                _refuse_inside(node, name)
                return node
            case core.Flatten():
                return self._flatten(name)
            case core.GlobalPool():
                return self._global(node, name)
            case core.Linear():
                return self._linear(node)
        self._check(node, name)
        return node

    def _flatten(self, name: str) -> Node:
        self.flat = () if self.features else self.rows[name].in_shape[1:]
        self.features = True
        return core.Identity()

    def _global(self, node: core.GlobalPool, name: str) -> Node:
        size = self.rows[name].in_shape[1:]
        self.features = not node.keep
        return core.Pool(node.kind, size, (1,) * len(size), ((0, 0),) * len(size))

    def _linear(self, node: core.Linear) -> Node:
        axes = len(next(iter(self.rows.values())).field)
        kernel = self.flat or (1,) * axes
        self.flat = ()
        one = (1,) * axes
        return core.Conv(node.out, kernel, one, ((0, 0),) * axes, one, bias=node.bias)

    def _check(self, node: Node, name: str) -> None:
        """A norm over features or over a map does not slide, nor does what counts the features of a flattened map."""
        if reason := _unalike(node):
            raise Infeasible(name, f"{reason}, so it cannot slide over larger inputs; use another layer there")
        counted = isinstance(node, core.Norm | core.Select | core.PadChannels)
        counted |= isinstance(node, core.Activation) and node.kind == "prelu" and not node.shared
        if counted and any(n > 1 for n in self.flat):
            raise Infeasible(name, "between a flatten and a linear layer it counts positions as features; move it")


def _unalike(node: Node) -> str | None:
    if isinstance(node, core.Norm) and node.kind != "batch":
        return f"{node.kind} norm measures a whole map"
    if isinstance(node, core.Pool) and node.ceil and any(before != after for before, after in node.padding):
        return "a pool in ceil mode with uneven padding is made for one size"
    return UNALIKE.get(type(node))


def _refuse_inside(node: Node, name: str) -> None:
    """Branches slide where all that is in them does."""
    for inner, child in _nodes(node, name):
        reason = INSIDE if isinstance(child, core.GlobalPool | core.Flatten | core.Linear) else _unalike(child)
        if reason:
            raise Infeasible(inner, f"{reason}, so it cannot slide over larger inputs; use another block there")


def _nodes(node: Node, name: str) -> Iterator[tuple[str, Node]]:
    """Everything in it, `Within` among it, by full names."""
    yield name, node
    for key, child in core.children(node):
        yield from _nodes(child, f"{name}.{key}")
