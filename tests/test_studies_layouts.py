"""Layouts: which combinations a design holds, the textbooks' fractions, and strata that are each met once."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations as pairs
from itertools import product
from typing import Any

import pytest

from searchspace.language.problems import SpecError
from studies.candidate import Study
from studies.design.cells import every_cell
from studies.design.layouts import combinations, fraction, generators, resolution

Build = Callable[..., Study]
LEVELS: dict[str, Any] = {"width": {"choice": [2, 3, 4]}, "kernel": {"choice": [1, 3]}}


def held(tiny: Build, **design: Any) -> list[dict[str, Any]]:
    study = tiny("design", variables=LEVELS, design={"factors": ["width", "kernel"], **design})
    assert study.spec.design is not None
    return list(combinations(study.spec.design, study.space, study.spec.seed))


def test_all_combinations_are_the_default(tiny: Build) -> None:
    assert held(tiny) == [{"width": w, "kernel": k} for w in (2, 3, 4) for k in (1, 3)]


def test_one_factor_at_a_time_changes_one_from_the_baseline(tiny: Build) -> None:
    found = held(tiny, layout="one_at_a_time", baseline={"width": 3})
    assert found == [{"width": w, "kernel": k} for w, k in ((3, 1), (2, 1), (4, 1), (3, 3))]


def test_listed_cells_stand_as_they_are(tiny: Build) -> None:
    found = held(tiny, cells=[{"kernel": 3, "width": 4}, {"kernel": 1, "width": 2}])
    assert found == [{"width": 4, "kernel": 3}, {"width": 2, "kernel": 1}]


@pytest.mark.parametrize(
    ("factors", "base", "expected"),
    [
        (3, 2, 3),
        (4, 3, 4),
        (5, 4, 5),
        (5, 3, 3),
        (6, 5, 6),
        (6, 4, 4),
        (7, 4, 4),
        (7, 3, 3),
        (8, 4, 4),
        (11, 4, 3),
        (8, 6, 5),
    ],
)
def test_fractions_have_the_resolution_of_the_textbooks(factors: int, base: int, expected: int) -> None:
    """Box, Hunter & Hunter (2005), Statistics for Experimenters, table 6.22."""
    assert resolution(factors, base) == expected
    runs = fraction(factors, base)
    assert len({*runs}) == len(runs) == 2**base
    assert {len(run) for run in runs} == {factors}


@pytest.mark.parametrize(("factors", "base"), [(3, 2), (6, 4), (7, 4), (7, 3), (11, 4)])
def test_every_level_and_every_pair_of_levels_is_met_equally_often(factors: int, base: int) -> None:
    runs = fraction(factors, base)
    for one, two in pairs(range(factors), 2):
        assert Counter((run[one], run[two]) for run in runs) == dict.fromkeys(product((0, 1), repeat=2), 2**base // 4)


def test_a_whole_factorial_is_no_fraction() -> None:
    assert (generators(3, 3), resolution(3, 3)) == ([], None)
    assert sorted(fraction(3, 3)) == sorted(product((0, 1), repeat=3))


def test_a_fraction_takes_its_levels_from_the_domains(tiny: Build) -> None:
    names = ["width", "kernel", "depth"]
    variables = {"width": {"choice": [2, 4]}, "kernel": {"choice": [1, 3]}, "depth": {"choice": [1, 2]}}
    stages = [{"block": "plain", "width": "$width", "kernel": "$kernel", "repeat": "$depth"}]
    design = {"factors": names, "layout": "fractional", "runs": 4}
    study = tiny("design", variables=variables, blueprint={"stages": stages}, design=design)
    cells = every_cell(study)
    assert len(cells) == 4
    assert all(Counter(cell.levels[name] for cell in cells).most_common()[0][1] == 2 for name in names)


def test_a_latin_hypercube_meets_every_stratum_once(tiny: Build) -> None:
    variables = {"width": {"int": [1, 40]}, "lr": {"float": [1e-3, 1.0], "log": True}}
    recipe = {"epochs": 1, "optimizer": {"kind": "sgd", "lr": "$lr"}}
    stages = [{"block": "plain", "width": "$width"}]
    design = {"factors": ["width", "lr"], "layout": "latin_hypercube", "runs": 10}
    study = tiny("design", variables=variables, blueprint={"stages": stages}, recipe=recipe, design=design)
    cells = every_cell(study)
    assert sorted(cell.levels["width"] for cell in cells) == [round(1 + 3.9 * (n + 0.5)) for n in range(10)]
    assert sorted(cell.levels["lr"] for cell in cells) == pytest.approx(
        [10 ** (-3 + 0.3 * (n + 0.5)) for n in range(10)], rel=1e-3
    )
    order = [cell.levels["lr"] for cell in sorted(cells, key=lambda cell: cell.levels["width"])]
    assert order != sorted(order), "the columns are shuffled apart"


@pytest.mark.parametrize(
    ("design", "sentence"),
    [
        ({}, "design.factors: 2,002 cells, and 1,000 may be; name fewer levels or factors"),
        ({"layout": "factorial"}, "design.factors: 2,002 cells, and 1,000 may be; name fewer levels or factors"),
        ({"layout": "one_at_a_time"}, "design.factors: 1,002 cells, and 1,000 may be; name fewer levels or factors"),
        (
            {"cells": [{"width": width, "kernel": 1} for width in range(1, 1_002)]},
            "design.cells: 1,001 cells, and 1,000 may be; list fewer",
        ),
    ],
    ids=["default", "factorial", "one_at_a_time", "cells"],
)
def test_there_are_no_more_cells_than_may_be_whatever_the_layout(
    design: dict[str, Any], sentence: str, tiny: Build
) -> None:
    variables = {"width": {"int": [1, 1_001]}, "kernel": {"choice": [1, 3]}}
    with pytest.raises(SpecError, match=sentence):
        tiny("design", variables=variables, design={"factors": ["width", "kernel"], **design})
