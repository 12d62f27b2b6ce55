"""How each primitive changes the shape and the receptive field, and what it costs: the rules under `cost`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import prod
from typing import Any, NamedTuple

from searchspace.core import (
    Activation,
    Conv,
    Coordinates,
    Dropout,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Local,
    LocalResponse,
    Merge,
    Norm,
    PadChannels,
    Padding,
    Pool,
    Prototypes,
    Select,
    Shape,
    Size,
    TransposedConv,
    Upsample,
    WeightedPool,
    Within,
)


class Infeasible(ValueError):
    """A network that cannot exist: `where` is the name of the node, `reason` says why and, where known, the cure."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


class State(NamedTuple):
    """Where a walk stands: the shape; field, effective stride and padding per axis; weighted layers; who learns."""

    shape: Shape
    field: tuple[Any, ...]
    stride: tuple[Any, ...]
    padding: tuple[Any, ...]
    depth: int
    learns: bool


class Step(NamedTuple):
    """What one primitive does: the state after it, and its costs (see `cost.Layer`).

    `connections` is not 0 for layers of weighted sums; of these, convolutions and linear layers are what `multiplies`.
    """

    after: State
    params: int = 0
    macs: int = 0
    connections: int = 0
    indices: int = 0
    multiplies: bool = True


def _conv(node: Conv, name: str, state: State) -> Step:
    """Params out * (in / groups) * prod(k) + bias; MACs are those weights times the output positions."""
    inputs, out, kernel = state.shape[0], node.out, node.kernel
    _divides(name, node.groups, inputs, out)
    weights = out * (inputs // node.groups) * prod(kernel)
    if max(node.dilation) > 1:
        kernel = tuple([d * (k - 1) + 1 for k, d in zip(kernel, node.dilation, strict=True)])
    after = _slid(name, state, out, kernel, node.stride, node.padding, False, 1, True)
    positions, params = prod(after.shape[1:]), weights + out * node.bias
    return Step(after, params, weights * positions, params * positions)


def _transposed(node: TransposedConv, name: str, state: State) -> Step:
    """As the convolution whose transpose it is: every input position meets every weight.

    A window of the output that a position of the input reaches is d(k - 1) + 1 wide, so an output position sees at
    most ceil of that / s inputs.
    """
    _needs_map(name, state.shape, "a transposed convolution", len(node.kernel))
    inputs = state.shape[0]
    _divides(name, node.groups, inputs, node.out)
    size, field, padding = [], [], []
    for axis, n in enumerate(state.shape[1:]):
        k, s, (before, past), d = node.kernel[axis], node.stride[axis], node.padding[axis], node.dilation[axis]
        reach, extra = d * (k - 1) + 1, node.extra[axis]
        if extra >= max(s, d):
            raise Infeasible(name, f"output padding {extra} is not below stride {s}; choose 0 to {max(s, d) - 1}")
        outputs = (n - 1) * s - before - past + reach + extra
        if outputs < 1:
            raise Infeasible(name, f"a transposed {k} window leaves nothing of {n} positions; lower its padding")
        size.append(outputs)
        field.append(state.field[axis] + (-(-reach // s) - 1) * state.stride[axis])
        padding.append(state.padding[axis] + (reach - 1 - before) // s * state.stride[axis])
    weights = inputs * (node.out // node.groups) * prod(node.kernel)
    macs, outputs = weights * prod(state.shape[1:]), node.out * prod(size)
    stride = tuple(map(_over, state.stride, node.stride))
    after = State((node.out, *size), tuple(field), stride, tuple(padding), state.depth + 1, True)
    return Step(after, weights + node.out * node.bias, macs, macs + outputs * node.bias)


def _local(node: Local, name: str, state: State) -> Step:
    """Params: (in * prod(k) + bias) for each output unit; as many MACs as weights."""
    after = _slid(name, state, node.out, node.kernel, node.stride, node.padding, False, 1, True)
    outputs = prod(after.shape)
    weights = outputs * state.shape[0] * prod(node.kernel)
    return Step(after, weights + outputs * node.bias, weights, weights + outputs * node.bias)


def _linear(node: Linear, name: str, state: State) -> Step:
    inputs = _features(name, state.shape, "a linear layer")
    weights = inputs * node.out
    after = state._replace(shape=(node.out,), depth=state.depth + 1, learns=True)
    return Step(after, weights + node.out * node.bias, weights, weights + node.out * node.bias)


def _prototypes(node: Prototypes, name: str, state: State) -> Step:
    terms = _features(name, state.shape, "a layer of prototypes") * node.out
    return Step(state._replace(shape=(node.out,)), 0, terms, terms)


def _pool(node: Pool, name: str, state: State) -> Step:
    mixed = node.kind == "mixed"
    learns = state.learns or mixed
    after = _slid(name, state, state.shape[0], node.kernel, node.stride, node.padding, node.ceil, 0, learns)
    return Step(after, int(mixed), 0, 0, 0 if node.kind == "average" else prod(after.shape), False)


def _weighted_pool(node: WeightedPool, name: str, state: State) -> Step:
    channels, window = state.shape[0], prod(node.kernel)
    after = _slid(name, state, channels, node.kernel, node.stride, node.padding, False, 0, True)
    weights = (channels if node.per_channel else 1) * (window if node.per_position else 1)
    return Step(after, weights + channels * node.bias, 0, prod(after.shape) * (window + node.bias), 0, False)


def _global_pool(node: GlobalPool, name: str, state: State) -> Step:
    _needs_map(name, state.shape, "global pooling", len(state.field))
    size = state.shape[1:]
    shape = (state.shape[0], *((1,) * len(size) if node.keep else ()))
    return Step(_whole(state, shape, size))


def _flatten(node: Flatten, name: str, state: State) -> Step:
    return Step(_whole(state, (prod(state.shape),), state.shape[1:]))


def _norm(node: Norm, name: str, state: State) -> Step:
    """A scale and a shift for each channel (of a map) or feature."""
    channels = state.shape[0]
    if node.kind == "group" and channels % node.groups:
        raise Infeasible(name, f"{node.groups} groups do not divide {channels} channels; choose a divisor")
    return Step(state if state.learns else state._replace(learns=True), 2 * channels)


def _local_response(node: LocalResponse, name: str, state: State) -> Step:
    _needs_map(name, state.shape, "local response normalization", len(state.field))
    return Step(state)


def _activation(node: Activation, name: str, state: State) -> Step:
    if node.kind != "prelu":
        return Step(state)
    return Step(state._replace(learns=True), 1 if node.shared else state.shape[0])


def _same(node: Dropout | Identity, name: str, state: State) -> Step:
    return Step(state)


def _select(node: Select, name: str, state: State) -> Step:
    highest, last = max(node.channels), state.shape[0] - 1
    if highest > last:
        raise Infeasible(name, f"there is no channel {highest} among {state.shape[0]}; choose 0 to {last}")
    return Step(state._replace(shape=(len(node.channels), *state.shape[1:])))


def _pad_channels(node: PadChannels, name: str, state: State) -> Step:
    return Step(state._replace(shape=(node.before + state.shape[0] + node.after, *state.shape[1:])))


def _coordinates(node: Coordinates, name: str, state: State) -> Step:
    _needs_map(name, state.shape, "coordinate channels", len(state.field))
    return Step(state._replace(shape=(state.shape[0] + len(state.shape) - 1, *state.shape[1:])))


def _upsample(node: Upsample, name: str, state: State) -> Step:
    """Interpolation sees two neighbours per axis, repetition one."""
    _needs_map(name, state.shape, "upsampling", len(node.scale))
    size = tuple(n * s for n, s in zip(state.shape[1:], node.scale, strict=True))
    field = state.field
    if node.kind == "linear":
        field = tuple(r + j * (s > 1) for r, j, s in zip(field, state.stride, node.scale, strict=True))
    stride = tuple(map(_over, state.stride, node.scale))
    return Step(state._replace(shape=(state.shape[0], *size), field=field, stride=stride))


STEPS: Mapping[type, Callable[[Any, str, State], Step]] = {
    Conv: _conv,
    TransposedConv: _transposed,
    Local: _local,
    Linear: _linear,
    Prototypes: _prototypes,
    Pool: _pool,
    WeightedPool: _weighted_pool,
    GlobalPool: _global_pool,
    Flatten: _flatten,
    Norm: _norm,
    LocalResponse: _local_response,
    Activation: _activation,
    Dropout: _same,
    Identity: _same,
    Select: _select,
    PadChannels: _pad_channels,
    Coordinates: _coordinates,
    Upsample: _upsample,
}
"""What each primitive does to the state of a walk: (node, its name, state) -> step."""


def merge(how: Merge, name: str, ends: list[State]) -> State:
    """Branches meet: equal shapes to add or multiply, equal map sizes to concatenate; the widest field counts.

    A map of one position is spread over larger ones (squeeze-and-excitation, the image branch of an atrous pyramid).
    """
    widest = ends[0]
    if len({end.shape[1:] for end in ends}) > 1:
        widest = next((end for end in ends if max(end.shape[1:], default=0) > 1), widest)
        if any(end.shape[1:] not in (widest.shape[1:], (1,) * (len(widest.shape) - 1)) for end in ends):
            raise _unequal(how, name, ends)
    channels = [end.shape[0] for end in ends]
    if how != "concat" and len({*channels}) > 1:
        raise _unequal(how, name, ends)
    field, padding = widest.field, widest.padding
    depth, learns = widest.depth, widest.learns
    for end in ends:
        if end.field != field:
            field = tuple(map(max, field, end.field))
        if end.padding != padding:
            padding = tuple(map(max, padding, end.padding))
        depth, learns = max(depth, end.depth), learns or end.learns
    shape = (sum(channels) if how == "concat" else channels[0], *widest.shape[1:])
    return State(shape, field, widest.stride, padding, depth, learns)


def _unequal(how: Merge, name: str, ends: list[State]) -> Infeasible:
    listed = " and ".join("x".join(map(str, end.shape)) for end in ends)
    return Infeasible(name, f"branches of {listed} cannot be merged by {how!r}; give them one shape")


def unpool(node: Within, name: str, before: State, pooled: State, body: State) -> State:
    """The body's maxima back at the places where the pool found them: the shape and stride of before the pool."""
    pool = node.pool
    if pool.kind != "max" or any(s < k for s, k in zip(pool.stride, pool.kernel, strict=True)):
        raise Infeasible(f"{name}.pool", "unpooling needs max pooling whose windows do not overlap; raise its stride")
    if body.shape != pooled.shape:
        got, wanted = ("x".join(map(str, shape)) for shape in (body.shape, pooled.shape))
        raise Infeasible(f"{name}.body", f"it turns {wanted} into {got}, which cannot be unpooled; keep the shape")
    return body._replace(shape=before.shape, stride=before.stride)


def _slid(
    name: str,
    state: State,
    channels: int,
    kernel: Size,
    stride: Size,
    padding: Padding,
    ceil: bool,
    layers: int,
    learns: bool,
) -> State:
    """The state after a window (with its dilation) that slides over every axis.

    Size: floor((n + before + after - k) / s) + 1, or its ceiling. Receptive field: r += (k - 1) j, p += before j, then
    j *= s.
    """
    shape = state.shape
    _needs_map(name, shape, "a window", len(kernel))
    size, field, jumps, pads = [channels], [], [], []
    for axis, (before, after) in enumerate(padding):
        n, k, s, j = shape[axis + 1], kernel[axis], stride[axis], state.stride[axis]
        room = n + before + after - k
        if room < 0:
            window, have = "x".join(map(str, kernel)), "x".join(map(str, shape[1:]))
            raise Infeasible(name, f"a {window} window does not fit a {have} map")
        steps = room // s
        if ceil:
            steps = -(-room // s)
            steps -= steps * s >= n + before  # torch: the last window must start inside the map or its left padding
        size.append(steps + 1)
        field.append(state.field[axis] + (k - 1) * j)
        pads.append(state.padding[axis] + before * j)
        jumps.append(j * s)
    return State(tuple(size), tuple(field), tuple(jumps), tuple(pads), state.depth + layers, learns)


def _whole(state: State, shape: Shape, size: Size) -> State:
    """The state after a layer that sees the whole map; features have no map left to slide over."""
    if not size:
        return state._replace(shape=shape)
    field = tuple(r + (n - 1) * j for r, n, j in zip(state.field, size, state.stride, strict=True))
    return state._replace(shape=shape, field=field)


def _over(jump: Any, scale: int) -> Any:
    """A stride divided by the scale of an upsampling, whole where it can be."""
    return jump // scale if jump % scale == 0 else Fraction(jump) / scale


def _needs_map(name: str, shape: Shape, what: str, axes: int) -> None:
    if len(shape) < 2:
        raise Infeasible(name, f"{what} needs a map, but has {shape[0]} features; put it before the flatten")
    if len(shape) - 1 != axes:
        raise Infeasible(name, f"{what} for {axes} axes meets a map of {len(shape) - 1}; give one number per axis")


def _features(name: str, shape: Shape, what: str) -> int:
    if len(shape) != 1:
        raise Infeasible(name, f"{what} needs features, not a map of {shape}; pool or flatten it first")
    return shape[0]


def _divides(name: str, groups: int, inputs: int, out: int) -> None:
    if inputs % groups or out % groups:
        raise Infeasible(name, f"{groups} groups do not divide {inputs} -> {out} channels; choose a divisor")
