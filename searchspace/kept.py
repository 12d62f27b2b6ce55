"""What autograd keeps of each layer for the backward pass: the rules, and a walk that counts each tensor once.

They are those of torch on a CPU, for contiguous tensors; a test holds them to it, byte by byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, NamedTuple

from searchspace.core import (
    Activation,
    Auxiliary,
    Conv,
    Coordinates,
    Dropout,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Local,
    LocalResponse,
    Node,
    Norm,
    PadChannels,
    Padding,
    Parallel,
    Pool,
    Prototypes,
    Select,
    Sequence,
    TransposedConv,
    Upsample,
    WeightedPool,
    Within,
)
from searchspace.cost import Layer


class Tensor:
    """A map or vector of one example: `values` numbers, whether a gradient flows back through it, whether it stays."""

    __slots__ = ("kept", "learns", "values")

    def __init__(self, values: int, learns: bool) -> None:
        self.values = values
        self.learns = learns
        self.kept = False


class Saved(NamedTuple):
    """What a layer keeps besides tensors of the network: numbers, indices and truth values of its own.

    `values`, `indices` and `flags` count per example, `fixed` numbers per batch.
    """

    tensors: tuple[Tensor, ...] = ()
    values: int = 0
    indices: int = 0
    flags: int = 0
    fixed: int = 0


class Keeper:
    """A training pass: follows the tensors of one example, and notes what each layer is the first to keep."""

    def __init__(self, layers: Iterator[Layer]) -> None:
        self.layers = layers
        self.kept: dict[str, Saved] = {}

    def walk(self, node: Node, x: Tensor) -> Tensor:
        if isinstance(node, Sequence):
            for _, child in node.items:
                x = self.walk(child, x)
            return x
        if isinstance(node, Parallel):
            return self._parallel(node, x)
        if isinstance(node, Within):
            return self._within(node, x)
        if isinstance(node, Auxiliary):
            self.walk(node.body, x)
            next(self.layers)
            return x
        layer = next(self.layers)
        if isinstance(node, ALIASES) or (isinstance(node, Dropout) and not node.rate):
            return x
        y = Tensor(prod(layer.out_shape), x.learns or layer.params > 0)
        self._keep(layer.name, SAVES[type(node)](node, layer, x, y))
        return y

    def _parallel(self, node: Parallel, x: Tensor) -> Tensor:
        """The merge; factors keep each other, a product of several keeps the products before it too."""
        ends = [self.walk(branch, x) for _, branch in node.branches]
        layer = next(self.layers)
        total = ends[0] if node.merge != "concat" else Tensor(prod(layer.out_shape), any(end.learns for end in ends))
        kept: list[Tensor] = []
        for end in ends[1:] if node.merge != "concat" else []:
            if node.merge == "multiply":
                kept += [total] * end.learns + [end] * total.learns
            total = Tensor(max(total.values, end.values), total.learns or end.learns)
        self._keep(layer.name, Saved(tuple(kept)))
        return total

    def _within(self, node: Within, x: Tensor) -> Tensor:
        """The pool works on a copy of its input; its indices serve the way back up too, and empty windows are noted."""
        pool = next(self.layers)
        places = prod(pool.out_shape)
        padded = prod(pool.in_shape) if _own_padding(pool, "max") else pool.in_shape[0] * prod(_padded(pool))
        self._keep(pool.name, Saved(values=padded, indices=places, flags=places) if x.learns else Saved())
        inner = self.walk(node.body, Tensor(places, x.learns))
        layer = next(self.layers)
        self._keep(layer.name, Saved(indices=places * (inner.learns and not x.learns)))
        return Tensor(prod(layer.out_shape), inner.learns)

    def _keep(self, name: str, saved: Saved) -> None:
        new = []
        for tensor in saved.tensors:
            if not tensor.kept:
                tensor.kept = True
                new.append(tensor)
        self.kept[name] = saved if len(new) == len(saved.tensors) else saved._replace(tensors=tuple(new))


ALIASES = (Identity, Flatten)
"""What hands on the very tensor that it got."""


def _weighted(node: Conv | Linear | TransposedConv, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """The input, or the padded copy of it that uneven padding makes."""
    if isinstance(node, Conv) and not _even(node.padding):
        return Saved(values=layer.in_shape[0] * prod(_padded(layer)))
    return Saved((x,))


def _local(node: Local, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """Every window, written out; windows of one position in one axis are a view of the padded input.

    Over one channel in one axis, torch may keep larger ones as views too.
    """
    if node.kernel == (1,):
        return Saved(values=layer.in_shape[0] * prod(_padded(layer)))
    return Saved(values=prod(layer.out_shape[1:]) * layer.in_shape[0] * prod(node.kernel))


def _weighted_pool(node: WeightedPool, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """A copy of the input with its padding."""
    return Saved(values=layer.in_shape[0] * prod(_padded(layer)))


def _norm(node: Norm, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """The input, and a mean and a deviation: per channel of the batch, or per group of each example."""
    if node.kind == "batch":
        return Saved((x,), fixed=2 * layer.in_shape[0])
    return Saved((x,), values=2 * {"layer": 1, "instance": layer.in_shape[0], "group": node.groups}[node.kind])


def _local_response(node: LocalResponse, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """The input, its squares padded by channels, their mean k + alpha m, and that to the power of beta."""
    if not x.learns:
        return Saved()
    channels, positions = layer.in_shape[0], prod(layer.in_shape[1:])
    return Saved((x,), values=(channels + node.size - 1) * positions + 2 * x.values)


def _activation(node: Activation, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """Whichever of input and output gives the slope; the scaled tanh keeps its unscaled one."""
    if not (x.learns or node.kind == "prelu"):
        return Saved()
    if node.kind == "scaled_tanh":
        return Saved(values=x.values)
    return Saved((y if node.kind in ("relu", "sigmoid", "tanh") else x,))


def _pool(node: Pool, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """The input, or its padded copy, and the places of maxima; mixed pooling both kinds, their results and shares."""
    if node.kind != "mixed":
        return _one_pool(node.kind, layer, x, y)
    parts = [_one_pool(kind, layer, x, y) for kind in ("max", "average")]
    values, indices, flags, fixed = (sum(column) for column in zip(*(part[1:] for part in parts), strict=True))
    shares = 1 + x.learns
    return Saved(parts[0].tensors, values + 2 * y.values, indices, flags, fixed + shares)


def _one_pool(kind: str, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """Padding that torch's pools do not know: a copy, and which windows are empty or how many positions each has."""
    if not x.learns:
        return Saved()
    is_max = kind == "max"
    if _own_padding(layer, kind):
        return Saved((x,), indices=y.values * is_max)
    copied = layer.in_shape[0] * prod(_padded(layer, kind))
    if is_max:
        return Saved(values=copied, indices=y.values, flags=y.values)
    return Saved(values=copied, fixed=prod(layer.out_shape[1:]))


def _global_pool(node: GlobalPool, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    return Saved((x, y)) if node.kind == "max" and x.learns else Saved()


def _dropout(node: Dropout, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    """The mask, a number per value."""
    return Saved(values=x.values) if x.learns else Saved()


def _prototypes(node: Prototypes, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    return Saved((x,)) if x.learns else Saved()


def _nothing(node: Node, layer: Layer, x: Tensor, y: Tensor) -> Saved:
    return Saved()


SAVES: Mapping[type, Callable[[Any, Layer, Tensor, Tensor], Saved]] = {
    Conv: _weighted,
    TransposedConv: _weighted,
    Linear: _weighted,
    Local: _local,
    WeightedPool: _weighted_pool,
    Norm: _norm,
    LocalResponse: _local_response,
    Activation: _activation,
    Pool: _pool,
    GlobalPool: _global_pool,
    Dropout: _dropout,
    Prototypes: _prototypes,
    Upsample: _nothing,
    Select: _nothing,
    PadChannels: _nothing,
    Coordinates: _nothing,
}
"""What each primitive keeps for the backward pass: (node, its layer, input, output) -> saved."""


def _even(padding: Padding) -> bool:
    return all(before == after for before, after in padding)


def _own_padding(layer: Layer, kind: str) -> bool:
    """Whether torch's pools do the padding themselves: as much before as after, at most half a window.

    Its average over volumes refuses a window that fits a map only with its padding (`worker.calls`).
    """
    node: Any = layer.node
    own = all(before == after <= k // 2 for (before, after), k in zip(node.padding, node.kernel, strict=True))
    whole = all(n >= k for n, k in zip(layer.in_shape[1:], node.kernel, strict=True))
    return own and (kind == "max" or len(node.kernel) < 3 or whole)


def _padded(layer: Layer, kind: str = "max") -> tuple[int, ...]:
    """The map with its padding; where a pool's number of windows is rounded up, exactly what they cover."""
    node: Any = layer.node
    if isinstance(node, Pool) and node.ceil and not _own_padding(layer, kind):
        sizes = zip(layer.out_shape[1:], node.stride, node.kernel, strict=True)
        return tuple((m - 1) * s + k for m, s, k in sizes)
    return tuple(n + before + after for n, (before, after) in zip(layer.in_shape[1:], node.padding, strict=True))
