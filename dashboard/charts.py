"""Charts as pure functions of rows. Colors are Okabe and Ito's, which color-blind people tell apart; every color has
a second sign (a shape, a width, a place), and every chart reads on white and on black.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import ceil, floor, log10
from typing import Any

import altair as alt

from dashboard.words import percent, settings, shown
from studies.analysis.results import CellResult

Row = Mapping[str, Any]
Chart = Any
"""An Altair chart, whose own types say little."""
Axis = Callable[[str], alt.Y]
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
GRAY = "#8c8c8c"
SERIES = [BLUE, RED, GREEN, PURPLE, ORANGE, SKY]
HEIGHT = 360
STAR = "M0,-1L.24,-.31L.95,-.31L.36,.12L.59,.81L0,.38L-.59,.81L-.36,.12L-.95,-.31L-.24,-.31Z"
OUTCOMES = {
    "complete": (BLUE, "circle"),
    "pruned": (ORANGE, "triangle-down"),
    "failed": (GRAY, "cross"),
    "running": (SKY, "diamond"),
    "confirming": (GREEN, "square"),
}
"""What became of a trial: its color and shape."""
COSTS = {
    "macs": "multiply-adds (MACs) for one input",
    "params": "parameters",
    "activations": "activations for one input",
}
ROLES = {"other": (GRAY, 0.45, 1.0), "running": (ORANGE, 1.0, 2.0), "best": (BLUE, 1.0, 3.0)}
"""A learning curve's color, opacity and width."""

PARTS = {"val": (BLUE, [1, 0]), "train": (ORANGE, [5, 4]), "fit": (GREEN, [2, 2])}
"""A line's color and dashes, by the part of the data that it is of."""


def _chart(rows: Sequence[Row]) -> Chart:
    return alt.Chart(alt.Data(values=[dict(row) for row in rows]))  # type: ignore[no-untyped-call]


def learning(rows: Sequence[Row], metric: str, bands: Sequence[Row] = ()) -> Chart:
    """A metric over the epochs: one line a trial, the best above all others; bands stand for trials left out."""
    chart = _chart([{**row, "shown": shown(row["value"], metric)} for row in rows])
    x = alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False))
    y = _metric_axis("value", metric)
    tooltip = [
        alt.Tooltip("number:Q", title="trial"),
        alt.Tooltip("epoch:Q"),
        alt.Tooltip("shown:N", title=metric),
    ]
    layers = _band_layers(bands, x, metric)
    for role, (color, opacity, width) in ROLES.items():
        base = chart.transform_filter(alt.datum.role == role).encode(x=x, y=y, detail="number:N")
        layers.append(base.mark_line(color=color, opacity=opacity, strokeWidth=width))
        layers.append(base.mark_point(color=color, filled=True, size=70, opacity=0).encode(tooltip=tooltip))
        last = base.mark_point(color=color, filled=True, size=45, opacity=opacity if role != "other" else 0)
        ends = last.transform_aggregate(end="max(epoch)", value="argmax(epoch)", groupby=["number"])
        layers.append(ends.encode(x="end:Q", y=alt.Y("value['value']:Q", title=metric)))
    return alt.layer(*layers).properties(height=HEIGHT)


def _band_layers(bands: Sequence[Row], x: alt.X, metric: str) -> list[Any]:
    if not bands:
        return []
    base = _chart(bands).encode(x=x)
    tooltip = [alt.Tooltip("epoch:Q"), alt.Tooltip("trials:Q")]
    tooltip += [alt.Tooltip(f"{name}:Q", title=text, format=".4g") for name, text in _QUANTILES.items()]
    area = base.mark_area(color=GRAY, opacity=0.25).encode(y=_metric_axis("low", metric), y2="high:Q", tooltip=tooltip)
    return [area, base.mark_line(color=GRAY, strokeDash=[4, 3]).encode(y=_metric_axis("middle", metric))]


_QUANTILES = {"low": "10 % of trials below", "middle": "half of the trials below", "high": "90 % below"}


def error(value: float, metric: str) -> float:
    """What is plotted against a cost: 1 - accuracy, or another metric as it is."""
    return 1 - value if percent(metric) else value


def error_name(metric: str) -> str:
    """`1 - val_accuracy`, or the metric's own name."""
    return f"error (1 − {metric})" if percent(metric) else metric


def error_against_cost(
    rows: Sequence[Row], frontier: Sequence[Row], metric: str, cost: str = "macs", winner: Row | None = None
) -> Chart:
    """Each trial at its cost, the frontier as a step line (the best at this cost or less), the winner as a star."""
    values = [point for row in rows if (point := _point(row, metric, cost))]
    logarithmic = _spreads([value["error"] for value in values])
    x = alt.X(
        "cost:Q",
        title=f"{COSTS[cost]}, log scale",
        scale=alt.Scale(type="log", nice=False, padding=18),
        axis=alt.Axis(format="~s", labelOverlap=True, **_ticks([value["cost"] for value in values])),
    )
    ticks = _ticks([value["error"] for value in values]) if logarithmic else {"tickCount": 6}
    axis = partial(_error_axis, metric=metric, logarithmic=logarithmic, ticks=ticks)
    layers = [*_step_layers(frontier, values, metric, cost, x, axis), _point_layer(values, metric, cost, x, axis)]
    return alt.layer(*layers, *_winner_layers(winner, metric, cost, x, axis)).properties(height=HEIGHT)


def _ticks(values: Sequence[float]) -> dict[str, Any]:
    """1, 2, 5, 10, ... for a logarithmic axis: Vega draws a line for every digit, and three or fewer are left to it."""
    if not values:
        return {}
    low, high = min(values), max(values)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    digits = (digit * 10.0**power for power in powers for digit in (1, 2, 5))
    inside = [tick for tick in digits if low / 1.5 <= tick <= high * 1.5]
    return {"values": inside} if len(inside) > 3 else {"tickCount": 6}


def _error_axis(field: str, metric: str, logarithmic: bool, ticks: dict[str, Any]) -> alt.Y:
    """The same axis for every layer: Vega merges titles and scales that differ into nonsense."""
    return alt.Y(
        f"{field}:Q",
        title=error_name(metric) + (", log scale" if logarithmic else ""),
        scale=alt.Scale(type="log" if logarithmic else "linear", zero=False, nice=False, padding=14),
        axis=alt.Axis(format="~%" if percent(metric) else "~g", labelOverlap=True, **ticks),
    )


def _point(row: Row, metric: str, cost: str) -> dict[str, Any] | None:
    if row["value"] is None or not row[cost]:
        return None
    outcome = "confirming" if row["phase"] == "confirm" else row["state"]
    told = {"number": row["number"], "what": settings(row), "shown": shown(row["value"], metric)}
    return {"cost": row[cost], "error": error(row["value"], metric), "outcome": outcome, **told}


def _spreads(values: Sequence[float]) -> bool:
    """Whether values ask for a logarithmic axis: all above zero, and over more than a factor of 8."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > 8


def _point_layer(values: Sequence[Row], metric: str, cost: str, x: alt.X, axis: Axis) -> Any:
    there = [name for name in OUTCOMES if any(value["outcome"] == name for value in values)]
    legend = alt.Legend(title=None, orient="top", symbolOpacity=1, symbolSize=90)
    tooltip = [
        alt.Tooltip("number:Q", title="trial"),
        alt.Tooltip("outcome:N"),
        alt.Tooltip("shown:N", title=metric),
        alt.Tooltip("cost:Q", title=cost, format=","),
        alt.Tooltip("what:N", title="settings"),
    ]
    color = alt.Color("outcome:N", scale=_scale(there, 0), legend=legend)
    shape = alt.Shape("outcome:N", scale=_scale(there, 1), legend=legend)
    points = _chart(values).mark_point(filled=True, size=70, opacity=0.75)
    return points.encode(x=x, y=axis("error"), color=color, shape=shape, tooltip=tooltip)


def _scale(names: Sequence[str], sign: int) -> alt.Scale:
    return alt.Scale(domain=list(names), range=[OUTCOMES[name][sign] for name in names])


def steps(frontier: Sequence[Row], metric: str, cost: str, last: float) -> list[dict[str, Any]]:
    """The corners of the frontier's step line, from the cheapest to the right end of the chart."""
    corners = [{"cost": row[cost], "error": error(row["value"], metric), "number": row["number"]} for row in frontier]
    return [*corners, {**corners[-1], "cost": max(last, corners[-1]["cost"])}] if corners else []


def stepped(frontier: Sequence[Row], rows: Sequence[Row], cost: str) -> bool:
    """Whether the frontier's line can be seen: something stands to the right of its first point."""
    return bool(frontier) and any((row[cost] or 0) > frontier[0][cost] for row in [*frontier, *rows])


def _step_layers(
    frontier: Sequence[Row], values: Sequence[Row], metric: str, cost: str, x: alt.X, axis: Axis
) -> list[Any]:
    corners = steps(frontier, metric, cost, max((value["cost"] for value in values), default=0))
    if not corners:
        return []
    base = _chart(corners).encode(x=x, y=axis("error"))
    return [base.mark_line(interpolate="step-after", color=RED, strokeWidth=2, opacity=0.8)]


def _winner_layers(winner: Row | None, metric: str, cost: str, x: alt.X, axis: Axis) -> list[Any]:
    if not winner:
        return []
    fresh = winner["fresh"]
    half = fresh["half_width"] or 0.0
    ends = sorted(error(fresh["mean"] + sign * half, metric) for sign in (-1, 1))
    least = min(error(fresh["mean"], metric), 0.001) if percent(metric) else ends[0]  # a log axis knows no zero
    row = {"cost": winner["costs"][cost], "error": error(fresh["mean"], metric), "low": max(ends[0], least)}
    row |= {"high": ends[1], "name": "winner", "text": f"mean of {fresh['n']} fresh seeds, 95 % interval"}
    base = _chart([row]).encode(x=x)
    star = base.mark_point(shape=STAR, size=260, filled=True, color=GREEN, stroke="white", strokeWidth=1, opacity=1)
    label = base.mark_text(align="right", dx=-14, dy=1, fontWeight="bold", color=GREEN).encode(
        y=axis("error"), text="name:N"
    )
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("error:Q", format=".4f"), alt.Tooltip("text:N", title="of")]
    interval = base.mark_rule(color=GREEN, strokeWidth=2).encode(y=axis("low"), y2="high:Q")
    return [interval, star.encode(y=axis("error"), tooltip=tooltip), label]


# ---- design studies --------------------------------------------------------------------------------------------------


def cell_rows(results: Iterable[CellResult], metric: str) -> list[dict[str, Any]]:
    """One plain row per cell that has a value: its levels, mean, interval (None for one seed), what was solved."""
    rows = []
    for result in results:
        if (told := result.estimate) is None:
            continue
        ends = f" [{shown(told.low, metric)}, {shown(told.high, metric)}]" if told.half_width else ""
        agree = f" (all {told.n} seeds agree)" if told.half_width == 0 else ""
        text = shown(told.mean, metric) + ends + agree
        rows.append(
            {**_levels(result), "mean": told.mean, "low": told.low, "high": told.high, "n": told.n, "text": text}
        )
    return rows


def seed_rows(results: Iterable[CellResult], metric: str) -> list[dict[str, Any]]:
    """One plain row per cell and seed."""
    return [
        {**_levels(result), "seed": seed, "value": value, "text": shown(value, metric)}
        for result in results
        for seed, value in result.values.items()
    ]


def _levels(result: CellResult) -> dict[str, Any]:
    """The levels of a cell as fields `f0`, `f1`, ...: a factor's own name may be anything."""
    return {f"f{index}": level for index, level in enumerate(result.levels.values())} | {"cell": result.name}


def numeric(levels: Iterable[Any]) -> bool:
    """Whether levels are numbers, so that they stand on a measured axis."""
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)


def domain(cells: Sequence[Row], seeds: Sequence[Row], metric: str) -> list[float]:
    """One range for all panels that holds every seed and interval; an accuracy's does not go beyond 100 %."""
    values = [row[name] for row in cells for name in ("mean", "low", "high") if row[name] is not None]
    values += [row["value"] for row in seeds]
    low, high = min(values), max(values)
    pad = 0.06 * (high - low) or 0.01 * abs(high) or 0.01
    return [low - pad, min(high + pad, 1.0) if percent(metric) and max(r["value"] for r in seeds) <= 1 else high + pad]


def cut(results: Sequence[CellResult], metric: str) -> bool:
    """Whether an interval goes beyond the range that is drawn, that is beyond 100 %."""
    cells, seeds = cell_rows(results, metric), seed_rows(results, metric)
    top = domain(cells, seeds, metric)[1] if cells else 1.0
    return any(row["high"] is not None and row["high"] > top for row in cells)


def panels(results: Sequence[CellResult], factors: Sequence[str], metric: str) -> list[tuple[str, Chart]]:
    """(title, chart) for each level of the second factor: the metric over the first, the third as color."""
    cells, seeds = cell_rows(results, metric), seed_rows(results, metric)
    if not cells:
        return []
    spread, xs = domain(cells, seeds, metric), list(dict.fromkeys(row["f0"] for row in cells))
    if len(factors) == 1:
        return [("", _panel(cells, seeds, factors, metric, xs, spread))]
    return [
        (
            f"{factors[1]} = {level}",
            _panel(_where(cells, level), _where(seeds, level), factors, metric, xs, spread),
        )
        for level in dict.fromkeys(row["f1"] for row in cells)
    ]


def _where(rows: Sequence[Row], level: Any) -> list[Row]:
    return [row for row in rows if row["f1"] == level]


def _panel(
    cells: Sequence[Row], seeds: Sequence[Row], factors: Sequence[str], metric: str, xs: list[Any], spread: list[float]
) -> Chart:
    measured = numeric(xs) and len(xs) > 1
    wide = measured and min(xs) > 0 and max(xs) / min(xs) > 16
    axis = alt.Axis(values=xs, labelAngle=0, grid=False) if measured else alt.Axis(labelAngle=0)
    ends: dict[str, Any] = {"domain": [min(xs), max(xs)]} if measured else {}
    kind: Any = "log" if wide else "linear"
    scale = alt.Scale(type=kind, zero=False, nice=False, padding=26, **ends) if measured else alt.Scale(domain=xs)
    x = alt.X(f"f0:{'Q' if measured else 'O'}", title=factors[0], axis=axis, scale=scale, sort=None)
    color = _color(cells, factors)
    here = _chart(cells).encode(x=x, color=color)
    dots = _chart(seeds).encode(x=x, color=color)
    mean = _metric_axis("mean", metric, spread)
    tooltip = [alt.Tooltip("cell:N"), alt.Tooltip("text:N", title=metric), alt.Tooltip("n:Q", title="seeds")]
    known = here.transform_filter("isValid(datum.low)")
    low = _metric_axis("low", metric, spread)
    band = (
        known.mark_area(opacity=0.16, clip=True)
        if measured and len({row["f0"] for row in cells}) > 1
        else known.mark_rule(strokeWidth=7, opacity=0.25, clip=True)
    )
    seed = dots.mark_point(size=42, strokeWidth=1.5, opacity=0.8, filled=False)
    seed_tip = [alt.Tooltip("cell:N"), alt.Tooltip("seed:N", title="replicate"), alt.Tooltip("text:N", title=metric)]
    return alt.layer(
        band.encode(y=low, y2="high:Q"),
        here.mark_line(strokeWidth=2.5).encode(y=mean) if measured else here.mark_line(opacity=0.5).encode(y=mean),
        seed.encode(y=_metric_axis("value", metric, spread), tooltip=seed_tip),
        here.mark_point(filled=True, size=95, opacity=1).encode(y=mean, tooltip=tooltip),
    ).properties(height=HEIGHT)


def _color(cells: Sequence[Row], factors: Sequence[str]) -> Any:
    """The third factor's color and legend, or one color."""
    if len(factors) < 3:
        return alt.value(BLUE)
    levels = list(dict.fromkeys(row["f2"] for row in cells))
    palette = [SERIES[index % len(SERIES)] for index in range(len(levels))]
    legend = alt.Legend(orient="top", title=factors[2])
    return alt.Color("f2:N", scale=alt.Scale(domain=levels, range=palette), legend=legend, sort=None)


def _metric_axis(field: str, metric: str, spread: Sequence[float] | None = None) -> alt.Y:
    """An axis for a metric's values, accuracies in percent."""
    shape = alt.Axis(format=".4~%" if percent(metric) else "~g", tickCount=6)
    scale = alt.Scale(zero=False) if spread is None else alt.Scale(domain=list(spread), nice=False, zero=False)
    return alt.Y(f"{field}:Q", title=metric, axis=shape, scale=scale)


def parts(rows: Sequence[Row], names: Sequence[str], title: str) -> Chart:
    """One trial's metrics of one kind over its epochs: validation solid, others dashed, the names as a legend."""
    values = [
        {"epoch": row["epoch"], "name": name, "value": row["metrics"][name], "text": shown(row["metrics"][name], name)}
        for row in rows
        for name in names
        if isinstance(row["metrics"].get(name), int | float)
    ]
    styles = [PARTS[name.partition("_")[0]] for name in names]
    palette = alt.Scale(domain=list(names), range=[color for color, _ in styles])
    dashes = alt.Scale(domain=list(names), range=[dash for _, dash in styles])
    legend = alt.Legend(orient="top", title=None, symbolType="stroke", symbolSize=300, columns=2)
    tooltip = [alt.Tooltip("name:N", title="metric"), alt.Tooltip("epoch:Q"), alt.Tooltip("text:N", title="value")]
    base = _chart(values).encode(
        x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, format="d"), scale=alt.Scale(nice=False)),
        y=_metric_axis("value", title),
        color=alt.Color("name:N", scale=palette, legend=legend),
    )
    line = base.mark_line(strokeWidth=2.5).encode(strokeDash=alt.StrokeDash("name:N", scale=dashes, legend=legend))
    return alt.layer(line, base.mark_point(filled=True, size=36).encode(tooltip=tooltip)).properties(height=290)
