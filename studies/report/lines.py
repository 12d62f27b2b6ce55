"""The differences of a forest plot as plain lines: names, what each means, and estimates."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from studies.analysis.cells import key
from studies.analysis.failures import withheld
from studies.analysis.results import Contrast, Errors, Interaction, Reading
from studies.report.figures.grid import text
from studies.statistics import ALPHA, Estimate

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
    raw = {pair(one): one for one in reading.raw}
    lines: list[Line] = []
    for one in foremost(reading, MOST):
        lines.append(Line(name(one, reading), kind(one, reading), one.difference))
        if twin := raw.get(pair(one)):
            lines.append(Line(name(one, reading), "raw", twin.difference))
    return lines + [
        Line(_interaction(one, reading), kind(one, reading), one.difference) for one in reading.interactions
    ]


def foremost(reading: Reading, most: int) -> Sequence[Contrast]:
    """All contrasts in their order; where they are too many, what is clear or tied comes first."""
    rank, every = ("clear", "tie", "withheld", "open"), reading.contrasts
    return every if len(every) <= most else sorted(every, key=lambda one: rank.index(kind(one, reading)))


def kind(one: Contrast | Interaction, reading: Reading) -> str:
    """`clear`, `tie` or `open`, by the corrected p-values; `withheld` where failed trials forbid to claim it."""
    clear = one.p is not None and one.p < ALPHA
    if isinstance(one, Interaction):
        lost = {table.factor for table in reading.failures if not table.survives}
        return "open" if not clear else "withheld" if lost & {one.first[0], one.second[0]} else "clear"
    if withheld(reading.failures, one):
        return "withheld"
    return "clear" if clear else "tie" if one.tie is not None and one.tie < ALPHA else "open"


def name(one: Contrast | Errors, reading: Reading) -> str:
    """`depth: 4 − 1`."""
    high, low = (text(reading.cells, one.factor, level) for level in (one.high, one.low))
    return f"{one.factor}: {high} − {low}"


def pair(one: Contrast) -> tuple[str, Hashable, Hashable]:
    """What a contrast compares."""
    return one.factor, key(one.low), key(one.high)


def _interaction(one: Interaction, reading: Reading) -> str:
    (first, low, high), (second, less, more) = one.first, one.second
    low, high = (text(reading.cells, first, level) for level in (low, high))
    less, more = (text(reading.cells, second, level) for level in (less, more))
    return f"{first} {high} − {low}, more at {second} {more} than {less}"
