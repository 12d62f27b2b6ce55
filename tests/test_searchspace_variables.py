"""Domains: what may be declared, what is refused and in which words, what is drawn."""

import math
import random
from typing import Any

import pytest

from searchspace.language.problems import SpecError
from searchspace.language.variables import Choice, FloatRange, IntRange, is_domain, levels, parse_domain, probes, sample

DOMAINS: list[tuple[Any, Any]] = [
    ({"choice": [3, 5]}, Choice((3, 5))),
    ({"choice": [True, 1]}, Choice((True, 1))),
    ({"choice": [None, {"kind": "batch"}]}, Choice((None, {"kind": "batch"}))),
    ({"int": [4, 128]}, IntRange(4, 128)),
    ({"int": [8, 64], "step": 8}, IntRange(8, 64, 8)),
    ({"int": [-3, 3]}, IntRange(-3, 3)),
    ({"int": [1, 1024], "log": True}, IntRange(1, 1024, log=True)),
    ({"float": [1e-3, 1]}, FloatRange(0.001, 1.0)),
    ({"float": [1e-3, 0.3], "log": True}, FloatRange(0.001, 0.3, log=True)),
]


@pytest.mark.parametrize(("raw", "domain"), DOMAINS, ids=str)
def test_domains(raw: Any, domain: Any) -> None:
    assert is_domain(raw)
    assert parse_domain(raw, ()) == domain


REFUSED: list[tuple[Any, str]] = [
    ({"chioce": [1]}, "^variables.x.chioce: unknown field 'chioce', did you mean 'choice'?"),
    ({"int": [1, 2], "steps": 2}, "unknown field 'steps', did you mean 'step'?"),
    ({}, r"\{\} is no domain; write \{choice: \[a, b\]\}, \{int: \[low, high\]\} or"),
    ({"choice": [1], "int": [1, 2]}, "is no domain; write"),
    ({"choice": []}, "a choice is a list with at least one option .* mend it"),
    ({"choice": 3}, "a choice is a list with at least one option"),
    ({"choice": [1], "log": True}, "nothing beside it"),
    ({"choice": [1, 2, 1]}, "the option 1 stands twice; name each once"),
    ({"choice": [1, 1.0]}, "the option 1.0 stands twice"),
    ({"choice": list(range(2_000))}, r"2,000 options, and 1,000 may be; write \{int: \[low, high\]\}"),
    ({"int": [64]}, r"a range takes two whole numbers, got \[64\]; write \{int: \[low, high\]\}"),
    ({"int": [1.5, 64]}, "two whole numbers, got"),
    ({"int": [True, 64]}, "two whole numbers, got"),
    ({"int": "1-64"}, "two whole numbers, got '1-64'"),
    ({"float": ["a", 1]}, r"a range takes two numbers, got \['a', 1\]; write \{float:"),
    ({"int": [64, 4]}, r"the range \[64, 4\] holds nothing; write the lower end first"),
    ({"int": [0, 10**7]}, "more than 100,000 values; narrow it or give it a step"),
    ({"int": [0, 10**300]}, "goes beyond 1e18; make it smaller"),
    ({"float": [0, 10**399]}, "goes beyond 1e18; make it smaller"),
    ({"int": [1, 9], "step": 0}, "step takes a whole number from 1, got 0; mend"),
    ({"int": [1, 9], "step": True}, "step takes a whole number from 1, got true"),
    ({"int": [1, 9], "step": 2, "log": True}, "log and step exclude each other; drop one"),
    ({"float": [1, 9], "step": 2}, "step goes with int; list the values"),
    ({"float": [0, 1], "log": True}, "a log scale needs a lower end above 0, got 0.0; raise it or drop log"),
    ({"int": [0, 9], "log": True}, "a log scale needs a lower end above 0, got 0"),
    ({"float": [1, 2], "log": "yes"}, "log: 'yes' is neither true nor false; write one"),
]


@pytest.mark.parametrize(("raw", "message"), REFUSED, ids=[str(raw)[:40] for raw, _ in REFUSED])
def test_what_is_refused(raw: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        parse_domain(raw, ("variables", "x"))
    assert str(caught.value).startswith("variables.x")


@pytest.mark.parametrize(("raw", "_"), DOMAINS, ids=str)
def test_what_is_drawn_lies_in_the_domain(raw: Any, _: Any) -> None:
    domain, dice = parse_domain(raw, ()), random.Random(0)
    drawn = [sample(domain, dice) for _ in range(300)]
    if isinstance(domain, FloatRange):
        assert all(domain.low <= value <= domain.high for value in drawn)
    else:
        assert all(value in levels(domain) for value in drawn)
    again = random.Random(0)
    assert drawn == [sample(domain, again) for _ in range(300)]


def test_a_log_scale_is_even_in_the_logarithm() -> None:
    dice = random.Random(0)
    for domain in (FloatRange(1e-4, 1.0, log=True), IntRange(1, 10_000, log=True)):
        middle = math.sqrt(domain.low * domain.high)
        below = sum(sample(domain, dice) <= middle for _ in range(2000))
        assert below == pytest.approx(1000, abs=100)


def test_levels_and_probes() -> None:
    assert levels(IntRange(4, 20, 8)) == (4, 12, 20)
    assert levels(Choice(("a", 2))) == ("a", 2)
    assert probes(IntRange(4, 20, 8)) == (4, 20)
    assert probes(IntRange(4, 4)) == (4,)
    assert probes(IntRange(4, 11, 8)) == (4,), "11 is no value of it"
    assert probes(FloatRange(0.0, 1.0)) == (0.0, 1.0)
    with pytest.raises(ValueError, match=r"a range of real numbers has no levels; list them with \{choice"):
        levels(FloatRange(0.0, 1.0))


@pytest.mark.parametrize(
    ("options", "ordered"),
    [((1, 2, 4), True), ((0.1, 2), True), ((2, 1), False), (("a", "b"), False), ((False, True), False)],
    ids=str,
)
def test_rising_numbers_are_ordered(options: tuple[Any, ...], ordered: bool) -> None:
    assert Choice(options).ordered is ordered


@pytest.mark.parametrize("raw", [None, 3, "x", [], {"kind": "batch"}, {"choice": [1], "kind": 2}, {"step": 1}], ids=str)
def test_what_is_no_domain(raw: Any) -> None:
    assert not is_domain(raw)
