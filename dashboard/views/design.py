"""The page of a design study: the answer, every effect with its interval, what each cell reached, how far it holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import streamlit as st

from dashboard import charts, data, effects
from dashboard.parts import baselines, chart, chosen_study, header, living, page
from dashboard.words import literal, percent, plural, shown
from studies.analysis.reading import read
from studies.analysis.results import CellResult, Reading
from studies.candidate import Study
from studies.design.screens import Tried, beyond, tried
from studies.design.spec import DesignSpec
from studies.load import stored
from studies.report import effects as tables
from studies.report import words
from studies.report.blocks import Table
from studies.text import setting
from studies.verdict import headline, verdict
from studies.verdict.limits import over

Row = dict[str, Any]
IN_A_ROW = 3
FAILURES = 20  # reasons of failures, and cells that cannot be, that are listed
UNSHOWN = ("units", "depth", "train_macs")  # costs that the table of cells has no room for; the report has them


def show(url: str) -> None:
    """The design study that the URL names."""
    study = chosen_study(url)
    if study is None:
        return
    header(study, "design")
    if study["kind"] != "design":
        st.info("This study is a search: it has no factors to compare. Its trials are on its own page.")
        return
    living(study, lambda: _body(url, study))


def _body(url: str, before: Row) -> None:
    study = data.study(url, before["name"])
    if study is None or study["state"] != before["state"]:
        st.rerun()
    whole = stored(study)
    rows = data.analysed(url, study["id"])
    assert whole.spec.design is not None
    reading = read(whole.spec, rows, whole.facts.train)
    _headline(url, study, headline(whole.spec, reading))
    ran = [one for one in reading.cells if one.values]
    if ran:
        _effects(study, whole.spec.design, reading)
        _panels(reading.cells, whole.spec.design.factors, study["metric"])
        _verdict(whole, reading)
        baselines(study)
        _cells(study, whole.spec.design, reading)
        _raw(reading, study["metric"])
    _tuning(whole, rows, study["metric"])
    _failures(rows, reading)


# ---- the answer ------------------------------------------------------------------------------------------------------


def _headline(url: str, study: Row, sentence: str) -> None:
    """The answer in one sentence, and the whole report to take away."""
    with st.container(border=True):
        st.markdown(f"#### {literal(sentence)}")
        st.download_button(
            "Download the report",
            partial(data.offline, url, study["name"]),
            f"{study['name']}.html",
            "text/html",
            on_click="ignore",
            icon=":material/download:",
            help="one file with all figures, tables and settings, to be read offline, printed or sent",
        )


def _effects(study: Row, design: DesignSpec, reading: Reading) -> None:
    metric = study["metric"]
    drawn = effects.forest(reading, metric, study["direction"])
    if drawn is None:
        return
    st.subheader("Effects", anchor=False)
    chart(drawn, effects.told(reading, metric))
    note = f"The higher level minus the lower{over(design)}; lines: 95 % intervals over the seeds."
    if reading.margin:
        note += f" Band: ±{words.size(reading.margin, metric)}, within which a difference does not matter."
    st.caption(literal(note))
    if table := tables.contrasts(reading, metric):
        with st.expander("The same in numbers"):
            _table(table)


def _table(table: Table) -> None:
    """A report's table, and its caption below."""
    rows = [dict(zip(table.headers, row, strict=True)) for row in table.rows]
    st.dataframe(rows, hide_index=True, height="content", placeholder="", alt=table.caption or "a table")
    if table.caption:
        st.caption(literal(table.caption))


def _panels(results: Sequence[CellResult], factors: list[str], metric: str) -> None:
    """The panels side by side, below each other on a phone; one vertical range for all."""
    drawn = charts.panels(results, factors, metric)
    st.subheader(literal(f"{metric} over {', '.join(factors)}"), anchor=False)
    for start in range(0, len(drawn), IN_A_ROW):
        group = drawn[start : start + IN_A_ROW]
        for column, (title, one) in zip(st.columns(len(group), gap="medium"), group, strict=True):
            with column:
                if title:
                    st.markdown(f"**{literal(title)}**")
                chart(one, f"{metric} over {factors[0]}{f', {title}' if title else ''}: means, intervals and seeds")
    end = "; bands are cut at 100 %." if charts.cut(results, metric) else "."
    st.caption(f"Full dots: means. Open dots: every seed. Band: the mean's 95 % interval over the seeds{end}")


def _verdict(whole: Study, reading: Reading) -> None:
    """What follows the headline; without its data set nothing is known of its validation part's size."""
    lines = verdict(whole.spec, reading, whole.facts.validation)[1:]
    st.subheader("What these data say, and what they do not", anchor=False)
    st.markdown("\n".join(f"* {literal(line.replace('+-', '±'))}" for line in lines))


# ---- tables ----------------------------------------------------------------------------------------------------------


def _cells(study: Row, design: DesignSpec, reading: Reading) -> None:
    st.subheader("Cells", anchor=False)
    turned = design.turned
    rows = [cell_row(result, turned) for result in reading.cells]
    metric, column = study["metric"], st.column_config
    form = "percent" if percent(metric) else "%.4g"
    configuration = {
        "mean": column.NumberColumn(f"mean {metric}", format=form),
        "half": column.NumberColumn(
            "± (95 %)",
            format=form,
            help="half the width of the interval; empty where one seed, or seeds that all agree, give none",
        ),
        "seeds": column.NumberColumn(width="small"),
        "macs": column.NumberColumn("MACs", format="localized"),
        "params": column.NumberColumn(format="localized"),
        "activations": column.NumberColumn(format="localized"),
        "note": column.TextColumn(width="large"),
    }
    st.dataframe(rows, hide_index=True, column_config=configuration, height="content", placeholder="", alt="the cells")
    held = " and ".join(design.match.targets) if design.match else ""
    solved = f", by {literal(' and '.join(turned))}" if turned else ""
    st.caption(f"Held equal: {held}{solved}. The other costs are not held." if held else "No cost is held equal.")


def cell_row(result: CellResult, turned: Sequence[str]) -> Row:
    """A cell as a line of the table: levels, what was solved, mean and interval, costs, why it has none.

    A variable may have the name of a column (`depth` is a cost too): its header then has a thin space more.
    """
    told = result.estimate
    variables = dict(result.levels) | {name: result.assignment.get(name) for name in turned}
    values = {"mean": told and told.mean, "half": (told and told.half_width) or None, "seeds": len(result.values)}
    costs = {name: value for name, value in result.costs.items() if name not in UNSHOWN}
    failed = f"{len(result.failed)} failed" if result.failed else ""
    after = {**values, **costs, "note": result.reason or failed}
    named = {f"{name}\u200a" if name in after else name: setting(value) if isinstance(value, dict) else value
             for name, value in variables.items()}  # fmt: skip
    return {**named, **after}


def _raw(reading: Reading, metric: str) -> None:
    """Effects at equal cost and as the cells stand."""
    if table := tables.flips(reading, metric):
        st.subheader("At equal cost, and as it stands", anchor=False)
        _table(table)


def _tuning(whole: Study, rows: Sequence[Row], metric: str) -> None:
    found = tried(whole, rows)
    if not found:
        return
    st.subheader("Tuning", anchor=False)
    st.dataframe(tuning_rows(found, metric), hide_index=True, height="content", placeholder="", alt="the tuning trials")
    told = f"Mean {metric} of each cell at each setting, on seeds of their own; ★: the best, at which it is compared."
    st.caption(literal(" ".join([told, *beyond(whole, found)])))


def tuning_rows(found: Sequence[Tried], metric: str) -> list[Row]:
    """A line a cell: its mean at each setting, the best one marked."""
    return [
        {"cell": one.cell}
        | {name: f"{shown(mean, metric)}{' ★' if best else ''}" for name, mean, best in one.at}
        for one in found
    ]  # fmt: skip


def _failures(rows: Sequence[Row], reading: Reading) -> None:
    """Trials that failed, by kind and reason, and whether that depends on a factor; cells that cannot be."""
    failed = Counter((row["failure_kind"] or "", row["reason"] or "") for row in rows if row["state"] == "failed")
    impossible = [(one.name, one.reason) for one in (*reading.cells, *reading.raw_cells) if one.reason]
    if not failed and not impossible:
        return
    st.subheader("What failed", anchor=False)
    told = [f"{plural(many, 'trial')}: {kind}: {reason}" for (kind, reason), many in failed.most_common(FAILURES)]
    told += [f"{len(failed) - FAILURES} reasons more"] if len(failed) > FAILURES else []
    told += [f"{name} cannot be: {reason}" for name, reason in impossible[:FAILURES]]
    told += [f"{len(impossible) - FAILURES} cells more cannot be"] if len(impossible) > FAILURES else []
    st.markdown("\n".join(f"* {literal(line)}" for line in told))
    if table := tables.failures(reading):
        _table(table)


if __name__ == "__main__":
    page(show)
