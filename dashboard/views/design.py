"""The page of a design study: what each factor does, with intervals, every seed, what the cells cost, the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard import charts, data
from dashboard.parts import baselines, chart, chosen_study, header, living, page
from dashboard.words import literal, percent
from studies.analysis.reading import read
from studies.analysis.results import CellResult, Reading
from studies.design.spec import DesignSpec
from studies.load import stored
from studies.spec import StudySpec
from studies.verdict import verdict

Row = dict[str, Any]
IN_A_ROW = 3


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
    spec = StudySpec.model_validate(study["spec"])
    assert spec.design is not None
    factors, reading = spec.design.factors, read(spec, data.analysed(url, study["id"]))
    results = reading.cells
    drawn = charts.panels(results, factors, study["metric"])
    if not drawn:
        st.caption("No trial is complete yet; the chart appears with the first.")
        return
    _panels(drawn, factors, study["metric"], charts.cut(results, study["metric"]))
    _verdict(study, reading)
    baselines(study)
    _cells(study, spec.design, results)


def _panels(drawn: list[tuple[str, Any]], factors: list[str], metric: str, cut: bool) -> None:
    """The panels side by side, below each other on a phone; one vertical range for all."""
    st.subheader(literal(f"{metric} over {', '.join(factors)}"), anchor=False)
    for start in range(0, len(drawn), IN_A_ROW):
        group = drawn[start : start + IN_A_ROW]
        for column, (title, one) in zip(st.columns(len(group), gap="medium"), group, strict=True):
            with column:
                if title:
                    st.markdown(f"**{literal(title)}**")
                chart(one, f"{metric} over {factors[0]}{f', {title}' if title else ''}: means, intervals and seeds")
    end = "; bands are cut at 100 %." if cut else "."
    st.caption(f"Full dots: means. Open dots: every seed. Band: the mean's 95 % interval over the seeds{end}")


def _verdict(study: Row, reading: Reading) -> None:
    """The sentences that the data support; without its data set nothing is known of its validation part's size."""
    whole = stored(study)
    st.subheader("What these data say", anchor=False)
    st.markdown("\n".join(f"* {literal(line)}" for line in verdict(whole.spec, reading, whole.facts.validation)))


def _cells(study: Row, design: DesignSpec, results: Sequence[CellResult]) -> None:
    st.subheader("Cells", anchor=False)
    turned = design.match.turned if design.match else ()
    rows = [cell_row(result, turned) for result in results]
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
    }
    st.dataframe(rows, hide_index=True, column_config=configuration, height="content", placeholder="", alt="the cells")
    held = " and ".join(design.match.targets) if design.match else ""
    solved = f", by {literal(' and '.join(turned))}" if turned else ""
    st.caption(f"Held equal: {held}{solved}. The other costs are not held." if held else "No cost is held equal.")


def cell_row(result: CellResult, turned: Sequence[str]) -> Row:
    """A cell as a line of the table: levels, what was solved, mean and interval, every cost, why it has none."""
    told = result.estimate
    solved = {name: result.assignment.get(name) for name in turned}
    values = {"mean": told and told.mean, "half": (told and told.half_width) or None, "seeds": len(result.values)}
    failed = f"{len(result.failed)} failed" if result.failed else ""
    return {**result.levels, **solved, **values, **result.costs, "note": result.reason or failed}


if __name__ == "__main__":
    page(show)
