"""Small charts as SVG text: points with names that do not overlap, lines through points that belong together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import log10

from searchspace.drawing.marks import breadth

WIDTH, HEIGHT = 960, 560
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 16, 48
"""Room around the plot, in pixels."""
GREY, LINE = "#767676", "#b0b0b0"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#b05a9a", "#8c7300", "#5b6fd0", "#c23b4e")
"""Middle shades, which stand out on white and on black."""
SIZE = 11
SIDES = (
    (0, 8, 4),
    (1, -8, 4),
    (0.5, 0, -9),
    (0.5, 0, 17),
    (0, 6, -7),
    (0, 6, 15),
    (1, -6, -7),
    (1, -6, 15),
)
"""Where a name may stand about its point: how much of it to the left, and pixels right and down."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Point:
    """A value with its name; points of one group have a colour, and a line where they are joined."""

    x: float
    y: float
    name: str
    group: str = ""


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with a line and a text at each tick; logarithmic where ratios count."""

    title: str
    low: float
    high: float
    ticks: Sequence[tuple[float, str]]
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value stands, from 0 to 1."""
        low, high, at = (log10(one) if self.log else one for one in (self.low, self.high, value))
        return (at - low) / (high - low)


def scatter(
    title: str, points: Sequence[Point], x: Axis, y: Axis, level: tuple[float, str] | None = None, joined: bool = True
) -> str:
    """The chart; `level` is a dashed line across at a height, with its name."""
    across, up = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    places = [(LEFT + across * x.share(one.x), TOP + up * (1 - y.share(one.y))) for one in points]
    groups = list(dict.fromkeys(one.group for one in points))
    colours = {group: COLOURS[number % len(COLOURS)] for number, group in enumerate(groups)}
    marks, taken = [*_grid(x, y)], [(left - 5, top - 5, left + 5, top + 5) for left, top in places]
    if level:
        marks += _level(TOP + up * (1 - y.share(level[0])), level[1])
    for group in groups if joined else ():
        for one, other in pairwise(place for place, point in zip(places, points, strict=True) if point.group == group):
            marks.append(_line(*one, *other, colours[group], 'stroke-width="1.5" opacity="0.6"'))
            taken += _along(one, other)
    for (left, top), point in zip(places, points, strict=True):
        marks.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="4" fill="{colours[point.group]}"/>')
    return "\n".join([*_head(title), *marks, *_names(points, places, taken), "</svg>"]) + "\n"


def _along(one: tuple[float, float], other: tuple[float, float]) -> Iterator[Box]:
    """Small boxes that cover a line, so that no name is written over it."""
    steps = int(max(abs(one[0] - other[0]), abs(one[1] - other[1])) // 4) + 1
    for step in range(1, steps):
        left, top = (a + (b - a) * step / steps for a, b in zip(one, other, strict=True))
        yield (left - 1, top - 1, left + 1, top + 1)


def _head(title: str) -> list[str]:
    fonts = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    first = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" font-family="{fonts}" font-size="{SIZE}">'
    return [first, f"<title>{escape(title)}</title>"]


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value, text in y.ticks:
        at = TOP + (bottom - TOP) * (1 - y.share(value))
        yield _line(LEFT, at, right, at, LINE, 'stroke-width="0.5"')
        yield _text(LEFT - 6, at + 4, text, "end")
    for value, text in x.ticks:
        at = LEFT + (right - LEFT) * x.share(value)
        yield _line(at, bottom, at, bottom + 4, LINE)
        yield _text(at, bottom + 18, text, "middle")
    yield _text((LEFT + right) / 2, HEIGHT - 8, x.title, "middle")
    middle = (TOP + bottom) / 2
    yield _text(14, middle, y.title, "middle", turn=f' transform="rotate(-90 14 {middle:.1f})"')


def _level(at: float, name: str) -> list[str]:
    dashed = _line(LEFT, at, WIDTH - RIGHT, at, GREY, 'stroke-dasharray="5 4"')
    return [dashed, _text(LEFT + 8, at + 15, name, "start")]


def _names(points: Sequence[Point], places: Sequence[tuple[float, float]], taken: list[Box]) -> Iterator[str]:
    """Each name at the first side of its point where nothing stands yet; none if there is no such side."""
    for one, (left, top) in zip(points, places, strict=True):
        wide = breadth(one.name, SIZE)
        for share, dx, dy in SIDES:
            start = left + dx - share * wide
            box = (start, top + dy - SIZE + 1, start + wide, top + dy + 2)
            inside = box[0] > LEFT and box[2] < WIDTH and box[1] > 0 and box[3] < HEIGHT - BOTTOM
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                yield _text(start, top + dy, one.name, "start")
                break


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = GREY, turn: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}"{turn}>{escape(text)}</text>'
