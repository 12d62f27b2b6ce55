"""The feature maps of a network as boxes in perspective (SVG), as the papers draw LeNet and VGG.

Only the main line is shown: what leaves the merge of branches, and once what several layers leave alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log2

from searchspace.core import Network, Shape
from searchspace.cost import cost
from searchspace.drawing.figure import facts
from searchspace.drawing.labels import volume
from searchspace.drawing.layout import wrapped
from searchspace.drawing.marks import COLORS, Block, Line, Mark, Polygon, Text, breadth, document
from searchspace.drawing.pieces import Piece, all_names, pieces

ROOM, EDGE, GAP = 1_180, 16, 9
HIGHEST, LEAST_SIDE, SLANT = 140.0, 9.0, 0.36  # of the largest map; of any; how far a map's width leads up and right
THICK, BAR, TALL = 3.4, 7.0, 11.0  # per doubling of the channels; a vector: its thickness, and height per doubling
LONGEST_LINE = 13  # letters of an operation's name on one line
GLUE = re.compile(r"(?<= ×) | (?=× )|(?<=\bof) | (?=of\b)|(?<=\d) (?=conv)| (?=/)")
"""The spaces at which no line breaks."""
SCALES = (
    "A box is a map, its height and width by the square root of the map's, its thickness by the logarithm of the "
    "channels.",
    "A thin bar is a vector, its height by the logarithm of the features.",
)


@dataclass(frozen=True, slots=True)
class Station:
    """One feature map of the main line, and the operations since the one before it."""

    shape: Shape
    operations: tuple[tuple[int, str], ...]  # (how often, what), in order
    kind: str
    names: tuple[str, ...]


def volumes(network: Network) -> str:
    """The maps as a text of its own; `Infeasible` for a network that cannot exist."""
    line, whole = stations(pieces(network)), cost(network)
    largest = max((size for station in line for size in station.shape[1:]), default=1)
    block = wrapped([_column(station, largest) for station in line], ROOM, back=False)
    width, y = max(block.width, *(breadth(text, 10) for text in SCALES)) + 2 * EDGE, block.up + 16
    legend = [Text(EDGE, y + block.down + 26 + 15 * n, text, anchor="start") for n, text in enumerate(SCALES)]
    told = "; ".join(f"{_said(station.operations)}: {volume(station.shape)}" for station in line)
    texts = f"The feature maps of a network of {facts(whole)}", told
    return document(network, "volumes", texts, (width, y + block.down + 52), [*block.at(EDGE, y), *legend])


def stations(line: Sequence[Piece]) -> list[Station]:
    """The maps of a main line; equal ones that follow each other are one, and so are a flatten and what comes next."""
    found: list[Station] = []
    for new in _steps(line):
        last = found[-1] if found else None
        if last and (last.shape == new.shape or last.operations[-1:] == ((1, "flatten"),)):
            operations, kind = _added(last.operations, new.operations), last.kind if new.kind == "other" else new.kind
            found[-1] = Station(new.shape, operations, kind, (*last.names, *new.names))
        else:
            found.append(new)
    return found


def _added(before: tuple[tuple[int, str], ...], more: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    """Operations one after the other; the same again is counted."""
    if before and more and before[-1][1] == more[0][1]:
        return (*before[:-1], (before[-1][0] + more[0][0], more[0][1]), *more[1:])
    return before + more


def _said(operations: tuple[tuple[int, str], ...]) -> str:
    """`max pool 2×2, 2 × conv 3×3`, `3 × (3 convs, add)`."""
    if len(operations) == 1 and operations[0][0] == 1:
        return operations[0][1]
    texts = [(count, f"({text})" if "," in text else text) for count, text in operations]
    return ", ".join(text if count == 1 else f"{count} × {text}" for count, text in texts)


def _steps(line: Sequence[Piece]) -> Iterator[Station]:
    """The map behind each piece, and within those that make it smaller and larger again."""
    for piece in line:
        if piece.form in ("side", "wire"):
            continue
        inner = _deep(piece)
        if inner:
            yield from _steps(inner)
        if not inner or piece.form == "fork":
            yield Station(piece.shape, _operations(piece), _kind(piece), tuple(dict.fromkeys(all_names(piece))))


def _deep(piece: Piece) -> tuple[Piece, ...]:
    """The rows of a bridge, or the one branch beside a skip connection that changes the size of the map on its way."""
    if piece.form == "bridge":
        return tuple(one for row in piece.rows for one in row)
    ways = [row for row in piece.rows if any(one.form != "wire" for one in row)] if piece.form == "fork" else []
    if len(ways) == 1 and len(piece.rows) > 1:
        changes = any(one.source[1:] != one.shape[1:] for one in ways[0])
        return ways[0] if changes and len(piece.shape) > 1 else ()
    return ()


def _kind(piece: Piece) -> str:
    """The colour of what a piece leaves: of its own, or of the first layer with weights in it."""
    kinds = [_kind(one) for row in piece.rows for one in row]
    return next((one for one in kinds if one not in ("other", "pool")), "other") if piece.rows else piece.kind


def _operations(piece: Piece) -> tuple[tuple[int, str], ...]:
    """How often and what; nothing for a norm or an activation that stands alone."""
    match piece.form:
        case "fold":
            return ((piece.count, ", ".join(_said((one,)) for inner in piece.rows[0] for one in _operations(inner))),)
        case "fork":
            return ((1, _merged(piece)),)
    if piece.kind == "other" and piece.shape == piece.source and piece.names:
        return ()
    return ((1, " ".join([piece.label, *piece.notes[:1]]) if piece.kind == "pool" else piece.label),)


def _merged(fork: Piece) -> str:
    """`concat of 4`, or, where all but one branch are shortcuts, what the longest does: `3 convs, add`."""
    branches = sum(row[0].count if len(row) == 1 and row[0].form == "fold" else 1 for row in fork.rows)
    convs = max(sum(one.kind == "conv" for one in row) for row in fork.rows)
    if branches > 2 or _deep(fork) or not convs:
        return f"{fork.label} of {branches}"
    return f"{convs} {'conv' if convs == 1 else 'convs'}, {fork.label}"


def _column(station: Station, largest: int) -> Block:
    """A box or a bar on the line, the operations above it and its size below."""
    faces, across, up, down = _solid(station, largest)
    size, lines = volume(station.shape), _broken(_said(station.operations))
    width = max(across, breadth(size, 10, True), *(breadth(text, 10) for text in lines))
    x = (width - across) / 2
    marks: list[Mark] = [Line(((0, 0), (x, 0))), Line(((x + across, 0), (width, 0)))]
    marks += [replace(face, points=tuple((a + x, b) for a, b in face.points)) for face in faces]
    above = [Text(width / 2, -up - 6 - 12 * n, text) for n, text in enumerate(reversed(lines))]
    below = Text(width / 2, down + 14, size, weight=600)
    return Block(width, up + 6 + 12 * len(lines), down + 16, (*marks, *above, below), arrow=False)


def _solid(station: Station, largest: int) -> tuple[list[Polygon], float, float, float]:
    """The three faces of a box, centred on the line, with its width and its extent above and below."""
    channels, *size = station.shape
    if not size:
        height, thick, back = TALL * log2(1 + channels), BAR, 3.0
    else:
        high, wide = (LEAST_SIDE + (HIGHEST - LEAST_SIDE) * (n / largest) ** 0.5 for n in (size[-2:] * 2)[:2])
        height, thick, back = high, 2 + THICK * log2(1 + channels), (wide * SLANT if len(size) > 1 else 3.0)
    rise = back * 0.8
    top, bottom = -(height - rise) / 2, (height + rise) / 2
    front = ((0.0, top), (thick, top), (thick, bottom), (0.0, bottom))
    roof = ((0.0, top), (back, top - rise), (thick + back, top - rise), (thick, top))
    flank = ((thick, top), (thick + back, top - rise), (thick + back, bottom - rise), (thick, bottom))
    colour, tip = COLORS[station.kind], ", ".join(station.names) or "input"
    shades = ((front, colour), (roof, _mixed(colour, 255, 0.45)), (flank, _mixed(colour, 255, 0.22)))
    faces = [Polygon(points, shade, tip) for points, shade in shades]
    return faces, thick + back, rise - top, bottom


def _mixed(colour: str, other: int, share: float) -> str:
    """A shade of a colour, towards white (255) or black (0)."""
    parts = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(part + (other - part) * share):02x}" for part in parts)


def _broken(text: str) -> list[str]:
    """Lines of operations, broken after commas and, where a name is long, between its words."""
    lines = [""]
    for word in GLUE.sub("\u00a0", text).split(" "):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > LONGEST_LINE:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}".strip()
    return [line.replace("\u00a0", " ") for line in lines]
