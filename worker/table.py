"""Results from a table instead of training: which lines of a CSV or parquet file answer which trial. No torch.

One line for each assignment and seed, or for each of their epochs where there is a column `epoch`. Columns are the
variables, `seed`, metrics (`val_accuracy`, `train_loss`, ...), and where wanted `epoch`, `failure` (what ended the
training at that line: `diverged`, ...), `train_seconds`, and the costs `params`, `macs` and `activations`. A column
that is none of these is refused, so that nothing that tells lines apart is overlooked.

Every declared variable that has a column is matched: numbers by value (to a relative 1e-9), text as text, an empty cell
as null, a section by its word or kind, or as JSON. Those without a column are not looked at.

Replicate r of a cell takes the r-th of the seeds that the table has for it, matched or raw; tuning takes them from the
end. They rise, those that every assignment has before the others, so that cells are compared seed by seed. A search's
trials take the first, and those that confirm a finalist the next ones.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

from searchspace.cost import COUNTED
from searchspace.language.problems import nearest, shown
from searchspace.language.space import label
from worker.job import EpochMetrics, FailureKind, Job, TrainingFailed
from worker.metrics import PARTS
from worker.tablefile import Rows, finite, rows, wrong

RESERVED = ("seed", "epoch", "failure")
"""Columns with a meaning of their own; no variable can be called so."""
SECONDS = "train_seconds"
FAILURES: tuple[str, ...] = get_args(FailureKind)
CLOSE = 1e-9
"""The relative difference of numbers that count as equal."""
Key = tuple[float | str, ...]


@dataclass(frozen=True)
class Line:
    """What one line tells of a training; `number` is where it stands in the file. Empty metrics are left out."""

    number: int
    epoch: int
    metrics: dict[str, float]
    failure: str | None
    seconds: float


@dataclass(frozen=True)
class Table:
    """A table that was read and found sound: for every assignment its seeds in their order, and their epochs.

    `matched` are the variables that have a column, `numbers` and `texts` the values there; `costs` go by assignment.
    """

    where: str
    word: str
    digest: str
    matched: tuple[str, ...]
    metrics: tuple[str, ...]
    last_epoch: int | None
    numbers: dict[str, list[float]]
    texts: dict[str, frozenset[str]]
    lines: dict[Key, dict[int, tuple[Line, ...]]] = field(default_factory=dict)
    costs: dict[Key, dict[str, int]] = field(default_factory=dict)

    def key(self, values: Mapping[str, Any]) -> Key | None:
        """What stands for an assignment; None where a column does not have one of its values."""
        found = [self.value(name, values.get(name)) for name in self.matched]
        return tuple(one for one in found if one is not None) if None not in found else None

    def value(self, name: str, value: Any) -> float | str | None:
        """The value of a variable as its column has it; None where it does not."""
        for form in _forms(value):
            if isinstance(form, str):
                if form in self.texts[name]:
                    return form
            elif (close := _closest(self.numbers[name], form)) is not None:
                return close
        return None

    def of(self, values: Mapping[str, Any]) -> dict[int, tuple[Line, ...]]:
        """Seed -> lines of an assignment; nothing where there are none."""
        key = self.key(values)
        return self.lines.get(key, {}) if key is not None else {}

    def absent(self, values: Mapping[str, Any]) -> str:
        """The sentence for an assignment without a line."""
        told = ", ".join(f"{name}={_worded(values.get(name))}" for name in self.matched)
        strange = [name for name in self.matched if self.value(name, values.get(name)) is None]
        has: list[float | str] = [*self.numbers[strange[0]], *sorted(self.texts[strange[0]])] if strange else []
        listed = ", ".join(f"{one:g}" if isinstance(one, float) else one for one in has[:8])
        more = f" (its column {strange[0]!r} has {listed}{', ...' if len(has) > 8 else ''})" if strange else ""
        return f"{self.where}: there is no {self.word} with {told}{more}; add it, or leave that out of the study"


# ---- answering -------------------------------------------------------------------------------------------------------


def answers(job: Job) -> Iterator[EpochMetrics]:
    """What training would yield: the epochs of the job's assignment and seed, one by one."""
    table, lines = _lines(job)
    assert job.table is not None
    metric, seed, last = job.table["metric"], _seed(table, job), lines[-1]
    for line in lines:
        here = f"{table.where}, {table.word} {line.number}"
        if line.failure:
            raise TrainingFailed(line.failure, f"{here}: the training ended there as {line.failure}")  # type: ignore[arg-type]
        if line is last and metric not in line.metrics:
            raise TrainingFailed("diverged", f"{here}: {metric} is empty or no finite number at the training's end")
        metrics = {name: value for name, value in line.metrics.items() if not name.startswith("test_")}
        measured = {"table": {"seed": seed, table.word: line.number}} if line is last else None
        yield EpochMetrics(line.epoch, metrics, line.seconds, measured=measured)


def tested(job: Job) -> dict[str, float]:
    """The test metrics of the last epoch; none where the table has no such columns."""
    _, lines = _lines(job)
    return {name: value for name, value in lines[-1].metrics.items() if name.startswith("test_")}


def place(phase: str, replicate: int | None, seeds: int) -> int:
    """Which of an assignment's seeds, in their order from 0, a trial takes; below 0 or too high: there is none."""
    number = replicate or 0
    return {"search": 0, "confirm": 1 + number, "tune": seeds - 1 - number}.get(phase, number)


def _lines(job: Job) -> tuple[Table, tuple[Line, ...]]:
    assert job.table is not None
    try:
        table = read(job.table["file"], tuple(job.table["variables"]), job.table["digest"])
    except ValueError as error:
        raise TrainingFailed("error", str(error)) from None
    return table, table.of(job.table["assignment"])[_seed(table, job)]


def _seed(table: Table, job: Job) -> int:
    assert job.table is not None
    asked = job.table
    seeds = [*table.of(asked["assignment"])]
    if not seeds:
        raise TrainingFailed("error", table.absent(asked["assignment"]))
    number = place(asked["phase"], asked["replicate"], len(seeds))
    if not 0 <= number < len(seeds):
        what = f"{asked['phase']} replicate {asked['replicate']} would take number {number + 1}"
        raise TrainingFailed("error", f"{table.where}: it has {len(seeds)} seeds of this, and {what}; add more")
    return seeds[number]


# ---- reading ---------------------------------------------------------------------------------------------------------


def read(file: str, variables: tuple[str, ...], digest: str | None = None) -> Table:
    """The table in a file for a study's variables, kept while the file stays; a ValueError says what is wrong with it.

    `digest` is what its content must be.
    """
    try:
        stat = Path(file).stat()
    except OSError:
        raise ValueError(f"{file}: there is no such file; write the path from the study's folder") from None
    table = _read(file, stat.st_size, stat.st_mtime_ns, variables)
    if digest and digest != table.digest:
        raise ValueError(
            f"{file}: its content is not what it was (digest {digest}, now {table.digest}); "
            "restore the file, or give a study of the new table another name"
        )
    return table


@lru_cache(maxsize=8)
def _read(file: str, size: int, changed: int, variables: tuple[str, ...]) -> Table:
    raw = rows(file)
    _check_columns(raw, variables)
    matched = tuple(name for name in raw.columns if name in variables)
    metrics = tuple(name for name in raw.columns if name not in variables and _is_metric(name))
    plain = {name: [_plain(value) for value in raw.columns[name]] for name in matched}
    numbers = {name: _distinct(column) for name, column in plain.items()}
    texts = {name: frozenset(one for one in column if isinstance(one, str)) for name, column in plain.items()}
    epochs = _whole(raw, "epoch", 1) if "epoch" in raw.columns else None
    last = max(epochs) if epochs else None
    table = Table(file, raw.word, raw.digest, matched, metrics, last, numbers, texts)
    keys = [_key(table, one) for one in zip(*plain.values(), strict=True)] if plain else [()] * len(raw.numbers)
    _gather(table, raw, keys, epochs or [1] * len(raw.numbers))
    return table


def _check_columns(raw: Rows, variables: Sequence[str]) -> None:
    if "seed" not in raw.columns:
        raise ValueError(f"{raw.where}: it has no column 'seed', only {', '.join(raw.columns)}; add one")
    for name in raw.columns:
        if name not in (*variables, *RESERVED, *COUNTED, SECONDS) and not _is_metric(name):
            metrics = ("val_accuracy", "train_accuracy", "val_loss", "train_loss")
            known = [*variables, *RESERVED, *COUNTED, SECONDS, *metrics]
            what = f"the column {name!r} is neither a variable of the study nor a metric or cost"
            raise ValueError(f"{raw.where}: {what}{nearest(name, known)}")


def _is_metric(name: str) -> bool:
    part, _, what = name.partition("_")
    return part in PARTS and bool(what) and name != SECONDS


def _key(table: Table, plain: Sequence[float | str]) -> Key:
    """The line's values, of numbers that count as equal the least."""
    pairs = zip(table.matched, plain, strict=True)
    return tuple(one if isinstance(one, str) else _closest(table.numbers[name], one) or one for name, one in pairs)


def _gather(table: Table, raw: Rows, keys: Sequence[Key], epochs: Sequence[int]) -> None:
    """Every line at its assignment and seed; no two may tell of the same epoch."""
    metrics = {name: finite(raw, name) for name in table.metrics}
    seconds = finite(raw, SECONDS) if SECONDS in raw.columns else [None] * len(keys)
    seeds, failures, costs = _whole(raw, "seed"), _failures(raw), _costs(raw)
    found: dict[Key, dict[int, dict[int, Line]]] = {}
    for at, (key, seed, epoch) in enumerate(zip(keys, seeds, epochs, strict=True)):
        told = {name: value for name, column in metrics.items() if (value := column[at]) is not None}
        line = Line(raw.numbers[at], epoch, told, failures[at], seconds[at] or 0.0)
        there = found.setdefault(key, {}).setdefault(seed, {})
        if epoch in there:
            both = f"{raw.word}s {there[epoch].number} and {line.number}"
            raise ValueError(f"{raw.where}: {both} have the same assignment, seed and epoch; keep one of them")
        there[epoch] = line
        _same_cost(table, raw, key, {name: column[at] for name, column in costs.items()}, at)
    common = set.intersection(*map(set, found.values()))
    for key, of in found.items():
        order = [*sorted(common), *sorted(of.keys() - common)]
        table.lines[key] = {seed: tuple(of[seed][epoch] for epoch in sorted(of[seed])) for seed in order}


def _same_cost(table: Table, raw: Rows, key: Key, costs: dict[str, int], at: int) -> None:
    for name, value in costs.items():
        before = table.costs.setdefault(key, {}).setdefault(name, value)
        if before != value:
            what = f"{name} is {value:,}, and {before:,} at another {raw.word} of the same assignment"
            raise ValueError(f"{raw.where}, {raw.word} {raw.numbers[at]}: {what}; correct one")


# ---- columns ---------------------------------------------------------------------------------------------------------


def _whole(raw: Rows, name: str, least: int = 0) -> list[int]:
    found = []
    for at, value in enumerate(raw.columns[name]):
        number = _plain(value)
        if not isinstance(number, float) or number != int(number) or number < least:
            raise ValueError(wrong(raw, name, at, f"a whole number from {least}"))
        found.append(int(number))
    return found


def _costs(raw: Rows) -> dict[str, list[int]]:
    return {name: _whole(raw, name) for name in COUNTED if name in raw.columns}


def _failures(raw: Rows) -> list[str | None]:
    if "failure" not in raw.columns:
        return [None] * len(raw.numbers)
    found = [str(value or "").strip() or None for value in raw.columns["failure"]]
    for at, kind in enumerate(found):
        if kind is not None and kind not in FAILURES:
            raise ValueError(wrong(raw, "failure", at, f"nothing, or one of {', '.join(FAILURES)}"))
    return found


# ---- values ----------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> float | str:
    """A cell or a value as it is matched: a finite number, or text."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    if isinstance(value, int | float):
        return float(value) if math.isfinite(value) else "null"
    if isinstance(value, str):
        return _of_text(value.strip())
    return json.dumps(_normal(value), sort_keys=True, separators=(",", ":"))


def _of_text(text: str) -> float | str:
    if not text:
        return "null"
    if text.lower() in ("true", "false"):
        return text.lower()
    try:
        if text[0] in "{[":
            return _plain(json.loads(text))
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and "_" not in text else text


def _normal(tree: Any) -> Any:
    """JSON in which 3.0 is 3."""
    if isinstance(tree, Mapping):
        return {name: _normal(value) for name, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_normal(value) for value in tree]
    return int(tree) if isinstance(tree, float) and tree.is_integer() else tree


def _forms(value: Any) -> Iterator[float | str]:
    """How a value may stand in a cell: as it is, or, for a section, its word or kind."""
    yield _plain(value)
    if tag := label(value):
        yield tag


def _worded(value: Any) -> str:
    return label(value) or shown(value).strip("'")


def _distinct(column: Sequence[float | str]) -> list[float]:
    """The numbers of a column in rising order; of those that count as equal the least."""
    found: list[float] = []
    for number in sorted({one for one in column if isinstance(one, float)}):
        if not found or not math.isclose(found[-1], number, rel_tol=CLOSE):
            found.append(number)
    return found


def _closest(numbers: Sequence[float], number: float) -> float | None:
    """The one of the rising numbers that counts as equal."""
    at = bisect_left(numbers, number)
    near = (one for one in numbers[max(0, at - 1) : at + 1] if math.isclose(one, number, rel_tol=CLOSE))
    return next(near, None)
