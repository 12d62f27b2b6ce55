"""Studies whose results come from a table: from YAML through the conductor and a real store to what is concluded."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from searchspace.language.problems import SpecError, shown
from studies import exporting, inline, screens
from studies.analysis.reading import read
from studies.candidate import Study
from studies.errors import Conflict, NotFound
from studies.fingerprint import fingerprint
from studies.load import load
from studies.planning import plan
from studies.progress import silent
from studies.report.content import of_store
from studies.report.html import html
from studies.run import Ended, run
from studies.schema import study_schema
from studies.store import Engine, query
from worker import table
from worker.job import EpochMetrics, Job

Build = Callable[..., Study]
Row = dict[str, Any]
ROOT = Path(__file__).parents[1]
HEAD = ("depth", "kernel", "seed", "val_accuracy", "test_accuracy")
STUDY: dict[str, Any] = {
    "apiVersion": "archstudy/v1",
    "kind": "Study",
    "name": "tabular",
    "data": {"source": "digits"},
    "evaluate": {"table": "table.csv"},
    "variables": {"depth": {"choice": [2, 4]}, "kernel": {"choice": [1, 3, 5]}},
    "blueprint": {"stages": []},
    "recipe": {"epochs": 1},
}
DESIGN = {"factors": ["depth", "kernel"], "replicates": 10}


def lines(seeds: int = 10) -> list[tuple[Any, ...]]:
    draw = random.Random(1)
    cells = product((2, 4), (1, 3, 5), range(100, 100 + seeds))
    return [(d, k, s, round(0.6 + d / 100 + k / 50 + draw.gauss(0, 0.005), 5), 0.5) for d, k, s in cells]


def curves(epochs: int = 9, seeds: int = 4) -> list[tuple[Any, ...]]:
    cells = product((2, 4), (1, 3, 5), range(seeds), range(1, epochs + 1))
    return [(d, k, s, e, round(0.9 - 0.1 * d - 0.01 * k + 0.001 * e + 1e-4 * s, 5)) for d, k, s, e in cells]


def save(folder: Path, rows: list[tuple[Any, ...]], head: tuple[str, ...] = HEAD) -> Path:
    file = folder / "table.csv"
    file.write_text("\n".join(",".join(map(str, row)) for row in (head, *rows)) + "\n")
    return file


@pytest.fixture
def study(tmp_path: Path) -> Build:
    """The study of the table in the folder; whole sections may be replaced (None leaves one out)."""

    def build(**sections: Any) -> Study:
        if not (tmp_path / "table.csv").exists():
            save(tmp_path, lines())
        tree = {**STUDY, **({} if "search" in sections else {"design": DESIGN}), **sections}
        file = tmp_path / "study.yaml"
        file.write_text(json.dumps({name: section for name, section in tree.items() if section is not None}))
        return load(file)

    return build


@pytest.fixture
def ran(store: Engine, tmp_path: Path) -> Callable[..., Ended]:
    def inner(one: Study, train: Any = table.answers) -> Ended:
        return run(one, store, tmp_path / "files", partial(inline.drive, train=train, evaluate=table.tested), silent)

    return inner


def trials(store: Engine, phase: str) -> list[Row]:
    return query.trials(store, 1, phase=phase)


# ---- designs ---------------------------------------------------------------------------------------------------------


def test_a_design_takes_the_seeds_in_order(study: Build, ran: Any, store: Engine) -> None:
    ended = ran(study())
    assert (ended.study["state"], ended.study["conclusion"]) == ("complete", {"kind": "design"})
    rows = trials(store, "design")
    assert len(rows) == 60
    by = {(d, k, s - 100): value for d, k, s, value, _ in lines()}
    told = {(*row["assignment"].values(), row["replicate"]): row["value"] for row in rows}
    assert told == by
    assert {row["measured"]["table"]["seed"] - row["replicate"] for row in rows} == {100}
    assert rows[0]["metrics"].keys() == {"val_accuracy"}


def test_half_a_study_goes_on_to_the_same_numbers(
    study: Build, ran: Any, store: Engine, outcome: Any, tmp_path: Path
) -> None:
    calls = []

    def dying(job: Job) -> Iterator[EpochMetrics]:
        calls.append(job.trial)
        if len(calls) == 20:
            raise KeyboardInterrupt
        yield from table.answers(job)

    with pytest.raises(KeyboardInterrupt):
        ran(study(), dying)
    assert sum(row["state"] == "complete" for row in trials(store, "design")) == 19
    ran(study())
    through = outcome(store, "tabular")
    ran(study(name="whole"))
    again = outcome(store, "whole")
    assert [row["value"] for row in through["trials"]] == [row["value"] for row in again["trials"]]
    assert through["state"] == again["state"] == "complete"


def test_tuning_takes_other_seeds_than_the_design(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    rows = [(d, lr, s, 0.5 + d / 10 - abs(lr - d / 20) + s / 1e3) for d, lr, s in product((2, 4), (0.1, 0.2), range(5))]
    save(tmp_path, rows, ("depth", "lr", "seed", "val_accuracy"))
    variables = {"depth": {"choice": [2, 4]}}
    design = {"factors": ["depth"], "replicates": 3, "tune": {"lr": [0.1, 0.2]}, "tune_replicates": 2}
    recipe = {"epochs": 1, "optimizer": {"kind": "sgd", "lr": "$lr"}}
    ran(study(variables=variables, design=design, recipe=recipe))
    seeds = {phase: {row["measured"]["table"]["seed"] for row in trials(store, phase)} for phase in ("tune", "design")}
    assert seeds == {"tune": {3, 4}, "design": {0, 1, 2}}
    assert {tuple(row["assignment"].values()) for row in trials(store, "design")} == {(2, 0.1), (4, 0.2)}


def test_failures_keep_their_kind_and_line(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    rows = [(*row, "diverged" if row[2] == 100 and row[:2] == (2, 1) else "") for row in lines()]
    rows[-1] = (*rows[-1][:3], "", "", "")
    save(tmp_path, rows, (*HEAD, "failure"))
    ran(study())
    failed = {tuple(row["assignment"].values()): row for row in trials(store, "design") if row["state"] == "failed"}
    assert {cell: row["failure_kind"] for cell, row in failed.items()} == {(2, 1): "diverged", (4, 5): "diverged"}
    assert failed[2, 1]["reason"].endswith("table.csv, line 2: the training ended there as diverged")
    assert failed[4, 5]["reason"].endswith("line 61: val_accuracy is empty or no finite number at the training's end")


def test_variables_that_the_table_has_may_be_computed(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    rows = [(d, 2 * d, s, d / 10) for d, s in product((2, 4), range(2))] + [(2, 9, 0, 0.9)]
    save(tmp_path, rows, ("depth", "twice", "seed", "val_accuracy"))
    variables = {"depth": {"choice": [2, 4]}, "twice": "$depth * 2"}
    ran(study(variables=variables, design={"factors": ["depth"], "replicates": 2}))
    assert sorted(row["value"] for row in trials(store, "design")) == [0.2, 0.2, 0.4, 0.4]


# ---- searches --------------------------------------------------------------------------------------------------------


def test_a_search_prunes_confirms_and_reads_the_test_part(
    study: Build, ran: Any, store: Engine, tmp_path: Path
) -> None:
    rows = [(*row, 0.77) for row in curves()]
    save(tmp_path, rows, ("depth", "kernel", "seed", "epoch", "val_accuracy", "test_accuracy"))
    search = {"sampler": "random", "pruner": {"kind": "asha", "eta": 3}}
    ended = ran(study(search=search, recipe={"epochs": 9}, budget={"trials": 6}, confirm={"top": 2, "replicates": 3}))
    searched = [row for row in trials(store, "search") if row["repeat_of"] is None]
    assert {row["state"] for row in searched} == {"complete", "pruned"}
    assert {row["measured"]["table"]["seed"] for row in searched if row["state"] == "complete"} == {0}
    assert {row["measured"]["table"]["seed"] for row in trials(store, "confirm")} == {1, 2, 3}
    won = ended.study["conclusion"]
    assert won["fresh"]["n"] == 3
    assert won["test"]["test_accuracy"]["mean"] == pytest.approx(0.77)
    with pytest.raises(NotFound, match="come from a table and nothing was trained, so there are no weights; export"):
        exporting.export(store, ended.study, exporting.Wanted(), tmp_path / "out", tmp_path)


def test_without_test_columns_there_is_no_test_score(study: Build, ran: Any, tmp_path: Path) -> None:
    save(tmp_path, [row[:4] for row in lines(4)], HEAD[:4])
    ended = ran(study(search={"sampler": "random"}, budget={"trials": 6}))
    assert ended.study["state"] == "complete"
    assert (ended.study["conclusion"]["test"], ended.study["conclusion"]["opened"]) == ({}, 0)
    assert ended.study["conclusion"]["assignment"] == {"depth": 4, "kernel": 5}


def test_what_the_table_lacks_cannot_be_proposed(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    save(tmp_path, [row for row in lines(4) if row[:2] != (4, 5)])
    ended = ran(study(search={"sampler": "random"}, budget={"trials": 20}))
    missing = [row for row in trials(store, "search") if row["state"] == "infeasible"]
    assert {tuple(row["assignment"].values()) for row in missing} == {(4, 5)}
    assert "there is no line with depth=4, kernel=5; add it" in missing[0]["reason"]
    assert ended.study["conclusion"]["assignment"] == {"depth": 2, "kernel": 5}


def test_costs_of_the_table_are_the_trials_costs(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    save(tmp_path, [(*row, 1000 * row[0] * row[1]) for row in lines(4)], (*HEAD, "macs"))
    search = {"sampler": "random", "constraints": {"macs": "<= 12k"}}
    ended = ran(study(search=search, budget={"trials": 6}))
    rows = [row for row in trials(store, "search") if row["state"] == "complete"]
    assert {row["macs"] for row in rows} == {2000, 4000, 6000, 10000, 12000}
    assert ended.study["conclusion"]["costs"]["macs"] == 10000


# ---- what a study is, and what it loads ------------------------------------------------------------------------------


def test_the_content_is_part_of_a_study_and_its_place_is_not(study: Build, ran: Any, tmp_path: Path) -> None:
    first = study()
    (tmp_path / "table.csv").rename(tmp_path / "moved.csv")
    moved = study(evaluate={"table": "moved.csv"})
    assert fingerprint(first.tree) == fingerprint(moved.tree)
    ran(first if (tmp_path / "table.csv").exists() else moved)
    save(tmp_path, lines()[:-1] + [(4, 5, 109, 0.1, 0.1)])
    with pytest.raises(Conflict, match=r"evaluate\.digest"):
        ran(study())


def test_neither_torch_nor_ray_is_needed(tmp_path: Path, study: Build) -> None:
    study()
    code = (
        "import sys; from studies.cli import main; code = main(['run', 'study.yaml', '--quiet']); "
        "print(code, sorted({'torch', 'ray'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "ARCHSTUDY_STORE": f"sqlite:///{tmp_path}/own.db", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.splitlines()[-1] == "0 []", ended.stderr


CHOICE = {"choice": [1, 3]}
SGD = {"kind": "sgd", "lr": 0.1}


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({"evaluate": {"table": "none.csv"}}, "evaluate.table: .*none.csv: there is no such file; write the path"),
        ({"evaluate": {"table": "table.csv", "digest": "00"}}, "its content is not what it was .digest 00, now"),
        ({"baselines": ["majority"]}, "baselines: results come from a table, and a baseline would be fitted to data"),
        ({"resources": {"together": 2}}, "resources.together: results come from a table, so nothing is trained"),
        (
            {"search": {}, "variables": {"seed": CHOICE, **STUDY["variables"]}},
            "the table's column 'seed' has a meaning of its own",
        ),
        ({"variables": {"depth": CHOICE}, "design": {"factors": ["depth"]}}, "column 'kernel' is neither a variable"),
        (
            {"variables": {**STUDY["variables"], "width": CHOICE}, "design": {"factors": ["depth", "kernel", "width"]}},
            "there is no column for the factor 'width'",
        ),
        (
            {"task": "regression", "data": {"source": "arrays:later.npz", "image": [8, 8, 1]}},
            "there is no column for the objective 'val_mae'",
        ),
        (
            {"variables": {**STUDY["variables"], "depth": {"choice": [2, 3]}}},
            "no line with depth=3, kernel=1 .its column",
        ),
        ({"design": {**DESIGN, "replicates": 11}}, "it has 10 seeds of depth=2, kernel=1, and the design takes 11"),
        (
            {"search": {"pruner": {"kind": "asha"}}},
            "search.pruner: the table has no column 'epoch', so nothing can end early; remove pruner",
        ),
        (
            {"search": {}, "variables": {**STUDY["variables"], "depth": {"float": [2, 4]}}},
            "variables.depth: a table has no range of real numbers; list its values",
        ),
        (
            {"search": {}, "variables": {**STUDY["variables"], "depth": {"int": [7, 9]}}},
            "variables.depth: the table's column 'depth' has none of its values",
        ),
        ({"search": {}, "confirm": {"replicates": 10}}, "confirm.replicates: the table has 10 seeds .*at most"),
    ],
)
def test_mistakes_between_a_study_and_its_table(sections: dict[str, Any], sentence: str, study: Build) -> None:
    with pytest.raises(SpecError, match=sentence):
        study(**sections)


def test_options_that_the_table_has_one_word_for(study: Build, tmp_path: Path) -> None:
    save(tmp_path, [("sgd", 0, 0.5), ("adam", 0, 0.5)], ("how", "seed", "val_accuracy"))
    variables = {"how": {"choice": [SGD, {**SGD, "lr": 0.2}]}}
    design = {"factors": ["how"], "replicates": 1}
    with pytest.raises(SpecError, match=r"are both 'sgd' in the table; write JSON there"):
        study(variables=variables, design=design)


def test_cells_with_other_seeds_are_compared_on_those_that_all_have(
    study: Build, ran: Any, store: Engine, tmp_path: Path
) -> None:
    rows = [
        (d, k, s, s / 10 + d / 100) for d, k in product((2, 4), (1, 3)) for s in (range(4) if d == 2 else (5, 3, 2))
    ]
    save(tmp_path, rows, HEAD[:4])
    ran(
        study(variables={"depth": {"choice": [2, 4]}, "kernel": {"choice": [1, 3]}}, design={**DESIGN, "replicates": 2})
    )
    told = {
        (row["assignment"]["depth"], row["replicate"]): row["measured"]["table"]["seed"]
        for row in trials(store, "design")
    }
    assert told == {(2, 0): 2, (2, 1): 3, (4, 0): 2, (4, 1): 3}


# ---- what a plan says of the claims, against what is read ------------------------------------------------------------

WIDE: dict[str, Any] = {"a": [1, 2, 4, 8, 16, 32], "b": ["x", "y", "z"], "c": [True, False]}
TWO = {name: ["low", "high"] for name in "abcde"}
NARROW: dict[str, Any] = {"a": [1, 2, 4], "b": ["x", "y"]}
HAND = [{"a": 1, "b": "x"}, {"a": 2, "b": "x"}, {"a": 4, "b": "y"}]


@pytest.mark.parametrize(
    ("levels", "design", "claims"),
    [
        (NARROW, {}, 3 + 1 + 1),
        (NARROW, {"replicates": 1}, 0),
        (NARROW, {"compare": {"a": [[1, 4]]}}, 1 + 1 + 1),
        (NARROW, {"layout": "one_at_a_time"}, 3 + 1),
        (NARROW, {"cells": HAND}, 1),
        (NARROW, {"replicates": {"until": {"half_width": "1%"}, "at_least": 3, "at_most": 5}}, 5),
        (NARROW, {"tune": {"lr": [0.1, 0.2]}}, 5),
        (NARROW, {"tune": {"lr": [0.1, 0.2]}, "tune_replicates": 2}, 5 + 4),
        (TWO, {"layout": "fractional", "runs": 8}, 5),
        (WIDE, {"layout": "latin_hypercube", "runs": 8}, 1 + 3 + 1),
        (WIDE, {"layout": "latin_hypercube", "runs": 8, "compare": {"b": [["x", "z"]]}}, 1 + 1 + 1),
        (WIDE, {"layout": "latin_hypercube", "runs": 4}, 0),
    ],
)
def test_a_plan_counts_the_claims_that_the_reading_makes(
    levels: dict[str, Any], design: dict[str, Any], claims: int, study: Build, ran: Any, store: Engine, tmp_path: Path
) -> None:
    draw = random.Random(3)
    tuned = {"lr": [0.1, 0.2]} if "tune" in design else {}
    rows = [(*one, s, draw.gauss(0.8, 0.01)) for one in product(*levels.values(), *tuned.values()) for s in range(5)]
    save(tmp_path, rows, (*levels, *tuned, "seed", "val_accuracy"))
    one = study(
        variables={name: {"choice": options} for name, options in levels.items()},
        design={"factors": [*levels], "replicates": 3, "noise": "1%", **design},
        recipe={"epochs": 1, **({"optimizer": {"kind": "sgd", "lr": "$lr"}} if tuned else {})},
    )
    ran(one)
    assert plan(one)["power"]["tests"] == max(1, claims)
    assert read(one.spec, query.trials(store, 1)).claims == claims


def test_a_plan_counts_the_unmatched_claims_too(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    draw = random.Random(3)
    every = product(range(4, 33), (2, 4), (3, 5), range(3))
    save(tmp_path, [(*one, draw.gauss(0.8, 0.01)) for one in every], ("width", *HEAD[:4]))
    match = {"macs": "150k", "by": "width", "tolerance": "20%"}
    one = study(
        variables={"width": {"int": [4, 32]}, "depth": {"choice": [2, 4]}, "kernel": {"choice": [3, 5]}},
        blueprint={"stages": [{"block": "plain", "width": "$width", "repeat": "$depth", "kernel": "$kernel"}]},
        design={**DESIGN, "replicates": 3, "match": match, "raw": {"width": 16}, "noise": "1%"},
    )
    ran(one)
    found = read(one.spec, query.trials(store, 1))
    assert len(found.raw) == 2
    assert plan(one)["power"]["tests"] == found.claims == 2 + 2 + 1


def test_two_sections_of_one_word_are_two_cells(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    norms: list[Any] = [{"kind": "group", "groups": 4}, {"kind": "group", "groups": 2}, "batch"]
    words = [f'"{json.dumps(one)}"'.replace('"', '""')[1:-1] if isinstance(one, dict) else one for one in norms]
    rows = [(word, s, 0.8 + at / 50 + s / 1e3 * (1 + at)) for at, word in enumerate(words) for s in range(3)]
    save(tmp_path, rows, ("norm", "seed", "val_accuracy"))
    one = study(variables={"norm": {"choice": norms}}, design={"factors": ["norm"], "replicates": 3})
    ran(one)
    found = read(one.spec, query.trials(store, 1))
    assert [cell.name for cell in found.cells] == ["norm=batch", *sorted(f"norm={shown(n)}" for n in norms[:2])]
    assert [len(cell.values) for cell in found.cells] == [3, 3, 3]
    assert len(found.contrasts) == 3


def test_neither_network_nor_recipe_is_needed(study: Build, ran: Any, store: Engine) -> None:
    """What is not there has no costs to show, and nothing is said to have been trained."""
    one = study(blueprint=None, recipe=None)
    jsonschema.Draft202012Validator(study_schema()).validate(json.loads(one.text))
    assert "macs" not in "\n".join(screens.plan(one, plan(one)))
    row = ran(one).study
    page = html(of_store(store, row, query.trials(store, row["id"])))
    assert "Nothing was trained here: the results are those of a table." in page
    assert "What the cells cost" not in page
    assert "Every cell has 10 seeds." in page


def test_a_table_that_cannot_be_read_says_so_alone(study: Build, tmp_path: Path) -> None:
    save(tmp_path, [(2, 1, 0, 91.5, 0.5)])
    with pytest.raises(SpecError) as told:
        study()
    assert str(told.value).count("\n") == 0


def test_costs_of_the_table_stand_in_the_plan(study: Build, tmp_path: Path) -> None:
    save(tmp_path, [(*row[:4], 100 * row[0]) for row in lines()], ("depth", "kernel", "seed", "val_accuracy", "macs"))
    cells = plan(study())["cells"]
    assert {cell["macs"] for cell in cells} == {200, 400}


WIDTHS: dict[str, Any] = {"width": {"int": [4, 32]}, "kernel": {"choice": [3, 5]}}
NARROW = {"stages": [{"block": "plain", "width": "$width", "kernel": "$kernel"}]}


def wide(folder: Path, cost: str) -> None:
    """A table of every width and filter with a cost of its own: 7 at each."""
    rows = [(w, k, s, 0.8 + s / 100, 7) for w, k, s in product(range(4, 33), (3, 5), range(3))]
    save(folder, rows, ("width", "kernel", "seed", "val_accuracy", cost))


def test_a_matched_cell_has_the_costs_of_the_table(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    wide(tmp_path, "params")
    design = {"factors": ["kernel"], "replicates": 3, "match": {"macs": "20k", "by": "width", "tolerance": "20%"}}
    one = study(variables=WIDTHS, blueprint=NARROW, design=design)
    cells = plan(one)["cells"]
    assert {cell["params"] for cell in cells} == {7}
    assert all(cell["macs"] == pytest.approx(20_000, rel=0.2) for cell in cells)
    ran(one)
    assert {row["params"] for row in trials(store, "design")} == {7}


def test_a_cost_that_the_table_names_cannot_be_held(study: Build, tmp_path: Path) -> None:
    wide(tmp_path, "macs")
    design = {"factors": ["kernel"], "replicates": 3, "match": {"macs": "20k", "by": "width", "tolerance": "20%"}}
    with pytest.raises(SpecError, match=r"design\.match\.macs: the table has a column 'macs', and a match"):
        study(variables=WIDTHS, blueprint=NARROW, design=design)


def test_text_with_a_comma_is_one_level(study: Build, ran: Any, store: Engine, tmp_path: Path) -> None:
    """`kind=a, b=c, b=d` could be two cells."""
    cells = list(product(("a", '"a, b=c"'), ("d", '"c, b=d"')))
    save(tmp_path, [(*cell, seed, 0.5) for cell in cells for seed in range(2)], ("kind", "b", "seed", "val_accuracy"))
    variables = {"kind": {"choice": ["a", "a, b=c"]}, "b": {"choice": ["d", "c, b=d"]}}
    one = study(variables=variables, design={"factors": ["kind", "b"], "replicates": 2})
    ran(one)
    assert len({row["cell"] for row in trials(store, "design")}) == 4
    assert "kind='a, b=c', b=d" in {row["cell"] for row in trials(store, "design")}


def test_the_forest_says_what_its_differences_are_of(study: Build, ran: Any, store: Engine) -> None:
    row = ran(study(design={**DESIGN, "layout": "latin_hypercube", "runs": 6})).study
    page = html(of_store(store, row, query.trials(store, row["id"])))
    assert "The higher level minus the lower, by a line over each factor" in page
    assert "the effect per doubling (95 %)." in page
