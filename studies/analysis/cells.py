"""Trial rows to cells: every seed's value and metrics, what failed and how, and what cannot be."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from math import inf, isfinite
from typing import Any

from studies.analysis.results import CellResult

Row = Mapping[str, Any]
COSTS = ("macs", "params", "activations")


def cells(
    rows: Iterable[Row], factors: Sequence[str], phase: str = "design", first: int | None = None
) -> list[CellResult]:
    """One result per cell of a phase, in the order of the factors' levels."""
    members: dict[str, list[Row]] = {}
    for row in rows:
        if row["phase"] == phase:
            members.setdefault(row["cell"], []).append(row)
    found = [_cell(name, of, factors, first) for name, of in members.items()]
    return sorted(found, key=lambda cell: [rank(level) for level in cell.levels.values()])


def _cell(name: str, rows: Sequence[Row], factors: Sequence[str], first: int | None) -> CellResult:
    head = rows[0]
    complete = {row["replicate"]: row for row in sorted(rows, key=lambda row: row["replicate"]) if _ended_well(row)}
    return CellResult(
        name,
        {factor: head["assignment"][factor] for factor in factors},
        head["assignment"],
        {cost: head.get(cost) for cost in COSTS} | dict(head.get("costs") or {}),
        {replicate: row["value"] for replicate, row in complete.items()},
        {row["replicate"]: row.get("failure_kind") or "error" for row in rows if failed(row)},
        head.get("reason") if head["state"] == "infeasible" and not failed(head) else None,
        {replicate: _metrics(row) for replicate, row in complete.items()},
        first,
    )


def _ended_well(row: Row) -> bool:
    return row["state"] == "complete" and row["value"] is not None and isfinite(row["value"])


def failed(row: Row) -> bool:
    """Whether a trial was tried and gave no result; one that memory was too small for is infeasible elsewhere."""
    return row["state"] == "failed" or (row["state"] == "infeasible" and row.get("failure_kind") is not None)


def _metrics(row: Row) -> dict[str, float]:
    """Those of the last epoch, with the fit that is measured at a trial's end."""
    fit = row.get("fit") or (row.get("measured") or {}).get("fit") or {}
    return {**{name: value for name, value in fit.items() if name.startswith("fit_")}, **(row.get("metrics") or {})}


def rank(level: Any) -> tuple[float, str]:
    """Where a level stands: numbers by size, before all else by name."""
    return (float(level), "") if isinstance(level, int | float) else (inf, str(level))


def key(level: Any) -> Hashable:
    """A level as a part of a dict's key: sections are dicts or lists, and True is not 1."""
    return repr(level) if isinstance(level, bool | dict | list) else level


def levels_of(results: Iterable[CellResult], factor: str) -> list[Any]:
    """A factor's levels in order, each once."""
    named = {key(cell.levels[factor]): cell.levels[factor] for cell in results}
    return sorted(named.values(), key=rank)


def numeric(levels: Iterable[Any]) -> bool:
    """Whether all are numbers, so that lowest and highest mean something."""
    return all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
