"""What a drawing is made of before it is text: marks at their places, and blocks of marks that hang on one line.

Solid shapes carry white text and everything else is middle gray, so a drawing reads on white and on black.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from html import escape

from searchspace.core import Network

GRAY, INK, WHITE = "#808080", "#767676", "#ffffff"
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
COLORS = {"conv": "#0064a4", "pool": "#a34a00", "linear": "#00704f", "global": "#8a3f80", "other": "#4a5560"}
"""Dark shades of the Okabe-Ito palette: white text on each has a contrast above 5."""
LEAST = 10.0  # no letter is smaller
LEGEND = {"conv": "convolution", "pool": "pooling, resizing", "linear": "linear", "global": "flatten, global"}

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Rect:
    """A solid box, or the dashed frame around a group; `tip` is what a pointer that rests on it shows."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    tip: str
    radius: float = 5
    frame: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text on its baseline."""

    x: float
    y: float
    text: str
    size: float = LEAST
    color: str = INK
    anchor: str = "middle"
    weight: int = 400


@dataclass(frozen=True, slots=True)
class Line:
    """A line through points, with a tip at its end where it is an `arrow`."""

    points: tuple[Point, ...]
    arrow: bool = False
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Polygon:
    """A solid face."""

    points: tuple[Point, ...]
    fill: str
    tip: str


Mark = Rect | Text | Line | Polygon


@dataclass(frozen=True, slots=True)
class Block:
    """Marks that are entered at (0, 0) and left at (width, 0), with their extent above and below that line."""

    width: float
    up: float
    down: float
    marks: tuple[Mark, ...] = ()
    arrow: bool = False  # whether the line that leads to it ends in a tip

    def at(self, x: float, y: float) -> Iterator[Mark]:
        """The marks at another place."""
        return (moved(mark, x, y) for mark in self.marks)


def moved(mark: Mark, x: float, y: float) -> Mark:
    """The mark, `x` further to the right and `y` further down."""
    if isinstance(mark, Line | Polygon):
        return replace(mark, points=tuple((a + x, b + y) for a, b in mark.points))
    return replace(mark, x=mark.x + x, y=mark.y + y)


def breadth(text: str, size: float, bold: bool = False) -> float:
    """About how wide a text is, in a font with wide letters."""
    return size * (0.67 if bold else 0.61) * len(text)


def document(network: Network, view: str, texts: tuple[str, str], size: Point, marks: Iterable[Mark]) -> str:
    """The SVG of a network's view."""
    return page(f"{view} {network!r}", texts, size, marks)


def page(subject: str, texts: tuple[str, str], size: Point, marks: Iterable[Mark]) -> str:
    """An SVG: its title and its description in words, which have ids of the `subject`'s own, and its marks."""
    identity = "n" + hashlib.sha256(subject.encode()).hexdigest()[:10]
    width, height = size
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" role="img" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" aria-labelledby="{identity}-t {identity}-d" font-family="{FONT}">'
    )
    title, told = (escape(text) for text in texts)
    named = [f'<title id="{identity}-t">{title}</title>', f'<desc id="{identity}-d">{told}</desc>']
    return "\n".join([head, *named, *map(_drawn, marks), "</svg>"])


def _drawn(mark: Mark) -> str:
    match mark:
        case Rect():
            return _rect(mark)
        case Text():
            style = f'font-size="{mark.size:g}" font-weight="{mark.weight}" fill="{mark.color}"'
            place = f'x="{mark.x:.1f}" y="{mark.y:.1f}" text-anchor="{mark.anchor}"'
            return f'<text {place} {style} pointer-events="none">{escape(mark.text)}</text>'
        case Line():
            return _line(mark)
        case Polygon():
            corners, tip = _points(mark.points), f"<title>{escape(mark.tip)}</title>" if mark.tip else ""
            return f'<polygon points="{corners}" fill="{mark.fill}">{tip}</polygon>'


def _rect(mark: Rect) -> str:
    place = f'x="{mark.x:.1f}" y="{mark.y:.1f}" width="{mark.width:.1f}" height="{mark.height:.1f}"'
    style = f'fill="{mark.fill}"'
    if mark.frame:
        style = f'fill="{GRAY}" fill-opacity="0.1" stroke="{GRAY}" stroke-dasharray="4 3"'
    return f'<rect {place} rx="{mark.radius:g}" {style}><title>{escape(mark.tip)}</title></rect>'


def _line(mark: Line) -> str:
    dashes = ' stroke-dasharray="3 3"' if mark.dashed else ""
    drawn = f'<polyline points="{_points(mark.points)}" fill="none" stroke="{GRAY}" stroke-width="1.4"{dashes}/>'
    if not mark.arrow:
        return drawn
    (x0, y0), (x, y) = mark.points[-2:]
    back = 6 if y > y0 else -6
    ends = [(x - 6, y - 3.5), (x - 6, y + 3.5)] if x > x0 else [(x - 3.5, y - back), (x + 3.5, y - back)]
    return f'{drawn}<polygon points="{_points([(x, y), *ends])}" fill="{GRAY}"/>'


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
