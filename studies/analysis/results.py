"""What an analysis finds, as plain values: the nouns that verdict, report, screens and dashboard share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from studies.statistics import Estimate, estimate


@dataclass(frozen=True)
class CellResult:
    """One cell: levels, assignment, costs, every seed's value, and the replicates that failed with the kind of failure.

    `values` and `metrics` go by replicate. `first` is the size of the first stage where seeds were added by their
    spread (Stein 1945): intervals then use the deviation of the replicates below it. `reason` says why a cell could not
    be.
    """

    name: str
    levels: Mapping[str, Any]
    assignment: Mapping[str, Any]
    costs: Mapping[str, Any]
    values: Mapping[int, float]
    failed: Mapping[int, str] = field(default_factory=dict)
    reason: str | None = None
    metrics: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    first: int | None = None

    @property
    def estimate(self) -> Estimate | None:
        """None while no replicate is complete."""
        return estimate([self.values[one] for one in sorted(self.values)], first=self._early) if self.values else None

    @property
    def _early(self) -> int | None:
        """How many of the values are of the first stage; None where there was one stage only."""
        early = sum(replicate < (self.first or 0) for replicate in self.values)
        return early if 2 <= early < len(self.values) else None


@dataclass(frozen=True)
class Contrast:
    """Level `high` minus level `low` of a factor, averaged over the other factors, seed by seed.

    In a latin hypercube it is the difference of two levels in the fitted model (`slopes`).

    `p` is that of the two-sided paired t test, adjusted by Holm over every claim of the reading; `tie` that of the two
    one-sided tests against the margin (TOST), adjusted by Holm over all of these; None where it cannot be told.
    `left_out` names the combinations of the other factors whose two cells share too few seeds to take part, or none.
    """

    factor: str
    low: Any
    high: Any
    difference: Estimate
    p: float | None
    left_out: tuple[str, ...] = ()
    tie: float | None = None


@dataclass(frozen=True)
class Interaction:
    """How much the contrast of `first` (factor, low, high) changes from the low to the high level of `second`.

    A difference of differences, averaged over the other factors, seed by seed; `p` as a Contrast's.
    """

    first: tuple[str, Any, Any]
    second: tuple[str, Any, Any]
    difference: Estimate
    p: float | None


@dataclass(frozen=True)
class Trend:
    """A factor of numbers above zero: the effect per doubling, and the levels not distinguishable from the best one.

    `per_doubling` is the mean over the seeds of the slope over log2(level). `best` is a 95 % confidence set for the
    level whose mean is best, in rising order; `peak` is the level of the best mean. `p` is there where the slope is a
    claim of its own: in a latin hypercube, which has no peak and no best set.
    """

    factor: str
    per_doubling: Estimate
    peak: Any
    best: tuple[Any, ...]
    p: float | None = None


@dataclass(frozen=True)
class Flip:
    """A contrast matched and raw, where both exist; `clear` where both leave zero out after correction."""

    matched: Contrast
    raw: Contrast
    clear: bool

    @property
    def opposite(self) -> bool:
        """Whether the two point to different sides."""
        return self.matched.difference.mean * self.raw.difference.mean < 0


@dataclass(frozen=True)
class Share:
    """What part of the values' variance a source explains: a factor, an interaction, the seed, or the rest."""

    source: str
    share: float
    deviation: float


@dataclass(frozen=True)
class Beyond:
    """How far cells are off what effects and two-factor interactions add up to: a standard deviation over the cells.

    `p` is that of the F test against the seeds; a warning that averages may not hold in every cell, not a claim.
    """

    deviation: float
    p: float


@dataclass(frozen=True)
class Untuned:
    """Tuning trials that failed, by kind, of one cell at one setting, which therefore could not be chosen there."""

    cell: str
    setting: Mapping[str, Any]
    kinds: Mapping[str, int]


@dataclass(frozen=True)
class FailureTable:
    """Failures by level of one factor: level -> (failed, ended); `p` of Fisher's exact test that they do not depend.

    `survives` is False where a claim of this factor would turn if every failed trial counted as the worst value seen.
    `everywhere`: its effect is told from all cells, whatever levels it is told between.
    """

    factor: str
    counts: Mapping[Any, tuple[int, int]]
    p: float
    kinds: Mapping[str, int]
    survives: bool = True
    everywhere: bool = False


@dataclass(frozen=True)
class Errors:
    """A contrast's difference in error on validation, split: how it trains (optimisation), how it carries over.

    All are level `high` minus `low` of 1 - accuracy, or of the loss: `training` on training examples, `gap` validation
    minus training. They sum to `validation`. `source` names the metric that the training error was read from.
    """

    factor: str
    low: Any
    high: Any
    validation: Estimate
    training: Estimate
    gap: Estimate
    source: str


@dataclass(frozen=True)
class PowerLaw:
    """error = a n^-b + c over the sizes n of the training set, by least squares, with 95 % intervals.

    `forecast` is the predicted error at twice and ten times the largest size: (n, Estimate-like mean, low, high).
    """

    sizes: tuple[int, ...]
    a: float
    b: tuple[float, float, float]
    c: tuple[float, float, float]
    forecast: tuple[tuple[int, float, float, float], ...]
    regime: str


@dataclass(frozen=True)
class Reading:
    """Everything that a design study's rows say, from which sentences and pictures are made.

    `contrasts` compare the cells as the study asks: at equal cost where something is matched, each at its own best
    nuisance setting where something is tuned. `raw` holds those of the unmatched cells, `common` those at the one
    nuisance setting that is best on average (of the tuning trials). `best` names the cells that are not
    distinguishable from the best one (95 %). `margin` is the size below which a difference does not matter.
    """

    cells: tuple[CellResult, ...]
    raw_cells: tuple[CellResult, ...]
    contrasts: tuple[Contrast, ...]
    raw: tuple[Contrast, ...]
    common: tuple[Contrast, ...]
    common_setting: Mapping[str, Any]
    interactions: tuple[Interaction, ...]
    trends: tuple[Trend, ...]
    flips: tuple[Flip, ...]
    best: tuple[str, ...]
    failures: tuple[FailureTable, ...]
    shares: tuple[Share, ...]
    errors: tuple[Errors, ...]
    law: PowerLaw | None
    margin: float | None
    claims: int
    beyond: Beyond | None = None
    untuned: tuple[Untuned, ...] = ()
