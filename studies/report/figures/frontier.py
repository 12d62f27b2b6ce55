"""Cost against value: what each cell or trial costs, and the best that can be had at a cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from studies.analysis.results import CellResult
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas, grid
from studies.report.figures.scale import Scale, scale
from worker.metrics import is_share

Row = Mapping[str, Any]
COSTS = {
    "macs": "multiply-adds (MACs) for one input",
    "params": "parameters",
    "activations": "activations for one input",
}
VARIES = 1.02
OUTCOMES: dict[str, dict[str, Any]] = {
    "complete": {"color": canvas.BLUE, "marker": "o", "label": "complete"},
    "pruned": {"color": canvas.ORANGE, "marker": "v", "label": "pruned"},
    "failed": {"color": canvas.GRAY, "marker": "X", "label": "failed"},
}
MOST_POINTS = 1_500
MOST_BARS = 30
"""More cells than this go without their intervals, which would hide each other."""


@dataclass(frozen=True)
class Point:
    """What stands at a cost: its name, and its value."""

    name: str
    cost: float
    value: float


def frontier(points: Sequence[Point], direction: str) -> list[Point]:
    """The points that no other beats at the same or a lower cost, the cheapest first."""
    sign = -1 if direction == "maximize" else 1
    found: list[Point] = []
    for one in sorted(points, key=lambda point: (point.cost, sign * point.value, point.name)):
        if not found or sign * one.value < sign * found[-1].value:
            found.append(one)
    return found


def drawn_costs(cells: Sequence[CellResult]) -> list[str]:
    """The costs that differ between cells."""
    return [name for name in COSTS if len(found := _costs(cells, name)) > 1 and max(found) / min(found) > VARIES]


def of_cells(cells: Sequence[CellResult], factor: str, metric: str, direction: str, cost: str) -> Picture | None:
    """Cells with their seeds, signed by the first factor; None where the cost is not known."""
    ran = [one for one in cells if one.estimate and one.costs.get(cost)]
    points = [
        Point(words.short(one.name, one.levels), float(one.costs[cost]), one.estimate.mean)
        for one in ran
        if one.estimate
    ]
    if not points:
        return None
    best = frontier(points, direction)
    series = grid.levels(ran, factor)
    told_apart, rings = len(series) <= grid.MOST_SERIES, grid.few_seeds(ran)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        _steps(axes, best, max(point.cost for point in points))
        for at, level in enumerate(series):
            _cells(axes, grid.where(ran, {factor: level}), cost, at if told_apart else 0, len(ran) <= MOST_BARS, rings)
        canvas.cost_axis(axes, [point.cost for point in points], f"{COSTS[cost]} (log scale)")
        canvas.value_axis(axes, metric)
        values = [value for one in ran for value in one.values.values()]
        ends = [(e.low, e.high) for one in ran if (e := one.estimate) and e.low is not None and e.high is not None]
        axes.set_ylim(*canvas.limits(values, ends, metric))
        _named(axes, best, points)
        listed = series if told_apart else []
        handles = [canvas.sign(at, text, linestyle="") for at, text in enumerate(words.apart(listed, 40))]
        handles.append(Line2D([], [], color=canvas.INK, lw=1.2, label="frontier"))
        canvas.key(figure, handles, words.cut(factor, 40) if listed else "")

    title = f"{metric} against {cost}"
    note = f"Filled signs are means{' with 95 % intervals' if len(ran) <= MOST_BARS else ''}"
    note += f"{', rings are seeds' if rings else ''}; the frontier is the best at this cost or less."
    note += words.in_order(ran[0].levels, [one.name for one in best])
    return canvas.picture(f"cost-{cost}", title, _told(best, points, cost, metric), draw, 3.6, note)


def of_trials(rows: Sequence[Row], metric: str, direction: str, cost: str, winner: Row | None) -> Picture | None:
    """A search's trials at their costs; errors on a logarithmic axis where they span much."""
    there = [row for row in rows if row["value"] is not None and row[cost]]
    points = [
        Point(f"trial {row['number']}", float(row[cost]), row["value"]) for row in there if row["state"] == "complete"
    ]
    if not points:
        return None
    best = frontier(points, direction)
    kept = {point.name for point in best}
    step = len(there) // MOST_POINTS + 1
    shown = [row for at, row in enumerate(there) if at % step == 0 or f"trial {row['number']}" in kept]
    by = scale([row["value"] for row in shown] + _ends(winner, metric), metric)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        kinds = [kind for kind in OUTCOMES if any(row["state"] == kind for row in shown)]
        for kind in kinds:
            here = [row for row in shown if row["state"] == kind]
            sign = {**OUTCOMES[kind], "mec": "white", "mew": 0.5, "ls": "", "alpha": 0.85}
            axes.plot([row[cost] for row in here], [by.of(row["value"]) for row in here], **sign)
        drawn = [Point(one.name, one.cost, by.of(one.value)) for one in best]
        _steps(axes, drawn, max(row[cost] for row in shown))
        canvas.cost_axis(axes, [row[cost] for row in shown], f"{COSTS[cost]} (log scale)")
        by.axis(axes)
        handles = [Line2D([], [], ls="", **OUTCOMES[kind]) for kind in kinds]
        handles.append(Line2D([], [], color=canvas.INK, lw=1.2, label="frontier"))
        canvas.key(figure, handles + _star(axes, winner, cost, by))

    note = "Each sign is a trial of the search at its last value; the frontier is the best at this cost or less."
    note += f" One in {step} is drawn." if step > 1 else ""
    return canvas.picture(
        f"cost-{cost}", f"{metric} against {cost}", _told(best, points, cost, metric), draw, 3.7, note
    )


def _star(axes: Axes, winner: Row | None, cost: str, by: Scale) -> list[Line2D]:
    """The winner at its fresh score with its interval."""
    if not winner or not winner["costs"].get(cost):
        return []
    fresh = winner["fresh"]
    half = fresh["half_width"] or 0.0
    center = by.of(fresh["mean"])
    low = min(half, center - by.low / 1.2) if by.logarithmic else half
    sign: dict[str, Any] = {"marker": "*", "color": canvas.GREEN, "ms": 14, "mec": "white", "mew": 0.8}
    axes.errorbar(winner["costs"][cost], center, yerr=[[low], [half]] if half else None, capsize=3, zorder=6, **sign)
    return [Line2D([], [], ls="", label="winner, fresh seeds", **sign)]


def _ends(winner: Row | None, metric: str) -> list[float]:
    """The winner's fresh interval, as far as an axis of errors can hold it: down to a third of its own error."""
    if not winner:
        return []
    mean, half = winner["fresh"]["mean"], winner["fresh"]["half_width"] or 0.0
    low, high = mean - half, mean + half
    return [low, min(high, 1 - (1 - mean) / 3)] if is_share(metric) else [max(low, mean / 3), high]


def _costs(cells: Sequence[CellResult], name: str) -> list[float]:
    return [float(one.costs[name]) for one in cells if one.values and one.costs.get(name)]


def _cells(axes: Axes, cells: Sequence[CellResult], cost: str, at: int, bars: bool, rings: bool) -> None:
    color, marker = canvas.COLORS[at % 6], canvas.MARKERS[at % 6]
    for one in cells:
        told, x = one.estimate, float(one.costs[cost])
        assert told is not None
        seeds = list(one.values.values()) if rings else []
        axes.plot([x] * len(seeds), seeds, "o", mfc="none", mec=color, ms=4, mew=0.9, alpha=0.6)
        bar: dict[str, Any] = {"capsize": 2.5, "elinewidth": 1.1, "zorder": 4}
        axes.errorbar(
            x, told.mean, yerr=(bars and told.half_width) or None, color=color, marker=marker, ms=7, mec="white", **bar
        )


def _steps(axes: Axes, best: Sequence[Point], last: float) -> None:
    xs = [point.cost for point in best] + [last * 1.02]
    ys = [point.value for point in best] + [best[-1].value]
    axes.step(xs, ys, where="post", color=canvas.INK, lw=1.2, alpha=0.8, zorder=2)


def _named(axes: Axes, best: Sequence[Point], points: Sequence[Point]) -> None:
    """The frontier's own names, each where no sign and no other name stands; one without a place goes without."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    wide, high = 290.0, 175.0  # points: about the size of the axes

    def at(point: Point) -> tuple[float, float]:
        return wide * log(point.cost / left) / log(right / left), high * (point.value - bottom) / (top - bottom)

    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in map(at, points)]
    for point in best:
        text = words.cut(point.name, 30)
        for dx, dy in ((8, 5), (-8, 5), (8, -14), (-8, -14), (8, 18), (-8, 18), (8, -26), (-8, -26)):
            x, y = at(point)
            start = x + dx if dx > 0 else x + dx - 5.6 * len(text)
            box = (start, y + dy, start + 5.6 * len(text), y + dy + 10)
            if box[0] < 0 or box[2] > wide or box[1] < 0 or box[3] > high or any(_meet(box, one) for one in taken):
                continue
            taken.append(box)
            axes.annotate(text, (point.cost, point.value), xytext=(dx, dy), textcoords="offset points", va="bottom",
                          ha="left" if dx > 0 else "right", fontsize=9, zorder=7, bbox=PLATE)  # fmt: skip
            break


PLATE = {"boxstyle": "square,pad=0.08", "fc": "white", "ec": "none", "alpha": 0.75}


def _meet(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Whether two boxes (left, bottom, right, top) overlap."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _told(best: Sequence[Point], points: Sequence[Point], cost: str, metric: str) -> str:
    texts = [f"{one.name} with {words.value(one.value, metric)} at {words.count(one.cost)} {cost}" for one in best]
    low, high = min(p.cost for p in points), max(p.cost for p in points)
    span = f"{len(points)} points from {words.count(low)} to {words.count(high)} {cost}"
    return f"{span}. None better at the same or a lower cost: {words.listed(texts, 12, 'more')}."
