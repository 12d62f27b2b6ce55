"""The pages about networks tell the truth: every example is run again, every number, name and picture is current."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from searchspace.blueprint import FIELDS
from searchspace.words.raw import AnyNode
from searchspace.zoo import files

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
FENCED = re.compile(r"^```.*?^```\n|^>[^\n]*\n", re.MULTILINE | re.DOTALL)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a script of the docs' folder by its name."""
    monkeypatch.syspath_prepend(str(DOCS))
    monkeypatch.setenv("COLUMNS", "100")
    return importlib.import_module


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("name", "examples"), [("lectures.md", 40), ("networks.md", 9)])
def test_examples_say_what_the_program_says(script: Any, name: str, examples: int) -> None:
    """Blueprints are described, studies checked and planned, commands run, as a reader would."""
    made, page = script("make_examples").remade(text(name))
    assert made.splitlines() == text(name).splitlines(), "run `python docs/make_examples.py`"
    assert page.examples >= examples
    prose = FENCED.sub("", text(name))
    large = {int(number.replace(",", "")) for number in re.findall(r"\b\d{1,3}(?:,\d{3})+\b", prose)}
    assert large <= page.counts, f"counted nowhere on the page: {large - page.counts}"


def test_an_example_with_another_number_is_found(script: Any) -> None:
    changed = text("networks.md").replace(" params,", " parameters,", 1)
    assert script("make_examples").remade(changed)[0] == text("networks.md")


def test_an_example_that_is_not_the_network_of_the_zoo_is_found(script: Any) -> None:
    page = "```yaml\n# --input 1x28x28 --outputs 10, the same as zoo:mlp_mnist\nstages: []\n```\n"
    with pytest.raises(AssertionError, match="the example is not zoo:mlp_mnist"):
        script("make_examples").remade(page)


def test_errors_in_the_lectures_are_published_ones() -> None:
    published = {round(100 * error, 2) for name in files.names() for error in files.card(name).errors.values()}
    published |= {round(100 * one["error"], 2) for one in files.history()["entries"]}
    told = {float(number) for number in re.findall(r"([\d.]+) %", text("lectures.md"))}
    assert told
    assert told <= published


def test_networks_that_the_pages_name_are_in_the_zoo() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    named = {*re.findall(r"(?:`zoo: ?|^zoo: |describe zoo:)(\w+)", pages, re.MULTILINE)}
    assert named
    assert named <= {*files.names()}


def test_every_word_and_every_node_has_its_line() -> None:
    page = text("networks.md")
    assert [word for word in FIELDS if f"`{word}`" not in page] == []
    kinds = [model.model_fields["node"].annotation for model in get_args(get_args(AnyNode)[0])]
    assert [node for kind in kinds for node in get_args(kind) if f"`{node}`" not in page] == []


def test_the_plug_in_is_the_one_of_the_folder() -> None:
    shown = re.findall(r"```(?:python|toml)\n(.*?)```", text("networks.md"), re.DOTALL)
    folder = DOCS / "plugin-example"
    assert shown[0] in (folder / "bowtie.py").read_text(encoding="utf-8")
    assert shown[1] in (folder / "pyproject.toml").read_text(encoding="utf-8")


def cited() -> Iterator[Any]:
    for file, name in sorted(set(re.findall(r"`(tests/\w+\.py)::(\w+)`", text("identities.md")))):
        yield pytest.param(file, name, id=f"{file}::{name}")


@pytest.mark.parametrize(("file", "name"), [*cited()])
def test_tests_that_hold_the_identities_exist(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_identity_names_its_test_and_every_identity_tested_is_told() -> None:
    page = text("identities.md")
    sections = re.split(r"^#{2,3} ", page, flags=re.MULTILINE)[1:]
    told = [section for section in sections if section.split("\n", 1)[1].strip()]
    assert [section.splitlines()[0] for section in told if "`tests/" not in section] == []
    tree = ast.parse((ROOT / "tests/test_worker_gradients.py").read_text(encoding="utf-8"))
    names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert [name for name in names if name not in page] == []


def test_the_list_of_the_zoo_is_up_to_date(script: Any) -> None:
    assert script("make_zoo").page().splitlines() == text("zoo.md").splitlines(), "run `python docs/make_zoo.py`"


def test_charts_and_figures_are_what_the_program_draws(script: Any) -> None:
    made = script("make_zoo").pictures() | script("make_figures").pictures()
    old = [name for name, drawn in made.items() if (DOCS / "pictures" / name).read_text(encoding="utf-8") != drawn]
    assert not old, f"run `python docs/make_figures.py` and `python docs/make_zoo.py`: {old} are not current"
    assert {path.name for path in (DOCS / "pictures").glob("*.svg")} == {*made}


def test_every_figure_is_shown() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in [*DOCS.glob("*.md"), ROOT / "README.md"])
    assert [path.name for path in (DOCS / "pictures").glob("*.svg") if path.name not in pages] == []
