"""Heat maps: a number in every square, in colors that stay in order in gray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator

from studies.analysis.results import CellResult
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas, grid

Squares = Sequence[Sequence[float | None]]
MOST = 14
"""More rows or columns than this are not drawn: the numbers could not be read."""


def heat(cells: Sequence[CellResult], factors: Sequence[str], metric: str) -> Picture | None:
    """Mean and spread over the first two factors, the others averaged over; None without two of two levels."""
    ran = [one for one in cells if one.values]
    if len(factors) < 2 or grid.sparse(ran, factors):
        return None
    kept = grid.balanced(ran, factors, factors[:2])
    down, across = grid.levels(kept, factors[0]), grid.levels(kept, factors[1])
    if not (1 < len(down) <= MOST and 1 < len(across) <= MOST):
        return None
    pair = [[{factors[0]: one, factors[1]: two} for two in across] for one in down]
    names = [[grid.texts(kept, given) for given in row] for row in pair]
    means = [[grid.averaged(kept, given) for given in row] for row in pair]
    spreads = [[_spread(grid.where(kept, given)) for given in row] for row in pair]
    spread = any(one is not None for row in spreads for one in row)

    texts = words.apart(down, 22), words.apart(across, 22)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1 + spread, 1, squeeze=False).ravel()
        squares(panels[0], means, *texts, lambda one: words.value(one, metric).removesuffix(" %"))
        panels[0].set_title(f"mean{_percent(metric)}", loc="left")
        if spread:
            squares(panels[1], spreads, *texts, lambda one: words.difference(one, metric, ""))
            panels[1].set_title(f"standard deviation over the seeds{words.unit(metric) and ', points'}", loc="left")
        for panel in panels:
            panel.set_xlabel(words.cut(factors[1], 40))
            panel.set_ylabel(words.cut(factors[0], 24))

    told = f"{metric}, mean and standard deviation over the seeds: " + _told(names, means, spreads, metric)
    note = "Lighter is more." + (" Averaged over the other factors." if len(factors) > 2 else "")
    slanted = 0.05 * max(0, *(len(text) - 22 for text in texts[1]))
    height = 0.2 + (1 + spread) * (0.9 + 0.36 * len(down) + slanted)
    return canvas.picture("heat", f"Heat maps of {metric}", told, draw, height, note)


def squares(
    panel: Axes, values: Squares, down: Sequence[str], across: Sequence[str], text: Callable[[float], str]
) -> None:
    """Colored squares with a number in each; what is not there is hatched."""
    known = [one for row in values for one in row if one is not None]
    low, high = min(known), max(known)
    for y, row in enumerate(values):
        for x, value in enumerate(row):
            at = 0.5 if high == low or value is None else (value - low) / (high - low)
            color = "white" if value is None else colormaps["cividis"](0.08 + 0.92 * at)
            hatch = "////" if value is None else None
            panel.add_patch(
                Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=color, edgecolor="white", lw=1.2, hatch=hatch)
            )
            if value is None:
                panel.add_patch(
                    Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor="none", edgecolor="#bbbbbb", hatch=hatch, lw=0)
                )
            elif len(across) <= 9:
                panel.text(
                    x, y, text(value), ha="center", va="center", color="white" if at < 0.46 else "black", fontsize=9
                )
    panel.set_xlim(-0.5, len(across) - 0.5)
    panel.set_ylim(len(down) - 0.5, -0.5)
    _ticks(panel, down, across)


def _ticks(panel: Axes, down: Sequence[str], across: Sequence[str]) -> None:
    panel.xaxis.set_major_locator(FixedLocator(list(range(len(across)))))
    panel.yaxis.set_major_locator(FixedLocator(list(range(len(down)))))
    long = max(map(len, across)) * len(across) > 48
    panel.set_xticklabels(across, rotation=35 if long else 0, ha="right" if long else "center")
    panel.set_yticklabels(down)
    panel.grid(visible=False)
    panel.tick_params(length=0)
    for side in panel.spines.values():
        side.set_visible(False)


def _percent(metric: str) -> str:
    return ", %" if words.unit(metric) else ""


def _spread(cells: Sequence[CellResult]) -> float | None:
    """The root of the mean variance over the seeds."""
    found = [told.deviation for one in cells if (told := one.estimate) and told.deviation is not None]
    return fmean(one**2 for one in found) ** 0.5 if found else None


def _told(names: Sequence[Sequence[str]], means: Squares, spreads: Squares, metric: str) -> str:
    texts = [
        f"{name}: {words.value(mean, metric)}"
        + (f" (deviation {words.difference(spread, metric, '')})" if spread is not None else "")
        for row in zip(names, means, spreads, strict=True)
        for name, mean, spread in zip(*row, strict=True)
        if mean is not None
    ]
    return words.listed(texts, 24, "more") + "."
