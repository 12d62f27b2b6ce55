"""A network as one figure (SVG) that a person reads at a glance: blocks from left to right, repeats folded.

Boxes are solid with white text and everything else is middle gray, so the figure reads on white and on black.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from html import escape

from searchspace.core import Network
from searchspace.cost import Cost, cost
from searchspace.pieces import FRAME, GAP, LINE, SIDE, WIDTH, Box, Fold, Fork, Piece, pieces, row_size, times
from searchspace.units import human

ROOM = 1_100  # a figure wider than this goes on in a second row
GRAY, INK = "#808080", "#7a7a7a"
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
COLORS = {"conv": "#0064a4", "pool": "#a34a00", "linear": "#00704f", "global": "#8a3f80", "input": "#4a5560"}
"""Dark shades of the Okabe-Ito palette: white text on each has a contrast above 5."""
SIGNS = {"add": "+", "concat": "||", "multiply": "×"}


def svg(network: Network) -> str:
    """The figure as a text of its own; `Infeasible` for a network that cannot exist."""
    drawn = pieces(network)
    identity = "n" + hashlib.sha256(repr(network).encode()).hexdigest()[:10]
    return "\n".join(_document(identity, _rows(drawn), cost(network), _told(drawn)))


def _rows(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """As many pieces in each row as there is room for."""
    rows: list[list[Piece]] = [[]]
    for piece in pieces:
        if rows[-1] and row_size([*rows[-1], piece])[0] > ROOM:
            rows.append([])
        rows[-1].append(piece)
    return rows


def _document(identity: str, rows: list[list[Piece]], total: Cost, told: str) -> Iterator[str]:
    sizes = [row_size(row) for row in rows]
    width = max(max(size[0] for size in sizes) + 2 * GAP, 380)
    height = 34 + sum(size[1] + size[2] + GAP for size in sizes)
    facts = f"{human(total.params)} parameters, {human(total.macs)} MACs"
    reach = f"receptive field {total.field}, depth {total.depth}"
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" aria-labelledby="{identity}-t {identity}-d" font-family="{FONT}">'
    )
    yield f'<title id="{identity}-t">A network of {escape(facts)}</title>'
    yield f'<desc id="{identity}-d">{escape(told)}</desc>'
    yield _text(GAP, 18, f"{facts}, {reach}", 12, INK, "start")
    y, before = 34.0, None
    for row, (across, up, down) in zip(rows, sizes, strict=True):
        y += up
        if before:
            yield _line([before, (before[0] + 11, before[1]), (before[0] + 11, y - up - 6), (11, y - up - 6), (11, y)])
            yield _line([(11, y), (GAP, y)], tip=True)
        yield from _draw_row(row, GAP, y)
        before, y = (GAP + across, y), y + down + GAP
    yield "</svg>"


def _draw_row(pieces: Sequence[Piece], x: float, y: float) -> Iterator[str]:
    """Pieces on one line, with an arrow from each to the next."""
    for index, piece in enumerate(pieces):
        if index:
            yield _line([(x - GAP, y), (x, y)], tip=not isinstance(piece, Fork))
        yield from _draw(piece, x, y)
        x += piece.size[0] + GAP


def _draw(piece: Piece, x: float, y: float) -> Iterator[str]:
    if isinstance(piece, Fork):
        yield from _draw_fork(piece, x, y)
    elif isinstance(piece, Fold):
        yield from _draw_fold(piece, x, y)
    elif piece.kind == "wire":
        wire, label = _line([(x, y), (x + WIDTH, y)]), _text(x + WIDTH / 2, y - 5, piece.label, 10, INK)
        yield f"<g>{_tip(piece)}{wire}{label}</g>"
    else:
        yield from _draw_box(piece, x, y)


def _draw_box(box: Box, x: float, y: float) -> Iterator[str]:
    top, middle = y - box.height / 2, x + WIDTH / 2
    yield f"<g>{_tip(box)}"
    yield (
        f'<rect x="{x:g}" y="{top:.1f}" width="{WIDTH}" height="{box.height:.1f}" rx="6" '
        f'fill="{COLORS.get(box.kind, COLORS["input"])}"/>'
    )
    yield _text(middle, y + (-3 if box.notes else 4), box.label, _fitting(box.label, 12.5), "#ffffff", weight=600)
    notes = ", ".join(box.notes)
    yield _text(middle, y + 13, notes, _fitting(notes, 9.5), "#ffffff") if notes else ""
    for number, text in enumerate(_below(box), 1):
        yield _text(middle, y + box.height / 2 + LINE * number + 1, text, 10.5 if number == 1 else 9.5, INK)
    yield "</g>"


def _fitting(text: str, size: float) -> float:
    """The size of the letters with which a text fits a box: a letter is about 0.58 of its size wide."""
    return round(min(size, (WIDTH - 8) / (0.58 * max(len(text), 1))), 1)


def _below(box: Box) -> list[str]:
    """What stands under a box: its output, and what it costs where it costs anything."""
    maps, *size = box.shape
    output = f"{maps} {'map' if maps == 1 else 'maps'} of {times(tuple(size))}" if size else f"{maps} features"
    of = "in all " if box.many > 1 else ""
    costs = [f"{of}{human(value)} {unit}" for value, unit in ((box.params, "params"), (box.macs, "MACs")) if value]
    return [output, *costs]


def _draw_fork(fork: Fork, x: float, y: float) -> Iterator[str]:
    across, end, at = fork.size[0] - 2 * SIDE, x + fork.size[0], y
    for number, branch in enumerate(fork.branches):
        width, up, down = row_size(branch)
        if number:
            at += up
        yield _line([(x, y), (x + 12, y), (x + 12, at), (x + SIDE, at)], tip=bool(branch))
        yield from _draw_row(branch, x + SIDE, at)
        yield _line([(x + SIDE + (width if branch else 0), at), (x + SIDE + across + 20, at)])
        if number:
            yield _line([(x + SIDE + across + 20, at), (x + SIDE + across + 20, y + 10)], tip=True)
        at += down + GAP / 2
    sign = SIGNS.get(fork.merge, fork.merge)
    yield f'<g>{_tip(fork)}<circle cx="{end - 10:g}" cy="{y:g}" r="10" fill="{COLORS["input"]}"/>'
    yield _text(end - 10, y + 4.5, sign, 14, "#ffffff", weight=600)
    if fork.notes:
        yield _text(end - 10, y - 15, ", ".join(fork.notes), 9.5, INK)
    yield "</g>"


def _draw_fold(fold: Fold, x: float, y: float) -> Iterator[str]:
    width, up, down = fold.size
    yield f"<g>{_tip(fold)}"
    yield (
        f'<rect x="{x:g}" y="{y - up:.1f}" width="{width:g}" height="{up + down:.1f}" rx="9" fill="{GRAY}" '
        f'fill-opacity="0.12" stroke="{GRAY}" stroke-dasharray="4 3"/>'
    )
    yield _text(x + width - FRAME, y - up + 15, f"× {fold.count}", 13, INK, "end", 700)
    yield "</g>"
    yield _line([(x, y), (x + FRAME, y)])
    yield from _draw_row(fold.body, x + FRAME, y)
    yield _line([(x + width - FRAME, y), (x + width, y)])


def _tip(piece: Piece) -> str:
    """What a pointer that rests on the piece shows: the names of its layers."""
    return f"<title>{escape(', '.join(piece.names) or 'input')}</title>"


def _text(x: float, y: float, text: str, size: float, color: str, anchor: str = "middle", weight: int = 400) -> str:
    style = f'font-size="{size:g}" font-weight="{weight}" fill="{color}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _line(points: Sequence[tuple[float, float]], tip: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    drawn = f'<polyline points="{path}" fill="none" stroke="{GRAY}" stroke-width="1.5"/>'
    if not tip:
        return drawn
    (x0, _), (x, y) = points[-2:]
    ends = [(x - 6, y - 4), (x - 6, y + 4)] if x > x0 else [(x - 4, y + 6), (x + 4, y + 6)]
    corners = " ".join(f"{a:.1f},{b:.1f}" for a, b in [(x, y), *ends])
    return f'{drawn}<polygon points="{corners}" fill="{GRAY}"/>'


def _told(pieces: Sequence[Piece]) -> str:
    """The figure in words, for those who do not see it."""
    return "; ".join(_said(piece) for piece in pieces)


def _said(piece: Piece) -> str:
    if isinstance(piece, Fold):
        return f"{piece.count} times ({_told(piece.body)})"
    notes = "".join(f", {note}" for note in piece.notes)
    if isinstance(piece, Fork):
        return f"{piece.merge} of ({') and ('.join(_told(branch) for branch in piece.branches)}){notes}"
    return f"{piece.label}{notes} to {times(piece.shape)}"
