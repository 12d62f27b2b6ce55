"""Cells and contrasts: paired by seed, Holm by hand, what is left out, and what cannot be told."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from scipy import stats

from studies.analysis.cells import cells
from studies.analysis.contrasts import contrasts
from studies.analysis.results import CellResult, Contrast

Values = dict[tuple[Any, ...], Sequence[float | None]]


def rows(values: Values, factors: Sequence[str] = ("depth",), phase: str = "design") -> list[dict[str, Any]]:
    """Trial rows: for each combination of levels one value per seed; None is a failed trial."""
    found = []
    for levels, seeds in values.items():
        head = {"phase": phase, "cell": str(levels), "assignment": dict(zip(factors, levels, strict=True))}
        head |= {"macs": 100, "params": 200 if levels == [*values][-1] else 100, "activations": 10, "reason": None}
        for replicate, value in enumerate(seeds):
            row = {**head, "replicate": replicate, "value": value, "metrics": {"val_accuracy": value}}
            ended = {"state": "complete"} if value is not None else {"state": "failed", "failure_kind": "diverged"}
            found.append(row | ended)
    return found


def compared(
    values: Values, factors: Sequence[str] = ("depth",), first: int | None = None, **more: Any
) -> list[Contrast]:
    return contrasts(cells(rows(values, factors), factors, first=first), factors, **more)


def test_a_contrast_is_paired_by_seed() -> None:
    """Seeds that differ by much, and a difference that all of them show: pairing finds it."""
    (found,) = compared({(1,): [0.1, 0.5, 0.9], (2,): [0.12, 0.53, 0.91]})
    assert found.difference.mean == pytest.approx(0.02)
    assert found.difference.deviation == pytest.approx(0.01)
    theirs = stats.ttest_rel([0.12, 0.53, 0.91], [0.1, 0.5, 0.9])
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_a_contrast_is_averaged_over_the_other_factors_seed_by_seed() -> None:
    values: Values = {(1, "a"): [0.0, 0.1], (1, "b"): [0.2, 0.4], (2, "a"): [0.1, 0.3], (2, "b"): [0.6, 0.6]}
    depth, kind = compared(values, ("depth", "kind"))
    assert (depth.factor, depth.low, depth.high, depth.difference.mean) == ("depth", 1, 2, pytest.approx(0.225))
    assert depth.difference.deviation == pytest.approx(stats.tstd([0.25, 0.2]))
    assert (kind.factor, kind.low, kind.high, kind.difference.mean) == ("kind", "a", "b", pytest.approx(0.325))


def test_only_common_seeds_and_combinations_are_compared() -> None:
    (found,) = compared({(1,): [0.1, None, 0.3], (2,): [0.2, 0.9, 0.5]})
    assert (found.difference.n, found.difference.mean) == (2, pytest.approx(0.15))
    values: Values = {(1, "a"): [0.0, 0.1], (1, "b"): [None, None], (2, "a"): [0.1, 0.3], (2, "b"): [0.6, 0.6]}
    depth, kind = compared(values, ("depth", "kind"))
    assert (depth.difference.mean, kind.difference.mean) == (pytest.approx(0.15), pytest.approx(0.4))
    assert compared({(1,): [0.1, None], (2,): [None, 0.9]}) == []
    assert compared({}) == []


def test_levels_are_in_order_and_every_pair_is_compared() -> None:
    found = compared({(4,): [1.0, 2.0], (1,): [3.0, 5.0], (2,): [4.0, 4.5]})
    assert [(one.low, one.high) for one in found] == [(1, 2), (1, 4), (2, 4)]


def test_only_the_listed_pairs_are_compared_and_counted() -> None:
    values: Values = {(1,): [1.0, 2.0, 3.1], (2,): [3.0, 5.0, 4.0], (4,): [4.0, 4.5, 5.0]}
    (found,) = compared(values, compare={"depth": [[4, 1]]})
    assert (found.low, found.high) == (4, 1)
    assert found.p == pytest.approx(float(stats.ttest_rel(values[(1,)], values[(4,)]).pvalue))
    assert compared(values, compare={"depth": [[1, 8]]}) == []


def test_sections_and_booleans_are_levels() -> None:
    values: Values = {("x",): [1.0, 2.0], ("y",): [1.5, 2.6]}
    made = rows(values)
    for row in made:
        row["assignment"] = {"depth": {"norm": row["assignment"]["depth"]}}
    (found,) = contrasts(cells(made, ["depth"]), ["depth"])
    assert (found.low, found.high, found.difference.n) == ({"norm": "x"}, {"norm": "y"}, 2)
    (found,) = compared({(True,): [1.0, 2.0], (False,): [1.5, 2.6]})
    assert (found.low, found.high) == (False, True)


def test_one_factor_at_a_time_compares_with_the_baseline_and_with_each_other() -> None:
    values: Values = {(1, "a"): [0.1, 0.2], (2, "a"): [0.3, 0.5], (4, "a"): [0.2, 0.4], (1, "b"): [0.0, 0.3]}
    found = compared(values, ("depth", "kind"))
    assert [(one.factor, one.low, one.high) for one in found] == [
        ("depth", 1, 2), ("depth", 1, 4), ("depth", 2, 4), ("kind", "a", "b"),
    ]  # fmt: skip


def test_a_balanced_fraction_compares_the_levels_means() -> None:
    """2^(3-1): no two of its cells differ in one factor alone, but every other factor cancels."""
    values: Values = {(1, 1, 2): [3.0, 5.0], (1, 2, 1): [1.0, 2.0], (2, 1, 1): [2.0, 2.0], (2, 2, 2): [8.0, 9.0]}
    a, b, c = compared(values, ("a", "b", "c"))
    assert (a.difference.mean, b.difference.mean, c.difference.mean) == (2.5, 2.0, 4.5)
    assert a.difference.deviation == pytest.approx(stats.tstd([3.0, 2.0]))
    del values[(2, 2, 2)]
    assert compared(values, ("a", "b", "c")) == [], "without one cell nothing cancels"


def test_holm_over_all_contrasts() -> None:
    """Of three p-values the least counts three times, the next twice, and none less than the one before."""
    found = compared({(1,): [0.0, 0.0, 0.0, 0.0], (2,): [0.9, 1.0, 1.1, 1.2], (3,): [1.0, 1.3, 1.0, 1.4]})
    pairs = [([0.9, 1.0, 1.1, 1.2], [0.0] * 4), ([1.0, 1.3, 1.0, 1.4], [0.0] * 4)]
    pairs.append(([1.0, 1.3, 1.0, 1.4], [0.9, 1.0, 1.1, 1.2]))
    raw = [float(stats.ttest_rel(high, low).pvalue) for high, low in pairs]
    assert raw[0] < raw[1] < raw[2]
    assert [one.p for one in found] == pytest.approx([3 * raw[0], 2 * raw[1], raw[2]])


def test_holm_never_falls_and_never_exceeds_1() -> None:
    dice = random.Random(5)
    for _ in range(30):
        values: Values = {(level,): [dice.gauss(level / 4, 1) for _ in range(4)] for level in range(4)}
        told = sorted((one.p or 0.0) for one in compared(values))
        raw = sorted(
            float(stats.ttest_rel(values[(high,)], values[(low,)]).pvalue)
            for low in range(4)
            for high in range(low + 1, 4)
        )
        steps = [min(1.0, p * (len(raw) - rank)) for rank, p in enumerate(raw)]
        assert told == pytest.approx([max(steps[: rank + 1]) for rank in range(len(steps))])


@pytest.mark.parametrize("high", [[0.7, 0.7, 0.7], [0.5 + 1e-16, 0.5, 0.5], [0.5, 0.5, 0.5]])
def test_seeds_that_agree_to_the_last_digit_show_nothing(high: list[float]) -> None:
    (found,) = compared({(1,): [0.5, 0.5, 0.5], (2,): high})
    assert (found.p, found.difference.deviation) == (1.0, 0.0)


def test_differences_that_are_rounding_alone_show_nothing() -> None:
    """0.3 - 0.1 twice and 0.6 - 0.4 once: equal but for the last bits."""
    (found,) = compared({(1,): [0.1, 0.4, 0.1], (2,): [0.3, 0.6, 0.3]})
    assert (found.p, found.difference.deviation) == (1.0, 0.0)
    values: Values = {(1, "a"): [0.1, 0.4, 0.2], (2, "a"): [0.3, 0.6, 0.4], (1, "b"): [0.7, 0.9, 0.3]}
    (found, _) = compared(values | {(2, "b"): [0.5, 0.7, 0.1]}, ("depth", "kind"))
    assert (found.p, found.difference.mean) == (1.0, 0.0)


def test_one_seed_is_no_claim() -> None:
    (found,) = compared({(1,): [0.5], (2,): [0.7]})
    assert (found.p, found.difference.half_width, found.difference.mean) == (None, None, pytest.approx(0.2))


def test_cells_have_their_costs_failures_and_reasons() -> None:
    made = rows({(1,): [0.5, None], (2,): [0.6, 0.7]})
    made[0]["costs"] = {"field": 7}
    impossible = made[0] | {"cell": "(9,)", "assignment": {"depth": 9}, "state": "infeasible", "reason": "no room"}
    found = cells([*made, impossible | {"value": None, "params": None}], ["depth"])
    assert [(cell.levels["depth"], dict(cell.values), dict(cell.failed), cell.reason) for cell in found] == [
        (1, {0: 0.5}, {1: "diverged"}, None), (2, {0: 0.6, 1: 0.7}, {}, None), (9, {}, {}, "no room"),
    ]  # fmt: skip
    assert found[2].estimate is None
    assert (found[0].costs["field"], found[0].metrics) == (7, {0: {"val_accuracy": 0.5}})


def test_only_rows_of_the_phase_count() -> None:
    values: Values = {(1,): [0.5, 0.6]}
    both = rows(values) + rows({(1,): [0.1, 0.2]}, phase="raw")
    assert [dict(cell.values) for cell in cells(both, ["depth"], "raw")] == [{0: 0.1, 1: 0.2}]
    assert cells(both, ["depth"], "tune") == []


def test_a_pair_that_shares_few_seeds_does_not_cost_the_others_theirs() -> None:
    full, factors = [0.1, 0.2, 0.4], ("depth", "kind")
    values: Values = {
        (1, "a"): full, (2, "a"): [0.2, 0.4, 0.5], (1, "b"): [0.3, None, None], (2, "b"): [None, 0.9, None],
    }  # fmt: skip
    depth, kind = compared(values, factors)
    assert (depth.difference.n, depth.difference.mean, depth.left_out) == (3, pytest.approx(0.4 / 3), ("kind=b",))
    assert (kind.difference.n, kind.left_out) == (1, ("depth=2",))
    values |= {(1, "b"): full, (2, "b"): [0.4, None, None]}
    depth, _ = compared(values, factors)
    assert (depth.difference.n, depth.left_out) == (3, ("kind=b",)), "one of three seeds is too few"
    values |= {(2, "b"): [0.4, 0.5, None]}
    depth, _ = compared(values, factors)
    assert (depth.difference.n, depth.left_out) == (2, ()), "two of three seeds are enough"


def test_unequal_second_stages_leave_nothing_out() -> None:
    """Seeds 3 and on are of the second stage: means are over all common seeds, deviations over the first three."""
    more = [0.3, 0.5, 0.7, 0.2, 0.4, 0.6, 0.9]
    values: Values = {(1, "a"): [value - 0.1 * (at % 2) for at, value in enumerate(more)], (2, "a"): more}
    values |= {(1, "b"): [0.1, 0.2, 0.3, 0.4], (2, "b"): [0.2, 0.4, 0.3, 0.5]}
    depth, _ = compared(values, ("depth", "kind"), first=3)
    assert (depth.difference.n, depth.left_out, depth.difference.freedom) == (4, (), 2)
    assert depth.difference.mean == pytest.approx((0.05 + 0.15 + 0.0 + 0.1) / 4)
    assert depth.difference.deviation == pytest.approx(stats.tstd([0.05, 0.15, 0.0]))


def test_a_combination_of_which_one_cell_has_no_value_is_told_as_left_out() -> None:
    levels = [{"depth": depth, "kind": kind} for depth in (1, 2) for kind in ("a", "b")]
    made = [CellResult(str(one), one, one, {}, {s: s + one["depth"] * (1.5 + s) for s in range(3)}) for one in levels]
    made[-1] = CellResult("x", levels[-1], levels[-1], {}, {}, dict.fromkeys(range(3), "diverged"))
    depth, kind = contrasts(made, ["depth", "kind"])
    assert (depth.left_out, kind.left_out) == (("kind=b",), ("depth=2",))
