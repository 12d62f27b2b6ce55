"""The layers of a network as rows of a table, for any screen."""

from __future__ import annotations

from typing import NamedTuple

from searchspace import core
from searchspace.cost import Layer, trace
from searchspace.drawing.labels import details, label, times, volume


class LayerRow(NamedTuple):
    """One layer: `output` as `28×28×6`; `field` and `stride` in input pixels, as `5×5`."""

    name: str
    layer: str
    output: str
    params: int
    macs: int
    field: str
    stride: str


def layer_rows(network: core.Network) -> list[LayerRow]:
    """One row for each layer and each merge of branches, in order; `Infeasible` for a network that cannot exist."""
    return [_row(layer) for layer in trace(network)]


def _row(layer: Layer) -> LayerRow:
    field, stride = times(layer.field), "×".join(f"{float(step):g}" for step in layer.stride)
    return LayerRow(layer.name, _words(layer), volume(layer.out_shape), layer.params, layer.macs, field, stride)


def _words(layer: Layer) -> str:
    node = layer.node
    if isinstance(node, core.Parallel):
        return node.merge
    if isinstance(node, core.Combinator):
        return type(node).__name__.lower()
    return " ".join([label(node, layer.in_shape[0]), *details(node), *(["(auxiliary)"] if layer.side else [])])
