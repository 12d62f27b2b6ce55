"""Pieces of text that every command prints with: tables, means with intervals, settings, counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from searchspace.language.problems import shown
from searchspace.language.space import label
from searchspace.language.units import human
from studies.verdict.words import around, as_text


def table(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Aligned columns: text to the left, numbers to the right."""
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    right = [
        bool(cells) and all(row[index][:1] in "0123456789+-." or not row[index] for row in cells)
        for index in range(len(widths))
    ]

    def line(row: Sequence[str]) -> str:
        padded = [text.rjust(w) if r else text.ljust(w) for text, w, r in zip(row, widths, right, strict=True)]
        return "  ".join(padded).rstrip()

    return [line(headers), line(["-" * width for width in widths]), *map(line, cells)]


def filled(headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> tuple[list[str], list[list[Any]]]:
    """The columns in which something stands."""
    kept = [index for index in range(len(headers)) if any(row[index] not in (None, "") for row in rows)]
    return [headers[index] for index in kept], [[row[index] for index in kept] for row in rows]


def interval(mean: float, half_width: float | None, metric: str, n: int | None = None) -> str:
    """`98.61 % +- 0.42`, or the mean alone where the seeds give no interval: one seed, or `n` that all agree."""
    if half_width is None:
        return f"{as_text(mean, metric)} (n = 1)"
    if half_width == 0:
        return f"{as_text(mean, metric)} (all {f'{n} ' if n else ''}seeds agree)"
    return " +- ".join(around(mean, half_width, metric))


def assignment(values: Mapping[str, Any]) -> str:
    """`depth=2 kernel=3 lr=0.0812`."""
    return " ".join(f"{name}={setting(value)}" for name, value in values.items())


def setting(value: Any) -> str:
    """A variable's value: a section by its word or kind."""
    if isinstance(value, str):
        return value
    return f"{value:.3g}" if isinstance(value, float) else label(value) or shown(value)


def metric(value: Any, name: str) -> str:
    """One measured value; what is not a number stands as it is, and nothing for what was not measured."""
    return as_text(value, name) if isinstance(value, int | float) else str("" if value is None else value)


def count(value: Any) -> str | None:
    """A number with three digits and a suffix; nothing where there is none, or no network to count."""
    return human(value) if value else None
