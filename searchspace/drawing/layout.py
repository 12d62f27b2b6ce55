"""Where everything stands in the block figure: pieces become blocks, rows that are too long go on below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from searchspace.drawing.labels import times, widths
from searchspace.drawing.marks import COLORS, INK, WHITE, Block, Line, Mark, Rect, Text, breadth
from searchspace.drawing.pieces import Piece, all_names, total
from searchspace.language.units import human

GAP, LINE = 15, 13  # between pieces; height of a line of text
SPLIT, FRAME, MARGIN = 22, 9, 16  # where a fork splits; around a fold; beside rows that go on below
INSET = 18  # of what lies within a pool and its unpooling
LONGEST_NOTE = 15  # letters
SIGNS = {"add": "+", "multiply": "×"}


def row(pieces: Sequence[Piece], room: float, back: bool = True) -> Block:
    """Pieces one after the other, on as many lines as `room` asks for, the last led `back` to where the first is."""
    return wrapped([_block(piece, room) for piece in pieces], room, back)


def rows(pieces: Sequence[Piece], room: float) -> Block:
    """The main line of a network: pieces that say what they cost."""
    return wrapped([_costed(piece, _block(piece, room)) for piece in pieces], room, back=False)


def wrapped(blocks: Sequence[Block], room: float, back: bool) -> Block:
    """As few lines as there is room for, each no longer than it must be for that."""
    if len(lines := _split(blocks, room)) == 1:
        return _line(blocks)
    room -= 3 * MARGIN if back else 0
    lines = _split(blocks, room)
    while room > max(block.width for block in blocks) and len(less := _split(blocks, room - 8)) == len(lines):
        room, lines = room - 8, less
    return _lines([_line(line) for line in lines], back)


def _split(blocks: Sequence[Block], room: float) -> list[list[Block]]:
    lines: list[list[Block]] = [[]]
    used = 0.0
    for block in blocks:
        if lines[-1] and used + GAP + block.width > room:
            lines.append([])
            used = 0
        lines[-1].append(block)
        used += GAP * (used > 0) + block.width
    return lines


def _line(blocks: Sequence[Block]) -> Block:
    """Blocks on one line, with an arrow from each to the next."""
    marks: list[Mark] = []
    x = 0.0
    for number, block in enumerate(blocks):
        if number:
            marks.append(Line(((x, 0), (x + GAP, 0)), arrow=block.arrow))
            x += GAP
        marks += block.at(x, 0)
        x += block.width
    up, down = (max((getattr(block, side) for block in blocks), default=4) for side in ("up", "down"))
    return Block(x, up, down, tuple(marks), bool(blocks) and blocks[0].arrow)


def _lines(lines: Sequence[Block], back: bool) -> Block:
    """Lines below one another, each led on to the next, and the last one `back` to the height of the first."""
    left, y = (MARGIN if back else 0), 0.0
    widest = max(line.width for line in lines)
    marks: list[Mark] = [Line(((0, 0), (left, 0)))] if back else []
    for number, line in enumerate(lines):
        if number:
            end, above = left + lines[number - 1].width, y
            y += lines[number - 1].down + line.up + 16
            turn, between = end + 8, y - line.up - 8
            marks.append(Line(((end, above), (turn, above), (turn, between), (left - 9, between), (left - 9, y))))
            marks.append(Line(((left - 9, y), (left, y)), arrow=line.arrow))
        marks += line.at(left, y)
    if not back:
        return Block(left + widest + 10, lines[0].up, y + lines[-1].down, tuple(marks))
    out = left + widest + 2 * MARGIN
    marks.append(Line(((left + lines[-1].width, y), (out - 8, y), (out - 8, 0), (out, 0))))
    return Block(out, lines[0].up, y + lines[-1].down, tuple(marks), lines[0].arrow)


def _block(piece: Piece, room: float) -> Block:
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
            return _wire(piece)
    return _box(piece)


def _box(piece: Piece) -> Block:
    """Name, width and the pointwise layers in white; below, the size of the map where it changes."""
    kept = piece.kind == "pool" and piece.source[0] == piece.shape[0]
    written = [*([] if kept else [widths(piece.shape, piece.widths)]), *_notes(piece.notes)]
    width = max(breadth(piece.label, 11.5, True), *(breadth(text, 10.5) for text in written)) + 9
    resized = len(piece.shape) > 1 and (piece.source[1:] != piece.shape[1:] or piece.label == "input")
    width = max(width, breadth(times(piece.shape[1:]), 10.5, True) if resized else 0)
    height = LINE * (1 + len(written)) + 7
    middle, y = width / 2, -height / 2 + 13.5
    marks: list[Mark] = [Rect(0, -height / 2, width, height, COLORS[piece.kind], tip(piece))]
    marks.append(Text(middle, y, piece.label, 11.5, WHITE, weight=600))
    marks += [Text(middle, y + LINE * n, text, 10.5, WHITE) for n, text in enumerate(written, 1)]
    down = height / 2
    if resized:
        down += LINE
        marks.append(Text(middle, down - 1, times(piece.shape[1:]), 10.5, INK, weight=600))
        down += 3
    return Block(width, height / 2, down, tuple(marks), arrow=True)


def _notes(notes: Sequence[str]) -> list[str]:
    """The pointwise layers in lines that are no longer than need be."""
    lines: list[str] = []
    for note in notes:
        if lines and len(lines[-1]) + 1 + len(note) <= LONGEST_NOTE:
            lines[-1] += f" {note}"
        else:
            lines.append(note)
    return lines


def _wire(piece: Piece) -> Block:
    width = breadth(piece.label, 10) + 8
    marks = (Line(((0, 0), (width, 0))), Text(width / 2, -4, piece.label), Rect(0, -3, width, 6, "none", tip(piece)))
    return Block(width, 15, 4, marks)


def _fork(piece: Piece, room: float) -> Block:
    """Branches below one another, the longest way first, and the merge on the line of the first."""
    sign = SIGNS.get(piece.label, piece.label)
    said = [widths(piece.shape, piece.widths)] if piece.label == "concat" else []
    said += _notes(piece.notes)
    pill = max(20.0, breadth(sign, 10.5, True) + 8)
    aside = max([pill, *(breadth(text, 10) for text in said)]) + 4
    ordered = sorted(piece.rows, key=lambda one: all(inner.form == "wire" for inner in one))
    branches = [row(one, room - SPLIT - aside - 10) for one in ordered]
    across = max(branch.width for branch in branches)
    middle = SPLIT + across + 10 + aside / 2
    marks = [
        *_branches(branches, middle, pill),
        Rect(middle - pill / 2, -10, pill, 20, COLORS["other"], tip(piece), 10),
    ]
    marks.append(Text(middle, 4, sign, 10.5 if len(sign) > 1 else 14, WHITE, weight=600))
    marks += [Text(middle, -14 - 12 * (len(said) - n), text) for n, text in enumerate(said, 1)]
    marks.append(Line(((middle + pill / 2, 0), (middle + aside / 2, 0))))
    down = branches[0].down + sum(branch.up + branch.down + 9 for branch in branches[1:])
    return Block(middle + aside / 2, max(branches[0].up, 16 + 12 * len(said)), down, tuple(marks))


def _branches(branches: Sequence[Block], middle: float, pill: float) -> Iterator[Mark]:
    y = 0.0
    for number, branch in enumerate(branches):
        y += (branches[number - 1].down + branch.up + 9) if number else 0
        yield Line(((0, y), (SPLIT, y)) if not number else ((8, 0), (8, y), (SPLIT, y)), arrow=branch.arrow)
        yield from branch.at(SPLIT, y)
        end = SPLIT + branch.width
        way = ((end, 0), (middle - pill / 2, 0)) if not number else ((end, y), (middle, y), (middle, 10))
        yield Line(way, arrow=True)


def _fold(piece: Piece, room: float) -> Block:
    """A frame around the group, how often it stands, and how its width grows where it does."""
    inner = row(piece.rows[0], room - 2 * FRAME)
    last = piece.rows[0][-1]
    grows = last.widths[0] != last.widths[1]
    said = f"{piece.source[0]} → {piece.shape[0]} maps" if grows else ""
    header = breadth(piece.label, 13, True) + breadth(said, 10.5) + 8 * bool(said)
    width = max(inner.width + 2 * FRAME, header + 2 * FRAME)
    start, up, down = (width - inner.width) / 2, inner.up + LINE + 8, inner.down + 7
    names = f"{piece.count} times: {', '.join(all_names(piece))}"
    marks: list[Mark] = [Rect(0, -up, width, up + down, "none", names, 9, frame=True)]
    marks.append(Text(width - FRAME, 15 - up, piece.label, 13, INK, "end", 700))
    marks += [Text(FRAME, 15 - up, said, 10.5, INK, "start")] if said else []
    marks.append(Line(((0, 0), (start, 0)), arrow=inner.arrow))
    marks += [*inner.at(start, 0), Line(((width - start, 0), (width, 0)))]
    return Block(width, up, down, tuple(marks))


def _side(piece: Piece, room: float) -> Block:
    """The main line, and the row that leaves it."""
    inner = row(piece.rows[0], max(room / 3, 260), back=False)
    y = inner.up + 26
    width = SPLIT + max(inner.width, breadth(piece.label, 10.5))
    marks: list[Mark] = [Line(((0, 0), (width, 0))), Line(((8, 0), (8, y), (SPLIT, y)), dashed=True)]
    marks.append(Text(SPLIT - 6, y - inner.up - 7, piece.label, 10.5, INK, "start", 600))
    return Block(width, 4, y + inner.down + 2, (*marks, *inner.at(SPLIT, y)))


def _bridge(piece: Piece, room: float) -> Block:
    """The pool and the unpooling on the line, what lies within below them: one step of a U."""
    pool, unpool = (_block(one[0], room) for one in (piece.rows[0], piece.rows[2]))
    inner = row(piece.rows[1], room - 2 * MARGIN)
    y = max(pool.down, unpool.down) + inner.up + 6
    between = max(inner.width - (pool.width - INSET) - (unpool.width - INSET), breadth(piece.label, 10) + 16)
    width = pool.width + between + unpool.width
    left, right = INSET - 12, width - INSET + 12
    x = INSET + (width - 2 * INSET - inner.width) / 2
    marks: list[Mark] = [*pool.at(0, 0), *unpool.at(width - unpool.width, 0), *inner.at(x, y)]
    marks.append(Line(((pool.width, 0), (width - unpool.width, 0)), arrow=True, dashed=True))
    marks.append(Text(pool.width + between / 2, -5, piece.label))
    marks.append(Line(((left, pool.up), (left, y), (x, y)), arrow=inner.arrow))
    marks.append(Line(((x + inner.width, y), (right, y), (right, unpool.up)), arrow=True))
    return Block(width, max(pool.up, unpool.up), y + inner.down, tuple(marks), arrow=True)


def _costed(piece: Piece, block: Block) -> Block:
    """The block with its params and MACs below, on one line where there is room for it."""
    pointwise = piece.form == "box" and piece.kind == "other"
    said = [
        f"{human(n)} {unit}" for n, unit in zip(total(piece), ("params", "MACs"), strict=True) if n and not pointwise
    ]
    if said and breadth(" · ".join(said), 10) <= block.width:
        said = [" · ".join(said)]
    width = max([block.width, *(breadth(text, 10) for text in said)])
    x, down = (width - block.width) / 2, block.down + 3
    marks = list(block.at(x, 0))
    if x:
        marks += [Line(((0, 0), (x, 0))), Line(((width - x, 0), (width, 0)))]
    marks += [Text(width / 2, down + 10 + 12 * n, text) for n, text in enumerate(said)]
    return Block(width, block.up, down + 12 * len(said), tuple(marks), block.arrow)


def tip(piece: Piece) -> str:
    """The names of a piece's layers and what they cost."""
    costs = [f"{human(n)} {unit}" for n, unit in ((piece.params, "params"), (piece.macs, "MACs")) if n]
    names = ", ".join(piece.names) or piece.label
    return f"{names}: {', '.join(costs)}" if costs else names
