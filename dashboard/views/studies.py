"""The page of all studies: what each is, how far it is, what it has found."""

from __future__ import annotations

import time
from typing import Any

import streamlit as st

from dashboard import data
from dashboard.parts import EVERY, badge, link, nothing_yet, page
from dashboard.words import active, ago, literal, plural, shown

Row = dict[str, Any]
MOST = 30  # studies on the page; the box above narrows them down
MANY = 6  # beyond this many studies there is a box to search for a name


def show(url: str) -> None:
    """The list, which looks again by itself while a study is under way."""
    rows = data.studies(url)
    if not rows:
        nothing_yet("the store holds no study yet")
    else:
        st.title("Studies", anchor=False)
        _search_box(rows)
    st.fragment(_list, run_every=EVERY if not rows or any(map(active, rows)) else None)(url, len(rows))


def _search_box(rows: list[Row]) -> None:
    if len(rows) > MANY:
        st.text_input("Find a study", key="find", bind="query-params", placeholder="a part of its name")


def _list(url: str, before: int) -> None:
    rows = data.studies(url)
    if bool(rows) != bool(before):
        st.rerun()
    wanted = str(st.session_state.get("find") or "").strip().lower()
    found = [row for row in rows if wanted in row["name"].lower()]
    for row in found[:MOST]:
        _card(row)
    if len(found) > MOST:
        st.caption(f"and {plural(len(found) - MOST, 'older study').replace('studys', 'studies')}; search by name above")
    if rows and not found:
        st.caption(f"No study's name holds {literal(wanted)!r}.")


def _card(row: Row) -> None:
    """One study: its name leads to its page."""
    with st.container(border=True):
        name, state, progress, best = st.columns([5, 2, 4, 3], vertical_alignment="center", gap="medium")
        with name, st.container(gap=None):
            link("study", f"**{literal(row['name'])}**", study=row["name"])
            kind = "design study" if row["kind"] == "design" else "search"
            st.caption(f"{kind}, {ago(max(time.time() - row['last_activity'], 0))}")
        with state:
            badge(row)
        with progress:
            fraction, text = told(row)
            st.progress(fraction, text=text)
        with best, st.container(gap=None):
            st.markdown(f"**{shown(row['best'], row['metric'])}**", help=f"the best {row['metric']} of one trial")
            st.caption(f"best {literal(row['metric'])}")


def told(row: Row) -> tuple[float, str]:
    """The fraction that is done and the same in words; a complete study is full even if it ended early."""
    counted, total = row["counted"], row["total"]
    failed = f", {row['counts']['failed']} failed" if row["counts"]["failed"] else ""
    if not total:
        return float(row["state"] == "complete"), f"{plural(counted, 'trial')}{failed}"
    fraction = 1.0 if row["state"] == "complete" else min(counted / total, 1.0)
    return fraction, f"{counted:,} of {total:,} trials{failed}"


if __name__ == "__main__":
    page(show)
