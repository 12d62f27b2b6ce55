"""The raw inputs of one part, read by row, wherever they are: in memory, a file, the cache, or yet to be decoded."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as once

import numpy as np

from worker.sources import cache, images, memo
from worker.sources.catalog import Array, Catalog, Encoded
from worker.sources.images import Failure, Form
from worker.sources.machine import cores
from worker.sources.split import Cut

LOG = logging.getLogger(__name__)
UNREADABLE = 0.01
"""More than this share of a part's images unreadable is an error; one image always may be."""
FLOAT = 4
NOTHING: Array = np.empty(0, np.uint8)
"""In place of images that are decoded as they are asked for."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A part: `take(rows)` gives raw inputs (n, *map size, C) of some rows, `y` are all targets.

    As many threads as `workers` make sense of when rows are taken ahead.
    """

    take: Callable[[Array], Array]
    y: Array
    shape: tuple[int, ...]
    notes: tuple[str, ...] = ()
    workers: int = 1

    def __len__(self) -> int:
        return len(self.y)

    @property
    def bytes(self) -> int:
        """What the part takes in memory, prepared as float32."""
        return FLOAT * len(self) * int(np.prod(self.shape))


def opened(catalog: Catalog, cut: Cut, resize: images.Resize, limit: int) -> Rows:
    """The rows of a part. Images come from the node's cache; where it cannot be written, from memory up to `limit`."""
    inputs, y = catalog.inputs(cut.origin), catalog.given[cut.origin][cut.rows]
    if isinstance(inputs, Encoded):
        form = Form((catalog.shape[1], catalog.shape[2]), catalog.shape[0], resize)
        return _images(catalog, inputs, cut, form, limit)
    return Rows(lambda rows: np.asarray(inputs[cut.rows[rows]]), y, catalog.shape)


def _images(catalog: Catalog, encoded: Encoded, cut: Cut, form: Form, limit: int) -> Rows:
    key = images.key(catalog.digest, cut.origin, cut.rows.tobytes().hex(), form, images.version(), cache.VERSION)
    one = (*form.size, form.channels)

    def build() -> cache.Chunks:
        return images.decoded(encoded, cut.rows, form)

    try:
        kept = cache.kept(key, len(cut.rows), one, build)
        pixels, failures = kept.images, kept.failures
    except OSError as error:
        fits = FLOAT * len(cut.rows) * int(np.prod(one)) <= limit
        _warn(f"{memo.cache_folder()}: decoded images cannot be kept here ({error}); " + ADVICE[fits])
        pixels, failures = _in_memory(build(), (len(cut.rows), *one)) if fits else (NOTHING, _failures(build()))
    good = np.flatnonzero(~np.isin(cut.rows, [failure.row for failure in failures]))
    notes = _counted(catalog.where, failures, len(cut.rows))
    y = catalog.given[cut.origin][cut.rows[good]]
    if pixels is NOTHING:
        return Rows(lambda rows: _decoded(encoded, cut.rows[good[rows]], form), y, catalog.shape, notes, cores())
    return Rows(lambda rows: pixels[rows], y, catalog.shape, notes)


ADVICE = {
    True: "they are decoded at every start; free the disk, or set ARCHSTUDY_CACHE",
    False: "they do not fit in memory and are decoded in every epoch, which is slow; free the disk",
}


@once
def _warn(message: str) -> None:
    """Each message once for a process."""
    LOG.warning(message)


def _in_memory(chunks: cache.Chunks, shape: tuple[int, ...]) -> tuple[Array, tuple[Failure, ...]]:
    pixels, failures, count = np.empty(shape, np.uint8), list[Failure](), 0
    for part, failed in chunks:
        pixels[count : count + len(part)] = part
        count += len(part)
        failures += failed
    return pixels[:count], tuple(failures)


def _failures(chunks: cache.Chunks) -> tuple[Failure, ...]:
    return tuple(failure for _, failed in chunks for failure in failed)


def _decoded(encoded: Encoded, rows: Array, form: Form) -> Array:
    return np.stack([images.decode(data, form) for data in encoded.take(rows)])


def _counted(where: str, failures: tuple[Failure, ...], count: int) -> tuple[str, ...]:
    """A note of what could not be read; a ValueError where it is too much."""
    if not failures:
        return ()
    first = f"the first is {failures[0].name} ({failures[0].reason})"
    if len(failures) > max(1, UNREADABLE * count):
        raise ValueError(
            f"{where}: {len(failures):,} of {count:,} images cannot be read, {first}; correct or remove them"
        )
    return (f"{len(failures):,} of {count:,} images could not be read and are left out, {first}",)
