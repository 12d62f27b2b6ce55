"""How Alembic runs our migrations: on the connection and in the transaction that `schema.migrate` hands over."""

from __future__ import annotations

from alembic import context

from studies.store.schema import VERSION_TABLE
from studies.store.tables import metadata


def migrate() -> None:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic runs this file; a plain import does nothing
    migrate()
