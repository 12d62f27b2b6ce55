"""The power law of the training set's size: every seed, the fit, and what it forecasts."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator

from studies.analysis.results import CellResult, PowerLaw
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas
from worker.metrics import as_error, is_share

STEPS = 80
"""Into how many pieces the fitted line is cut."""


def law(found: PowerLaw, cells: Sequence[CellResult], factor: str, metric: str) -> Picture:
    """Error over the training-set size on two logarithmic axes, the fit and its forecast."""
    points = [(float(one.levels[factor]), as_error(v, metric)) for one in cells for v in one.values.values()]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([n for n, _ in points], [e for _, e in points], "o", mfc="none", mec=canvas.BLUE, ms=5, alpha=0.8)
        low, high = min(found.sizes), max([*found.sizes, *(n for n, *_ in found.forecast)])
        xs = [low * (high / low) ** (at / STEPS) for at in range(STEPS + 1)]
        axes.plot(xs, [found.a * x ** -found.b[0] + found.c[0] for x in xs], color=canvas.INK, lw=1.5)
        for n, mean, least, most in found.forecast:
            ends = [[max(mean - least, 0)], [max(most - mean, 0)]]
            axes.errorbar(n, mean, yerr=ends, marker="D", color=canvas.RED, mfc="white", capsize=3)
        canvas.cost_axis(axes, xs, f"{words.cut(factor, 30)} (training examples, log scale)")
        _error_axis(axes, metric)
        canvas.key(figure, _handles(found))

    return canvas.picture("power-law", "Error over the size of the training set", _told(found, metric), draw, 3.5)


def _error_axis(axes: Axes, metric: str) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: canvas.in_short(y, metric)))
    axes.set_ylabel("error, % (log scale)" if is_share(metric) else f"{metric} (log scale)")


def _handles(found: PowerLaw) -> list[Line2D]:
    forecast = Line2D([], [], ls="", marker="D", color=canvas.RED, mfc="white", label="forecast, 95 %")
    seeds = Line2D([], [], ls="", marker="o", mfc="none", mec=canvas.BLUE, label="seeds")
    return [seeds, Line2D([], [], color=canvas.INK, label="fit")] + ([forecast] if found.forecast else [])


def _told(found: PowerLaw, metric: str) -> str:
    forecast = [
        f"{n:,} examples: {words.value(mean, metric)} [{words.value(low, metric)}, {words.value(high, metric)}]"
        for n, mean, low, high in found.forecast
    ]
    fit = f"Error falls as {found.a:.3g} n^-{found.b[0]:.3g} + {found.c[0]:.3g}"
    return f"{fit}. Forecast: {words.listed(forecast, 6)}." if forecast else f"{fit}."
