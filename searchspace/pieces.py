"""A network as the pieces of its figure: a walk over the core that joins, folds and measures.

A `Box` is one layer with the pointwise layers behind it, a `Fork` branches that merge, a `Fold` a group that is
repeated. Every piece knows its size, so that drawing them (`draw`) is a second short walk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from math import log2, prod

from searchspace import core
from searchspace.cost import Layer, trace

WIDTH, LEAST, MOST = 116, 44, 84  # a box: its width, and its height for the smallest and the largest map
GAP, SIDE, FRAME = 22, 30, 12  # between pieces; beside the branches of a fork; around a fold
LINE = 13  # height of a line of small text
LONGEST_GROUP = 8  # pieces of a group that may be folded


@dataclass(frozen=True)
class Box:
    """A layer and the pointwise layers behind it; `wire` is a layer that only passes its input on."""

    label: str
    notes: tuple[str, ...]
    kind: str
    names: tuple[str, ...]
    shape: core.Shape
    height: float
    params: int = 0
    macs: int = 0
    many: int = 1  # how many layers `params` and `macs` are the sums of

    @property
    def alike(self) -> object:
        """Equal for boxes that look the same."""
        return self.label, self.notes, self.shape

    @property
    def size(self) -> tuple[float, float, float]:
        """Width, and extent above and below the line that everything hangs on."""
        if self.kind == "wire":
            return WIDTH, 16, 8
        return WIDTH, self.height / 2, self.height / 2 + LINE * (1 + bool(self.params) + bool(self.macs)) + 5


@dataclass(frozen=True)
class Fork:
    """Branches over one input, one above the other, and how they merge."""

    branches: tuple[tuple[Piece, ...], ...]
    merge: str
    notes: tuple[str, ...]
    names: tuple[str, ...]

    @property
    def alike(self) -> object:
        """Equal for forks that look the same."""
        return self.merge, self.notes, tuple(tuple(piece.alike for piece in branch) for branch in self.branches)

    @property
    def size(self) -> tuple[float, float, float]:
        """Width, and extent above and below."""
        sizes = [row_size(branch) for branch in self.branches]
        below = sizes[0][2] + sum(up + down + GAP / 2 for _, up, down in sizes[1:])
        return max(width for width, _, _ in sizes) + 2 * SIDE, max(sizes[0][1], 30), below


@dataclass(frozen=True)
class Fold:
    """`count` equal groups in a row, drawn once."""

    count: int
    body: tuple[Piece, ...]
    names: tuple[str, ...]

    @property
    def alike(self) -> object:
        """Equal for folds that look the same."""
        return self.count, tuple(piece.alike for piece in self.body)

    @property
    def size(self) -> tuple[float, float, float]:
        """Width, and extent above and below."""
        width, up, down = row_size(self.body)
        return width + 2 * FRAME, up + LINE + FRAME, down + FRAME / 2


Piece = Box | Fork | Fold


def pieces(network: core.Network) -> tuple[Piece, ...]:
    """The pieces of a network from its input on; `Infeasible` for one that cannot exist."""
    layers = {layer.name: layer for layer in trace(network)}
    whole = max(prod(network.input[1:]), 2)
    start = Box("input", (), "input", (), network.input, _height(network.input, whole))
    return (start, *_folded(_pieces(network.root, "", layers, whole)))


def row_size(pieces: Sequence[Piece]) -> tuple[float, float, float]:
    """Width, and extent above and below, of pieces on one line."""
    sizes = [piece.size for piece in pieces]
    if not sizes:
        return WIDTH, 8, 8
    return sum(size[0] for size in sizes) + GAP * (len(sizes) - 1), max(s[1] for s in sizes), max(s[2] for s in sizes)


def _pieces(node: core.Node, name: str, layers: dict[str, Layer], whole: int) -> list[Piece]:
    """The pieces of a node: pointwise layers join the piece before them."""
    if isinstance(node, core.Parallel):
        branches = tuple(_folded(_pieces(child, f"{name}.{key}", layers, whole)) for key, child in node.branches)
        notes = (f"{layers[name].out_shape[0]} maps",) if node.merge == "concat" else ()
        return [Fork(branches, node.merge, notes, (name,))]
    if not isinstance(node, core.Sequence):
        return [_box(node, layers[name], whole)]
    found: list[Piece] = []
    for key, child in node.items:
        for piece in _pieces(child, f"{name}.{key}" if name else key, layers, whole):
            if found and isinstance(child, core.Norm | core.Activation | core.Dropout) and isinstance(piece, Box):
                found[-1] = _joined(found[-1], piece)
            else:
                found.append(piece)
    return found


def _joined(before: Piece, pointwise: Box) -> Piece:
    """The piece before with a pointwise layer added to its notes."""
    assert not isinstance(before, Fold)
    names, notes = (*before.names, *pointwise.names), (*before.notes, pointwise.label)
    if isinstance(before, Fork):
        return replace(before, names=names, notes=notes)
    return replace(before, names=names, notes=notes, params=before.params + pointwise.params)


def _box(node: core.Primitive, layer: Layer, whole: int) -> Box:
    label, kind = _label(node)
    return Box(
        label, (), kind, (layer.name,), layer.out_shape, _height(layer.out_shape, whole), layer.params, layer.macs
    )


def _height(shape: core.Shape, whole: int) -> float:
    """Higher for larger maps: linear in the logarithm of the number of positions."""
    return LEAST + (MOST - LEAST) * min(log2(max(prod(shape[1:]), 1)) / log2(whole), 1.0)


def _label(node: object) -> tuple[str, str]:
    """What a box says of its layer, and the kind that colours it."""
    match node:
        case core.Conv():
            return f"conv {times(node.kernel)}{_conv_details(node)}", "conv"
        case core.Pool():
            stride = "" if node.stride == node.kernel else f" /{_stride(node.stride)}"
            return f"{node.kind} pool {times(node.kernel)}{stride}", "pool"
        case core.GlobalPool():
            return f"global {node.kind}", "global"
        case core.Linear():
            return "linear", "linear"
        case core.Flatten():
            return "flatten", "global"
        case core.Norm():
            return f"{node.kind} norm", "input"
        case core.Activation():
            return node.kind.replace("_", " "), "input"
        case core.Dropout():
            return f"dropout {node.rate:g}", "input"
        case core.Identity():
            return "identity", "wire"
    return _other(node)


def _other(node: object) -> tuple[str, str]:
    """A word that is younger than this file: its name and whatever short fields it has."""
    values = [getattr(node, field.name) for field in fields(node)]  # type: ignore[arg-type]
    short = [str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
    return " ".join([type(node).__name__.lower(), *short[:2]]), "input"


def _conv_details(node: core.Conv) -> str:
    parts = [f" /{_stride(node.stride)}"] if set(node.stride) != {1} else []
    parts += [f" d{times(node.dilation)}"] if set(node.dilation) != {1} else []
    parts += [f" g{node.groups}"] if node.groups > 1 else []
    return "".join(parts)


def times(size: core.Size) -> str:
    """`3×3`."""
    return "×".join(map(str, size))


def _stride(stride: core.Size) -> str:
    return str(stride[0]) if len(set(stride)) == 1 else times(stride)


def _folded(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Equal groups that stand in a row become one `Fold`: at each place the group that covers the most pieces."""
    found: list[Piece] = []
    at = 0
    while at < len(pieces):
        length, count = max(_groups(pieces, at), key=lambda group: (group[0] * group[1], -group[0]))
        body = tuple(pieces[at : at + length])
        if count > 1:
            repeats = zip(*(pieces[at + length * n : at + length * (n + 1)] for n in range(count)), strict=True)
            body = tuple(_summed(repeat) for repeat in repeats)
            names = tuple(name for piece in pieces[at + length : at + length * count] for name in _names(piece))
            found.append(Fold(count, body, names))
        else:
            found.extend(body)
        at += length * count
    return tuple(found)


def _summed(alike: Sequence[Piece]) -> Piece:
    """One of several pieces that look the same, with the costs of all."""
    first = alike[0]
    if isinstance(first, Box):
        boxes = [piece for piece in alike if isinstance(piece, Box)]
        totals = {name: sum(getattr(box, name) for box in boxes) for name in ("params", "macs", "many")}
        return replace(first, **totals)
    if isinstance(first, Fold):
        folds = zip(*(piece.body for piece in alike if isinstance(piece, Fold)), strict=True)
        return replace(first, body=tuple(_summed(pieces) for pieces in folds))
    branches = zip(*(piece.branches for piece in alike if isinstance(piece, Fork)), strict=True)
    return replace(first, branches=tuple(tuple(map(_summed, zip(*each, strict=True))) for each in branches))


def _groups(pieces: Sequence[Piece], at: int) -> Iterator[tuple[int, int]]:
    """(length, how often it stands in a row) of the groups that start here; one piece once is always one of them."""
    looks = [piece.alike for piece in pieces]
    yield 1, 1
    for length in range(1, min(LONGEST_GROUP, (len(pieces) - at) // 2) + 1):
        group, count = looks[at : at + length], 1
        while looks[at + length * count : at + length * (count + 1)] == group:
            count += 1
        if count > 1:
            yield length, count


def _names(piece: Piece) -> Iterator[str]:
    """The names of every layer in a piece."""
    yield from piece.names
    inner = piece.body if isinstance(piece, Fold) else ()
    inner = tuple(one for branch in piece.branches for one in branch) if isinstance(piece, Fork) else inner
    for one in inner:
        yield from _names(one)
