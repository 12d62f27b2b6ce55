"""What is known to rise does rise: random blueprints over the whole vocabulary, against counting."""

import itertools
import random
from typing import Any

import pytest
from blueprints import Dice

from searchspace.blueprint import Blueprint
from searchspace.cost import Infeasible
from searchspace.language import expand
from searchspace.language.expressions import evaluate
from searchspace.language.problems import SpecError
from searchspace.language.turned import Turned, Undecided
from searchspace.lower import counted
from searchspace.memory import memory
from searchspace.rising import rises

EXPRESSIONS = [
    "$w",
    "$w",
    "2 * $w",
    "$w + 3",
    "4 * $w - 3",
    "3 * $w // 2",
    "$w * $k",
    "2 ** $k * $w",
    "round(1.3 * $w)",
]
EXPRESSIONS += ["8 * round(0.3 * $w + 0.6)", "20 - $w", "$w % 5 + 1", "($w - 4) ** 2 + 1", "24 // $w", "$w ** 2"]
COUNTS = ("width", "growth", "inner", "out", "repeat", "kernel", "groups", "reduce", "bottleneck", "stride", "scale")
VALUES = range(1, 13)


def turn(tree: Any, dice: random.Random, share: float) -> Any:
    """The tree with some of its counts replaced by expressions of $w."""
    if isinstance(tree, list):
        return [turn(item, dice, share) for item in tree]
    if not isinstance(tree, dict):
        return tree
    made = {}
    for key, value in tree.items():
        plain = isinstance(value, int) and not isinstance(value, bool)
        rare = 1.0 if key in ("width", "growth", "inner", "repeat") else 0.15
        if key == "hidden" and isinstance(value, list):
            made[key] = [dice.choice(EXPRESSIONS) if dice.random() < share else item for item in value]
        elif key in COUNTS and plain and dice.random() < share * rare:
            made[key] = dice.choice(["$w", "$w"] if key == "repeat" else EXPRESSIONS)
        else:
            made[key] = turn(value, dice, share)
    return made


def known(tree: Any, channels: int, bytes_too: bool = False) -> bool:
    try:
        found, problems = expand.attempt(tree, {"w": Turned(1, 12, "w"), "k": 2})
        return not problems and rises(found.tree, channels, bytes_too)
    except (SpecError, Undecided, TypeError):
        return False


def costs_of(tree: Any, value: int, shape: tuple[int, ...]) -> tuple[int, ...] | None:
    try:
        blueprint = Blueprint.model_validate(expand.expand(tree, {"w": value, "k": 2}).tree)
        network, _, cost = counted(blueprint, shape, 5)
    except (Infeasible, ValueError):
        return None
    return cost.macs, cost.params, cost.activations, cost.field, cost.train_macs, memory(network, 4).train_peak


def rising_problems(seed: int, count: int) -> tuple[int, int, int]:
    """How many of so many problems are known to rise, rise also in memory, and do not rise."""
    claimed = remembered = falling = 0
    for number in range(count):
        dice = Dice(seed * 1_000_003 + number)
        tree = turn(dice.blueprint(), dice.random, dice.random.choice([0.2, 0.6, 1.0]))
        if dice.random.random() < 0.3:
            tree["head"] = {}
        shape = dice.shape()
        points = [point for value in VALUES if (point := costs_of(tree, value, shape))]
        climbs = [all(a <= b for a, b in itertools.pairwise(c)) for c in zip(*points, strict=True)]
        falling += not all(climbs[:5])
        if known(tree, shape[0]):
            claimed += 1
            assert all(climbs[:5]), tree
        if known(tree, shape[0], True):
            remembered += 1
            assert all(climbs), tree
    return claimed, remembered, falling


@pytest.mark.parametrize("seed", range(2))
def test_what_is_known_to_rise_rises(seed: int) -> None:
    claimed, remembered, falling = rising_problems(seed, 150)
    assert claimed > remembered > 10
    assert falling > 5


def network(*stages: dict[str, Any], head: Any = None) -> Any:
    return {"stages": [*stages], "head": head or {}}


PLAIN = {"block": "plain", "width": "$w"}
RESIDUAL = {"block": "residual", "width": "$w"}


@pytest.mark.parametrize(
    ("tree", "claim"),
    [
        (network(PLAIN), True),
        (network({**PLAIN, "width": "2 ** $k * $w"}, {**PLAIN, "repeat": 3}), True),
        (network({**PLAIN, "repeat": "$w"}), True),
        (network({**PLAIN, "repeat": "$w", "padding": "valid"}), False),
        (network({**PLAIN, "stride": "$w"}), False),
        (network({**PLAIN, "width": "13 - $w"}), False),
        (network(PLAIN, RESIDUAL, {**RESIDUAL, "width": "2 * $w", "stride": 2}), True),
        (network({**PLAIN, "width": 8}, RESIDUAL), False),
        (network({**PLAIN, "width": 64}, RESIDUAL), True),
        (network({**PLAIN, "width": 8}, {**RESIDUAL, "shortcut": "always"}), True),
        (network({**PLAIN, "width": 8}, {**RESIDUAL, "shortcut": "none"}), True),
        (network({**PLAIN, "width": "$w * 2"}, {**RESIDUAL, "width": "2 * $w"}), True),
        (network(PLAIN, {**RESIDUAL, "width": "2 * $w - $w"}), False),
        (network({"block": "sequence", "repeat": "$w", "stages": [PLAIN]}), False),
        (network(PLAIN, {"block": "sequence", "repeat": 2, "stages": [RESIDUAL]}, head={"hidden": ["$w"]}), True),
        (network({"block": "sequence", "repeat": 2, "stages": [RESIDUAL]}), False),
        (network({"count": 3, "block": "plain", "width": "$w * 2 ** $stage"}), True),
        (network({"count": "$w", "block": "plain", "width": 4}), False),
        ({"zoo": "resnet18", "width": "$w"}, True),
        ({"zoo": "vgg16", "width": "$w / 8"}, True),
    ],
)
def test_which_blueprints_are_known_to_rise(tree: Any, claim: bool) -> None:
    assert known(tree, 3) is claim


def test_a_free_shortcut_makes_a_network_cheaper() -> None:
    """Why not every width rises: at 8 channels the projection is gone."""
    tree = network({"block": "plain", "width": 8}, RESIDUAL)
    below, equal = costs_of(tree, 7, (3, 8, 8)), costs_of(tree, 8, (3, 8, 8))
    wide = network({"block": "plain", "width": 12}, {**RESIDUAL, "kernel": 1})
    assert below
    assert equal
    assert below[1] < equal[1]
    last, same = costs_of(wide, 11, (3, 8, 8)), costs_of(wide, 12, (3, 8, 8))
    assert last
    assert same
    assert last[1] > same[1]


@pytest.mark.parametrize("text", ["round($x)", "round(2.5)", "round(64 * $x / 3) * 2", "8 * round($x / 8)"])
def test_round_in_expressions(text: str) -> None:
    for x in (1, 2, 5, 12.5, 63):
        told = eval(text.replace("$x", str(x)))
        assert (evaluate(text, {"x": x}), type(evaluate(text, {"x": x}))) == (told, int)


@pytest.mark.parametrize(("text", "message"), [("round 3 + $x", "' is missing after round"), ("rounds($x)", "")])
def test_round_is_followed_by_what_it_rounds(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=rf"cannot read '{text[:5]}.*{message}"):
        evaluate(text, {"x": 3})


@pytest.mark.parametrize("text", [text for text in EXPRESSIONS if "- 4)" not in text])
def test_turned_numbers_bound_what_they_stand_for(text: str) -> None:
    bound = evaluate(text, {"w": Turned(1, 12, "w"), "k": 2})
    found = [evaluate(text, {"w": value, "k": 2}) for value in VALUES]
    assert bound.low <= min(found)
    assert max(found) <= bound.high
    assert not bound.rises or found == sorted(found)


def test_what_is_not_the_same_for_all_values_is_not_assumed() -> None:
    number = Turned(1, 12, "w")
    assert number > 0
    assert not number > 12
    assert number == Turned(1, 12, "w")
    assert number != 13
    for question in (
        lambda: number > 5,
        lambda: number == 5,
        lambda: number != Turned(5, 9, "v"),
        lambda: number - 3 >= 0,
    ):
        with pytest.raises(Undecided, match="for some values only"):
            question()
