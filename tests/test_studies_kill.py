"""`kill -9` of everything that a run has started, at random moments, again and again: the study ends as if never.

Through the real command line and Ray. As a script: `python tests/test_studies_kill.py --kills 10 --parallel 2`.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from studies import store
from studies.store import query
from worker.job import Job
from worker.trainer import train

RUN = [sys.executable, "-m", "studies.cli", "run", "study.yaml", "--quiet"]
MARK = "ARCHSTUDY_TEST_RUN"
INTERRUPTED = "archstudy: interrupted; what was written stands, run the same command to go on\n"
LASTING = ("id", "number", "phase", "state", "seed", "assignment", "blueprint", "recipe", "value", "metrics", "macs")
LASTING += ("repeat_of", "cell", "replicate", "failure_kind")


def study(trials: int, parallel: int, epochs: int) -> dict[str, Any]:
    """A search whose trials take seconds, not milliseconds, with a checkpoint at every epoch."""
    stage = {"block": "plain", "repeat": 2, "kernel": 3, "norm": {"kind": "batch", "place": "before_activation"}}
    return {
        "apiVersion": "archstudy/v1",
        "kind": "Study",
        "name": "killed",
        "data": {"source": "digits"},
        "variables": {"width": {"int": [16, 40]}, "lr": {"float": [0.01, 0.3], "log": True}},
        "blueprint": {"stages": [{**stage, "width": "$width", "pool": {"size": 2}}, {**stage, "width": "2 * $width"}]},
        "search": {"sampler": "tpe", "pruner": {"kind": "asha", "min_epochs": 2, "eta": 2}},
        "budget": {"trials": trials, "parallel": parallel},
        "confirm": {"top": 1, "replicates": 2},
        "recipe": {"epochs": epochs, "batch_size": 32, "optimizer": {"kind": "sgd", "lr": "$lr"}},
        "resources": {"checkpoint_seconds": 0},
        "seed": 7,
    }


@dataclass
class Place:
    """A folder with a study file and a store. Every process that is started here carries the mark of the place."""

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def write(self, tree: dict[str, Any]) -> None:
        (self.folder / "study.yaml").write_text(json.dumps(tree))

    def start(self, *more: str) -> "subprocess.Popen[str]":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("ARCHSTUDY", "RAY_"))}
        return subprocess.Popen(
            [*RUN, *more],
            cwd=self.folder,
            env={**environment, MARK: self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # As from a terminal: where the tests themselves run in the background, a shell has Ctrl-C ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )

    @cached_property
    def engine(self) -> store.Engine:
        return store.connect(f"sqlite:///{self.folder}/archstudy.db")

    def rows(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The trials and the epochs that stand in the store."""
        return query.trials(self.engine, 1, columns=LASTING), query.epochs(self.engine, 1)

    def study(self) -> dict[str, Any]:
        found = query.find_study(self.engine, "killed")
        assert found is not None
        return found

    def processes(self) -> list[int]:
        """Everything alive that this place has started, daemons and orphans too."""
        return [pid for pid in _pids() if _carries(pid, f"{MARK}={self.mark}")]

    def kill(self, generator: random.Random) -> int:
        """`kill -9` of all of it in any order, until nothing is left; how many there were at first."""
        first = victims = self.processes()
        deadline = time.monotonic() + 20
        while victims:
            assert time.monotonic() < deadline, f"{victims} do not end"
            for pid in generator.sample(victims, len(victims)):
                _send(pid, signal.SIGKILL)
            time.sleep(0.02)
            victims = self.processes()
        return len(first)


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit())


def _carries(pid: int, mark: str) -> bool:
    try:
        return mark.encode() in Path(f"/proc/{pid}/environ").read_bytes()  # empty for one that has ended
    except OSError:
        return False


def _send(pid: int, what: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, what)


def new_epochs(place: Place, process: "subprocess.Popen[str]", more: int = 1) -> float:
    """Seconds until there are so many epoch rows that were not there."""
    start, before = time.monotonic(), len(place.rows()[1])
    while len(place.rows()[1]) < before + more:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() - start < 120, "no epoch in two minutes"
        time.sleep(0.02)
    return time.monotonic() - start


def killed(place: Place, kills: int, generator: random.Random) -> dict[str, Any]:
    """Run, kill, run, ... and at last run to the end; what is said of it.

    A kill comes a random number of epochs after a run's first new one; one in five hits its start.
    """
    most = least_epochs(place) // (kills - kills // 5) - 4
    shown: dict[int, dict[str, Any]] = {}
    seconds, log = [], []
    for number in range(1, kills + 1):
        process, started = place.start(), time.monotonic()
        if number % 5:
            seconds.append(new_epochs(place, process))
            new_epochs(place, process, generator.randint(most // 2, most))
        time.sleep(generator.uniform(0, 0.2 if number % 5 else 3.0))
        trials, epochs = place.rows()
        shown = still_standing(shown, trials)
        assert process.poll() is None, process.communicate()
        count, at = place.kill(generator), time.monotonic() - started
        process.communicate()
        log.append(
            f"kill {number} after {at:.1f} s: {count} processes, {len(shown)} complete, {len(epochs)} epochs shown"
        )
    process = place.start()
    seconds.append(new_epochs(place, process))
    printed, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    still_standing(shown, place.rows()[0])
    return {"log": log, "seconds": seconds, "printed": printed}


def least_epochs(place: Place) -> int:
    """What the study trains if all trials but the first are pruned at once."""
    tree = json.loads((place.folder / "study.yaml").read_text())
    return int(3 * tree["recipe"]["epochs"] + 2 * (tree["budget"]["trials"] - 1))


def still_standing(shown: dict[int, dict[str, Any]], trials: list[dict[str, Any]]) -> dict[int, dict[str, Any]]:
    """What was ever shown complete is there, once, with the same numbers; with what is complete now."""
    rows = {row["number"]: row for row in trials}
    assert len(rows) == len(trials)
    for number, row in shown.items():
        assert rows[number] == row, f"trial {number} was shown complete and is another now"
    return {row["number"]: row for row in trials if row["state"] == "complete"}


def check_budget(place: Place, trials: int) -> None:
    """The budget exactly, every network once, and a winner."""
    rows, _ = place.rows()
    ended = place.study()
    assert (ended["state"], ended["lease_holder"]) == ("complete", None)
    assert ended["conclusion"]["kind"] == "winner"
    searched = [row for row in rows if row["phase"] == "search" and row["repeat_of"] is None]
    assert len(searched) == trials
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    assert len({json.dumps(row["assignment"], sort_keys=True) for row in searched}) == trials
    assert len([row for row in rows if row["phase"] == "confirm" and row["state"] == "complete"]) == 2


def check_numbers(place: Place) -> int:
    """Every trial's epochs are, bit for bit, those of the same job trained anew without interruption; how many."""
    rows, epochs = place.rows()
    tree = place.study()["spec"]
    for row in rows:
        standing = [one["metrics"] for one in epochs if one["number"] == row["number"]]
        with tempfile.TemporaryDirectory() as folder:
            parts = (row["id"], row["blueprint"], row["recipe"], tree["data"], tree["task"], row["seed"])
            fresh = [told.metrics for told, _ in zip(train(Job(*parts, folder)), standing, strict=False)]
        assert fresh == standing, f"trial {row['number']} has other numbers than a fresh training"
    return len(epochs)


def check_same(place: Place, other: Place) -> None:
    """Rows, epochs and winner of two runs of one study."""
    assert place.rows() == other.rows()
    assert place.study()["conclusion"] == other.study()["conclusion"]


def uninterrupted(folder: Path, tree: dict[str, Any]) -> Place:
    place = Place(folder)
    folder.mkdir()
    place.write(tree)
    process = place.start("--inline")
    assert process.communicate(timeout=300)[1] == ""
    return place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    one = Place(tmp_path / "run")
    one.folder.mkdir()
    yield one
    one.kill(random.Random(0))
    one.engine.dispose()


@pytest.mark.ray
def test_three_kills(place: Place, tmp_path: Path) -> None:
    tree = study(trials=4, parallel=1, epochs=8)
    place.write(tree)
    told = killed(place, 3, random.Random(3))
    check_budget(place, 4)
    check_same(place, uninterrupted(tmp_path / "whole", tree))
    again = place.start()
    printed, errors = again.communicate(timeout=60)
    assert (again.returncode, printed) == (0, told["printed"])
    assert errors == "killed is complete; nothing was done (raise its budget to go on)\n"


@pytest.mark.ray
def test_an_interrupted_run_leaves_nothing_behind(place: Place) -> None:
    """Ctrl-C, which a terminal sends to the whole group, and then SIGTERM, which a service manager sends to one."""
    place.write(study(trials=20, parallel=1, epochs=50))
    for send, what in ((os.killpg, signal.SIGINT), (os.kill, signal.SIGTERM)):
        process = place.start()
        new_epochs(place, process)
        send(process.pid, what)
        printed, errors = process.communicate(timeout=60)
        assert (process.returncode, printed, errors) == (130, "", INTERRUPTED)
        ended = place.study()
        assert (ended["lease_holder"], ended["leased"]) == (None, False)
        assert not list((place.folder / "archstudy.files" / "scratch").iterdir())
        assert gone(place), place.processes()


def gone(place: Place) -> bool:
    deadline = time.monotonic() + 10
    while (left := place.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not left


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=24, help="of a trial (default: 24)")
    parser.add_argument("--parallel", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place, tree = Place(Path(folder) / "run"), study(asked.trials, asked.parallel, asked.epochs)
        place.folder.mkdir()
        place.write(tree)
        try:
            told = killed(place, asked.kills, random.Random(asked.seed))
        finally:
            place.kill(random.Random(0))
        print(*told["log"], sep="\n")
        check_budget(place, asked.trials)
        print(f"the budget is met exactly: {asked.trials} trials, each once; all that was shown complete stands")
        if asked.parallel == 1:
            check_same(place, uninterrupted(Path(folder) / "whole", tree))
            print("all rows, epochs and the winner are those of an uninterrupted run, bit for bit")
        print(f"{check_numbers(place)} epochs are those of fresh trainings of the same jobs, bit for bit")
        fresh, *again = (round(one, 1) for one in told["seconds"])
        print(f"seconds to the first new epoch: {fresh} of a fresh start, {again} after kills")


if __name__ == "__main__":
    main()
