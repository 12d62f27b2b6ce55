"""All writing to a study: every transaction begins with the fenced heartbeat, so that a conductor that was replaced
writes nothing. Every method is one transaction of its own, or a part of the one whose connection it is given.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Engine, Update, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from studies.store import tables as t
from studies.store.connect import writing
from studies.store.encode import clean, dumps, finite
from studies.store.errors import LeaseLost, StudyExists

Row = dict[str, Any]
Written = Literal["new", "same", "different"]

UNFINISHED = ("queued", "running")
LEASE_SECONDS = 60.0
"""How long a study stays ours after each transaction."""

_NEW_STUDY = {"state": "queued", "lease_token": 0, "conductor_seconds": 0.0}
_NEW_TRIAL: dict[str, Any] = {column.name: None for column in t.trial.c if column.name not in ("id", "created_at")}
_NEW_TRIAL |= {"state": "queued", "replicate": 0, "attempts": 0, "train_seconds": 0.0}
_BEAT = {"lease_until": t.now() + LEASE_SECONDS}


def create_study(engine: Engine, **fields: Any) -> int:
    """A new row of `study` (queued, unless `state` says otherwise), by column names; its id."""
    row = {**_NEW_STUDY, **fields, "created_at": t.now()}
    try:
        with writing(engine) as connection:
            return int(connection.execute(insert(t.study).values(row).returning(t.study.c.id)).scalar_one())
    except IntegrityError:
        with engine.connect() as connection:
            if connection.execute(select(t.study.c.id).where(t.study.c.name == fields["name"])).first() is None:
                raise
        raise StudyExists(f"a study named {fields['name']!r} exists already; choose another name") from None


def request_state(engine: Engine, study_id: int, state: str, among: Sequence[str]) -> bool:
    """What others than the conductor may do (pause, cancel, resume): set the state if it is one of `among`.

    The conductor reads it from `Writer.beat`.
    """
    named = (t.study.c.id == study_id) & t.study.c.state.in_(among)
    with writing(engine) as connection:
        return connection.execute(update(t.study).where(named).values(state=state)).rowcount == 1


@dataclass(frozen=True)
class Writer:
    """The one hand that writes to a study, as long as `token` (from `acquire`) is the study's newest."""

    engine: Engine
    study_id: int
    token: int

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A transaction that is ours: it extends the lease, or raises LeaseLost before anything is written."""
        with writing(self.engine) as connection:
            self._beat(connection)
            yield connection

    def beat(self) -> str:
        """The heartbeat alone; returns the study's state, in which requests to pause or cancel arrive."""
        with writing(self.engine) as connection:
            return self._beat(connection)

    def add_trials(self, rows: Sequence[Mapping[str, Any]], connection: Connection | None = None) -> list[Row]:
        """New trials by column names (queued unless `state` says otherwise) with the next numbers, as they stand."""
        if not rows:
            return []
        last = select(func.coalesce(func.max(t.trial.c.number), -1)).where(t.trial.c.study_id == self.study_id)
        added = insert(t.trial).values(created_at=t.now()).returning(t.trial)
        with self._within(connection) as open_:
            first = open_.execute(last).scalar_one() + 1
            numbered = [
                {**_NEW_TRIAL, **row, "study_id": self.study_id, "number": number}
                for number, row in enumerate(rows, start=first)
            ]
            standing = [dict(row) for row in open_.execute(added, numbered).mappings()]
        return sorted(standing, key=lambda row: int(row["number"]))

    def start_trial(self, trial_id: int, place: Mapping[str, Any], connection: Connection | None = None) -> int:
        """A queued trial runs, or a running one runs anew elsewhere; the number of this attempt, from 1."""
        fields = {
            "state": "running",
            "place": place,
            "attempts": t.trial.c.attempts + 1,
            "started_at": func.coalesce(t.trial.c.started_at, t.now()),
        }
        with self._within(connection) as open_:
            started = self._unfinished([trial_id]).values(fields).returning(t.trial.c.attempts)
            attempt = open_.execute(started).scalar_one_or_none()
        assert attempt is not None, f"trial {trial_id} is finished, or of another study"
        return int(attempt)

    def set_place(self, trial_id: int, place: Mapping[str, Any], connection: Connection | None = None) -> None:
        """Where a running trial turned out to run: host, process, device."""
        with self._within(connection) as open_:
            open_.execute(self._unfinished([trial_id]).values(place=place))

    def write_epoch(
        self,
        trial_id: int,
        epoch: int,
        metrics: Mapping[str, float],
        value: float | None,
        train_seconds: float,
        attempt: int,
        connection: Connection | None = None,
    ) -> Written:
        """The epoch's row, once; where one stands it stays, and the answer says whether its numbers are the same."""
        row = {"trial_id": trial_id, "epoch": epoch, "metrics": metrics, "value": finite(value)}
        row |= {"train_seconds": train_seconds, "attempt": attempt}
        with self._within(connection) as open_:
            dialect = postgresql if open_.dialect.name == "postgresql" else sqlite
            added = dialect.insert(t.epoch).values(at=t.now()).on_conflict_do_nothing().returning(t.epoch.c.epoch)
            if open_.execute(added, row).first() is not None:
                return "new"
            here = (t.epoch.c.trial_id == trial_id) & (t.epoch.c.epoch == epoch)
            standing = open_.execute(select(t.epoch.c.metrics, t.epoch.c.value).where(here)).one()
        return "same" if standing == (json.loads(dumps(metrics)), row["value"]) else "different"

    def replace_epochs(self, trial_id: int, first: int, connection: Connection | None = None) -> None:
        """Make room from an epoch on for a trial that is under way and trains them again with other numbers.

        That happens where it goes on with other threads, another torch or another processor. Ended trials keep theirs.
        """
        unfinished = select(t.trial.c.id).where(t.trial.c.id == trial_id, t.trial.c.state.in_(("queued", "running")))
        here = t.epoch.c.trial_id.in_(unfinished) & (t.epoch.c.epoch >= first)
        with self._within(connection) as open_:
            open_.execute(delete(t.epoch).where(here))

    def finish_trial(
        self,
        trial_id: int,
        state: str,
        *,
        value: float | None = None,
        metrics: Mapping[str, float] | None = None,
        failure_kind: str | None = None,
        reason: str | None = None,
        repeat_of: int | None = None,
        brain: Mapping[str, Any] | None = None,
        measured: Mapping[str, Any] | None = None,
        connection: Connection | None = None,
    ) -> bool:
        """The trial's end, from queued or running; False if it had ended before: a finished row never changes.

        What is None of `repeat_of`, `brain` and `measured` stays as it is; `train_seconds` is the sum over its epochs.
        """
        assert state not in UNFINISHED, f"{state!r} is not an end"
        seconds = select(func.coalesce(func.sum(t.epoch.c.train_seconds), 0.0)).where(t.epoch.c.trial_id == trial_id)
        fields: dict[str, Any] = {"state": state, "value": finite(value), "metrics": metrics, "reason": clean(reason)}
        fields |= {"failure_kind": failure_kind, "finished_at": t.now(), "train_seconds": seconds.scalar_subquery()}
        further = {"repeat_of": repeat_of, "brain": brain, "measured": measured}
        fields |= {name: new for name, new in further.items() if new is not None}
        with self._within(connection) as open_:
            return open_.execute(self._unfinished([trial_id]).values(fields)).rowcount == 1

    def requeue(self, trial_ids: Iterable[int], connection: Connection | None = None) -> int:
        """Running trials wait again (their worker or their conductor is gone); how many did."""
        with self._within(connection) as open_:
            return open_.execute(self._unfinished(trial_ids).values(state="queued", place=None)).rowcount

    def set_test_metrics(
        self, trial_id: int, metrics: Mapping[str, float], connection: Connection | None = None
    ) -> bool:
        """The result on the test split, once; False if there was one."""
        locked = (t.trial.c.id == trial_id) & (t.trial.c.study_id == self.study_id) & t.trial.c.test_metrics.is_(None)
        with self._within(connection) as open_:
            return open_.execute(update(t.trial).where(locked).values(test_metrics=metrics)).rowcount == 1

    def set_baseline(self, name: str, told: Mapping[str, Any], connection: Connection | None = None) -> None:
        """What a baseline came to, beside those that stand."""
        with self._within(connection) as open_:
            here = t.study.c.id == self.study_id
            standing = open_.execute(select(t.study.c.baselines).where(here)).scalar_one() or {}
            open_.execute(update(t.study).where(here).values(baselines={**standing, name: told}))

    def finish_study(
        self,
        state: str,
        conclusion: Mapping[str, Any] | None = None,
        note: str | None = None,
        connection: Connection | None = None,
    ) -> None:
        """The study's end or pause, its winner or verdict, and in one sentence why it ended. The lease stays."""
        fields = {"state": state, "conclusion": conclusion, "note": clean(note), "finished_at": t.now()}
        self._set(fields, connection)

    def set_study_state(self, state: str, connection: Connection | None = None) -> None:
        """A study that goes on: not finished any more, and started, once and for all, when first running."""
        started = {"started_at": func.coalesce(t.study.c.started_at, t.now())} if state == "running" else {}
        self._set({"state": state, "note": None, "finished_at": None, **started}, connection)

    def update_spec(self, spec: Mapping[str, Any], yaml: str, connection: Connection | None = None) -> None:
        """The same study (its fingerprint stands) with another budget, confirmation, resources or about."""
        self._set({"spec": spec, "yaml": yaml}, connection)

    def add_seconds(self, seconds: float, connection: Connection | None = None) -> None:
        """More of the conductor's time, which `budget.hours` is compared with."""
        self._set({"conductor_seconds": t.study.c.conductor_seconds + seconds}, connection)

    def _beat(self, connection: Connection) -> str:
        ours = (t.study.c.id == self.study_id) & (t.study.c.lease_token == self.token)
        beaten = update(t.study).where(ours).values(_BEAT).returning(t.study.c.state)
        state = connection.execute(beaten).scalar_one_or_none()
        if state is None:
            raise LeaseLost("another process has taken this study over; nothing was written, and this run must end")
        return str(state)

    def _within(self, connection: Connection | None) -> AbstractContextManager[Connection]:
        return self.begin() if connection is None else nullcontext(connection)

    def _set(self, fields: Mapping[str, Any], connection: Connection | None) -> None:
        with self._within(connection) as open_:
            open_.execute(update(t.study).where(t.study.c.id == self.study_id).values(fields))

    def _unfinished(self, trial_ids: Iterable[int]) -> Update:
        named = t.trial.c.id.in_(list(trial_ids)) & (t.trial.c.study_id == self.study_id)
        return update(t.trial).where(named & t.trial.c.state.in_(UNFINISHED))
