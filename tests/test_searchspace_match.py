"""Equal cost: the best value of the range, proved by trying all, and the exact solutions of He & Sun (CVPR 2015)."""

import random

import pytest

from searchspace.cost import Infeasible
from searchspace.match import solve


@pytest.mark.parametrize(("layers", "width"), [(5, 160), (8, 128)])
def test_he_and_sun_have_exact_solutions(layers: int, width: int) -> None:
    """In place of (3,256)x3, `layers` of width w and (3,256): nets F and G of their table."""
    match = solve(lambda w: 128 * w + (layers - 1) * w**2 + 256 * w, range(16, 513), 163_840)
    assert (match.value, match.cost, match.error) == (width, 163_840, 0.0)


def test_the_optimum_is_the_best_of_all() -> None:
    dice = random.Random(3)
    for _ in range(300):
        factors = [dice.randint(-50, 300) for _ in range(dice.randint(1, 4))]
        low, step = dice.randint(1, 20), dice.choice([1, 1, 3, 8])
        values = range(low, low + dice.randint(1, 120), step)
        target = dice.randint(1, 2_000_000)

        def cost_of(value: int, factors: list[int] = factors) -> int:
            total = sum(factor * value**power for power, factor in enumerate(factors))
            if total % 7 == 0:
                raise Infeasible("it", "no network here")
            return total

        possible = [value for value in values if sum(f * value**p for p, f in enumerate(factors)) % 7]
        if not possible:
            continue
        match = solve(cost_of, values, target)
        best = min((abs(cost_of(value) / target - 1), cost_of(value)) for value in possible)
        assert (abs(match.error), match.cost) == best
        assert cost_of(match.value) == match.cost
        assert match.error == match.cost / target - 1


def test_of_two_equally_near_the_cheaper_wins() -> None:
    assert solve({1: 120, 2: 80}.__getitem__, [1, 2], 100).value == 2


def nowhere(value: int) -> int:
    raise Infeasible("stages.0.pool", f"no room at {value}")


def test_where_no_value_is_possible_the_last_reason_is_told() -> None:
    with pytest.raises(Infeasible, match=r"^stages.0.pool: no room at 3$"):
        solve(nowhere, [2, 3], 100)


def test_no_values_at_all() -> None:
    with pytest.raises(Infeasible, match="the variable to solve has no values; widen its range"):
        solve(nowhere, [], 100)
