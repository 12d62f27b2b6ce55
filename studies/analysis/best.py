"""What is not distinguishable from the best: a set that holds the true best one in at least 95 % of studies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from studies.analysis.paired import Flags, Floats, Values
from studies.analysis.results import CellResult
from studies.statistics import ALPHA, ROUNDING

Direction = Literal["maximize", "minimize"]


def best_cells(results: Sequence[CellResult], direction: Direction) -> tuple[str, ...]:
    """The names of the cells in the set, the best mean first; cells without a value are in no set."""
    ran = [cell for cell in results if cell.values]
    if not ran:
        return ()
    kept = contenders(Values.of(ran), direction)
    names = [(cell.estimate, cell.name) for cell, keep in zip(ran, kept, strict=True) if keep]
    sign = -1 if direction == "maximize" else 1
    return tuple(name for told, name in sorted(names, key=lambda one: sign * (one[0].mean if one[0] else 0.0)))


def contenders(values: Values, direction: Direction) -> Flags:
    """Which rows are kept: none other is better by a one-sided paired t test at 5 % / (rows - 1).

    The true best is dropped only if one of its rows - 1 tests errs: in at most 5 % of studies (Bonferroni), whatever
    the noise of each. Rows with fewer than two common seeds, or that agree to the last digit, are not told apart.
    """
    from scipy.special import stdtr

    rows = len(values.matrix)
    matrix = values.matrix if direction == "maximize" else -values.matrix
    differences = matrix[None, :, :] - matrix[:, None, :]  # [i, j]: by how much j is better than i
    both = values.there[None, :, :] & values.there[:, None, :]
    counts = both.sum(axis=2)
    means = np.where(both, differences, 0.0).sum(axis=2) / np.maximum(counts, 1)
    variances, freedom = _variances(differences, both, values)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = stdtr(freedom, -means * np.sqrt(counts / variances))
    beaten = (variances > 0) & (freedom > 0) & (p <= ALPHA / max(rows - 1, 1))
    return np.asarray(~beaten.any(axis=1))


def _variances(differences: Floats, both: Flags, values: Values) -> tuple[Floats, Floats]:
    """Each pair's variance over its common seeds (of the first stage, if there is one) and degrees of freedom."""
    early = both[:, :, : values.early]
    counts = early.sum(axis=2)
    known = np.where(early, differences[:, :, : values.early], 0.0)
    means = known.sum(axis=2) / np.maximum(counts, 1)
    squares = np.where(early, (known - means[:, :, None]) ** 2, 0.0).sum(axis=2)
    freedom = np.maximum(counts - 1, 0)
    variances = squares / np.maximum(freedom, 1)
    size = np.nanmax(np.abs(values.matrix)) if values.there.any() else 0.0
    return np.where(variances > (ROUNDING * size) ** 2, variances, 0.0), freedom
