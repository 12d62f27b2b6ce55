"""Interactions, trends, best sets, ties, flips, and the whole reading: against scipy and by hand."""

import random
from collections.abc import Callable, Sequence
from itertools import product
from math import log2
from typing import Any

import numpy as np
import pytest
from effort import calls
from scipy import stats

from studies.analysis.best import best_cells
from studies.analysis.contrasts import contrasts, unadjusted
from studies.analysis.interactions import interactions
from studies.analysis.reading import read
from studies.analysis.results import CellResult
from studies.analysis.ties import tied
from studies.analysis.trends import trends
from studies.spec import StudySpec

Rule = Callable[..., float]


def result(levels: dict[str, Any], values: Sequence[float | None], first: int | None = None) -> CellResult:
    there = {replicate: value for replicate, value in enumerate(values) if value is not None}
    name = ", ".join(f"{factor}={level}" for factor, level in levels.items())
    return CellResult(name, levels, levels, {"macs": 1}, there, first=first)


def grid(levels: dict[str, Sequence[Any]], rule: Rule, seeds: int, noise: float = 1.0) -> list[CellResult]:
    """Every combination with rule(levels) plus noise, the same dice for every call."""
    dice = random.Random(11)
    found = []
    for one in product(*levels.values()):
        at = dict(zip(levels, one, strict=True))
        found.append(result(at, [rule(**at) + dice.gauss(0, noise) for _ in range(seeds)]))
    return found


def spec(**design: Any) -> StudySpec:
    base = {"apiVersion": "archstudy/v1", "kind": "Study", "name": "x", "data": {"source": "digits"}, "blueprint": {}}
    recipe = design.pop("recipe", {})
    return StudySpec.model_validate(base | {"recipe": recipe, "design": {"factors": ["depth", "kind"]} | design})


def rows(results: Sequence[CellResult], phase: str = "design", **assigned: Any) -> list[dict[str, Any]]:
    return [
        {
            "phase": phase, "cell": "raw: " * (phase == "raw") + cell.name, "assignment": {**cell.levels, **assigned},
            "replicate": replicate, "state": "complete", "value": value, "reason": None, "failure_kind": None,
            "metrics": {"val_accuracy": value}, "macs": 1, "params": 2, "activations": 3,
        }
        for cell in results
        for replicate, value in cell.values.items()
    ]  # fmt: skip


def test_an_interaction_is_a_difference_of_differences() -> None:
    """High against low depth: +1, +2, +3 with b, and 0 with a."""
    some = [
        result({"depth": 1, "kind": "a"}, [1, 2, 3]), result({"depth": 2, "kind": "a"}, [1, 2, 3]),
        result({"depth": 1, "kind": "b"}, [5, 5, 5]), result({"depth": 2, "kind": "b"}, [6, 7, 8]),
    ]  # fmt: skip
    (found,) = interactions(some, ["depth", "kind"])
    assert (found.first, found.second) == (("depth", 1, 2), ("kind", "a", "b"))
    assert (found.difference.mean, found.difference.deviation) == (2.0, 1.0)
    assert found.p == pytest.approx(float(stats.ttest_1samp([1, 2, 3], 0).pvalue))


def test_numbers_interact_at_their_ends_and_kinds_in_every_pair() -> None:
    some = grid({"depth": [1, 2, 4], "kind": ["a", "b", "c"]}, lambda depth, kind: 0.0, 3)
    found = interactions(some, ["depth", "kind"])
    assert [(one.first[1:], one.second[1:]) for one in found] == [
        ((1, 4), ("a", "b")), ((1, 4), ("a", "c")), ((1, 4), ("b", "c")),
    ]  # fmt: skip
    listed = interactions(some, ["depth", "kind"], {"depth": [[1, 2]], "kind": [["c", "a"]]})
    assert [(one.first[1:], one.second[1:]) for one in listed] == [((1, 2), ("c", "a"))]


def test_interactions_are_averaged_over_a_third_factor_and_need_four_cells() -> None:
    levels = {"depth": [1, 2], "kind": ["a", "b"], "norm": [0, 1]}
    some = grid(levels, lambda depth, kind, norm: depth * (kind == "b") * (1 + norm), 4, noise=0.0)
    found = {(one.first[0], one.second[0]): one.difference.mean for one in interactions(some, [*levels])}
    assert found == {("depth", "kind"): 1.5, ("depth", "norm"): 0.5, ("kind", "norm"): 1.5}
    line = [one for one in some if one.levels["kind"] == "a" and one.levels["norm"] == 0]
    assert interactions(line, [*levels]) == []


def test_the_effect_per_doubling_is_the_slope_of_each_seed() -> None:
    some = grid({"depth": [1, 2, 4, 8], "kind": ["a", "b"]}, lambda depth, kind: log2(depth), 5)
    (found,) = trends(some, ["depth", "kind"], "maximize")
    slopes = []
    for seed in range(5):
        lines = [[one.values[seed] for one in some if one.levels["kind"] == kind] for kind in "ab"]
        slopes.append(float(np.mean([stats.linregress([0, 1, 2, 3], line).slope for line in lines])))
    low, high = stats.t.interval(0.95, 4, loc=np.mean(slopes), scale=stats.sem(slopes))
    assert (found.per_doubling.low, found.per_doubling.high) == (pytest.approx(low), pytest.approx(high))


@pytest.mark.parametrize(("direction", "peak", "best"), [("maximize", 4, (4,)), ("minimize", 1, (1,))])
def test_the_best_level_stands_out_where_it_does(direction: Any, peak: int, best: tuple[int, ...]) -> None:
    rule = {1: 0.0, 2: 0.6, 4: 1.0, 8: 0.7}.__getitem__
    some = grid({"depth": [1, 2, 4, 8]}, lambda depth: rule(depth), 6, noise=0.01)
    (found,) = trends(some, ["depth"], direction)
    assert (found.peak, found.best) == (peak, best)
    (noisy,) = trends(grid({"depth": [1, 2, 4, 8]}, lambda depth: rule(depth), 3, noise=2.0), ["depth"], direction)
    assert noisy.best == (1, 2, 4, 8), "so few and so noisy seeds drop nothing"


def test_a_level_that_one_combination_lacks_is_left_to_the_others() -> None:
    some = grid({"depth": [1, 2, 4], "kind": ["a", "b"]}, lambda depth, kind: -abs(depth - 2), 4, noise=0.01)
    kept = [one for one in some if one.levels != {"depth": 4, "kind": "b"}]
    (found,) = trends(kept, ["depth", "kind"], "maximize")
    assert (found.peak, found.best) == (2, (2,))


def test_levels_without_a_common_seed_drop_none() -> None:
    some = [result({"depth": 1}, [0.1, 0.2, None]), result({"depth": 2}, [0.5, None, 0.6])]
    some += [result({"depth": 4}, [None, 0.3, 0.4])]
    assert trends(some, ["depth"], "maximize") == []
    some = [result({"depth": at, "kind": kind}, [0.1 * at, 0.2 * at]) for at in (1, 2) for kind in "ab"]
    some.append(result({"depth": 4, "kind": "a"}, [None, None, 0.1]))
    (found,) = trends(some, ["depth"], "maximize")
    assert (found.peak, found.best) == (2, (1, 2, 4))


def test_trends_are_of_numbers_above_zero() -> None:
    some = grid({"depth": [0, 1], "norm": [False, True], "kind": ["a", "b"]}, lambda **_: 0.0, 3)
    assert trends(some, ["depth", "norm", "kind"], "maximize") == []


def test_the_best_cells_by_hand() -> None:
    """A cell is dropped where one other is better at 5 % / (cells - 1), one-sided; equal ones all stay."""
    a, b, c = [0.90, 0.91, 0.92, 0.915], [0.901, 0.912, 0.918, 0.917], [0.80, 0.82, 0.81, 0.83]
    some = [result({"depth": place}, values) for place, values in enumerate((a, b, c))]
    p = float(stats.ttest_rel(a, c, alternative="greater").pvalue)
    assert p < 0.025
    assert best_cells(some, "maximize") == ("depth=1", "depth=0")
    assert best_cells(some, "minimize") == ("depth=2",)


def test_cells_that_cannot_be_told_stay_in_the_best_set() -> None:
    some = [result({"depth": 1}, [0.9] * 3), result({"depth": 2}, [0.5] * 3), result({"depth": 3}, [0.1])]
    assert set(best_cells([*some, result({"depth": 4}, [])], "maximize")) == {"depth=1", "depth=2", "depth=3"}
    assert best_cells([], "maximize") == ()
    assert best_cells(some[:1], "maximize") == ("depth=1",)


def test_the_best_set_uses_the_first_stages_deviation() -> None:
    """Over all five seeds the difference is far too scattered, over the first three it is not."""
    low, high = [0.0, 0.0, 0.0, 0.0, 0.0], [1.0, 1.01, 0.99, 4.0, 3.0]
    stages = [result({"depth": at}, values, first=3) for at, values in enumerate((low, high))]
    whole = [result({"depth": at}, values) for at, values in enumerate((low, high))]
    assert (best_cells(stages, "maximize"), len(best_cells(whole, "maximize"))) == (("depth=1",), 1)
    high[3] = -3.0
    stages = [result({"depth": at}, values, first=3) for at, values in enumerate((low, high))]
    whole = [result({"depth": at}, values) for at, values in enumerate((low, high))]
    assert (best_cells(stages, "maximize"), len(best_cells(whole, "maximize"))) == (("depth=1",), 2)


def test_ties_are_adjusted_over_each_other_alone() -> None:
    some = grid({"depth": [1, 2, 4]}, lambda depth: 0.0, 6, noise=0.1)
    found = contrasts(some, ["depth"])
    (told,) = tied([found], 0.3)
    raw = []
    for one in found:
        values = [some[[1, 2, 4].index(level)].values for level in (one.low, one.high)]
        differences = [values[1][seed] - values[0][seed] for seed in range(6)]
        sides = [("greater", -0.3), ("less", 0.3)]
        raw.append(max(stats.ttest_1samp(differences, at, alternative=side).pvalue for side, at in sides))
    steps = np.maximum.accumulate([p * (3 - place) for place, p in enumerate(sorted(raw))])
    assert sorted(one.tie or 0.0 for one in told) == pytest.approx(np.minimum(steps, 1.0).tolist())
    assert [one.p for one in told] == [one.p for one in found]
    assert [one.tie for one in tied([found], None)[0]] == [None] * 3


def test_one_family_of_all_differences() -> None:
    levels = {"depth": [1, 2], "kind": ["a", "b", "c"]}
    some = grid(levels, lambda depth, kind: depth * 0.5, 4)
    raw = grid(levels, lambda depth, kind: -depth * 2.0, 4)
    found = read(spec(raw={"width": 8}), [*rows(some), *rows(raw, "raw")])
    alone = [*unadjusted(some, [*levels]), *unadjusted(raw, [*levels]), *interactions(some, [*levels])]
    assert found.claims == len(alone) == 4 + 4 + 3
    told = [*found.contrasts, *found.raw, *found.interactions]
    least = min(range(len(alone)), key=lambda at: alone[at].p or 0.0)
    assert told[least].p == pytest.approx(min(1.0, 11 * (alone[least].p or 0.0)))
    assert all((one.p or 0.0) >= (other.p or 0.0) for one, other in zip(told, alone, strict=True))


def test_a_flip_is_clear_where_both_sides_are() -> None:
    levels = {"depth": [1, 2], "kind": ["a", "b"]}
    some = grid(levels, lambda depth, kind: depth * 1.0, 5, noise=0.01)
    raw = grid(levels, lambda depth, kind: -depth * 1.0, 5, noise=0.02)
    depth, kind = read(spec(raw={"width": 8}), [*rows(some), *rows(raw, "raw")]).flips
    assert (depth.matched.factor, depth.opposite, depth.clear) == ("depth", True, True)
    assert (kind.matched.factor, kind.clear) == ("kind", False)


def test_the_common_setting_is_the_best_on_average() -> None:
    """At lr 0.1 depth 2 leads, and all cells are better; its own best would be lr 0.01 for depth 1."""
    levels = {"depth": [1, 2], "kind": ["a", "b"]}
    fast = grid(levels, lambda depth, kind: 0.7 + 0.1 * depth, 2, noise=0.001)
    slow = grid(levels, lambda depth, kind: 0.95 - 0.15 * depth, 2, noise=0.001)
    tuning = [*rows(fast, "tune", lr=0.1), *rows(slow, "tune", lr=0.01)]
    tuning += [row | {"cell": f"raw: {row['cell']}", "value": 0.0} for row in tuning]
    tuned = spec(tune={"lr": [0.01, 0.1]}, tune_replicates=2)
    found = read(tuned, tuning)
    assert found.common_setting == {"lr": 0.1}
    assert found.common[0].difference.mean == pytest.approx(0.1, abs=0.003)
    assert (found.contrasts, found.claims) == ((), 2)
    tuning[0] |= {"state": "failed", "value": None}
    assert read(tuned, tuning).common_setting == {"lr": 0.01}, "where one cell fails they are not compared"


@pytest.mark.parametrize("seeds", [0, 1, 2, 3])
@pytest.mark.parametrize("values", [0.5, None], ids=["all agree", "scattered"])
def test_a_reading_of_little_claims_nothing(seeds: int, values: float | None) -> None:
    levels = {"depth": [1, 2, 4], "kind": ["a", "b"]}
    some = grid(levels, lambda depth, kind: values or 0.0, seeds, noise=0.0 if values else 1.0)
    whole = rows(some)
    failed = [{**whole[0], "state": "failed", "value": None}, *whole[1:]] if whole else []
    missing = [row for row in whole if row["assignment"] != {"depth": 4, "kind": "b"}]
    for few in (whole, failed, missing, whole[:1]):
        found = read(spec(), few)
        claims = [*found.contrasts, *found.interactions]
        assert all(one.p is None or one.p > 0.05 for one in claims)
        assert all(one.tie is None or one.tie > 0.05 for one in found.contrasts)
        assert len(found.best) == len({row["cell"] for row in few if row["state"] == "complete"})


def test_the_margin_is_half_a_point_of_an_accuracy() -> None:
    assert read(spec(), []).margin == 0.005
    assert read(spec(margin="0.2%"), []).margin == 0.002
    task = spec().model_copy(update={"task": "regression"})
    assert read(task, []).margin is None


def test_adaptive_replicates_are_read_with_their_first_stage() -> None:
    adaptive = {"until": {"half_width": "1%"}, "at_least": 3, "at_most": 9}
    some = grid({"depth": [1, 2], "kind": ["a", "b"]}, lambda depth, kind: 0.0, 6)
    found = read(spec(replicates=adaptive), rows(some))
    assert {one.estimate.freedom for one in found.cells if one.estimate} == {2}
    assert {(one.difference.n, one.difference.freedom) for one in found.contrasts} == {(6, 2)}


def test_a_hundred_cells_of_ten_seeds_are_read_in_a_moment() -> None:
    some = grid({"depth": list(range(1, 11)), "kind": list(range(10))}, lambda depth, kind: depth / 10, 10)
    made = rows(some)
    assert len(read(spec(), made).contrasts) == 90
    assert calls(lambda: read(spec(), made)) < 150_000


def test_ten_thousand_trials_of_a_factor_of_thirty_levels_are_read_in_seconds() -> None:
    some = grid({"depth": list(range(1, 31)), "kind": list(range(9))}, lambda depth, kind: depth / 10, 37)
    made = rows(some)
    assert len(read(spec(), made).contrasts) == 435 + 36
    assert calls(lambda: read(spec(), made)) < 1_500_000


def test_failed_tuning_trials_are_told_by_cell_and_setting() -> None:
    levels = {"depth": [1, 2], "kind": ["a", "b"]}
    tuning = rows(grid(levels, lambda depth, kind: 0.5, 2, noise=0.001), "tune", lr=0.1)
    tuning[0] |= {"state": "failed", "value": None, "failure_kind": "diverged"}
    (lost,) = read(spec(tune={"lr": [0.01, 0.1]}), tuning).untuned
    assert (lost.cell, lost.setting, lost.kinds) == (tuning[0]["cell"], {"lr": 0.1}, {"diverged": 1})
