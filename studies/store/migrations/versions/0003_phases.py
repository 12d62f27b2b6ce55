"""Two more phases of trials: those that tune a cell's nuisance variables, and those of cells as they stand."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

OLD = "phase IN ('search', 'design', 'confirm')"
NEW = "phase IN ('search', 'design', 'confirm', 'tune', 'raw')"


def upgrade() -> None:
    if op.get_bind().dialect.name == "sqlite":
        _in_place()
        return
    op.drop_constraint("trial_phase", "trial")
    op.create_check_constraint("trial_phase", "trial", NEW)


def _in_place() -> None:
    """A wider check changes no row, and SQLite's manual (ALTER TABLE, 7) then has the table's text edited.

    The other way, a copy of the table under its name, would need foreign keys off, which a transaction cannot do.
    """
    version = op.get_bind().exec_driver_sql("PRAGMA schema_version").scalar()
    assert isinstance(version, int)
    op.execute("PRAGMA writable_schema = ON")
    quoted = [text.replace("'", "''") for text in (OLD, NEW)]
    op.execute(f"UPDATE sqlite_master SET sql = replace(sql, '{quoted[0]}', '{quoted[1]}') WHERE name = 'trial'")
    op.execute(f"PRAGMA schema_version = {version + 1}")
    op.execute("PRAGMA writable_schema = OFF")
