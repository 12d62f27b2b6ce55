"""What a network costs, counted in closed form: shapes, params, MACs, activations, receptive field. No torch.

One fold over the core visits the same nodes, in the same order and under the same names, as the builder of the torch
module does. 1 MAC is one multiply-add of a convolution or linear layer for one example; biases, norms, activations
and pooling count none (REFERENCE.md's convention, pycls's "flops").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from searchspace.core import (
    Activation,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Network,
    Node,
    Norm,
    Parallel,
    Pool,
    Primitive,
    Sequence,
    Shape,
    Size,
)


class Infeasible(ValueError):
    """A network that cannot exist: `where` is the name of the node, `reason` says why and, where known, the cure."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


@dataclass(frozen=True)
class Layer:
    """One primitive (or the merge of a `parallel`) at its place, with what it costs for one example.

    `field` is the receptive field and `stride` the effective stride, in input pixels per axis, after this layer:
    r += (k - 1) j, then j *= s; a dilation d makes k into d(k - 1) + 1. `activations` is the size of the output of
    the layers that have weights to multiply (convolution, linear) and 0 for all others.
    """

    name: str
    node: Primitive | Parallel
    in_shape: Shape
    out_shape: Shape
    params: int
    macs: int
    activations: int
    field: Size
    stride: Size


@dataclass(frozen=True)
class Cost:
    """A network's totals for one example.

    `field` is the widest receptive field of a map, so before a global pool or flatten sees everything; `depth` counts
    convolutions and linear layers on the longest path.
    """

    params: int
    macs: int
    activations: int
    field: int
    depth: int


COUNTED = ("params", "macs", "activations")
"""The costs that constraints, objectives and matches may name."""


@dataclass(frozen=True)
class _State:
    """Where a walk stands: the shape, the receptive field and stride per axis, and the weighted layers so far."""

    shape: Shape
    field: Size
    stride: Size
    depth: int = 0


def trace(network: Network) -> tuple[Layer, ...]:
    """Every layer of the network in order, or `Infeasible` at the first that cannot be."""
    return _trace(network)[0]


def cost(network: Network) -> Cost:
    """The totals over `trace`."""
    layers, end = _trace(network)
    return Cost(
        params=sum(layer.params for layer in layers),
        macs=sum(layer.macs for layer in layers),
        activations=sum(layer.activations for layer in layers),
        field=max((max(layer.field) for layer in layers if len(layer.out_shape) > 1), default=1),
        depth=end.depth,
    )


def _trace(network: Network) -> tuple[tuple[Layer, ...], _State]:
    axes = len(network.input) - 1
    layers: list[Layer] = []
    end = _walk(network.root, "", _State(network.input, (1,) * axes, (1,) * axes), layers)
    return tuple(layers), end


def _walk(node: Node, name: str, state: _State, layers: list[Layer]) -> _State:
    if isinstance(node, Sequence):
        for key, child in node.items:
            state = _walk(child, f"{name}.{key}" if name else key, state, layers)
        return state
    if isinstance(node, Parallel):
        ends = [_walk(child, f"{name}.{key}", state, layers) for key, child in node.branches]
        return _merge(node, name, state, ends, layers)
    after, params, macs = _step(node, name, state)
    activations = prod(after.shape) if isinstance(node, Conv | Linear) else 0
    layers.append(Layer(name, node, state.shape, after.shape, params, macs, activations, after.field, after.stride))
    return after


def _merge(node: Parallel, name: str, state: _State, ends: list[_State], layers: list[Layer]) -> _State:
    """Branches meet: equal shapes to add or multiply, equal map sizes to concatenate; the widest field counts."""
    shapes = [end.shape for end in ends]
    comparable = {shape[1:] for shape in shapes} if node.merge == "concat" else set(shapes)
    if len(comparable) > 1:
        listed = " and ".join("x".join(map(str, shape)) for shape in shapes)
        raise Infeasible(name, f"branches of {listed} cannot be merged by {node.merge!r}; give them one shape")
    channels = sum(shape[0] for shape in shapes) if node.merge == "concat" else shapes[0][0]
    field = tuple(max(axis) for axis in zip(*(end.field for end in ends), strict=True))
    after = _State((channels, *shapes[0][1:]), field, ends[0].stride, max(end.depth for end in ends))
    layers.append(Layer(name, node, state.shape, after.shape, 0, 0, 0, after.field, after.stride))
    return after


def _step(node: Primitive, name: str, state: _State) -> tuple[_State, int, int]:
    """The state after one primitive, its params and its MACs."""
    match node:
        case Conv():
            return _conv(node, name, state)
        case Pool():
            size = _windows(
                name, state.shape, node.kernel, node.stride, node.padding, (1,) * len(node.kernel), node.ceil
            )
            return _slid(state, (state.shape[0], *size), node.kernel, node.stride), 0, 0
        case GlobalPool():
            _needs_map(name, state.shape, "global pooling")
            size = state.shape[1:]
            return _slid(state, (state.shape[0],), size, (1,) * len(size)), 0, 0
        case Flatten():
            size = state.shape[1:]
            return _slid(state, (prod(state.shape),), size, (1,) * len(size)), 0, 0
        case Linear():
            return _linear(node, name, state)
        case Norm():
            return state, _norm_params(node, name, state.shape), 0
        case Activation() | Dropout() | Identity():
            return state, 0, 0


def _conv(node: Conv, name: str, state: _State) -> tuple[_State, int, int]:
    """Params out * (in / groups) * prod(k) + bias; MACs are those weights times the output positions."""
    inputs = state.shape[0]
    if inputs % node.groups or node.out % node.groups:
        raise Infeasible(name, f"{node.groups} groups do not divide {inputs} -> {node.out} channels; choose a divisor")
    size = _windows(name, state.shape, node.kernel, node.stride, node.padding, node.dilation, False)
    weights = node.out * (inputs // node.groups) * prod(node.kernel)
    kernel = tuple(d * (k - 1) + 1 for k, d in zip(node.kernel, node.dilation, strict=True))
    after = replace(_slid(state, (node.out, *size), kernel, node.stride), depth=state.depth + 1)
    return after, weights + node.out * node.bias, weights * prod(size)


def _linear(node: Linear, name: str, state: _State) -> tuple[_State, int, int]:
    if len(state.shape) != 1:
        raise Infeasible(name, f"a linear layer needs features, not a map of {state.shape}; pool or flatten it first")
    weights = state.shape[0] * node.out
    return replace(state, shape=(node.out,), depth=state.depth + 1), weights + node.out * node.bias, weights


def _norm_params(node: Norm, name: str, shape: Shape) -> int:
    """A scale and a shift for each channel (of a map) or feature."""
    if node.kind == "group" and shape[0] % node.groups:
        raise Infeasible(name, f"{node.groups} groups do not divide {shape[0]} channels; choose a divisor")
    return 2 * shape[0]


def _slid(state: _State, shape: Shape, kernel: Size, stride: Size) -> _State:
    """The state after a window of `kernel` slid with `stride`: r += (k - 1) j, then j *= s."""
    field = tuple(r + (k - 1) * j for r, k, j in zip(state.field, kernel, state.stride, strict=True))
    jump = tuple(j * s for j, s in zip(state.stride, stride, strict=True))
    return replace(state, shape=shape, field=field, stride=jump)


def _needs_map(name: str, shape: Shape, what: str) -> None:
    if len(shape) < 2:
        raise Infeasible(name, f"{what} needs a map, but has {shape[0]} features; put it before the flatten")


def _windows(
    name: str,
    shape: Shape,
    kernel: Size,
    stride: Size,
    padding: tuple[tuple[int, int], ...],
    dilation: Size,
    ceil: bool,
) -> Size:
    """Output size per axis: floor((n + before + after - d(k - 1) - 1) / s) + 1, or its ceiling."""
    _needs_map(name, shape, "a window")
    size = []
    for n, k, s, (before, after), d in zip(shape[1:], kernel, stride, padding, dilation, strict=True):
        room = n + before + after - d * (k - 1) - 1
        if room < 0:
            window, have = "x".join(map(str, kernel)), "x".join(map(str, shape[1:]))
            raise Infeasible(name, f"a {window} window does not fit a {have} map")
        steps = -(-room // s) if ceil else room // s
        if ceil and steps * s >= n + before:  # torch: the last window must start inside the map or its left padding
            steps -= 1
        size.append(steps + 1)
    return tuple(size)
