"""Studies of known truth, drawn at random as the cells that an analysis reads, and the limits of a share of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import sqrt
from typing import Any

import numpy as np
from scipy.stats import beta

from studies.analysis.results import CellResult
from studies.design.replicates import wanted
from studies.design.spec import DesignSpec

Rule = Callable[[Mapping[str, Any]], float]
Levels = Mapping[str, tuple[Any, ...]]
Values = np.ndarray[Any, np.dtype[np.float64]]


def nothing(levels: Mapping[str, Any]) -> float:
    """No factor matters."""
    return 0.0


def uneven(levels: Mapping[str, Any]) -> float:
    """A deviation that differs eightfold between a factor's levels."""
    return 0.5 * 2.0 ** (sum(map(_number, levels.values())) % 4)


def _number(level: Any) -> int:
    return level if isinstance(level, int) else ord(level)


@dataclass(frozen=True)
class Made:
    """How studies are made: levels, seeds, the truth, and the noise of a cell (its deviation) and of a seed."""

    name: str
    levels: Levels
    seeds: int
    truth: Rule = nothing
    noise: Rule = lambda levels: 1.0
    shared: float = 0.0
    tails: str = "normal"
    adaptive: Mapping[str, Any] | None = None
    raw: bool = False

    @property
    def factors(self) -> list[str]:
        """Their names."""
        return [*self.levels]

    @property
    def design(self) -> DesignSpec:
        """As the study's file would say it."""
        return DesignSpec.model_validate({"factors": self.factors, "replicates": self.adaptive or self.seeds})

    def combinations(self) -> list[dict[str, Any]]:
        """Every cell's levels."""
        return [dict(zip(self.levels, one, strict=True)) for one in product(*self.levels.values())]


def draws(made: Made, number: int, seed: int = 1) -> Iterator[list[CellResult]]:
    """So many independent studies of one making."""
    dice, combinations, design = np.random.default_rng(seed), made.combinations(), made.design
    truth = np.array([[made.truth(one)] for one in combinations])
    noise = np.array([[made.noise(one)] for one in combinations])
    for _ in range(number):
        values = truth + noise * _noise(dice, made.tails, (len(combinations), design.most))
        values += made.shared * dice.normal(size=(1, design.most))
        values = np.round(values) if made.tails == "coarse" else values
        yield _study(made, design, combinations, values)


def _noise(dice: np.random.Generator, tails: str, shape: tuple[int, int]) -> Values:
    if tails == "heavy":
        return dice.standard_t(3, shape) / sqrt(3)
    return dice.exponential(size=shape) - 1 if tails == "skewed" else dice.normal(size=shape)


def _study(
    made: Made, design: DesignSpec, combinations: Sequence[Mapping[str, Any]], values: Values
) -> list[CellResult]:
    names = [str(place) for place in range(len(combinations))]
    counts = dict.fromkeys(names, design.most)
    if made.adaptive:
        counts |= wanted(design, [*_rows(names, combinations, values, design.least)])
    first = design.least if made.adaptive else None
    return [
        CellResult(name, one, one, {}, dict(enumerate(row[: counts[name]].tolist())), first=first)
        for name, one, row in zip(names, combinations, values, strict=True)
    ]


def _rows(
    names: Sequence[str], combinations: Sequence[Mapping[str, Any]], values: Values, seeds: int
) -> Iterator[dict[str, Any]]:
    """The trials of the first stage."""
    for name, one, row in zip(names, combinations, values, strict=True):
        head = {"phase": "design", "cell": name, "assignment": one, "state": "complete"}
        yield from ({**head, "replicate": at, "value": float(row[at])} for at in range(seeds))


def limits(hits: int, number: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share."""
    low = float(beta.ppf(0.025, hits, number - hits + 1)) if hits else 0.0
    return low, float(beta.ppf(0.975, hits + 1, number - hits)) if hits < number else 1.0
