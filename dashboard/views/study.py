"""The page of one study: how far it is, what runs now, learning curves, error against cost, winner, trials."""

from __future__ import annotations

from typing import Any

import streamlit as st

from dashboard import charts, data
from dashboard.parts import baselines, chart, chosen_study, go, header, link, living, page, tiles
from dashboard.words import active, costs, duration, literal, percent, plural, settings, shown
from studies.screens import opened
from studies.text import interval, setting

Row = dict[str, Any]
LINES = 60  # learning curves drawn one by one; beyond, bands stand for the many
POINTS = 600  # of error against cost
TRIALS = 500  # rows of the table
ROLES = {"best": "Thick blue: the best trial.", "running": "Orange: running now."}
"""What a line of the learning curves is, in words."""


def show(url: str) -> None:
    """The study that the URL names."""
    study = chosen_study(url)
    if study is None:
        return
    header(study, "study")
    living(study, lambda: _body(url, study))


def _body(url: str, before: Row) -> None:
    study = data.study(url, before["name"])
    if study is None or (study["state"], study["leased"]) != (before["state"], before["leased"]):
        st.rerun()
    if study["note"]:
        st.info(literal(study["note"]), icon=":material/info:")
    _numbers(url, study)
    if study["state"] == "running" and not study["leased"]:
        st.warning("Its conductor has gone. Run the same command again: it goes on where it stood.")
    _winner(study)
    baselines(study)
    left, right = st.columns(2, gap="medium")
    with left:
        _curves(url, study)
    with right:
        _errors(url, study)
    _table(url, study)


def _numbers(url: str, study: Row) -> None:
    told = data.progress(url, study["id"], study["direction"])
    total = f" of {told['total']:,}" if told["total"] and active(study) else ""
    skipped = told["counts"].get("infeasible", 0)
    values = {
        "Trained trials": (
            f"{told['counted']:,}{total}",
            "complete, pruned or failed; a repeat does not count",
        ),
        f"Best {study['metric']}": (
            shown(told["best"] and told["best"]["value"], study["metric"]),
            f"of trial {told['best']['number']}, one seed" if told["best"] else "no trial is complete yet",
        ),
        "Training time": (duration(told["train_seconds"]), "summed over all trials"),
        "Running now": (str(told["counts"].get("running", 0)), ""),
        "Pruned": (str(told["counts"].get("pruned", 0)), "stopped early because others were better"),
        "Failed": (str(told["counts"].get("failed", 0)), "the table of trials says why"),
        "Not trainable": (f"{skipped:,}", "counted and never trained: impossible, or over a limit"),
    }
    always = {"Trained trials", f"Best {study['metric']}", "Training time"}
    tiles({label: value for label, value in values.items() if label in always or value[0] != "0"})
    _live(study, told["live"])


def _live(study: Row, running: list[Row]) -> None:
    """Trials under way with their epoch and value."""
    for row in running:
        done, epochs = row["epoch"] or 0, row["epochs"] or 0
        value = f" · {shown(row['value'], study['metric'])}" if row["value"] is not None else ""
        text = f"trial {row['number']} · {literal(settings(row))} · epoch {done} of {epochs}{value}"
        st.progress(min(done / epochs, 1.0) if epochs else 0.0, text=text)


def _winner(study: Row) -> None:
    """The winner of a search with all that is honest to say of it."""
    won = study["conclusion"]
    if not won or won.get("kind") != "winner":
        return
    metric, fresh = won["metric"], won["fresh"]
    with st.container(border=True):
        st.subheader(f":material/trophy: Winner: trial {won['trial']}", anchor=False)
        st.markdown(f"{literal(settings(won))}  \n{costs(won['costs'])}, for one input")
        values = {
            f"{metric}, fresh seeds": (
                spread(fresh, metric),
                f"mean and 95 % interval over {plural(fresh['n'], 'seed')} that the search has not seen",
            )
        }
        for name, test in won["test"].items():
            text = f"{opened(won)}; mean and 95 % interval over {plural(test['n'], 'seed')}"
            values[name] = (spread(test, name), text)
        text = "the score in the search minus the mean on fresh seeds: what choosing the best of many made up"
        values["Optimism of the search"] = (optimism(won["optimism"], metric), text)
        tiles(
            {
                label: (value.replace("+-", "±").replace(" %", "\u2009%"), told)
                for label, (value, told) in values.items()
            }
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            link("network", "See its network", ":material/lan:", study=study["name"], trial=str(won["trial"]))
        st.code(f"archstudy export {study['name']} --out bundle", language="sh")


def spread(told: Row, metric: str) -> str:
    """`98.61 % ± 0.42`: a mean with its 95 % interval, as the command line has it, in screen's signs."""
    text = interval(told["mean"], told["half_width"], metric, told["n"])
    return text.replace("+-", "±").replace(" %", "\u2009%")


def optimism(value: float, metric: str) -> str:
    """`+0.83 points`, or the plain number of a metric that is no percentage."""
    text = f"{value * 100:+.2f} points" if percent(metric) else f"{value:+.3g}"
    return text.replace("-", "−")


def _curves(url: str, study: Row) -> None:
    names = data.metric_names(url, study["id"])
    st.subheader("Learning curves", anchor=False)
    if not names:
        st.caption("No epoch is finished yet.")
        return
    first = names.index(study["metric"]) if study["metric"] in names else 0
    metric = st.selectbox("Metric", names, first, key="metric", bind="query-params", label_visibility="collapsed")
    rows = data.curves(url, study["id"], str(metric), study["direction"], LINES)
    begun = data.progress(url, study["id"], study["direction"])["counted"]
    bands = data.bands(url, study["id"], str(metric)) if begun > LINES else []
    chart(charts.learning(rows, str(metric), bands), f"{metric} over the epochs, one line for each trial")
    many = " Ten best and running trials; the band holds 80 % of all, the dashes are the median." if bands else ""
    roles = {row["role"] for row in rows}
    told = [text for role, text in ROLES.items() if role in roles]
    st.caption(" ".join(told) + many)


def _errors(url: str, study: Row) -> None:
    st.subheader("Error against cost", anchor=False)
    rows = data.points(url, study["id"], POINTS)
    held = (study["spec"].get("design") or {}).get("match") or {}
    first = "params" if "macs" in held else "macs"
    cost = st.segmented_control(
        "Cost",
        list(charts.COSTS),
        default=first,
        required=True,
        key="cost",
        bind="query-params",
        label_visibility="collapsed",
        format_func=lambda name: {"macs": "MACs"}.get(name, name),
    )
    if not rows:
        st.caption("No trial has a result yet.")
        return
    search = study["kind"] == "search"
    frontier = data.frontier(url, study["id"], str(cost), study["direction"]) if search else []
    won = study["conclusion"] if search else None
    drawn = charts.error_against_cost(rows, frontier, study["metric"], str(cost), won)
    chart(drawn, f"{charts.error_name(study['metric'])} of each trial against its {cost}, both on logarithmic axes")
    stepped = charts.stepped(frontier, rows, str(cost))
    notes = ["Red steps: the best complete trial at this cost or less."] if stepped else []
    notes += ["Star: the winner, mean of its fresh seeds with 95 % interval."] if won else []
    notes += (
        [f"{len(rows):,} of {rows[0]['many']:,} trials are drawn: the best and a sample."]
        if len(rows) < rows[0]["many"]
        else []
    )
    st.caption(" ".join(notes) or "Each point is one trial, that is one seed.")


def _table(url: str, study: Row) -> None:
    st.subheader("Trials", anchor=False)
    rows = data.latest(url, study["id"], TRIALS)
    if not rows:
        st.caption("No trial yet.")
        return
    picked = st.dataframe(
        [table_row(row) for row in rows],
        hide_index=True,
        column_config=_columns(study["metric"]),
        key="trials",
        on_select="rerun",
        selection_mode="single-cell",
        placeholder="",
        alt="the trials of this study, the newest first",
    )
    only = f", the last {TRIALS}" if len(rows) == TRIALS else ""
    st.caption(f"Newest first{only}. Click a trial to see its network.")
    number = picked_trial(rows, picked)
    if number is not None:
        go("network", study=study["name"], trial=str(number))


def table_row(row: Row) -> Row:
    """A trial as a line of the table; its variables stand in columns of their own."""
    again = f"trial {row['cell']} again" if row["phase"] == "confirm" else ""
    same = f"same as trial {row['repeat_of']}" if row["repeat_of"] is not None else ""
    failure = f"{row['failure_kind']}: {row['reason']}" if row["failure_kind"] else row["reason"] or ""
    first = {"trial": row["number"], "phase": row["phase"], "state": row["state"], "value": row["value"]}
    first |= {name: row[name] for name in ("macs", "params")}
    first |= {"seconds": row["train_seconds"] or None}
    variables = {
        f"{name}\u200a": setting(value) if isinstance(value, dict) else value
        for name, value in row["assignment"].items()
    }
    return {**first, **variables, "note": again or same or failure}


def _columns(metric: str) -> dict[str, Any]:
    column = st.column_config
    return {
        "trial": column.NumberColumn(width="small", format="%d"),
        "value": column.NumberColumn(metric, format="percent" if percent(metric) else "%.4g"),
        "macs": column.NumberColumn("MACs", format="localized"),
        "params": column.NumberColumn("params", format="localized"),
        "seconds": column.NumberColumn("training (s)", format="%.1f"),
        "note": column.TextColumn(width="large"),
    }


def picked_trial(rows: list[Row], picked: Any) -> int | None:
    """The number of the trial whose cell was clicked."""
    cells = picked["selection"]["cells"] if picked else []
    return int(rows[cells[0][0]]["number"]) if cells and cells[0][0] < len(rows) else None


if __name__ == "__main__":
    page(show)
