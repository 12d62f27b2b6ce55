"""The driver with Ray Tune, on a real local Ray: the same trials as inline, lost workers, failures, slots."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from studies import inline, tune
from studies.candidate import Study
from studies.conductor import Conductor
from studies.progress import silent
from studies.run import run
from studies.store import Engine, connect, query

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]

Build = Callable[..., Study]
ASHA = {"sampler": "tpe", "pruner": {"kind": "asha", "min_epochs": 1, "eta": 2}}


def fake(name: str) -> dict[str, str]:
    return {"trainer": f"trainers:{name}", "evaluator": "trainers:measured"}


def through_ray(study: Study, engine: Engine, files: Path, watch: Any = silent, **config: Any) -> None:
    run(study, engine, files, partial(tune.drive, **config), watch)


def directly(study: Study, folder: Path, train: Any, evaluate: Any) -> Engine:
    engine = connect(f"sqlite:///{folder}/direct.db")
    run(study, engine, folder / "direct", partial(inline.drive, train=train, evaluate=evaluate), silent)
    return engine


def by_number(engine: Engine) -> dict[int, dict[str, Any]]:
    return {row["number"]: row for row in query.trials(engine, 1)}


def test_real_trials_are_those_of_the_inline_driver(tiny: Build, store: Engine, tmp_path: Path, outcome: Any) -> None:
    from worker.trainer import evaluate, train

    study = tiny(budget={"trials": 3}, confirm={"top": 1, "replicates": 2})
    through_ray(study, store, tmp_path / "files")
    assert outcome(store) == outcome(directly(study, tmp_path, train, evaluate))
    places = [row["place"] for row in query.trials(store, 1)]
    assert {place["device"] for place in places} == {"cpu"}
    assert len({place["pid"] for place in places}) == 1  # one process for all trials


def test_a_pruned_search_is_that_of_the_inline_driver(tiny: Build, store: Engine, tmp_path: Path, outcome: Any) -> None:
    import trainers

    study = tiny(search=ASHA, budget={"trials": 12}, recipe={"epochs": 4, "optimizer": {"kind": "sgd", "lr": "$lr"}})
    through_ray(study, store, tmp_path / "files", **fake("quick"))
    found = outcome(store)
    assert found == outcome(directly(study, tmp_path, trainers.quick, trainers.measured))
    assert "pruned" in {row["state"] for row in found["trials"]}


def test_a_design_uses_every_cpu(tiny: Build, store: Engine, tmp_path: Path, outcome: Any) -> None:
    import trainers

    live = []

    @contextmanager
    def counting(conductor: Conductor) -> Iterator[None]:
        conductor.on_change = lambda: live.append(len(conductor.live))
        yield

    study = tiny("design")
    through_ray(study, store, tmp_path / "files", counting, **fake("slow"))
    found, direct = outcome(store), outcome(directly(study, tmp_path, trainers.quick, trainers.measured))
    assert max(live) == 2
    assert found == direct


def test_a_search_takes_as_many_at_a_time_as_asked(tiny: Build, store: Engine, tmp_path: Path) -> None:
    live = []

    @contextmanager
    def counting(conductor: Conductor) -> Iterator[None]:
        conductor.on_change = lambda: live.append(len(conductor.live))
        yield

    through_ray(tiny(budget={"trials": 5, "parallel": 2}), store, tmp_path / "files", counting, **fake("slow"))
    assert max(live) == 2
    states = [(row["phase"], row["state"]) for row in query.trials(store, 1)]
    assert states == [("search", "complete")] * 5 + [("confirm", "complete")] * 4


def test_a_lost_process_costs_nothing_but_time(
    tiny: Build, store: Engine, tmp_path: Path, outcome: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    from worker.trainer import evaluate, train

    recipe = {"epochs": 3, "batch_size": 256, "optimizer": {"kind": "sgd", "lr": "$lr"}}
    study = tiny(budget={"trials": 2}, confirm={"top": 1, "replicates": 2}, recipe=recipe)
    through_ray(study, store, tmp_path / "files", trainer="trainers:dies_once")
    printed = capfd.readouterr()
    assert outcome(store) == outcome(directly(study, tmp_path, train, evaluate))
    assert [row["attempts"] for row in query.trials(store, 1)] == [2, 1, 1, 1]
    first = tmp_path / "files" / "checkpoints" / "1"
    assert (first / "trained").read_text() == "1 2 3 "  # the second attempt began behind the checkpoint of epoch 2
    assert printed.out == ""
    assert "Traceback" not in printed.err


def test_a_process_that_is_always_lost_fails_its_trial_alone(tiny: Build, store: Engine, tmp_path: Path) -> None:
    through_ray(tiny(budget={"trials": 3}), store, tmp_path / "files", **fake("second_dies"))
    row = by_number(store)[1]
    assert (row["state"], row["failure_kind"], row["attempts"]) == ("failed", "worker_lost", 3)
    assert row["reason"] == "its worker process ended without a word"
    assert [row["state"] for row in query.trials(store, 1, phase="search")] == ["complete", "failed", "complete"]


def test_an_error_fails_its_trial_alone(tiny: Build, store: Engine, tmp_path: Path) -> None:
    through_ray(tiny(budget={"trials": 3}), store, tmp_path / "files", **fake("second_raises"))
    row, file = by_number(store)[1], tmp_path / "files" / "failures" / "tiny-1.txt"
    assert (row["state"], row["failure_kind"], row["attempts"]) == ("failed", "error", 1)
    assert row["reason"].startswith("KeyError: ")
    assert row["reason"].endswith(f" (see {file})")
    assert "in second_raises" in file.read_text()
    assert [row["state"] for row in query.trials(store, 1, phase="search")] == ["complete", "failed", "complete"]


def test_more_than_the_cluster_has(tiny: Build, store: Engine, tmp_path: Path) -> None:
    for asked, message in (
        ({"cpus": 64}, "a trial asks for 64 CPUs and this Ray has 2; lower resources.cpus"),
        ({"gpus": 0.5}, "a trial asks for 0.5 GPUs and this Ray has 0; lower resources.gpus"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            through_ray(tiny(resources=asked), store, tmp_path / "files")


def test_what_is_left_of_a_killed_run_is_removed(tiny: Build, store: Engine, tmp_path: Path) -> None:
    left = tmp_path / "files" / "scratch" / "1" / "tune" / "from before"
    left.mkdir(parents=True)
    through_ray(tiny(budget={"trials": 1}), store, tmp_path / "files", **fake("quick"))
    assert not left.parents[1].exists()


def test_an_error_of_the_conductor_ends_the_run_and_is_raised_as_it_is(
    tiny: Build, store: Engine, tmp_path: Path
) -> None:
    @contextmanager
    def failing(conductor: Conductor) -> Iterator[None]:
        def fail() -> None:
            if len(query.epochs(store, 1)) == 3:
                raise OSError("the disk is full")

        conductor.on_change = fail
        yield

    with pytest.raises(OSError, match=r"^the disk is full$"):
        through_ray(tiny(), store, tmp_path / "files", failing, **fake("quick"))
    assert len(query.epochs(store, 1)) == 3
    through_ray(tiny(), store, tmp_path / "files", **fake("quick"))
    assert len(query.trials(store, 1, states=("complete",))) == 8


def test_replicates_in_the_same_steps(tiny: Build, store: Engine, tmp_path: Path, outcome: Any) -> None:
    """Each epoch finds its trial, one that is lost leaves the others, and what is measured arrives whole."""
    import trainers

    study = tiny("design", resources={"cpus": 1, "gpus": 0, "together": 3})
    through_ray(study, store, tmp_path / "files", **fake("together"))
    found = outcome(store)
    assert found == outcome(directly(study, tmp_path, trainers.together, trainers.measured))
    rows = query.trials(store, 1)
    assert [row["id"] for row in rows if row["state"] == "failed"] == [1]
    assert all(row["measured"] == {"seen": [row["seed"]]} for row in rows if row["state"] == "complete")
    assert all(row["place"]["device"] == "cpu" for row in rows)
