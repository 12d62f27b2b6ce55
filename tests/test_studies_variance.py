"""Shares of variance: by hand, against sums of squares of statsmodels 0.15 (anova_lm, type II), and by simulation."""

import random
from itertools import product
from math import sqrt

import pytest

from studies.analysis.results import CellResult
from studies.analysis.variance import beyond, shares


def cell(levels: dict[str, object], values: dict[int, float]) -> CellResult:
    return CellResult(str(levels), levels, levels, {}, values)


def crossed(drop: int = 0) -> list[CellResult]:
    """2 x 3 cells of 4 seeds with values by a rule; the first `drop` replicates of the last cell are missing."""
    found = []
    for a in range(2):
        for b in range(3):
            mean = a + 0.5 * b * b + 0.8 * a * b
            values = {s: mean + 0.3 * s + ((7 * a + 5 * b + 3 * s) % 5) / 10 for s in range(4)}
            gone = range(drop if (a, b) == (1, 2) else 0)
            found.append(cell({"a": a, "b": b}, {s: v for s, v in values.items() if s not in gone}))
    return found


def test_by_hand_two_levels_two_seeds() -> None:
    """Effects of -1, 1; seeds at -0.5, 0.5; nothing left over: shares 1 and the seeds' component 0.5."""
    told = shares([cell({"a": 0}, {0: -1.5, 1: -0.5}), cell({"a": 1}, {0: 0.5, 1: 1.5})], ["a"])
    assert [one.source for one in told] == ["a", "seed", "rest"]
    assert [one.share for one in told] == pytest.approx([1 / 1.5, 0.5 / 1.5, 0.0])
    assert [one.deviation for one in told] == pytest.approx([1.0, sqrt(0.5), 0.0], abs=1e-7)


@pytest.mark.parametrize(
    ("drop", "sums", "noise", "freedom"),
    [
        (0, {"a": 18.375, "b": 32.693333, "interactions": 2.56, "seed": 3.675}, 0.375, 15),
        (2, {"a": 14.046696, "b": 22.927831, "interactions": 2.011429, "seed": 3.2175}, 0.3375, 13),
    ],
)
def test_sums_of_squares_are_those_of_statsmodels(
    drop: int, sums: dict[str, float], noise: float, freedom: int
) -> None:
    n, spent = 24 - drop, {"a": 1, "b": 2, "interactions": 2, "seed": 3}
    wanted = {name: (sums[name] - spent[name] * noise / freedom) / n for name in ("a", "b", "interactions")}
    wanted |= {"seed": (sums["seed"] / 3 - noise / freedom) / (n / 4), "rest": noise / freedom}
    told = {one.source: one for one in shares(crossed(drop), ["a", "b"])}
    assert {name: one.deviation**2 for name, one in told.items()} == pytest.approx(wanted, rel=1e-5)
    assert told["b"].share == pytest.approx(wanted["b"] / sum(wanted.values()), rel=1e-5)
    assert sum(one.share for one in told.values()) == pytest.approx(1)


def test_known_components_are_found_again() -> None:
    """Effects of variance 4 and 1, seeds of 2.25, noise of 1, on many seeds."""
    dice = random.Random(2)
    blocks, results = [dice.gauss(0, 1.5) for _ in range(400)], []
    for a in (-2.0, 2.0):
        for b in (-1.0, 1.0):
            values = {seed: a + b + block + dice.gauss(0, 1) for seed, block in enumerate(blocks)}
            results.append(cell({"a": a, "b": b}, values))
    told = {one.source: one.deviation**2 for one in shares(results, ["a", "b"])}
    assert told == pytest.approx({"a": 4, "b": 1, "interactions": 0, "seed": 2.25, "rest": 1}, rel=0.12, abs=0.02)


@pytest.mark.parametrize(("by_three", "seen"), [(0.0, False), (1.0, True)])
def test_what_two_factors_do_not_add_up_to(by_three: float, seen: bool) -> None:
    """Cells off by 1 from all effects of one and two factors are 1 off; with seeds of deviation 0.3 that is seen."""
    dice = random.Random(3)
    results = []
    for a, b, c in product((-1, 1), repeat=3):
        values = {seed: 2 * a + a * b + by_three * a * b * c + dice.gauss(0, 0.3) for seed in range(5)}
        results.append(cell({"a": a, "b": b, "c": c}, values))
    found = beyond(results, ["a", "b", "c"])
    assert found
    assert (found.p < 0.001) == seen
    assert found.deviation == pytest.approx(by_three, abs=0.15)
    told = {one.source: one.deviation**2 for one in shares(results, ["a", "b", "c"])}
    assert told["interactions"] == pytest.approx(1 + by_three, rel=0.2)
    assert told["rest"] == pytest.approx(0.09, rel=0.5)
    assert beyond(results[:4], ["b", "c"]) is None


def test_one_seed_leaves_interactions_in_the_rest() -> None:
    results = [cell({"a": a, "b": b}, {0: a + b + 0.1 * a * b}) for a in (0, 1) for b in (0, 1, 2)]
    told = shares(results, ["a", "b"])
    assert [one.source for one in told] == ["a", "b", "rest"]
    assert sum(one.share for one in told) == pytest.approx(1)


def test_no_component_is_negative() -> None:
    """Levels that agree better than chance: their component counts as none."""
    results = [cell({"a": 0}, {0: 1.0, 1: 3.0, 2: 5.0}), cell({"a": 1}, {0: 5.0, 1: 3.0, 2: 1.0})]
    assert {one.source: one.share for one in shares(results, ["a"])} == {"a": 0.0, "seed": 0.0, "rest": 1.0}


def test_nothing_to_share() -> None:
    assert shares([], ["a"]) == ()
    assert shares([cell({"a": 0}, {0: 0.5, 1: 0.5}), cell({"a": 1}, {0: 0.5, 1: 0.5})], ["a"]) == ()
    assert shares([cell({"a": 0}, {0: 0.5}), cell({"a": 1}, {0: 0.6})], ["a"]) == ()


def test_a_factor_that_is_mixed_with_interactions_keeps_its_share() -> None:
    """Half of 2 x 2 x 2: each factor is the product of the two others."""
    half = [(a, b, a * b) for a in (-1, 1) for b in (-1, 1)]
    made = [cell(dict(zip("abc", one, strict=True)), {s: one[0] + s % 2 / 10 for s in range(4)}) for one in half]
    found = {one.source: one.share for one in shares(made, ["a", "b", "c"])}
    assert found["a"] > 0.9
    assert "interactions" not in found


def test_factors_that_are_mixed_with_each_other_have_no_shares() -> None:
    made = [cell({"a": at, "b": 10 * at, "c": at % 2}, {s: at + s / 10 for s in range(4)}) for at in range(4)]
    assert shares(made, ["a", "b", "c"]) == ()
