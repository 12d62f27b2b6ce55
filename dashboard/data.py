"""Cached reads of the store: plain rows that are at most a second or two old, one engine per store and process.

Every function takes the store's URL first: it is the cache's key, and the engine behind it is shared.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from studies import store
from studies.store import Engine, query

Row = dict[str, Any]
UNTRAINED = ("queued", "infeasible", "cancelled")
FRESH = 1.0  # seconds that a read may be old
SLOW = 20.0  # the same for reads that walk every epoch
SLIM: tuple[str, ...] = ("id", "number", "phase", "state", "cell", "replicate", "seed", "assignment", "params", "macs")
SLIM += ("activations", "value", "test_metrics", "failure_kind", "reason", "repeat_of", "train_seconds")
"""The columns of a trial that tables and charts need: without blueprint, recipe and brain."""


@st.cache_resource(show_spinner=False, max_entries=4)
def _engine(url: str) -> Engine:
    return store.connect(url, create=False)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=8)
def studies(url: str) -> list[Row]:
    """Every study, the newest first, with `total`: how many trials it will have trained."""
    engine = _engine(url)
    totals = query.totals(engine)
    return [row | {"total": totals.get(row["id"])} for row in query.studies(engine)]


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def study(url: str, name: str) -> Row | None:
    """One study, whole."""
    return query.find_study(_engine(url), name)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def progress(url: str, study_id: int, direction: str) -> Row:
    """How far a study is: counts by state, `counted`, `total`, the best trial, running ones, training time."""
    engine = _engine(url)
    counts: dict[str, int] = {}
    rows = query.counts(engine, study_id)
    for row in rows:
        counts[row["state"]] = counts.get(row["state"], 0) + row["trials"]
    best = query.leaders(engine, study_id, direction, 1)
    return {
        "counts": counts,
        "counted": sum(row["counted"] for row in rows),
        "total": query.totals(engine).get(study_id),
        "best": best[0] if best else None,
        "live": query.live(engine, study_id),
        "train_seconds": query.train_seconds(engine, study_id),
    }


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def analysed(url: str, study_id: int) -> list[Row]:
    """All trials of a design study with the columns that its analysis reads."""
    return query.analysed(_engine(url), study_id)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def latest(url: str, study_id: int, most: int) -> list[Row]:
    """The newest trials first."""
    return query.latest(_engine(url), study_id, SLIM, most)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def trial(url: str, study_id: int, number: int) -> Row | None:
    """One trial, whole."""
    return query.trial(_engine(url), study_id, number)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def epochs(url: str, study_id: int, trial_id: int) -> list[Row]:
    """One trial's epochs."""
    return query.epochs(_engine(url), study_id, [trial_id])


@st.cache_data(ttl=SLOW, show_spinner=False, max_entries=32)
def metric_names(url: str, study_id: int) -> list[str]:
    """What can be drawn over the epochs."""
    return query.metric_names(_engine(url), study_id)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def curves(url: str, study_id: int, metric: str, direction: str, lines: int) -> list[Row]:
    """Learning curves: of every trial where there are at most `lines`, else of the best ten and of those under way.

    `role` is "best", "running" or "other".
    """
    engine = _engine(url)
    best = query.leaders(engine, study_id, direction, 10)
    running = query.trials(engine, study_id, states=("running",), columns=("id", "number"))
    begun = sum(row["trials"] for row in query.counts(engine, study_id) if row["state"] not in UNTRAINED)
    ids = None if begun <= lines else [row["id"] for row in [*best, *running]]
    roles = {row["number"]: "running" for row in running} | {row["number"]: "best" for row in best[:1]}
    rows = query.curves(engine, study_id, metric, ids)
    return [row | {"role": roles.get(row["number"], "other")} for row in rows]


@st.cache_data(ttl=SLOW, show_spinner=False, max_entries=32)
def bands(url: str, study_id: int, metric: str) -> list[Row]:
    """The quantiles of a metric over all trials at each epoch."""
    return query.bands(_engine(url), study_id, metric)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def points(url: str, study_id: int, most: int) -> list[Row]:
    """Trials with a value and a cost, the many thinned out."""
    return query.points(_engine(url), study_id, most)


@st.cache_data(ttl=FRESH, show_spinner=False, max_entries=32)
def frontier(url: str, study_id: int, cost: str, direction: str) -> list[Row]:
    """Trials that nothing beats at the same or a lower cost."""
    return query.frontier(_engine(url), study_id, cost, direction)


def offline(url: str, name: str) -> str:
    """A study's report as one HTML file, made anew; drawing needs matplotlib, so it is loaded here and no earlier."""
    from studies.report.content import of_store
    from studies.report.html import html

    engine = _engine(url)
    row = query.find_study(engine, name)
    assert row is not None
    return html(of_store(engine, row, query.trials(engine, row["id"])))
