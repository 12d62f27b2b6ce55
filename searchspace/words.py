"""The words of a blueprint: plain functions that lower one stage to the core. A new word is one more function here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from searchspace.blueprint import Head, NormSpec, PlainStage, PoolSpec, ResidualStage
from searchspace.core import (
    Activation,
    ActivationKind,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Node,
    Norm,
    Parallel,
    Pool,
    Sequence,
    Size,
    same_padding,
)
from searchspace.cost import Infeasible

Items = list[tuple[str, Node]]


def per_axis(value: int | tuple[int, ...], axes: int, where: str) -> Size:
    """One number for all axes, or one per axis."""
    size = (value,) * axes if isinstance(value, int) else value
    if len(size) != axes:
        raise Infeasible(where, f"{list(size)} is for {len(size)} axes, the map has {axes}; give one number or {axes}")
    return size


def plain(stage: PlainStage, inputs: int, axes: int, where: str) -> Sequence:
    """`[conv -> norm? -> activation] x repeat -> pool?`; the first convolution takes the stage's stride."""
    items: Items = []
    for number in range(1, stage.repeat + 1):
        items += _unit(stage, str(number), stage.stride if number == 1 else 1, axes, where)
    return Sequence((*items, *_pool(stage.pool, axes, where)))


def residual(stage: ResidualStage, inputs: int, axes: int, where: str) -> Sequence:
    """Basic blocks, act(norm(conv(act(norm(conv x)))) + shortcut x); the rest of the stage as `plain`."""
    items: Items = []
    for number in range(1, stage.repeat + 1):
        stride = stage.stride if number == 1 else 1
        items.append((f"block{number}", _basic(stage, inputs, stride, axes, where)))
        inputs = stage.width
    return Sequence((*items, *_pool(stage.pool, axes, where)))


def _basic(stage: ResidualStage, inputs: int, stride: int | tuple[int, ...], axes: int, where: str) -> Sequence:
    """One basic block. With the norm after the activation, both units are norm(act(conv)), then the sum, then act."""
    after = stage.norm is not None and stage.norm.place == "after_activation"
    first = _unit(stage, "1", stride, axes, where)
    second = [item for item in _unit(stage, "2", 1, axes, where) if after or not item[0].startswith("act")]
    branches = (("body", Sequence((*first, *second))), ("shortcut", _shortcut(stage, inputs, stride, axes, where)))
    return Sequence((("sum", Parallel(branches, "add")), *_activation(stage.activation, "act")))


def _shortcut(stage: ResidualStage, inputs: int, stride: int | tuple[int, ...], axes: int, where: str) -> Node:
    """The input itself, or a 1x1 projection where the block changes width or map size."""
    strides = per_axis(stride, axes, where)
    if inputs == stage.width and set(strides) == {1}:
        return Identity()
    norm = _norm(stage.norm, "norm")
    ones = (1,) * axes
    conv = Conv(stage.width, ones, strides, ((0, 0),) * axes, ones, bias=not norm)
    return Sequence((("conv", conv), *norm))


def _unit(
    stage: PlainStage | ResidualStage, suffix: str, stride: int | tuple[int, ...], axes: int, where: str
) -> Items:
    """A convolution, its norm and activation in the declared order; a bias unless a norm follows directly."""
    kernel, ones = per_axis(stage.kernel, axes, where), (1,) * axes
    norm, activation = _norm(stage.norm, f"norm{suffix}"), _activation(stage.activation, f"act{suffix}")
    before = stage.norm is not None and stage.norm.place == "before_activation"
    rest = norm + activation if before else activation + norm
    bias = not (rest and isinstance(rest[0][1], Norm))
    conv = Conv(stage.width, kernel, per_axis(stride, axes, where), same_padding(kernel, ones), ones, bias=bias)
    return [(f"conv{suffix}", conv), *rest]


def _norm(norm: NormSpec | None, name: str) -> Items:
    return [] if norm is None or norm.place == "none" else [(name, Norm(norm.kind, norm.groups))]


def _activation(kind: ActivationKind | None, name: str) -> Items:
    return [] if kind is None else [(name, Activation(kind))]


def _pool(pool: PoolSpec | None, axes: int, where: str) -> Items:
    if pool is None:
        return []
    size = per_axis(pool.size, axes, f"{where}.pool")
    stride = size if pool.stride is None else per_axis(pool.stride, axes, f"{where}.pool")
    return [("pool", Pool(pool.kind, size, stride, ((0, 0),) * axes))]


def head(spec: Head, outputs: int) -> Sequence:
    """Global pooling or a flatten, hidden layers with ReLU, dropout before the output layer (and each hidden one)."""
    items: Items = [("pool", GlobalPool(spec.pool)) if spec.pool else ("flatten", Flatten())]
    for number, width in enumerate(spec.hidden, 1):
        items += [
            *_dropout(spec, f"drop{number}"),
            (f"fc{number}", Linear(width)),
            (f"act{number}", Activation("relu")),
        ]
    return Sequence((*items, *_dropout(spec, "drop"), ("fc", Linear(outputs))))


def _dropout(spec: Head, name: str) -> Items:
    return [(name, Dropout(spec.dropout))] if spec.dropout else []


WORDS: dict[str, Callable[[Any, int, int, str], Sequence]] = {"plain": plain, "residual": residual}
"""Each word lowers (stage, channels that enter, number of axes, name of the stage) to a sequence."""
