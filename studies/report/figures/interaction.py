"""Two factors at a time: lines that run side by side say that one's effect does not depend on the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.analysis.results import CellResult
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas, grid

MOST_PAIRS = 6
MOST_LINES = 6


def interaction(cells: Sequence[CellResult], factors: Sequence[str], metric: str) -> Picture | None:
    """One panel a pair: the later factor along, the earlier one as lines; None where no pair has two levels each."""
    ran = [one for one in cells if one.values]
    if grid.sparse(ran, factors):
        return None
    pairs = [pair for two in combinations(factors, 2) if (pair := _ordered(ran, two))]
    shown = pairs[:MOST_PAIRS]
    if not shown:
        return None

    columns = 1 if len(shown) == 1 else 2
    rows = -(-len(shown) // columns)

    def draw(figure: Figure) -> None:
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for panel, (lines, along) in zip(axes, shown, strict=False):
            _panel(panel, grid.balanced(ran, factors, (lines, along)), lines, along, metric, 320 / columns - 30)
        for at, panel in enumerate(axes):
            panel.set_ylabel("" if at % columns else panel.get_ylabel())
            panel.set_visible(at < len(shown))

    told = " ".join(_told(grid.balanced(ran, factors, pair), *pair, metric) for pair in shown)
    averaged = ", averaged over the other factors" if len(factors) > 2 else ""
    left = f" {len(pairs) - len(shown)} pairs more are left out." if len(pairs) > len(shown) else ""
    note = (
        f"Means of cells{averaged}, without their intervals. Lines that run side by side: no interaction; lines that "
        f"cross: which is better would depend. What is more than noise stands under Effects.{left}"
    )
    return canvas.picture(
        "interaction", f"Interaction in {metric}", told, draw, 0.2 + (2.9 if columns == 1 else 2.5) * rows, note
    )


def _ordered(cells: Sequence[CellResult], pair: tuple[str, str]) -> tuple[str, str] | None:
    """(lines, along): the earlier factor as lines, or the other where it has too many levels for that."""
    first, second = pair
    if min(len(grid.levels(cells, one)) for one in pair) < 2:
        return None
    if len(grid.levels(cells, first)) <= MOST_LINES:
        return first, second
    return (second, first) if len(grid.levels(cells, second)) <= MOST_LINES else None


def _panel(panel: Axes, cells: Sequence[CellResult], lines: str, along: str, metric: str, points: float) -> None:
    every = grid.levels(cells, along)
    positions = canvas.places(every)
    series = grid.levels(cells, lines)
    for at, level in enumerate(series):
        means = [(x, grid.averaged(cells, {lines: level, along: one})) for x, one in zip(positions, every, strict=True)]
        known = [(x, mean) for x, mean in means if mean is not None]
        color, marker, dash = canvas.COLORS[at % 6], canvas.MARKERS[at % 6], canvas.DASHES[at % 6]
        panel.plot([x for x, _ in known], [y for _, y in known], color=color, marker=marker, linestyle=dash)
    canvas.level_axis(panel, along, every, positions)
    canvas.value_axis(panel, metric)
    panel.margins(y=0.1)
    handles = [canvas.sign(at, one) for at, one in enumerate(words.apart(series, 18))]
    texts = [f"{words.cut(lines, 18)} {handle.get_label()}" for handle in handles]
    columns = canvas.columns_of(texts, points)
    panel.legend(handles, texts, loc="lower left", bbox_to_anchor=(0, 1.0), ncols=columns, borderaxespad=0.2)


def _told(cells: Sequence[CellResult], lines: str, along: str, metric: str) -> str:
    told = [_line(cells, lines, level, along, metric) for level in grid.levels(cells, lines)]
    return f"Means of {metric}. {words.listed(told, 8, 'lines more')}."


def _line(cells: Sequence[CellResult], lines: str, level: Any, along: str, metric: str) -> str:
    means = [(one, grid.averaged(cells, {lines: level, along: one})) for one in grid.levels(cells, along)]
    texts = [
        f"{words.value(mean, metric)} at {along} {grid.text(cells, along, one)}"
        for one, mean in means
        if mean is not None
    ]
    return f"{lines} {grid.text(cells, lines, level)}: {', '.join(texts)}"
