"""How the learning rate changes: each schedule is a pure function of where a training stands. No torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from searchspace.blueprint import Spec, as_tuple
from searchspace.language.problems import FieldError
from worker.recipe.parts import Finite, Fraction, Share

Epoch = Annotated[int, Field(ge=1)]


@dataclass(frozen=True)
class Progress:
    """Where a training stands: `step` (from 0) of `steps` in all, `steps_per_epoch`, the validation losses so far."""

    step: int
    steps: int
    steps_per_epoch: int
    losses: Sequence[float] = ()

    @property
    def epoch(self) -> int:
        """The epochs that are done."""
        return self.step // self.steps_per_epoch


class Warmup(Spec):
    """The first `epochs` rise in a straight line from `first` of the rate to all of it (Goyal et al. 2017)."""

    epochs: Annotated[Finite, Field(gt=0)]
    first: Fraction = 0.0

    def factor(self, at: Progress) -> float:
        """Step s of the n of the warm-up: first + (1 - first) (s + 1) / n, at most 1 (He et al. 2019, 3.1).

        One step ahead of torch's LinearLR, so that no step is wasted on a rate of zero.
        """
        share = min(1.0, (at.step + 1) / (self.epochs * at.steps_per_epoch))
        return self.first + (1 - self.first) * share


class Warmed(Spec):
    """A schedule that may begin with a warm-up, which multiplies it. What falls all the way falls after it."""

    warmup: Warmup | None = None

    def factor(self, at: Progress) -> float:
        """What the learning rate is multiplied by at this step."""
        return self._factor(at) * (self.warmup.factor(at) if self.warmup else 1.0)

    def _factor(self, at: Progress) -> float:
        raise NotImplementedError

    def _done(self, at: Progress) -> float:
        """The share that is done of the steps after the warm-up: 0 during it, and 1 just after the last step."""
        first = self.warmup.epochs * at.steps_per_epoch if self.warmup else 0.0
        return max(0.0, at.step - first) / max(1.0, at.steps - first)


class Constant(Warmed):
    """The same learning rate at every step."""

    kind: Literal["constant"]

    def _factor(self, at: Progress) -> float:
        return 1.0


class Step(Warmed):
    """Multiplied by `by` after each of the epochs `at` (`at: [80, 120]`), or after every so many (`every: 30`)."""

    kind: Literal["step"]
    at: Annotated[tuple[Epoch, ...], BeforeValidator(as_tuple)] = ()
    every: Epoch | None = None
    by: Share = 0.1

    @model_validator(mode="after")
    def _when(self) -> Step:
        if bool(self.at) == bool(self.every):
            got = "neither" if not self.at else "both"
            raise FieldError(
                "every" if self.every else "at",
                f"step takes one of at and every, not {got}; write at: [80, 120] or every: 30",
            )
        if list(self.at) != sorted(set(self.at)):
            raise FieldError("at", f"{list(self.at)} does not rise; write {sorted(set(self.at))}")
        return self

    def _factor(self, at: Progress) -> float:
        drops = at.epoch // self.every if self.every else sum(at.epoch >= epoch for epoch in self.at)
        return float(self.by**drops)


class Plateau(Warmed):
    """Multiplied by `by` when more than `patience` epochs in a row brought no loss lower by `min_delta` (a share).

    The loss is validation's. As torch's ReduceLROnPlateau in its relative mode, without cooldown.
    """

    kind: Literal["plateau"]
    patience: Epoch = 5
    by: Share = 0.1
    min_delta: Fraction = 1e-4

    def _factor(self, at: Progress) -> float:
        return float(self.by ** _plateaus(tuple(at.losses), self.patience, self.min_delta))


class Exponential(Warmed):
    """Multiplied by `by` after each epoch."""

    kind: Literal["exponential"]
    by: Share = 0.95

    def _factor(self, at: Progress) -> float:
        return float(self.by**at.epoch)


class Cosine(Warmed):
    """From the full learning rate to `last` of it along half a cosine (Loshchilov & Hutter 2017, no restarts)."""

    kind: Literal["cosine"]
    last: Fraction = 0.0

    def _factor(self, at: Progress) -> float:
        return _between(1.0, self.last, self._done(at))


class Linear(Warmed):
    """From the full learning rate to `last` of it in a straight line."""

    kind: Literal["linear"]
    last: Fraction = 0.0

    def _factor(self, at: Progress) -> float:
        return 1.0 + (self.last - 1.0) * self._done(at)


class OneCycle(Spec):
    """Up from lr / div to lr over the first part, then down to lr / (div final_div) (Smith & Topin 2018)."""

    kind: Literal["one_cycle"] = "one_cycle"
    warmup_fraction: Fraction = 0.3
    div: Annotated[Finite, Field(ge=1.0)] = 25.0
    final_div: Annotated[Finite, Field(ge=1.0)] = 1e4

    def factor(self, at: Progress) -> float:
        """Half cosines up to the peak at step `warmup_fraction * steps - 1`, then down; as torch's OneCycleLR.

        A training of a single step takes it at the peak, where torch's formula would learn nothing.
        """
        if at.steps == 1:
            return 1.0
        peak = self.warmup_fraction * at.steps - 1
        if peak > 0 and at.step <= peak:
            return _between(1 / self.div, 1.0, at.step / peak)
        return _between(1.0, 1 / (self.div * self.final_div), (at.step - peak) / (at.steps - 1 - peak))


Schedule = Constant | Step | Plateau | Exponential | Cosine | Linear | OneCycle


@lru_cache(maxsize=8)
def _plateaus(losses: tuple[float, ...], patience: int, min_delta: float) -> int:
    """How often more than `patience` epochs in a row were not better than the best by the share `min_delta`."""
    best, bad, found = math.inf, 0, 0
    for loss in losses:
        better = loss < best * (1 - min_delta)
        best, bad = (loss, 0) if better else (best, bad + 1)
        if bad > patience:
            found, bad = found + 1, 0
    return found


def _between(start: float, end: float, progress: float) -> float:
    """From `start` to `end` along half a cosine as `progress` goes from 0 to 1."""
    return end + (start - end) / 2 * (1 + math.cos(math.pi * progress))
