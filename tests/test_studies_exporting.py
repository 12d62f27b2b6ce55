"""From a study to a bundle: which trial is taken, what its card says, and the way back into a blueprint."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from searchspace.dense import Sliding
from searchspace.drawing import confusion
from searchspace.language.problems import SpecError
from studies import card, cli, exporting
from studies.commands import running
from studies.errors import NotFound
from studies.exporting import Wanted
from studies.load import from_tree, load
from studies.store import Engine, connect, query
from worker.bundle import Evidence

STUDY = """apiVersion: archstudy/v1
kind: Study
name: small
about: How wide?
data: {source: digits}
variables:
  width: {choice: [4, 8]}
blueprint:
  stages: [{block: plain, width: $width, norm: batch}]
design: {factors: [width], replicates: 2}
recipe: {epochs: 2, optimizer: {kind: sgd, lr: 0.1}}
"""
FROM_BUNDLE = """apiVersion: archstudy/v1
kind: Study
name: again
data: {source: digits}
blueprint: {choice: [{bundle: here, silence: [heavy_head]}, {zoo: lenet5_1998}]}
design: {factors: [blueprint]}
recipe: {epochs: 1}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a study that ran, and its best network's bundle in `here`."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "study.yaml").write_text(STUDY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("ARCHSTUDY_STORE", f"sqlite:///{folder / 'a.db'}")
        running.run_file(folder / "study.yaml", inline=True, quiet=True)
        yield folder


@pytest.fixture(scope="module")
def exported(home: Path) -> dict[str, Any]:
    """What the program says of the export, in a process with no compiler and all warnings shown."""
    command = [
        sys.executable,
        "-W",
        "always",
        "-m",
        "studies.cli",
        "export",
        "small",
        "--best",
        "--out",
        "here",
        "--json",
    ]
    names = {"PATH": str(home), "PYTHONPATH": str(Path(cli.__file__).parents[1])}
    done = subprocess.run(command, cwd=home, env=os.environ | names, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.fixture
def engine(home: Path) -> Iterator[Engine]:
    engine = connect(f"sqlite:///{home / 'a.db'}")
    yield engine
    engine.dispose()


@pytest.fixture
def row(engine: Engine) -> dict[str, Any]:
    found = query.find_study(engine, "small")
    assert found is not None
    return found


def test_the_best_trial_is_exported(exported: dict[str, Any], engine: Engine, row: dict[str, Any]) -> None:
    trials = query.trials(engine, row["id"])
    best = max(trials, key=lambda trial: (trial["value"], -trial["macs"], -trial["number"]))
    assert exported["trial"] == best["number"]
    assert exported["metrics"]["val_accuracy"] == best["metrics"]["val_accuracy"]
    assert {"model.onnx", "model.pt2", "model.py", "predict.py", "confusion.svg"} <= set(exported["files"])
    assert (exported["params"], exported["examples"]) == (best["params"], 360)


def test_under_costs_the_best_that_fits(engine: Engine, row: dict[str, Any]) -> None:
    narrow = [trial for trial in query.trials(engine, row["id"]) if trial["assignment"] == {"width": 4}]
    limit = {"params": narrow[0]["params"], "macs": 1e9}
    found, among = exporting.chosen(engine, row, Wanted(under=limit))
    assert found["value"] == max(trial["value"] for trial in narrow)
    assert among == 2
    with pytest.raises(
        NotFound, match=r"no complete trial of 'small' fits params=10; the nearest is trial \d with \d+ params"
    ):
        exporting.chosen(engine, row, Wanted(under={"params": 10}))


def test_a_trial_that_is_not_there_or_has_no_weights(
    engine: Engine, row: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    with pytest.raises(NotFound, match="'small' has no trial 99; `archstudy show small` lists them"):
        exporting.chosen(engine, row, Wanted(trial=99))
    with pytest.raises(NotFound, match="'small' has no winner to export; name a trial with --trial N, or write --best"):
        exporting.chosen(engine, row, Wanted())
    with pytest.raises(ValueError, match=r"trial 0 of 'small': .* there are no final weights of this network"):
        exporting.export(engine, row, Wanted(trial=0), tmp_path / "b", tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("macs=2M", {"macs": 2_000_000}),
        ("macs=2M, params=60k", {"macs": 2_000_000, "params": 60_000}),
        ("mac=2M", r"'mac=2M' is no limit, did you mean 'macs'\?; write macs=2M"),
        ("macs", "'macs' is no limit.*; write macs=2M"),
        ("macs=1,macs=2", "macs stands twice; write it once"),
        ("macs=many", "'many' is no count"),
    ],
)
def test_limits(text: str, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert exporting.limits(text) == wanted
    else:
        with pytest.raises(ValueError, match=wanted):
            exporting.limits(text)


def test_one_way_to_choose_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["export", "small", "--best", "--trial", "1"])
    assert "not allowed with argument" in capsys.readouterr().err


def test_the_card_tells_what_was_found(exported: dict[str, Any], home: Path) -> None:
    page = (home / "here" / "card.md").read_text()
    right = round(exported["metrics"]["val_accuracy"] * 360)
    low, _ = card.wilson(right, 360)
    for sentence in (
        f"**accuracy {right / 3.6:.2f} %**: {right} of 360 validation examples, 95 % interval {100 * low:.2f} % to",
        "val_accuracy over 2 seeds: ",
        "as the best of 4 trials, so that value is itself a little too good",
        "| class | examples | found | right when said | most often taken for |",
        "![what is taken for what](confusion.svg)",
        f"* params: {exported['params']:,}",
        "% (while training, over the epoch's steps)",
        "python predict.py image.png --onnx",
        "`model.onnx` is of opset 20",
        "It always answers with one of its 10 classes",
        "Each form was run on all 360 validation examples",
        "* study `small`, fingerprint `",
        "epochs: 2",
    ):
        assert sentence in page
    assert "null" not in page
    assert len([line for line in page.splitlines() if line.startswith("| ")]) == 1 + 10


def test_a_bundle_can_be_described_and_is_the_network_that_was_trained(
    exported: dict[str, Any], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["describe", str(home / "here"), "--json"]) == cli.DONE
    told = json.loads(capsys.readouterr().out)
    assert (told["params"], told["macs"], told["input"]) == (exported["params"], exported["macs"], [1, 8, 8])
    assert cli.main(["describe", str(home / "here"), "--trial", "1"]) == cli.FAILED
    assert "a bundle holds one network without variables" in capsys.readouterr().err


def test_a_bundle_is_a_blueprint_again(exported: dict[str, Any], home: Path, tmp_path: Path) -> None:
    """Also as one choice among others; what is stored does not need the folder any more."""
    shutil.copytree(home / "here", tmp_path / "here")
    (tmp_path / "again.yaml").write_text(FROM_BUNDLE)
    study = load(tmp_path / "again.yaml")
    shutil.rmtree(tmp_path / "here")
    stored = from_tree(study.tree, study.text)
    mine, published = stored.spec.blueprint["choice"]
    assert "stages" in mine
    assert mine["silence"] == ["heavy_head"]
    assert published == {"zoo": "lenet5_1998"}
    assert "bundle" not in json.dumps(study.tree)


@pytest.mark.parametrize(
    ("blueprint", "message"),
    [
        ("{bundle: nowhere}", r"8:\d+: .*there is no bundle in .*nowhere; give the folder that archstudy export wrote"),
        ("{bundle: here, stages: []}", "a blueprint has bundle: or stages:, and this one has both"),
        ("{bundle: here, classs: 3}", "unknown field 'classs', did you mean 'classes'"),
        ("{bundle: 3}", "got 3; give the folder that archstudy export wrote"),
        ("{bundle: empty}", "blueprint.yaml is no blueprint of a bundle"),
    ],
)
def test_what_is_no_bundle_says_so(
    exported: dict[str, Any], home: Path, tmp_path: Path, blueprint: str, message: str
) -> None:
    shutil.copytree(home / "here", tmp_path / "here")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "blueprint.yaml").write_text("[]\n")
    head, tail = STUDY.split("blueprint:\n")[0], "design:" + STUDY.split("design:")[1]
    (tmp_path / "study.yaml").write_text(f"{head}blueprint: {blueprint}\n{tail}")
    with pytest.raises(SpecError, match=message):
        load(tmp_path / "study.yaml")


def test_intervals_of_shares() -> None:
    """Wilson's; at 0 and 1 they are not empty. Values of Brown, Cai & DasGupta's formula by hand."""
    assert card.wilson(10, 10) == pytest.approx((0.7225, 1.0), abs=1e-4)
    assert card.wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert card.wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)


def test_a_folder_that_cannot_be_written(engine: Engine, row: dict[str, Any], home: Path) -> None:
    out, files = home / "study.yaml" / "here", home / "nothing"
    with pytest.raises(ValueError, match=r"--out .*here: File exists; free space, or choose another folder"):
        exporting.export(engine, row, Wanted(best=True), out, files)


def test_seeds_that_agree_tell_no_spread() -> None:
    agreed, spread = (
        card._over_seeds({"metric": "val_accuracy"}, [{"value": one} for one in (1.0, other)]) for other in (1.0, 0.9)
    )
    assert agreed == ["val_accuracy over 2 seeds: 100.00 % (all 2 seeds agree) (which tells no spread)"]
    assert "(95 %, Student: " in spread[0]


def test_a_label_stays_in_its_cell() -> None:
    assert card._class(0, [[1, 2], [0, 0]], ["a|b", "<c>"]) == r"| a\|b | 3 | 33.3 % | 100.0 % | &lt;c> (2) |"


def test_a_sliding_network_says_how_its_map_compares() -> None:
    evidence = Evidence(10, {}, {}, sliding=Sliding((8, 8), (2, 2), exact=False))
    told = " ".join(card._sliding(evidence))
    assert "inputs of 8x8 or larger" in told
    assert "2x2 pixels apart" in told
    assert "predictions differ from those of crops" in told


@pytest.mark.parametrize("classes", [2, 10, 100])
def test_a_confusion_picture_has_a_cell_for_each_pair(classes: int) -> None:
    counts = [[9 if i == j else int(j == 0) for j in range(classes)] for i in range(classes)]
    labels = [f"a class with the long name {n}" for n in range(classes)]
    drawn = ElementTree.fromstring(confusion(counts, labels))
    tips = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}title")][1:]
    assert len(tips) == classes**2
    assert tips[classes] == f"{labels[1]} taken for {labels[0]}: 1 of 10"
    assert float(drawn.attrib["width"]) < 1_300
    texts = [one.text for one in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert ("9" in texts) == (classes < 100)
