"""The page of one trial: its network drawn, what it costs layer by layer, its epochs and its settings."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import charts, data, inside
from dashboard.parts import chart, chosen_study, header, link, living, page, tiles
from dashboard.words import duration, literal, shown
from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import trace
from searchspace.drawing import confusion, svg
from searchspace.language.units import human
from searchspace.lower import checked, lower
from studies.findings import findings
from studies.load import from_tree

Row = dict[str, Any]


def show(url: str) -> None:
    """The trial that the URL names, or the study's winner or best."""
    study = chosen_study(url)
    if study is None:
        return
    asked = st.query_params.get("trial")
    number = int(asked) if asked and asked.isdecimal() and len(asked) < 10 else None if asked else _first(url, study)
    trial = data.trial(url, study["id"], number) if number is not None else None
    header(study, "network", trial["number"] if trial else None)
    if trial is None:
        named = f"has no trial {literal(repr(asked))}" if asked else "has no trial yet"
        st.warning(f"This study {named}.", icon=":material/search:")
        link("study", "Its trials", ":material/show_chart:", study=study["name"])
        return
    running = trial["state"] in ("queued", "running")
    living(study if running else study | {"state": "complete"}, lambda: _body(url, study, trial))


def _first(url: str, study: Row) -> int | None:
    """The winner, else the best trial, else the newest."""
    won = study["conclusion"] or {}
    best = data.progress(url, study["id"], study["direction"])["best"]
    newest = data.latest(url, study["id"], 1)
    return won.get("trial", best["number"] if best else newest[0]["number"] if newest else None)


def _body(url: str, study: Row, before: Row) -> None:
    trial = data.trial(url, study["id"], before["number"])
    if trial is None or (trial["state"] != before["state"] and before["state"] == "running"):
        st.rerun()
    _numbers(study, trial)
    if trial["reason"]:
        st.warning(literal(trial["reason"]), icon=":material/info:")
    net = network(study, trial)
    if isinstance(net, str):
        st.caption(f"The network cannot be drawn: {literal(net)}")
    else:
        _drawing(net)
    _epochs(url, study, trial)
    _findings(study, trial)
    if not isinstance(net, str):
        _layers(net)
    _settings(trial)


def _numbers(study: Row, trial: Row) -> None:
    tiles(
        {
            study["metric"]: (shown(trial["value"], study["metric"]), "of its last epoch"),
            "State": (trial["state"], f"phase: {trial['phase']}"),
            "MACs": (human(trial["macs"]) if trial["macs"] else "–", "multiply-adds for one input"),
            "Parameters": (human(trial["params"]) if trial["params"] else "–", ""),
            "Activations": (human(trial["activations"]) if trial["activations"] else "–", "for one input"),
            "Training time": (duration(trial["train_seconds"]), ""),
        }
    )


def network(study: Row, trial: Row) -> Network | str:
    """The trial's network, or the reason why there is none to be drawn."""
    try:
        facts = from_tree(study["spec"], study["yaml"]).facts
        return checked(lower(Blueprint.model_validate(trial["blueprint"]), facts.shape, facts.outputs))
    except (ValueError, OSError) as error:
        return str(error).splitlines()[0]


def _drawing(net: Network) -> None:
    """The figure at its own size; where it is wider than the screen it scrolls."""
    _picture(svg(net), "the network as a figure")


def _picture(drawn: str, alt: str) -> None:
    picture = base64.b64encode(drawn.encode()).decode()
    style = "max-width:none;height:auto;display:block"
    image = f'<img alt="{alt}" style="{style}" src="data:image/svg+xml;base64,{picture}">'
    st.html(f'<div class="network" style="overflow-x:auto;padding-bottom:6px" tabindex="0">{image}</div>')


def _epochs(url: str, study: Row, trial: Row) -> None:
    rows = data.epochs(url, study["id"], trial["id"])
    st.subheader("Epochs", anchor=False)
    if not rows:
        st.caption("No epoch is finished.")
        return
    names = sorted({name for row in rows for name in row["metrics"]})
    pairs = list(dict.fromkeys(name.partition("_")[2] for name in names))
    for column, pair in zip(st.columns(max(len(pairs), 2), gap="medium"), pairs, strict=False):
        with column:
            theirs = [name for name in names if name.partition("_")[2] == pair]
            chart(charts.parts(rows, theirs, pair), f"{', '.join(theirs)} over the epochs")


def _findings(study: Row, trial: Row) -> None:
    """What was measured once at its end: in words, and its mistakes as a picture."""
    told = findings(trial["measured"], trial["metrics"] or {}, study["metric"], labels(study))
    if not told:
        return
    st.subheader("Measured at its end", anchor=False)
    st.markdown("\n".join(f"* {literal(line)}" for line in told))
    _inside(trial["measured"])
    matrix = (trial["measured"].get("classes") or {}).get("confusion")
    if matrix:
        names = labels(study) or [str(number) for number in range(len(matrix))]
        _picture(confusion(matrix, names), "confusion matrix of the validation part")


def _inside(measured: Row) -> None:
    """The range test of its rate, and what was watched while it learned."""
    if measured.get("lr_curve"):
        st.markdown("**Range test of the learning rate**")
        chart(inside.rates(measured["lr_curve"], measured["lr"]), "the loss over the learning rate, in the range test")
    if not measured.get("watched"):
        return
    for column, (name, told) in zip(st.columns(len(inside.LAYER_SERIES)), inside.LAYER_SERIES.items(), strict=True):
        with column:
            st.markdown(f"**{told.capitalize()}**")
            chart(inside.by_layer(measured["watched"], name), f"{told}, by layer and epoch")


def labels(study: Row) -> Sequence[str]:
    """The names of the classes, or none where the data cannot be looked at."""
    try:
        return from_tree(study["spec"], study["yaml"]).facts.labels
    except (ValueError, OSError):
        return ()


def _layers(net: Network) -> None:
    st.subheader("Layers", anchor=False)
    rows = [
        {"layer": one.name, "kind": type(one.node).__name__.lower(), "output": "×".join(map(str, one.out_shape))}
        | {"params": one.params, "macs": one.macs, "field": "×".join(map(str, one.field))}
        for one in trace(net)
    ]
    column = st.column_config
    configuration = {
        "layer": column.TextColumn(width="large"),
        "params": column.NumberColumn(format="localized"),
        "macs": column.NumberColumn("MACs", format="localized"),
        "field": column.TextColumn("receptive field"),
    }
    st.dataframe(rows, hide_index=True, column_config=configuration, alt="the layers of the network")


def _settings(trial: Row) -> None:
    with st.expander("Settings: assignment, blueprint, recipe, seed", icon=":material/tune:"):
        names = ("assignment", "seed", "replicate", "attempts", "place", "blueprint", "recipe")
        st.json({name: trial[name] for name in names}, expanded=2)


if __name__ == "__main__":
    page(show)
