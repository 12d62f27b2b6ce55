"""Intervals against scipy, Stein's second stage by hand, tests of difference and equivalence, Holm's correction."""

import random

import pytest
from scipy import stats

from studies.statistics import Estimate, differs, estimate, holm, image_error, quantile, within


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
        assert (told.freedom, told.deviation) == (n - 1, pytest.approx(stats.tstd(values)))
    assert quantile(2) == pytest.approx(4.30, abs=0.005)


def test_one_value_says_nothing_of_its_spread() -> None:
    told = estimate([0.9])
    assert (told.n, told.mean, told.deviation, told.half_width, told.low, told.high) == (1, 0.9, None, None, None, None)
    assert (told.freedom, differs(told), within(told, 1.0)) == (0, None, None)


def test_a_second_stage_keeps_the_deviation_and_the_freedom_of_the_first() -> None:
    """Stein (1945): the mean is of all five, s and t of the first three."""
    told = estimate([1.0, 2.0, 3.0, 10.0, 4.0], first=3)
    assert (told.n, told.mean, told.deviation, told.freedom) == (5, 4.0, 1.0, 2)
    assert told.half_width == pytest.approx(4.302653 / 5**0.5)
    assert differs(told) == pytest.approx(2 * stats.t.sf(4 * 5**0.5, 2))
    assert estimate([1.0, 2.0, 3.0], first=3) == estimate([1.0, 2.0, 3.0])
    assert estimate([1.0, 2.0, 4.0], first=1) == estimate([1.0, 2.0, 4.0]), "one value has no deviation"


def test_a_first_stage_that_agrees_to_the_last_digit_is_no_measure() -> None:
    told = estimate([0.5, 0.5, 0.5, 0.6, 0.4], first=3)
    assert told == estimate([0.5, 0.5, 0.5, 0.6, 0.4])


def test_rounding_is_no_deviation() -> None:
    """0.1 + 0.2 - 0.3 is not 0: numbers of the size of 1 that differ by so little agree."""
    told = estimate([0.1 + 0.2 - 0.3, 0.0, 0.0], size=0.3)
    assert (told.deviation, told.half_width, differs(told), within(told, 0.1)) == (0.0, 0.0, 1.0, 1.0)
    assert estimate([0.7, 0.7, 0.1 * 7]).deviation == 0.0


def test_the_test_of_a_difference_is_scipys() -> None:
    dice = random.Random(3)
    for n in range(2, 12):
        values = [dice.gauss(0.4, 1) for _ in range(n)]
        assert differs(estimate(values)) == pytest.approx(float(stats.ttest_1samp(values, 0.0).pvalue))


def test_equivalence_is_the_worse_of_two_one_sided_tests() -> None:
    dice = random.Random(4)
    for n in range(2, 12):
        values = [dice.gauss(0.1, 0.3) for _ in range(n)]
        above = stats.ttest_1samp(values, -0.5, alternative="greater").pvalue
        below = stats.ttest_1samp(values, 0.5, alternative="less").pvalue
        assert within(estimate(values), 0.5) == pytest.approx(float(max(above, below)))


def test_a_mean_at_the_margin_is_as_likely_on_either_side() -> None:
    assert within(Estimate(5, 0.5, 0.2, 0.1, 4), 0.5) == pytest.approx(0.5)


def test_holm_by_hand() -> None:
    assert holm([0.01, None, 0.04, 0.015]) == pytest.approx([0.03, None, 0.04, 0.03])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_error_of_so_few_images() -> None:
    assert image_error(0.95, 360) == pytest.approx(0.0115, abs=1e-4)
    assert image_error(1.0, 360) == 0.0
