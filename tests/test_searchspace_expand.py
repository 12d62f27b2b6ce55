"""Expansion: macros disappear, nothing else changes, and every mistake is told at its place in the file."""

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from searchspace.blueprint import Blueprint
from searchspace.language.expand import attempt, expand
from searchspace.language.expressions import substitute
from searchspace.language.origins import Expanded, Origin
from searchspace.language.problems import UNKNOWN, Problem, SpecError
from searchspace.language.yamlio import load as parsed
from studies.candidate import Study, candidate, described, network_of
from studies.cli import main
from studies.design import every_cell, trial_row
from studies.load import load
from studies.templates import probe_assignments

EXAMPLES = Path(__file__).parents[1] / "studies" / "examples"


def yaml(text: str) -> Any:
    return parsed(text).data


def stages(text: str, **values: Any) -> list[Any]:
    return expand(yaml(text), values).tree["stages"]


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
        {"all": [{"block": "pool", "size": "$x"}]},
        [{"block": "pool", "size": "$x"}],
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
    tree = {**yaml(FIRE), "defaults": {"norm": "batch"}, "stages": random_items(random.Random(seed), 2)}
    once = expand(tree, {"w": 5})
    assert expand(once.tree, {}) == Expanded(once.tree, {})
    Blueprint.model_validate(once.tree)
    for path in once.origins:
        at: Any = tree
        for part in once.place(path):
            at = at[part]  # every origin is a place of the original


def spent(work: Callable[[], object], times: int = 200) -> float:
    """Seconds of processor for one call: the least of several measurements."""
    measured = []
    for _ in range(7):
        start = time.process_time()
        for _ in range(times):
            work()
        measured.append((time.process_time() - start) / times)
    return min(measured)


@pytest.mark.parametrize("name", ["search-digits", "depth-width-filter"])
def test_a_blueprint_without_macros_pays_almost_nothing(name: str) -> None:
    space = load(EXAMPLES / f"{name}.yaml").space
    tree, values = space.templates["blueprint"], next(probe_assignments(space))
    assert spent(lambda: expand(tree, values)) - spent(lambda: substitute(tree, values)) < 50e-6


def test_macros_are_quick() -> None:
    eight = yaml(FIRE + "defaults: {norm: batch}\nstages: [{count: 8, block: fire, squeeze: $w * 2 ** ($stage // 2)}]")
    assert spent(lambda: expand(eight, {"w": 16}), 20) < 1e-3
    assert spent(lambda: expand({"zoo": "vgg16_bn", "width": 0.5}, {}), 20) < 1e-3


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
        ["s.yaml:4:36: blocks.fire.stages.0.width: got 0; write at least 1 (in block 'fire')"],
    ),
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
        ["s.yaml:3:27: blocks.fire.parameters.squeeze: $x is not defined; declare it under 'variables'"],
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
    "no network": ("zoo: 16", ["s.yaml:1:6: zoo: the zoo has no network '16'"]),
    "beside a network": (
        "zoo: vgg11\nrepaets: [1]\nstages: []",
        [
            "s.yaml:2:1: repaets: unknown field 'repaets', did you mean 'repeats'?",
            "s.yaml:3:9: stages: a blueprint has zoo: or stages:, and this one has both; remove one of the two",
        ],
    ),
    "a parameter of a network": (
        "zoo: vgg11\nrepeats: [1, 2]",
        ["s.yaml:1:6: zoo: 'repeat' has 2 values for 5 stages; write one for each stage, or no list where all are the"],
    ),
    "a value that a network's word cannot take": (
        "zoo: vgg11\nrepeats: [1, 2, 3, 4, 0]",
        ["s.yaml:1:6: zoo: got 0; write at least 1 (in zoo:vgg11)"],
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
