"""Which claims stand: Holm's correction over all differences of a study, and apart from them over all its ties.

Both families are at 5 %. A study that claims a difference where there is none does so in at most 5 % of cases,
whatever else is true; so does one that claims a tie where the difference is as large as the margin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from studies.analysis.results import Contrast, Interaction
from studies.statistics import holm, within

Claim = TypeVar("Claim", Contrast, Interaction)


def adjusted(found: Sequence[Contrast]) -> list[Contrast]:
    """Contrasts with their p adjusted over all of these."""
    return [replace(one, p=p) for one, p in zip(found, holm([one.p for one in found]), strict=True)]


def family(
    groups: Sequence[Sequence[Contrast]], interactions: Sequence[Interaction]
) -> tuple[list[list[Contrast]], list[Interaction]]:
    """Several groups of contrasts and the interactions, every p adjusted over all of them together."""
    every = [one.p for group in groups for one in group] + [one.p for one in interactions]
    left = iter(holm(every))
    return (
        [[replace(one, p=next(left)) for one in group] for group in groups],
        [replace(one, p=next(left)) for one in interactions],
    )


def tied(groups: Sequence[Sequence[Contrast]], margin: float | None) -> list[list[Contrast]]:
    """The contrasts with the adjusted p of their equivalence within +- margin; None without a margin."""
    if margin is None:
        return [list(group) for group in groups]
    left = iter(holm([within(one.difference, margin) for group in groups for one in group]))
    return [[replace(one, tie=next(left)) for one in group] for group in groups]
