"""`archstudy describe`: its parts as text, JSON and files, for the zoo, a blueprint, a study; and what it refuses."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from searchspace.zoo import files
from studies import store
from studies.candidate import Study
from studies.cli import DONE, FAILED, INVALID, NOT_FOUND, UNREACHABLE, USAGE, main
from studies.run import enrol

BARE = "stages: [{block: plain, width: 4, kernel: 3}]\n"
MAP = "stages: [{block: plain, width: 4}]\nhead: {kind: none}\n"
STUDY = """\
apiVersion: archstudy/v1
kind: Study
name: s
data: {source: digits}
variables:
  width: {int: [4, 16]}
  lr: {float: [0.01, 0.1]}
  stem:
    choice:
      - {block: plain, width: $width, kernel: {choice: [3, 5]}}
      - {block: residual, width: $width, repeat: {int: [1, 3]}}
blueprint: {stages: [$stem]}
search: {}
recipe: {epochs: 1, batch_size: 50, optimizer: {kind: sgd, lr: $lr}}
"""

Said = tuple[int, str, str]
Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`archstudy describe` in a folder with the files above: its code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ARCHSTUDY_STORE", raising=False)
    monkeypatch.setenv("COLUMNS", "100")
    for name, text in {"bare": BARE, "map": MAP, "s": STUDY}.items():
        Path(f"{name}.yaml").write_text(text)

    def called(*arguments: str) -> Said:
        try:
            code = main(["describe", *arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return called


def facts(run: Run, *arguments: str) -> dict[str, Any]:
    code, out, err = run(*arguments, "--json")
    assert (code, err) == (DONE, "")
    return dict(json.loads(out))


# --- what it says -----------------------------------------------------------------------------------------------------


def test_the_parts_of_the_text(run: Run) -> None:
    code, out, err = run("zoo:lenet5")
    lines = out.splitlines()
    assert (code, err) == (DONE, "")
    assert lines[0].startswith("zoo:lenet5: Gradient-based learning applied to document recognition (LeCun")
    assert lines[1] == "https://doi.org/10.1109/5.726791"
    assert "conv 5×5, 6 maps, tanh → 28×28" in lines
    header = next(line for line in lines if line.startswith("name "))
    assert header.split() == ["name", "layer", "output", "params", "MACs", "field", "stride"]
    row = lines[lines.index(header) + 1]
    assert row.split("  ")[0] == "stages.0.conv1"
    ends = {name: header.index(name) + len(name) for name in ("params", "MACs")}
    assert (row[: ends["params"]][-4:], row[: ends["MACs"]][-7:]) == (" 156", "117,600")
    assert any(line.startswith("61,706 params, 416,520 MACs (1.13 M in a training step)") for line in lines)
    assert any(line.startswith("memory about 284 kB for one example, 2.68 MB to train on 32 ") for line in lines)
    assert "Advice (`silence: [kind]` in the blueprint turns a kind off):" in lines


def test_published_errors_stand_in_the_head(run: Run) -> None:
    name = next(name for name in files.names() if files.card(name).errors)
    assert "\npublished errors: " in run(f"zoo:{name}")[1]


def test_a_long_list_of_layers_waits_to_be_asked_for(run: Run) -> None:
    short, long = run("zoo:resnet18")[1], run("zoo:resnet18", "--layers")[1]
    assert " layers: --layers lists them, --html writes a page with them\n" in short
    assert "stages.0.conv1 " not in short
    assert "stages.0.conv1 " in long


def test_the_keys_of_the_json(run: Run) -> None:
    told = facts(run, "zoo:lenet5")
    assert {"params", "macs", "train_macs", "activations", "units", "field", "stride", "padding", "depth", "input",
            "fingerprint", "trainable", "refused", "memory", "card", "advice", "layers"} <= {*told}  # fmt: skip
    assert (told["params"], told["macs"], told["input"]) == (61_706, 416_520, [1, 32, 32])
    assert (told["trainable"], told["refused"]) == (True, None)
    assert told["card"]["year"] == 1998
    assert sum(layer["params"] for layer in told["layers"]) == told["params"]
    assert "fixed_input" in [one["kind"] for one in told["advice"]]
    assert "card" not in facts(run, "bare.yaml")


def test_memory_grows_with_the_batch(run: Run) -> None:
    """Each example more saves the same bytes; the weights, their gradients and the momentum stay."""
    one, two, usual = (facts(run, "zoo:lenet5", *batch)["memory"] for batch in (["--batch", "1"], ["--batch", "2"], []))
    assert (one["batch"], two["batch"], usual["batch"]) == (1, 2, 32)
    assert one["weights"] == two["weights"] == usual["weights"] == 4 * 61_706
    more = two["train_bytes"] - one["train_bytes"]
    assert more > 0
    assert usual["train_bytes"] == one["train_bytes"] + 31 * more
    assert "to train on 7 (momentum, float32)" in run("zoo:lenet5", "--batch", "7")[1]


def test_the_batch_is_the_recipes_where_nothing_else_is_said(run: Run) -> None:
    assert facts(run, "s.yaml")["memory"]["batch"] == 50
    assert facts(run, "s.yaml", "--batch", "3")["memory"]["batch"] == 3


def test_a_blueprint_takes_its_input_and_outputs(run: Run) -> None:
    assert facts(run, "bare.yaml")["input"] == [1, 8, 8]
    told = facts(run, "bare.yaml", "--input", "3x9x7", "--outputs", "2")
    assert (told["input"], told["layers"][-1]["out"]) == ([3, 9, 7], [2])
    assert told["params"] == 3 * 9 * 4 + 4 + 4 * 2 + 2


def test_a_network_that_ends_in_a_map_is_described_and_said_to_be_refused(run: Run) -> None:
    sentence = "the network ends in 4x8x8, not in 10 outputs; write a head that does"
    code, out, _ = run("map.yaml")
    assert (code, f"a study would refuse it: {sentence}\n" in out) == (DONE, True)
    told = facts(run, "map.yaml")
    assert (told["trainable"], told["refused"], told["layers"][-1]["out"]) == (False, sentence, [4, 8, 8])
    assert "would refuse" not in run("bare.yaml")[1]


def test_an_auxiliary_classifier_that_ends_in_a_map(run: Run) -> None:
    aside = "{block: auxiliary, stages: [{block: plain, width: 3}], head: {kind: none}}"
    Path("aside.yaml").write_text(f"stages: [{aside}, {{block: plain, width: 4}}]\n")
    sentence = "stages.0.auxiliary: it ends in 3x8x8, not in 10 outputs; give it a head that does"
    assert f"a study would refuse it: {sentence}\n" in run("aside.yaml")[1]


def test_a_blueprint_for_other_classes(run: Run) -> None:
    Path("five.yaml").write_text(BARE + "classes: 5\n")
    assert facts(run, "five.yaml")["layers"][-1]["out"] == [5]
    assert facts(run, "five.yaml", "--outputs", "5")["trainable"] is True
    sentence = "the blueprint is for 5 classes, the data has 7; leave classes out or name the data's number"
    assert run("five.yaml", "--outputs", "7") == (INVALID, "", f"five.yaml:2:10: classes: {sentence}\n")


# --- files ------------------------------------------------------------------------------------------------------------


def test_files(run: Run) -> None:
    names = {"--svg": "f.svg", "--volumes": "v.svg", "--html": "p.html", "--source": "net.py"}
    code, out, err = run("zoo:lenet5", *(word for pair in names.items() for word in pair))
    assert (code, out.splitlines(), err) == (DONE, [f"wrote {name}" for name in names.values()], "")
    assert all(ElementTree.parse(name).getroot().tag.endswith("svg") for name in ("f.svg", "v.svg"))
    page = Path("p.html").read_text(encoding="utf-8")
    assert "<title>zoo:lenet5</title>" in page
    assert "stages.0.conv1" in page


def test_the_source_is_the_network(run: Run) -> None:
    run("zoo:lenet5", "--source", "net.py")
    text = Path("net.py").read_text(encoding="utf-8")
    assert text.startswith('"""zoo:lenet5, as plain PyTorch.')
    names: dict[str, Any] = {"__name__": "net"}
    exec(text, names)
    assert sum(weights.numel() for weights in names["build"]().parameters()) == 61_706


def test_files_and_json_at_once(run: Run) -> None:
    assert facts(run, "bare.yaml", "--svg", "f.svg")["params"] == 90
    assert Path("f.svg").exists()


# --- the zoo ----------------------------------------------------------------------------------------------------------


def test_the_list_of_the_zoo(run: Run) -> None:
    told = facts(run, "zoo")
    assert {row["name"] for row in told["networks"]} == {*files.names()}
    years = [row["year"] for row in told["networks"]]
    assert years == sorted(years)
    lenet = next(row for row in told["networks"] if row["name"] == "lenet5")
    assert (lenet["params"], lenet["macs"], lenet["input"]) == (61_706, 416_520, [1, 32, 32])
    assert told["imagenet"]["entries"][0]["year"] == 2010
    out = run("zoo")[1]
    assert out.splitlines()[0].split() == ["network", "year", "input", "params", "MACs", "published", "errors"]
    assert out.endswith("archstudy describe zoo:NAME shows one of them\n")


def test_parameters_of_a_network(run: Run) -> None:
    whole, half = (facts(run, "zoo:mobilenet_v1", *more)["params"] for more in ([], ["--set", "width=0.5"]))
    assert (whole, half) == (4_231_976, 1_331_592)
    told = facts(run, "zoo:resnet18", "--set", "classes=7", "--input", "3x64x64")
    assert (told["layers"][-1]["out"], told["input"]) == ([7], [3, 64, 64])


# --- variables --------------------------------------------------------------------------------------------------------


def test_options_that_are_sections_are_set_by_their_names(run: Run) -> None:
    first = facts(run, "s.yaml")
    assert first["fingerprint"] == facts(run, "s.yaml", "--set", "stem=plain")["fingerprint"]
    five = facts(run, "s.yaml", "--set", "stem_plain_kernel=5", "--set", "width=8.0")
    assert five["params"] == 25 * 8 + 8 + 8 * 10 + 10
    three = facts(run, "s.yaml", "--set", "stem=residual", "--set", "stem_residual_repeat=3")
    assert [layer["kind"] for layer in three["layers"]].count("Parallel") == 3


# --- what it refuses --------------------------------------------------------------------------------------------------

FOLDER = "make the folder /nonexistent first"
MAPLESS = "a blueprint on its own has no variables and no trials; write the value into the file"
FILED = "a study's file has its data's input and outputs, and no trials yet; leave it out"
ONE = "write a whole number from 1"
SHAPE = "is no shape; write channels x sizes, such as 3x32x32"
HELD = "a trial in the store has its values and its data's input and outputs; leave it out, or write --trial"

REFUSED: dict[str, tuple[list[str], int, str]] = {
    "--set on a blueprint": (["bare.yaml", "--set", "width=8"], FAILED, f"--set does nothing here: {MAPLESS}"),
    "--trial on a blueprint": (["bare.yaml", "--trial", "5"], FAILED, f"--trial does nothing here: {MAPLESS}"),
    "--trial on a network": (
        ["zoo:lenet5", "--trial", "0"],
        FAILED,
        "--trial does nothing here: a network of the zoo is no trial; give the name of a study in the store",
    ),
    "--trial on a file": (["s.yaml", "--trial", "5"], FAILED, f"--trial does nothing here: {FILED}"),
    "--input on a study": (["s.yaml", "--input", "1x8x8"], FAILED, f"--input does nothing here: {FILED}"),
    "--outputs on a study": (["s.yaml", "--outputs", "3"], FAILED, f"--outputs does nothing here: {FILED}"),
    "--set on the list": (
        ["zoo", "--set", "a=1"],
        FAILED,
        "--set does nothing here: the list of the zoo takes only --json; write zoo:NAME for one of its networks",
    ),
    "--set on a trial": (["tiny", "--set", "width=4"], FAILED, f"--set does nothing here: {HELD}"),
    "--input on a trial": (["tiny", "--input", "1x8x8"], FAILED, f"--input does nothing here: {HELD}"),
    "another network": (
        ["zoo:resnet18", "--set", "zoo=alexnet"],
        FAILED,
        "--set zoo=alexnet is another network; write describe zoo:alexnet",
    ),
    "no such parameter": (["zoo:lenet5", "--set", "clases=3"], INVALID, "clases: unknown field 'clases', did you mean"),
    "a setting without a value": (["zoo:lenet5", "--set", "width"], FAILED, "--set 'width' sets nothing; write NAME="),
    "the same twice": (
        ["s.yaml", "--set", "width=4", "--set", "width=8"],
        FAILED,
        "--set width stands twice; write it once",
    ),
    "outside a range": (
        ["s.yaml", "--set", "width=99"],
        FAILED,
        "--set width=99: 99 is not among the values of 'width'; write a whole number from 4 to 16",
    ),
    "outside real numbers": (
        ["s.yaml", "--set", "lr=3"],
        FAILED,
        "--set lr=3: 3 is not among the values of 'lr'; write a number from 0.01 to 0.1",
    ),
    "no number": (
        ["s.yaml", "--set", "lr=.nan"],
        FAILED,
        "--set lr=.nan: .nan is not a finite number; write one, or quote the text",
    ),
    "no such option": (
        ["s.yaml", "--set", "stem=residul"],
        FAILED,
        "--set stem=residul: 'residul' is not among the values of 'stem'; write one of plain, residual",
    ),
    "not among the options": (
        ["s.yaml", "--set", "stem_plain_kernel=7"],
        FAILED,
        "--set stem_plain_kernel=7: 7 is not among the values of 'stem_plain_kernel'; write one of 3, 5",
    ),
    "within another option": (
        ["s.yaml", "--set", "stem_residual_repeat=2"],
        FAILED,
        "--set stem_residual_repeat has no effect: it exists only with stem: residual; set that",
    ),
    "no outputs": (["bare.yaml", "--outputs", "0"], USAGE, f"argument --outputs: got '0'; {ONE}"),
    "no batch": (["bare.yaml", "--batch", "0"], USAGE, f"argument --batch: got '0'; {ONE}"),
    "less than none": (["bare.yaml", "--batch=-3"], USAGE, f"argument --batch: got '-3'; {ONE}"),
    "a shape with a _": (["bare.yaml", "--input", "3x3_2x32"], FAILED, f"--input '3x3_2x32' {SHAPE}"),
    "a shape of wide digits": (["bare.yaml", "--input", "3x３２x32"], FAILED, f"--input '3x３２x32' {SHAPE}"),
    "a shape with a space": (["bare.yaml", "--input", "3x 32x32"], FAILED, f"--input '3x 32x32' {SHAPE}"),
    "a shape of nothing": (["bare.yaml", "--input", "3x0x32"], FAILED, f"--input '3x0x32' {SHAPE}"),
    "a shape of five": (["bare.yaml", "--input", "3x4x4x4x4"], FAILED, f"--input '3x4x4x4x4' {SHAPE}"),
    "a folder that is not there": (
        ["bare.yaml", "--html", "/nonexistent/x"],
        FAILED,
        f"--html /nonexistent/x cannot be written (No such file or directory); {FOLDER}",
    ),
    "a folder in the place of a file": (
        ["bare.yaml", "--svg", "."],
        FAILED,
        "--svg . cannot be written (Is a directory); give another file",
    ),
    "a network without zoo:": (["resnet18"], NOT_FOUND, "there is no study 'resnet18', did you mean zoo:resnet18?"),
    "nothing of that name": (["nothing_at_all"], UNREACHABLE, "no store at "),
    "no such network": (["zoo:resnet19"], NOT_FOUND, "the zoo has no network 'resnet19', did you mean 'resnet1"),
    "a typo in stages": (
        ["typo.yaml"],
        INVALID,
        "typo.yaml:1:1: stagse: unknown field 'stagse', did you mean 'stages'?",
    ),
    "a typo in zoo": (["typo2.yaml"], INVALID, "typo2.yaml:1:1: zooo: unknown field 'zooo', did you mean 'zoo'?"),
    "a study with a stray key": (["stray.yaml"], INVALID, "stray.yaml:15:1: stages: unknown field 'stages'"),
}


@pytest.mark.parametrize(("arguments", "code", "sentence"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_apply_is_refused(arguments: list[str], code: int, sentence: str, run: Run) -> None:
    Path("typo.yaml").write_text(BARE.replace("stages", "stagse"))
    Path("typo2.yaml").write_text("zooo: resnet18\n")
    Path("stray.yaml").write_text(STUDY + "stages: []\n")
    ended, out, err = run(*arguments)
    assert (ended, out) == (code, "")
    assert sentence in err
    assert code not in (FAILED, NOT_FOUND) or len(err.splitlines()) == 1


def test_a_network_without_zoo_beside_a_store(run: Run, tiny: Callable[..., Study]) -> None:
    engine = store.connect(store.url())
    enrol(tiny(), engine)
    engine.dispose()
    assert run("resnet18")[::2] == (
        NOT_FOUND,
        "archstudy: there is no study 'resnet18', did you mean zoo:resnet18?\n",
    )
    assert "there is no study 'tny' in the store; it holds: tiny" in run("tny")[2]
    assert "'tiny' has no trial 0" in run("tiny")[2]
