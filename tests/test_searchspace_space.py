"""Spaces: named, derived and inline variables, what they are filled in with, and every mistake at its place."""

import random
from typing import Any

import pytest

from searchspace.language.problems import UNKNOWN, SpecError
from searchspace.language.space import SearchSpace, search_space, survey, texts
from searchspace.language.variables import Choice, IntRange, Variable

TEMPLATES: dict[str, Any] = {"blueprint": {"stages": [{"width": "$wide", "kernel": {"choice": [3, 5]}}]}, "recipe": {}}
DECLARED: dict[str, Any] = {"wide": "2 * $width", "width": {"int": [4, 64]}, "four": 4}


def test_a_space_has_named_derived_and_inline_variables() -> None:
    space = search_space(DECLARED, TEMPLATES)
    kernel = ("blueprint", "stages", 0, "kernel")
    assert space.variables == (
        Variable("width", IntRange(4, 64), ("variables", "width")),
        Variable("blueprint_stages_0_kernel", Choice((3, 5)), kernel),
    )
    assert dict(space.derived) == {"wide": "2 * $width", "four": 4}
    assert space["width"].domain == IntRange(4, 64)
    filled = space.resolve({"width": 8, "blueprint_stages_0_kernel": 5})
    assert filled == {"blueprint": {"stages": [{"width": 16, "kernel": 5}]}, "recipe": {}}


def test_derived_variables_may_be_declared_in_any_order_and_be_of_any_type() -> None:
    declared = {"a": "$b + 1", "b": "$c * 2", "c": {"int": [1, 9]}, "on": True, "kind": "plain"}
    templates = {"blueprint": {"x": ["$a", "$on", "$kind", "$kind of text"]}}
    with pytest.raises(SpecError, match=r"^blueprint.x.3: cannot read '\$kind of text'"):
        search_space(declared, templates).resolve({"c": 3})
    templates["blueprint"]["x"].pop()
    assert search_space(declared, templates).resolve({"c": 3})["blueprint"]["x"] == [7, True, "plain"]


MISTAKES: dict[str, tuple[dict[str, Any], Any, list[str]]] = {
    "undefined": ({"width": {"int": [1, 2]}}, "$widht", ["t.x: $widht is not defined; did you mean $width (defined: "]),
    "undefined in a derived one": ({"a": "$b"}, "$a", ["variables.a: $b is not defined; declare it under 'variables'"]),
    "a circle": (
        {"a": "$b", "b": "$c", "c": "$a + 1"},
        "$a",
        ["variables.a: variables go in a circle: "],
    ),
    "of itself": ({"a": "2 * $a"}, "$a", ["variables.a: variables go in a circle: a -> a; give one of them a domain"]),
    "name": ({"a-b": {"int": [1, 2]}}, 1, ["variables.a-b: 'a-b' is no name; use letters, digits and _, a letter"]),
    "taken": ({"stage": {"int": [1, 2]}}, 1, ["variables.stage: $stage is the number of a stage in its list; give"]),
    "not ASCII": ({"größe": {"int": [1, 2]}}, 1, ["variables.größe: 'größe' is no name"]),
    "a list": ({"a": [1, 2]}, "$a", ["variables.a: a list is no domain; write {choice: [1, 2]}"]),
    "bad domains, named and inline": (
        {"a": {"int": [2, 1]}, "b": {"choice": []}},
        ["$a", "$b", {"choice": [1, 1]}],
        ["variables.a: the range", "variables.b: a choice is", "t.x.2: the option 1 stands twice"],
    ),
    "a typo in a domain": ({"a": {"itn": [1, 2]}}, "$a", ["variables.a.itn: unknown field 'itn', did you mean 'int'?"]),
}


@pytest.mark.parametrize(("declared", "template", "lines"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(declared: dict[str, Any], template: Any, lines: list[str]) -> None:
    with pytest.raises(SpecError, match=r"variables|t\.x") as caught:
        search_space(declared, {"t": {"x": template}})
    found = str(caught.value).splitlines()
    assert len(found) == len(lines), "what follows from a mistake is no mistake of its own"
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True)), found


def test_what_cannot_be_told_is_unknown_and_the_rest_stands() -> None:
    declared = {"bad": {"int": [2, 1]}, "worse": "$bad + 1", "good": {"int": [1, 2]}}
    space, problems = survey(declared, {"t": {"x": ["$worse", "$good", {"y": "$bad"}]}})
    assert len(problems) == 1
    assert space.names == ("good",)
    assert space.templates == {"t": {"x": [UNKNOWN, "$good", {"y": UNKNOWN}]}}


def test_a_derived_variable_that_cannot_be_computed() -> None:
    space = search_space({"a": {"int": [0, 2]}, "b": "6 // $a"}, {"t": {"x": "$b"}})
    assert space.resolve({"a": 2}) == {"t": {"x": 3}}
    with pytest.raises(SpecError, match=r"^variables.b: cannot compute '6 // \$a': it divides by zero; change"):
        space.resolve({"a": 0})


BLOCKS: dict[str, Any] = {
    "blocks": {"a": {"parameters": {"out": "2 * $width", "deep": {"int": [1, 3]}}, "stages": ["$out", "$deep", "$w"]}},
    "stages": [{"block": "a", "out": "$stage"}, {"block": "plain", "width": "$width"}],
    "head": {"hidden": []},
}


def test_the_blueprint_is_expanded() -> None:
    stages = [{"block": "plain", "repeat": "$deep", "width": "$out"}]
    blueprint = {**BLOCKS, "blocks": {"a": {**BLOCKS["blocks"]["a"], "stages": stages}}}
    space = search_space({"width": {"int": [4, 8]}}, {"blueprint": blueprint, "recipe": {"lr": 1}})
    assert space.names == ("width", "blueprint_blocks_a_parameters_deep")
    filled = space.resolve({"width": 4, "blueprint_blocks_a_parameters_deep": 3})
    body = [{"block": "plain", "repeat": 3, "width": 0}]
    expected = [{"block": "sequence", "stages": body}, {"block": "plain", "width": 4}]
    assert filled == {"blueprint": {"stages": expected, "head": {"hidden": []}}, "recipe": {"lr": 1}}


def test_names_have_their_places() -> None:
    declared = {"width": {"int": [4, 8]}}
    where = "blueprint.blocks.a.stages.2: "
    with pytest.raises(SpecError, match=rf"^{where}\$w is not defined; .* \(defined: .*, deep, out, stage\)$"):
        search_space(declared, {"blueprint": BLOCKS})
    outside = {"stages": [{"width": "$out"}], "head": {"hidden": ["$stage"]}, "defaults": {"width": "$stage"}}
    with pytest.raises(SpecError, match=r"^blueprint\.stages\.0\.width: ") as caught:
        search_space(declared, {"blueprint": {**BLOCKS, **outside, "blocks": {}}, "recipe": {"lr": "$stage"}})
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "blueprint.stages.0.width",
        "blueprint.head.hidden.0",
        "blueprint.defaults.width",
        "recipe.lr",
    ]
    assert all("$stage is defined inside a list of stages only" in line for line in lines[1:])


def test_a_parameter_hides_a_variable_that_cannot_be_read() -> None:
    body = {"parameters": {"bad": 3, "other": "$bad", "own": "$own"}, "stages": ["$bad", "$stage", "$worse"]}
    declared = {"bad": {"int": [2, 1]}, "worse": {"choice": []}, "own": {"choice": []}}
    space, problems = survey(declared, {"blueprint": {"blocks": {"a": body}, "stages": ["$bad"]}})
    assert [problem.where for problem in problems] == [("variables", name) for name in declared]
    found = space.templates["blueprint"]
    assert found["blocks"]["a"]["stages"] == ["$bad", "$stage", UNKNOWN]
    assert found["blocks"]["a"]["parameters"] == {"bad": 3, "other": "$bad", "own": UNKNOWN}
    assert found["stages"] == [UNKNOWN]


def test_texts() -> None:
    assert list(texts({"a": ["x", {"b": "y"}], "c": 3})) == [(("a", 0), "x"), (("a", 1, "b"), "y")]


# --- variables within the options of others ---------------------------------------------------------------------------

CONDITIONAL = {
    "stages": [
        {"block": "plain", "width": 8},
        {
            "choice": [
                {"block": "plain", "width": "$width", "kernel": {"choice": [3, 5, 7]}},
                {
                    "block": "residual",
                    "width": 16,
                    "repeat": {"int": [1, 4]},
                    "norm": {"choice": ["batch", {"kind": "group", "groups": {"choice": [2, 4]}}]},
                },
            ]
        },
    ]
}
CHOICE = "blueprint_stages_1"


def conditional() -> SearchSpace:
    return search_space({"width": {"int": [4, 6]}}, {"blueprint": CONDITIONAL, "recipe": {}})


def test_what_stands_within_an_option_is_a_variable_of_its_own() -> None:
    space = conditional()
    assert {one.name: one.within for one in space.variables} == {
        "width": None,
        CHOICE: None,
        f"{CHOICE}_plain_kernel": (CHOICE, 0),
        f"{CHOICE}_residual_repeat": (CHOICE, 1),
        f"{CHOICE}_residual_norm": (CHOICE, 1),
        f"{CHOICE}_residual_norm_group_groups": (f"{CHOICE}_residual_norm", 1),
    }


def test_it_exists_only_while_that_option_is_chosen_and_is_counted_so() -> None:
    space = conditional()
    assert space.size == 3 * (3 + 4 * (1 + 2))
    dice = random.Random(0)
    drawn = [space.sample(dice) for _ in range(2_000)]
    seen = {tuple(one) for one in drawn}
    plain = ("width", CHOICE, f"{CHOICE}_plain_kernel")
    residual = ("width", CHOICE, f"{CHOICE}_residual_repeat", f"{CHOICE}_residual_norm")
    assert seen == {plain, residual, (*residual, f"{CHOICE}_residual_norm_group_groups")}
    assert len({repr(one) for one in drawn}) == space.size
    for one in drawn:
        stage = space.resolve(one)["blueprint"]["stages"][1]
        if stage["block"] == "plain":
            assert stage == {"block": "plain", "width": one["width"], "kernel": one[f"{CHOICE}_plain_kernel"]}
        elif stage["norm"] != "batch":
            assert stage["norm"] == {"kind": "group", "groups": one[f"{CHOICE}_residual_norm_group_groups"]}


def test_an_assignment_is_completed_and_trimmed() -> None:
    space = conditional()
    first = space.completed({})
    assert first == {"width": 4, CHOICE: space[CHOICE].domain.options[0], f"{CHOICE}_plain_kernel": 3}
    groups = space[f"{CHOICE}_residual_norm_group_groups"]
    other = space.completed({**space.reaching(groups), groups.name: 4, f"{CHOICE}_plain_kernel": 7})
    assert space.resolve(other)["blueprint"]["stages"][1] == {
        "block": "residual",
        "width": 16,
        "repeat": 1,
        "norm": {"kind": "group", "groups": 4},
    }
    assert f"{CHOICE}_plain_kernel" not in other


def test_declared_choices_may_hold_variables_too() -> None:
    declared = {"opt": {"choice": [{"kind": "sgd", "lr": {"float": [0.01, 0.1]}}, {"kind": "adam"}, {"kind": "adam"}]}}
    with pytest.raises(SpecError, match="stands twice"):
        search_space(declared, {"recipe": {"optimizer": "$opt"}})
    declared["opt"]["choice"].pop()
    space = search_space(declared, {"recipe": {"optimizer": "$opt"}})
    assert space.names == ("opt", "opt_sgd_lr")
    assert space.resolve(space.completed({}))["recipe"] == {"optimizer": {"kind": "sgd", "lr": 0.01}}


def test_a_mistake_within_an_option_has_its_place() -> None:
    tree = {
        "stages": [{"choice": [{"block": "plain", "width": {"int": [9, 4]}}, {"block": "plain", "width": "$wdith"}]}]
    }
    with pytest.raises(SpecError, match=r"holds nothing") as caught:
        search_space({"width": {"int": [4, 6]}}, {"blueprint": tree})
    assert [problem.where for problem in caught.value.problems] == [
        ("blueprint", "stages", 0, "choice", 0, "width"),
        ("blueprint", "stages", 0, "choice", 1, "width"),
    ]


def test_a_choice_between_whole_blueprints_and_options_that_count_stages() -> None:
    whole = {
        "choice": [
            {"zoo": "resnet20_cifar", "width": {"choice": [0.25, 0.5]}},
            {"stages": [{"count": 2, "block": "plain", "width": "8 * 2 ** $stage"}]},
        ]
    }
    space = search_space({}, {"blueprint": whole, "recipe": {}})
    assert space.names == ("blueprint", "blueprint_resnet20_cifar_width")
    assert space.size == 3
    zoo, stages = (space.completed({"blueprint": option}) for option in space["blueprint"].domain.options)
    assert space.resolve(zoo)["blueprint"]["stages"][0]["width"] == 4
    assert [one["width"] for one in space.resolve(stages)["blueprint"]["stages"]] == [8, 16]
    tree = {
        "stages": [{"block": "pool"}, {"choice": [{"block": "plain", "width": "8 * 2 ** $stage"}, {"block": "pool"}]}]
    }
    inner = search_space({}, {"blueprint": tree, "recipe": {}})
    assert inner.resolve(inner.completed({}))["blueprint"]["stages"][1]["width"] == 16


def test_options_that_refer_to_themselves() -> None:
    space = search_space({"loop": {"choice": [{"a": "$loop"}, 3]}}, {"blueprint": {"x": "$loop"}, "recipe": {}})
    with pytest.raises(SpecError, match="its options refer to each other in a circle"):
        space.resolve(space.completed({}))
