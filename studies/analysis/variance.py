"""What share of the values' variance is each factor's, their interactions', the seed's, and the rest.

Values are fitted as mean + factors + interactions + seed (a block: its common effect on all cells); interactions are
those of two factors, and in one term whatever else cells hold where there are three factors and more. A
term's sum of squares is that of adding it to all terms that do not contain it (type II; in a balanced design all types
agree); chance alone gives it freedom x the residual mean square, which is taken off. What remains, over the number of
values, is the mean square of a factor's effects (the estimate in Hays' omega squared, 1963). Seeds are drawn, not
chosen: theirs is the component of variance, (mean square - residual mean square) / values a seed. Negative components
count as none. The rest is the interaction of seed and cell.

Where factors are mixed with interactions (a fraction of all combinations) these are part of the factors; where factors
are mixed with each other (a latin hypercube, cells chosen by hand) nobody can say whose the variance is.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import TYPE_CHECKING, Any

from studies.analysis.cells import key
from studies.analysis.results import Beyond, CellResult, Share

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Terms = dict[tuple[str, ...], range]

Term = tuple[str, ...]

NOTHING = 1e-20
"""A sum of squares that is so small a part of the whole is rounding."""
_BLOCK = ("",)
"""The seeds' term: a name that no factor has."""
ALIASED = 1e-10
"""Directions of the design that are this small beside the largest are none: what is mixed with something else."""


def shares(cells: Sequence[CellResult], factors: Sequence[str]) -> tuple[Share, ...]:
    """Each factor, "interactions", "seed", "rest", which sum to 1; nothing where no freedom or no variance is left.

    Without freedom for interactions (one seed, say), or where they cannot be told from factors, they are part of these.
    """
    told = [(cell, seed, cell.values[seed]) for cell in cells for seed in sorted(cell.values)]
    values = [value for _, _, value in told]
    if len(values) < 3 or max(values) - min(values) <= 1e-12 * max(map(abs, values)):
        return ()
    labels = _labels([cell for cell, _, _ in told], [seed for _, seed, _ in told], factors)
    models = ({name: codes for name, codes in labels.items() if len(name) <= most} for most in (len(factors), 2, 1))
    components = next((found for one in models if (found := _components(Model.of(one, values)))), {})
    total = sum(components.values())
    return tuple(Share(name, part / total, sqrt(part)) for name, part in components.items()) if total > 0 else ()


def beyond(cells: Sequence[CellResult], factors: Sequence[str]) -> Beyond | None:
    """What cells have that effects and two-factor interactions do not add up to; None where that cannot be told.

    F = (sum of squares that the cells gain / freedom) / residual mean square: the test of a lack of fit.
    """
    from scipy.special import fdtrc

    told = [(cell, seed, cell.values[seed]) for cell in cells for seed in sorted(cell.values)]
    if not told:
        return None
    labels = _labels([cell for cell, _, _ in told], [seed for _, seed, _ in told], factors)
    model = Model.of(labels, [value for _, _, value in told])
    gained, spent = model.gain([name for name in labels if len(name) <= 2], labels)
    left, freedom = model.residual(labels)
    if spent < 1 or freedom < 1 or left <= NOTHING * model.total:
        return None
    noise = left / freedom
    deviation = sqrt(max(0.0, (gained - spent * noise) / model.number))
    return Beyond(deviation, float(fdtrc(spent, freedom, gained / spent / noise)))


def _labels(cells: Sequence[CellResult], seeds: Sequence[int], factors: Sequence[str]) -> dict[Term, list[int]]:
    """Each value's level as a number, by term: (factor,), (factor, factor), all factors, and the seeds' `_BLOCK`."""
    single = {name: _codes([key(cell.levels[name]) for cell in cells]) for name in factors}
    varied = [name for name in factors if max(single[name])]
    found: dict[Term, list[int]] = {(name,): single[name] for name in varied}
    for one, two in combinations(varied, 2):
        found[one, two] = _codes([*zip(single[one], single[two], strict=True)])
    if len(varied) > 2:
        found[tuple(varied)] = _codes([*zip(*(single[name] for name in varied), strict=True)])
    return found | ({_BLOCK: _codes(seeds)} if len(set(seeds)) > 1 else {})


def _codes(labels: Sequence[Hashable]) -> list[int]:
    numbers: dict[Hashable, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


@dataclass(frozen=True)
class Model:
    """The products of all indicator columns with each other and with the values, and where each term's columns are."""

    terms: Terms
    gram: Array
    values: Array
    total: float
    number: int

    @classmethod
    def of(cls, labels: Mapping[Term, Sequence[int]], values: Sequence[float]) -> Model:
        """Every term's indicators, and a column of ones in the first place."""
        import numpy as np

        terms, start = {}, 1
        for name, codes in labels.items():
            terms[name] = range(start, start + max(codes) + 1)
            start = terms[name].stop
        design = np.zeros((len(values), start))
        design[:, 0] = 1.0
        for name, codes in labels.items():
            design[np.arange(len(values)), np.asarray(codes) + terms[name].start] = 1.0
        centred = np.asarray(values) - np.mean(values)
        return cls(terms, design.T @ design, design.T @ centred, float(centred @ centred), len(values))

    def residual(self, names: Collection[Term]) -> tuple[float, int]:
        """The sum of squares that a least-squares fit of these terms leaves, and its degrees of freedom."""
        import numpy as np

        places = [0, *(place for name in names for place in self.terms[name])]
        sizes, turned = np.linalg.eigh(self.gram[np.ix_(places, places)])
        kept = sizes > ALIASED * sizes[-1]
        along = turned[:, kept].T @ self.values[places]
        return max(0.0, self.total - float((along**2 / sizes[kept]).sum())), self.number - int(kept.sum())

    def gain(self, small: Collection[Term], large: Collection[Term]) -> tuple[float, int]:
        """How much the sum of squares left, and its freedom, fall from the small to the large model."""
        (before, free), (after, less) = self.residual(small), self.residual(large)
        return before - after, free - less


def _components(model: Model) -> dict[str, float]:
    """Variance by source; empty where no freedom is left for the residual, or what a factor does cannot be told."""
    left, freedom = model.residual(model.terms)
    if freedom < 1:
        return {}
    noise, found = left / freedom, {}
    for name, places in model.terms.items():
        if len(name) == 1:
            others = [term for term in model.terms if term != name and name[0] not in term]
            gained, spent = model.gain(others, [*others, name])
            if spent < len(places) - 1:
                return {}
            by = (spent * model.number / len(places)) if name == _BLOCK else model.number
            found[name[0] or "seed"] = max(0.0, (gained - spent * noise) / by)
    mains = [name for name in model.terms if len(name) == 1]
    gained, spent = model.gain(mains, model.terms)
    crossed = {"interactions": max(0.0, (gained - spent * noise) / model.number)} if spent else {}
    seed = {"seed": found.pop("seed")} if _BLOCK in model.terms else {}
    return {**found, **crossed, **seed, "rest": noise}
