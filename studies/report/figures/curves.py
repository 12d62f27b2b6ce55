"""Learning curves: a cell's mean over its seeds, with a band from its lowest to its highest seed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas
from studies.report.figures.scale import Scale, scale
from worker.metrics import is_share

Row = Mapping[str, Any]
Curve = dict[int, list[float]]
"""Epoch -> the values of the seeds that reached it."""
MOST = 6


def curves(
    groups: Mapping[str, Sequence[int]], epochs: Sequence[Row], metric: str, title: str, more: str = ""
) -> Picture | None:
    """One line a group of trials (name -> ids), at most six; None where not two epochs have the metric.

    `more` is a remark.
    """
    found = {name: curve for name, ids in list(groups.items())[:MOST] if (curve := _curve(epochs, set(ids), metric))}
    if len({epoch for curve in found.values() for epoch in curve}) < 2:
        return None  # a single epoch is no curve

    by = scale([v for curve in found.values() for values in curve.values() for v in values], metric)

    rows = -(-len(found) // canvas.columns_of(list(found)))

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for at, curve in enumerate(found.values()):
            _line(axes, curve, at, by)
        axes.set_xlim(left=min(epoch for curve in found.values() for epoch in curve))
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.set_xlabel("epoch")
        by.axis(axes)
        canvas.key(figure, [canvas.sign(at, name, marker="") for at, name in enumerate(found)])

    many = any(len(values) > 1 for curve in found.values() for values in curve.values())
    note = "Lines are means over the seeds; bands go from the lowest seed to the highest." if many else ""
    note += " Drawn are errors, on a logarithmic axis: lower is better." if by.logarithmic and is_share(metric) else ""
    note += " No error at all stands at the bottom." if by.floor else ""
    note += more
    return canvas.picture(
        f"curves-{metric.replace('_', '-')}", title, _told(found, metric), draw, 3.2 + 0.2 * rows, note.strip()
    )


def _curve(epochs: Sequence[Row], ids: set[int], metric: str) -> Curve:
    curve: Curve = defaultdict(list)
    for row in epochs:
        if row["trial_id"] in ids and isinstance(value := row["metrics"].get(metric), int | float):
            curve[row["epoch"]].append(float(value))
    return dict(sorted(curve.items()))


def _line(axes: Axes, curve: Curve, at: int, by: Scale) -> None:
    color, dash, xs = canvas.COLORS[at], canvas.DASHES[at], list(curve)
    low, high = [by.of(min(v)) for v in curve.values()], [by.of(max(v)) for v in curve.values()]
    middle = [by.of(fmean(v)) for v in curve.values()]
    axes.fill_between(xs, low, high, color=color, alpha=0.13, lw=0)
    axes.plot(xs, middle, color=color, linestyle=dash, lw=1.9)
    if len(xs) == 1:
        axes.plot(xs, middle, color=color, marker=canvas.MARKERS[at], linestyle="")


def _told(found: Mapping[str, Curve], metric: str) -> str:
    def ends(curve: Curve) -> str:
        (first, start), (last, end) = next(iter(curve.items())), list(curve.items())[-1]
        return (
            f"{words.value(fmean(start), metric)} at epoch {first}, {words.value(fmean(end), metric)} at epoch {last}"
        )

    texts = [f"{name}: {ends(curve)}" for name, curve in found.items()]
    return f"Mean {metric} over the epochs. {words.listed(texts, MOST)}."
