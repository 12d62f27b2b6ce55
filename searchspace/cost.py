"""What a network costs, counted in closed form: shapes, params, MACs, units, receptive field. No torch.

One fold over the core visits the same nodes, in the same order and under the same names, as the builder of the torch
module does. 1 MAC is one multiply-add of a convolution or linear layer for one example; biases, norms, activations
and pooling count none (pycls's "flops").
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from searchspace import geometry
from searchspace.core import (
    Auxiliary,
    Combinator,
    Conv,
    Local,
    Network,
    Node,
    Parallel,
    Pool,
    Primitive,
    Sequence,
    Shape,
    Size,
    WeightedPool,
    Within,
)
from searchspace.state import Infeasible as Infeasible
from searchspace.state import State, Step, merge, unpool


class Layer(NamedTuple):
    """One primitive, or the merge of a combinator, at its place, with what it costs for one example.

    `field`, `stride` and `padding` are the receptive field, the effective stride and the effective padding after this
    layer, in input pixels per axis (r += (k - 1) j, p += before j, then j *= s; a dilation d makes k into
    d(k - 1) + 1). `train_macs` are those of a training step: the layer's output, the gradient of its weights and, where
    anything before it learns, that of its input. `activations` is the size of the output of convolutions and linear
    layers, `units` that of all layers with weighted sums (LeNet's trainable pooling too), `connections` the terms of
    those sums with their biases. `indices` are the switches that a max pool keeps. `side` layers stand in an auxiliary
    classifier: they learn, but compute nothing once trained.
    """

    name: str
    node: Primitive | Combinator
    in_shape: Shape
    out_shape: Shape
    params: int
    macs: int
    activations: int
    field: Size
    stride: tuple[float, ...]
    padding: tuple[float, ...]
    train_macs: int = 0
    units: int = 0
    connections: int = 0
    indices: int = 0
    side: bool = False


@dataclass(frozen=True, slots=True)
class Cost:
    """A network's totals for one example; see `Layer`. Auxiliary classifiers count in `params` and `train_macs` only.

    `field`, `stride` and `padding` are those of the last map, before a global pool or flatten sees everything, on the
    axis where they are largest; `depth` counts weighted layers on the longest path.
    """

    params: int
    macs: int
    activations: int
    field: int
    depth: int
    train_macs: int = 0
    units: int = 0
    connections: int = 0
    indices: int = 0
    stride: float = 1
    padding: float = 0


COUNTED = ("params", "macs", "activations")
"""The costs that constraints, objectives and matches may name."""


def trace(network: Network) -> tuple[Layer, ...]:
    """Every layer of the network in order, or `Infeasible` at the first that cannot be."""
    return tuple(map(_layer, _walked(network)[0]))


def cost(network: Network) -> Cost:
    """The totals over `trace`."""
    return _totals(*_walked(network))


def traced(network: Network) -> tuple[tuple[Layer, ...], Cost]:
    """Both, in one walk."""
    visits, end = _walked(network)
    return tuple(map(_layer, visits)), _totals(visits, end)


class _Visit(NamedTuple):
    """A node where the walk came by, with the state before it; `side`: in an auxiliary classifier."""

    name: str
    node: Primitive | Combinator
    before: State
    step: Step
    side: bool


def _walked(network: Network) -> tuple[list[_Visit], State]:
    axes = len(network.input) - 1
    visits: list[_Visit] = []
    start = State(network.input, (1,) * axes, (1,) * axes, (0,) * axes, 0, False)
    return visits, _walk(network.root, "", start, visits, False)


def _walk(node: Node, name: str, state: State, visits: list[_Visit], side: bool) -> State:
    rule = geometry.STEPS.get(type(node))
    if rule is not None:
        step = rule(node, name, state)
        visits.append(_Visit(name, node, state, step, side))
        return step.after
    if isinstance(node, Sequence):
        prefix = f"{name}." if name else ""
        for key, child in node.items:
            state = _walk(child, prefix + key, state, visits, side)
        return state
    assert isinstance(node, Parallel | Within | Auxiliary)
    after = _combined(node, name, state, visits, side)
    visits.append(_Visit(name, node, state, Step(after), side))
    return after


def _combined(node: Parallel | Within | Auxiliary, name: str, state: State, visits: list[_Visit], side: bool) -> State:
    """The state where branches meet, or an inner body ends."""
    if isinstance(node, Parallel):
        ends = [_walk(child, f"{name}.{key}", state, visits, side) for key, child in node.branches]
        return merge(node.merge, name, ends)
    if isinstance(node, Within):
        pooled = _walk(node.pool, f"{name}.pool", state, visits, side)
        body = _walk(node.body, f"{name}.body", pooled, visits, side)
        return unpool(node, name, state, pooled, body)
    _walk(node.body, f"{name}.body", state, visits, True)
    return state


def _totals(visits: list[_Visit], end: State) -> Cost:
    """The sums over layers, and the geometry of the last map."""
    params = macs = activations = train_macs = units = connections = indices = 0
    last: State | None = None
    for _, _, before, (after, own, products, terms, switches, multiplies), side in visits:
        params += own
        train_macs += products * (1 + (own > 0) + before.learns)
        if side:
            continue
        if terms:
            outputs = prod(after.shape)
            macs += products
            activations += outputs * multiplies
            units += outputs
            connections += terms
        indices += switches
        if len(after.shape) > 1:
            last = after
    field, stride, padding = (max(last.fields), max(last.strides), max(last.padding)) if last else (1, 1, 0)
    return Cost(
        params,
        macs,
        activations,
        field,
        end.depth,
        train_macs,
        units,
        connections,
        indices,
        stride,
        padding,
    )


def _layer(visit: _Visit) -> Layer:
    """The row of a visit."""
    name, node, before, step, side = visit
    after, outputs = step.after, prod(step.after.shape) if step.connections else 0
    # Weights that learn need their gradient, and what learns before them the gradient of their input.
    train_macs = step.macs * (1 + (step.params > 0) + before.learns)
    return Layer(
        name,
        node,
        before.shape,
        after.shape,
        step.params,
        step.macs,
        outputs * step.multiplies,
        after.fields,
        after.strides,
        after.padding,
        train_macs,
        outputs,
        step.connections,
        step.indices,
        side,
    )


def remainder(layer: Layer) -> tuple[int, int, int, int, int] | None:
    """The first axis on which a window's (padded size - k) / s is not whole, or None.

    Its size, its padded size, the window, the stride, and how many positions of the map, not of its padding, no window
    reads.
    """
    node = layer.node
    if not isinstance(node, Conv | Local | Pool | WeightedPool) or (isinstance(node, Pool) and node.ceil):
        return None
    dilation = node.dilation if isinstance(node, Conv) else (1,) * len(node.kernel)
    for axis, n in enumerate(layer.in_shape[1:]):
        before, after = node.padding[axis]
        padded, k, s = n + before + after, dilation[axis] * (node.kernel[axis] - 1) + 1, node.stride[axis]
        if rest := (padded - k) % s:
            return n, padded, k, s, max(rest - after, 0)
    return None
