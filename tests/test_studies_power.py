"""Power: goldens of REFERENCE.md and statsmodels, simulation, and the spread that remains after cells and seeds."""

import random
from math import inf, sqrt
from statistics import stdev

import pytest
from scipy import stats

from studies.analysis.power import (
    effect_deviation,
    power_of,
    residual,
    seeds_for,
    smallest_difference,
)
from studies.analysis.results import CellResult


def cell(name: str, values: dict[int, float]) -> CellResult:
    return CellResult(name, {"depth": name}, {}, {}, values)


@pytest.mark.parametrize(("difference", "seeds"), [(0.1, 64), (0.2, 17), (0.3, 9), (0.5, 4)])
def test_two_arms_need_the_seeds_of_the_reference(difference: float, seeds: int) -> None:
    assert seeds_for(difference, 0.2, arms=2) == seeds


@pytest.mark.parametrize(
    ("seeds", "tests", "smallest"),
    [(3, 1, 3.2640436), (5, 1, 1.6819971), (5, 10, 3.1553486), (10, 1, 0.9960019), (20, 10, 0.9115749)],
)
def test_the_smallest_difference_is_that_of_statsmodels(seeds: int, tests: int, smallest: float) -> None:
    """But for 5 seeds and 10 tests, where its solver stops at a power of 0.783: that one is by scipy's nct."""
    assert smallest_difference(1.0, seeds, tests) == pytest.approx(smallest, abs=1e-5)
    assert power_of(smallest, 1.0, seeds, tests) == pytest.approx(0.8, abs=1e-5)


@pytest.mark.parametrize(
    ("difference", "tests", "seeds"), [(0.2, 1, 199), (0.5, 1, 34), (1, 1, 10), (0.2, 10, 337), (1, 10, 18)]
)
def test_the_seeds_are_those_of_statsmodels(difference: float, tests: int, seeds: int) -> None:
    assert seeds_for(difference, 1.0, tests) == seeds
    assert power_of(difference, 1.0, seeds - 1, tests) < 0.8 <= power_of(difference, 1.0, seeds, tests)


@pytest.mark.parametrize("seeds", [2, 3, 10, 1_000])
def test_power_of_nothing_is_the_level_and_of_much_is_one(seeds: int) -> None:
    assert power_of(0.0, 1.0, seeds) == pytest.approx(0.05, abs=1e-5)
    assert power_of(1e4, 1.0, seeds, tests=1_000 if seeds > 2 else 1) == pytest.approx(1.0, abs=1e-3)
    assert power_of(1.0, 0.0, seeds) == 1.0


def test_power_is_the_share_of_studies_that_show_the_difference() -> None:
    dice, shown, studies = random.Random(3), 0, 2_000
    critical = float(stats.t.isf(0.025, 4))
    for _ in range(studies):
        values = [dice.gauss(1.5, 1.0) for _ in range(5)]
        shown += abs(sum(values) / 5) > critical * stdev(values) / sqrt(5)
    assert shown / studies == pytest.approx(power_of(1.5, 1.0, 5), abs=0.03)


def test_one_seed_shows_nothing() -> None:
    assert smallest_difference(0.2, 1) == inf
    assert power_of(9.0, 0.2, 1) == 0.0


def test_what_no_number_of_seeds_shows_is_said() -> None:
    with pytest.raises(ValueError, match=r"0.001 at a deviation of 1 needs more than 10,000 seeds"):
        seeds_for(0.001, 1.0)
    with pytest.raises(ValueError, match="a difference of 0"):
        seeds_for(0.0, 1.0)
    with pytest.raises(ValueError, match=r"power: must lie between 0.05 and 1, got 1"):
        smallest_difference(1.0, 5, power=1.0)


def test_the_residual_leaves_cells_and_seeds_out() -> None:
    values = {"a": {0: 1.0, 1: 2.0, 2: 3.0}, "b": {0: 5.0, 1: 6.0, 2: 10.0}}
    found = residual([cell(name, one) for name, one in values.items()])
    assert found is not None
    assert found.freedom == 2
    differences = [values["b"][seed] - values["a"][seed] for seed in range(3)]
    assert found.deviation == pytest.approx(stdev(differences) / sqrt(2))
    assert effect_deviation(found.deviation) == pytest.approx(stdev(differences))


def test_the_spread_without_common_seeds_is_that_within_cells() -> None:
    apart = [cell("a", {0: 1.0, 1: 3.0}), cell("b", {2: 10.0, 3: 14.0})]
    alone = [cell("a", {0: 1.0, 1: 3.0})]
    deviations = [found.deviation for cells in (apart, alone) if (found := residual(cells))]
    assert deviations == [pytest.approx(sqrt((2 + 8) / 2)), pytest.approx(sqrt(2))]
    assert residual([cell("a", {0: 1.0}), cell("b", {})]) is None
    assert residual([]) is None


def test_a_lost_replicate_costs_one_degree_of_freedom() -> None:
    dice = random.Random(1)
    whole = [cell(name, {seed: dice.random() for seed in range(5)}) for name in "abc"]
    whole[0].values.pop(2)  # type: ignore[attr-defined]
    found = residual(whole)
    assert found is not None
    assert found.freedom == 7


def test_with_a_first_stage_the_freedom_stays() -> None:
    """Stein: mean sqrt(n) / s has the noncentral t of the first stage's degrees of freedom, whatever n."""
    least = smallest_difference(1.0, 20, freedom=4)
    assert stats.nct.sf(stats.t.ppf(0.975, 4), 4, least * sqrt(20)) == pytest.approx(0.8, abs=1e-3)
    assert seeds_for(1.001 * least, 1.0, freedom=4) == 20
    with pytest.raises(ValueError, match="needs more than 10,000 seeds"):
        seeds_for(1e-4, 1.0, freedom=4)
