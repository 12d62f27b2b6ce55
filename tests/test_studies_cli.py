"""The command line as a user meets it: exit codes, JSON, one sentence per error, nothing heavy where it only reads."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from studies import store
from studies.candidate import Study
from studies.cli import COMMANDS, main
from studies.run import enrol
from studies.store.connect import writing

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "studies/examples"
DONE, FAILED, USAGE, INVALID, NOT_FOUND, CONFLICT, UNREACHABLE = range(7)
BROKEN = (EXAMPLES / "search-digits.yaml").read_text().replace("sampler:", "samplr:")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, whose store is `archstudy.db`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHSTUDY_STORE", raising=False)
    monkeypatch.delenv("ARCHSTUDY_FILES", raising=False)
    return tmp_path


@pytest.fixture
def stored(home: Path, tiny: Callable[..., Study]) -> Path:
    """A folder whose store has the study `tiny`, not yet run."""
    engine = store.connect(store.url())
    enrol(tiny(), engine)
    engine.dispose()
    return home


def archstudy(*arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own; never with a traceback."""
    command = [sys.executable, "-W", "error", "-m", "studies.cli", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **settings)
    assert "Traceback" not in ended.stderr
    return ended


def with_store(place: str) -> dict[str, str]:
    return {**os.environ, "ARCHSTUDY_STORE": place}


def called(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The command in this process: its code, stdout and stderr."""
    try:
        code = main(arguments)
    except SystemExit as end:
        code = int(end.code or 0)
    return code, *capsys.readouterr()


# --- every exit code, in a process of its own -------------------------------------------------------------------------


def test_a_sound_study(home: Path) -> None:
    ended = archstudy("validate", str(EXAMPLES / "search-digits.yaml"))
    assert (ended.returncode, ended.stdout, ended.stderr) == (DONE, "search-digits: a sound search\n", "")


def test_a_broken_study_is_told_with_its_line(home: Path) -> None:
    (home / "s.yaml").write_text(BROKEN)
    ended = archstudy("validate", "s.yaml")
    assert ended.returncode == INVALID
    assert ended.stdout == ""
    line = BROKEN[: BROKEN.index("samplr")].count("\n") + 1
    assert ended.stderr == f"s.yaml:{line}:3: search.samplr: unknown field 'samplr', did you mean 'sampler'?\n"


def test_usage(home: Path) -> None:
    ended = archstudy("bogus")
    assert ended.returncode == USAGE
    assert "invalid choice: 'bogus'" in ended.stderr


def test_a_conflict(stored: Path, tiny: Callable[..., Study]) -> None:
    tiny(seed=8)
    ended = archstudy("run", "study.yaml", "--inline", "--quiet")
    assert ended.returncode == CONFLICT
    assert ended.stderr.startswith("archstudy: the store holds another study named 'tiny'")
    assert ended.stderr.endswith("undo the differences:\n  seed: 7 -> 8\n")


def test_a_reader_that_goes_away(stored: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "studies.cli", "schema"]
    ended = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    os.close(write)
    assert (ended.returncode, ended.stderr) == (DONE, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk(stored: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "studies.cli", "schema"]
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
    assert ended.returncode == FAILED
    assert ended.stderr == "archstudy: [Errno 28] No space left on device\n"


def test_a_traceback_only_with_debug(home: Path) -> None:
    command = [sys.executable, "-m", "studies.cli", "show", "x", "--debug"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == UNREACHABLE
    assert "Traceback" in ended.stderr
    assert ended.stderr.endswith("run a study first or set ARCHSTUDY_STORE\n")


def test_help(home: Path) -> None:
    ended = archstudy("--help")
    assert ended.returncode == DONE
    assert all(name in ended.stdout for name in COMMANDS)


HEAVY = ("torch", "ray", "streamlit", "optuna", "sklearn", "altair", "alembic", "pandas")
READING = (
    ["validate", str(EXAMPLES / "search-digits.yaml")],
    ["plan", str(EXAMPLES / "search-digits.yaml")],
    ["plan", str(EXAMPLES / "depth-width-filter.yaml")],
    ["describe", str(EXAMPLES / "search-digits.yaml")],
    ["schema"],
    ["list"],
    ["show", "tiny"],
)


def test_reading_commands_import_nothing_heavy(stored: Path) -> None:
    code = "import sys; from studies.cli import main\n"
    for arguments in READING:
        code += f"assert main({arguments!r}) == 0\n"
        code += f"assert not {{*sys.modules}} & {{*{HEAVY!r}}}, {arguments!r}\n"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr


def test_help_imports_next_to_nothing() -> None:
    code = "import sys; from studies.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "assert not {'pydantic', 'yaml', 'numpy', 'scipy', 'rich', 'sqlalchemy'} & {*sys.modules}"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


# --- the store --------------------------------------------------------------------------------------------------------

STORES = {
    "missing": ("sqlite:///none.db", "no store at .*none.db; run a study first or set ARCHSTUDY_STORE"),
    "a folder": ("sqlite:///folder", "folder cannot be opened; it must be a file in a folder that exists"),
    "another file": ("sqlite:///s.yaml", "s.yaml is no SQLite database; set ARCHSTUDY_STORE to another file"),
    "no folder": (
        "sqlite:///nowhere/x.db",
        "(the folder '.*nowhere' does not exist; create it|no store at .*nowhere/x.db)",
    ),
    "no room": ("sqlite:////proc/x.db", "(/proc/x.db cannot be opened|no store at /proc/x.db)"),
    "no URL": ("x.db", "ARCHSTUDY_STORE is no URL; write sqlite:///<path> or postgresql://"),
    "another database": ("mysql://me@here/x", "a store cannot be kept in 'mysql'; use sqlite"),
    "no server": ("postgresql://me:secret@127.0.0.1:1/x", r"postgresql://me:\*\*\*@127.0.0.1:1/x cannot be reached"),
}


@pytest.mark.parametrize(
    "command", [["list"], ["show", "x"], ["run", "s.yaml", "--inline", "--quiet"]], ids=lambda c: c[0]
)
@pytest.mark.parametrize(("place", "message"), STORES.values(), ids=STORES)
def test_a_store_that_cannot_be_used(
    command: list[str], place: str, message: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    if command[0] == "run" and "none.db" in place:
        pytest.skip("a run makes its store")
    (home / "folder").mkdir()
    (home / "s.yaml").write_text((EXAMPLES / "search-digits.yaml").read_text())
    monkeypatch.setenv("ARCHSTUDY_STORE", place)
    code, out, err = called(capsys, *command)
    assert (code, out) == (UNREACHABLE, "")
    assert re.search(f"^archstudy: .*{message}", err), err
    assert "secret" not in err
    assert len(err.splitlines()) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_store_that_cannot_be_written(stored: Path) -> None:
    Path("archstudy.db").chmod(0o444)
    Path(".").chmod(0o555)
    try:
        assert archstudy("run", "study.yaml", "--inline").returncode == UNREACHABLE
    finally:
        Path(".").chmod(0o755)


def test_a_folder_in_a_process_of_its_own(home: Path) -> None:
    ended = archstudy("list", env=with_store(f"sqlite:///{home}"))
    assert ended.returncode == UNREACHABLE
    assert ended.stderr.startswith(f"archstudy: {home} cannot be opened")


# --- what the commands say --------------------------------------------------------------------------------------------

SAID: dict[str, tuple[list[str], int, str]] = {
    "no command": ([], USAGE, "usage: archstudy"),
    "no argument": (["show"], USAGE, "the following arguments are required: study"),
    "a trial that is no number": (["show", "tiny", "--trial", "x"], USAGE, "invalid int value: 'x'"),
    "no file": (["validate", "no.yaml"], NOT_FOUND, "archstudy: there is no file no.yaml; give the path of a study's"),
    "no study": (["show", "tny"], NOT_FOUND, "archstudy: there is no study 'tny' in the store; it holds: tiny"),
    "no trial": (
        ["show", "tiny", "--trial", "3"],
        NOT_FOUND,
        "'tiny' has no trial 3; `archstudy show tiny` lists them",
    ),
    "no file to describe": (
        ["describe", "no.yaml"],
        NOT_FOUND,
        "archstudy: there is no file no.yaml; give the path of a",
    ),
    "nothing to describe": (["describe", "tiny", "--trial", "3"], NOT_FOUND, "'tiny' has no trial 3"),
    "a folder": (["validate", "."], INVALID, ".: cannot be read (Is a directory); give the path of a YAML file"),
    "an empty file": (["plan", "/dev/null"], INVALID, "/dev/null:1:1: the file is empty; write"),
    "no variable": (["describe", "study.yaml", "--set", "wdith=4"], FAILED, "NAME=VALUE, did you mean 'width'?"),
    "no value": (["describe", "study.yaml", "--set", "width"], FAILED, "'width' sets no variable; write NAME=VALUE"),
    "a value that does not fit": (
        ["describe", "study.yaml", "--set", "width=x"],
        FAILED,
        "--set width=x: 'x' is not among",
    ),
    "an option that is none": (
        ["describe", "study.yaml", "--input", "3x8x8"],
        FAILED,
        "archstudy: --input does nothing here: a study's file has its data's input and outputs",
    ),
    "no classes at all": (["describe", "bare.yaml", "--outputs", "0"], USAGE, "got '0'; write a whole number from 1"),
    "a network of the zoo": (["describe", "vgg16"], NOT_FOUND, "no study 'vgg16', did you mean zoo:vgg16?"),
    "a shape that is none": (
        ["describe", "bare.yaml", "--input", "3by32"],
        FAILED,
        "--input '3by32' is no shape; write channels x sizes, such as 3x32x32",
    ),
    "a bare blueprint that cannot be": (["describe", "deep.yaml"], INVALID, "deep.yaml:1:41: stages.0.pool: a 9x9"),
    "a bare blueprint with a typo": (
        ["describe", "typo.yaml"],
        INVALID,
        "typo.yaml:1:25: stages.0.widht: unknown field",
    ),
}


@pytest.mark.parametrize(("arguments", "code", "message"), SAID.values(), ids=SAID)
def test_errors_say_what_and_how_to_mend_it(
    arguments: list[str], code: int, message: str, stored: Path, capsys: Any
) -> None:
    Path("bare.yaml").write_text("stages: [{block: plain, width: 4}]\n")
    Path("typo.yaml").write_text("stages: [{block: plain, widht: 4}]\n")
    Path("deep.yaml").write_text("stages: [{block: plain, width: 4, pool: {size: 9}}]\n")
    found = called(capsys, *arguments)
    assert (found[0], found[1]) == (code, "")
    assert message in found[2]


JSON: dict[str, tuple[list[str], Callable[[Any], Any], Any]] = {
    "validate": (["validate", "study.yaml"], lambda told: (told["name"], told["valid"]), ("tiny", True)),
    "plan": (["plan", "study.yaml"], lambda told: (told["kind"], told["trials"]), ("search", 4)),
    "list": (["list"], lambda told: [one["name"] for one in told], ["tiny"]),
    "show": (["show", "tiny"], lambda told: (told["name"], told["trials"]), ("tiny", [])),
    "describe": (
        ["describe", "study.yaml", "--set", "width=4"],
        lambda told: (told["params"], told["macs"]),
        (58, 296),
    ),
    "bare": (["describe", "bare.yaml", "--input", "3x9x9", "--outputs", "2"], lambda told: told["params"], 122),
}


@pytest.mark.parametrize(("arguments", "pick", "expected"), JSON.values(), ids=JSON)
def test_reading_commands_print_json(arguments: list[str], pick: Any, expected: Any, stored: Path, capsys: Any) -> None:
    Path("bare.yaml").write_text("stages: [{block: plain, width: 4}]\n")
    code, out, err = called(capsys, *arguments, "--json")
    assert (code, err) == (DONE, "")
    assert pick(json.loads(out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))) == expected
    assert called(capsys, *arguments)[0] == DONE


def test_the_schema_is_json(home: Path, capsys: Any) -> None:
    assert json.loads(called(capsys, "schema")[1])["title"] == "StudySpec"


def test_the_version(capsys: Any) -> None:
    code, out, _ = called(capsys, "--version")
    assert code == DONE
    assert re.fullmatch(r"archstudy \d+\.\d+\.\d+\n", out)


def test_a_run_from_its_file_to_its_trials(home: Path, tiny: Callable[..., Study], capsys: Any) -> None:
    """One design study of two small cells, and what `show` tells of it, also when its data are gone."""
    tiny("design", design={"factors": ["kernel"], "replicates": 1}, recipe={"epochs": 1, "batch_size": 512},
         variables={"kernel": {"choice": [1, 3]}},
         blueprint={"stages": [{"block": "plain", "width": 2, "kernel": "$kernel"}]})  # fmt: skip
    code, out, _ = called(capsys, "run", "study.yaml", "--inline", "--quiet")
    assert code == DONE
    assert "one seed says nothing of the noise, so nothing can be told; raise design.replicates to 3 or more" in out
    assert out.splitlines()[-2].startswith("next: archstudy show tiny")
    told = json.loads(called(capsys, "show", "tiny", "--json")[1])
    assert [trial["state"] for trial in told["trials"]] == ["complete"] * 2
    assert "one seed says nothing of the noise" in told["verdict"][0]
    assert "val_accuracy" in called(capsys, "show", "tiny", "--trial", "0")[1]
    layers = json.loads(called(capsys, "describe", "tiny", "--trial", "1", "--json")[1])
    assert layers["params"] == told["trials"][1]["params"]
    again = called(capsys, "run", "study.yaml", "--inline", "--quiet")
    assert (again[0], "nothing was done" in again[2]) == (DONE, True)


def test_a_pilot_that_ends_as_asked_has_not_failed(home: Path, capsys: Any) -> None:
    Path("t.csv").write_text(
        "depth,seed,val_accuracy\n" + "".join(f"{d},{s},0.{d}{s}\n" for d in (1, 2) for s in range(5))
    )
    design = "variables: {depth: {choice: [1, 2]}}\ndesign: {factors: [depth], replicates: 5}\n"
    head = "apiVersion: archstudy/v1\nkind: Study\nname: told\ndata: {source: digits}\nevaluate: {table: t.csv}\n"
    Path("s.yaml").write_text(head + design)
    code, out, _ = called(capsys, "run", "s.yaml", "--inline", "--quiet", "--pilot")
    assert (code, "So far (" in out) == (DONE, True)
    assert "at the end" in out
    assert called(capsys, "run", "s.yaml", "--inline", "--quiet")[0] == DONE


def test_a_study_is_shown_without_its_data(stored: Path, capsys: Any) -> None:
    engine: Engine = store.connect(store.url())
    gone = '"source": "arrays:/gone.npz"'
    with writing(engine) as connection:
        connection.exec_driver_sql(f"UPDATE study SET spec = replace(spec, '\"source\": \"digits\"', '{gone}')")
        connection.exec_driver_sql(f"UPDATE study SET spec = replace(spec, '\"source\":\"digits\"', '{gone}')")
        assert "gone.npz" in connection.exec_driver_sql("SELECT spec FROM study").scalar_one()
    engine.dispose()
    code, out, _ = called(capsys, "show", "tiny")
    assert (code, "no winner yet" in out) == (DONE, True)


def test_a_broken_study_in_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "s.yaml").write_text(BROKEN)
    code, out, err = called(capsys, "validate", "s.yaml", "--json")
    line = BROKEN[: BROKEN.index("samplr")].count("\n") + 1
    message = "unknown field 'samplr', did you mean 'sampler'?"
    problem = {"where": "search.samplr", "line": line, "column": 3, "message": message}
    assert json.loads(out) == {"file": "s.yaml", "valid": False, "problems": [problem]}
    assert (code, err) == (INVALID, f"s.yaml:{line}:3: search.samplr: {message}\n")


def test_absent_data_can_be_planned_with_and_not_run_with(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run without it would store a study of unknown data."""
    text = (EXAMPLES / "search-digits.yaml").read_text()
    absent = "{source: 'folder:nowhere', image: [8, 8, 1], classes: 10}"
    Path("s.yaml").write_text(text.replace("{source: digits}", absent))
    assert main(["plan", "s.yaml"]) == DONE
    assert "an unknown number of examples of 1x8x8" in capsys.readouterr().out
    assert main(["run", "s.yaml", "--inline"]) == FAILED
    assert f"{home}/nowhere: there is no such folder" in capsys.readouterr().err
    assert not (home / "archstudy.db").exists()
