"""Patterns over stages equal the lists that one would write by hand; RegNet's rule gives the published widths."""

from typing import Any

import pytest

from searchspace.language.expand import expand
from searchspace.language.patterns import RegNet, regnet
from searchspace.language.problems import SpecError

PUBLISHED: dict[str, tuple[tuple[int, float, float, int, int], list[int], list[int]]] = {
    "200MF": ((24, 36.44, 2.49, 13, 8), [24, 56, 152, 368], [1, 1, 4, 7]),
    "400MF": ((24, 24.48, 2.54, 22, 16), [32, 64, 160, 384], [1, 2, 7, 12]),
    "600MF": ((48, 36.97, 2.24, 16, 24), [48, 96, 240, 528], [1, 3, 5, 7]),
    "800MF": ((56, 35.73, 2.28, 16, 16), [64, 128, 288, 672], [1, 3, 7, 5]),
    "1.6GF": ((80, 34.01, 2.25, 18, 24), [72, 168, 408, 912], [2, 4, 10, 2]),
    "3.2GF": ((88, 26.31, 2.25, 25, 48), [96, 192, 432, 1008], [2, 6, 15, 2]),
    "32GF": ((320, 69.86, 2.0, 23, 168), [336, 672, 1344, 2520], [2, 7, 13, 1]),
}
"""RegNetX of Radosavovic et al. 2020, table 7: (initial, slope, multiplier, depth, group width), widths, depths."""


def family(numbers: tuple[int, float, float, int, int], **more: Any) -> dict[str, Any]:
    names = ("initial", "slope", "multiplier", "depth", "group_width")
    return {"kind": "regnet", **dict(zip(names, numbers, strict=True)), **more}


def stages(*items: Any, **values: Any) -> list[Any]:
    return expand({"stages": [*items]}, values).tree["stages"]


@pytest.mark.parametrize(("numbers", "widths", "depths"), PUBLISHED.values(), ids=PUBLISHED)
def test_regnet(numbers: tuple[int, float, float, int, int], widths: list[int], depths: list[int]) -> None:
    fields = regnet(RegNet(**family(numbers)))
    groups = [width // numbers[-1] for width in widths]
    assert fields == {"width": widths, "repeat": depths, "groups": groups}


def test_regnet_as_torchvision_rounds_it_and_without_groups() -> None:
    numbers = PUBLISHED["400MF"][0]
    assert regnet(RegNet(**family(numbers, ties="up")))["width"] == [32, 64, 160, 400]
    assert regnet(RegNet(**family(numbers) | {"group_width": None})) == {
        "width": [24, 64, 152, 392],
        "repeat": [1, 2, 7, 12],
    }


def test_a_family_beside_other_fields() -> None:
    numbers = PUBLISHED["200MF"][0]
    found = stages({"family": family(numbers), "block": "residual", "stride": [1, 2, 2, 2], "kernel": 3})
    assert found[1] == {"block": "residual", "stride": 2, "kernel": 3, "width": 56, "repeat": 1, "groups": 7}
    assert [stage["width"] for stage in found] == [24, 56, 152, 368]


PATTERNS: dict[str, tuple[Any, list[Any]]] = {
    "an expression and a list": (
        {"count": 3, "block": "plain", "width": "$w * 2 ** $stage", "stride": [1, 2, 2]},
        [{"block": "plain", "width": 8 * 2**k, "stride": 1 if k == 0 else 2} for k in range(3)],
    ),
    "a longer list is cut": (
        {"count": 2, "block": "plain", "width": [1, 2, 3]},
        [{"block": "plain", "width": 1}, {"block": "plain", "width": 2}],
    ),
    "a list from a variable": (
        {"count": "$n", "block": "plain", "width": "$widths"},
        [{"block": "plain", "width": 5}, {"block": "plain", "width": 7}],
    ),
    "lists of lists": (
        {"count": 2, "block": "residual", "width": 8, "kernels": [[3, 3], [1, 3, 1]]},
        [{"block": "residual", "width": 8, "kernels": [3, 3]}, {"block": "residual", "width": 8, "kernels": [1, 3, 1]}],
    ),
    "expressions and mappings in a list": (
        {"count": 2, "block": "plain", "width": ["$w", "3 * $w + $stage"], "pool": [None, {"size": "1 + $stage"}]},
        [{"block": "plain", "width": 8, "pool": None}, {"block": "plain", "width": 25, "pool": {"size": 2}}],
    ),
    "words in a list": (
        {"count": 2, "block": ["plain", "residual"], "width": 4},
        [{"block": "plain", "width": 4}, {"block": "residual", "width": 4}],
    ),
    "none": ({"count": 0, "block": "plain", "width": []}, []),
    "nested stages count with the pattern": (
        {"count": 2, "block": "sequence", "stages": [{"block": "plain", "width": "1 + $stage"}]},
        [{"block": "sequence", "stages": [{"block": "plain", "width": 1 + k}]} for k in range(2)],
    ),
    "a pattern in a branch of a pattern": (
        {
            "count": 2,
            "block": "parallel",
            "branches": [[{"count": 2, "block": "plain", "width": "1 + $stage"}], [{"block": "plain", "width": "$w"}]],
        },
        [
            {
                "block": "parallel",
                "branches": [
                    [{"block": "plain", "width": 1}, {"block": "plain", "width": 2}],
                    [{"block": "plain", "width": 8}],
                ],
            }
        ]
        * 2,
    ),
}


@pytest.mark.parametrize(("pattern", "written"), PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_is_the_list_that_one_would_write(pattern: Any, written: list[Any]) -> None:
    assert stages(pattern, w=8, n=2, widths=[5, 7, 9]) == written


def test_outside_a_pattern_a_stage_is_counted_in_its_own_list() -> None:
    plain = {"block": "plain", "width": "10 * $stage"}
    inside = {"block": "sequence", "stages": [plain, plain]}
    found = stages(plain, {"count": 3, "block": "plain", "width": "$stage"}, plain, inside)
    assert [stage.get("width") for stage in found] == [0, 0, 1, 2, 20, None]
    assert [stage["width"] for stage in found[-1]["stages"]] == [0, 10]
    assert all(type(stage["width"]) is int for stage in found[:-1])


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "no number": ({"count": "many"}, "stages.0.count: got 'many'; write a whole number from 0 to 1000"),
    "a fraction": ({"count": "$w / 2"}, r"stages.0.count: got 4\.0; write a whole number from 0 to 1000"),
    "too many": ({"count": 1001}, "stages.0.count: got 1001; write a whole number"),
    "a short list": (
        {"count": 3, "width": [1, 2]},
        "stages.0.width: 'width' has 2 values for 3 stages; write one for each stage, or no list where all are",
    ),
    "a short list of a variable": ({"count": 4, "width": "$widths"}, "stages.0.width: 'width' has 3 values for 4 stag"),
    "in an element": (
        {"count": 2, "width": [8, "$widht"]},
        r"stages.0.width.1: \$widht is not defined; did you mean \$widths \(defined: w, widths, stage\)",
    ),
    "another family": (
        {"family": {"kind": "effnet"}},
        "stages.0.family.*: (got 'effnet'; write 'regnet'|'.*' is missing)",
    ),
    "a typo in a family": (
        {"family": family((24, 36.44, 2.49, 13, 8), slop=3)},
        "stages.0.family.slop: unknown field 'slop', did you mean 'slope'?",
    ),
    "out of range": (
        {"family": family((24, 36.44, 1.0, 13, 8))},
        "stages.0.family.multiplier: got 1.0; write a number above 1",
    ),
    "a field that is the family's": (
        {"family": family((24, 36.44, 2.49, 13, 8)), "width": 8},
        "stages.0.width: the family sets 'width'; remove it, or the family",
    ),
    "a count beside a family": (
        {"family": family((24, 36.44, 2.49, 13, 8)), "count": 2},
        "stages.0.count: the family sets 'count'; remove it, or the family",
    ),
}


@pytest.mark.parametrize(("item", "message"), MISTAKES.values(), ids=MISTAKES)
def test_mistakes(item: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{message}"):
        stages({"block": "plain", **item}, w=8, widths=[5, 7, 9])


def test_no_blueprint_grows_without_end() -> None:
    ten = {"count": 1000, "block": "sequence", "stages": [{"count": 1000, "block": "plain", "width": 8}]}
    with pytest.raises(
        SpecError, match=r"^stages\.0\.stages\.0: the blueprint expands to more than 10,000 stages; shorten"
    ):
        stages(ten)
