"""All reading, for the conductor, the command line and the dashboard: plain rows, aggregated in SQL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Engine, Select, case, func, select

from studies.store import tables as t

Row = dict[str, Any]

COUNTED = ("complete", "pruned", "failed")
"""The states that `budget.trials` counts, unless the trial repeats another's result."""

JUDGED = ("search", "design")
"""The phases whose trials compete with each other."""

ANALYSED: tuple[str, ...] = (
    *("phase", "cell", "replicate", "state", "assignment", "value", "metrics", "failure_kind", "reason"),
    *("params", "macs", "activations", "costs"),
)
"""The columns that the analysis of a design reads."""

_LISTED = ("id", "name", "kind", "state", "metric", "direction", "note", "created_at", "started_at", "finished_at")


def find_study(engine: Engine, name: str) -> Row | None:
    """The whole row of the study of this name, and `leased`: whether a conductor's lease has not run out."""
    rows = _rows(engine, select(t.study, _leased()).where(t.study.c.name == name))
    return rows[0] if rows else None


def commonest_failure(engine: Engine, study_id: int) -> str | None:
    """How many trained trials ended without a result, and the reason that most of them give."""
    columns = ("failure_kind", "reason")
    rows = [row for row in trials(engine, study_id, columns=columns) if row["failure_kind"]]
    if not rows:
        return None
    reasons = Counter(f"{row['failure_kind']}: {row['reason'].split(' (see ')[0]}" for row in rows)
    return f"{len(rows)} failed, most often with {reasons.most_common(1)[0][0]}"


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


def analysed(engine: Engine, study_id: int, more: Sequence[str] = ()) -> list[Row]:
    """What the analysis of a design reads of all trials, and `more` columns; `fit` is part of what was measured."""
    columns = [*(t.trial.c[name] for name in (*ANALYSED, *more)), t.trial.c.measured["fit"].label("fit")]
    return _rows(engine, select(*columns).where(t.trial.c.study_id == study_id).order_by(t.trial.c.number))


def trial(engine: Engine, study_id: int, number: int) -> Row | None:
    """One trial, whole."""
    rows = _rows(engine, select(t.trial).where(t.trial.c.study_id == study_id, t.trial.c.number == number))
    return rows[0] if rows else None


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
    """Over complete trials of the search or the design: others (confirming, tuning) answer other questions."""
    value = case(((t.trial.c.state == "complete") & t.trial.c.phase.in_(JUDGED), t.trial.c.value))
    return case((t.study.c.direction == "maximize", func.max(value)), else_=func.min(value)).label("best")


def _summary(row: Row) -> Row:
    times = [row["created_at"], row["finished_at"], row.pop("last_start"), row.pop("last_end")]
    by_state = {state: row.pop(f"count_{state}") for state in t.TRIAL_STATES}
    return {**row, "counts": by_state, "last_activity": max(time for time in times if time is not None)}


# ---- for screens: aggregated here, so that a page costs the same for ten trials and for ten thousand -----------------


def totals(engine: Engine) -> dict[int, int | None]:
    """Study id -> how many trials it will have trained at its end, as far as is known."""
    of_design = t.trial.c.phase.in_(("design", "tune", "raw"))
    designed = _count(of_design & (t.trial.c.state != "infeasible")).label("designed")
    spec = t.study.c.spec
    asked = [
        spec["budget"]["trials"].as_integer().label("trials"),
        spec["confirm"]["top"].as_integer().label("top"),
        spec["confirm"]["replicates"].as_integer().label("replicates"),
    ]
    joined = t.study.outerjoin(t.trial, t.trial.c.study_id == t.study.c.id)
    wanted = select(t.study.c.id, t.study.c.kind, *asked, designed).select_from(joined).group_by(t.study.c.id)
    return {row["id"]: _total(row) for row in _rows(engine, wanted)}


def live(engine: Engine, study_id: int, most: int = 12) -> list[Row]:
    """Trials under way: number, phase, assignment, seed, `epochs` of the recipe, and the last epoch with its value."""
    any_epoch = t.epoch.alias()
    last = select(func.max(any_epoch.c.epoch)).where(any_epoch.c.trial_id == t.trial.c.id).scalar_subquery()
    joined = t.trial.outerjoin(t.epoch, (t.epoch.c.trial_id == t.trial.c.id) & (t.epoch.c.epoch == last))
    columns = [t.trial.c[name] for name in ("number", "phase", "cell", "assignment", "seed", "started_at")]
    columns += [t.trial.c.recipe["epochs"].as_integer().label("epochs"), t.epoch.c.epoch, t.epoch.c.value]
    wanted = select(*columns).select_from(joined).where(t.trial.c.study_id == study_id, t.trial.c.state == "running")
    return _rows(engine, wanted.order_by(t.trial.c.number).limit(most))


def train_seconds(engine: Engine, study_id: int) -> float:
    """Seconds of training, summed over all epochs of all trials."""
    total = func.coalesce(func.sum(t.epoch.c.train_seconds), 0.0).label("total")
    wanted = select(total).join_from(t.epoch, t.trial).where(t.trial.c.study_id == study_id)
    return float(_rows(engine, wanted)[0]["total"])


def metric_names(engine: Engine, study_id: int) -> list[str]:
    """What the epochs of a study report, as the newest one has it."""
    wanted = select(t.epoch.c.metrics).join_from(t.epoch, t.trial).where(t.trial.c.study_id == study_id)
    rows = _rows(engine, wanted.order_by(t.epoch.c.at.desc()).limit(1))
    return sorted(rows[0]["metrics"]) if rows else []


def latest(engine: Engine, study_id: int, columns: Sequence[str], most: int) -> list[Row]:
    """The newest trials, the newest first."""
    wanted = select(*(t.trial.c[name] for name in columns)).where(t.trial.c.study_id == study_id)
    return _rows(engine, wanted.order_by(t.trial.c.number.desc()).limit(most))


def leaders(engine: Engine, study_id: int, direction: str, most: int) -> list[Row]:
    """(id, number, value) of the best complete trials of the search or the design, the best first."""
    wanted = select(t.trial.c.id, t.trial.c.number, t.trial.c.value).where(*_ranked(study_id))
    return _rows(engine, wanted.order_by(*_best_first(direction)).limit(most))


def curves(engine: Engine, study_id: int, metric: str, trial_ids: Sequence[int] | None = None) -> list[Row]:
    """(number, epoch, value) of one metric, of all trials or of these; what is not finite is left out."""
    value = t.epoch.c.metrics[metric].as_float()
    wanted = select(t.trial.c.number, t.epoch.c.epoch, value.label("value")).join_from(t.epoch, t.trial)
    wanted = wanted.where(t.trial.c.study_id == study_id, value.is_not(None))
    wanted = wanted if trial_ids is None else wanted.where(t.trial.c.id.in_(trial_ids))
    return _rows(engine, wanted.order_by(t.trial.c.number, t.epoch.c.epoch))


def bands(engine: Engine, study_id: int, metric: str) -> list[Row]:
    """(epoch, trials, low, middle, high): a metric's 10 %, 50 % and 90 % quantiles over all trials at each epoch."""
    value = t.epoch.c.metrics[metric].as_float()
    place = func.row_number().over(partition_by=t.epoch.c.epoch, order_by=value)
    many = func.count().over(partition_by=t.epoch.c.epoch)
    ranked = select(t.epoch.c.epoch, value.label("value"), place.label("place"), many.label("many"))
    ranked = ranked.join_from(t.epoch, t.trial).where(t.trial.c.study_id == study_id, value.is_not(None))
    of = ranked.subquery().c
    quantiles = [
        func.min(case((of.place * 100 >= of.many * percent, of.value))).label(name)
        for name, percent in (("low", 10), ("middle", 50), ("high", 90))
    ]
    return _rows(
        engine, select(of.epoch, func.max(of.many).label("trials"), *quantiles).group_by(of.epoch).order_by(of.epoch)
    )


def points(engine: Engine, study_id: int, most: int) -> list[Row]:
    """Trials with a value and a cost, `many` in all: beyond `most` the best half of that and a sample of the others."""
    names = ("id", "number", "phase", "state", "value", "params", "macs", "activations", "assignment", "seed")
    direction = select(t.study.c.direction).where(t.study.c.id == study_id).scalar_subquery()
    signed = case((direction == "maximize", -t.trial.c.value), else_=t.trial.c.value)
    place = func.row_number().over(order_by=(signed, t.trial.c.number)).label("place")
    ranked = select(*(t.trial.c[name] for name in names), place, func.count().over().label("many"))
    drawn = ranked.where(t.trial.c.study_id == study_id, t.trial.c.value.is_not(None), t.trial.c.macs.is_not(None))
    inner = drawn.subquery()
    of = inner.c
    step = of.many * 2 // most + 1
    wanted = select(inner).where((of.many <= most) | (of.place <= most // 2) | (of.place % step == 0))
    return _rows(engine, wanted.order_by(of.number))


def frontier(engine: Engine, study_id: int, cost: str, direction: str) -> list[Row]:
    """(number, cost, value) of complete trials that no other beats at the same or a lower cost, the cheapest first."""
    column, signed = t.trial.c[cost], t.trial.c.value if direction == "maximize" else -t.trial.c.value
    order = (column, signed.desc(), t.trial.c.number)
    before = func.max(signed).over(order_by=order, rows=(None, -1)).label("before")
    ranked = select(t.trial.c.number, column, t.trial.c.value, signed.label("signed"), before)
    of = ranked.where(*_ranked(study_id), column.is_not(None)).subquery().c
    kept = select(of.number, of[cost], of.value).where(of.before.is_(None) | (of.signed > of.before))
    return _rows(engine, kept.order_by(of[cost]))


def _ranked(study_id: int) -> tuple[ColumnElement[bool], ...]:
    complete = (t.trial.c.state == "complete", t.trial.c.value.is_not(None), t.trial.c.repeat_of.is_(None))
    return (t.trial.c.study_id == study_id, t.trial.c.phase.in_(JUDGED), *complete)


def _best_first(direction: str) -> tuple[ColumnElement[Any], ...]:
    value = t.trial.c.value
    return (value.desc() if direction == "maximize" else value, t.trial.c.macs, t.trial.c.number)


def _total(row: Row) -> int | None:
    if row["kind"] == "design":
        return int(row["designed"]) or None
    confirming = (row["top"] or 0) * (row["replicates"] or 0)
    return None if row["trials"] is None else int(row["trials"]) + int(confirming)
