"""Nuisance variables: each cell is tried at the same settings on seeds of their own, and stands at its best one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, Literal

from searchspace.language.space import Assignment

Row = Mapping[str, Any]
Direction = Literal["maximize", "minimize"]


def means(rows: Sequence[Row], cell: str, settings: Sequence[Assignment]) -> list[float | None]:
    """A cell's mean over the tuning seeds at each setting; None where a trial there failed: it cannot be relied on."""
    found: list[float | None] = []
    for setting in settings:
        there = [row for row in rows if row["cell"] == cell and setting.items() <= row["assignment"].items()]
        values = [row["value"] for row in there if row["state"] == "complete"]
        found.append(fmean(values) if values and len(values) == len(there) else None)
    return found


def chosen(rows: Sequence[Row], cell: str, settings: Sequence[Assignment], direction: Direction) -> Assignment | None:
    """The setting with the best mean; of equal ones the first. None where every setting failed."""
    sign = -1 if direction == "maximize" else 1
    known = [(sign * mean, at) for at, mean in enumerate(means(rows, cell, settings)) if mean is not None]
    return settings[min(known)[1]] if known else None


def at_the_end(setting: Mapping[str, Any], tune: Mapping[str, Sequence[Any]]) -> list[str]:
    """The nuisance variables whose chosen setting is the first or the last of its list: the best may lie beyond."""
    return [
        name
        for name, options in tune.items()
        if all(isinstance(option, int | float) for option in options) and setting[name] in (min(options), max(options))
    ]
