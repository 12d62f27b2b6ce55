"""The stages of a design study, from a table of results: tuning, unmatched cells, seeds by their spread, the pilot."""

import csv
import random
from collections import Counter
from collections.abc import Callable
from itertools import product
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from studies import inline
from studies.analysis.reading import read
from studies.candidate import Study
from studies.design.replicates import seeds_to_reach
from studies.design.spec import Adaptive
from studies.design.tuning import at_the_end, chosen, means
from studies.errors import Conflict
from studies.noise import known
from studies.planning import plan
from studies.progress import silent
from studies.run import Ended, run
from studies.store import Engine, query
from studies.verdict import verdict
from worker import table
from worker.job import Job

Build = Callable[..., Study]
Row = dict[str, Any]
SEEDS = 24


@pytest.fixture
def answered(tiny: Build, tmp_path: Path) -> Callable[..., Study]:
    """A study whose value at (depth, lr, width, seed) is `value` of these, from a table that is written first."""

    def build(value: Callable[..., float | str], design: Row, **sections: Any) -> Study:
        with (tmp_path / "table.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["depth", "lr", "width", "seed", "val_accuracy"])
            for depth, lr, width, seed in product((1, 2), (0.01, 0.1), range(2, 21), range(SEEDS)):
                found = value(depth, lr, width, random.Random(f"{depth} {lr} {seed}"))
                writer.writerow([depth, lr, width, seed, found])
        stages = [{"block": "plain", "repeat": "$depth", "width": "$width"}]
        tree = {
            "variables": {"depth": {"choice": [1, 2]}, "width": {"int": [2, 20]}},
            "blueprint": {"stages": stages},
            "recipe": {"epochs": 1, "optimizer": {"kind": "sgd", "lr": "$lr"}},
            "evaluate": {"table": "table.csv"},
            "design": {"factors": ["depth"], "match": {"params": 400, "by": "width", "tolerance": "30%"}, **design},
        }
        return tiny("design", **tree | sections)

    return build


def conduct(study: Study, store: Engine, files: Path, after: int | None = None, pilot: bool = False) -> Ended:
    """Runs the study from its table, or until so many trials have been answered."""
    left = after

    def train(job: Job) -> Any:
        nonlocal left
        if left is not None:
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
        yield from table.answers(job)

    def drive(conductor: Any) -> None:
        inline.drive(conductor, train, table.tested)

    return run(study, store, files, drive, silent, pilot)


def rows(store: Engine, phase: str | None = None) -> list[Row]:
    return query.trials(store, 1, phase=phase)


def steep(depth: int, lr: float, width: int, noise: random.Random) -> float:
    """Depth 1 likes a rate of 0.1, depth 2 one of 0.01, where it is better."""
    return 0.9 + (0.02 if (depth == 2) == (lr == 0.01) else 0) + 0.01 * (depth == 2) + noise.gauss(0, 0.001)


AT_ONE_RATE: Row = {
    "recipe": {"epochs": 1, "optimizer": {"kind": "sgd", "lr": "$lr"}},
    "variables": {"depth": {"choice": [1, 2]}, "width": {"int": [2, 20]}, "lr": {"choice": [0.01]}},
}
TUNE = {"tune": {"lr": [0.01, 0.1]}, "tune_replicates": 2, "replicates": 4}


def test_each_cell_stands_at_its_own_best_setting(answered: Any, store: Engine, tmp_path: Path) -> None:
    study = answered(steep, TUNE)
    assert conduct(study, store, tmp_path).study["state"] == "complete"
    tuned = Counter((row["cell"], row["assignment"]["lr"]) for row in rows(store, "tune"))
    assert tuned == {(f"depth={depth}", lr): 2 for depth in (1, 2) for lr in (0.01, 0.1)}, "the same effort for all"
    compared = {
        (row["cell"], row["assignment"]["lr"], row["recipe"]["optimizer"]["lr"]) for row in rows(store, "design")
    }
    assert compared == {("depth=1", 0.1, 0.1), ("depth=2", 0.01, 0.01)}
    assert not {row["seed"] for row in rows(store, "tune")} & {row["seed"] for row in rows(store, "design")}
    reading = read(study.spec, rows(store))
    assert reading.contrasts[0].difference.mean == pytest.approx(0.01, abs=0.002)
    assert set(reading.common_setting) == {"lr"}
    assert abs(reading.common[0].difference.mean - 0.01) == pytest.approx(0.02, abs=0.004)
    text = " ".join(verdict(study.spec, reading, 360))
    assert "own best lr" in text


def test_a_cell_that_trains_at_no_setting_is_told(answered: Any, store: Engine, tmp_path: Path) -> None:
    study = answered(lambda depth, *_: "" if depth == 2 else 0.9, {**TUNE, "replicates": 2})
    conduct(study, store, tmp_path)
    ended = {(row["cell"], row["state"], row["reason"]) for row in rows(store, "design")}
    reason = "at no setting of lr did all of its tuning trials end well; list others"
    assert ended == {("depth=1", "complete", None), ("depth=2", "infeasible", reason)}


def test_the_choice_of_a_setting() -> None:
    def tuned(lr: float, value: float | None) -> Row:
        return {
            "cell": "a",
            "assignment": {"lr": lr, "depth": 1},
            "value": value,
            "state": "complete" if value else "failed",
        }

    found = [tuned(0.1, 0.5), tuned(0.1, 0.7), tuned(0.2, 0.9), tuned(0.2, None), tuned(0.3, 0.6)]
    settings = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3}]
    assert means(found, "a", settings) == [pytest.approx(0.6), None, 0.6]
    assert chosen(found, "a", settings, "maximize") == {"lr": 0.1}
    assert chosen(found, "b", settings, "maximize") is None
    assert chosen([*found, tuned(0.3, 0.2)], "a", settings, "minimize") == {"lr": 0.3}
    assert at_the_end({"lr": 0.1, "kind": "a"}, {"lr": [0.1, 0.2, 0.3], "kind": ["a", "b"]}) == ["lr"]
    assert at_the_end({"lr": 0.2}, {"lr": [0.1, 0.2, 0.3]}) == []


def test_unmatched_cells_stand_beside_the_matched(answered: Any, store: Engine, tmp_path: Path) -> None:
    def paid_for(depth: int, lr: float, width: int, noise: random.Random) -> float:
        return 0.7 + 0.01 * width - 0.01 * (depth == 2) + noise.gauss(0, 1e-4)

    study = answered(paid_for, {"raw": {"width": 20}, "replicates": 3}, **AT_ONE_RATE)
    conduct(study, store, tmp_path)
    raw = rows(store, "raw")
    assert {(row["cell"], row["assignment"]["width"]) for row in raw} == {("raw: depth=1", 20), ("raw: depth=2", 20)}
    assert {row["seed"] for row in raw} == {row["seed"] for row in rows(store, "design")}
    assert {row["id"] for row in query.leaders(store, 1, "maximize", 99)} == {
        row["id"] for row in rows(store, "design")
    }


def noisy(depth: int, lr: float, width: int, noise: random.Random) -> float:
    return 0.9 + noise.gauss(0, 0.012 if depth == 2 else 0.001)


ADAPTIVE = {"replicates": {"until": {"half_width": "1%"}, "at_least": 4, "at_most": 20}}


def test_seeds_go_where_the_spread_is(answered: Any, store: Engine, tmp_path: Path) -> None:
    study = answered(noisy, ADAPTIVE, **AT_ONE_RATE)
    assert conduct(study, store, tmp_path).study["state"] == "complete"
    counts = Counter(row["cell"] for row in rows(store, "design"))
    assert counts["depth=1"] == 4
    reading = read(study.spec, rows(store))
    (wide,) = [cell for cell in reading.cells if cell.name == "depth=2"]
    assert wide.estimate is not None
    assert wide.estimate.deviation is not None
    assert wide.estimate.half_width is not None
    needed = ceil((3.182446 * wide.estimate.deviation / 0.01) ** 2)
    assert counts["depth=2"] == min(max(needed, 4), 20) > 4
    assert wide.estimate.half_width <= 0.01 + 1e-6 or counts["depth=2"] == 20
    before = rows(store)
    again = conduct(study, store, tmp_path)
    assert (again.worked, rows(store)) == (False, before)


@pytest.mark.parametrize("after", [1, 5, 9])
def test_a_study_stopped_and_gone_on_with_ends_as_one_never_stopped(
    answered: Any, store: Engine, tmp_path: Path, after: int
) -> None:
    from studies.store import connect

    study = answered(steep, {**TUNE, **ADAPTIVE})
    with pytest.raises(KeyboardInterrupt):
        conduct(study, store, tmp_path, after)
    half = read(study.spec, rows(store))
    assert verdict(study.spec, half, 360)
    conduct(study, store, tmp_path)
    other = connect(f"sqlite:///{tmp_path}/other.db")
    conduct(study, other, tmp_path)
    assert read(study.spec, rows(store)) == read(study.spec, query.trials(other, 1))
    other.dispose()


def test_a_pilot_is_a_part_of_the_study_and_feeds_its_plan(answered: Any, store: Engine, tmp_path: Path) -> None:
    study = answered(noisy, {"replicates": 8, "margin": "1%"}, **AT_ONE_RATE)
    assert plan(study, known(store, study))["power"] is None
    ended = conduct(study, store, tmp_path, pilot=True)
    assert ended.study["state"] == "paused"
    assert ended.study["note"].startswith("the pilot is done: ")
    first = rows(store)
    assert Counter(row["cell"] for row in first) == {"depth=1": 3, "depth=2": 3}
    told = plan(study, known(store, study))
    assert told["power"]["source"] == "6 trials of this study"
    assert 0 < told["power"]["smallest"] < 0.1
    assert told["power"]["seeds_for_margin"] > 2
    assert conduct(study, store, tmp_path).study["state"] == "complete"
    assert rows(store)[:6] == first
    assert Counter(row["cell"] for row in rows(store)) == {"depth=1": 8, "depth=2": 8}


def test_only_compared_trials_are_told_as_the_source_of_the_noise(answered: Any, store: Engine, tmp_path: Path) -> None:
    study = answered(noisy, TUNE | {"replicates": 3})
    conduct(study, store, tmp_path)
    assert len(rows(store)) == 14
    assert known(store, study).source == "6 trials of this study"


def test_fewer_values_of_the_first_stage_ask_for_more() -> None:
    adaptive = Adaptive.model_validate({"until": {"half_width": 0.01}, "at_least": 5, "at_most": 100})
    assert seeds_to_reach(adaptive, 0.01) == ceil(2.776445**2)
    assert seeds_to_reach(adaptive, 0.01, 2) == ceil(4.302653**2)


def test_the_first_stage_stays_as_it_was(answered: Any, store: Engine, tmp_path: Path) -> None:
    """What its spread decided would else be decided again, knowing the values."""
    conduct(answered(noisy, ADAPTIVE, **AT_ONE_RATE), store, tmp_path)
    later = {"replicates": {"until": {"half_width": "1%"}, "at_least": 5, "at_most": 20}}
    with pytest.raises(Conflict, match=r"^design.replicates.at_least is the first stage, .*; it was 4, write that$"):
        conduct(answered(noisy, later, **AT_ONE_RATE), store, tmp_path)
