"""Where the store is, and how to connect to it: SQLite for one machine, PostgreSQL for many."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError

from studies.store import schema
from studies.store.encode import dumps
from studies.store.errors import StoreError, explain, shown

_NETWORK = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "lustre", "gpfs", "beegfs", "afs", "fuse.sshfs"}
_NETWORK |= {"fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone"}


def url() -> str:
    """The store's URL with an absolute path: ARCHSTUDY_STORE, or `archstudy.db` in the current folder."""
    return _parse(os.environ.get("ARCHSTUDY_STORE") or "sqlite:///archstudy.db").render_as_string(hide_password=False)


def files_folder(store: str) -> Path:
    """Where checkpoints and bundles live (absolute): ARCHSTUDY_FILES, or `<stem>.files` beside the SQLite file."""
    if chosen := os.environ.get("ARCHSTUDY_FILES"):
        return Path(chosen).expanduser().absolute()
    parsed = _parse(store)
    return _file(parsed).with_suffix(".files") if _is_sqlite(parsed) else Path("archstudy.files").absolute()


def connect(store: str, create: bool = True) -> Engine:
    """An engine on a store whose schema is this code's; SQLite is created (if `create`) and migrated by itself."""
    parsed = _parse(store)
    if _is_sqlite(parsed):
        _check_file(_file(parsed), create)
    engine = _engine(parsed)
    try:
        _check_schema(engine, create)
    except BaseException:
        engine.dispose()
        raise
    return engine


def upgrade(store: str) -> None:
    """Create the schema, or bring it to this code's version."""
    parsed = _parse(store)
    if _is_sqlite(parsed):
        _check_file(_file(parsed), create=True)
    engine = _engine(parsed)
    try:
        _migrate(engine)
    finally:
        engine.dispose()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One writing transaction; on SQLite it takes the write lock at once, so that it never fails half-way."""
    with engine.connect().execution_options(immediate=True) as connection, connection.begin():
        yield connection


def _parse(store: str) -> URL:
    try:
        parsed = make_url(re.sub("^postgres:", "postgresql:", store))
    except (ArgumentError, ValueError):
        raise StoreError(
            "ARCHSTUDY_STORE is no URL; write sqlite:///<path> or postgresql://<user>:<password>@<host>/<database>"
        ) from None
    if _is_sqlite(parsed):
        return URL.create("sqlite", database=str(_file(parsed)))
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    raise StoreError(f"a store cannot be kept in {parsed.get_backend_name()!r}; use sqlite:///<path> or postgresql://")


def _is_sqlite(parsed: URL) -> bool:
    return parsed.get_backend_name() == "sqlite"


def _file(parsed: URL) -> Path:
    if parsed.database in (None, "", ":memory:"):
        raise StoreError("a store must be a file, not SQLite's memory; write sqlite:///<path>")
    return Path(str(parsed.database)).expanduser().absolute()


def _check_file(file: Path, create: bool) -> None:
    if not create and not file.exists():
        raise _no_store(str(file))
    if not file.parent.is_dir():
        raise StoreError(f"the folder {str(file.parent)!r} does not exist; create it or correct ARCHSTUDY_STORE")
    if kind := network_file_system(file):
        raise StoreError(f"SQLite is not safe on {kind}, where {file} is; use a local disk or PostgreSQL")


def network_file_system(file: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The kind of the network file system that holds the file, as far as the mount table tells (Linux)."""
    place, found = file.resolve(), (Path("/"), "")
    for line in mounts.read_text(errors="replace").splitlines() if mounts.exists() else ():
        point, kind = line.split()[1:3]
        mounted = Path(point.replace("\\040", " "))
        if place.is_relative_to(mounted) and len(mounted.parts) >= len(found[0].parts):
            found = mounted, kind
    return found[1] if found[1] in _NETWORK else None


def _engine(parsed: URL) -> Engine:
    try:
        engine = create_engine(parsed, json_serializer=dumps, **_options(parsed))
    except ImportError as error:
        raise StoreError(f"PostgreSQL needs its driver ({error}); pip install 'archstudy[postgres]'") from None
    event.listen(engine, "handle_error", explain, retval=True)
    if _is_sqlite(parsed):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _options(parsed: URL) -> dict[str, Any]:
    if _is_sqlite(parsed):
        return {"connect_args": {"timeout": 30}}
    return {"pool_pre_ping": True, "connect_args": {} if "connect_timeout" in parsed.query else {"connect_timeout": 10}}


def _prepare_sqlite(connection: Any, record: object) -> None:
    connection.isolation_level = None  # the driver opens no transactions of its own: `_begin_sqlite` does
    for pragma in ("foreign_keys = ON", "synchronous = NORMAL", "journal_mode = WAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    immediate = connection.get_execution_options().get("immediate")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


def _check_schema(engine: Engine, create: bool) -> None:
    with engine.connect() as connection:
        found = schema.version(connection)
    if found == schema.HEAD:
        return
    if not _is_sqlite(engine.url):
        _refuse_newer(engine, found)
        state = "holds no archstudy tables" if found is None else f"has the old schema {found}"
        raise StoreError(f"{shown(engine.url)} {state}; run `archstudy db upgrade`")
    if found is None and not create:
        raise _no_store(shown(engine.url))
    _migrate(engine)


def _migrate(engine: Engine) -> None:
    with writing(engine) as connection:
        _refuse_newer(engine, schema.version(connection))
        schema.migrate(connection)


def _refuse_newer(engine: Engine, found: str | None) -> None:
    if found is not None and found > schema.HEAD:
        raise StoreError(
            f"{shown(engine.url)} has schema {found}, newer than our {schema.HEAD}; install a newer archstudy"
        )


def _no_store(name: str) -> StoreError:
    return StoreError(f"no store at {name}; run a study first or set ARCHSTUDY_STORE")
