"""Forest plots: differences with their intervals, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from studies.analysis.results import Reading
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas
from studies.report.lines import MOST, Line, contrast_lines, name
from studies.verdict.words import counted

SIGNS: dict[str, dict[str, Any]] = {
    "clear": {"marker": "o", "color": canvas.BLUE, "mfc": canvas.BLUE, "label": "clear"},
    "tie": {"marker": "s", "color": canvas.GREEN, "mfc": canvas.GREEN, "label": "tie (within the margin)"},
    "open": {"marker": "o", "color": canvas.GRAY, "mfc": "white", "label": "cannot tell"},
    "withheld": {"marker": "X", "color": canvas.ORANGE, "mfc": "white", "label": "not claimed, for failures"},
    "raw": {"marker": "^", "color": canvas.RED, "mfc": "white", "label": "raw, nothing held"},
    "training": {"marker": "D", "color": canvas.PURPLE, "mfc": canvas.PURPLE, "label": "on training examples"},
    "gap": {"marker": "v", "color": canvas.ORANGE, "mfc": "white", "label": "gap to validation"},
    "validation": {"marker": "o", "color": canvas.BLUE, "mfc": canvas.BLUE, "label": "on validation"},
}


def forest(reading: Reading, metric: str, better: str, over: str) -> Picture | None:
    """All contrasts, each beside its raw twin if it has one; None without any. `better` is maximize or minimize.

    `over` says what a contrast is of, as the layout has it: `, averaged over the other factors`.
    """
    lines = contrast_lines(reading)
    if not lines:
        return None
    shown = lines[:MOST]
    margin = reading.margin
    side = "right" if better == "maximize" else "left"
    held = words.unit(metric).strip()
    title = f"difference in {metric}{', ' + held if held else ''} ({side} is better)"

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _draw(axes, shown, metric, margin)
        canvas.difference_axis(axes, metric, title)
        canvas.key(figure, _handles(shown))

    note = f"The higher level minus the lower{over}, with 95 % intervals."
    note += f" The band is ±{words.size(margin, metric)}: differences within it do not matter." if margin else ""
    note += f" {len(lines) - len(shown)} more are left out." if len(lines) > len(shown) else ""
    return canvas.picture("forest", "Effects with their intervals", _told(lines, metric), draw, height(shown), note)


def split(reading: Reading, metric: str) -> Picture | None:
    """Each contrast's difference in error: on training examples, and the gap from there to validation."""
    every = reading.errors
    if not every:
        return None
    lines = [
        Line(name(one, reading), kind, told)
        for one in every[: MOST // 3]
        for kind, told in (("validation", one.validation), ("training", one.training), ("gap", one.gap))
    ]
    held = words.unit(metric).strip()

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _draw(axes, lines, metric, None)
        canvas.difference_axis(axes, metric, f"difference in error{', ' + held if held else ''} (left is better)")
        canvas.key(figure, _handles(lines))

    sources = ", ".join(dict.fromkeys(one.source for one in every))
    note = f"Training error from {sources}. The two parts sum to the difference on validation; bars are 95 % intervals."
    note += f" {counted(len(every) - MOST // 3, 'contrast')} more left out." if len(every) > MOST // 3 else ""
    return canvas.picture(
        "errors", "Does it train worse, or carry over worse?", _told(lines, metric), draw, height(lines), note
    )


def height(lines: Sequence[Line]) -> float:
    """Room for every line."""
    return 1.25 + 0.31 * len(lines) + 0.12 * len(list(groupby(lines, key=lambda line: line.name)))


def _draw(axes: Axes, lines: Sequence[Line], metric: str, margin: float | None) -> None:
    if margin:
        axes.axvspan(-margin, margin, color="#e9eef2", zorder=0)
        for end in (-margin, margin):
            axes.axvline(end, color="#9aa5af", lw=0.8, ls=(0, (2, 2)), zorder=1)
    axes.axvline(0, color="#444444", lw=1.1, zorder=1)
    ticks = []
    y = 0.0
    for text, group in groupby(lines, key=lambda line: line.name):
        start = y
        for line in group:
            _line(axes, line, y, metric)
            y += 1
        ticks.append(((start + y - 1) / 2, text))
        y += 0.4
    axes.set_ylim(y - 0.5, -0.9)
    axes.yaxis.set_major_locator(FixedLocator([at for at, _ in ticks]))
    axes.set_yticklabels([_wrapped(text) for _, text in ticks])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    _range(axes, lines, margin)


def _line(axes: Axes, line: Line, y: float, metric: str) -> None:
    """The interval, its sign, and the numbers above it."""
    sign = {name: value for name, value in SIGNS[line.kind].items() if name != "label"}
    half = line.told.half_width or 0.0
    axes.errorbar(line.told.mean, y, xerr=half or None, capsize=3, elinewidth=1.8, ms=6.5, mew=1.4, zorder=4, **sign)
    text = words.ends(line.told, metric)
    axes.annotate(text, (1.0, y), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points",
                  va="center", ha="left", fontsize=9)  # fmt: skip


def _range(axes: Axes, lines: Sequence[Line], margin: float | None) -> None:
    """All means, and intervals up to three times as far as the widest of these and the margin."""
    means = [line.told.mean for line in lines]
    span = max([abs(one) for one in means] + [margin or 0.0]) or 1e-3
    ends = [end for line in lines for end in (line.told.low, line.told.high) if end is not None]
    low = max(min([*ends, *means, -(margin or 0)]), -4 * span)
    high = min(max([*ends, *means, margin or 0]), 4 * span)
    pad = 0.06 * ((high - low) or span)
    axes.set_xlim(low - pad, high + pad)


def _wrapped(text: str) -> str:
    """A name on at most three lines of about 22 characters."""
    from textwrap import wrap

    lines = wrap(text, 22)
    return "\n".join([*lines[:2], words.cut(" ".join(lines[2:]), 22)] if len(lines) > 2 else lines)


def _handles(lines: Sequence[Line]) -> list[Line2D]:
    kinds = [kind for kind in SIGNS if any(line.kind == kind for line in lines)]
    return [Line2D([], [], lw=1.8, mew=1.4, **SIGNS[kind]) for kind in kinds]


def _told(lines: Sequence[Line], metric: str) -> str:
    texts = [f"{line.name} {words.ends(line.told, metric)}, {SIGNS[line.kind]['label']}" for line in lines]
    return (
        f"Differences{' in points' if words.unit(metric) else ''} with 95 % intervals. "
        f"{words.listed(texts, 24, 'more')}."
    )
