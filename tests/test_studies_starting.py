"""`archstudy init`: what it writes is sound, and nothing that is there is touched."""

import json
from pathlib import Path

import pytest

from searchspace.language import yamlio
from studies.cli import CONFLICT, DONE, FAILED, main
from studies.load import load
from worker.datasource import SOURCES


@pytest.mark.parametrize("kind", ["design", "search"])
def test_a_first_study_is_sound_and_named_by_its_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "my study.yaml"
    assert main(["init", str(path), "--kind", kind]) == DONE
    study = load(path)
    assert study.spec.name == "my-study"
    assert bool(study.spec.search) == (kind == "search")
    schema = json.loads((tmp_path / "archstudy.schema.json").read_text())
    assert schema["properties"]["apiVersion"]["const"] == "archstudy/v1"


def test_data_of_ones_own(tmp_path: Path) -> None:
    assert main(["init", str(tmp_path / "s.yaml"), "--data", "arrays:mine: #1.npz", "--json"]) == DONE
    assert yamlio.read(tmp_path / "s.yaml").data["data"] == {"source": "arrays:mine: #1.npz"}


def test_a_file_that_is_there_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("mine")
    assert main(["init", str(path)]) == CONFLICT
    assert path.read_text() == "mine"
    assert "is there already; give another name" in capsys.readouterr().err
    assert not (tmp_path / "archstudy.schema.json").exists()


def test_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "no" / "s.yaml")]) == FAILED
    assert "there is no folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "sentence"),
    {
        "nope": f"unknown source 'nope'; write {SOURCES}",
        "arrays:": f"unknown source 'arrays:'; write {SOURCES}",
        "": f"unknown source ''; write {SOURCES}",
        "hf:a b": "hf:a b names no data set; write hf:owner/name, or hf:owner/name/configuration",
    }.items(),
)
def test_data_that_nothing_reads(data: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", str(tmp_path / "s.yaml"), "--data", data]) == FAILED
    assert capsys.readouterr().err == f"archstudy: --data: {sentence}\n"
    assert list(tmp_path.iterdir()) == []
