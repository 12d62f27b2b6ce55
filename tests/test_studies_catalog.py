"""The catalogue: every study is sound and plannable without its data, says what it asks and who asked it first."""

import json
import runpy
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from searchspace.language import yamlio
from studies.candidate import Study
from studies.catalogue import Entry, catalogue
from studies.cli import CONFLICT, DONE, NOT_FOUND, main
from studies.design.cells import every_cell, raw_cells
from studies.design.costs import counted
from studies.load import load
from studies.planning import plan
from studies.screens import plan as told

ROOT = Path(__file__).parents[1]
ENTRIES = {one.name: one for one in catalogue()}
DESIGNS = {name: one for name, one in ENTRIES.items() if "\ndesign:" in one.text}
ADVISED = {
    "he-sun-depth-filter": {"even_kernel", "large_kernel"},
    "he-sun-width-filter": {"even_kernel", "large_kernel"},
}
"""What is said of the studies that compare even and large filters."""
MACS = {
    "a": 854_954_688,
    "b": 844_337_856,
    "c": 876_188_352,
    "d": 865_571_520,
    "e": 876_188_352,
    "f": 854_954_688,
    "g": 854_954_688,
    "h": 828_412_608,
    "i": 817_795_776,
    "j": 876_188_352,
}
"""Multiply-adds of the convolutions of He & Sun's networks, by their table 1 (36 and 18 positions a side, and 6)."""
LAYOUTS = {"factorial", "one_at_a_time", "fractional"}


@pytest.fixture(scope="module", autouse=True)
def offline() -> Iterator[None]:
    """Nothing is asked of the hub."""
    constants = pytest.importorskip("huggingface_hub.constants")
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        yield


@cache
def study(name: str) -> Study:
    return load(Path(str(files("studies").joinpath("catalog", f"{name}.yaml"))))


@pytest.mark.parametrize("one", ENTRIES.values(), ids=ENTRIES)
def test_a_study_says_what_it_asks_and_who_asked_it(one: Entry) -> None:
    loaded = study(one.name).spec
    assert loaded.name == one.name
    assert loaded.about == one.about
    assert {"Question", "Source"} <= one.told.keys()
    assert one.told["Question"].endswith("?") or "? " in one.told["Question"]
    assert any(character.isdigit() for character in one.told["Source"]), "a source has its year"


@pytest.mark.parametrize("name", DESIGNS)
def test_every_cell_can_be_and_costs_what_is_held(name: str) -> None:
    loaded = study(name)
    assert loaded.spec.design is not None
    assert [cell.reason for cell in (*every_cell(loaded), *raw_cells(loaded)) if cell.reason] == []
    assert len(every_cell(loaded)) > 1
    tolerance = float(loaded.spec.design.match.tolerance) if loaded.spec.design.match else 0.0
    for cell in every_cell(loaded):
        for name, target in loaded.spec.design.held.items():
            held = counted(loaded, cell.assignment, (name,)).held[name]
            assert held == pytest.approx(target, rel=tolerance), f"{cell.name}: {name}"


@pytest.mark.parametrize("name", DESIGNS)
def test_a_plan_is_told_without_advice_and_with_seeds_enough(name: str) -> None:
    loaded = study(name)
    facts = plan(loaded)
    assert {row["kind"] for row in facts["advice"]} == ADVISED.get(name, set())
    assert facts["replicates"] >= 5
    assert told(loaded, facts)[0] == f"{name}: {loaded.spec.about}"


def test_he_and_suns_networks_cost_what_their_paper_says() -> None:
    found = {str(cell.levels["net"])[-1]: cell.cost.macs for cell in every_cell(study("he-sun-exact")) if cell.cost}
    assert {net: macs - 256 * 1000 for net, macs in found.items()} == MACS


def test_he_and_suns_widths_are_found() -> None:
    found = every_cell(study("he-sun-exact-widths"))
    assert [cell.assignment["width"] for cell in found] == [256, 160, 128]
    assert {cell.cost.macs - 256 * 1000 for cell in found if cell.cost} == {MACS["a"]}


def test_cells_that_differ_in_depth_alone_keep_field_and_parameters() -> None:
    found = [cell.cost for cell in every_cell(study("why-depth")) if cell.cost]
    assert len({cost.depth for cost in found}) == 3
    assert len({cost.field for cost in found}) == 1
    assert max(cost.params for cost in found) < 1.07 * min(cost.params for cost in found)


def test_the_catalogue_has_every_layout() -> None:
    designs = [loaded.spec.design for loaded in map(study, DESIGNS)]
    assert {one.arrangement for one in designs if one} >= LAYOUTS


def test_the_page_is_up_to_date() -> None:
    made = runpy.run_path(str(ROOT / "docs/make_catalog.py"))["page"]()
    assert made == (ROOT / "docs/catalog.md").read_text(encoding="utf-8"), "run `python docs/make_catalog.py`"


def test_a_study_of_the_catalogue_is_written_under_its_own_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--from", "wide-deep-digits"]) == DONE
    assert Path("wide-deep-digits.yaml").read_text(encoding="utf-8") == ENTRIES["wide-deep-digits"].text
    assert Path("archstudy.schema.json").exists()
    assert main(["init", "--from", "wide-deep-digits"]) == CONFLICT
    assert "wide-deep-digits.yaml is there already" in capsys.readouterr().err


def test_a_study_of_the_catalogue_under_another_name_on_other_data(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    assert main(["init", str(path), "--from", "activations", "--data", "folder:leaves"]) == DONE
    tree = yamlio.read(path).data
    assert (tree["name"], tree["data"]) == ("mine", {"source": "folder:leaves"})


def test_a_name_that_the_catalogue_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "--from", "why-dept"]) == NOT_FOUND
    assert capsys.readouterr().err == "archstudy: the catalogue has no 'why-dept', did you mean 'why-depth'?\n"
    assert list(tmp_path.iterdir()) == []


def test_the_list_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--list"]) == DONE
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[2:-2]] == list(ENTRIES)
    assert lines[-1] == "archstudy init --from NAME writes one of them here"


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "--list", "--json"]) == DONE
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in found] == list(ENTRIES)
    assert all(one["Question"] and one["Source"] for one in found)
