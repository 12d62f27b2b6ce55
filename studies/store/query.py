"""All reading, for the conductor, the command line and the dashboard: plain rows, aggregated in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, case, func, select

from studies.store import tables as t

Row = dict[str, Any]

COUNTED = ("complete", "pruned", "failed")
"""The states that `budget.trials` counts, unless the trial repeats another's result."""

_LISTED = ("id", "name", "kind", "state", "metric", "direction", "note", "created_at", "started_at", "finished_at")


def find_study(engine: Engine, name: str) -> Row | None:
    """The whole row of the study of this name, and `leased`: whether a conductor's lease has not run out."""
    rows = _rows(engine, select(t.study, _leased()).where(t.study.c.name == name))
    return rows[0] if rows else None


def studies(engine: Engine) -> list[Row]:
    """Every study, the newest first: `counts` by state, `counted` trials, `best` value, `last_activity`, `leased`."""
    columns = [t.study.c[name] for name in _LISTED] + [t.study.c.conductor_seconds, _leased(), _best(), _counted()]
    by_state = [_count(t.trial.c.state == state).label(f"count_{state}") for state in t.TRIAL_STATES]
    times = [func.max(t.trial.c.started_at).label("last_start"), func.max(t.trial.c.finished_at).label("last_end")]
    joined = t.study.outerjoin(t.trial, t.trial.c.study_id == t.study.c.id)
    listed = select(*columns, *by_state, *times).select_from(joined)
    return [_summary(row) for row in _rows(engine, listed.group_by(t.study.c.id).order_by(t.study.c.id.desc()))]


def trials(
    engine: Engine,
    study_id: int,
    phase: str | None = None,
    states: Sequence[str] | None = None,
    columns: Sequence[str] | None = None,
) -> list[Row]:
    """Trials in the order of their numbers; `columns` leaves out what is large (blueprint, recipe, brain)."""
    wanted = select(*(t.trial.c[name] for name in columns or t.trial.c.keys())).where(t.trial.c.study_id == study_id)
    wanted = wanted if phase is None else wanted.where(t.trial.c.phase == phase)
    wanted = wanted if states is None else wanted.where(t.trial.c.state.in_(states))
    return _rows(engine, wanted.order_by(t.trial.c.number))


def trial(engine: Engine, study_id: int, number: int) -> Row | None:
    """One trial, whole."""
    rows = _rows(engine, select(t.trial).where(t.trial.c.study_id == study_id, t.trial.c.number == number))
    return rows[0] if rows else None


def by_key(engine: Engine, study_id: int, key: str, states: Sequence[str] = ("complete", "pruned")) -> Row | None:
    """The first trial of this identity that was trained itself and is in one of these states."""
    same = select(t.trial).where(t.trial.c.study_id == study_id, t.trial.c.key == key)
    same = same.where(t.trial.c.repeat_of.is_(None), t.trial.c.state.in_(states))
    rows = _rows(engine, same.order_by(t.trial.c.number).limit(1))
    return rows[0] if rows else None


def queued(engine: Engine, study_id: int) -> list[Row]:
    """The trials that wait, the first one first."""
    return trials(engine, study_id, states=("queued",))


def epochs(engine: Engine, study_id: int, trial_ids: Sequence[int] | None = None) -> list[Row]:
    """(trial_id, number, epoch, value, metrics) of all trials or of these, in order."""
    columns = (t.epoch.c.trial_id, t.trial.c.number, t.epoch.c.epoch, t.epoch.c.value, t.epoch.c.metrics)
    wanted = select(*columns).join_from(t.epoch, t.trial).where(t.trial.c.study_id == study_id)
    wanted = wanted if trial_ids is None else wanted.where(t.trial.c.id.in_(trial_ids))
    return _rows(engine, wanted.order_by(t.trial.c.number, t.epoch.c.epoch))


def rung(engine: Engine, study_id: int, epoch: int) -> list[float]:
    """The values that search trials had at one epoch, those that are numbers."""
    of_search = (t.trial.c.study_id == study_id, t.trial.c.phase == "search")
    at_epoch = (t.epoch.c.epoch == epoch, t.epoch.c.value.is_not(None))
    wanted = select(t.epoch.c.value).join_from(t.epoch, t.trial).where(*of_search, *at_epoch)
    with engine.connect() as connection:
        return list(connection.execute(wanted).scalars())


def best(engine: Engine, study_id: int) -> float | None:
    """The best value of a complete trial of the search or the design, by the study's direction."""
    wanted = select(_best()).select_from(t.study.join(t.trial)).where(t.study.c.id == study_id).group_by(t.study.c.id)
    rows = _rows(engine, wanted)
    return rows[0]["best"] if rows else None


def counts(engine: Engine, study_id: int) -> list[Row]:
    """(phase, state, trials, counted) for every phase and state that there is."""
    groups = (t.trial.c.phase, t.trial.c.state)
    counted = select(*groups, func.count().label("trials"), _counted()).where(t.trial.c.study_id == study_id)
    return _rows(engine, counted.group_by(*groups).order_by(*groups))


def _rows(engine: Engine, wanted: Select[Any]) -> list[Row]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(wanted).mappings()]


def _leased() -> ColumnElement[bool]:
    return func.coalesce(t.study.c.lease_until > t.now(), False).label("leased")


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _counted() -> ColumnElement[int]:
    return _count(t.trial.c.state.in_(COUNTED) & t.trial.c.repeat_of.is_(None)).label("counted")


def _best() -> ColumnElement[float]:
    """Over complete trials of the search or the design: confirming runs are another question."""
    value = case(((t.trial.c.state == "complete") & (t.trial.c.phase != "confirm"), t.trial.c.value))
    return case((t.study.c.direction == "maximize", func.max(value)), else_=func.min(value)).label("best")


def _summary(row: Row) -> Row:
    times = [row["created_at"], row["finished_at"], row.pop("last_start"), row.pop("last_end")]
    by_state = {state: row.pop(f"count_{state}") for state in t.TRIAL_STATES}
    return {**row, "counts": by_state, "last_activity": max(time for time in times if time is not None)}
