"""The blueprint's models: what stands where nothing is said, and the limits of every number."""

import re
from typing import Any

import pytest
from pydantic import ValidationError
from torch import nn

from searchspace.blueprint import Blueprint, Head
from searchspace.words.names import TAKEN
from searchspace.words.parts import RELU, NormSpec
from searchspace.words.plain import PlainStage
from searchspace.words.residual import ResidualStage
from worker.layers import Parallel


def stage(**fields: Any) -> Any:
    return Blueprint.model_validate({"stages": [{"block": "plain", "width": 8, **fields}]}).stages[0]


def test_what_stands_where_nothing_is_said() -> None:
    assert stage() == PlainStage(block="plain", width=8, repeat=1, kernel=3, stride=1, norm=None, activation=RELU)
    assert stage(block="residual") == ResidualStage(block="residual", width=8)
    assert NormSpec() == NormSpec(kind="batch", place="before_activation", groups=1)
    assert Head() == Head(pool="average", hidden=(), dropout=0.0)


def test_lists_become_tuples_and_nothing_can_be_changed() -> None:
    made = stage(kernel=[3, 1])
    assert made.kernel == (3, 1)
    with pytest.raises(ValidationError, match="frozen"):
        made.width = 3


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no width": ({"width": 0}, "greater than or equal to 1"),
    "a wide one": ({"width": 65_537}, "less than or equal to 65536"),
    "true is no number": ({"width": True}, "valid integer"),
    "text is no number": ({"width": "8"}, "valid integer"),
    "a float is no whole number": ({"width": 8.0}, "valid integer"),
    "too many": ({"repeat": 1_001}, "less than or equal to 1000"),
    "four axes": ({"kernel": [3, 3, 3, 3]}, "at most 3 items"),
    "no axes": ({"kernel": []}, "at least 1 item"),
    "a kernel of nothing": ({"kernel": [3, 0]}, "greater than or equal to 1"),
    "activation": ({"activation": "rellu"}, "relu"),
    "unknown": ({"kernal": 3}, "Extra inputs"),
}


@pytest.mark.parametrize(("fields", "message"), WRONG.values(), ids=WRONG)
def test_limits(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        stage(**fields)


def test_a_network_has_at_most_256_stages_and_may_have_none() -> None:
    assert Blueprint.model_validate({"stages": []}).stages == ()
    with pytest.raises(ValidationError, match=r"at most 256 items after validation"):
        Blueprint.model_validate({"stages": [{"block": "plain", "width": 1}] * 257})


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_dropout_is_below_1(dropout: float) -> None:
    with pytest.raises(ValidationError, match="than"):
        Head(dropout=dropout)


def test_a_head_may_be_its_kind_alone() -> None:
    side = {"block": "auxiliary", "head": "convolutional"}
    made = Blueprint.model_validate({"stages": [side], "head": "none"})
    assert made.head == Head(kind="none")
    assert made.stages[0].head == Head(kind="convolutional")  # type: ignore[union-attr]


@pytest.mark.parametrize(("field", "value"), [("hidden", [3]), ("pool", None), ("dropout", 0.5), ("norm", "batch")])
def test_no_head_has_nothing_else(field: str, value: Any) -> None:
    message = f"a head of kind none has no {field}; leave {field} out or choose another kind"
    with pytest.raises(ValidationError, match=message):
        Head.model_validate({"kind": "none", field: value})
    none = Head(kind="none")
    assert Head.model_validate(none.model_dump(mode="json")) == none


def test_no_name_is_an_attribute_of_the_modules_that_would_bear_it() -> None:
    modules = nn.Module(), nn.Sequential(), Parallel("add")
    public = {name for module in modules for name in dir(module) if not name.startswith("_")}
    assert public == TAKEN


@pytest.mark.parametrize("name", ["forward", "type", "how", "a.b", "c d", "1", "ü", "", "_modules", "a\n"])
def test_names_that_no_module_can_have(name: str) -> None:
    what = "means something to torch; choose another name" if name in TAKEN else "is no name; use letters, digits and _"
    for tree in (
        {"block": "parallel", "branches": {name: []}},
        {"block": "raw", "nodes": [{"node": "parallel", "merge": "add", "branches": {name: []}}]},
        {"block": "raw", "nodes": [{"node": "flatten", "name": name}]},
    ):
        with pytest.raises(ValidationError, match=re.escape(f"{name!r} {what}")):
            Blueprint.model_validate({"stages": [tree]})


def test_a_blueprint_survives_json() -> None:
    made = Blueprint.model_validate({"stages": [{"block": "residual", "width": 8, "kernel": [3, 5], "pool": {}}]})
    assert Blueprint.model_validate(made.model_dump(mode="json")) == made
