"""What several pages share: the way from page to page, the study that the URL names, sentences instead of errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

import streamlit as st

from dashboard import data
from dashboard.words import STATES, active, literal
from studies import screens, store
from studies.store import StoreError

Row = dict[str, Any]
EVERY = 2.0
"""Seconds between two looks at the store while something is under way."""
COMMAND = "archstudy run STUDY.yaml"


def link(page: str, label: str, icon: str = "", **query: str) -> None:
    """A link to a page with its state in the URL."""
    st.page_link(f"views/{page}.py", label=label, icon=icon, query_params=query)


def go(page: str, **query: str) -> NoReturn:
    """Open a page with its state in the URL."""
    st.switch_page(f"views/{page}.py", query_params=query)


def page(body: Callable[[str], None]) -> None:
    """Run a page's body with the store's URL; where the store cannot be used, one sentence and another try."""
    try:
        body(store.url())
    except StoreError as error:
        _unusable(str(error))


def _unusable(reason: str) -> None:
    nothing_yet(reason)

    def again() -> None:
        try:
            data.studies(store.url())
        except StoreError:
            return
        st.rerun()

    st.fragment(again, run_every=EVERY)()


def nothing_yet(reason: str) -> None:
    """The page of a store without studies: what to type."""
    st.title("archstudy")
    st.info(f"{literal(reason[:1].upper() + reason[1:])}.", icon=":material/inbox:")
    st.markdown("Start a study in the folder that this dashboard was started in; it appears here by itself:")
    st.code(COMMAND, language="sh")
    st.markdown("To look at the studies of another store, start the dashboard with its address:")
    st.code("ARCHSTUDY_STORE=sqlite:////path/to/archstudy.db archstudy dashboard", language="sh")


def chosen_study(url: str) -> Row | None:
    """The study that the URL names; None after a sentence has been written in its place."""
    name = st.query_params.get("study")
    study = data.study(url, name) if name else None
    if study is not None:
        return study
    known = [row["name"] for row in data.studies(url)]
    missing = f"There is no study named **{literal(name)}** in this store." if name else "The URL names no study."
    st.warning(
        f"{missing} {'Choose one of these:' if known else 'The store holds none yet.'}", icon=":material/search:"
    )
    for other in known[:20]:
        link("study", literal(other), study=other)
    link("studies", "All studies", ":material/arrow_back:")
    return None


def header(study: Row, here: str, trial: int | None = None) -> None:
    """The way back, the study's other pages, its name, kind and state."""
    with st.container(horizontal=True, gap="medium"):
        link("studies", "All studies", ":material/arrow_back:")
        if here != "study":
            link("study", "Trials and curves", ":material/show_chart:", study=study["name"])
        if study["kind"] == "design" and here != "design":
            link("design", "What the factors do", ":material/grid_on:", study=study["name"])
    title = study["name"] if trial is None else f"{study['name']}, trial {trial}"
    st.title(literal(title), anchor=False)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        badge(study)
        st.badge("design study" if study["kind"] == "design" else "search", color="gray")
        st.caption(literal(study["spec"].get("about") or ""))


def badge(study: Row) -> None:
    """The state as a colored word with an icon."""
    now = screens.state(study)
    color, icon = STATES.get(now, ("gray", ":material/help:"))
    st.badge(now, icon=icon, color=color)


def living(study: Row, body: Callable[[], None]) -> None:
    """Run a part of a page again and again while its study is under way."""
    st.fragment(body, run_every=EVERY if active(study) else None)()


def tiles(values: dict[str, tuple[str, str]]) -> None:
    """Numbers in a row of tiles that wraps on narrow screens: label -> (value, help)."""
    with st.container(horizontal=True, gap="small"):
        for label, (value, text) in values.items():
            st.metric(label, value, help=text or None, border=True, width="content")


def chart(drawn: Any, alt: str) -> None:
    """A chart as wide as its place, with a text for those who do not see it."""
    st.altair_chart(drawn, width="stretch", alt=alt)


def baselines(study: Row) -> None:
    """What simple methods come to on the same data, in a line."""
    for line in filter(None, screens.baselines(study)):
        st.caption(literal(line))
