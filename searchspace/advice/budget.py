"""Advice on where weights, memory and time go, and on what a network is bound to."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from math import prod

from searchspace.advice.facts import WEIGHTED, Advice, Facts, by, map_of, named, percent
from searchspace.core import Flatten, GlobalPool, Linear, Local
from searchspace.cost import Layer
from searchspace.language.units import human
from searchspace.memory import saved

NARROW = 16
"""Widths up to this may be odd: there is little to speed up."""
LEAST_DEPTH = 10
"""Weighted layers that a network needs for its first ones to be few."""
FIRST = 5
"""One weighted layer in so many counts as one of the first."""
LEAST_BYTES = 1_000_000
"""What training keeps of an example, from which on memory bounds the batch."""


def heavy_head(facts: Facts) -> Iterator[Advice]:
    """Fully connected layers with more than half of the parameters."""
    linear = [layer for layer in facts.layers if isinstance(layer.node, Linear)]
    params, total = sum(layer.params for layer in linear), sum(layer.params for layer in facts.layers)
    if 2 * params > total and len(linear) < len(facts.weighted):
        heaviest = max(linear, key=lambda layer: layer.params)
        flat = any(isinstance(layer.node, Flatten) for layer in facts.layers)
        yield Advice(
            "heavy_head",
            tuple(layer.name for layer in linear),
            f"{named(layer.name for layer in linear)}: the fully connected layers hold {percent(params / total)} of "
            f"{human(total)} parameters, {heaviest.name} alone {percent(heaviest.params / total)}",
            "They multiply little, but fill memory and overfit.",
            "pool globally before the head (head.pool: average)" if flat else "use fewer or narrower hidden layers",
            "Lin et al. 2014, Network in Network, section 3.2",
        )


def odd_width(facts: Facts) -> Iterator[Advice]:
    """Widths over 16 that are no multiple of 8, but for the output layer's."""
    found = [layer for layer in facts.weighted[:-1] if _is_odd(layer)]
    if found:
        widths = sorted({layer.out_shape[0] for layer in found})
        nearest = ", ".join(f"{width} -> {max(8, 8 * round(width / 8))}" for width in widths[:3])
        names = tuple(layer.name for layer in found)
        yield Advice(
            "odd_width",
            names,
            f"{named(names)}: widths that are no multiple of 8 ({', '.join(map(str, widths[:6]))}"
            f"{', ...' * (len(widths) > 6)})",
            "In half precision, tensor cores multiply by eights, and pad or do without otherwise.",
            f"round to multiples of 8 ({nearest})",
            "NVIDIA, Deep Learning Performance, Convolutional Layers User's Guide, channels in and out",
        )


def _is_odd(layer: Layer) -> bool:
    """The gates that squeeze a map into one position are left out: they cost next to nothing."""
    width, gate = layer.out_shape[0], len(layer.out_shape) > 1 and prod(layer.out_shape[1:]) == 1
    return width > NARROW and width % 8 > 0 and not gate


def early_memory(facts: Facts) -> Iterator[Advice]:
    """The first fifth of 10 and more weighted layers keeps over half of what training must (1 MB and more)."""
    weighted = facts.weighted
    if len(weighted) < LEAST_DEPTH:
        return
    rows, _ = saved(facts.network, facts.traced, 1, 4)
    count = len(weighted) // FIRST
    early = sum(row.saved for row in takewhile(lambda row: row.name != weighted[count].name, rows))
    total = sum(row.saved for row in rows)
    if total >= LEAST_BYTES and 2 * early > total:
        names = tuple(layer.name for layer in weighted[:count])
        yield Advice(
            "early_memory",
            names,
            f"{named(names)}: the first {count} of {len(weighted)} weighted layers hold {percent(early / total)} of "
            f"the {human(total)}B that training keeps of each example",
            "Memory, and with it the batch, is decided where maps are largest.",
            "halve the map earlier (a strided first convolution, a pool after it) or start narrower",
            "CS231n, Convolutional Networks, VGGNet in detail",
        )


def fixed_input(facts: Facts) -> Iterator[Advice]:
    """A flattened map, or filters that are not shared: one input size only."""
    found = [
        layer
        for before, layer in zip((None, *facts.layers), facts.layers, strict=False)
        if isinstance(layer.node, Local)
        or (isinstance(layer.node, Flatten) and map_of(layer) and not _pooled(before and before.node))
    ]
    if found and any(isinstance(layer.node, WEIGHTED) and map_of(layer) for layer in facts.layers):
        names = tuple(layer.name for layer in found)
        size, reads = by(facts.network.input[1:]), by(map_of(found[-1]))
        what = "flattens" if isinstance(found[-1].node, Flatten) else "has filters for each position of"
        yield Advice(
            "fixed_input",
            names,
            f"{found[-1].name} {what} a map of {reads}, so that only inputs that lead to it fit, as {size} does",
            "Convolutions slide over maps of any size; a layer with a weight for each position does not.",
            "pool globally (head.pool: average), or write a convolutional head",
            "Long, Shelhamer & Darrell 2015, Fully Convolutional Networks, section 3.1",
        )


def _pooled(node: object) -> bool:
    return isinstance(node, GlobalPool)
