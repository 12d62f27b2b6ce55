"""Advice on windows: what they skip, what they cost, and how much of the input is seen in the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from math import prod

from searchspace.advice.facts import POOLS, WINDOWS, Advice, Facts, by, covers, depthwise, map_of, named, percent
from searchspace.core import (
    Activation,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Local,
    Node,
    Norm,
    Parallel,
    Sequence,
    Size,
)
from searchspace.cost import Infeasible, Layer, remainder, trace


def strided_1x1(facts: Facts) -> Iterator[Advice]:
    """1x1 windows with a stride, where no branch beside them reads the positions that they skip."""
    found = [layer for layer in facts.layers if _skips(layer.node)]
    if found:
        beside: set[str] = set()
        _read_beside(facts.network.root, "", beside)
        found = [layer for layer in found if layer.name not in beside]
    if found:
        steps = sorted({prod(layer.node.stride) for layer in found})  # type: ignore[union-attr]
        names = tuple(layer.name for layer in found)
        yield Advice(
            "strided_1x1",
            names,
            f"{named(names)}: a window of one position with a stride reads one position in "
            f"{' or '.join(map(str, steps))}, and nothing reads the others",
            "What a layer has computed at those positions is thrown away.",
            "give the stride to a convolution of 3x3 (stride_at), or pool before the 1x1",
            "He et al. 2019, Bag of Tricks for Image Classification, section 4.2",
        )


def _skips(node: Node) -> bool:
    """A window of one position that steps over others."""
    return isinstance(node, WINDOWS) and max(node.kernel) == 1 < max(node.stride)


def _read_beside(node: Node, name: str, names: set[str]) -> None:
    """Notes the names of windows that skip positions which another branch over the same map reads."""
    if isinstance(node, Sequence):
        for key, child in node.items:
            if isinstance(child, Sequence | Parallel):
                _read_beside(child, f"{name}.{key}" if name else key, names)
    elif isinstance(node, Parallel):
        first = [_first(branch, f"{name}.{key}") for key, branch in node.branches]
        if not all(one and _skips(one[1]) for one in first):
            names.update(one[0] for one in first if one)
        for key, branch in node.branches:
            _read_beside(branch, f"{name}.{key}", names)


def _first(node: Node, name: str) -> tuple[str, Node] | None:
    """The first layer of a branch that is not pointwise: the one that reads its map; None if all of it is read."""
    if isinstance(node, Sequence):
        for key, child in node.items:
            if not isinstance(child, Norm | Activation | Dropout):
                return _first(child, f"{name}.{key}")
        return None
    return (name, node) if isinstance(node, WINDOWS) else None


def dropped_border(facts: Facts) -> Iterator[Advice]:
    """Windows that do not come out even, so that positions of the map itself, not of its padding, go unread."""
    for layer in facts.strided:
        rest = remainder(layer)
        if rest and rest[4] and rest[2] >= rest[3]:  # a window smaller than its stride skips everywhere
            n, padded, k, s, unread = rest
            yield Advice(
                "dropped_border",
                (layer.name,),
                f"{layer.name}: windows of {k} with stride {s} leave {unread} of {n} positions on a side unread, since "
                f"({padded} - {k}) / {s} is not whole",
                "Windows that do not come out even never read the far border.",
                f"enlarge the map or its padding by {s - (padded - k) % s}, or let a pool round up (ceil)",
                "Dumoulin & Visin 2016, A guide to convolution arithmetic, relationship 6",
            )


def large_stride(facts: Facts) -> Iterator[Advice]:
    """Convolutions after the stem with a stride of 3 or more."""
    for layer in facts.after_stem:
        if isinstance(layer.node, Conv | Local) and max(layer.node.stride) >= 3 and not covers(layer):
            stride, map_size = by(layer.node.stride), by(map_of(layer))
            yield Advice(
                "large_stride",
                (layer.name,),
                f"{layer.name}: a stride of {stride} on a map of {map_size} keeps one position in "
                f"{prod(layer.node.stride)}",
                "Large steps alias: details finer than the stride turn up as patterns that are not there.",
                "take strides of 2, in several layers if need be",
                "Zeiler & Fergus 2014, section 4.1",
            )


def large_pool_stride(facts: Facts) -> Iterator[Advice]:
    """Pools with a stride over 2; the later, the more of what is lost cost something to compute."""
    for layer in facts.layers:
        if isinstance(layer.node, POOLS) and max(layer.node.stride) > 2 and not covers(layer):
            depth, stride = percent(facts.depth_before(layer)), by(layer.node.stride)
            yield Advice(
                "large_pool_stride",
                (layer.name,),
                f"{layer.name}: pooling with stride {stride} keeps one position in {prod(layer.node.stride)}, at "
                f"{depth} of the depth",
                "Pools that large lose more than they save, the later the worse.",
                "pool 2x2 or 3x3 with stride 2",
                "CS231n, Convolutional Networks, layer sizing patterns",
            )


def large_kernel(facts: Facts) -> Iterator[Advice]:
    """Kernels of 5 and more after the stem that a stack of 3x3 sees as much as with fewer weights."""
    sizes: dict[tuple[int, ...], list[str]] = {}
    for layer in facts.after_stem:
        if isinstance(layer.node, Conv) and _is_large(layer.node) and not depthwise(layer) and not covers(layer):
            sizes.setdefault(layer.node.kernel, []).append(layer.name)
    for kernel, names in sizes.items():
        layers = max(kernel) // 2
        small = tuple(min(3, k) for k in kernel)
        weights, stacked = prod(kernel), layers * prod(small)
        if stacked < weights:
            yield Advice(
                "large_kernel",
                tuple(names),
                f"{named(names)}: where {by(kernel)} sees {max(kernel)} positions a side, {layers} layers of "
                f"{by(small)} see {2 * layers + 1}, with {stacked} weights in place of {weights} at equal widths",
                "The stack is cheaper and has a nonlinearity after each of its layers.",
                f"kernel {by(small)}, repeat {layers}",
                "Simonyan & Zisserman 2015, section 2.3",
            )


def _is_large(node: Conv) -> bool:
    return max(node.kernel) >= 5 and max(node.dilation) == 1


def even_kernel(facts: Facts) -> Iterator[Advice]:
    """Even kernels at stride 1 with one zero more after than before."""
    found = [
        layer.name
        for layer in facts.layers
        if isinstance(layer.node, Conv)
        and set(layer.node.stride) == {1}
        and any(k % 2 == 0 and a != b for k, (a, b) in zip(layer.node.kernel, layer.node.padding, strict=True))
    ]
    if found:
        yield Advice(
            "even_kernel",
            tuple(found),
            f"{named(found)}: an even kernel whose padding is uneven shifts its map by half a position, in "
            f"{len(found)} of {len(facts.weighted)} weighted layers",
            "Asymmetric padding moves features towards a corner, layer by layer.",
            "use an odd kernel",
            "Wu et al. 2019, Convolution with even-sized kernels and symmetric padding",
        )


def abrupt_shrink(facts: Facts) -> Iterator[Advice]:
    """Maps that lose more than a factor 4 in side from one weighted layer to the next, and windows on a map of 1x1."""
    source: Layer | None = None
    for layer in facts.after_stem:
        if not isinstance(layer.node, WINDOWS):
            continue
        source = layer if source is None or isinstance(layer.node, Conv | Local) else source
        before, after = map_of(source), layer.out_shape[1:]
        if before != after and not covers(layer) and any(n > 4 * m for n, m in zip(before, after, strict=True)):
            yield _shrinks(
                (source.name,) if source is layer else (source.name, layer.name),
                f"{source.name} reads a map of {by(before)}, and {layer.name} leaves {by(after)}"
                if source is not layer
                else f"{layer.name} turns a map of {by(before)} into {by(after)}",
            )
    yield from _on_one_position(facts)


def _on_one_position(facts: Facts) -> Iterator[Advice]:
    convolutions = [link for link in facts.links if isinstance(link.layer.node, Conv) and not link.gate]
    found = [
        link.layer.name
        for link in convolutions
        if prod(map_of(link.layer)) == 1 < max(link.layer.node.kernel)  # type: ignore[union-attr]
    ]
    if found:
        text = f"{named(found)}: the map is a single position already, so that all of the window but its centre reads"
        yield _shrinks(tuple(found), f"{text} padding, in {len(found)} of {len(convolutions)} convolutions")


def _shrinks(where: tuple[str, ...], message: str) -> Advice:
    return Advice(
        "abrupt_shrink",
        where,
        message,
        "A map that shrinks abruptly is a bottleneck: what it loses no later layer can use.",
        "halve the map, a few layers apart, and stop at about 4x4",
        "Szegedy et al. 2016, Rethinking the Inception architecture, section 2",
    )


def uneven_halving(facts: Facts) -> Iterator[Advice]:
    """Windows that divide an odd map, or any other that their stride does not divide; the nearest inputs to mend it."""
    uneven = _first_uneven(facts.strided)
    if uneven is None:
        return
    good = _even_sizes(facts)
    if good:
        side, stride = by(map_of(uneven)), by(uneven.node.stride)  # type: ignore[union-attr]
        yield Advice(
            "uneven_halving",
            (uneven.name,),
            f"{uneven.name}: a stride of {stride} does not divide the map of {side} that "
            f"inputs of {by(facts.network.input[1:])} lead to",
            "An uneven map loses its border, or its last windows lie on padding.",
            f"use inputs of {' or '.join(map(by, good))}",
            "CS231n, Convolutional Networks, layer sizing patterns",
        )


def _first_uneven(layers: Iterable[Layer]) -> Layer | None:
    return next((layer for layer in layers if _halves_unevenly(layer)), None)


def _even_sizes(facts: Facts) -> list[Size]:
    """The nearest smaller and larger input without uneven maps: multiples of the total stride, or else any."""
    size = facts.network.input[1:]
    total = max(2, *(int(max(layer.stride)) for layer in facts.strided))
    floors, ceilings = tuple(n // total * total for n in size), tuple(-(-n // total) * total for n in size)
    nearby = [
        [tuple(n + sign * step for n in size) for step in range(1, min(total, max(size) // 4 + 1))] for sign in (-1, 1)
    ]
    smaller = next((one for one in (floors, *nearby[0]) if _fits_evenly(facts, one)), None)
    larger = next((one for one in (ceilings, *nearby[1]) if _fits_evenly(facts, one)), None)
    return [one for one in (smaller, larger) if one]


def _fits_evenly(facts: Facts, size: Size) -> bool:
    if size == facts.network.input[1:] or min(size) < 1:
        return False
    try:
        return _first_uneven(trace(replace(facts.network, input=(facts.network.input[0], *size)))) is None
    except Infeasible:
        return False


def _halves_unevenly(layer: Layer) -> bool:
    """A window meant to divide the side by its stride, rounded up by its padding, or as large as its stride."""
    node = layer.node
    if layer.side or not isinstance(node, WINDOWS) or covers(layer):
        return False
    sides = zip(map_of(layer), layer.out_shape[1:], node.kernel, node.stride, strict=True)
    return any(n % s and (m == -(-n // s) or k == s) for n, m, k, s in sides)


def small_field(facts: Facts) -> Iterator[Advice]:
    """A global pool over a map whose positions see less than the whole input."""
    place = _pooled_at(facts)
    if place is None or not any(isinstance(layer.node, Conv) for layer in facts.layers):
        return
    field, size = place.field, facts.network.input[1:]
    if max(field) > 1 and any(r < n for r, n in zip(field, size, strict=True)):
        yield Advice(
            "small_field",
            (place.name,),
            f"{place.name}: a position of the last map sees {by(field)} of an input of {by(size)}",
            "Global pooling then averages the evidence of parts; nothing has seen how they lie to each other.",
            "add layers, strides, pools or dilation",
            "Araujo, Norris & Sim 2019, Computing Receptive Fields of Convolutional Neural Networks",
        )


def only_1x1(facts: Facts) -> Iterator[Advice]:
    """Convolutions, but none of them, nor a pool, sees two neighbouring positions."""
    place = _pooled_at(facts)
    if place is not None and max(place.field) == 1 and any(isinstance(layer.node, Conv) for layer in facts.layers):
        names = tuple(layer.name for layer in facts.layers if isinstance(layer.node, Conv))
        yield Advice(
            "only_1x1",
            names,
            f"{named(names)}: all windows hold 1 position, so that no layer sees two neighbours",
            "Such a network is the same small perceptron at every position, and blind to how positions are arranged.",
            "give some layers a 3x3 kernel",
            "Lin et al. 2014, Network in Network, section 3.1",
        )


def _pooled_at(facts: Facts) -> Layer | None:
    """The layer before the last global pool, if no layer sees the map as a whole in another way."""
    found: Layer | None = None
    for before, layer in zip(facts.traced, facts.traced[1:], strict=False):
        if isinstance(layer.node, Flatten) and prod(map_of(layer)) > 1 and not layer.side:
            return None
        if isinstance(layer.node, GlobalPool) and not (layer.side or layer.node.keep):
            found = before
    return found
