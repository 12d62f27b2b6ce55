"""Equal cost: the optimum proved by brute force, on one axis and several, with gaps, several holds and real numbers."""

import random
from collections.abc import Callable, Mapping
from itertools import pairwise, product
from typing import Any

import pytest

from searchspace.cost import Infeasible
from searchspace.match import Axis, Match, Reals, solve

Count = Callable[[Mapping[str, Any]], tuple[float, ...]]


def one(cost_of: Callable[[int], int], values: Any, target: float, rises: bool = False) -> Match:
    return solve(lambda at: (cost_of(at["x"]),), [Axis("x", values, rises)], [target])


@pytest.mark.parametrize("rises", [True, False])
@pytest.mark.parametrize(("layers", "width"), [(5, 160), (8, 128)])
def test_he_and_sun_have_exact_solutions(layers: int, width: int, rises: bool) -> None:
    """In place of (3,256)x3, `layers` of width w and (3,256): nets F and G of their table."""
    match = one(lambda w: 128 * w + (layers - 1) * w**2 + 256 * w, range(16, 513), 163_840, rises)
    assert (match.values, match.costs, match.error) == ({"x": width}, (163_840,), 0.0)
    assert match.counted == 497 if not rises else match.counted <= 12


def brute(count: Count, axes: list[Axis], targets: list[float]) -> tuple[float, tuple[float, ...], tuple[int, ...]]:
    """The rank of the best of all points."""
    ranks = []
    for place in product(*(range(len(axis.values)) for axis in axes)):
        try:
            costs = count({axis.name: axis.values[at] for axis, at in zip(axes, place, strict=True)})
        except Infeasible:
            continue
        ranks.append((max(abs(c - t) / t for c, t in zip(costs, targets, strict=True)), costs, place))
    return min(ranks)


def rank_of(match: Match, axes: list[Axis]) -> tuple[float, tuple[float, ...], tuple[int, ...]]:
    place = tuple(axis.values.index(match.values[axis.name]) for axis in axes)
    return abs(match.error), match.costs, place


def problem(dice: random.Random) -> tuple[Count, list[Axis], list[float]]:
    """Up to three axes and three costs: sums of products that rise with some axes, rounded; and points without one."""
    axes = []
    for name in "abc"[: dice.choice([1, 1, 2, 2, 3])]:
        low, step = dice.randint(1, 9), dice.choice([1, 1, 2, 5])
        size = dice.randint(1, 60 if not axes else 14)
        values: Any = range(low, low + size * step, step)
        if dice.random() < 0.3:
            values = sorted(dice.sample(range(1, 200), min(size, 12)))
        axes.append(Axis(name, values, dice.random() < 0.75))
    coarse, gap, salt = dice.choice([1, 1, 50]), dice.choice([0, 0, 2, 3, 8]), dice.randint(0, 99)
    powers = [
        [{axis.name: dice.choice([0, 1, 1, 2]) for axis in axes} for _ in range(dice.randint(1, 3))]
        for _ in range(dice.choice([1, 1, 2, 3]))
    ]
    wild = {axis.name for axis in axes if not axis.rises}

    def count(values: Mapping[str, Any]) -> tuple[float, ...]:
        if gap and hash((salt, *values.values())) % gap:
            raise Infeasible("it", "no network here")
        costs = []
        for terms in powers:
            total = 7
            for term in terms:
                factor = 1
                for name, power in term.items():
                    turn = values[name] if name not in wild else (values[name] * 7919 + salt) % 31 + 1
                    factor *= turn**power
                total += factor
            costs.append(float(total // coarse * coarse + 1))
        return tuple(costs)

    top = [max(axis.values) for axis in axes]
    targets = [float(dice.randint(2, 2 + int(max(top) ** dice.choice([1, 2, 2, 3])))) for _ in powers]
    return count, axes, targets


@pytest.mark.parametrize("seed", range(8))
def test_the_optimum_is_the_best_of_all(seed: int) -> None:
    dice, solved = random.Random(seed), 0
    for _ in range(150):
        count, axes, targets = problem(dice)
        try:
            match = solve(count, axes, targets)
        except Infeasible:
            with pytest.raises(ValueError, match="empty"):
                brute(count, axes, targets)
            continue
        solved += 1
        assert rank_of(match, axes) == brute(count, axes, targets)
    assert solved > 120


def stepped(dice: random.Random) -> tuple[list[tuple[int, float]], int, float, float]:
    parts = [(dice.randint(1, 9), dice.choice([4, 6.5, 16, 64, 100])) for _ in range(dice.randint(1, 3))]
    low = dice.choice([0.05, 0.25, 1.0])
    return parts, dice.choice([1, 1, 2]), low, low * dice.choice([1, 3, 12])


def test_of_a_real_number_the_plateau_is_the_best_of_all() -> None:
    """A step function of round(b x): its steps are where b x is half a whole number."""
    dice = random.Random(5)
    for _ in range(150):
        parts, power, low, high = stepped(dice)
        gap = dice.choice([0, 0, 4])

        def key(values: Mapping[str, Any], parts: Any = parts) -> tuple[int, ...]:
            return tuple(round(b * values["x"]) for _, b in parts)

        def count(values: Mapping[str, Any], parts: Any = parts, power: int = power, gap: int = gap) -> tuple[float]:
            found = key(values, parts)
            if gap and found[0] % gap:
                raise Infeasible("it", "groups do not divide")
            return (float(sum(a * n**power for (a, _), n in zip(parts, found, strict=True)) + 1),)

        edges = [low, high, *((k + 0.5) / b for _, b in parts for k in range(int(low * b), int(high * b) + 1))]
        edges = sorted({edge for edge in edges if low <= edge <= high})
        points = [*edges, *((a + b) / 2 for a, b in pairwise(edges))]
        target = dice.uniform(0.3, 1.3) * (sum(a * (high * b) ** power for a, b in parts) + 1)
        try:
            found = solve(count, [Axis("x", Reals(low, high), True)], [target], key)
        except Infeasible:
            assert gap
            continue
        reached = [count({"x": x})[0] for x in points if not gap or key({"x": x})[0] % gap == 0]
        best = min((abs(cost - target), cost) for cost in reached)
        assert (abs(found.costs[0] - target), found.costs[0]) == best
        assert low <= found.values["x"] <= high
        assert count(found.values) == found.costs


def test_a_real_number_is_as_short_as_its_plateau_allows() -> None:
    match = solve(lambda at: (float(round(64 * at["x"])),), [Axis("x", Reals(0.25, 4.0), True)], [83])
    assert (match.values, match.costs) == ({"x": 1.3}, (83.0,))
    near = solve(lambda at: (float(round(6400 * at["x"])),), [Axis("x", Reals(0.25, 4.0), True)], [8_321])
    assert near.values == {"x": 1.3001}


def test_real_numbers_stand_in_order() -> None:
    line = Reals(-1.5, 2.0)
    places = [line.place(value) for value in (-1.5, -1e-300, -0.0, 0.0, 5e-324, 1.0, 2.0)]
    assert places == sorted(places)
    assert (places[0], places[2], places[-1]) == (0, places[3], len(line) - 1)
    assert [line[place] for place in places] == [-1.5, -1e-300, 0.0, 0.0, 5e-324, 1.0, 2.0]


def test_of_two_equally_near_the_cheaper_wins() -> None:
    assert one({1: 80, 2: 120}.__getitem__, range(1, 3), 100, True).values == {"x": 1}
    assert one({1: 120, 2: 80}.__getitem__, [1, 2], 100).values == {"x": 2}


def test_of_one_cost_the_smallest_value_wins() -> None:
    assert one(lambda x: x // 10, range(100), 4, True).values == {"x": 40}
    assert one(lambda x: x // 10, range(45), 9, True).values == {"x": 40}


def test_two_costs_meet_between_their_targets() -> None:
    def count(at: Mapping[str, Any]) -> tuple[float, ...]:
        return at["x"] * at["y"], at["x"] + at["y"]

    match = solve(count, [Axis("x", range(1, 200), True), Axis("y", range(1, 200), True)], [2_400, 100])
    assert (match.values, match.errors) == ({"x": 40, "y": 60}, (0.0, 0.0))
    assert match.counted < 400


def test_long_ranges_take_few_networks() -> None:
    match = one(lambda x: 9 * x * x + 40 * x, range(1, 100_001), 5_000_000, True)
    assert match.counted <= 12


def nowhere(value: int) -> int:
    raise Infeasible("stages.0.pool", f"no room at {value}")


@pytest.mark.parametrize("rises", [True, False])
def test_where_no_value_is_possible_a_reason_is_told(rises: bool) -> None:
    with pytest.raises(Infeasible, match=r"^stages.0.pool: no room at [23]$"):
        one(nowhere, [2, 3], 100, rises)


def test_no_values_at_all() -> None:
    with pytest.raises(Infeasible, match="the variable to solve has no values; widen its range"):
        one(nowhere, [], 100)


def test_too_much_to_count_is_refused() -> None:
    with pytest.raises(Infeasible, match="more than 10,000 networks would have to be counted; narrow x or give a step"):
        one(lambda x: x % 7 + 1, range(1, 20_000), 3)


def test_a_line_is_solved_with_few_networks() -> None:
    """By inverse interpolation of logarithms a cost between linear and quadratic takes its ends and about four more."""
    counted = []
    for target in range(200, 4_000_000, 80_000):
        found = solve(lambda at: (30.0 * at["w"] ** 2 + 200 * at["w"] + 5,), [Axis("w", range(1, 513), True)], [target])
        counted.append(found.counted)
    assert sum(counted) / len(counted) < 6
    assert max(counted) <= 8
