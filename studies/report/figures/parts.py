"""Smaller figures: variance shares, failures, tuning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from studies.analysis.results import CellResult, FailureTable, Share
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas
from studies.report.figures.heat import squares

Row = Mapping[str, Any]


def shares(every: Sequence[Share]) -> Picture | None:
    """What part of the variance each source explains."""
    if not every:
        return None
    shown = sorted(every, key=lambda one: -one.share)[:12]

    def draw(figure: Figure) -> None:
        _bars(
            figure.subplots(),
            [(one.source, one.share, words.share(one.share)) for one in shown],
            "share of the variance, %",
        )

    told = (
        "Share of the variance of all values: "
        + words.listed((f"{s.source} {words.share(s.share)}" for s in shown), 12)
        + "."
    )
    return canvas.picture("variance", "Shares of the variance", told, draw, 0.9 + 0.34 * len(shown))


def failures(every: Sequence[FailureTable]) -> Picture | None:
    """What share of each level's trials failed."""
    lines = [
        (f"{one.factor} {words.level(level)}", failed / ended if ended else 0.0, f"{failed} of {ended}")
        for one in every
        for level, (failed, ended) in one.counts.items()
    ][:30]
    if not any(share for _, share, _ in lines):
        return None

    def draw(figure: Figure) -> None:
        _bars(figure.subplots(), lines, "failed, % of the trials that ended")

    told = "Trials that failed, by level: " + words.listed((f"{name} {text}" for name, _, text in lines), 30) + "."
    return canvas.picture("failures", "Failures by level", told, draw, 0.9 + 0.34 * len(lines))


def _bars(axes: Axes, lines: Sequence[tuple[str, float, str]], title: str) -> None:
    """Horizontal bars with their numbers at the end."""
    for at, (_, share, text) in enumerate(lines):
        axes.barh(at, share, height=0.62, color=canvas.BLUE)
        axes.annotate(text, (share, at), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(0, max([share for _, share, _ in lines] + [0.01]) * 1.2)
    axes.yaxis.set_major_locator(FixedLocator(list(range(len(lines)))))
    axes.set_yticklabels([words.cut(name, 30) for name, _, _ in lines])
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x * 100:.3g}"))
    axes.set_xlabel(title)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def tuning(
    rows: Sequence[Row], tune: Mapping[str, Sequence[Any]], cells: Sequence[CellResult], metric: str
) -> Picture | None:
    """The mean of every cell at every nuisance setting, with a frame around the one that it is compared at.

    Settings stand as the design lists them, cells in the order of the rows.
    """
    names, tried = list(tune), {_setting(row, tune) for row in rows}
    settings = [one for one in product(*(map(words.level, options) for options in tune.values())) if one in tried]
    there = list(dict.fromkeys(row["cell"] for row in rows))[:30]
    if not there or not (1 <= len(settings) <= 12):
        return None
    means = [[_mean(rows, cell, setting, names) for setting in settings] for cell in there]
    if not any(one is not None for row in means for one in row):
        return None
    chosen = {one.name: tuple(words.level(one.assignment.get(name)) for name in names) for one in cells}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        texts = [", ".join(setting) for setting in settings]
        squares(axes, means, there, texts, lambda one: words.value(one, metric).removesuffix(" %"))
        for y, cell in enumerate(there):
            if chosen.get(cell) in settings:
                _framed(axes, settings.index(chosen[cell]), y)
        axes.set_xlabel(words.cut(", ".join(names), 50))

    best = [
        f"{cell} at {', '.join(f'{n} {t}' for n, t in zip(names, chosen[cell], strict=True))}"
        for cell in there
        if cell in chosen
    ]
    told = (
        f"Mean {metric} of each cell at each setting, over the tuning seeds. Chosen: "
        f"{words.listed(best, 20, 'cells more')}."
    )
    note = (
        "Framed: the setting at which the cell is compared, the best of its own. Hatched: a trial there "
        "failed or is missing. Lighter is more."
    )
    return canvas.picture("tuning", f"Each cell over {', '.join(names)}", told, draw, 1.0 + 0.36 * len(there), note)


def _framed(axes: Axes, x: int, y: int) -> None:
    axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor=canvas.RED, lw=2.2, zorder=5))


def _setting(row: Row, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(words.level(row["assignment"].get(name)) for name in names)


def _mean(rows: Sequence[Row], cell: str, setting: tuple[str, ...], names: Sequence[str]) -> float | None:
    here = [row for row in rows if row["cell"] == cell and _setting(row, names) == setting]
    values = [row["value"] for row in here if row["state"] == "complete" and row["value"] is not None]
    return fmean(values) if values and len(values) == len(here) else None
