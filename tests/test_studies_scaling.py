"""The power law of training-set size: known laws are found again, intervals hold them, regimes are told apart."""

import random

import pytest

from studies.analysis.results import CellResult
from studies.analysis.scaling import power_law

SIZES = (250, 500, 1000, 2000, 4000, 8000)


def cells(
    law: tuple[float, float, float], noise: float, seeds: int = 5, sizes: tuple[int, ...] = SIZES, draw: int = 1
) -> list[CellResult]:
    """Accuracies whose errors follow a n^-b + c with so much relative noise."""
    dice, found = random.Random(f"law {draw}"), []
    a, b, c = law
    for size in sizes:
        error = min(a * size**-b + c, 0.9)
        values = {seed: 1 - error * (1 + noise * dice.gauss(0, 1)) for seed in range(seeds)}
        found.append(CellResult(f"examples={size}", {"examples": size}, {"examples": size}, {}, values))
    return found


@pytest.mark.parametrize("true", [(2.0, 0.35, 0.05), (1.0, 0.2, 0.0), (8.0, 0.8, 0.1)])
def test_a_law_without_noise_is_found_exactly(true: tuple[float, float, float]) -> None:
    law = power_law(cells(true, 0.0, seeds=2), "examples", "val_accuracy")
    assert law is not None
    assert (law.a, law.b[0], law.c[0]) == pytest.approx(true, rel=1e-3, abs=1e-4)
    assert law.sizes == SIZES
    assert [size for size, *_ in law.forecast] == [16_000, 80_000]
    assert law.forecast[1][1] == pytest.approx(true[0] * 80_000 ** -true[1] + true[2], rel=1e-4)


def test_intervals_hold_the_truth() -> None:
    """About 95 % of 60 laws; in 400 laws of each of three kinds it was 94-98 % for b, c and both forecasts."""
    a, b, c = 2.0, 0.35, 0.05
    held = [0, 0, 0, 0]
    for draw in range(60):
        law = power_law(cells((a, b, c), 0.02, draw=draw), "examples", "val_accuracy")
        assert law is not None
        wanted = [(law.b[1:], b), (law.c[1:], c), *((told[2:], a * told[0] ** -b + c) for told in law.forecast)]
        for at, ((low, high), true) in enumerate(wanted):
            held[at] += low <= true <= high
    assert min(held) >= 52


def test_an_error_is_its_own_measure_and_shares_are_of_the_images() -> None:
    results = [
        CellResult(
            str(level), {"examples": level}, {}, {}, {0: 4 * (400 * share) ** -0.5, 1: 4 * (400 * share) ** -0.5}
        )
        for level, share in (("10%", 0.1), (0.25, 0.25), (200, 0.5), (None, 1.0))
    ]
    law = power_law(results, "examples", "val_mae", images=400)
    assert law is not None
    assert law.sizes == (40, 100, 200, 400)
    assert law.b[0] == pytest.approx(0.5, abs=1e-3)
    assert power_law(results, "examples", "val_mae") is None


def test_only_combinations_that_ran_at_every_size_are_averaged() -> None:
    results = []
    for depth, offset in ((2, 0.0), (8, 0.3)):
        for size in SIZES if depth == 2 else SIZES[2:]:
            error = 2 * size**-0.35 + 0.05 + offset
            results.append(CellResult("", {"depth": depth, "examples": size}, {}, {}, {0: 1 - error, 1: 1 - error}))
    law = power_law(results, "examples", "val_accuracy")
    assert law is not None
    assert law.c[0] == pytest.approx(0.05, abs=1e-3)


def test_two_sizes_are_no_law() -> None:
    assert power_law(cells((2.0, 0.35, 0.05), 0.02, sizes=(250, 500)), "examples", "val_accuracy") is None
    assert power_law([], "examples", "val_accuracy") is None
