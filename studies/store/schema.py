"""The schema's version and its migrations. Alembic is imported only when there is something to migrate."""

from __future__ import annotations

from sqlalchemy import Connection, text

HEAD = "0003"
"""The newest migration, which is what this code reads and writes. Versions compare as text."""

VERSION_TABLE = "archstudy_version"


def version(connection: Connection) -> str | None:
    """The schema's version in this database, or None where archstudy has no tables."""
    if not connection.dialect.has_table(connection, VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar_one_or_none()
    return None if found is None else str(found)


def migrate(connection: Connection) -> None:
    """Bring the schema to HEAD inside the connection's transaction; of two at once, one waits and finds it done."""
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7212021)"))
    config = Config()
    config.set_main_option("script_location", "studies.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
