"""What is judged: a study and what was read from it, and which of its contrasts may be told as claims."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from searchspace.language.problems import shown
from searchspace.language.space import label
from studies.analysis.cells import key, numeric
from studies.analysis.failures import withheld
from studies.analysis.results import CellResult, Contrast, FailureTable, Interaction, Reading, Trend
from studies.design.replicates import needed
from studies.design.spec import DesignSpec
from studies.spec import StudySpec
from studies.statistics import ALPHA, Estimate
from studies.verdict.simple import simple_contrasts, stands
from studies.verdict.words import Scale, counted
from worker.metrics import is_share

STRICT = 0.01
"""A warning is no claim of the family that Holm corrects, so it is given only where it is nearly sure."""

Standing = Literal["clear", "small", "tied", "open", "withheld", "untested"]
"""`small`: clearly different, and clearly by less than what matters. `untested`: one seed.

`withheld`: it would be told, were it not for failures.
"""


@dataclass(frozen=True)
class Case:
    """A study's specification and its reading."""

    spec: StudySpec
    reading: Reading

    @property
    def design(self) -> DesignSpec:
        """A case is of a design study."""
        assert self.spec.design is not None
        return self.spec.design

    @property
    def metric(self) -> str:
        """What is compared."""
        return self.spec.objective.target

    @property
    def scale(self) -> Scale:
        """How its differences are written."""
        return Scale(is_share(self.metric))

    @property
    def ran(self) -> list[CellResult]:
        """The cells with a value."""
        return [cell for cell in self.reading.cells if cell.values]

    def of(self, factor: str, contrasts: Sequence[Contrast] | None = None) -> list[Contrast]:
        """A factor's contrasts."""
        return [one for one in (self.reading.contrasts if contrasts is None else contrasts) if one.factor == factor]

    def good(self, value: float) -> bool:
        """Whether a difference of this sign is for the better."""
        return (value > 0) == (self.spec.objective.direction == "maximize")

    def winner(self, one: Contrast) -> tuple[str, str]:
        """The better and the worse level, as words."""
        high, low = self.level(one.factor, one.high), self.level(one.factor, one.low)
        return (high, low) if self.good(one.difference.mean) else (low, high)

    def standing(self, one: Contrast) -> Standing:
        """What may be said of a contrast: one thing only."""
        if one.p is None:
            return "untested"
        different, tied = one.p < ALPHA, one.tie is not None and one.tie < ALPHA
        if withheld(self.reading.failures, one):
            return "withheld"
        return "small" if different and tied else "clear" if different else "tied" if tied else "open"

    def standings(self, factor: str, *which: Standing) -> list[Contrast]:
        """A factor's contrasts of these standings."""
        return [one for one in self.of(factor) if self.standing(one) in which]

    def claims(self, factor: str) -> list[Contrast]:
        """Those that are told as differences, the largest first."""
        return sorted(self.standings(factor, "clear", "small"), key=lambda one: -abs(one.difference.mean))

    def same(self, one: Contrast, others: Sequence[Contrast]) -> Contrast | None:
        """The same two levels among other contrasts."""
        return next((two for two in others if _pair(two) == _pair(one)), None)

    def simple(self, first: tuple[str, Any, Any], second: str, level: Any) -> Estimate | None:
        """High minus low of `first` (factor, low, high) at one level of a second factor; None where cells lack."""
        factor, low, high = first
        place = (factor, second, key(level))
        if place not in self._told:
            pairs = [(one.low, one.high) for one in self.of(factor)]
            found = simple_contrasts(self.ran, factor, pairs, second, level)
            self._told[place] = {(key(one.low), key(one.high)): one.difference for one in found}
        return self._told[place].get((key(low), key(high)))

    @cached_property
    def _told(self) -> dict[tuple[Any, ...], dict[tuple[Any, Any], Estimate]]:
        """The simple effects so far: by (factor, second factor, its level), then by (low, high)."""
        return {}

    @cached_property
    def depends(self) -> list[Interaction]:
        """The strongest clear interaction of each two factors, largest first; none that failures put in doubt."""
        clear = [one for one in self.reading.interactions if one.p is not None and one.p < ALPHA]
        sure = [
            one
            for one in clear
            if not (self.doubted(one.first[0]) or self.doubted(one.second[0]))
            and stands(self.reading.cells, one, self.spec.objective.direction)
        ]
        sure.sort(key=lambda one: -abs(one.difference.mean))
        kept: dict[frozenset[str], Interaction] = {}
        for one in sure:
            kept.setdefault(frozenset((one.first[0], one.second[0])), one)
        return list(kept.values())

    @property
    def uneven(self) -> bool:
        """Whether cells are surely off what effects and two-factor interactions add up to, by a strict test."""
        beyond = self.reading.beyond
        return beyond is not None and beyond.p < STRICT

    def partners(self, factor: str) -> list[str]:
        """The factors on which this one's effect clearly depends."""
        pairs = [(one.first[0], one.second[0]) for one in self.depends]
        return [other for two in pairs if factor in two for other in two if other != factor]

    def table(self, factor: str) -> FailureTable | None:
        """The failures by level of a factor."""
        return next((one for one in self.reading.failures if one.factor == factor), None)

    def doubted(self, factor: str) -> bool:
        """Whether a claim of this factor would turn if failed trials counted as the worst."""
        found = self.table(factor)
        return found is not None and not found.survives

    def slope(self, one: Contrast) -> bool:
        """Whether a contrast is of the ends of a fitted line, not of two levels that were run against each other."""
        return self.design.arrangement == "latin_hypercube" and numeric((one.low, one.high))

    def trend(self, factor: str) -> Trend | None:
        """How a factor of numbers goes, where that was read."""
        return next((one for one in self.reading.trends if one.factor == factor), None)

    def held_back(self, one: Contrast | Interaction) -> str:
        """An interval without zero that is no claim is explained."""
        low, high = one.difference.low or 0.0, one.difference.high or 0.0
        if low * high <= 0 or not one.difference.deviation:
            return ""
        return f", which leaves zero out, but not after Holm's correction for {counted(self.reading.claims, 'claim')}"

    def level(self, factor: str, value: Any) -> str:
        """A level in words: a section by its kind, or whole where two of the factor's have one kind."""
        found = self._sections.get(factor, {})
        value = found.get(value, value) if isinstance(value, str) else value  # a table's key
        kind = label(value)
        if kind is None:
            return _plain(value)
        alike = [other for other in found.values() if label(other) == kind and other != value]
        return shown(value) if alike else kind

    @cached_property
    def seeds(self) -> dict[str, int]:
        """How many seeds each cell gets in all, which a first stage tells once it has ended."""
        cells, least = self.reading.cells, self.design.least
        if any(len({*cell.values, *cell.failed}) < least for cell in cells if not cell.reason):
            return dict.fromkeys((cell.name for cell in cells), least)
        return needed(self.design, cells)

    @cached_property
    def _sections(self) -> dict[str, dict[str, Any]]:
        """Of each factor the levels that are sections or lists, by their text."""
        found: dict[str, dict[str, Any]] = {}
        for cell in self.reading.cells:
            for name, level in cell.levels.items():
                if isinstance(level, dict | list):
                    found.setdefault(name, {})[repr(level)] = level
        return found


def _pair(one: Contrast) -> tuple[str, str, str]:
    return one.factor, repr(one.low), repr(one.high)


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, str):
        return shown(value) if set(value) & set(",;:=") or not value else value
    return f"{value:.4g}" if isinstance(value, float) else shown(value)
