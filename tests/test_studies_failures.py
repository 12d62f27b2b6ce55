"""Failures by factor: Fisher's exact test by hand and against scipy, and claims that only luck holds up."""

import pytest
from scipy import stats

from studies.analysis.contrasts import unadjusted
from studies.analysis.failures import failures as analysed
from studies.analysis.failures import fisher
from studies.analysis.results import CellResult, Contrast, FailureTable
from studies.statistics import Estimate


def cell(levels: dict[str, object], values: list[float | None], kind: str = "out_of_memory") -> CellResult:
    """None is a failed replicate."""
    whole = {seed: value for seed, value in enumerate(values) if value is not None}
    failed = {seed: kind for seed, value in enumerate(values) if value is None}
    return CellResult(str(levels), levels, levels, {}, whole, failed)


def claim(factor: str, low: object, high: object, mean: float, p: float | None = 0.01) -> Contrast:
    return Contrast(factor, low, high, Estimate(5, mean, 0.01, 0.012), p)


def failures(
    cells: list[CellResult], claims: list[Contrast], factors: list[str], direction: str
) -> tuple[FailureTable, ...]:
    """As a reading of crossed factors has them."""
    return analysed(cells, claims, factors, direction, lambda some: unadjusted(some, factors))


@pytest.mark.parametrize("counts", [[(1, 10), (7, 10)], [(0, 5), (5, 5)], [(3, 8), (2, 20)], [(0, 4), (0, 6)]])
def test_two_levels_are_tested_as_by_scipy(counts: list[tuple[int, int]]) -> None:
    table = [[failed, ended - failed] for failed, ended in counts]
    assert fisher(counts) == pytest.approx(stats.fisher_exact(table).pvalue)


def test_three_levels_by_hand() -> None:
    """Two failures among (2, 2, 2): 15 tables' weight in all; (2, 0, 0) and its kin weigh 1 each, (1, 1, 0) 4 each."""
    assert fisher([(2, 2), (0, 2), (0, 2)]) == pytest.approx(3 / 15)
    assert fisher([(1, 2), (1, 2), (0, 2)]) == pytest.approx(1.0)


def test_three_levels_agree_with_drawn_tables() -> None:
    counts = [(1, 12), (2, 12), (7, 12)]
    dice = stats.random_table([ended for _, ended in counts], [10, 26], seed=1)
    seen = dice.logpmf([[failed, ended - failed] for failed, ended in counts])
    drawn = dice.logpmf(dice.rvs(5_000))
    assert fisher(counts) == pytest.approx(float((drawn <= seen + 1e-9).mean()), abs=0.015)


def test_tables_too_large_to_enumerate_are_tested_by_chi_square() -> None:
    counts = [(40 + 3 * at, 190 + 7 * at) for at in range(8)]
    table = [[failed, ended - failed] for failed, ended in counts]
    assert fisher(counts) == pytest.approx(stats.chi2_contingency(table).pvalue)


def test_failures_are_counted_by_level_and_kind() -> None:
    results = [
        cell({"depth": 2, "kernel": 3}, [0.8, 0.9, 0.8]),
        cell({"depth": 2, "kernel": 5}, [0.8, None, 0.8], "diverged"),
        cell({"depth": 8, "kernel": 3}, [None, None, 0.8]),
        cell({"depth": 8, "kernel": 5}, [None, None, None]),
        CellResult("unreachable", {"depth": 9, "kernel": 5}, {}, {}, {}, reason="cannot be matched"),
    ]
    depth, kernel = failures(results, [], ["depth", "kernel"], "maximize")
    assert depth.counts == {2: (1, 6), 8: (5, 6)}
    assert depth.p == pytest.approx(stats.fisher_exact([[1, 5], [5, 1]]).pvalue)
    assert kernel.counts == {3: (2, 6), 5: (4, 6)}
    assert depth.kinds == {"out_of_memory": 5, "diverged": 1}
    assert depth.survives


def test_nothing_failed_no_table() -> None:
    assert failures([cell({"depth": 2}, [0.8])], [], ["depth"], "maximize") == ()


@pytest.mark.parametrize(("direction", "sign"), [("maximize", 1), ("minimize", -1)])
def test_a_claim_that_rests_on_the_lucky_ones_does_not_survive(direction: str, sign: int) -> None:
    """Depth 8 is better where it trained at all; of five seeds three were lost."""
    low, high = [0.70, 0.80, 0.80, 0.80, 0.80], [0.85, 0.85, None, None, None]
    results = [
        cell({"depth": 2}, [sign * value for value in low]),
        cell({"depth": 8}, [None if value is None else sign * value for value in high], "diverged"),
    ]
    (table,) = failures(results, [claim("depth", 2, 8, sign * 0.1)], ["depth"], direction)
    assert not table.survives
    (unclaimed,) = failures(results, [claim("depth", 2, 8, sign * 0.1, p=0.3)], ["depth"], direction)
    assert unclaimed.survives


def test_a_claim_against_the_level_that_fails_survives() -> None:
    results = [cell({"depth": 2}, [0.8, 0.8, 0.8]), cell({"depth": 8}, [0.7, None, None])]
    (table,) = failures(results, [claim("depth", 2, 8, -0.1)], ["depth"], "maximize")
    assert table.survives


def test_a_cell_that_lost_every_replicate_counts_against_its_level() -> None:
    results = [
        cell({"depth": 2, "kernel": 3}, [0.70, 0.71]),
        cell({"depth": 8, "kernel": 3}, [0.75, 0.76]),
        cell({"depth": 2, "kernel": 5}, [0.90, 0.90]),
        cell({"depth": 8, "kernel": 5}, [None, None]),
    ]
    depth, kernel = failures(results, [claim("depth", 2, 8, 0.05)], ["depth", "kernel"], "maximize")
    assert not depth.survives
    assert kernel.survives
