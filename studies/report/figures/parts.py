"""Smaller figures: variance shares, failures, tuning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from searchspace.language.space import Assignment
from studies.analysis.results import FailureTable, Share
from studies.design.screens import Tried
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas
from studies.report.figures.heat import squares
from studies.text import setting

MOST_TUNED = 30
MOST_SETTINGS = 12
"""A picture of so many cells at so many settings can be read."""


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
        (f"{one.factor} {setting(level)}", failed / ended if ended else 0.0, f"{failed} of {ended}")
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
    found: Sequence[Tried], settings: Sequence[Assignment], compared: Mapping[str, Mapping[str, Any]], metric: str
) -> Picture | None:
    """The mean of every cell at every nuisance setting, with a frame around the one that it is `compared` at."""
    shown, names = found[:MOST_TUNED], ", ".join(settings[0])
    means = [[mean for _, mean, _ in one.at] for one in shown]
    if len(settings) > MOST_SETTINGS or not any(mean is not None for row in means for mean in row):
        return None
    at = {name: at for name, of in compared.items() for at, one in enumerate(settings) if one.items() <= of.items()}

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        texts = [", ".join(map(setting, one.values())) for one in settings]
        squares(
            axes, means, [one.cell for one in shown], texts, lambda one: words.value(one, metric).removesuffix(" %")
        )
        for y, one in enumerate(shown):
            if one.cell in at:
                _framed(axes, at[one.cell], y)
        axes.set_xlabel(words.cut(names, 50))

    best = [f"{one.cell} at {words.levels(settings[at[one.cell]])}" for one in shown if one.cell in at]
    told = (
        f"Mean {metric} of each cell at each setting, over the tuning seeds. Chosen: "
        f"{words.listed(best, 20, 'cells more')}."
    )
    note = (
        "Framed: the setting at which the cell is compared, the best of its own. Hatched: a trial there "
        "failed or is missing. Lighter is more."
    )
    return canvas.picture("tuning", f"Each cell over {names}", told, draw, 1.0 + 0.36 * len(shown), note)


def _framed(axes: Axes, x: int, y: int) -> None:
    axes.add_patch(Rectangle((x - 0.46, y - 0.44), 0.92, 0.88, fill=False, edgecolor=canvas.RED, lw=2.2, zorder=5))
