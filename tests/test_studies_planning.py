"""Plans: what a study will train and cost, known before anything runs, as facts and as words."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from searchspace.language.units import human
from studies import screens
from studies.candidate import Study
from studies.design import screens as design_screens
from studies.planning import plan

MATCHED = {"factors": ["kernel"], "match": {"params": 300, "by": "width", "tolerance": "10%"}, "replicates": 4}
WIDE: dict[str, Any] = {"width": {"int": [2, 40]}, "kernel": {"choice": [1, 3]}}


def words(study: Study) -> str:
    return "\n".join(screens.plan(study, plan(study)))


def test_a_design(tiny: Callable[..., Study]) -> None:
    study = tiny("design", variables=WIDE, design=MATCHED)
    facts = plan(study)
    assert (facts["kind"], facts["replicates"], facts["trials"]) == ("design", 4, 8)
    assert [cell["cell"] for cell in facts["cells"]] == ["kernel=1", "kernel=3"]
    assert all(abs(cell["error"]) <= 0.1 and cell["params"] for cell in facts["cells"])
    assert json.loads(json.dumps(facts)) == facts
    text = words(study)
    assert "data: digits, 1,797 examples of 1x8x8, 10 outputs" in text
    assert "held: params at 300 within 10%, by width" in text
    assert "2 cells x 4 replicates = 8 trials" in text


def test_impossible_cells_are_listed_with_their_reasons(tiny: Callable[..., Study]) -> None:
    design = {**MATCHED, "match": {"params": 60, "by": "width", "tolerance": "10%"}}
    facts = plan(study := tiny("design", variables=WIDE, design=design))
    reasons = [cell["reason"] for cell in facts["cells"]]
    assert facts["trials"] == 4 * reasons.count(None) < 8
    assert "impossible" in words(study)
    assert "out of reach within 10%: the nearest is width = " in words(study)


def test_an_unmatched_cell_that_cannot_be_has_its_reason_too(tiny: Callable[..., Study]) -> None:
    stages = [{"block": "plain", "width": 4}, {"block": "plain", "width": "$width", "kernel": "$kernel", "groups": 2}]
    study = tiny("design", variables=WIDE, blueprint={"stages": stages}, design={**MATCHED, "raw": {"width": 3}})
    facts = plan(study)
    assert [cell["reason"] for cell in facts["cells"]] == [None, None]
    raw = [cell["reason"] for cell in facts["raw"]]
    assert all("groups" in reason for reason in raw)
    assert f"raw: kernel=1: {raw[0]}\nraw: kernel=3: {raw[1]}" in words(study)


def test_a_search(tiny: Callable[..., Study]) -> None:
    facts = plan(study := tiny())
    assert (facts["size"], facts["drawn"], facts["feasible"], facts["trials"]) == (None, 500, 500, 4)
    assert (facts["confirming"], facts["parallel"]) == (4, 1)
    assert facts["costs"]["params"] == sorted(facts["costs"]["params"])
    assert plan(study) == facts
    assert "infinitely many (a variable is a real number); of 500 drawn at random 500 (100%) may be trained" in words(
        study
    )
    assert "4 trials, 1 at a time, then 4 to confirm the best" in words(study)


def test_a_finite_space_is_counted(tiny: Callable[..., Study]) -> None:
    study = tiny(variables={"width": {"int": [2, 9]}, "kernel": {"choice": [1, 3]}}, recipe={"epochs": 1})
    assert plan(study)["size"] == 16


@pytest.mark.parametrize(("bound", "share"), [("<= 100", "some"), ("<= 1", "none")])
def test_constraints_and_why_proposals_fail(bound: str, share: str, tiny: Callable[..., Study]) -> None:
    study = tiny(search={"constraints": {"params": bound}})
    facts = plan(study)
    assert facts["feasible"] + facts["reasons"]["params"] == 500
    assert (facts["feasible"] == 0) == (share == "none")
    assert f"  not: {facts['reasons']['params']} because of params" in words(study)
    assert ("params of those" in words(study)) == (share == "some")


def test_data_may_be_absent_while_it_is_planned(tiny: Callable[..., Study]) -> None:
    study = tiny(data={"source": "arrays:later.npz", "image": [16, 16, 3], "classes": 4})
    assert plan(study)["data"]["input"] == [3, 16, 16]
    assert "an unknown number of examples of 3x16x16, 4 outputs" in words(study)


def test_what_is_held_has_a_column_and_what_varies_is_warned_of(tiny: Callable[..., Study]) -> None:
    study = tiny("design", design={"factors": ["kernel"], "match": {"memory": "5M", "by": "width"}}, variables=WIDE)
    told = words(study)
    assert "memory  off target" in told
    facts = plan(study)
    macs = [cell["macs"] for cell in facts["cells"]]
    assert f"not held, so perhaps a part of any effect: MACs {human(min(macs))} to {human(max(macs))}" in told


def test_a_miss_is_not_cured_by_a_tolerance_that_means_nothing(tiny: Callable[..., Study]) -> None:
    study = tiny("design", design={"factors": ["kernel"], "match": {"params": 178}}, variables=WIDE | {"width": 8})
    reasons = [cell["reason"] for cell in plan(study)["cells"]]
    assert reasons[0].endswith("are held within 5%; turn a variable with by:, or change the target")
    assert reasons[1] is None


def test_a_span_of_time_is_told_once(tiny: Callable[..., Study]) -> None:
    told = {"seconds": 1.2, "seconds_at_most": 1.4, "source": "this study"}
    assert design_screens._time({"time": told})[0].startswith("about 1 s of training one after the other, ")
    assert design_screens._time({"time": told | {"seconds_at_most": 7.0}})[0].startswith("about 1 s to 7 s of training")
