"""A network as one figure (SVG) that a person reads at a glance: blocks from left to right, repeats folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from searchspace.core import Network
from searchspace.cost import Cost, cost
from searchspace.drawing.labels import KEY, times
from searchspace.drawing.layout import rows
from searchspace.drawing.marks import COLORS, INK, LEGEND, Mark, Rect, Text, breadth, document
from searchspace.drawing.pieces import Piece, pieces
from searchspace.language.units import human

ROOM, EDGE, LEAST_WIDTH = 1_180, 16, 620  # a figure wider than this goes on in a second row
SHAPED = re.compile(r"([/dg])\d+(?:×\d+)*")
SHAPES = {"/": "stride n", "d": "dilation n", "g": "n groups"}


def svg(network: Network) -> str:
    """The figure as a text of its own; `Infeasible` for a network that cannot exist."""
    drawn, whole = pieces(network), cost(network)
    texts = f"A network of {facts(whole)}", told(drawn)
    return document(network, "figure", texts, *_placed(drawn, whole))


def facts(whole: Cost) -> str:
    """`61.7 k parameters, 416 k MACs`."""
    return f"{human(whole.params)} parameters, {human(whole.macs)} MACs"


def _placed(drawn: Sequence[Piece], whole: Cost) -> tuple[tuple[float, float], list[Mark]]:
    """The size of the figure and its marks."""
    block = rows(drawn, ROOM)
    reach = f"{facts(whole)}, receptive field {whole.field}, depth {whole.depth}"
    y = 34 + block.up
    width = max(block.width + 2 * EDGE, LEAST_WIDTH)
    marks: list[Mark] = [Text(EDGE, 20, reach, 13, INK, "start", 600), *block.at(EDGE, y)]
    legend = list(_legend(drawn, y + block.down + 26, width - EDGE))
    lines = len({mark.y for mark in legend if isinstance(mark, Text)})
    return (width, y + block.down + 18 + 18 * lines), [*marks, *legend]


def _legend(drawn: Sequence[Piece], y: float, room: float) -> Iterator[Mark]:
    """What the colours and the abbreviations of this figure mean."""
    x = float(EDGE)
    kinds = {one.kind for one in _all(drawn)}
    colours = {text: COLORS[kind] for kind, text in LEGEND.items() if kind in kinds}
    for text, colour in [*colours.items(), *((text, "") for text in _abbreviations(drawn))]:
        wide = breadth(text, 10.5) + (16 if colour else 0)
        if x + wide > room and x > EDGE:
            x, y = EDGE, y + 18
        if colour:
            yield Rect(x, y - 9, 10, 10, colour, text, 2)
        yield Text(x + (16 if colour else 0), y, text, 10.5, INK, "start")
        x += wide + 14


def _abbreviations(drawn: Sequence[Piece]) -> list[str]:
    """Those that stand in the figure, each with its meaning."""
    words = {word for one in _all(drawn) for text in (one.label, *one.notes) for word in text.split()}
    said = [f"{short} {meaning}" for short, meaning in KEY.items() if short in words]
    letters = {match[1] for word in words if (match := SHAPED.fullmatch(word))}
    return said + [f"{letter}n {meaning}" for letter, meaning in SHAPES.items() if letter in letters]


def _all(row: Sequence[Piece]) -> Iterator[Piece]:
    for piece in row:
        yield piece
        for inner in piece.rows:
            yield from _all(inner)


def told(pieces: Sequence[Piece]) -> str:
    """The figure in words, for those who do not see it."""
    return "; ".join(_said(piece) for piece in pieces)


def _said(piece: Piece) -> str:
    notes = "".join(f", {note}" for note in piece.notes)
    match piece.form:
        case "fold":
            many = piece.label if "branches" in piece.label else f"{piece.count} times"
            return f"{many} ({told(piece.rows[0])})"
        case "fork":
            return f"{piece.label} of ({') and ('.join(told(branch) for branch in piece.rows)}){notes}"
        case "side":
            return f"aside ({piece.label}: {told(piece.rows[0])})"
        case "bridge":
            return f"{told(piece.rows[0])}; within ({told(piece.rows[1])}); {told(piece.rows[2])}"
    return f"{piece.label}{notes} to {times(piece.shape)}"
