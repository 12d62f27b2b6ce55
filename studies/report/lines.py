"""The differences of a forest plot as plain lines: names, what each means, and estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from studies.analysis.failures import withheld
from studies.analysis.results import Contrast, Interaction, Reading
from studies.report import words
from studies.statistics import Estimate

MOST = 28
"""So many contrasts are drawn."""


@dataclass(frozen=True)
class Line:
    """A difference: its name, what it means, and its estimate.

    It means `clear`, `tie`, `open`, `withheld`, `raw`, or a part of an error.
    """

    name: str
    kind: str
    told: Estimate


def contrast_lines(reading: Reading) -> list[Line]:
    """Contrasts (each with its raw twin below), then interactions."""
    raw = {_key(one): one for one in reading.raw}
    lines: list[Line] = []
    for one in foremost(reading, MOST):
        lines.append(Line(name(one), kind(one, reading), one.difference))
        if twin := raw.get(_key(one)):
            lines.append(Line(name(one), "raw", twin.difference))
    return lines + [Line(_interaction(one), kind(one, reading), one.difference) for one in reading.interactions]


def foremost(reading: Reading, most: int) -> Sequence[Contrast]:
    """All contrasts in their order; where they are too many, what is clear or tied comes first."""
    rank, every = ("clear", "tie", "withheld", "open"), reading.contrasts
    return every if len(every) <= most else sorted(every, key=lambda one: rank.index(kind(one, reading)))


def kind(one: Contrast | Interaction, reading: Reading) -> str:
    """`clear`, `tie` or `open`, by the corrected p-values; `withheld` where failed trials forbid to claim it."""
    clear = one.p is not None and one.p < words.ALPHA
    if isinstance(one, Interaction):
        lost = {table.factor for table in reading.failures if not table.survives}
        return "open" if not clear else "withheld" if lost & {one.first[0], one.second[0]} else "clear"
    if withheld(reading.failures, one):
        return "withheld"
    return "clear" if clear else "tie" if one.tie is not None and one.tie < words.ALPHA else "open"


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
