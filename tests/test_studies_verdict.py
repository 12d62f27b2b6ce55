"""Verdicts: what the sentences say of made-up results, and that they never claim more than the results show."""

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

from studies.analysis import CellResult, Contrast
from studies.candidate import Study
from studies.spec import StudySpec
from studies.statistics import estimate
from studies.verdict import _settle, as_text, verdict

BASE: dict[str, Any] = {
    "apiVersion": "archstudy/v1",
    "kind": "Study",
    "name": "x",
    "data": {"source": "digits"},
    "blueprint": {},
    "design": {"factors": ["depth"], "replicates": 3},
}


def spec(**sections: Any) -> StudySpec:
    return StudySpec.model_validate({**BASE, **sections})


def cell(levels: dict[str, Any], values: Sequence[float], **more: Any) -> CellResult:
    fields = {"costs": {"macs": 100, "params": 10, "activations": 10}, "failures": 0, "reason": None, **more}
    name = ", ".join(f"{factor}={level}" for factor, level in levels.items())
    return CellResult(name, levels, levels, values=dict(enumerate(values)), **fields)


def told(results: list[CellResult], images: int = 360, **sections: Any) -> str:
    text = "\n".join(verdict(spec(**sections), results, images))
    assert not re.search(r"significan|\bp ?[<=]|proves?\b|\btie", text), "no bare p-values, no overclaiming"
    return text


CLEAR = [cell({"depth": 1}, [0.90, 0.91, 0.92]), cell({"depth": 2}, [0.95, 0.961, 0.972])]
EVEN = [cell({"depth": 1}, [0.90, 0.91, 0.92]), cell({"depth": 2}, [0.91, 0.905, 0.925])]


def test_a_clear_effect() -> None:
    text = told(CLEAR)
    assert "depth: 2 is better than 1 by 5.10 points [4.85, 5.35]." in text
    assert "2 cells of 3 seeds, no cost is held. Compared is val_accuracy of the last epoch, seed by seed; in" in text
    assert (
        "Intervals cover the seeds, not the sampling of images, and hold for this data, recipe and range alone." in text
    )
    assert "With 360 validation images an accuracy of 96.1% has a standard error of 1.02 points." in text


def test_a_worse_level() -> None:
    swapped = [cell({"depth": 1}, [0.95, 0.961, 0.972]), cell({"depth": 2}, [0.90, 0.91, 0.92])]
    assert "depth: 2 is worse than 1 by 5.10 points [4.85, 5.35]." in told(swapped)


def test_no_difference_is_no_equality() -> None:
    text = told(EVEN)
    assert "depth: no difference that 3 seeds can tell, which does not show that there is none; 2 against 1, " in text
    assert re.search(r"2 against 1, \+0\.33 points \[-1\.56, \+2\.23\]\. If 0\.33 points is the true difference", text)
    assert re.search(r"about 44 seeds would show it \(80 % power, at the spread seen here\)\.", text)
    assert "and the cells' means lie within 0.33: other images could rank them otherwise." in text


def test_one_seed_says_nothing() -> None:
    text = told([cell({"depth": 1}, [0.9]), cell({"depth": 2}, [0.99])], design={"factors": ["depth"], "replicates": 1})
    assert "2 cells of 1 seed, " in text
    assert "depth: one seed says nothing of the noise; raise design.replicates to 3 or more." in text
    assert "better" not in text


def test_seeds_that_agree_exactly_say_nothing_of_the_noise() -> None:
    text = told([cell({"depth": 1}, [0.9] * 3), cell({"depth": 2}, [0.95] * 3)])
    assert "better" not in text
    assert "The seeds agree to the last digit, so their noise cannot be judged; add seeds." in text


def test_a_tiny_difference_would_take_too_many_seeds() -> None:
    results = [cell({"depth": 1}, [0.90, 0.92, 0.94]), cell({"depth": 2}, [0.92, 0.9, 0.9401])]
    assert "More than 100 seeds would be needed to show a difference so small." in told(results)


def test_holm_holds_back_what_an_interval_alone_would_say() -> None:
    results = [
        cell({"depth": 1}, [0.90, 0.91, 0.92]),
        cell({"depth": 2}, [0.91, 0.925, 0.928]),
        cell({"depth": 3}, [0.92, 0.89, 0.925]),
    ]
    text = told(results)
    assert (
        "the largest contrast is 2 against 1, +1.10 points [+0.20, +2.00] (which leaves zero out, but not after" in text
    )
    assert "Holm's correction for 3 contrasts). If 1.10 points is the true difference, about 4 seeds" in text
    assert "better" not in text


def test_levels_that_are_not_told_apart_are_named_beside_those_that_are() -> None:
    results = [*CLEAR, cell({"depth": 3}, [0.951, 0.963, 0.969])]
    text = told(results)
    assert "depth: 2 is better than 1 by 5.10 points" in text
    assert "; 3 and 2 are not told apart." in text


def test_without_a_common_seed_nothing_is_compared() -> None:
    late = CellResult("depth=2", {"depth": 2}, {"depth": 2}, CLEAR[0].costs, {2: 0.95}, 2, None)
    text = told([cell({"depth": 1}, [0.90, 0.91]), late])
    assert "depth: no two complete cells with a common seed differ in it alone, so nothing can be compared." in text
    assert "Failed trials, which are not missing at random: depth=2 (2)." in text
    assert "3 of 6 trials are complete; contrasts use the seeds and cells that both levels have." in text


def test_nothing_yet() -> None:
    assert told([cell({"depth": 1}, [])]) == "No trial is complete yet, so nothing can be said."


def test_impossible_cells_are_named_with_their_reasons() -> None:
    text = told([*CLEAR, cell({"depth": 9}, [], reason="2 M macs are out of reach")])
    assert "Cells that could not be: depth=9 (2 M macs are out of reach)." in text
    assert "trials are complete" not in text


def test_a_metric_that_is_better_when_it_is_less() -> None:
    data = {"source": "arrays:x.npz"}
    results = [cell({"depth": 1}, [0.031, 0.032, 0.033]), cell({"depth": 2}, [0.011, 0.0125, 0.013])]
    text = told(results, task="regression", data=data)
    assert "depth: 2 is better than 1 by 0.0198 [0.0191, 0.0206]." in text
    assert "Compared is val_mae" in text
    assert "points" not in text
    assert "images" not in text.replace("the sampling of images", "")


def test_without_its_data_nothing_is_said_of_images() -> None:
    assert "standard error" not in told(CLEAR, images=0)


def test_what_is_not_held_is_told() -> None:
    match = {"macs": 100, "by": "width", "tolerance": "0.5%"}
    design = {"factors": ["depth"], "match": match, "replicates": 3}
    costs = {"macs": 101, "params": 31, "activations": 11}
    text = told([CLEAR[0], cell({"depth": 2}, [0.95, 0.961, 0.972], costs=costs)], design=design)
    assert "2 cells of 3 seeds, macs held at 100 within 0.5%. " in text
    assert "Not held, so perhaps a part of any effect; over the cells vary params 3.10-fold." in text


def test_two_factors_are_averaged_over_each_other() -> None:
    results = [
        cell({"depth": depth, "kernel": kernel}, [0.9 + 0.02 * depth + 0.001 * seed * kernel for seed in range(3)])
        for depth in (1, 2)
        for kernel in (3, 5)
    ]
    text = told(results, design={"factors": ["depth", "kernel"], "replicates": 3})
    assert "seed by seed, averaged over the other factors; in brackets 95 % intervals." in text
    assert text.count("\ndepth: ") == text.count("\nkernel: ") == 1


def test_pure_noise_is_rarely_called_an_effect() -> None:
    """Holm keeps the share of verdicts with any false claim at 5 %; 300 studies of two factors."""
    dice, claimed = random.Random(1), 0
    for _ in range(300):
        results = [
            cell({"depth": depth, "kernel": kernel}, [dice.gauss(0.9, 0.01) for _ in range(3)])
            for depth in (1, 2, 4)
            for kernel in (3, 5)
        ]
        claimed += "better" in (text := told(results, design={"factors": ["depth", "kernel"], "replicates": 3})) or (
            "worse" in text
        )
    assert claimed <= 0.05 * 300 + 2 * (300 * 0.05 * 0.95) ** 0.5


def test_the_design_fixture_gives_a_verdict(tiny: Callable[..., Study]) -> None:
    study = tiny("design")
    assert verdict(study.spec, [], 360) == ["No trial is complete yet, so nothing can be said."]


def test_values_as_text() -> None:
    assert [as_text(0.98765, "val_accuracy"), as_text(0.0123456, "val_mae")] == ["98.77 %", "0.01235"]


def test_as_many_seeds_as_have_just_failed_are_never_named() -> None:
    dice, named = random.Random(3), 0
    for _ in range(100):
        text = told([cell({"depth": level}, [dice.gauss(level, 50) / 1000 for _ in range(3)]) for level in range(3)])
        for many in re.findall(r"about (\d+) seeds would show it", text):
            assert int(many) > 3, text
            named += 1
    assert named
    sure = Contrast("depth", 1, 2, estimate([0.09, 0.1, 0.11, 0.1]), 0.9)
    assert "more than 4 seeds would show it" in _settle(spec(), sure, 1)


def test_combinations_that_share_no_seed_are_left_out_and_named() -> None:
    """One pair of cells without a common seed takes nothing from the other pairs."""
    at = {
        (1, 3): {0: 0.90, 1: 0.91, 2: 0.92},
        (2, 3): {0: 0.95, 1: 0.961, 2: 0.972},
        (1, 5): {0: 0.9},
        (2, 5): {1: 0.9},
    }
    results = [
        CellResult(str(levels), dict(zip(("depth", "kernel"), levels, strict=True)), {}, CLEAR[0].costs, seeds, 0, None)
        for levels, seeds in at.items()
    ]
    text = told(results, design={"factors": ["depth", "kernel"], "replicates": 3})
    assert "depth: 2 is better than 1 by 5.10 points" in text
    assert "Left out, because the two cells share too few seeds: 2 against 1 at kernel=5." in text
    assert "kernel: one seed says nothing of the noise" in text
