"""Constraints on costs: what a network may cost, and by how much a proposal misses it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from searchspace.cost import COUNTED, Cost
from searchspace.language.units import bound, human


@dataclass(frozen=True)
class Constraint:
    """`cost <= limit` or `cost >= limit`."""

    cost: str
    relation: Literal["<=", ">="]
    limit: float

    def excess(self, cost: Cost) -> float:
        """By what fraction of the limit the cost is over (positive) or within (0 or negative) the constraint."""
        over = getattr(cost, self.cost) / self.limit - 1 if self.limit else float(getattr(cost, self.cost))
        return over if self.relation == "<=" else -over


@dataclass(frozen=True)
class Violation:
    """Why a proposal may not be trained: the place or cost, one sentence, and the excess (see `Constraint.excess`)."""

    where: str
    message: str
    excess: float


def parse(raw: Mapping[str, str]) -> tuple[Constraint, ...]:
    """`{params: "<= 60k"}`; a ValueError names an unknown cost or a bad bound."""
    constraints = []
    for name, text in raw.items():
        if name not in COUNTED:
            raise ValueError(f"{name!r} is no cost that is counted; use one of {', '.join(COUNTED)}")
        relation, limit = bound(text)
        constraints.append(Constraint(name, "<=" if relation == "<=" else ">=", limit))
    return tuple(constraints)


def violations(cost: Cost, constraints: Sequence[Constraint]) -> tuple[Violation, ...]:
    """The constraints that a network of this cost breaks."""
    return tuple(
        Violation(
            rule.cost,
            f"{human(getattr(cost, rule.cost))} {rule.cost} is not {rule.relation} {human(rule.limit)}",
            rule.excess(cost),
        )
        for rule in constraints
        if rule.excess(cost) > 0
    )
