"""The differences of a design study as a forest: one line each, its sign told by color and shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from dashboard.charts import BLUE, GRAY, GREEN, ORANGE, RED
from studies.analysis.results import Reading
from studies.report import words
from studies.report.lines import Line, contrast_lines

Chart = Any
SIGNS = {
    "clear": ("clear", BLUE, "circle"),
    "tie": ("tie, within the margin", GREEN, "square"),
    "open": ("cannot tell", GRAY, "diamond"),
    "withheld": ("not claimed, for failures", ORANGE, "cross"),
    "raw": ("as it stands, nothing held", RED, "triangle-up"),
}
"""What a line means: its name, color and shape."""
STEP = 26
"""Pixels from line to line."""
AROUND, LEGEND = 100, 24
"""Pixels that the axis takes, and each line of the legend."""
MOST = 40
"""So many lines are drawn."""


def rows(reading: Reading, metric: str) -> list[dict[str, Any]]:
    """One plain row a difference, in points of a share: name, meaning, place from the top, ends, all of it as text."""
    scale = 100 if words.unit(metric) else 1
    return [
        {
            "name": one.name,
            "kind": SIGNS[one.kind][0],
            "place": place,
            "mean": one.told.mean * scale,
            "low": None if one.told.low is None else one.told.low * scale,
            "high": None if one.told.high is None else one.told.high * scale,
            "text": words.ends(one.told, metric),
            "n": one.told.n,
        }
        for place, one in enumerate(contrast_lines(reading)[:MOST])
    ]


def told(reading: Reading, metric: str) -> str:
    """The forest in words, for those who do not see it."""
    lines: Sequence[Line] = contrast_lines(reading)[:MOST]
    texts = (f"{one.name} {words.ends(one.told, metric)}, {SIGNS[one.kind][0]}" for one in lines)
    return f"differences in {metric} with 95 % intervals: {words.listed(texts, MOST)}"


def forest(reading: Reading, metric: str, direction: str) -> Chart | None:
    """Every contrast with its interval, its raw twin below it, the margin as a band; None where nothing is compared."""
    lines = rows(reading, metric)
    if not lines:
        return None
    data = alt.Chart(alt.Data(values=lines))  # type: ignore[no-untyped-call]
    y = _down(lines)
    x = _across(lines, reading.margin, metric, direction)
    kinds = [name for name in SIGNS.values() if any(one["kind"] == name[0] for one in lines)]
    names = [one[0] for one in kinds]
    height = AROUND + LEGEND * len(kinds) + STEP * len(lines)
    legend = alt.Legend(orient="top", title=None, columns=1, labelLimit=260)
    color = alt.Color("kind:N", scale=alt.Scale(domain=names, range=[one[1] for one in kinds]), legend=legend)
    shape = alt.Shape("kind:N", scale=alt.Scale(domain=names, range=[one[2] for one in kinds]), legend=legend)
    tooltip = [alt.Tooltip("name:N"), alt.Tooltip("text:N", title="difference"), alt.Tooltip("kind:N", title="reads")]
    tooltip.append(alt.Tooltip("n:Q", title="seeds"))
    base = data.encode(y=y)
    known = base.transform_filter("isValid(datum.low)")
    point = base.encode(x=x("mean"), color=color, shape=shape, tooltip=tooltip)
    return alt.layer(
        *_band(reading.margin, metric),
        _rule(0, size=1.2, color=GRAY),
        known.mark_rule(strokeWidth=2.2).encode(x=x("low"), x2="high:Q", color=color),
        point.mark_point(filled=True, size=95, opacity=1),
    ).properties(height=height)


def _down(lines: Sequence[dict[str, Any]]) -> alt.Y:
    """One place a line; a raw twin has no name of its own, since it stands below its contrast."""
    raw = SIGNS["raw"][0]
    names = {str(one["place"]): "" if one["kind"] == raw else one["name"] for one in lines}
    axis = alt.Axis(
        labelExpr=f"{{{', '.join(f'{at}: {_quoted(name)}' for at, name in names.items())}}}[datum.value]",
        title=None,
        labelLimit=185,
        labelOverlap=False,
        ticks=False,
        domain=False,
        grid=False,
    )
    return alt.Y("place:O", axis=axis, scale=alt.Scale(paddingInner=0, paddingOuter=0.2))


def _quoted(text: str) -> str:
    """Text in a Vega expression."""
    return "'" + "".join(f"\\u{ord(sign):04x}" if sign in "'\\\n\r" else sign for sign in text) + "'"


def _across(lines: Sequence[dict[str, Any]], margin: float | None, metric: str, direction: str) -> Any:
    """One range for all marks: every mean, and intervals up to four times as far out as these."""
    edge = (margin or 0.0) * (100 if words.unit(metric) else 1)
    far = 4 * (max([edge, *(abs(one["mean"]) for one in lines)]) or 1.0)
    ends = [one[end] for one in lines for end in ("mean", "low", "high") if one[end] is not None]
    low, high = max(min([*ends, -edge]), -far), min(max([*ends, edge]), far)
    pad = 0.05 * (high - low) or 0.01
    side = "right" if direction == "maximize" else "left"
    unit = f"{words.unit(metric).strip()}, " if words.unit(metric) else ""
    title = [f"difference in {metric}", f"{unit}{side} is better"]  # two lines, for a phone
    scale = alt.Scale(domain=[low - pad, high + pad], nice=False, zero=False, clamp=True)
    axis = alt.Axis(labelExpr="datum.value == 0 ? '0' : format(datum.value, '+~g')", tickCount=5)
    return lambda field: alt.X(f"{field}:Q", title=title, scale=scale, axis=axis)


def _band(margin: float | None, metric: str) -> list[Chart]:
    if not margin:
        return []
    edge = margin * (100 if words.unit(metric) else 1)
    ends = alt.Chart(alt.Data(values=[{"from": -edge, "to": edge}]))  # type: ignore[no-untyped-call]
    return [ends.mark_rect(color=GRAY, opacity=0.16).encode(x=alt.X("from:Q"), x2="to:Q")]


def _rule(at: float, size: float, color: str) -> Chart:
    one = alt.Chart(alt.Data(values=[{"at": at}]))  # type: ignore[no-untyped-call]
    return one.mark_rule(strokeWidth=size, color=color).encode(x="at:Q")
