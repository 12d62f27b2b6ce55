"""The store's three tables: a study has trials, a trial has epochs. Times are unix seconds by the database's clock.

The names never meet Optuna's (`studies`, `trials`, `alembic_version`). A number that is not finite is stored as null.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

KINDS = ("search", "design")
STUDY_STATES = ("queued", "running", "complete", "failed", "cancelled", "paused")
PHASES = ("search", "design", "confirm", "tune", "raw")
TRIAL_STATES = ("queued", "running", "complete", "pruned", "failed", "infeasible", "cancelled")
FAILURE_KINDS = ("out_of_memory", "diverged", "timeout", "worker_lost", "error")


class now(FunctionElement[float]):  # noqa: N801 (it reads as the SQL function that it is)
    """The database's clock in unix seconds (UTC), to about a millisecond."""

    type = Double()
    inherit_cache = True


@compiles(now, "sqlite")
def _now_sqlite(element: now, compiler: Any, **options: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


@compiles(now, "postgresql")
def _now_postgresql(element: now, compiler: Any, **options: Any) -> str:
    return "CAST(extract(epoch FROM clock_timestamp()) AS DOUBLE PRECISION)"


def _one_of(column: str, allowed: tuple[str, ...], table: str) -> CheckConstraint:
    names = ", ".join(f"'{name}'" for name in allowed)
    return CheckConstraint(f"{column} IN ({names})", name=f"{table}_{column}")


def _json(name: str, nullable: bool = True) -> Column[Any]:
    return Column(name, JSON(none_as_null=True), nullable=nullable)


metadata = MetaData()

study = Table(
    "study",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("state", String, nullable=False),
    _json("spec", nullable=False),
    Column("yaml", Text, nullable=False),
    Column("fingerprint", String, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("metric", String, nullable=False),
    Column("direction", String, nullable=False),
    _json("provenance", nullable=False),
    _json("conclusion"),
    Column("note", Text),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("conductor_seconds", Double, nullable=False),
    _json("lease_holder"),
    Column("lease_token", Integer, nullable=False),
    Column("lease_until", Double),
    _json("baselines"),
    UniqueConstraint("name", name="study_name"),
    _one_of("kind", KINDS, "study"),
    _one_of("state", STUDY_STATES, "study"),
    _one_of("direction", ("maximize", "minimize"), "study"),
)

trial = Table(
    "trial",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", Integer, ForeignKey("study.id", name="trial_study"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("phase", String, nullable=False),
    Column("state", String, nullable=False),
    Column("cell", String),
    Column("replicate", Integer, nullable=False),
    Column("seed", BigInteger, nullable=False),
    _json("assignment", nullable=False),
    _json("blueprint", nullable=False),
    _json("recipe", nullable=False),
    Column("key", String),
    Column("repeat_of", Integer),
    Column("params", BigInteger),
    Column("macs", BigInteger),
    Column("activations", BigInteger),
    _json("costs"),
    Column("value", Double),
    _json("metrics"),
    _json("test_metrics"),
    Column("attempts", Integer, nullable=False),
    Column("failure_kind", String),
    Column("reason", Text),
    _json("place"),
    _json("brain"),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("finished_at", Double),
    Column("train_seconds", Double, nullable=False),
    _json("measured"),
    UniqueConstraint("study_id", "number", name="trial_number"),
    _one_of("phase", PHASES, "trial"),
    _one_of("state", TRIAL_STATES, "trial"),
    _one_of("failure_kind", FAILURE_KINDS, "trial"),
    Index("trial_key", "study_id", "key"),
)

epoch = Table(
    "epoch",
    metadata,
    Column("trial_id", Integer, ForeignKey("trial.id", name="epoch_trial"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    _json("metrics", nullable=False),
    Column("value", Double),
    Column("train_seconds", Double, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", Double, nullable=False),
)
