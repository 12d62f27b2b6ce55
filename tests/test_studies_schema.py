"""The JSON schema: sound studies pass, broken ones do not, and an editor finds what it needs to complete."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from blueprints import Dice

from searchspace.language import yamlio
from searchspace.zoo import files, networks
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
    "no kind of head": (DESIGN, ("blueprint", "head"), "lineer"),
    "a name that is none": (
        DESIGN,
        ("blueprint", "stages"),
        [{"block": "raw", "nodes": [{"node": "flatten", "name": "a.b"}]}],
    ),
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
    "null for a list": (DESIGN, ("design", "factors"), [None]),
    "no such network": (DESIGN, ("blueprint",), {"zoo": "resnet19"}),
    "a network's typo": (DESIGN, ("blueprint",), {"zoo": "resnet18", "widht": 0.5}),
    "zoo beside stages": (DESIGN, ("blueprint",), {"zoo": "resnet18", "stages": []}),
    "a default's typo": (DESIGN, ("blueprint", "defaults"), {"nrom": "batch"}),
    "a default's value": (DESIGN, ("blueprint", "defaults"), {"norm": "bacth"}),
    "a pattern without a word": (DESIGN, ("blueprint", "stages", 0), {"count": 3, "width": 8}),
    "a family's typo": (DESIGN, ("blueprint", "stages", 0), {"block": "plain", "family": {"kind": "regnett"}}),
    "a domain of two kinds": (DESIGN, ("variables", "depth"), {"int": [1, 2], "choice": [1, 2]}),
    "three betas": (DESIGN, ("recipe", "optimizer"), {"kind": "adam", "betas": [0.9, 0.9, 0.9]}),
    "another version": (DESIGN, ("apiVersion",), "archstudy/v2"),
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
    "an item of a pair": (SEARCH, ("recipe", "optimizer"), {"kind": "adam", "betas": ["$slow", 0.999]}),
    "options that vary": (
        SEARCH,
        ("variables", "norm"),
        {"choice": [None, {"kind": "group", "groups": {"int": [1, 4]}}]},
    ),
    "a word in place": (SEARCH, ("blueprint", "stages", 0, "block"), {"choice": ["plain", "residual"]}),
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
    "beside zoo": {"zoo": "resnet18", "head": "linear", "silence": ["large_kernel"], "strict_division": True},
    "a head in short": {"stages": [{"block": "auxiliary", "head": "convolutional"}], "head": "none"},
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
    "fields that only the defaults give": {
        "defaults": {"width": 8, "growth": "$growth", "repeat": 2},
        "stages": [{"block": "plain"}, {"count": 2, "block": "dense"}],
    },
    "words one after the other": {
        "stages": [
            {"count": 2, "block": ["plain", "residual"], "width": 8},
            {"count": 2, "block": ["plain", "fire"]},
            {"block": {"choice": ["fire", "plain"]}, "squeeze": 8},
        ]
    },
    "nulls": {
        "stages": [{"block": "plain", "width": 8, "norm": None, "activation": None, "pool": None, "bias": None}],
        "head": {"pool": None, "norm": None, "output_activation": None},
        "classes": None,
    },
    "lists that vary": {
        "stages": [
            {"block": "parallel", "branches": "$branches"},
            {"block": "parallel", "branches": {"a": "$branch", "b": ["$stage_of_it"]}},
            {"block": "sequence", "stages": {"choice": [[], [{"block": "coordinates"}]]}},
        ]
    },
    "short forms": {"stages": [{"block": "plain", "width": 8, "norm": "batch", "activation": "relu", "pool": "max"}]},
    "nested": {"stages": [{"block": "inception", "branches": [[{"block": "plain", "width": 8}], []]}]},
    "raw": {"stages": [{"block": "raw", "nodes": [{"node": "conv", "out": "outputs", "kernel": 1}]}]},
}


@pytest.mark.parametrize("blueprint", MACROS.values(), ids=MACROS)
def test_macros_pass(blueprint: Any) -> None:
    CHECK.validate(changed(DESIGN, ("blueprint",), blueprint))


def objects(tree: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Every mapping in a tree, with its place."""
    if isinstance(tree, dict):
        yield at, tree
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from objects(value, (*at, key))


def closed(tree: dict[str, Any]) -> bool:
    """Whether a schema lists all the properties of an object."""
    return tree.get("additionalProperties") is False and "properties" in tree


def test_every_model_and_every_property_has_something_to_say() -> None:
    """An editor shows what a word means as one types it."""
    silent = [name for name, definition in SCHEMA["$defs"].items() if not definition.get("description")]
    declared = [(at, tree["properties"]) for at, tree in objects(SCHEMA) if closed(tree)]
    silent += [
        (*at, name) for at, properties in declared for name, one in properties.items() if "description" not in one
    ]
    assert sum(len(properties) for _, properties in declared) > 400
    assert silent == []


def test_it_stays_small() -> None:
    assert len(json.dumps(SCHEMA, separators=(",", ":"))) < 160_000


def test_the_other_question_may_be_null() -> None:
    study = changed(DESIGN, ("name",), "null")
    CHECK.validate({**study, "search": None})
    with pytest.raises(jsonschema.ValidationError, match="is not valid under any of the given schemas"):
        CHECK.validate({**study, "design": None, "search": None})


STUDY = changed(DESIGN, ("name",), "wrapped")


def passes(blueprint: Any) -> bool:
    return bool(CHECK.is_valid({**STUDY, "blueprint": blueprint}))


def families() -> dict[str, str]:
    """A network for each blueprint that a file of the zoo declares."""
    found = {json.dumps(files.entry(name).template, sort_keys=True): name for name in files.names()}
    return {name: text for text, name in found.items()}


def without_unscaled(tree: Any) -> Any:
    """The tree without `unscaled`, which only the files of the zoo have."""
    if isinstance(tree, list):
        return [without_unscaled(one) for one in tree]
    return {k: without_unscaled(v) for k, v in tree.items() if k != "unscaled"} if isinstance(tree, dict) else tree


@pytest.mark.parametrize(("name", "template"), families().items(), ids=families())
def test_every_family_of_the_zoo_passes_as_it_is_written_and_as_it_is_expanded(name: str, template: str) -> None:
    assert passes(without_unscaled(json.loads(template)))
    assert passes(networks.tree(name))
    assert passes({"zoo": name, **files.entry(name).parameters, "width": "$width", "head": {"kind": "none"}})


def test_every_random_blueprint_passes() -> None:
    assert [seed for seed in range(200) if not passes(Dice(seed).blueprint())] == []


def test_a_typo_anywhere_in_a_random_blueprint_does_not_pass() -> None:
    """But for `branches`, whose names are free."""
    missed, tried = [], 0
    for seed in range(20):
        blueprint = Dice(seed).blueprint()
        for at in [at for at, _ in objects(blueprint) if at[-1:] != ("branches",)]:
            broken = copy.deepcopy(blueprint)
            dict(objects(broken))[at]["widht"] = 3
            tried += 1
            missed += [(seed, at)] if passes(broken) else []
    assert tried > 80
    assert missed == []


GOOD, TYPO = {"block": "plain", "width": 8}, {"block": "plain", "widht": 8}
NESTED_TYPOS: dict[str, Any] = {
    "a branch": {"block": "parallel", "branches": [[GOOD], [GOOD, TYPO]]},
    "a named branch": {"block": "parallel", "branches": {"a": [GOOD], "b": [TYPO]}},
    "a sequence": {"block": "sequence", "repeat": 2, "stages": [GOOD, TYPO]},
    "a sequence in a branch": {"block": "parallel", "branches": [[{"block": "sequence", "stages": [TYPO]}]]},
    "within": {"block": "within", "stages": [TYPO]},
    "an auxiliary body": {"block": "auxiliary", "stages": [TYPO]},
    "an auxiliary head": {"block": "auxiliary", "head": {"hiden": [8]}},
    "a pattern in a branch": {"block": "parallel", "branches": [[{"count": 2, **TYPO}]]},
    "a pattern's branch": {"count": 2, "block": "parallel", "branches": [[TYPO]]},
    "a norm": {**GOOD, "norm": {"kind": "batch", "epsilon": 1}},
    "a pool by name": {**GOOD, "pool": "maximum"},
    "a transition": {"block": "dense", "repeat": 2, "growth": 4, "transition": {"compresion": 0.5}},
    "a node": {"block": "raw", "nodes": [{"node": "conv", "out": 4, "kernal": 3}]},
    "a node's kind": {"block": "raw", "nodes": [{"node": "convolution", "out": 4, "kernel": 3}]},
    "a node in a node": {"block": "raw", "nodes": [{"node": "sequence", "nodes": [{"node": "identity", "of": 1}]}]},
    "a node in a branch": {
        "block": "raw",
        "nodes": [{"node": "parallel", "merge": "add", "branches": {"a": [{"node": "dropout", "rte": 0.1}]}}],
    },
    "the name of a node's branch": {
        "block": "raw",
        "nodes": [{"node": "parallel", "merge": "add", "branches": {"a b": []}}],
    },
    "a number for a list": {"block": "sequence", "stages": 3},
}


@pytest.mark.parametrize("stage", NESTED_TYPOS.values(), ids=NESTED_TYPOS)
def test_a_typo_in_a_nested_stage_does_not_pass(stage: Any) -> None:
    assert passes({"stages": [GOOD]})
    assert not passes({"stages": [GOOD, stage]})
    assert not passes({"stages": [], "blocks": {"own": {"stages": [stage]}}})
