"""The differences of a forest plot as plain lines: names, what each means, and estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.analysis.results import Contrast, Interaction, Reading
from studies.report import words
from studies.statistics import Estimate

MOST = 28
"""So many contrasts are drawn."""


@dataclass(frozen=True)
class Line:
    """A difference: its name, its estimate, and what it means (`clear`, `tie`, `open`, `raw`, a part of an error)."""

    name: str
    kind: str
    told: Estimate


def contrast_lines(reading: Reading) -> list[Line]:
    """Contrasts (each with its raw twin below), then interactions."""
    raw = {_key(one): one for one in reading.raw}
    lines: list[Line] = []
    for one in foremost(reading.contrasts, MOST):
        lines.append(Line(name(one), kind(one.p, one.tie), one.difference))
        if twin := raw.get(_key(one)):
            lines.append(Line(name(one), "raw", twin.difference))
    return lines + [Line(_interaction(one), kind(one.p, None), one.difference) for one in reading.interactions]


def foremost(every: Sequence[Contrast], most: int) -> Sequence[Contrast]:
    """All in their order; where they are too many, what is clear or tied comes first."""
    rank = ("clear", "tie", "open")
    return every if len(every) <= most else sorted(every, key=lambda one: rank.index(kind(one.p, one.tie)))


def kind(p: float | None, tie: float | None) -> str:
    """`clear`, `tie` or `open`, by the corrected p-values."""
    if p is not None and p < words.ALPHA:
        return "clear"
    return "tie" if tie is not None and tie < words.ALPHA else "open"


def name(one: Contrast) -> str:
    """`depth: 4 − 1`."""
    return f"{one.factor}: {words.level(one.high)} − {words.level(one.low)}"


def _key(one: Contrast) -> tuple[str, str, str]:
    return one.factor, words.level(one.low), words.level(one.high)


def _interaction(one: Interaction) -> str:
    (first, low, high), (second, less, more) = one.first, one.second
    return (
        f"{first} {words.level(high)} − {words.level(low)}, more at {second} {words.level(more)} than "
        f"{words.level(less)}"
    )
