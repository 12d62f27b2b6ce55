"""The first schema: study, trial, epoch."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_study()
    _create_trial()
    op.create_index("trial_key", "trial", ["study_id", "key"])
    _create_epoch()


def _create_study() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("yaml", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.String, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("metric", sa.String, nullable=False),
        sa.Column("direction", sa.String, nullable=False),
        sa.Column("provenance", sa.JSON, nullable=False),
        sa.Column("conclusion", sa.JSON),
        sa.Column("note", sa.Text),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("conductor_seconds", sa.Double, nullable=False),
        sa.Column("lease_holder", sa.JSON),
        sa.Column("lease_token", sa.Integer, nullable=False),
        sa.Column("lease_until", sa.Double),
        sa.UniqueConstraint("name", name="study_name"),
        sa.CheckConstraint("kind IN ('search', 'design')", name="study_kind"),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'complete', 'failed', 'cancelled', 'paused')", name="study_state"
        ),
        sa.CheckConstraint("direction IN ('maximize', 'minimize')", name="study_direction"),
    )


def _create_trial() -> None:
    op.create_table("trial", *_trial_columns(), *_trial_results(), *_trial_rules())


def _trial_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("study_id", sa.Integer, sa.ForeignKey("study.id", name="trial_study"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("phase", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("cell", sa.String),
        sa.Column("replicate", sa.Integer, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("assignment", sa.JSON, nullable=False),
        sa.Column("blueprint", sa.JSON, nullable=False),
        sa.Column("recipe", sa.JSON, nullable=False),
        sa.Column("key", sa.String),
        sa.Column("repeat_of", sa.Integer),
        sa.Column("params", sa.BigInteger),
        sa.Column("macs", sa.BigInteger),
        sa.Column("activations", sa.BigInteger),
        sa.Column("costs", sa.JSON),
    ]


def _trial_results() -> list[sa.Column[object]]:
    return [
        sa.Column("value", sa.Double),
        sa.Column("metrics", sa.JSON),
        sa.Column("test_metrics", sa.JSON),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failure_kind", sa.String),
        sa.Column("reason", sa.Text),
        sa.Column("place", sa.JSON),
        sa.Column("brain", sa.JSON),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.Column("started_at", sa.Double),
        sa.Column("finished_at", sa.Double),
        sa.Column("train_seconds", sa.Double, nullable=False),
    ]


def _trial_rules() -> list[sa.Constraint]:
    states = "'queued', 'running', 'complete', 'pruned', 'failed', 'infeasible', 'cancelled'"
    kinds = "'out_of_memory', 'diverged', 'timeout', 'worker_lost', 'error'"
    return [
        sa.UniqueConstraint("study_id", "number", name="trial_number"),
        sa.CheckConstraint("phase IN ('search', 'design', 'confirm')", name="trial_phase"),
        sa.CheckConstraint(f"state IN ({states})", name="trial_state"),
        sa.CheckConstraint(f"failure_kind IN ({kinds})", name="trial_failure_kind"),
    ]


def _create_epoch() -> None:
    op.create_table(
        "epoch",
        sa.Column("trial_id", sa.Integer, sa.ForeignKey("trial.id", name="epoch_trial"), primary_key=True),
        sa.Column("epoch", sa.Integer, primary_key=True),
        sa.Column("metrics", sa.JSON, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("train_seconds", sa.Double, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
