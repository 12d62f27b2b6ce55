"""What share of the values' variance is each factor's, their interactions', the seed's, and the rest.

Values are fitted as mean + factors + two-factor interactions + seed (a block: its common effect on all cells). A
term's sum of squares is that of adding it to all terms that do not contain it (type II; in a balanced design all types
agree); chance alone gives it freedom x the residual mean square, which is taken off. What remains, over the number of
values, is the mean square of a factor's effects (the estimate in Hays' omega squared, 1963). Seeds are drawn, not
chosen: theirs is the component of variance, (mean square - residual mean square) / values a seed. Negative components
count as none. The rest holds interactions of three and more factors, and of seed and cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import sqrt
from typing import TYPE_CHECKING, Any

from studies.analysis.results import CellResult, Share

if TYPE_CHECKING:
    import numpy as np

    Terms = dict[tuple[str, ...], np.ndarray[Any, Any]]

_BLOCK = ("",)
"""The seeds' term: a name that no factor has."""


def shares(cells: Sequence[CellResult], factors: Sequence[str]) -> tuple[Share, ...]:
    """Each factor, "interactions", "seed", "rest", which sum to 1; nothing where no freedom or no variance is left.

    Without freedom for interactions (one seed, say) they are part of the rest.
    """
    told = [(cell, seed, cell.values[seed]) for cell in cells for seed in sorted(cell.values)]
    values = [value for _, _, value in told]
    if len(values) < 3 or max(values) - min(values) <= 1e-12 * max(map(abs, values)):
        return ()
    terms = _terms([cell for cell, _, _ in told], [seed for _, seed, _ in told], factors)
    plain: Terms = {name: block for name, block in terms.items() if len(name) == 1}
    components = _components(terms, values) or _components(plain, values)
    total = sum(components.values())
    return tuple(Share(name, part / total, sqrt(part)) for name, part in components.items()) if total > 0 else ()


def _terms(cells: Sequence[CellResult], seeds: Sequence[int], factors: Sequence[str]) -> Terms:
    """Indicator columns by term: (factor,), (factor, factor), and the seeds' under `_BLOCK`."""
    labels = {name: [repr(cell.levels[name]) for cell in cells] for name in factors}
    varied = [name for name in factors if len(set(labels[name])) > 1]
    terms: Terms = {(name,): _indicators(labels[name]) for name in varied}
    for one, two in combinations(varied, 2):
        terms[one, two] = _indicators([f"{a}|{b}" for a, b in zip(labels[one], labels[two], strict=True)])
    if len(set(seeds)) > 1:
        terms[_BLOCK] = _indicators([str(seed) for seed in seeds])
    return terms


def _indicators(labels: Sequence[str]) -> np.ndarray[Any, Any]:
    import numpy as np

    names = [*dict.fromkeys(labels)]
    return np.array([[float(label == one) for one in names] for label in labels])


def _components(terms: Terms, values: Sequence[float]) -> dict[str, float]:
    """Variance by source; empty where no freedom is left for the residual."""
    left, freedom = _residual(terms, values)
    if freedom < 1:
        return {}
    noise, found = left / freedom, {}
    for name, block in terms.items():
        if len(name) == 1:
            others = {key: one for key, one in terms.items() if key != name and name[0] not in key}
            gained, spent = _gain(others, {**others, name: block}, values)
            by = (spent * len(values) / block.shape[1]) if name == _BLOCK else len(values)
            found[name[0] or "seed"] = max(0.0, (gained - spent * noise) / by) if spent else 0.0
    mains: Terms = {name: block for name, block in terms.items() if len(name) == 1}
    gained, spent = _gain(mains, terms, values)
    crossed = {"interactions": max(0.0, (gained - spent * noise) / len(values))} if spent else {}
    seed = {"seed": found.pop("seed")} if _BLOCK in terms else {}
    return {**found, **crossed, **seed, "rest": noise}


def _gain(small: Terms, large: Terms, values: Sequence[float]) -> tuple[float, int]:
    """How much the sum of squares left, and its freedom, fall from the small to the large model."""
    (before, free), (after, less) = _residual(small, values), _residual(large, values)
    return before - after, free - less


def _residual(terms: Terms, values: Sequence[float]) -> tuple[float, int]:
    """The sum of squares that a least-squares fit of these terms and a mean leaves, and its degrees of freedom."""
    import numpy as np

    design = np.hstack([np.ones((len(values), 1)), *terms.values()])
    centred = np.array(values) - np.mean(values)
    solution, _, rank, _ = np.linalg.lstsq(design, centred, rcond=None)
    left = centred - design @ solution
    return float(left @ left), len(values) - int(rank)
