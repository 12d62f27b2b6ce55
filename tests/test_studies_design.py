"""Designs: the cells of the example at equal cost, what is out of reach, and a balanced order of trials."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from searchspace.language.problems import SpecError
from studies.candidate import Study
from studies.design.cells import every_cell, name_of
from studies.design.rows import run_order
from studies.load import load

EXAMPLE = Path(__file__).parents[1] / "studies/examples/depth-width-filter.yaml"
WIDE: dict[str, Any] = {"width": {"int": [2, 40]}, "kernel": {"choice": [1, 3]}}


@pytest.fixture(scope="module")
def example() -> Study:
    return load(EXAMPLE)


def test_the_example_holds_its_cost(example: Study) -> None:
    cells = {(cell.levels["depth"], cell.levels["kernel"]): cell for cell in every_cell(example)}
    widths = {at: cell.assignment["width"] for at, cell in cells.items()}
    assert widths == {(1, 3): 82, (1, 5): 49, (2, 3): 37, (2, 5): 22, (4, 3): 23, (4, 5): 14}
    errors = [cell.error for cell in cells.values()]
    assert all(error is not None and abs(error) <= 0.04 for error in errors)
    params = sorted(cell.cost.params for cell in cells.values() if cell.cost)
    assert (round(params[0], -3), round(params[-1], -3)) == (82_000, 124_000)
    assert not any(cell.reason for cell in cells.values())


def test_neighbouring_widths_are_farther_from_the_target(example: Study) -> None:
    from searchspace.cost import cost
    from studies.candidate import network_of

    for cell in every_cell(example):
        assert cell.error is not None
        for step in (-1, 1):
            beside = {**cell.assignment, "width": cell.assignment["width"] + step}
            assert abs(cost(network_of(example, beside)).macs / 2_000_000 - 1) >= abs(cell.error)


def test_cells_out_of_reach_are_told_with_the_nearest_miss(tiny: Callable[..., Study]) -> None:
    match = {"params": 60, "by": "width", "tolerance": "10%"}
    study = tiny("design", variables=WIDE, design={"factors": ["kernel"], "match": match, "replicates": 1})
    small, large = every_cell(study)
    assert (small.name, large.name) == ("kernel=1", "kernel=3")
    reasons = [cell.reason for cell in (small, large) if cell.reason]
    assert len(reasons) == 1
    assert reasons[0].startswith("60 params are out of reach within 10%: the nearest is width = ")
    assert reasons[0].endswith(("raise the tolerance", "or change the target"))


def test_a_match_that_no_cell_reaches_is_an_invalid_study(tiny: Callable[..., Study]) -> None:
    with pytest.raises(SpecError, match=r"no cell is possible, the nearest is kernel=3: .* let width go beyond 40"):
        tiny("design", variables=WIDE, design={"factors": ["kernel"], "match": {"macs": "9G", "by": "width"}})


def test_impossible_cells_have_their_reason(tiny: Callable[..., Study]) -> None:
    stages = [{"block": "plain", "width": "$width", "kernel": "$kernel", "pool": {"size": "$width"}}]
    study = tiny(
        "design", blueprint={"stages": stages}, variables={"width": {"choice": [2, 9]}, "kernel": {"choice": [1, 3]}}
    )
    assert [cell.reason is None for cell in every_cell(study)] == [True, True, False, False]
    assert {cell.where for cell in every_cell(study) if cell.reason} == {("blueprint", "stages", 0, "pool")}


def test_without_a_match_nothing_is_held(tiny: Callable[..., Study]) -> None:
    cells = every_cell(tiny("design"))
    assert [cell.name for cell in cells] == [name_of({"width": w, "kernel": k}) for w in (2, 3, 4) for k in (1, 3)]
    assert {cell.error for cell in cells} == {None}


def test_a_half_run_design_is_balanced(tiny: Callable[..., Study]) -> None:
    study = tiny("design")
    cells = every_cell(study)
    counts = {cell.name: 2 for cell in cells}
    order = run_order(study, cells, counts)
    assert Counter(cell.name for _, cell in order) == {cell.name: 2 for cell in cells}
    assert [replicate for replicate, _ in order] == [0] * 6 + [1] * 6
    assert order == run_order(study, cells, counts)
    assert [cell.name for _, cell in order[:6]] != [cell.name for _, cell in order[6:]]


def test_a_domain_with_one_value_is_a_constant(tiny: Callable[..., Study]) -> None:
    one = {"width": {"int": [2, 40]}, "kernel": {"choice": [3]}, "depth": {"choice": [1, 2]}}
    stages = [{"block": "plain", "repeat": "$depth", "width": "$width", "kernel": "$kernel"}]
    match = {"params": 600, "by": "width", "tolerance": "10%"}
    design = {"factors": ["depth"], "match": match, "replicates": 1}
    cells = every_cell(tiny("design", variables=one, blueprint={"stages": stages}, design=design))
    assert [cell.name for cell in cells] == ["depth=1", "depth=2"]
    assert [list(cell.levels) for cell in cells] == [["depth"]] * 2
    assert {cell.assignment["kernel"] for cell in cells} == {3}
    assert {*cells[0].assignment} == {"depth", "kernel", "width"}
    design = {"factors": ["depth"], "replicates": 1}
    held = tiny("design", variables=one | {"width": {"int": [4, 4]}}, blueprint={"stages": stages}, design=design)
    assert every_cell(held)[1].assignment == {"depth": 2, "kernel": 3, "width": 4}
