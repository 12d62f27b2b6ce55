"""The data of a study: split by a constant, prepared as the training part tells, the test part behind its own door.

The split depends on nothing but the labels' order in the source: every study, seed and machine trains, validates and
tests on the same examples. Whatever is fitted, is fitted to the training part alone. A part is held in memory where it
fits, and streamed where it does not, with the same numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from worker.datasource import DataFacts, DataSpec, catalog, facts_of
from worker.inputs import CONSTANT, Transform, fit
from worker.recipe.augmentation import Input
from worker.sources import split as splitting
from worker.sources.machine import ahead, free_memory
from worker.sources.rows import Rows, opened
from worker.sources.split import Part as PartName

LOG = logging.getLogger(__name__)
Array = np.ndarray[Any, np.dtype[Any]]
CHUNK = 1 << 26
"""Bytes of raw values that are prepared at a time."""
AHEAD = 4
"""Batches that a streamed part has ready before they are asked for."""
SPARE = 0.5
"""The share of free memory, of the machine or of the GPU, that data may take."""
TORCH = frozenset({"u1", "i1", "i2", "i4", "i8", "f2", "f4", "f8"})
"""Numbers that torch reads as they lie; others become float32 before."""


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of each target of a regression, of the training part; a constant target has std 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def standardize(self, y: Tensor) -> Tensor:
        """From the unit of the source to mean 0 and deviation 1."""
        return (y - y.new_tensor(self.mean)) / y.new_tensor(self.std)

    def restore(self, y: Tensor) -> Tensor:
        """Back to the unit of the source."""
        return y * y.new_tensor(self.std) + y.new_tensor(self.mean)


@dataclass(frozen=True, eq=False)
class Held:
    """A part in memory: `x` prepared, float32 (N, C, *map size), images channels last.

    `y` are int64 (N,) labels, or float32 (N, outputs) in the unit of the source.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, *map size) of one example."""
        return tuple(self.x.shape[1:])

    def batches(self, order: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of each batch of indices.

        Whole images lie in one piece where channels come last, and copying pieces takes half the time of indexing.
        """
        last = self.x.dim() == 4
        rows = self.x.movedim(1, -1) if last else self.x
        for index in order:
            here = index.to(self.x.device)
            x = rows.index_select(0, here)
            yield x.movedim(-1, 1) if last else x, self.y.index_select(0, here)

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples as they stand, so many at a time; nothing is copied."""
        return zip(torch.split(self.x, size), torch.split(self.y, size), strict=True)

    def to(self, device: torch.device) -> Part:
        """The same on a device; streamed to a GPU where it would fill it."""
        if device == self.x.device:
            return self
        if device.type == "cuda" and self.x.nbytes > SPARE * torch.cuda.mem_get_info(device)[0]:
            return self.streamed(device)
        return Held(self.x.to(device), self.y.to(device))

    def streamed(self, device: torch.device) -> Streamed:
        """The same read from where it is, batch by batch."""
        return Streamed(lambda index: self.x[index], _same, self.y.to(device), self.shape)


@dataclass(frozen=True, eq=False)
class Streamed:
    """A part that is read as it is asked for, ahead and by other threads: the same numbers as if it were held.

    `take` gives raw examples of some indices on the CPU, `prepare` makes inputs of them; `y` is on the device.
    """

    take: Callable[[Tensor], Tensor]
    prepare: Callable[[Tensor], Tensor]
    y: Tensor
    shape: tuple[int, ...]
    workers: int = 1

    def __len__(self) -> int:
        return len(self.y)

    def batches(self, order: Sequence[Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and targets of each batch of indices. A reader's error is raised here; leaving early ends it."""
        read = ahead(self._read, order, self.workers, max(AHEAD, 2 * self.workers))
        for index, x in read:
            yield self._here(x), self.y[index.to(self.y.device)]

    def in_order(self, size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """All examples as they stand, so many at a time."""
        return self.batches(torch.split(torch.arange(len(self)), size))

    def to(self, device: torch.device) -> Streamed:
        """The same for a device."""
        return Streamed(self.take, self.prepare, self.y.to(device), self.shape, self.workers)

    def _read(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """In a reader's thread: prepared on a CPU; raw, in memory that a GPU can fetch from by itself, for a GPU."""
        raw = self.take(index.cpu())
        return index, raw.pin_memory() if self.y.is_cuda else self.prepare(raw)

    def _here(self, x: Tensor) -> Tensor:
        return self.prepare(x.to(self.y.device, non_blocking=True)) if self.y.is_cuda else x


Part = Held | Streamed


@dataclass(frozen=True, eq=False)
class Splits:
    """What a training may see.

    `target` is the scale of a regression's targets in the training part, None for classes. `notes` are sentences on
    what was left out; `split` names the parts' examples (`worker.sources.split.recorded`), `facts.rule` says how they
    were chosen.
    """

    train: Part
    validation: Part
    transform: Transform
    facts: DataFacts
    notes: tuple[str, ...] = ()
    target: Scale | None = None
    split: str = ""


def load(spec: DataSpec, task: str, input: Input | None = None) -> Splits:  # noqa: A002 (the recipe's word)
    """The training and validation parts; the same tensors at every call of a process, so do not write into them."""
    return _load(spec, task, input)


def moved(splits: Splits, device: torch.device) -> Splits:
    """The same on another device; on its own device, the very same tensors."""
    return replace(splits, train=splits.train.to(device), validation=splits.validation.to(device))


def open_test(spec: DataSpec, task: str, input: Input | None = None) -> Part:  # noqa: A002
    """The test part, prepared as the training part is. Only the final test of a winner calls this."""
    transform, limit = load(spec, task, input).transform, _limit(spec)
    rows = _rows(spec, task, "test", limit)
    for note in rows.notes:
        LOG.warning(note)
    return _held(rows, transform, task) if rows.bytes <= limit else _streamed(rows, transform, task)


def raw_images(spec: DataSpec, task: str, part: PartName, most: int) -> Array:
    """The first `most` images of a part, (N, *map size, C), as raw values, to check an exported network."""
    rows = _rows(spec, task, part, _limit(spec))
    return rows.take(np.arange(min(most, len(rows))))


def subset(y: Tensor, task: str, examples: int | float) -> Tensor:
    """Ascending indices of so many examples, or of that share: stratified, and a larger subset holds a smaller."""
    count = examples if isinstance(examples, int) else round(examples * len(y))
    if count < 2:
        raise ValueError(f"examples: {examples:g} of {len(y):,} are {count}, and training needs two; raise it")
    if count > len(y):
        raise ValueError(f"examples: {count:,} are asked for, the training part has {len(y):,}; ask for fewer")
    order = splitting.ordered(y.cpu().numpy(), task)
    return torch.from_numpy(np.sort(order[:count]))


def balanced_order(y: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """`n` indices in a random order: every class equally often, and within a class every example, each within one.

    Classes that get one more than others, and examples that are drawn once more, are chosen at random.
    """
    labels = y.cpu()
    found: tuple[Tensor, Tensor] = torch.unique(labels, return_counts=True)
    counts = found[1]
    shares = torch.full((len(counts),), n // len(counts))
    shares[torch.randperm(len(counts), generator=generator)[: n % len(counts)]] += 1
    drawn = []
    by_class = torch.split(torch.argsort(labels, stable=True), counts.tolist())
    for members, share in zip(by_class, shares.tolist(), strict=True):
        rest = torch.randperm(len(members), generator=generator)[: share % len(members)]
        drawn += [members.repeat(share // len(members)), members[rest]]
    return torch.cat(drawn)[torch.randperm(n, generator=generator)]


@lru_cache(maxsize=2)
def _load(spec: DataSpec, task: str, input: Input | None) -> Splits:  # noqa: A002
    found, limit = catalog(spec, task), _limit(spec)
    facts, parts = facts_of(found, task), splitting.cuts(found.given, task)
    train, validation = (opened(found, parts[name], spec.resize or "crop", limit) for name in ("train", "validation"))
    transform = fit(input, (train.take(rows) for rows in _chunks(train)), facts.shape)
    prepared = []
    for rows in (validation, train):
        fits = rows.bytes <= limit
        limit -= rows.bytes if fits else 0
        prepared.append((_held if fits else _streamed)(rows, transform, task))
    target = None if task == "classification" else _scale(train.y)
    notes = (*facts.notes, *train.notes, *validation.notes)
    return Splits(prepared[1], prepared[0], transform, facts, notes, target, splitting.recorded(parts))


def _rows(spec: DataSpec, task: str, part: PartName, limit: int) -> Rows:
    found = catalog(spec, task)
    return opened(found, splitting.cuts(found.given, task)[part], spec.resize or "crop", limit)


def _limit(spec: DataSpec) -> int:
    """Bytes that prepared parts may take."""
    return int(spec.memory) if spec.memory is not None else int(SPARE * free_memory())


def _held(rows: Rows, transform: Transform, task: str) -> Held:
    x = torch.empty(len(rows), *rows.shape)
    if x.dim() == 4:
        x = x.to(memory_format=torch.channels_last)
    for chunk in _chunks(rows):
        x[chunk[0] : chunk[-1] + 1] = transform(_tensor(rows.take(chunk)))
    return Held(x, _targets(rows.y, task))


def _streamed(rows: Rows, transform: Transform, task: str) -> Streamed:
    def take(index: Tensor) -> Tensor:
        return _tensor(rows.take(index.numpy()))

    return Streamed(take, transform, _targets(rows.y, task), rows.shape, rows.workers)


def _chunks(rows: Rows) -> Iterator[Array]:
    """All rows in order, so many at a time as have `CHUNK` bytes as float64."""
    size = max(1, CHUNK // (8 * int(np.prod(rows.shape))))
    return (np.arange(start, min(start + size, len(rows))) for start in range(0, len(rows), size))


def _tensor(raw: Array) -> Tensor:
    readable = raw.dtype.isnative and f"{raw.dtype.kind}{raw.dtype.itemsize}" in TORCH
    return torch.from_numpy(raw if readable else raw.astype(np.float32))


def _targets(y: Array, task: str) -> Tensor:
    return torch.from_numpy(y.astype(np.int64 if task == "classification" else np.float32))


def _scale(y: Array) -> Scale:
    mean, std = y.mean(0, dtype=np.float64), y.std(0, dtype=np.float64)
    return Scale(tuple(mean.tolist()), tuple(np.where(std > CONSTANT * np.abs(mean), std, 1.0).tolist()))


def _same(x: Tensor) -> Tensor:
    return x
