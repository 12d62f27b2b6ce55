"""Drawing to SVG: one style for all figures, the same bytes for the same rows, nothing set for the rest of the process.

Colors are Okabe and Ito's, which color-blind people tell apart, and every color has a second sign (a marker, a dash).
A figure is 4.7 inches wide with text of 9 to 10 points, so it can be read at the width of a phone.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from io import StringIO
from itertools import pairwise
from math import ceil, log2, log10
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from searchspace.language.units import human
from studies.report import words
from studies.report.blocks import Picture
from worker.metrics import is_share

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
GRAY, INK, LIGHT = "#767676", "#222222", "#dddddd"
COLORS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (6, 2, 1.5, 2)), (0, (8, 2)), (0, (3, 1, 1, 1, 1, 1)))
WIDTH = 4.7
STYLES: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 10.0,
    "xtick.labelsize": 9.5,
    "ytick.labelsize": 9.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "lines.markersize": 6.0,
    "figure.facecolor": "white",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "path.simplify": False,
    "hatch.linewidth": 0.7,
}


def picture(name: str, title: str, told: str, draw: Callable[[Figure], None], height: float, note: str = "") -> Picture:
    """What `draw` puts on an empty figure, as a Picture. Printed directly, since `savefig` would draw it twice."""
    buffer = StringIO()
    with rc_context({**STYLES, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a sign that the font lacks is drawn by the reader's own
        figure = Figure(figsize=(WIDTH, height), dpi=72, layout="constrained")
        draw(figure)
        _arranged(figure)
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None})  # type: ignore[no-untyped-call]
    return Picture(name, title, _lean(buffer.getvalue(), name), told, note)


def _arranged(figure: Figure) -> None:
    """Everything in its place for good."""
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)
    figure.set_layout_engine("none")


def _lean(text: str, name: str) -> str:
    """Only the drawing: no prologue, no metadata, no sizes but its view box, ids that no other figure has."""
    text = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r"^<svg[^>]*?(viewBox=\"[^\"]+\")[^>]*>", rf"<svg {_ROOT} \1>", text)
    text = re.sub(r"font-family: [^;]*DejaVu Sans[^;]*; ?", "", text)
    used = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{name}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r"(href=\"#|url\(#)", rf"\g<1>{name}-", text)
    text = re.sub(r' (d|x|y|width|height|transform)="([^"]*)"', lambda m: f' {m[1]}="{_rounded(m[2])}"', text)
    return re.sub(r"\n\s*", "\n", text).strip() + "\n"


def _rounded(numbers: str) -> str:
    """Hundredths of a point, on one line."""
    return re.sub(r"-?\d+\.\d{3,}", lambda m: f"{float(m[0]):.2f}", " ".join(numbers.split()))


_ROOT = (
    'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
    "style=\"font-family: 'DejaVu Sans', Verdana, 'Segoe UI', Arial, sans-serif; stroke-linejoin: round\""
)


# ---- axes -----------------------------------------------------------------------------------------------------------


def measured(levels: Sequence[Any]) -> bool:
    """Whether levels are different numbers, so that they stand on a measured axis."""
    return len(levels) > 1 and all(isinstance(one, int | float) and not isinstance(one, bool) for one in levels)


def doubling(levels: Sequence[Any]) -> bool:
    """Whether each of three levels or more is at least about twice the one before: equal ratios get equal steps."""
    if not measured(levels) or len(levels) < 3 or min(levels) <= 0:
        return False
    return all(high / low >= 1.8 for low, high in pairwise(sorted(levels)))


def places(levels: Sequence[Any]) -> list[float]:
    """Where levels stand on an axis: by value, by log2 where they double, in order where they are no numbers."""
    if doubling(levels):
        return [log2(one) for one in levels]
    return [float(one) for one in levels] if measured(levels) else [float(at) for at in range(len(levels))]


def step(positions: Sequence[float]) -> float:
    """The smallest distance of two neighbours."""
    ordered = sorted(positions)
    gaps = [high - low for low, high in pairwise(ordered) if high > low]
    return min(gaps, default=1.0)


def level_axis(axes: Axes, name: str, levels: Sequence[Any], positions: Sequence[float]) -> None:
    """The x axis of a factor: a tick for every level, slanted where the labels are long."""
    texts = words.apart(levels, 16)
    kept = _apart(positions, texts)
    axes.xaxis.set_major_locator(FixedLocator([positions[at] for at in kept]))
    slanted = max(map(len, texts), default=0) * len(texts) > 44 and not measured(levels)
    axes.set_xticklabels([texts[at] for at in kept], rotation=30 if slanted else 0, ha="right" if slanted else "center")
    axes.xaxis.set_minor_locator(NullLocator())
    pad = 0.45 * step(positions)
    axes.set_xlim(min(positions) - pad, max(positions) + pad)
    axes.grid(visible=False, axis="x")
    axes.set_xlabel(words.cut(name, 40) + (" (log scale)" if doubling(levels) else ""))


def _apart(positions: Sequence[float], texts: Sequence[str]) -> list[int]:
    """The ticks that have room for their text."""
    span = max(positions) - min(positions) or 1.0
    kept: list[int] = []
    for at in sorted(range(len(texts)), key=lambda index: positions[index]):
        room = 0.022 * (len(texts[at]) + 0.7)
        if len(texts) <= 7 or not kept or (positions[at] - positions[kept[-1]]) / span >= room:
            kept.append(at)
    return kept


def value_axis(axes: Axes, metric: str, which: str = "y", title: str = "") -> None:
    """An axis of the metric's values, shares in percent."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda number, _: in_short(number, metric, axis.get_view_interval())))
    axis.set_label_text(title or f"{metric}{', %' if is_share(metric) else ''}")


def in_short(number: float, metric: str, view: Sequence[float] = ()) -> str:
    """A tick's text: `98.5` of a share in percent, else four digits; more where these would not tell ticks apart."""
    size, span = max(map(abs, view), default=0.0), max(view, default=0.0) - min(view, default=0.0)
    digits = max(4, 2 + ceil(log10(size / span))) if size and span else 4
    return f"{number * 100 if is_share(metric) else number:.{digits}g}".replace("-", "−")


def difference_axis(axes: Axes, metric: str, title: str) -> None:
    """The x axis of differences."""
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    scale = 100 if is_share(metric) else 1
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * scale:+.4g}".replace("-", "−") if x else "0"))
    axes.set_xlabel(title)


def cost_axis(axes: Axes, values: Sequence[float], title: str) -> None:
    """A logarithmic x axis of a cost; few ticks, none that overlap."""
    low, high = min(values), max(values)
    axes.set_xscale("log")
    pad = max((high / low) ** 0.08, 1.02)
    axes.set_xlim(low / pad, high * pad)
    axes.xaxis.set_major_locator(FixedLocator(_ticks(low, high)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: _cost(number)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(title)


def _cost(number: float) -> str:
    """`2 M`, `1.5 k`."""
    return re.sub(r"\.0+(?= |$)|(\.\d*?[1-9])0+(?= |$)", r"\1", human(number))


def _ticks(low: float, high: float) -> list[float]:
    """At most six round numbers from low to high: by ratios where they span a decade, else by steps."""
    powers = [10.0**power for power in range(-6, 16)]
    if high / low >= 8:
        digits = (1,) if high / low > 2000 else (1, 3) if high / low > 60 else (1, 2, 5)
        found = [digit * power for power in powers for digit in digits if low <= digit * power <= high]
        return found[:: max(1, -(-len(found) // 6))]
    return [
        tick for tick in MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high) if low <= tick <= high
    ] or [low]


def limits(values: Sequence[float], intervals: Sequence[tuple[float, float]], metric: str) -> tuple[float, float]:
    """A range that holds every value, and intervals as far as they do not squash these; no share beyond 100 %."""
    low, high = min(values), max(values)
    span = (high - low) or 0.02 * abs(high) or 0.01
    bottom = max(min([low, *(one for one, _ in intervals)]), low - 0.8 * span)
    top = min(max([high, *(one for _, one in intervals)]), high + 0.8 * span)
    if is_share(metric):
        bottom, top = max(bottom, 0.0) if low >= 0 else bottom, min(top, 1.0) if high <= 1 else top
    pad = 0.05 * ((top - bottom) or span)
    return bottom - pad, top + pad


def key(figure: Figure, handles: Sequence[Line2D], title: str = "") -> None:
    """A legend above the axes, in as many columns as fit."""
    if not handles:
        return
    labels = [words.cut(str(handle.get_label()), 30) for handle in handles]
    fits = columns_of(labels)
    texts = [f" {label}" if label.startswith("_") else label for label in labels]
    figure.legend(handles, texts, loc="outside upper left", ncols=fits, title=title or None, alignment="left")


def columns_of(labels: Sequence[str], points: float = 320) -> int:
    """How many entries of a legend stand side by side in so many points, each with 48 beside its text."""
    return max(1, min(len(labels), int(points / (5.7 * max(map(len, labels)) + 48))))


def sign(at: int, label: str, **settings: Any) -> Line2D:
    """The legend's entry of a series: its color, its marker and its dash."""
    drawn = {"color": COLORS[at % 6], "marker": MARKERS[at % 6], "linestyle": DASHES[at % 6], **settings}
    return Line2D([], [], label=label, **drawn)
