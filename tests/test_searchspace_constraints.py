"""Constraints on costs: what is over, by how much, and how it is said."""

import pytest

from searchspace.cost import Cost
from searchspace.language.constraints import Constraint, Violation, parse, violations

COST = Cost(params=90_000, macs=1_500_000, activations=4_000, field=7, depth=3)


def test_parse() -> None:
    found = parse({"params": "<= 60k", "macs": ">= 1M"})
    assert found == (Constraint("params", "<=", 60_000.0), Constraint("macs", ">=", 1_000_000.0))


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"flops": "<= 60k"}, "^'flops' is no cost that is counted; use one of params, macs, activations"),
        ({"params": "60k"}, "^'60k' is no bound: write <= or >= and a number"),
    ],
    ids=["cost", "bound"],
)
def test_parse_refuses(raw: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(raw)


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ({"params": "<= 60k"}, Violation("params", "90.0 k params is not <= 60.0 k", 0.5)),
        ({"macs": ">= 2M"}, Violation("macs", "1.50 M macs is not >= 2.00 M", 0.25)),
        ({"activations": "<= 0"}, Violation("activations", "4.00 k activations is not <= 0", 4_000.0)),
        ({"params": "<= 90k", "macs": ">= 1.5M"}, None),
    ],
    ids=["above", "below", "nothing allowed", "met exactly"],
)
def test_violations(raw: dict[str, str], found: Violation | None) -> None:
    assert violations(COST, parse(raw)) == ((found,) if found else ())


def test_all_that_is_broken_is_told() -> None:
    assert [one.where for one in violations(COST, parse({"params": "<= 1", "macs": "<= 1"}))] == ["params", "macs"]
