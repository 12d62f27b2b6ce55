"""Expansion: macros disappear, nothing else changes, and every mistake is told at its place in the file."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from effort import calls

from searchspace.blueprint import Blueprint, Head
from searchspace.language.expand import attempt, expand
from searchspace.language.expressions import fill
from searchspace.language.origins import Expanded, Origin
from searchspace.language.problems import UNKNOWN, Problem, SpecError
from searchspace.language.yamlio import load as parsed
from studies.candidate import Study, candidate, described, network_of
from studies.cli import main
from studies.design.cells import every_cell
from studies.design.rows import trial_row
from studies.load import load
from studies.templates import probe_assignments

EXAMPLES = Path(__file__).parents[1] / "studies" / "examples"


def yaml(text: str) -> Any:
    return parsed(text).data


def stages(text: str, **values: Any) -> list[Any]:
    found: list[Any] = expand(yaml(text), values).tree["stages"]
    return found


FIRE = """\
blocks:
  fire:
    parameters: {squeeze: 16, expand: 4 * $squeeze}
    stages:
      - {block: plain, width: $squeeze, kernel: 1}
      - block: parallel
        branches: {one: [{block: plain, width: $expand, kernel: 1}], three: [{block: plain, width: $expand}]}
"""


def fire(squeeze: int, expand: int) -> dict[str, Any]:
    one, three = {"block": "plain", "width": expand, "kernel": 1}, {"block": "plain", "width": expand}
    body = [
        {"block": "plain", "width": squeeze, "kernel": 1},
        {"block": "parallel", "branches": {"one": [one], "three": [three]}},
    ]
    return {"block": "sequence", "stages": body}


SAME: dict[str, tuple[str, dict[str, Any], list[Any]]] = {
    "a block with its defaults": (FIRE + "stages: [{block: fire}]", {}, [fire(16, 64)]),
    "a block with parameters": (FIRE + "stages: [{block: fire, squeeze: $s, expand: 5}]", {"s": 8}, [fire(8, 5)]),
    "a repeated block": (FIRE + "stages: [{block: fire, repeat: 3}]", {}, [fire(16, 64) | {"repeat": 3}]),
    "a pattern of blocks": (
        FIRE + "stages: [{count: 2, block: fire, squeeze: 2 ** $stage, expand: [3, 4]}]",
        {},
        [fire(1, 3), fire(2, 4)],
    ),
    "a block by a variable": (FIRE + "stages: [{block: $word}]", {"word": "fire"}, [fire(16, 64)]),
    "a stage by a variable": (FIRE + "stages: [$it]", {"it": {"block": "fire", "squeeze": 1}}, [fire(1, 4)]),
    "all stages by a variable": (
        "stages: $all",
        {"all": [{"block": "pool", "size": "$x"}], "x": 3},
        [{"block": "pool", "size": 3}],
    ),
    "a block in a branch": (
        FIRE + "stages: [{block: parallel, branches: [[], [{block: fire}]]}]",
        {},
        [{"block": "parallel", "branches": [[], [fire(16, 64)]]}],
    ),
    "a block within a block, whichever comes first": (
        "blocks: {a: {parameters: {n: null}, stages: [{block: b, w: 2 * $n}]}, b: {parameters: {w: 3}, stages: "
        "[{block: plain, width: $w + $v}]}}\nstages: [{block: a, n: 5}]",
        {"v": 1},
        [{"block": "sequence", "stages": [{"block": "sequence", "stages": [{"block": "plain", "width": 11}]}]}],
    ),
    "a parameter hides the variable of its name, and may take its value": (
        "blocks: {a: {parameters: {v: 7, w: $w}, stages: [{block: plain, width: $v, kernel: $w}]}}\n"
        "stages: [{block: a}, {block: a, v: 2 * $v}]",
        {"v": 10, "w": 3},
        [{"block": "sequence", "stages": [{"block": "plain", "width": width, "kernel": 3}]} for width in (7, 20)],
    ),
    "repeat as a parameter": (
        "blocks: {a: {parameters: {repeat: 2}, stages: [{block: plain, width: 4, repeat: $repeat}]}}\n"
        "stages: [{block: a, repeat: 5}]",
        {},
        [{"block": "sequence", "stages": [{"block": "plain", "width": 4, "repeat": 5}]}],
    ),
    "stages as a parameter": (
        "blocks: {twice: {parameters: {body: null}, stages: [{block: sequence, repeat: 2, stages: $body}]}}\n"
        "stages: [{block: twice, body: [{block: plain, width: $w}]}]",
        {"w": 6},
        [
            {
                "block": "sequence",
                "stages": [{"block": "sequence", "repeat": 2, "stages": [{"block": "plain", "width": 6}]}],
            }
        ],
    ),
    "defaults, where the word has the field and does not set it": (
        "defaults: {norm: $n, bias: false}\nstages: [{block: plain, width: 1, norm: null}, {block: pool, size: 2}, "
        "{block: sequence, stages: [{block: plain, width: 2}]}]",
        {"n": "batch"},
        [
            {"block": "plain", "width": 1, "norm": None, "bias": False},
            {"block": "pool", "size": 2, "bias": False},
            {"block": "sequence", "stages": [{"block": "plain", "width": 2, "norm": "batch", "bias": False}]},
        ],
    ),
}


@pytest.mark.parametrize(("text", "values", "written"), SAME.values(), ids=SAME)
def test_a_macro_is_what_one_would_write(text: str, values: dict[str, Any], written: list[Any]) -> None:
    assert stages(text, **values) == written


def test_defaults_reach_the_bodies_of_blocks() -> None:
    found = stages(FIRE + "defaults: {norm: batch}\nstages: [{block: fire}]")
    assert found[0]["stages"][0] == {"block": "plain", "width": 16, "kernel": 1, "norm": "batch"}
    assert found[0]["stages"][1]["branches"]["three"][0]["norm"] == "batch"


def test_a_plain_blueprint_comes_out_as_it_is() -> None:
    tree = yaml("stages: [{block: plain, width: 8, kernel: [3, 5]}]\nhead: {hidden: [4]}\nstrict_division: true")
    assert expand(tree, {}) == Expanded(tree, {})


def random_items(generator: random.Random, depth: int) -> list[Any]:
    """A list of stages with patterns, blocks, branches and families, nested up to `depth`."""

    def item() -> Any:
        kind = generator.choice(["plain", "fire", "count", "family", "parallel", "sequence"][: 6 if depth else 4])
        if kind == "plain":
            return {"block": "plain", "width": "$w + $stage"}
        if kind == "fire":
            return {"block": "fire", "squeeze": generator.randint(1, 9), "repeat": generator.randint(1, 3)}
        if kind == "count":
            return {"count": generator.randint(0, 3), "block": "plain", "width": "2 ** $stage", "stride": [1, 2, 1]}
        if kind == "family":
            numbers = {"depth": 6, "initial": 8, "slope": generator.uniform(1, 20), "multiplier": 2.0}
            return {"family": {"kind": "regnet", **numbers}, "block": "residual"}
        inner = [random_items(generator, depth - 1) for _ in range(2)]
        return {"block": kind, "branches": inner} if kind == "parallel" else {"block": kind, "stages": inner[0]}

    return [item() for _ in range(generator.randint(1, 3))]


@pytest.mark.parametrize("seed", range(40))
def test_what_is_expanded_expands_to_itself_and_is_a_blueprint(seed: int) -> None:
    tree = {
        **yaml(FIRE),
        "defaults": {"norm": "batch"},
        "stages": [*random_items(random.Random(seed), 2), {"block": "fire"}],
    }
    once = expand(tree, {"w": 5})
    assert expand(once.tree, {}) == Expanded(once.tree, {})
    Blueprint.model_validate(once.tree)
    for path in once.origins:
        at: Any = tree
        for part in once.place(path):
            at = at[part]  # every origin is a place of the original


@pytest.mark.parametrize("name", ["search-digits", "depth-width-filter"])
def test_a_blueprint_without_macros_pays_almost_nothing(name: str) -> None:
    space = load(EXAMPLES / f"{name}.yaml").space
    tree, values = space.templates["blueprint"], next(probe_assignments(space))
    assert calls(lambda: expand(tree, values)) - calls(lambda: fill(tree, values, (), [])) < 200


def test_macros_are_quick() -> None:
    eight = yaml(FIRE + "defaults: {norm: batch}\nstages: [{count: 8, block: fire, squeeze: $w * 2 ** ($stage // 2)}]")
    assert calls(lambda: expand(eight, {"w": 16})) < 9_000
    assert calls(lambda: expand({"zoo": "vgg16_bn", "width": 0.5}, {})) < 2_000


def test_nothing_changes_the_trees_that_came_in() -> None:
    text = FIRE + "defaults: {norm: {kind: batch}}\nstages: [{count: 2, block: fire}, {block: $w}]"
    tree = yaml(text)
    expand(tree, {"w": "fire"})
    assert tree == yaml(text)


# --- places -----------------------------------------------------------------------------------------------------------


def test_places() -> None:
    text = (
        FIRE
        + "defaults: {norm: batch}\nstages: [{count: 2, block: plain, width: [1, 2]}, {block: fire}, {block: pool}]"
    )
    found = expand(yaml(text), {})
    places: dict[tuple[str | int, ...], tuple[str | int, ...]] = {
        ("stages", 1): ("stages", 0),
        ("stages", 1, "width"): ("stages", 0, "width", 1),
        ("stages", 1, "kernel"): ("stages", 0, "kernel"),
        ("stages", 1, "norm"): ("defaults", "norm"),
        ("stages", 2): ("stages", 1),
        ("stages", 2, "stages", 0, "kernel"): ("blocks", "fire", "stages", 0, "kernel"),
        ("stages", 2, "stages", 1, "branches", "one", 0): ("blocks", "fire", "stages", 1, "branches", "one", 0),
        ("stages", 3, "size"): ("stages", 2, "size"),
        ("head", "pool"): ("head", "pool"),
    }
    assert {path: found.place(path) for path in places} == places
    inside = Problem(("stages", 2, "stages", 0, "kernel"), "is wrong")
    assert found.told([inside]) == [Problem(("blocks", "fire", "stages", 0, "kernel"), "is wrong (in block 'fire')")]


def test_below_a_whole_origin_everything_is_at_its_place() -> None:
    found = Expanded({}, {(): Origin(("zoo",), " (in zoo:x)", whole=True), ("head",): Origin(("head",))})
    assert found.place(("stages", 3, "width")) == ("zoo",)
    assert found.place(("head", "pool")) == ("head", "pool")


# --- mistakes ---------------------------------------------------------------------------------------------------------

BLOCK = "blocks:\n  fire:\n    parameters: {squeeze: 16, expand: null}\n    stages: [{block: plain, width: $squeeze}]\n"
PLAIN = "stages: [{block: plain, width: 8}]\n"

MISTAKES: dict[str, tuple[str, list[str]]] = {
    "a word": (
        BLOCK + "stages: [{block: fier, expand: 3}]",
        ["s.yaml:5:18: stages.0.block: unknown block 'fier', did you mean 'fire'?"],
    ),
    "a parameter": (
        BLOCK + "stages: [{block: fire, expand: 3, squeze: 4}]",
        ["s.yaml:5:35: stages.0.squeze: unknown field 'squeze', did you mean 'squeeze'?"],
    ),
    "a parameter that is missing": (
        BLOCK + "stages: [{block: fire}]",
        ["s.yaml:5:10: stages.0: block 'fire' needs 'expand'; add it"],
    ),
    "a parameter that is misspelt is not missing": (
        BLOCK + "stages: [{block: fire, expnd: 3}]",
        ["s.yaml:5:24: stages.0.expnd: unknown field 'expnd', did you mean 'expand'?"],
    ),
    "a value that the body cannot take": (
        BLOCK + "stages: [{block: fire, expand: 3, squeeze: 0}]",
        ["s.yaml:5:44: stages.0.squeeze: got 0; write at least 1 (in block 'fire')"],
    ),
    "a value that the body computes with": (
        BLOCK.replace("$squeeze}", "2 * $squeeze}") + "stages: [{block: fire, expand: 3, squeeze: 0}]",
        ["s.yaml:4:36: blocks.fire.stages.0.width: got 0; write at least 1 (in block 'fire', used in stages.0)"],
    ),
    "a value that the body cannot compute with": (
        BLOCK.replace("$squeeze}", "2 / $squeeze}") + "stages: [{block: fire, expand: 3, squeeze: 0}]",
        [
            "s.yaml:4:36: blocks.fire.stages.0.width: cannot compute '2 / $squeeze': it divides by zero; change it or "
            "the variable's domain (in block 'fire', used in stages.0)"
        ],
    ),
    "a value of a pattern of blocks": (
        BLOCK + "stages: [{count: 2, block: fire, expand: 3, squeeze: [1, 0]}]",
        ["s.yaml:5:58: stages.0.squeeze.1: got 0; write at least 1 (in block 'fire')"],
    ),
    "a value that goes through two blocks, at a count too": (
        "blocks:\n  a: {parameters: {n: null}, stages: [{block: b, m: $n}]}\n"
        "  b: {parameters: {m: 1}, stages: [{count: $m, block: plain, width: 1}]}\n"
        "stages:\n  - {block: a, n: x}\n  - {block: b, m: 2000}",
        [
            "s.yaml:5:19: stages.0.n: got 'x'; write a whole number from 0 to 1000 (in block 'b')",
            "s.yaml:6:19: stages.1.m: got 2000; write a whole number from 0 to 1000 (in block 'b')",
        ],
    ),
    "stages that are a parameter": (
        "blocks: {twice: {parameters: {body: null}, stages: [{block: sequence, stages: $body}]}}\n"
        "stages: [{block: twice, body: [{block: plain, width: 8, kernal: 3}]}]",
        ["s.yaml:2:57: stages.0.body.0.kernal: unknown field 'kernal', did you mean 'kernel'? (in block 'twice')"],
    ),
    "parameters that refer to each other": (
        "blocks: {a: {parameters: {x: $y, y: $x}, stages: [{block: plain, width: $x}]}}\nstages: [{block: a}]",
        [
            "s.yaml:1:30: blocks.a.parameters.x: 'x' and 'y' refer to each other in a circle; give one of them a "
            "value (in block 'a')"
        ],
    ),
    "a block that nothing uses, and one that only it uses": (
        "blocks:\n  a: {stages: [{block: b, kernal: 3}]}\n  b: {stages: []}\n  c: {stages: []}\nstages: [{block: c}]",
        [
            "s.yaml:2:6: blocks.a: nothing uses the block 'a'; write {block: a} or remove it",
            "s.yaml:3:6: blocks.b: nothing uses the block 'b'; write {block: b} or remove it",
        ],
    ),
    "a word that is misspelt is used": (
        "blocks: {fire: {stages: []}}\nstages: [{block: fier}]",
        ["s.yaml:2:18: stages.0.block: unknown block 'fier', did you mean 'fire'?"],
    ),
    "many blocks within each other": (
        "blocks:\n"
        + "".join(f"  b{n}: {{stages: [{{block: b{n + 1}}}]}}\n" for n in range(400))
        + "  b400: {stages: []}\nstages: [{block: b0}]",
        ["s.yaml:33:18: blocks.b31.stages.0: blocks nest too deep here; use fewer within each other (in block 'b31')"],
    ),
    "repeats within repeats": (
        "stages: [{block: sequence, repeat: 1000, stages: [{block: sequence, repeat: 1000, stages: [{block: plain, "
        "width: 8}]}]}]",
        ["s.yaml:1:36: stages.0.repeat: the network repeats to 1,000,000 units, and at most 10,000 may be; repeat"],
    ),
    "the repeats that are too many": (
        "stages:\n  - block: sequence\n    repeat: 2\n    stages:\n      - {block: plain, width: 8, repeat: 11}\n"
        "      - block: parallel\n        branches: [[], [{block: sequence, repeat: 11, stages: "
        "[{block: plain, width: 1, repeat: 1000}]}]]",
        ["s.yaml:7:51: stages.0.stages.1.branches.1.0.repeat: the network repeats to 22,022 units, and at most 10,0"],
    ),
    "the repeats of a pattern": (
        "stages: [{block: pool}, {count: 100, block: plain, width: 1, repeat: 1000}]",
        ["s.yaml:1:70: stages.1.repeat: the network repeats to 100,001 units, and at most 10,000 may be; repeat less"],
    ),
    "repeats by default": (
        "defaults: {repeat: 1000}\nstages: [{count: 11, block: dense, growth: 1}]",
        ["s.yaml:1:20: defaults.repeat: the network repeats to 11,000 units, and at most 10,000 may be; repeat less"],
    ),
    "variables of a blueprint on its own": (
        "stages: [{block: plain, width: $w, kernel: {choice: [3, 5]}}]",
        [
            "s.yaml:1:32: stages.0.width: $w is not defined; a blueprint on its own has no variables; write one value, "
            "or put the blueprint into a study",
            "s.yaml:1:44: stages.0.kernel: a blueprint on its own has no variables; write one value, or put",
        ],
    ),
    "a network as a stage": (
        "stages: [{zoo: resnet18}]",
        [
            "s.yaml:1:16: stages.0.zoo: a network of the zoo is no stage; write zoo: at the top of the blueprint, in "
            "place of stages"
        ],
    ),
    "no word": (
        "stages: [{blok: plain, width: 3}, {block: null}, {width: 3}]",
        [
            "s.yaml:1:11: stages.0.blok: unknown field 'blok', did you mean 'block'?",
            "s.yaml:1:43: stages.1.block: got nothing, which is no block; known here: plain, residual",
            "s.yaml:1:50: stages.2: 'block' is missing; add it",
        ],
    ),
    "macros": (
        "defualts: {norm: batch}\nblokcs: {}\nstages: [{cout: 3, block: plain, width: 2}, {block: pool, famly: 1}]",
        [
            "s.yaml:1:1: defualts: unknown field 'defualts', did you mean 'defaults'?",
            "s.yaml:2:1: blokcs: unknown field 'blokcs', did you mean 'blocks'?",
            "s.yaml:3:11: stages.0.cout: unknown field 'cout', did you mean 'count'?",
            "s.yaml:3:59: stages.1.famly: unknown field 'famly', did you mean 'family'?",
        ],
    ),
    "branches in a list": (
        """\
stages:
  - block: parallel
    branches:
      - [{block: plain, width: 3}]
      - [{block: plain, width: 3, kernal: 1}]
      - [{block: pool, sise: 3}]
      - [{block: plian, width: 3}]
      - [{block: plain, width: x}]
""",
        [
            "s.yaml:5:35: stages.0.branches.1.0.kernal: unknown field 'kernal', did you mean 'kernel'?",
            "s.yaml:6:24: stages.0.branches.2.0.sise: unknown field 'sise', did you mean 'size'?",
            "s.yaml:7:18: stages.0.branches.3.0.block: unknown block 'plian', did you mean 'plain'?",
            "s.yaml:8:32: stages.0.branches.4.0.width: got 'x'; write a whole number",
        ],
    ),
    "branches by name": (
        "stages: [{block: parallel, branches: {a: [{block: plain, widht: 3}], forward: [], 'c d': [], ü: []}}]",
        [
            "s.yaml:1:58: stages.0.branches.a.0.widht: unknown field 'widht', did you mean 'width'?",
            "s.yaml:1:70: stages.0.branches.forward: 'forward' means something to torch; choose another name",
            "s.yaml:1:83: stages.0.branches.c d: 'c d' is no name; use letters, digits and _, a letter first",
            "s.yaml:1:94: stages.0.branches.ü: 'ü' is no name; use letters, digits and _, a letter first",
        ],
    ),
    "nodes": (
        """\
stages:
  - block: raw
    nodes:
      - {node: parallel, merge: add, branches: {a: [{node: conv, out: 3, kernal: 3}], training: []}}
      - {node: flatten, name: type}
      - {node: flatten, name: 1.x}
      - {nod: flatten}
""",
        [
            "s.yaml:4:74: stages.0.nodes.0.branches.a.0.kernal: unknown field 'kernal', did you mean 'kernel'?",
            "s.yaml:4:87: stages.0.nodes.0.branches.training: 'training' means something to torch; choose another name",
            "s.yaml:5:31: stages.0.nodes.1.name: 'type' means something to torch; choose another name",
            "s.yaml:6:31: stages.0.nodes.2.name: '1.x' is no name; use letters, digits and _, a letter first",
            "s.yaml:7:10: stages.0.nodes.3.nod: unknown field 'nod', did you mean 'node'?",
        ],
    ),
    "fields that nothing would read": (
        PLAIN + "head: {kind: none, hidden: [3]}",
        ["s.yaml:2:28: head.hidden: a head of kind none has no hidden; leave hidden out or choose another kind"],
    ),
    "a kind of head": (PLAIN + "head: lineer", ["s.yaml:2:7: head: got 'lineer'; write 'linear', 'convolutional' or"]),
    "a body that cannot be computed, with what else is wrong": (
        BLOCK.replace("$squeeze}", "$squeeze / 0}") + "stages: [{block: fire, expand: 1}, {block: plain, width: 0}]",
        [
            "s.yaml:4:36: blocks.fire.stages.0.width: cannot compute '$squeeze / 0': it divides by zero; change it or "
            "the variable's domain (in block 'fire')",
            "s.yaml:5:58: stages.1.width: got 0; write at least 1",
        ],
    ),
    "a default that cannot be computed": (
        BLOCK.replace("16", "$x") + "stages: [{block: fire, expand: 1}]",
        ["s.yaml:3:27: blocks.fire.parameters.squeeze: $x is not defined; a blueprint on its own has no"],
    ),
    "a circle": (
        "blocks:\n  a: {stages: [{block: b}]}\n  b: {stages: [{block: a}]}\nstages: [{block: a}]",
        [
            "s.yaml:3:24: blocks.b.stages.0.block: blocks go in a circle: a -> b -> a; take one out of the other "
            "(in block 'b')"
        ],
    ),
    "a circle of one": (
        "blocks:\n  a: {stages: [{block: a}]}\nstages: [{block: a}]",
        ["s.yaml:2:24: blocks.a.stages.0.block: blocks go in a circle: a -> a; take one out of the other (in block"],
    ),
    "a built-in word": (
        "blocks:\n  plain: {stages: []}\n" + PLAIN,
        ["s.yaml:2:10: blocks.plain: 'plain' is a built-in word; give the block another name"],
    ),
    "blocks that are none": ("blocks: 3\n" + PLAIN, ["s.yaml:1:9: blocks: got 3; write a mapping from words to"]),
    "a block that is none": (
        "blocks: {a: [1]}\n" + PLAIN,
        ["s.yaml:1:13: blocks.a: got [1]; write {parameters: {...}, stages: [...]}"],
    ),
    "fields of a block": (
        "blocks: {a: {stagse: []}}\n" + PLAIN,
        [
            "s.yaml:1:13: blocks.a: 'stages' is missing; add it",
            "s.yaml:1:14: blocks.a.stagse: unknown field 'stagse', did you mean 'stages'?",
        ],
    ),
    "parameters that are none": (
        "blocks: {a: {parameters: [x], stages: []}}\n" + PLAIN,
        ["s.yaml:1:26: blocks.a.parameters: got ['x']; write a mapping from names to defaults"],
    ),
    "names of parameters": (
        "blocks: {a: {parameters: {stage: 1, a-b: 2}, stages: []}}\n" + PLAIN,
        [
            "s.yaml:1:34: blocks.a.parameters.stage: 'stage' means something at every stage; give the parameter",
            "s.yaml:1:42: blocks.a.parameters.a-b: 'a-b' is no name; use letters, digits and _, a letter first",
        ],
    ),
    "defaults of nothing": (
        "defaults: {nrom: batch}\n" + PLAIN,
        ["s.yaml:1:12: defaults.nrom: unknown field 'nrom', did you mean 'norm'?"],
    ),
    "defaults that are none": ("defaults: batch\n" + PLAIN, ["s.yaml:1:11: defaults: got 'batch'; write a mapping"]),
    "a default that a word cannot take": (
        "defaults: {activation: rleu}\n" + PLAIN,
        ["s.yaml:1:24: defaults.activation"],
    ),
    "a list of a pattern": (
        "stages: [{count: 2, block: plain, width: [8, 0]}]",
        ["s.yaml:1:46: stages.0.width.1: got 0; write at least 1"],
    ),
    "after a pattern": (
        "stages: [{count: 2, block: plain, width: 8}, {block: plain, width: 0}]",
        ["s.yaml:1:68: stages.1.width: got 0; write at least 1"],
    ),
    "the stage outside the stages": (
        PLAIN + "head: {dropout: 0.1 * $stage}",
        ["s.yaml:2:17: head.dropout: $stage is defined inside a list of stages only, whose items it counts from 0;"],
    ),
    "a network": ("zoo: vgg16x", ["s.yaml:1:6: zoo: the zoo has no network 'vgg16x', did you mean 'vgg16'?"]),
    "no network": ("zoo: 16", ["s.yaml:1:6: zoo: got 16; write a network's name, such as resnet18"]),
    "nothing for a network": ("zoo:", ["s.yaml:1:5: zoo: got nothing; write a network's name, such as resnet18"]),
    "beside a network": (
        "zoo: vgg11\nrepaets: [1]\nstages: []",
        [
            "s.yaml:2:1: repaets: unknown field 'repaets', did you mean 'repeats'?",
            "s.yaml:3:9: stages: a blueprint has zoo: or stages:, and this one has both; remove one of the two",
        ],
    ),
    "a parameter of a network": (
        "zoo: vgg11\nrepeats: [1, 2]",
        ["s.yaml:2:10: repeats: 'repeat' has 2 values for 5 stages; write one for each stage, or no list where all"],
    ),
    "a value that a network's word cannot take": (
        "zoo: vgg11\nrepeats: [1, 2, 3, 4, 0]",
        ["s.yaml:2:10: repeats: stages.4.repeat: got 0; write at least 1 (in zoo:vgg11)"],
    ),
    "a value of which a network's file makes several": (
        "zoo: wrn_28_10\nwiden: -4",
        ["s.yaml:2:8: widen: stages.1.width: got -64; write at least 1 (in zoo:wrn_28_10)"],
    ),
    "advice that is none, beside a network": (
        "zoo: vgg11\nsilence: [lage_kernel]",
        ["s.yaml:2:11: silence.0: unknown kind of advice 'lage_kernel', did you mean 'large_kernel'?"],
    ),
    "truth for a width": (
        "zoo: vgg11\nwidth: true",
        ["s.yaml:2:8: width: got true; write a factor above 0 and up to 1000, such as 0.5"],
    ),
    "a width": (
        "zoo: vgg11\nwidth: 0",
        ["s.yaml:2:8: width: got 0; write a factor above 0 and up to 1000, such as 0."],
    ),
    "a head beside a network": ("zoo: vgg11\nhead: {pol: max}", ["s.yaml:2:8: head.pol: unknown field 'pol', did you"]),
    "an input that is too small for a network": (
        "zoo: vgg11",
        ["s.yaml:1:6: zoo: stages.3.pool: a 2x2 window does not fit a 1x1 map; remove a pool or enlarge the input"],
    ),
    "a pattern that is too deep for the input": (
        "stages: [{count: 5, block: plain, width: 8, pool: {size: 2}}]",
        ["s.yaml:1:51: stages.0.pool: stages.3.pool: a 2x2 window does not fit a 1x1 map; remove a pool or enlarge"],
    ),
}


def told(text: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What `archstudy describe` says of a blueprint that it refuses."""
    monkeypatch.chdir(folder)
    Path("s.yaml").write_text(text)
    assert main(["describe", "s.yaml", "--input", "1x8x8"]) == 3
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(("text", "lines"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(
    text: str,
    lines: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = told(text, tmp_path, capsys, monkeypatch)
    assert len(found) == len(lines), found
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True)), found


def test_what_cannot_be_told_is_no_mistake_of_its_own() -> None:
    texts = (
        "blocks: {a: {parameters: {n: null}, stages: [{count: $n, block: plain, width: 2 * $n}]}}\n"
        "stages: [{block: a, n: $u}, {count: $u, block: plain}, {family: {kind: regnet, depth: $u, initial: 8, "
        "slope: 1.0, multiplier: 2.0}}, {block: $u}, $u]\ndefaults: $u",
        "zoo: $u",
        "{zoo: vgg11, width: $u, repeats: $u}",
    )
    for text in texts:
        assert attempt(yaml(text), {"u": UNKNOWN})[1] == []


def test_what_stands_beside_a_network_reaches_its_blueprint() -> None:
    beside = {"silence": ["large_kernel"], "strict_division": True, "head": "linear", "classes": 10}
    made = Blueprint.model_validate(expand({"zoo": "vgg11", **beside}, {}).tree)
    assert (made.silence, made.strict_division, made.head, made.classes) == (("large_kernel",), True, Head(), 10)


def test_blocks_that_a_variable_may_name_are_used() -> None:
    for items in ("[{block: $word}]", "[$word]", "$word", "[{block: sequence, stages: $word}]"):
        text = "blocks: {a: {stages: []}, b: {stages: [{block: a}]}}\nstages: " + items
        assert attempt(yaml(text), {"word": UNKNOWN})[1] == []


def test_a_parameter_may_refer_to_one_below_it() -> None:
    text = (
        "blocks: {a: {parameters: {x: $y, y: 2 * $z, z: 4}, stages: [{block: plain, width: $x}]}}\nstages: [{block: a}]"
    )
    assert stages(text)[0]["stages"] == [{"block": "plain", "width": 8}]


@pytest.mark.parametrize("name", ["resnet1202_cifar", "preact_resnet1001_cifar"])
def test_the_deepest_published_networks_are_not_too_deep(name: str) -> None:
    expand({"zoo": name}, {})


def test_too_many_repeats_are_told_in_a_moment() -> None:
    tree = yaml(
        "stages: [{block: sequence, repeat: 1000, stages: [{count: 100, block: plain, width: 8, repeat: 1000}]}]"
    )
    assert calls(lambda: attempt(tree, {})) < 30_000


# --- studies ----------------------------------------------------------------------------------------------------------

STUDY = """\
apiVersion: archstudy/v1
kind: Study
name: expanded
data: {source: digits}
variables:
  width: {choice: [4, 8]}
  stages: {int: [1, 2]}
blueprint:
  defaults: {norm: batch}
  blocks:
    unit:
      parameters: {out: null, kernel: {choice: [3, 5]}, width: 2 * $width}
      stages:
        - {block: plain, width: $width, kernel: $kernel}
        - {block: plain, width: $out + 0 * $stage, kernel: {choice: [1, 3]}}
  stages:
    - {count: $stages, block: unit, out: $width * 2 ** $stage}
    - {block: pool, size: 2}
search: {}
recipe: {epochs: 1}
"""
PARAMETER, KERNEL = "blueprint_blocks_unit_parameters_kernel", "blueprint_blocks_unit_stages_1_kernel"


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    def read(*changes: tuple[str, str]) -> Study:
        text = STUDY
        for old, new in changes:
            assert old in text
            text = text.replace(old, new, 1)
        (tmp_path / "s.yaml").write_text(text)
        return load(tmp_path / "s.yaml")

    return read


def test_variables_stand_anywhere_in_a_study(study: Callable[..., Study]) -> None:
    one = study()
    assert set(one.space.names) == {"width", "stages", PARAMETER, KERNEL}
    found = candidate(one, {"width": 8, "stages": 2, PARAMETER: 5, KERNEL: 1})
    assert found.cost is not None
    units = [[(unit["width"], unit["kernel"]) for unit in stage["stages"]] for stage in found.blueprint["stages"][:2]]
    assert units == [[(16, 5), (8, 1)], [(16, 5), (16, 1)]]
    assert "blocks" not in found.blueprint
    for assignment in probe_assignments(one.space):
        network_of(one, assignment)


STUDY_MISTAKES: dict[str, tuple[tuple[str, str], str]] = {
    "an option that the body of a block cannot take": (
        ("kernel: {choice: [1, 3]}", "kernel: {choice: [1, 0]}"),
        r"s.yaml:15:73: blueprint.blocks.unit.stages.1.kernel.choice.1: got 0; write at least 1 \(in block 'unit'\)",
    ),
    "a parameter of another block": (
        ("size: 2}", "size: $out}"),
        r"s.yaml:18:27: blueprint.stages.1.size: \$out is not defined; declare it under 'variables' \(defined: ",
    ),
    "a typo in the body of a block": (
        ("width: $out", "width: $outt"),
        r"s.yaml:15:33: blueprint.blocks.unit.stages.1.width: \$outt is not defined; did you mean \$out \(defined: ",
    ),
    "an option that a use gives to a block": (
        ("block: unit, out", "block: unit, width: {choice: [4, 0]}, out"),
        r"s.yaml:17:57: blueprint.stages.0.width.choice.1: got 0; write at least 1 \(in block 'unit'\)$",
    ),
    "an option that repeats too much": (
        (
            "{block: pool, size: 2}",
            "{block: sequence, repeat: {int: [1, 900]}, stages: [{block: dense, growth: 1, repeat: 90}]}",
        ),
        r"s.yaml:18:43: blueprint.stages.1.repeat.int.1: the network repeats to 81,002 units, and at most 10,000 may",
    ),
    "a block that nothing uses": (
        ("  blocks:\n", "  blocks:\n    more: {stages: [{block: unit}]}\n"),
        r"s.yaml:11:11: blueprint.blocks.more: nothing uses the block 'more'; write \{block: more\} or remove it",
    ),
    "a typo in an option in a branch": (
        (
            "{block: pool, size: 2}",
            "{block: parallel, branches: [[], [{choice: [{block: pool}, {block: pool, sise: 1}]}]]}",
        ),
        r"s.yaml:18:80: blueprint.stages.1.branches.1.0.choice.1.sise: unknown field 'sise', did you mean 'size'\?",
    ),
    "an option of a network's parameter": (
        (
            STUDY[STUDY.index("variables:") : STUDY.index("search:")],
            "variables: {k: {choice: [1, -4]}}\nblueprint: {zoo: wrn_28_10, widen: $k}\n",
        ),
        r"s.yaml:5:29: variables.k.choice.1: stages.1.width: got -64; write at least 1 \(in zoo:wrn_28_10\)",
    ),
    "the stage in a head": (
        ("search:", "  head: {dropout: $stage}\nsearch:"),
        r"s.yaml:19:19: blueprint.head.dropout: \$stage is defined inside a list of stages only",
    ),
    "the stage as a variable": (
        ("  stages: {int: [1, 2]}", "  stage: {int: [1, 2]}\n  stages: {int: [1, 2]}"),
        r"s.yaml:7:10: variables.stage: \$stage is the number of a stage in its list; give the variable another name",
    ),
    "no network of the space": (
        ("size: 2}", "size: 9}"),
        r"s.yaml:18:7: blueprint.stages.1.pool: no network of this space can exist: a 9x9 window does not fit",
    ),
    "no cell of a design": (
        (
            STUDY[STUDY.index("variables:") : STUDY.index("recipe:")],
            "variables: {net: {choice: [vgg11, vgg13]}}\nblueprint: {zoo: $net}\ndesign: {factors: [net]}\n",
        ),
        r"s.yaml:6:18: blueprint.zoo: no cell is possible: stages.3.pool: a 2x2 .*\(in zoo:vgg11\)",
    ),
    "no network that the zoo has": (
        (
            STUDY[STUDY.index("  defaults:") : STUDY.index("search:")],
            "  zoo: vgg11\n  width: 0.01 * $width * $stages\n",
        ),
        r"s.yaml:9:8: blueprint.zoo: no network of this space can exist: stages.3.pool: a 2x2 .*\(in zoo:vgg11\)",
    ),
}


@pytest.mark.parametrize(("change", "message"), STUDY_MISTAKES.values(), ids=STUDY_MISTAKES)
def test_mistakes_of_a_study(change: tuple[str, str], message: str, study: Callable[..., Study]) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        study(change)
    assert len(caught.value.problems) == 1


def test_rows_hold_the_expanded_blueprint(study: Callable[..., Study]) -> None:
    searched = study()
    row = described(candidate(searched, next(probe_assignments(searched.space))))
    assert Blueprint.model_validate(row["blueprint"]).model_dump(mode="json") == row["blueprint"]
    designed = study(
        ("kernel: {choice: [3, 5]}", "kernel: 3"),
        ("kernel: {choice: [1, 3]}", "kernel: 1"),
        ("  stages: {int: [1, 2]}", "  stages: {choice: [1, 2]}"),
        ("size: 2}", "size: 3 * $stage * $width}"),
        ("search: {}", "design: {factors: [width, stages]}"),
        ("{choice: [4, 8]}", "{choice: [2, 8]}"),
    )
    cells = every_cell(designed)
    assert [cell.reason is None for cell in cells] == [True, True, False, False]
    assert cells[-1].where == ("blueprint", "stages", 1, "pool")
    for cell in cells:
        stages = trial_row(designed, cell, 0)["blueprint"]["stages"]
        assert [stage["block"] for stage in stages] == ["sequence"] * cell.levels["stages"] + ["pool"]


def test_a_match_turns_a_variable_of_a_pattern(study: Callable[..., Study]) -> None:
    one = study(
        ("width: {choice: [4, 8]}", "width: {int: [2, 64]}"),
        ("  stages: {int: [1, 2]}", "  stages: {choice: [1, 2]}"),
        ("kernel: {choice: [3, 5]}", "kernel: 3"),
        ("kernel: {choice: [1, 3]}", "kernel: 1"),
        ("search: {}", "design: {factors: [stages], match: {macs: 200k, by: width, tolerance: 10%}}"),
    )
    cells = every_cell(one)
    assert [cell.reason for cell in cells] == [None, None]
    assert cells[0].assignment["width"] > cells[1].assignment["width"]
