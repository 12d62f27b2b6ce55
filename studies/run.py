"""Run a study to its end, or go on with it: the lease, the heartbeat, the driver, and what is said at the end."""

from __future__ import annotations

import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from studies import store
from studies.candidate import Study
from studies.conductor import Conductor
from studies.design.spec import Adaptive, DesignSpec
from studies.errors import Conflict
from studies.fingerprint import differences, fingerprint
from studies.store import Engine, LeaseHeld, StudyExists, Writer, query

Driver = Callable[[Conductor], None]
Watch = Callable[[Conductor], AbstractContextManager[Any]]
"""Around the driving of a conductor: the progress display."""
MORE = ("budget", "confirm", "design", "baselines")
"""The sections whose change may leave a complete study something to do."""
BEAT_SECONDS = 10.0
SILENT_SECONDS = 50.0
"""Without a confirmed beat for so long, a conductor stops itself: its lease of 60 s may be taken."""


@dataclass(frozen=True)
class Ended:
    """How a run ended: the study's row as it stands, and whether this run did anything at all."""

    study: dict[str, Any]
    worked: bool


def run(study: Study, engine: Engine, files: Path, drive: Driver, watch: Watch, pilot: bool = False) -> Ended:
    """Create the study or go on with it; nothing happens where it is complete and its budget has not grown.

    A `pilot` of a design study trains a few of its trials, to learn how noisy they are.
    """
    row, changed = enrol(study, engine)
    if row["state"] == "complete" and not changed:
        return Ended(row, worked=False)
    token = _acquire(engine, row["id"])
    writer = Writer(engine, row["id"], token)
    try:
        _conduct(Conductor(study, writer, files, pilot=pilot), writer, drive, watch)
    finally:
        store.release(engine, row["id"], token)
    ended = query.find_study(engine, study.spec.name)
    assert ended is not None
    return Ended(ended, worked=True)


def enrol(study: Study, engine: Engine) -> tuple[dict[str, Any], bool]:
    """The study's row, created if the name is new, and whether what may change did; a Conflict names what may not."""
    name = study.spec.name
    row = query.find_study(engine, name)
    if row is None:
        try:
            store.create_study(engine, **_first_row(study))
        except StudyExists:
            return enrol(study, engine)  # another process was quicker
        row = query.find_study(engine, name)
        assert row is not None
        return row, False
    _must_be_the_same(study, row)
    return row, any(row["spec"].get(part) != study.tree.get(part) for part in MORE)


def _first_row(study: Study) -> dict[str, Any]:
    return {
        "name": study.spec.name,
        "kind": "search" if study.spec.search else "design",
        "spec": study.tree,
        "yaml": study.text,
        "fingerprint": fingerprint(study.tree),
        "seed": study.spec.seed,
        "metric": study.spec.objective.target,
        "direction": study.spec.objective.direction,
        "provenance": provenance(),
    }


def _must_be_the_same(study: Study, row: dict[str, Any]) -> None:
    if row["fingerprint"] != fingerprint(study.tree):
        changes = "\n  ".join(differences(row["spec"], study.tree))
        raise Conflict(
            f"the store holds another study named {study.spec.name!r} (its fingerprint is {row['fingerprint']}, this "
            f"file's {fingerprint(study.tree)}); give this one another name, or undo the differences:\n  {changes}"
        )
    if study.spec.design:
        _replicates_may_rise(DesignSpec.model_validate(row["spec"]["design"]), study.spec.design)


def _replicates_may_rise(old: DesignSpec, new: DesignSpec) -> None:
    if old.least > new.least:
        raise Conflict(f"design.replicates may rise but not fall; it was {old.least}, write at least that")
    if isinstance(old.replicates, Adaptive) and isinstance(new.replicates, Adaptive) and old.least != new.least:
        raise Conflict(
            f"design.replicates.at_least is the first stage, whose spread decides; it was {old.least}, write that"
        )


def provenance() -> dict[str, Any]:
    """What made the numbers: our version, the libraries' and the machine's kind."""
    libraries = {}
    for name in ("archstudy", "torch", "ray", "optuna", "numpy", "sqlalchemy"):
        with suppress(PackageNotFoundError):
            libraries[name] = version(name)
    return {"versions": libraries, "python": platform.python_version(), "machine": platform.machine()}


def _acquire(engine: Engine, study_id: int) -> int:
    """The lease; where its holder may be alive elsewhere, wait once until it runs out, and say so."""
    try:
        return store.acquire(engine, study_id)
    except LeaseHeld as held:
        here = store.this_process()
        if all(held.holder.get(name) == here[name] for name in ("host", "machine")):
            raise Conflict(str(held)) from None
        print(f"{held}; waiting {held.seconds:.0f} s for its lease to run out", file=sys.stderr, flush=True)
        time.sleep(held.seconds + 1)
    try:
        return store.acquire(engine, study_id)
    except LeaseHeld as held:
        raise Conflict(str(held)) from None


def _conduct(conductor: Conductor, writer: Writer, drive: Driver, watch: Watch) -> None:
    writer.update_spec(conductor.study.tree, conductor.study.text)
    with _terminated_as_interrupted(), _heartbeat(writer), watch(conductor):
        drive(conductor)
    _finish(conductor, writer)


def _finish(conductor: Conductor, writer: Writer) -> None:
    """`complete` with its winner or verdict; `paused` where hours ran out or the pilot is done; else `failed`."""
    if conductor.outcome is not None:
        writer.finish_study("complete", conductor.outcome, conductor.note)
    else:
        state = "paused" if conductor.paused else "failed"
        writer.finish_study(state, None, conductor.note)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM (a service manager's stop, `docker stop`) ends a run as Ctrl-C does: tidily, to be gone on with."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _heartbeat(writer: Writer) -> Iterator[None]:
    """Beat every 10 s beside the driver, each beat with the time since the last one, so that a killed run counts too.

    After 50 s without a confirmed beat end this process: others may take over.
    """
    stop, last = threading.Event(), time.monotonic()

    def count() -> None:
        nonlocal last
        time_now = time.monotonic()
        writer.add_seconds(time_now - last)
        last = time_now

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            try:
                count()
            except store.LeaseLost as lost:
                _end_process(str(lost))
            except Exception as error:
                if time.monotonic() - last > SILENT_SECONDS:
                    _end_process(f"the store did not answer for {SILENT_SECONDS:.0f} s ({error}); run the study again")

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        count()


def _end_process(reason: str) -> None:
    """A conductor that may no longer write must not go on, whatever its main thread is waiting for."""
    print(f"archstudy: {reason}", file=sys.stderr, flush=True)
    os._exit(1)
