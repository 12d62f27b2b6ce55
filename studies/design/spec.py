"""The `design:` section: which cells are compared, what is held equal, and how often each cell is trained."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from searchspace.blueprint import Spec
from searchspace.language.problems import FieldError
from studies.fields import Amount, Fraction, Milliseconds, Quantity
from worker.metrics import is_share

HELD = ("macs", "params", "activations", "memory", "train_macs", "field", "latency")
"""What a match can hold: `memory` in bytes to train, `train_macs` of the whole training, `latency` in milliseconds."""
DEFAULT_REPLICATES = 3
DEFAULT_MARGIN = 0.005
"""The difference in a share (an accuracy) below which two cells count as equal: half a point."""


class MatchTo(Spec):
    """Hold costs equal in every cell: `{macs: 2M, by: width, tolerance: 4%}`. Several costs take several variables.

    Without `by` nothing is turned: cells that are not within the tolerance as they stand are reported.
    """

    macs: Quantity | None = None
    params: Quantity | None = None
    activations: Quantity | None = None
    memory: Quantity | None = None
    train_macs: Quantity | None = None
    field: Quantity | None = None
    latency: Milliseconds | None = None
    by: str | Annotated[list[str], Field(min_length=1)] | None = None
    tolerance: Fraction = 0.05

    @model_validator(mode="after")
    def _sound(self) -> MatchTo:
        if not self.targets:
            raise ValueError(f"a match holds a cost; write one of {', '.join(HELD)}, such as {{macs: 2M}}")
        for name, target in self.targets.items():
            if target <= 0:
                raise FieldError(name, f"a match needs a cost above 0, got {target:g}; write one, such as 2M")
        if isinstance(self.by, list) and len(set(self.by)) < len(self.by):
            raise FieldError("by", "a variable is named twice; name each once")
        return self

    @property
    def targets(self) -> dict[str, float]:
        """What each held cost should be."""
        return {name: float(value) for name in HELD if (value := getattr(self, name)) is not None}

    @property
    def turned(self) -> tuple[str, ...]:
        """The variables that are solved for."""
        return (self.by,) if isinstance(self.by, str) else tuple(self.by or ())


class Until(Spec):
    """The half-width of a 95 % interval that is wanted, `of` each cell's mean or of each compared difference."""

    half_width: Amount
    of: Literal["means", "effects"] = "means"


class Adaptive(Spec):
    """Stein's two stages (1945): `at_least` seeds for every cell, then as many more as their spread calls for."""

    until: Until
    at_least: Annotated[int, Field(ge=3, le=1_000)] = 5
    at_most: Annotated[int, Field(ge=3, le=1_000)] = 20

    @model_validator(mode="after")
    def _rising(self) -> Adaptive:
        if self.at_most < self.at_least:
            raise FieldError("at_most", f"got {self.at_most}, which is below at_least ({self.at_least}); raise it")
        return self


class DesignSpec(Spec):
    """A controlled study: combinations of the factors' levels, each trained on several seeds."""

    factors: Annotated[list[str], Field(min_length=1)]
    layout: Literal["factorial", "one_at_a_time", "fractional", "latin_hypercube"] | None = None
    baseline: dict[str, Any] | None = None
    runs: Annotated[int, Field(ge=2, le=1_000)] | None = None
    cells: Annotated[list[dict[str, Any]], Field(min_length=1)] | None = None
    compare: dict[str, list[Annotated[list[Any], Field(min_length=2, max_length=2)]]] | None = None
    match: MatchTo | None = None
    raw: dict[str, Any] | None = None
    tune: dict[str, Annotated[list[Any], Field(min_length=2)]] | None = None
    tune_replicates: Annotated[int, Field(ge=1, le=100)] | None = None
    margin: Amount | None = None
    noise: Amount | None = None
    replicates: Annotated[int, Field(ge=1, le=1_000)] | Adaptive = DEFAULT_REPLICATES

    @property
    def least(self) -> int:
        """The seeds that every cell gets."""
        return self.replicates.at_least if isinstance(self.replicates, Adaptive) else self.replicates

    @property
    def most(self) -> int:
        """The seeds that a cell may get."""
        return self.replicates.at_most if isinstance(self.replicates, Adaptive) else self.replicates

    @property
    def turned(self) -> tuple[str, ...]:
        """The variables that a match solves for."""
        return self.match.turned if self.match else ()

    @property
    def held(self) -> dict[str, float]:
        """What each held cost should be."""
        return self.match.targets if self.match else {}

    def smallest(self, metric: str) -> float | None:
        """The smallest difference of a metric that matters: as written, else half a point of a share, else unknown."""
        if self.margin is not None:
            return float(self.margin)
        return DEFAULT_MARGIN if is_share(metric) else None

    @property
    def arrangement(self) -> str:
        """How the cells are laid out, in one word."""
        return "cells" if self.cells else self.layout or "factorial"
