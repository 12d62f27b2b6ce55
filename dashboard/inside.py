"""Charts of what happens inside a training: the range test of its rate, gradients and dead units while it learns."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

import altair as alt

from dashboard.charts import BLUE, HEIGHT, ORANGE, Chart, Row

LOWER = HEIGHT * 2 // 3
ROOM = 70
"""Of a chart's height, what its horizontal axis takes."""


def _chart(rows: Sequence[Row]) -> Chart:
    return alt.Chart(alt.Data(values=[dict(row) for row in rows]))  # type: ignore[no-untyped-call]


def rates(curve: Sequence[Sequence[float]], chosen: float) -> Chart:
    """The smoothed loss of a range test (Smith 2017) over the rate; the dashed line is the rate that was taken."""
    rows = [{"rate": rate, "loss": loss} for rate, loss in curve if loss is not None and isfinite(loss)]
    x = alt.X("rate:Q", title="learning rate, log scale", scale=alt.Scale(type="log", nice=False))
    tooltip = [alt.Tooltip("rate:Q", format=".2e"), alt.Tooltip("loss:Q", format=".4g")]
    y = alt.Y("loss:Q", title="loss", scale=alt.Scale(zero=False))
    line = _chart(rows).mark_line(color=BLUE, strokeWidth=2.5).encode(x=x, y=y, tooltip=tooltip)
    mark = _chart([{"rate": chosen}]).mark_rule(color=ORANGE, strokeDash=[5, 4], strokeWidth=2).encode(x=x)
    return alt.layer(line, mark).properties(height=LOWER)


LAYER_SERIES = {
    "gradient_norm": "norm of the gradients",
    "weight_norm": "norm of the weights",
    "dead_units": "dead units",
}


def by_layer(watched: Sequence[Row], name: str) -> Chart:
    """One of `LAYER_SERIES` as a heat map: a row for each layer that has it, a column for each epoch watched."""
    rows = [
        {"epoch": one["epoch"], "layer": layer["name"], "value": layer[name]}
        for one in watched
        for layer in one["layers"]
        if layer[name] is not None
    ]
    order = list(dict.fromkeys(row["layer"] for row in rows))
    share = name == "dead_units"
    scale = alt.Scale(scheme="blues", domain=[0, 1]) if share else alt.Scale(scheme="blues", type="symlog")
    form = ".0%" if share else ".3g"
    color = alt.Color("value:Q", title=None, scale=scale, legend=alt.Legend(format=form))
    tooltip = [alt.Tooltip("layer:N"), alt.Tooltip("epoch:O"), alt.Tooltip("value:Q", format=form)]
    y = alt.Y("layer:N", sort=order, title=None, axis=alt.Axis(labelLimit=160))
    cells = _chart(rows).mark_rect().encode(x=alt.X("epoch:O"), y=y, color=color, tooltip=tooltip)
    return cells.properties(height=ROOM + min(22 * len(order), 600))
