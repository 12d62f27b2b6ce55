"""A network as lines of text: from top to bottom, branches side by side, repeats folded in a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

from searchspace.core import Network
from searchspace.cost import cost
from searchspace.drawing.figure import facts, told
from searchspace.drawing.labels import times, widths
from searchspace.drawing.pieces import Piece, pieces

GAP = 2  # columns between branches
NARROWEST = 24


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of one width that are entered and left at the column `axis`."""

    lines: tuple[str, ...]
    axis: int

    @property
    def width(self) -> int:
        """Of every line."""
        return len(self.lines[0]) if self.lines else 1


def terminal(network: Network, width: int = 80) -> list[str]:
    """The figure in lines of at most `width` columns; `Infeasible` for a network that cannot exist."""
    width = max(width, NARROWEST)
    whole, drawn = cost(network), pieces(network)
    head = wrap(f"{facts(whole)}, receptive field {whole.field}, depth {whole.depth}", width)
    return [*head, "", *(_cut(line.rstrip(), width) for line in _column(drawn, width, "│").lines)]


def _cut(line: str, width: int) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _column(row: Sequence[Piece], room: int, link: str = "") -> Lines:
    """Pieces below one another, with a line between them where it is asked for."""
    blocks = [_block(piece, room) for piece in row] or [Lines(("│",), 0)]
    axis = max(block.axis for block in blocks)
    right = max(block.width - block.axis for block in blocks)
    found: list[str] = []
    for number, block in enumerate(blocks):
        if number and link:
            found.append(" " * axis + link + " " * (right - 1))
        left, rest = " " * (axis - block.axis), " " * (right - block.width + block.axis)
        found += [left + line + rest for line in block.lines]
    return Lines(tuple(found), axis)


def _block(piece: Piece, room: int) -> Lines:
    match piece.form:
        case "fork":
            return _fork(piece, room)
        case "fold":
            return _fold(piece, room)
        case "side":
            return _side(piece, room)
        case "bridge":
            return _bridge(piece, room)
        case "wire":
            return Lines(("│",), 0)
    return _box(piece, room)


def _box(piece: Piece, room: int) -> Lines:
    """`conv 3×3, 64 maps, BN ReLU, 112×112`, on one line or on as many as there must be."""
    kept = piece.kind == "pool" and piece.source[0] == piece.shape[0]
    name = piece.label if kept else f"{piece.label}, {widths(piece.shape, piece.widths)}"
    notes = " ".join(piece.notes)
    resized = len(piece.shape) > 1 and (piece.source[1:] != piece.shape[1:] or piece.label == "input")
    sized = [f"→ {times(piece.shape[1:])}"] if resized else []
    text = " ".join([f"{name}{' ' if kept else ', '}{notes}" if notes else name, *sized])
    return _centred([text] if len(text) <= room else _packed([name, *([notes] if notes else []), *sized], room))


def _packed(parts: Sequence[str], room: int) -> list[str]:
    """Parts on lines of at most `room` columns, each whole where it can be."""
    lines: list[str] = []
    for part in (piece for one in parts for piece in wrap(one, max(room, 6)) or [one]):
        if lines and len(lines[-1]) + 1 + len(part) <= room:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    return lines


def _centred(lines: Sequence[str]) -> Lines:
    width = max(len(line) for line in lines)
    return Lines(tuple(line.center(width) for line in lines), width // 2)


def _fork(piece: Piece, room: int) -> Lines:
    """Branches side by side under one line and over another; below one another where there is no room."""
    wide = [row for row in piece.rows if any(one.form != "wire" for one in row)]
    taken = GAP * (len(piece.rows) - 1) + len(piece.rows) - len(wide)
    branches = [_column(row, max((room - taken) // max(len(wide), 1), 9)) for row in piece.rows]
    if sum(branch.width for branch in branches) + GAP * (len(branches) - 1) > room:
        return _stacked(piece, room)
    high = max(len(branch.lines) for branch in branches)
    filled = [_filled(branch, high) for branch in branches]
    axes, at = [], 0
    for branch in branches:
        axes.append(at + branch.axis)
        at += branch.width + GAP
    body = tuple((" " * GAP).join(lines) for lines in zip(*filled, strict=True))
    middle = (axes[0] + axes[-1]) // 2
    opened = _rail(axes, middle, len(body[0]), "┌┬┐┴┼")
    closed = _rail(axes, middle, len(body[0]), "└┴┘┬┼")
    merge = _merge(piece)
    start = middle - len(merge) // 2
    drawn = (opened, *body, closed) if len(axes) > 1 else (*body, closed)
    lines = [*(" " * max(-start, 0) + line for line in drawn), " " * max(start, 0) + merge]
    width = max(map(len, lines))
    return Lines(tuple(line.ljust(width) for line in lines), middle + max(-start, 0))


def _filled(branch: Lines, high: int) -> list[str]:
    line = " " * branch.axis + "│" + " " * (branch.width - branch.axis - 1)
    return [*branch.lines, *[line] * (high - len(branch.lines))]


def _rail(axes: Sequence[int], middle: int, width: int, signs: str) -> str:
    """The line that joins the branches: its left end, a branch, its right end, the trunk, the trunk at a branch."""
    if len(axes) == 1:
        return " " * axes[0] + "│" + " " * (width - axes[0] - 1)
    drawn = [" "] * axes[0] + ["─"] * (axes[-1] - axes[0] + 1) + [" "] * (width - axes[-1] - 1)
    for axis in axes:
        drawn[axis] = signs[1]
    drawn[axes[0]], drawn[axes[-1]] = signs[0], signs[2]
    drawn[middle] = signs[4] if middle in axes else signs[3]
    return "".join(drawn)


def _merge(piece: Piece) -> str:
    said = f", {widths(piece.shape, piece.widths)}" if piece.label == "concat" else ""
    return " ".join([f"{piece.label}{said}", *piece.notes])


def _stacked(piece: Piece, room: int) -> Lines:
    """Branches below one another, each under its own knot of one rail on the left."""
    found: list[str] = []
    for row in piece.rows:
        inner = _column(row, room - 3)
        found += [("├─ " if not number else "│  ") + line for number, line in enumerate(inner.lines)]
    width = max(len(_merge(piece)), *map(len, found))
    rail = "─" * (width // 2 - 1)
    lines = (f"┌{rail}┘", *found, f"└{rail}┐", _merge(piece).center(width))
    return Lines(tuple(line.ljust(width) for line in lines), width // 2)


def _fold(piece: Piece, room: int) -> Lines:
    """A frame around the group that says how often it stands and how its width grows."""
    inner = _column(piece.rows[0], room - 4)
    last = piece.rows[0][-1]
    grows = f"{piece.source[0]} → {piece.shape[0]} maps " if last.widths[0] != last.widths[1] else ""
    title = f" {grows}{piece.label} "
    width = max(inner.width + 4, len(title) + 3)
    left = (width - inner.width) // 2
    body = [f"│{' ' * (left - 1)}{line}{' ' * (width - left - inner.width - 1)}│" for line in inner.lines]
    axis = left + inner.axis
    top, bottom = f"┌{'─' * (width - 3 - len(title))}{title}─┐", f"└{'─' * (width - 2)}┘"
    return Lines((top, *body, bottom), axis)


def _side(piece: Piece, room: int) -> Lines:
    text = wrap(f"{piece.label}: {told(piece.rows[0])}", max(room // 2 - 4, 12))
    lines = [("├┄ " if not number else "│  ") + line for number, line in enumerate(text)]
    width = max(map(len, lines))
    return Lines(tuple(line.ljust(width) for line in lines), 0)


def _bridge(piece: Piece, room: int) -> Lines:
    """The pool, what lies within and the unpooling, with a dotted rail from the first to the last."""
    inner = _column([one for row in piece.rows for one in row], room - 3)
    first, *middle, last = (line.rstrip() for line in inner.lines)
    width = inner.width + 1
    rail = [f"{first} {'┄' * (width - len(first))}┐", *(f"{line.ljust(width + 1)}┊" for line in middle)]
    return Lines((*rail, f"{last} {'┄' * (width - len(last))}┘"), inner.axis)


def layer_lines(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows of a table as aligned text, numbers to the right."""
    texts = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in rows]
    wide = [max(len(row[at]) for row in texts) for at in range(len(texts[0]))] if texts else []
    numbers = [isinstance(value, int) for value in rows[-1]] if rows else []
    return ["  ".join(t.rjust(w) if n else t.ljust(w) for t, w, n in zip(row, wide, numbers, strict=True)).rstrip()
            for row in texts]  # fmt: skip
