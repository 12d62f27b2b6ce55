"""What earlier trials tell of a design that is planned: how noisy a value is, and how long a training takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from studies.analysis.cells import cells
from studies.analysis.power import residual
from studies.candidate import Study
from studies.fingerprint import fingerprint
from studies.store import Engine, query
from worker import datasource

Row = dict[str, Any]


@dataclass(frozen=True)
class Known:
    """The deviation of one seed's value, from how many degrees of freedom and whose trials; `rate` is seconds a MAC.

    Each is None where no trial tells it.
    """

    deviation: float | None = None
    freedom: int = 0
    source: str = ""
    rate: float | None = None
    timed: str = ""


UNKNOWN = Known()


def known(engine: Engine, study: Study) -> Known:
    """From this very study's trials if there are enough, else from the newest design study on the same data."""
    noise, freedom, source = None, 0, ""
    rate, timed = None, ""
    for row in _related(engine, study):
        rows = query.analysed(engine, row["id"], ("recipe", "train_seconds"))
        mine = "this study" if row["name"] == study.spec.name else f"the study {row['name']}"
        if rate is None and (speed := _rate(rows)):
            rate, timed = speed, mine
        if noise is None and row["kind"] == "design":
            compared = cells(rows, row["spec"]["design"]["factors"])
            found = residual(compared)
            if found and found.deviation:
                noise, freedom = found.deviation, found.freedom
                source = f"{sum(len(one.values) for one in compared)} trials of {mine}"
    return Known(noise, freedom, source, rate, timed)


def _related(engine: Engine, study: Study) -> list[Row]:
    """This study's row, then the others with the same data, task and metric, the newest first."""
    data, metric = datasource.identity(study.tree["data"]), study.spec.objective.target
    print_of = fingerprint(study.tree)
    found = []
    for one in query.studies(engine):
        row = query.find_study(engine, one["name"])
        if row and row["metric"] == metric and datasource.identity(row["spec"]["data"]) == data:
            found.append(row)
    return sorted(found, key=lambda row: (row["fingerprint"] != print_of, -row["id"]))


def _rate(rows: Sequence[Row]) -> float | None:
    """Seconds for a MAC of training: all time over all `train_macs` x epochs, of complete trials."""
    done = [row for row in rows if row["state"] == "complete" and row["train_seconds"] and row["costs"]]
    work = sum(row["costs"]["train_macs"] * row["recipe"]["epochs"] for row in done)
    return sum(row["train_seconds"] for row in done) / work if work else None
