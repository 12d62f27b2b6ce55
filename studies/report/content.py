"""From a study's rows to a Document: what was asked, what came out, and all that is needed to judge and repeat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from studies.analysis.reading import read
from studies.analysis.results import Reading
from studies.candidate import Study
from studies.load import stored
from studies.report import designed, ending, searched
from studies.report.blocks import Block, Document
from studies.store import Engine, query
from studies.verdict import verdict
from studies.verdict.words import counted

Row = Mapping[str, Any]


def report(study: Study, row: Row, trials: Sequence[Row], epochs: Sequence[Row]) -> Document:
    """The report of a study at any time; `epochs` are those of `curve_trials`."""
    if study.spec.search:
        return searched_document(study, row, trials, epochs)
    reading = read(study.spec, [dict(trial) for trial in trials], study.facts.train)
    return designed_document(study, row, trials, epochs, reading, verdict(study.spec, reading, study.facts.validation))


def of_store(engine: Engine, row: Row, trials: Sequence[Row]) -> Document:
    """The report of a study as it stands in the store."""
    study = stored(row)
    return report(study, row, trials, query.epochs(engine, row["id"], curve_trials(study, trials)))


def curve_trials(study: Study, trials: Sequence[Row]) -> list[int]:
    """The ids of the trials whose learning curves are drawn, so that no others' epochs need to be read."""
    groups = searched.curve_groups(study, trials) if study.spec.search else designed.curve_groups(trials)[0]
    return [one for ids in groups.values() for one in ids]


def designed_document(
    study: Study, row: Row, trials: Sequence[Row], epochs: Sequence[Row], reading: Reading, sentences: Sequence[str]
) -> Document:
    """A design study's report, given what its rows say and the verdict in sentences."""
    told = [one.replace("+-", "±") for one in sentences]
    blocks = designed.blocks(study, row, trials, epochs, reading, told)
    return _document(study, row, trials, blocks)


def searched_document(study: Study, row: Row, trials: Sequence[Row], epochs: Sequence[Row]) -> Document:
    """A search's report."""
    return _document(study, row, trials, searched.blocks(study, row, trials, epochs))


def _document(study: Study, row: Row, trials: Sequence[Row], blocks: Sequence[Block]) -> Document:
    every = (*blocks, *ending.blocks(study, row, trials))
    return Document(row["name"], study.spec.about, facts(row, trials), tuple(every))


def facts(row: Row, trials: Sequence[Row]) -> str:
    """Kind, state, trials by state, and when: nothing but what the store holds, so that a report can be repeated."""
    kind = "search" if row["kind"] == "search" else "design study"
    state = "interrupted" if row["state"] == "running" and not row.get("leased") else row["state"]
    counts = Counter(trial["state"] for trial in trials)
    told = ", ".join(f"{many:,} {name}" for name, many in counts.most_common()) or "none yet"
    return f"{kind}, {state}; trials: {told}; {_when(row)}." + (f" {row['note']}" if row["note"] else "")


def _when(row: Row) -> str:
    begun = _time(row["started_at"] or row["created_at"])
    hours = row["conductor_seconds"] / 3600
    seconds = round(row["conductor_seconds"])
    took = f"{hours:.1f} hours" if hours >= 1 else counted(seconds, "second")
    ended = f", ended {_time(row['finished_at'])}" if row["finished_at"] else ""
    return f"begun {begun}{ended} (UTC), {took} of work, metric {row['metric']} ({row['direction']})"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
