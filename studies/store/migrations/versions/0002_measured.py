"""What is measured once per trial, and a study's baselines."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("trial", sa.Column("measured", sa.JSON))
    op.add_column("study", sa.Column("baselines", sa.JSON))
