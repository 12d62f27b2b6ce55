"""A network as the pieces of its drawings: a walk over the core that joins pointwise layers and folds repeats.

One record serves all forms, so that every drawing is one short recursion over `rows`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Literal

from searchspace import core
from searchspace.cost import Layer, trace
from searchspace.drawing.labels import details, kind, label

LONGEST_GROUP, LEAST_BRANCHES = 8, 3  # pieces of a group, and branches alike, that may be folded
Form = Literal["box", "wire", "fork", "fold", "side", "bridge"]
POINTWISE = core.Norm | core.LocalResponse | core.Activation | core.Dropout
"""Layers that are written into the box of the layer before them."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A layer, or rows of pieces.

    box     a layer and the pointwise layers behind it
    wire    a layer that only passes its input on
    fork    branches over one input, one a row, that merge; `label` is the merge
    fold    one row that stands `count` times; the costs of its pieces are the sums of all of them
    side    one row that leaves the main line and does not come back (an auxiliary classifier)
    bridge  three rows: a pool, what lies within, and the unpooling that knows the places of the maxima
    """

    form: Form
    label: str
    kind: str
    names: tuple[str, ...]
    source: core.Shape
    shape: core.Shape
    params: int = 0
    macs: int = 0
    notes: tuple[str, ...] = ()
    widths: tuple[int, int] = (0, 0)  # the fewest and the most channels that leave it, over all repeats
    count: int = 1
    rows: tuple[tuple[Piece, ...], ...] = ()


def pieces(network: core.Network) -> tuple[Piece, ...]:
    """The pieces of a network from its input on; `Infeasible` for one that cannot exist."""
    layers = {layer.name: layer for layer in trace(network)}
    start = _piece("box", "input", "other", (), network.input, network.input)
    return (start, *_folded(_pieces(network.root, "", layers)))


def total(piece: Piece) -> tuple[int, int]:
    """The params and MACs of a piece and of all that is in it."""
    inner = [total(one) for row in piece.rows for one in row]
    return piece.params + sum(params for params, _ in inner), piece.macs + sum(macs for _, macs in inner)


def all_names(piece: Piece) -> Iterator[str]:
    """The names of every layer in a piece."""
    yield from piece.names
    for row in piece.rows:
        for one in row:
            yield from all_names(one)


def _piece(form: Form, label: str, kind: str, names: tuple[str, ...], source: core.Shape, shape: core.Shape) -> Piece:
    return Piece(form, label, kind, names, source, shape, widths=(shape[0], shape[0]))


def _pieces(node: core.Node, name: str, layers: dict[str, Layer]) -> list[Piece]:
    """The pieces of a node, before folding."""
    match node:
        case core.Sequence():
            return _in_a_row(node, name, layers)
        case core.Parallel():
            at = layers[name]
            fork = _piece("fork", node.merge, "merge", (name,), at.in_shape, at.out_shape)
            rows = [_row(child, f"{name}.{key}", layers) for key, child in node.branches]
            return [replace(fork, rows=_branches(rows))]
        case core.Within():
            return [_bridge(node, name, layers)]
        case core.Auxiliary():
            row = _row(node.body, f"{name}.body", layers)
            source = row[0].source if row else (1,)
            side = _piece("side", f"auxiliary loss × {node.weight:g}", "other", (), source, source)
            return [replace(side, rows=(row,))]
    return [_box(node, layers[name])]


def _row(node: core.Node, name: str, layers: dict[str, Layer]) -> tuple[Piece, ...]:
    return _folded(_pieces(node, name, layers))


def _branches(rows: Sequence[tuple[Piece, ...]]) -> tuple[tuple[Piece, ...], ...]:
    """The branches of a fork; three or more in a row that look the same are one fold."""
    found: list[tuple[Piece, ...]] = []
    for _, group in groupby(rows, key=lambda row: tuple(map(_alike, row))):
        alike = list(group)
        many = len(alike) >= LEAST_BRANCHES and bool(alike[0])
        found += [(replace(_fold(alike), label=f"{len(alike)} branches"),)] if many else alike
    return tuple(found)


def _in_a_row(node: core.Sequence, name: str, layers: dict[str, Layer]) -> list[Piece]:
    """The pieces of a sequence: pointwise layers join the piece before them, a fork only where it is their sibling."""
    found: list[Piece] = []
    sibling = False
    for key, child in node.items:
        for piece in _pieces(child, f"{name}.{key}" if name else key, layers):
            if _is_pointwise(child) and found and (found[-1].form == "box" or sibling):
                found[-1] = _joined(found[-1], piece)
            else:
                found.append(piece)
                sibling = isinstance(child, core.Parallel)
    return found


def _is_pointwise(node: core.Node) -> bool:
    """Whether it is a pointwise layer, or a sequence of nothing else."""
    if isinstance(node, core.Sequence):
        return bool(node.items) and all(_is_pointwise(child) for _, child in node.items)
    return isinstance(node, POINTWISE)


def _joined(before: Piece, pointwise: Piece) -> Piece:
    """The piece before with a pointwise layer added to its notes."""
    names, notes = (*before.names, *pointwise.names), (*before.notes, pointwise.label, *pointwise.notes)
    return replace(before, names=names, notes=notes, params=before.params + pointwise.params)


def _box(node: core.Primitive, layer: Layer) -> Piece:
    form: Form = "wire" if isinstance(node, core.Identity) else "box"
    box = _piece(form, label(node, layer.in_shape[0]), kind(node), (layer.name,), layer.in_shape, layer.out_shape)
    return replace(box, params=layer.params, macs=layer.macs, notes=details(node))


def _bridge(node: core.Within, name: str, layers: dict[str, Layer]) -> Piece:
    """The pool, the body and the unpooling, which has no name of its own and brings the pool's map size back."""
    pool = _box(node.pool, layers[f"{name}.pool"])
    body = _row(node.body, f"{name}.body", layers)
    inner = body[-1].shape if body else pool.shape
    unpool = _piece("box", f"{node.pool.kind} unpool", "pool", (), inner, (inner[0], *pool.source[1:]))
    bridge = _piece("bridge", "places of the maxima", "other", (), pool.source, unpool.shape)
    return replace(bridge, rows=((pool,), body, (replace(unpool, notes=pool.notes),)))


def _alike(piece: Piece) -> object:
    """Equal for pieces that look the same. What only passes channels on may differ in how many it passes."""
    passes = piece.form == "wire" or piece.kind in ("pool", "other") or piece.label == "concat"
    width = 0 if passes else piece.shape[0]
    rows = tuple(tuple(_alike(one) for one in row) for row in piece.rows)
    return piece.form, piece.label, piece.notes, piece.count, piece.source[1:], piece.shape[1:], width, rows


def _folded(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Equal groups that stand in a row become one fold: at each place the group that covers the most pieces."""
    looks = [_alike(piece) for piece in pieces]
    found: list[Piece] = []
    at = 0
    while at < len(pieces):
        length, count = max(_groups(looks, at), key=lambda group: (group[0] * group[1], -group[0]))
        if count > 1:
            found.append(_fold([pieces[at + length * n : at + length * (n + 1)] for n in range(count)]))
        else:
            found.extend(pieces[at : at + length])
        at += length * count
    return tuple(found)


def _groups(looks: Sequence[object], at: int) -> Iterator[tuple[int, int]]:
    """(length, how often it stands in a row) of the groups that start here; one piece once is always one of them."""
    yield 1, 1
    for length in range(1, min(LONGEST_GROUP, (len(looks) - at) // 2) + 1):
        group, count = looks[at : at + length], 1
        while looks[at + length * count : at + length * (count + 1)] == group:
            count += 1
        if count > 1:
            yield length, count


def _fold(groups: Sequence[Sequence[Piece]]) -> Piece:
    first, last = groups[0][0], groups[-1][-1]
    names = tuple(name for group in groups[1:] for piece in group for name in all_names(piece))
    row = tuple(map(_summed, zip(*groups, strict=True)))
    fold = _piece("fold", f"× {len(groups)}", "other", names, first.source, last.shape)
    return replace(fold, count=len(groups), rows=(row,))


def _summed(alike: Sequence[Piece]) -> Piece:
    """One of several pieces that look the same, with the costs of all and the range of their widths."""
    rows = zip(*(piece.rows for piece in alike), strict=True)
    return replace(
        alike[0],
        params=sum(piece.params for piece in alike),
        macs=sum(piece.macs for piece in alike),
        widths=(min(piece.widths[0] for piece in alike), max(piece.widths[1] for piece in alike)),
        rows=tuple(tuple(map(_summed, zip(*each, strict=True))) for each in rows),
    )
