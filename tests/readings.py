"""Readings built by hand: what an analysis would have found, with every number chosen by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from studies.analysis.results import CellResult, Contrast, Interaction, Reading
from studies.spec import StudySpec
from studies.statistics import Estimate, estimate

BASE: dict[str, Any] = {
    "apiVersion": "archstudy/v1",
    "kind": "Study",
    "name": "x",
    "data": {"source": "digits"},
    "blueprint": {},
    "design": {"factors": ["depth"], "replicates": 3},
}
MATCH = {"macs": "2M", "by": "width", "tolerance": "4%"}
BOTH = {"factors": ["depth", "kernel"], "replicates": 3}


def spec(**sections: Any) -> StudySpec:
    """A study of one factor, `depth`, on three seeds; whole sections may be replaced."""
    return StudySpec.model_validate({**BASE, **sections})


def design(**fields: Any) -> dict[str, Any]:
    """The base's design with other fields."""
    return {**BASE["design"], **fields}


def cell(levels: Mapping[str, Any], values: Sequence[float] = (0.9, 0.91, 0.92), **more: Any) -> CellResult:
    """A cell with its values by replicate."""
    fields = {"costs": {"macs": 100, "params": 10, "activations": 10}, "assignment": dict(levels), **more}
    name = ", ".join(f"{factor}={level}" for factor, level in levels.items())
    return CellResult(name, levels, values=dict(enumerate(values)), **fields)


def cells(*depths: Any, **more: Any) -> tuple[CellResult, ...]:
    """Cells of one factor, `depth`."""
    return tuple(cell({"depth": depth}, **more) for depth in depths)


def about(mean: float, half_width: float = 0.003, n: int = 5) -> Estimate:
    """An estimate of this mean and interval: 0.015 and 0.003 are 1.5 points [1.2, 1.8]."""
    steps = [step - (n - 1) / 2 for step in range(n)]
    unit = estimate(steps).half_width
    return estimate([mean + step * half_width / unit for step in steps] if unit else [mean])


def contrast(factor: str, low: Any, high: Any, mean: float, p: float | None = 0.001, **more: Any) -> Contrast:
    """`high` minus `low`; `half_width` and `n` of its interval, and fields of a Contrast, may be named."""
    told = about(mean, more.pop("half_width", 0.003), more.pop("n", 5))
    return Contrast(factor, low, high, told, p, **more)


def interaction(first: tuple[str, Any, Any], second: tuple[str, Any, Any], mean: float, p: float) -> Interaction:
    """A difference of differences."""
    return Interaction(first, second, about(mean), p)


def reading(cells: Sequence[CellResult], contrasts: Sequence[Contrast] = (), **more: Any) -> Reading:
    """A reading of these cells and contrasts; a margin of half a point, nothing else found."""
    empty = ("raw_cells", "raw", "common", "interactions", "trends", "flips", "best", "failures", "shares", "errors")
    fields: dict[str, Any] = {**dict.fromkeys(empty, ()), "common_setting": {}, "law": None, "margin": 0.005}
    fields |= {"claims": len(contrasts), **more}
    return Reading(cells=tuple(cells), contrasts=tuple(contrasts), **fields)


def rows(
    cells: Mapping[str, Mapping[str, Any]],
    seeds: int,
    value: Callable[[Mapping[str, Any], int], float | str],
    **more: Any,
) -> list[dict[str, Any]]:
    """The trials of a study, cell by name and levels; `value` gives a cell's value on a replicate, or how it failed."""
    found = []
    for name, levels in cells.items():
        for replicate in range(seeds):
            told = value(levels, replicate)
            failed = isinstance(told, str)
            row = {
                "phase": "design",
                "cell": name,
                "replicate": replicate,
                "seed": replicate,
                "assignment": dict(levels),
            }
            row |= {
                "state": "failed" if failed else "complete",
                "failure_kind": told if failed else None,
                "reason": None,
            }
            row |= {"value": None if failed else told, "metrics": None if failed else {"val_accuracy": told}}
            found.append({**row, "params": 10, "macs": 100, "activations": 10, "costs": {"field": 5}, **more})
    return found


def crossed(**factors: Sequence[Any]) -> dict[str, dict[str, Any]]:
    """Every combination of the factors' levels, by its name."""
    every = [dict(zip(factors, levels, strict=True)) for levels in product(*factors.values())]
    return {", ".join(f"{name}={level}" for name, level in one.items()): one for one in every}
