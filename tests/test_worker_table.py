"""Tables that answer instead of training: what is read, what is refused, and which lines a job gets."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from worker.job import Job, TrainingFailed
from worker.table import answers, place, read
from worker.table import tested as on_test

HEAD = "depth,kernel,seed,val_accuracy"
NAMES = ("depth", "kernel")


def written(folder: Path, *lines: str, head: str = HEAD) -> str:
    file = folder / "table.csv"
    file.write_text("\n".join([head, *lines]) + "\n")
    return str(file)


def job(file: str, phase: str = "design", replicate: int | None = 0, **assignment: Any) -> Job:
    asked = {"file": file, "digest": None, "variables": list(NAMES), "assignment": assignment}
    asked |= {"phase": phase, "replicate": replicate, "metric": "val_accuracy"}
    return Job(1, {}, {}, {}, "classification", 5, "", table=asked)


# ---- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3", 3.0),
        ("3.0", 3),
        ("1e-3", 0.001),
        ("0.3", 0.1 + 0.2),
        ("0.1", 0.1 * (1 + 5e-10)),
        ("0", 0),
        ("3", "3"),
        ("relu", "relu"),
        (" relu ", "relu"),
        ("True", True),
        ("false", False),
        ("", None),
        ("null", None),
        ("sgd", {"kind": "sgd", "lr": 0.1}),
        ('"{""lr"": 0.10, ""kind"": ""sgd""}"', {"kind": "sgd", "lr": 0.1}),
        ('"[1, 2]"', [1.0, 2]),
    ],
)
def test_values_that_match(cell: str, value: Any, tmp_path: Path) -> None:
    table = read(written(tmp_path, f"{cell},1,0,0.5"), NAMES)
    assert [*table.of({"depth": value, "kernel": 1})] == [0]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0.1", 0.1 * (1 + 2e-9)),
        ("1", True),
        ("true", 1),
        ("sgd", {"kind": "adam"}),
        ("relu", "Relu"),
        ("0", None),
        ("1e-12", 0),
        ('"{""kind"": ""sgd"", ""lr"": 0.2}"', {"kind": "sgd", "lr": 0.1}),
    ],
)
def test_values_that_do_not(cell: str, value: Any, tmp_path: Path) -> None:
    table = read(written(tmp_path, f"{cell},1,0,0.5"), NAMES)
    assert table.of({"depth": value, "kernel": 1}) == {}


def test_nearly_equal_numbers_of_a_column_are_one(tmp_path: Path) -> None:
    table = read(written(tmp_path, "0.3,1,0,0.5", f"{0.1 + 0.2!r},1,1,0.6"), NAMES)
    assert [*table.of({"depth": 0.3, "kernel": 1})] == [0, 1]


def test_a_variable_without_a_column_does_not_matter(tmp_path: Path) -> None:
    table = read(written(tmp_path, "1,0,0.5", head="depth,seed,val_accuracy"), NAMES)
    assert [*table.of({"depth": 1, "kernel": 99})] == [0]


def test_a_table_without_variables_has_one_assignment(tmp_path: Path) -> None:
    table = read(written(tmp_path, "0,0.5", head="seed,val_accuracy"), NAMES)
    assert [*table.of({"depth": 1})] == [0]


def test_what_is_absent_is_said_with_what_is_there(tmp_path: Path) -> None:
    table = read(written(tmp_path, "1,3,0,0.5", "2,relu,0,0.5"), NAMES)
    told = table.absent({"depth": 1, "kernel": 7})
    assert told.removeprefix(table.where) == (
        ": there is no line with depth=1, kernel=7 (its column 'kernel' has 3, relu); "
        "add it, or leave that out of the study"
    )
    assert "kernel=relu; add it" in table.absent({"depth": 1, "kernel": "relu"})


def test_a_share_in_percent_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"table.csv, line 2: val_accuracy is '90.5'; write a share from 0 to 1"):
        read(written(tmp_path, "1,3,0,90.5"), NAMES)
    assert read(written(tmp_path, "1,0,90.5", head="depth,seed,val_mae"), NAMES).metrics == ("val_mae",)


# ---- which lines -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "replicate", "number"),
    [
        ("design", 0, 0),
        ("design", 3, 3),
        ("raw", 3, 3),
        ("tune", 0, 9),
        ("tune", 1, 8),
        ("search", None, 0),
        ("confirm", 0, 1),
        ("confirm", 2, 3),
    ],
)
def test_which_seed_a_trial_takes(phase: str, replicate: int | None, number: int) -> None:
    assert place(phase, replicate, 10) == number


def test_seeds_go_up_and_epochs_too_whatever_their_order(tmp_path: Path) -> None:
    head = "depth,kernel,seed,epoch,val_accuracy,test_accuracy,train_seconds"
    lines = ["1,1,30,2,.4,.45,2.5", "1,1,4,2,.6,.65,1", "1,1,4,1,.5,,1", "1,1,30,1,.3,,2"]
    file = written(tmp_path, *lines, head=head)
    first = [*answers(job(file, depth=1, kernel=1))]
    assert [(one.epoch, one.metrics, one.train_seconds) for one in first] == [
        (1, {"val_accuracy": 0.5}, 1.0),
        (2, {"val_accuracy": 0.6}, 1.0),
    ]
    assert [one.measured for one in first] == [None, {"table": {"seed": 4, "line": 3}}]
    assert [one.metrics["val_accuracy"] for one in answers(job(file, replicate=1, depth=1, kernel=1))] == [0.3, 0.4]
    assert on_test(job(file, replicate=1, depth=1, kernel=1)) == {"test_accuracy": 0.45}


def test_without_epochs_there_is_one(tmp_path: Path) -> None:
    (only,) = answers(job(written(tmp_path, "1,1,0,0.5"), depth=1, kernel=1))
    assert (only.epoch, only.metrics, on_test(job(written(tmp_path, "1,1,0,0.5"), depth=1, kernel=1))) == (
        1,
        {"val_accuracy": 0.5},
        {},
    )


def test_a_failure_ends_the_training_at_its_line(tmp_path: Path) -> None:
    head = "depth,kernel,seed,epoch,val_accuracy,failure"
    file = written(tmp_path, "1,1,0,1,.5,", "1,1,0,2,,out_of_memory", head=head)
    told = answers(job(file, depth=1, kernel=1))
    assert next(told).epoch == 1
    with pytest.raises(TrainingFailed, match=r"table\.csv, line 3: the training ended there as out_of_memory") as error:
        next(told)
    assert error.value.kind == "out_of_memory"


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "inf"])
def test_an_objective_that_is_no_finite_number_is_a_divergence(cell: str, tmp_path: Path) -> None:
    file = written(tmp_path, f"1,1,0,{cell}")
    with pytest.raises(TrainingFailed, match="line 2: val_accuracy is empty or no finite number") as error:
        next(answers(job(file, depth=1, kernel=1)))
    assert error.value.kind == "diverged"


def test_more_replicates_than_seeds(tmp_path: Path) -> None:
    file = written(tmp_path, "1,1,0,.5")
    with pytest.raises(TrainingFailed, match="it has 1 seeds of this, and confirm replicate 0 would take number 2"):
        next(answers(job(file, "confirm", depth=1, kernel=1)))
    with pytest.raises(TrainingFailed, match=r"there is no line with depth=2, kernel=1 \(its column 'depth' has 1\)"):
        next(answers(job(file, depth=2, kernel=1)))


# ---- files -----------------------------------------------------------------------------------------------------------


def test_parquet_says_the_same_as_csv(tmp_path: Path) -> None:
    columns = {"depth": [1, 2], "kernel": ["a", None], "seed": [0, 0], "val_accuracy": [0.5, float("nan")]}
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    parquet = read(str(tmp_path / "table.parquet"), NAMES)
    plain = read(written(tmp_path, "1,a,0,0.5", "2,,0,nan"), NAMES)
    metrics = [
        [(s, [one.metrics for one in of]) for s, of in t.lines[key].items()]
        for t in (parquet, plain)
        for key in t.lines
    ]
    assert list(parquet.lines) == list(plain.lines)
    assert metrics[:2] == metrics[2:] == [[(0, [{"val_accuracy": 0.5}])], [(0, [{}])]]
    assert (parquet.word, plain.word) == ("row", "line")
    assert parquet.digest != plain.digest


def test_a_file_that_changes_is_read_again_and_one_that_does_not_is_not(tmp_path: Path) -> None:
    file = written(tmp_path, "1,1,0,0.5")
    before = read(file, NAMES)
    assert read(file, NAMES) is before
    written(tmp_path, "1,1,0,0.75")
    os.utime(file, ns=(1, 1))
    after = read(file, NAMES)
    assert next(iter(after.lines.values()))[0][0].metrics == {"val_accuracy": 0.75}
    with pytest.raises(ValueError, match=f"not what it was .digest {before.digest}, now {after.digest}.; restore"):
        read(file, NAMES, before.digest)


def test_costs_go_by_assignment(tmp_path: Path) -> None:
    head = "depth,kernel,seed,val_accuracy,macs"
    table = read(written(tmp_path, "1,1,0,.5,100", "1,1,1,.5,100", "2,1,0,.5,200", head=head), NAMES)
    assert [*table.costs.values()] == [{"macs": 100}, {"macs": 200}]


@pytest.mark.parametrize(
    ("head", "lines", "sentence"),
    [
        ("depth,kernel,val_accuracy", ["1,1,.5"], "it has no column 'seed', only depth, kernel, val_accuracy; add one"),
        ("depth,kernal,seed", ["1,1,0"], "'kernal' is neither .* nor a metric or cost, did you mean 'kernel'?"),
        ("depth,depth,seed", ["1,1,0"], "first line must name every column, each once; got 'depth,depth,seed'"),
        (HEAD, [], "it has no line below its names; fill it"),
        (HEAD, ["1,1,0"], "line 2: there are 3 cells under 4 names; separate them by commas"),
        (HEAD, ["1,1,0,good"], "line 2: val_accuracy is 'good'; write a number, or nothing"),
        (HEAD, ["1,1,0,.5", "1,1,x,.5"], "line 3: seed is 'x'; write a whole number from 0"),
        (HEAD, ["1,1,0.5,.5"], "line 2: seed is '0.5'; write a whole number from 0"),
        (HEAD, ["1,1,0,.5", "2,1,0,.5", "1.0,1,0,.6"], "lines 2 and 4 have the same assignment, seed and epoch; keep"),
        (f"{HEAD},epoch", ["1,1,0,.5,0"], "line 2: epoch is '0'; write a whole number from 1"),
        (f"{HEAD},epoch", ["1,1,0,.5,1", "1,1,0,.5,1"], "lines 2 and 3 have the same assignment, seed and epoch"),
        (f"{HEAD},failure", ["1,1,0,.5,oom"], "line 2: failure is 'oom'; write nothing, or one of out_of_memory"),
        (f"{HEAD},macs", ["1,1,0,.5,9", "1,1,1,.5,8"], "line 3: macs is 8, and 9 at another line of the same"),
        (f"{HEAD},macs", ["1,1,0,.5,"], "line 2: macs is ''; write a whole number from 0"),
    ],
)
def test_mistakes_are_one_sentence(head: str, lines: list[str], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=rf"^{tmp_path}/table\.csv.*{sentence}") as error:
        read(written(tmp_path, *lines, head=head), NAMES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("none.csv", None, "there is no such file; write the path from the study's folder"),
        ("table.xlsx", b"x", "a table is a .csv or a .parquet file; save it as one"),
        ("table.csv", b"\xff\xfe,\x00", "this is no CSV file in UTF-8 .*; save it again"),
        ("table.parquet", b"PAR1", "this is no parquet file .*; save it again"),
    ],
)
def test_files_that_are_no_table(name: str, content: bytes | None, sentence: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        read(str(tmp_path / name), NAMES)
