"""The JSON schema: sound studies pass, broken ones do not, and an editor finds what it needs to complete."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from searchspace.language import yamlio
from studies.schema import study_schema

EXAMPLES = sorted((Path(__file__).parents[1] / "studies/examples").glob("*.yaml"))
SCHEMA = study_schema()
CHECK = jsonschema.Draft202012Validator(SCHEMA)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_pass_and_name_it(path: Path) -> None:
    CHECK.validate(yamlio.read(path).data)
    assert path.read_text().startswith("# yaml-language-server: $schema=")


def changed(path: Path, where: tuple[Any, ...], value: Any) -> Any:
    """An example with one value replaced, added, or (with None) removed."""
    data = yamlio.read(path).data
    tree = data
    for part in where[:-1]:
        tree = tree[part]
    if value is None:
        del tree[where[-1]]
    else:
        tree[where[-1]] = value
    return data


DESIGN, SEARCH = EXAMPLES
BROKEN: dict[str, tuple[Path, tuple[Any, ...], Any]] = {
    "typo at the top": (DESIGN, ("desing",), {}),
    "typo in a section": (DESIGN, ("design", "replicats"), 3),
    "typo in a stage": (DESIGN, ("blueprint", "stages", 0, "kernl"), 3),
    "typo in an optimizer": (DESIGN, ("recipe", "optimizer", "momntum"), 0.9),
    "a stage without a word": (DESIGN, ("blueprint", "stages", 0, "block"), None),
    "a pattern's typo": (DESIGN, ("blueprint", "stages", 0), {"block": "plain", "count": 3, "widht": [8, 8, 8]}),
    "zoo without a name": (DESIGN, ("blueprint",), {"zoo": 5}),
    "a block without stages": (DESIGN, ("blueprint", "blocks"), {"fire": {"parameters": {}}}),
    "negative width": (DESIGN, ("blueprint", "stages", 0, "width"), -4),
    "text without a variable": (DESIGN, ("blueprint", "stages", 0, "width"), "wide"),
    "unknown activation": (DESIGN, ("blueprint", "stages", 0, "activation"), "rellu"),
    "no data": (DESIGN, ("data",), None),
    "neither": (DESIGN, ("design",), None),
    "both": (DESIGN, ("search",), {}),
    "no replicates": (DESIGN, ("design", "replicates"), 0),
    "a domain with a typo": (DESIGN, ("variables", "depth"), {"chioce": [1, 2]}),
    "an unknown sampler": (SEARCH, ("search", "sampler"), "tpee"),
    "nothing at a time": (SEARCH, ("budget", "parallel"), 0),
    "a name with spaces": (SEARCH, ("name",), "my study"),
}


@pytest.mark.parametrize(("path", "where", "value"), BROKEN.values(), ids=BROKEN)
def test_broken_studies_do_not_pass(path: Path, where: tuple[Any, ...], value: Any) -> None:
    with pytest.raises(jsonschema.ValidationError, match=r"\w"):
        CHECK.validate(changed(path, where, value))


VARYING: dict[str, tuple[Path, tuple[Any, ...], Any]] = {
    "a reference": (DESIGN, ("blueprint", "stages", 0, "kernel"), "$kernel"),
    "arithmetic": (DESIGN, ("blueprint", "stages", 0, "repeat"), "$depth + 1"),
    "an inline domain": (SEARCH, ("blueprint", "stages", 0, "kernel"), {"choice": [3, 5]}),
    "a log range": (SEARCH, ("recipe", "optimizer", "lr"), {"float": [1e-3, 1], "log": True}),
    "a whole part": (SEARCH, ("blueprint", "stages", 0, "norm"), "$norm"),
    "a tag": (SEARCH, ("recipe", "optimizer", "kind"), "$optimizer"),
    "an item of a list": (SEARCH, ("blueprint", "head", "hidden"), ["$width"]),
    "one number per axis": (SEARCH, ("blueprint", "stages", 0, "kernel"), [3, "$kernel"]),
}


@pytest.mark.parametrize(("path", "where", "value"), VARYING.values(), ids=VARYING)
def test_any_value_of_a_template_may_vary(path: Path, where: tuple[Any, ...], value: Any) -> None:
    CHECK.validate(changed(path, where, value))


def test_an_editor_finds_fields_and_what_they_mean() -> None:
    assert {"blueprint", "design", "search", "recipe", "variables"} <= set(SCHEMA["properties"])
    plain = SCHEMA["$defs"]["PlainStage"]
    assert "repeat" in plain["description"]
    assert {"width", "kernel", "norm", "pool"} <= set(plain["anyOf"][0]["properties"])


MACROS: dict[str, Any] = {
    "zoo": {"zoo": "resnet18", "width": 0.5, "classes": 10},
    "a pattern": {"stages": [{"count": 3, "block": "plain", "width": [8, 16, 32], "kernel": "$kernel"}]},
    "a pattern of lists": {
        "stages": [{"count": 2, "block": "residual", "width": "8 * 2 ** $stage", "pool": [None, "max"]}]
    },
    "a family": {
        "stages": [
            {
                "block": "residual",
                "family": {"kind": "regnet", "depth": 13, "initial": 24, "slope": 36.44, "multiplier": 2.49},
            }
        ]
    },
    "own words": {
        "defaults": {"norm": "batch"},
        "blocks": {"fire": {"parameters": {"squeeze": 16}, "stages": [{"block": "plain", "width": "$squeeze"}]}},
        "stages": [{"block": "fire", "squeeze": 32}],
    },
    "short forms": {"stages": [{"block": "plain", "width": 8, "norm": "batch", "activation": "relu", "pool": "max"}]},
    "nested": {"stages": [{"block": "inception", "branches": [[{"block": "plain", "width": 8}], []]}]},
    "raw": {"stages": [{"block": "raw", "nodes": [{"node": "conv", "out": "outputs", "kernel": 1}]}]},
}


@pytest.mark.parametrize("blueprint", MACROS.values(), ids=MACROS)
def test_macros_pass(blueprint: Any) -> None:
    CHECK.validate(changed(DESIGN, ("blueprint",), blueprint))


def test_every_field_has_something_to_say() -> None:
    """An editor shows what a word means as one types it."""
    for name, definition in SCHEMA["$defs"].items():
        assert definition.get("description"), name
