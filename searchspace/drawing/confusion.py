"""A confusion matrix as a picture: a row for each class, a column for what it was taken for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from searchspace.drawing.marks import COLORS, INK, LEAST, WHITE, Mark, Rect, Text, breadth, page

CELL, GAP, LETTERS = 34.0, 2.0, 11.0
SMALLEST, ROOM = 3.0, 1_200.0
"""A cell's least side, and the side that a matrix of many classes must fit in; small cells carry no numbers."""
WRITTEN = 22.0
RIGHT, WRONG, NONE = COLORS["conv"], COLORS["pool"], "#e9ecef"
LONGEST = 18


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """An SVG: blue on the diagonal is right, orange beside it wrong, darker is a larger share of the row."""
    cell = min(CELL, max(SMALLEST, ROOM / max(1, len(counts))))
    names = [_short(label) for label in labels]
    left = max(breadth(name, LETTERS) for name in names) + 26 if cell >= WRITTEN else 26.0
    top = 46.0 if cell >= WRITTEN else 26.0
    marks = [*_cells(counts, labels, left, top, cell), *_axes(left, top, cell * len(counts))]
    if cell >= WRITTEN:
        marks += _names(names, left, top, cell)
    seen, right = sum(map(sum, counts)), sum(row[n] for n, row in enumerate(counts))
    told = f"{right} of {seen} examples are right. Rows are the true classes, columns what they were taken for."
    size = (left + cell * len(counts) + 4, top + cell * len(counts) + 4)
    return page(f"confusion {counts!r} {labels!r}", ("Confusion matrix", told), size, marks)


def _cells(
    counts: Sequence[Sequence[int]], labels: Sequence[str], left: float, top: float, cell: float
) -> Iterator[Mark]:
    gap = GAP if cell >= WRITTEN else 0
    for i, row in enumerate(counts):
        total = max(1, sum(row))
        for j, count in enumerate(row):
            x, y, share = left + j * cell, top + i * cell, count / total
            tip = f"{labels[i]} taken for {labels[j]}: {count} of {sum(row)}"
            fill = _shade(RIGHT if i == j else WRONG, share) if count else NONE
            yield Rect(x, y, cell - gap, cell - gap, fill, tip, radius=3 if gap else 0)
            if count and cell >= WRITTEN:
                color = WHITE if share > 0.45 else "#222222"
                yield Text(x + (cell - gap) / 2, y + cell / 2 + 3, str(count), LETTERS, color)


def _shade(color: str, share: float) -> str:
    """From nearly white to the color itself: mistakes that are rare stay visible."""
    weight = 0.25 + 0.75 * min(1.0, share)
    parts = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
    return "#" + "".join(f"{round(255 + (part - 255) * weight):02x}" for part in parts)


def _axes(left: float, top: float, side: float) -> Iterator[Mark]:
    yield Text(left + side / 2, LEAST + 2, "taken for", LEAST, INK)
    yield Text(2, top - 6, "class", LEAST, INK, "start")


def _names(names: Sequence[str], left: float, top: float, cell: float) -> Iterator[Mark]:
    """The classes: beside the rows, and above the columns on two levels where they are long."""
    for n, name in enumerate(names):
        middle = n * cell + cell / 2
        yield Text(left - 6, top + middle + 3, name, LETTERS, INK, "end")
        wide = breadth(name, LETTERS) > cell
        yield Text(left + middle - 1, top - 6 - (n % 2) * 12 * wide, _short(name, 9) if wide else name, LEAST, INK)


def _short(label: str, most: int = LONGEST) -> str:
    return label if len(label) <= most else label[: most - 1] + "…"
