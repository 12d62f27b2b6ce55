"""Pictures of a search: what fresh seeds say of its finalists, and how it went on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas
from studies.report.figures.scale import scale
from studies.verdict.words import counted

Row = Mapping[str, Any]
SIGNS: dict[str, dict[str, Any]] = {
    "in the search": {"marker": "D", "color": canvas.RED, "mfc": "white"},
    "mean of fresh seeds": {"marker": "o", "color": canvas.BLUE},
    "fresh seeds": {"marker": "o", "mfc": "none", "mec": canvas.BLUE},
}


def fresh(pairs: Sequence[tuple[str, float, Sequence[float]]], metric: str) -> Picture | None:
    """(finalist, its value in the search, its values on fresh seeds): how much the search flattered itself."""
    if not pairs:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for y, (_, value, values) in enumerate(pairs):
            _finalist(axes, y, value, values)
        axes.set_ylim(len(pairs) - 0.5, -0.5)
        axes.yaxis.set_major_locator(FixedLocator(list(range(len(pairs)))))
        axes.set_yticklabels([words.cut(name, 24) for name, *_ in pairs])
        axes.grid(visible=False, axis="y")
        canvas.value_axis(axes, metric, "x")
        canvas.key(figure, [Line2D([], [], ls="", label=label, **sign) for label, sign in SIGNS.items()])

    texts = [
        f"{name}: {words.value(value, metric)} in the search, {words.value(fmean(found), metric)} on "
        + counted(len(found), "fresh seed")
        for name, value, found in pairs
    ]
    told, title = f"{metric}. {words.listed(texts, 12)}.", "The finalists in the search and on fresh seeds"
    return canvas.picture("fresh", title, told, draw, 1.1 + 0.42 * len(pairs))


def _finalist(axes: Axes, y: int, value: float, values: Sequence[float]) -> None:
    mean = fmean(values)
    axes.plot([value, mean], [y, y], color="#999999", lw=1.2, zorder=1)
    axes.plot(values, [y] * len(values), "o", mfc="none", mec=canvas.BLUE, ms=5, zorder=2)
    axes.plot([mean], [y], "o", color=canvas.BLUE, ms=7.5, zorder=3)
    axes.plot([value], [y], "D", color=canvas.RED, mfc="white", mew=1.5, ms=7, zorder=3)


def progress(rows: Sequence[Row], metric: str, direction: str) -> Picture | None:
    """Every trial's value in the order in which they ended up in the store, and the best so far."""
    known = [row for row in rows if row["state"] == "complete" and row["value"] is not None]
    if len(known) < 2:
        return None
    pick = max if direction == "maximize" else min
    best = list(accumulate((row["value"] for row in known), pick))
    shown = known[:: len(known) // 1500 + 1]

    by = scale([row["value"] for row in known], metric)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        sign: dict[str, Any] = {"marker": "o", "color": canvas.BLUE, "ls": ""}
        axes.plot(
            [row["number"] for row in shown],
            [by.of(row["value"]) for row in shown],
            ms=5.5,
            mec="white",
            mew=0.5,
            **sign,
        )
        axes.step([row["number"] for row in known], list(map(by.of, best)), where="post", color=canvas.INK, lw=1.2)
        by.axis(axes)
        axes.set_xlabel("trial")
        line = Line2D([], [], color=canvas.INK, lw=1.2, label="best so far")
        canvas.key(figure, [Line2D([], [], label="complete trial", **sign), line])

    top = pick(known, key=lambda row: row["value"])
    told = f"{len(known)} complete trials; the best is trial {top['number']} with {words.value(top['value'], metric)}."
    return canvas.picture("progress", f"{metric} of every complete trial", told, draw, 3.1)
