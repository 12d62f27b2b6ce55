"""What each primitive does to the state of a walk, and what it costs: the rules under `cost`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

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
    Norm,
    PadChannels,
    Pool,
    Prototypes,
    Select,
    Shape,
    TransposedConv,
    Upsample,
    WeightedPool,
)
from searchspace.state import Infeasible, Seen, State, Step, enlarged, needs_map, slid, spread, whole


def _conv(node: Conv, name: str, state: State) -> Step:
    """Params out * (in / groups) * prod(k) + bias; MACs are those weights times the output positions."""
    inputs, out, kernel = state.shape[0], node.out, node.kernel
    _divides(name, node.groups, inputs, out)
    weights = out * (inputs // node.groups) * prod(kernel)
    if max(node.dilation) > 1:
        kernel = tuple([d * (k - 1) + 1 for k, d in zip(kernel, node.dilation, strict=True)])
    after = slid(name, state, out, kernel, node.stride, node.padding, False, 1, True)
    positions, params = prod(after.shape[1:]), weights + out * node.bias
    return Step(after, params, weights * positions, params * positions)


def _transposed(node: TransposedConv, name: str, state: State) -> Step:
    """As the convolution whose transpose it is: every input position meets every weight.

    A run of m outputs sees floor((m + d(k - 1) - 1) / s) + 1 inputs.
    """
    needs_map(name, state.shape, "a transposed convolution", len(node.kernel))
    inputs = state.shape[0]
    _divides(name, node.groups, inputs, node.out)
    size, padding, runs = [], [], []
    for axis, n in enumerate(state.shape[1:]):
        k, s, (before, past), d = node.kernel[axis], node.stride[axis], node.padding[axis], node.dilation[axis]
        reach, extra = d * (k - 1) + 1, node.extra[axis]
        if extra >= max(s, d):
            raise Infeasible(name, f"output padding {extra} is not below stride {s}; choose 0 to {max(s, d) - 1}")
        outputs = (n - 1) * s - before - past + reach + extra
        if outputs < 1:
            raise Infeasible(name, f"a transposed {k} window leaves nothing of {n} positions; lower its padding")
        size.append(outputs)
        padding.append(state.padding[axis] + (reach - 1 - before) // s * state.strides[axis])
        runs.append(_overlapping(reach, s))
    weights = inputs * (node.out // node.groups) * prod(node.kernel)
    macs, outputs = weights * prod(state.shape[1:]), node.out * prod(size)
    after = enlarged(state, (node.out, *size), node.stride, runs)
    after = after._replace(padding=tuple(padding), depth=state.depth + 1, learns=True)
    return Step(after, weights + node.out * node.bias, macs, macs + outputs * node.bias)


def _overlapping(reach: int, stride: int) -> Seen:
    """Windows of `reach` outputs that begin every `stride` of them: floor((m + reach - 2) / s) + 1 inputs."""
    return lambda run: (run + reach - 2) // stride + 1


def _local(node: Local, name: str, state: State) -> Step:
    """Params: (in * prod(k) + bias) for each output unit; as many MACs as weights."""
    after = slid(name, state, node.out, node.kernel, node.stride, node.padding, False, 1, True)
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
    after = slid(name, state, state.shape[0], node.kernel, node.stride, node.padding, node.ceil, 0, learns)
    return Step(after, int(mixed), 0, 0, 0 if node.kind == "average" else prod(after.shape), False)


def _weighted_pool(node: WeightedPool, name: str, state: State) -> Step:
    channels, window = state.shape[0], prod(node.kernel)
    after = slid(name, state, channels, node.kernel, node.stride, node.padding, False, 0, True)
    weights = (channels if node.per_channel else 1) * (window if node.per_position else 1)
    return Step(after, weights + channels * node.bias, 0, prod(after.shape) * (window + node.bias), 0, False)


def _global_pool(node: GlobalPool, name: str, state: State) -> Step:
    needs_map(name, state.shape, "global pooling", len(state.field))
    size = state.shape[1:]
    shape = (state.shape[0], *((1,) * len(size) if node.keep else ()))
    return Step(whole(state, shape, size))


def _flatten(node: Flatten, name: str, state: State) -> Step:
    return Step(whole(state, (prod(state.shape),), state.shape[1:]))


def _norm(node: Norm, name: str, state: State) -> Step:
    """A scale and a shift for each channel (of a map) or feature."""
    channels = state.shape[0]
    if node.kind == "group" and channels % node.groups:
        raise Infeasible(name, f"{node.groups} groups do not divide {channels} channels; choose a divisor")
    return Step(state if state.learns else state._replace(learns=True), 2 * channels)


def _local_response(node: LocalResponse, name: str, state: State) -> Step:
    needs_map(name, state.shape, "local response normalization", len(state.field))
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
    needs_map(name, state.shape, "coordinate channels", len(state.field))
    return Step(state._replace(shape=(state.shape[0] + len(state.shape) - 1, *state.shape[1:])))


def _upsample(node: Upsample, name: str, state: State) -> Step:
    """A run of m outputs sees floor((m - 2) / s) + 2 inputs where they are repeated, and one more between two."""
    needs_map(name, state.shape, "upsampling", len(node.scale))
    size = tuple(n * s for n, s in zip(state.shape[1:], node.scale, strict=True))
    runs = [spread(s, node.kind == "linear") for s in node.scale]
    return Step(enlarged(state, (state.shape[0], *size), node.scale, runs))


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


def _features(name: str, shape: Shape, what: str) -> int:
    if len(shape) != 1:
        raise Infeasible(name, f"{what} needs features, not a map of {shape}; pool or flatten it first")
    return shape[0]


def _divides(name: str, groups: int, inputs: int, out: int) -> None:
    if inputs % groups or out % groups:
        raise Infeasible(name, f"{groups} groups do not divide {inputs} -> {out} channels; choose a divisor")
