"""The lines of a table file as they stand: CSV by the standard library, parquet by pyarrow. No torch."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchspace.language.problems import shown
from worker.metrics import is_share
from worker.sources.catalog import extra
from worker.sources.memo import file_digest


@dataclass(frozen=True)
class Rows:
    """Columns by name, and where each line stands in its file: its line in a CSV, its row from 1 in a parquet file."""

    where: str
    word: str
    digest: str
    columns: dict[str, list[Any]]
    numbers: list[int]


def rows(file: str) -> Rows:
    """What a file holds; a ValueError where it cannot be read."""
    kinds = {".csv": _csv, ".parquet": _parquet}
    kind = kinds.get(Path(file).suffix.lower())
    if kind is None:
        raise ValueError(f"{file}: a table is a .csv or a .parquet file; save it as one")
    found = kind(file)
    if not found.numbers:
        raise ValueError(f"{file}: it has no {found.word} below its names; fill it")
    return found


def _csv(file: str) -> Rows:
    try:
        with open(file, newline="", encoding="utf-8-sig") as opened:
            reader = csv.reader(opened, strict=True)
            header = [name.strip() for name in next(reader, [])]
            lines = [(reader.line_num, cells) for cells in reader if cells]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{file}: this is no CSV file in UTF-8 ({error}); save it again") from None
    if not header or len(set(header)) < len(header) or "" in header:
        raise ValueError(f"{file}: its first line must name every column, each once; got {','.join(header)[:80]!r}")
    for number, cells in lines:
        if len(cells) != len(header):
            what = f"{len(cells)} cells under {len(header)} names"
            raise ValueError(f"{file}, line {number}: there are {what}; separate them by commas, and quote text")
    columns = {name: [cells[at] for _, cells in lines] for at, name in enumerate(header)}
    return Rows(file, "line", file_digest(Path(file)), columns, [number for number, _ in lines])


def _parquet(file: str) -> Rows:
    parquet, arrow = extra("pyarrow.parquet", file), extra("pyarrow", file)
    try:
        table = parquet.read_table(file)
    except (arrow.ArrowException, OSError) as error:
        raise ValueError(f"{file}: this is no parquet file ({str(error).splitlines()[0]}); save it again") from None
    if len(set(table.column_names)) < table.num_columns:
        raise ValueError(f"{file}: two of its columns have the same name; rename one")
    return Rows(file, "row", file_digest(Path(file)), table.to_pydict(), list(range(1, table.num_rows + 1)))


# ---- columns of numbers ----------------------------------------------------------------------------------------------


def finite(raw: Rows, name: str) -> list[float | None]:
    """A column of numbers, of shares those from 0 to 1; None where a cell is empty, nan or infinite."""
    found: list[float | None] = []
    for at, value in enumerate(raw.columns[name]):
        try:
            number = math.nan if value is None or value == "" else float(value)
        except (TypeError, ValueError):
            raise ValueError(wrong(raw, name, at, "a number, or nothing")) from None
        if is_share(name) and math.isfinite(number) and not 0 <= number <= 1:
            raise ValueError(wrong(raw, name, at, "a share from 0 to 1, such as 0.9 for 90 %"))
        found.append(number if math.isfinite(number) else None)
    return found


def wrong(raw: Rows, name: str, at: int, wanted: str) -> str:
    """The sentence for a cell that is not what its column holds."""
    return f"{raw.where}, {raw.word} {raw.numbers[at]}: {name} is {shown(raw.columns[name][at])}; write {wanted}"
