"""Statistics: intervals against scipy, contrasts paired by seed, Holm by hand, and how many seeds show a difference."""

import random
from collections.abc import Sequence
from math import sqrt
from typing import Any

import pytest
from scipy import stats

from studies.analysis import Contrast, cells, contrasts, image_error, seeds_needed, spread
from studies.statistics import estimate, quantile


def rows(
    values: dict[tuple[Any, ...], Sequence[float | None]], factors: Sequence[str] = ("depth",)
) -> list[dict[str, Any]]:
    """Trial rows: for each combination of levels one value per seed; None is a failed trial."""
    found = []
    for levels, seeds in values.items():
        assignment = dict(zip(factors, levels, strict=True))
        cost = 100 * (1 + int(levels[0] == max(values)[0]))
        for replicate, value in enumerate(seeds):
            row = {
                "cell": str(levels),
                "assignment": assignment,
                "replicate": replicate,
                "value": value,
                "reason": None,
            }
            row |= {"macs": 100, "params": cost, "activations": 10}
            found.append(row | {"state": "failed" if value is None else "complete"})
    return found


def compared(
    values: dict[tuple[Any, ...], Sequence[float | None]], factors: Sequence[str] = ("depth",)
) -> list[Contrast]:
    return contrasts(cells(rows(values, factors), factors), factors)


@pytest.mark.parametrize(("n", "widths"), [(3, 2.48), (5, 1.24), (10, 0.72)])
def test_half_widths_in_standard_deviations(n: int, widths: float) -> None:
    dice = random.Random(n)
    told = estimate([dice.gauss(0, 1) for _ in range(n)])
    assert told.half_width is not None
    assert told.deviation is not None
    assert told.half_width / told.deviation == pytest.approx(widths, abs=0.005)


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_intervals_are_those_of_scipy(confidence: float) -> None:
    dice = random.Random(7)
    for n in range(2, 20):
        values = [dice.gauss(5, 2) for _ in range(n)]
        told = estimate(values, confidence)
        low, high = stats.t.interval(confidence, n - 1, loc=told.mean, scale=stats.sem(values))
        assert (told.low, told.high) == (pytest.approx(low), pytest.approx(high))
    assert quantile(2) == pytest.approx(4.30, abs=0.005)


def test_one_value_says_nothing_of_its_spread() -> None:
    told = estimate([0.9])
    assert (told.n, told.mean, told.deviation, told.half_width, told.low, told.high) == (1, 0.9, None, None, None, None)


def test_a_contrast_is_paired_by_seed() -> None:
    """Seeds that differ by much, and a difference that all of them show: pairing finds it."""
    (found,) = compared({(1,): [0.1, 0.5, 0.9], (2,): [0.12, 0.53, 0.91]})
    assert found.difference.mean == pytest.approx(0.02)
    assert found.difference.deviation == pytest.approx(0.01)
    theirs = stats.ttest_rel([0.12, 0.53, 0.91], [0.1, 0.5, 0.9])
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.difference.low, found.difference.high) == pytest.approx(tuple(theirs.confidence_interval()))


def test_a_contrast_is_averaged_over_the_other_factors_seed_by_seed() -> None:
    values = {(1, "a"): [0.0, 0.1], (1, "b"): [0.2, 0.4], (2, "a"): [0.1, 0.3], (2, "b"): [0.6, 0.6]}
    depth, kind = compared(values, ("depth", "kind"))
    assert (depth.factor, depth.low, depth.high, depth.difference.mean) == ("depth", 1, 2, pytest.approx(0.225))
    assert depth.difference.deviation == pytest.approx(stats.tstd([0.25, 0.2]))
    assert (kind.factor, kind.low, kind.high, kind.difference.mean) == ("kind", "a", "b", pytest.approx(0.325))


def test_only_common_seeds_and_combinations_are_compared() -> None:
    (found,) = compared({(1,): [0.1, None, 0.3], (2,): [0.2, 0.9, 0.5]})
    assert (found.difference.n, found.difference.mean) == (2, pytest.approx(0.15))
    values = {(1, "a"): [0.0, 0.1], (1, "b"): [None, None], (2, "a"): [0.1, 0.3], (2, "b"): [0.6, 0.6]}
    depth, kind = compared(values, ("depth", "kind"))
    assert (depth.difference.mean, kind.difference.mean) == (pytest.approx(0.15), pytest.approx(0.4))
    assert compared({(1,): [0.1, None], (2,): [None, 0.9]}) == []


def test_levels_are_in_order_and_every_pair_is_compared() -> None:
    found = compared({(4,): [1.0, 2.0], (1,): [3.0, 5.0], (2,): [4.0, 4.5]})
    assert [(one.low, one.high) for one in found] == [(1, 2), (1, 4), (2, 4)]


def test_holm_by_hand() -> None:
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
        values = {(level,): [dice.gauss(level / 4, 1) for _ in range(4)] for level in range(4)}
        told = sorted((one.p or 0.0) for one in compared(values))
        raw = sorted(
            float(stats.ttest_rel(values[(high,)], values[(low,)]).pvalue)
            for low in range(4)
            for high in range(low + 1, 4)
        )
        steps = [min(1.0, p * (len(raw) - rank)) for rank, p in enumerate(raw)]
        assert told == pytest.approx([max(steps[: rank + 1]) for rank in range(len(steps))])


def test_seeds_that_agree_to_the_last_digit_show_nothing() -> None:
    (found,) = compared({(1,): [0.5, 0.5, 0.5], (2,): [0.7, 0.7, 0.7]})
    assert found.p == 1.0


@pytest.mark.parametrize(("difference", "seeds"), [(0.1, 64), (0.2, 17), (0.3, 9), (0.5, 4)])
def test_the_table_of_two_arms_that_share_no_seeds(difference: float, seeds: int) -> None:
    """REFERENCE.md's: standard deviation 0.2 in each arm, so sqrt(2) 0.2 for their difference; within two seeds."""
    assert seeds_needed(sqrt(2) * 0.2, difference) == pytest.approx(seeds, abs=2)


@pytest.mark.parametrize("effect", [0.2, 0.5, 0.8, 1.0, 1.5])
def test_the_power_of_so_many_pairs_is_80_percent(effect: float) -> None:
    n = seeds_needed(1.0, effect)
    limit = stats.t.ppf(0.975, n - 1)
    power = stats.nct.sf(limit, n - 1, effect * sqrt(n)) + stats.nct.cdf(-limit, n - 1, effect * sqrt(n))
    assert power == pytest.approx(0.8, abs=0.035)


def test_the_error_of_so_few_images() -> None:
    assert image_error(0.95, 360) == pytest.approx(0.0115, abs=1e-4)
    assert image_error(1.0, 360) == 0.0


def test_cells_have_their_costs_failures_and_reasons() -> None:
    made = rows({(1,): [0.5, None], (2,): [0.6, 0.7]})
    impossible = made[0] | {"cell": "(9,)", "assignment": {"depth": 9}, "state": "infeasible", "reason": "no room"}
    found = cells([*made, impossible | {"value": None, "params": None}], ["depth"])
    assert [(cell.levels["depth"], len(cell.values), cell.failures, cell.reason) for cell in found] == [
        (1, 1, 1, None), (2, 2, 0, None), (9, 0, 0, "no room"),
    ]  # fmt: skip
    assert found[2].estimate is None
    assert spread(found, "params") == 2.0
    assert spread([], "params") == 1.0


def test_a_pair_that_shares_few_seeds_does_not_cost_the_others_theirs() -> None:
    full, factors = [0.1, 0.2, 0.4], ("depth", "kind")
    values = {(1, "a"): full, (2, "a"): [0.2, 0.4, 0.5], (1, "b"): [0.3, None, None], (2, "b"): [None, 0.9, None]}
    depth, kind = compared(values, factors)
    assert (depth.difference.n, depth.difference.mean, depth.left_out) == (3, pytest.approx(0.4 / 3), ("kind=b",))
    assert (kind.difference.n, kind.left_out) == (1, ("depth=2",))
    values |= {(1, "b"): full, (2, "b"): [0.4, 0.5, None]}
    depth, _ = compared(values, factors)
    assert (depth.difference.n, depth.left_out) == (2, ()), "two of three seeds are enough"


def test_more_contrasts_need_more_seeds() -> None:
    needed = [seeds_needed(1.0, 1.0, tests) for tests in (1, 3, 15)]
    assert needed == sorted(set(needed))
    assert needed[0] == seeds_needed(1.0, 1.0)
