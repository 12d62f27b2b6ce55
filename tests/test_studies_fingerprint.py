"""What makes two studies the same, and how their differences are told."""

from collections.abc import Callable
from typing import Any

import pytest

from studies.candidate import Study, candidate, key
from studies.fingerprint import canonical, differences, digest, fingerprint


def test_equal_trees_have_equal_texts() -> None:
    assert canonical({"b": [1, 2.5], "a": "é"}) == '{"a":"é","b":[1,2.5]}'
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) == "43258cff783fe703"


FREE = [
    {"about": "in other words"}, {"budget": {"trials": 9}}, {"confirm": {"top": 1}}, {"name": "other"},
    {"resources": {"cpus": 2}}, {"design": {"factors": ["width", "kernel"], "replicates": 9}},
]  # fmt: skip
BOUND = [
    {"seed": 8},
    {"recipe": {"epochs": 3, "batch_size": 256}},
    {"recipe": {"epochs": 2}},
    {"variables": {"width": {"choice": [2, 3]}, "kernel": {"choice": [1, 3]}}},
    {"design": {"factors": ["kernel", "width"], "replicates": 2}},
]


@pytest.mark.parametrize("change", FREE, ids=lambda change: next(iter(change)))
def test_what_may_change(change: dict[str, Any], tiny: Callable[..., Study]) -> None:
    assert fingerprint(tiny("design", **change).tree) == fingerprint(tiny("design").tree)
    assert differences(tiny("design").tree, tiny("design", **change).tree) == []


@pytest.mark.parametrize("change", BOUND, ids=str)
def test_what_may_not(change: dict[str, Any], tiny: Callable[..., Study]) -> None:
    assert fingerprint(tiny("design", **change).tree) != fingerprint(tiny("design").tree)
    assert differences(tiny("design").tree, tiny("design", **change).tree)


def test_units_and_layout_do_not_matter(tiny: Callable[..., Study]) -> None:
    matched = [
        tiny(
            "design",
            variables={"width": {"int": [2, 40]}, "kernel": {"choice": [1, 3]}},
            design={"factors": ["kernel"], "match": {"params": params, "by": "width", "tolerance": tolerance}},
        )
        for params, tolerance in (("0.3k", "10%"), (300, 0.1))
    ]
    assert fingerprint(matched[0].tree) == fingerprint(matched[1].tree)


def test_differences_name_the_place() -> None:
    old = {"seed": 1, "recipe": {"epochs": 12}, "blueprint": {"stages": [{"width": 4}]}, "design": {"factors": ["a"]}}
    new = {
        "seed": 1,
        "recipe": {"epochs": 20, "loss": "mse"},
        "blueprint": {"stages": [{"width": 8}]},
        "design": {"factors": ["a", "b"]},
    }
    assert differences(old, new) == [
        "blueprint.stages.0.width: 4 -> 8",
        'design.factors: ["a"] -> ["a", "b"]',
        "recipe.epochs: 12 -> 20",
        'recipe.loss: (absent) -> "mse"',
    ]


def test_a_training_is_told_apart_by_all_that_changes_its_result(tiny: Callable[..., Study]) -> None:
    study = tiny()
    base = {"width": 4, "kernel": 3, "lr": 0.1}
    keys = {
        key(study, candidate(study, {**base, **change}), seed)
        for change, seed in (({}, 1), ({}, 2), ({"width": 5}, 1), ({"kernel": 1}, 1), ({"lr": 0.2}, 1))
    }
    assert len(keys) == 5
    assert key(study, candidate(study, base), 1) == key(tiny(about="else"), candidate(tiny(), base), 1)
