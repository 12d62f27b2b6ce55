"""Numbers as people write them, and back."""

import random

import pytest

from searchspace.language.units import bound, fraction, human, milliseconds, quantity

QUANTITIES = [
    ("2M", 2_000_000), ("1.5k", 1500), ("1.1M", 1_100_000), ("3G", 3 * 10**9), ("1T", 10**12), (60000, 60000),
    ("60000", 60000), (2e6, 2_000_000), ("2e6", 2_000_000), ("2 M", 2_000_000), (" .5k ", 500), ("-2k", -2000),
    (0.9, 0.9), ("0.1", 0.1), ("0.0001k", 0.1), (0, 0), (10**18, 10**18),
]  # fmt: skip


@pytest.mark.parametrize(("value", "number"), QUANTITIES, ids=repr)
def test_quantity(value: object, number: float) -> None:
    got = quantity(value)
    assert (got, type(got)) == (number, type(number))


NO_COUNTS = [
    "2MB", "2 mb", "2K", "", "k", "2..5", "1e9999", "1e900", "٣", "9" * 9999, True, None, [2], float("nan"),
    float("inf"), 10**9999,
]  # fmt: skip


@pytest.mark.parametrize("value", NO_COUNTS, ids=lambda value: type(value).__name__)
def test_quantity_refuses(value: object) -> None:
    with pytest.raises(ValueError, match="is no count: write a number with k, M, G or T, such as 2M"):
        quantity(value)


def test_the_message_has_what_it_got() -> None:
    with pytest.raises(ValueError, match=r"^'2MB' is no count: write"):
        quantity("2MB")


@pytest.mark.parametrize(
    ("value", "share"),
    [("4%", 0.04), (0.04, 0.04), ("0.04", 0.04), ("2.5 %", 0.025), (0, 0.0), (1, 1.0), ("100%", 1.0)],
    ids=repr,
)
def test_fraction(value: object, share: float) -> None:
    assert fraction(value) == share


@pytest.mark.parametrize("value", ["4 percent", 4, "101%", -0.1, "%", True, None, "4%%", float("nan")], ids=repr)
def test_fraction_refuses(value: object) -> None:
    with pytest.raises(ValueError, match=r"is no fraction: write a number from 0 to 1 or a percentage, such as 4%"):
        fraction(value)


@pytest.mark.parametrize(
    ("text", "side"),
    [("<= 60k", ("<=", 60000.0)), (">= 0.9", (">=", 0.9)), (">=90%", (">=", 0.9)), ("<=-1", ("<=", -1.0))],
    ids=repr,
)
def test_bound(text: str, side: tuple[str, float]) -> None:
    assert bound(text) == side


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("< 60k", "'< 60k' is no bound: write <= or >= and a number"),
        ("60k", "'60k' is no bound"),
        ("== 3", "is no bound"),
        ("<=> 3", "is no bound"),
        ("<=", "is no bound"),
        (60, "^60 is no bound"),
        ("<= 60kB", "'60kB' is no count"),
        (">= 900%", "'900%' is no fraction"),
    ],
    ids=repr,
)
def test_bound_refuses(text: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        bound(text)


@pytest.mark.parametrize(
    ("number", "digits", "text"),
    [
        (2_000_000, 3, "2.00 M"), (82_340, 3, "82.3 k"), (823_400, 3, "823 k"), (999_999, 3, "1.00 M"), (512, 3, "512"),
        (0, 3, "0"), (0.01234, 3, "0.0123"), (999.9, 3, "1.00 k"), (1000, 3, "1.00 k"), (-1500, 3, "-1.50 k"),
        (1.2e16, 3, "12000 T"), (1234567, 5, "1.2346 M"), (1234567, 2, "1.2 M"), (1234567, 1, "1 M"), (999, 1, "999"),
        (float("inf"), 3, "inf"),
    ],
)  # fmt: skip
def test_human(number: float, digits: int, text: str) -> None:
    assert human(number, digits) == text


@pytest.mark.parametrize(
    ("value", "number"), [(3, 3.0), ("3ms", 3.0), ("3 ms", 3.0), ("250us", 0.25), ("1.5s", 1500.0)]
)
def test_milliseconds(value: object, number: float) -> None:
    assert milliseconds(value) == number


@pytest.mark.parametrize("value", ["3M", 0, "-1ms", None, "fast", True])
def test_milliseconds_refuses(value: object) -> None:
    with pytest.raises(ValueError, match="is no time: write a number of milliseconds above 0, such as 3ms"):
        milliseconds(value)


def test_quantity_reads_what_human_writes() -> None:
    dice = random.Random(3)
    for _ in range(2000):
        number = round(10 ** dice.uniform(0, 17))
        assert quantity(human(number)) == pytest.approx(number, rel=5.01e-3)
        assert quantity(human(number, digits=17)) == pytest.approx(number, rel=1e-14)
