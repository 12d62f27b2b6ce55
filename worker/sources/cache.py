"""Decoded images on this node's disk: one .npy of uint8 for each part, mapped read-only and shared by all processes.

`images/<key>.npy` is written whole (a temporary file beside it, fsync, rename), then `<key>.json`, which says what the
array must be: where the two disagree, the file is torn or foreign, and is built again. The key is a hash of the
source's content, the part, the decoding and the decoder's version, so that two builders write the same bytes: a lock
only spares work. All of it may be deleted at any time.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from searchspace.language.units import human
from worker.sources import memo
from worker.sources.catalog import Array
from worker.sources.images import Failure

LOG = logging.getLogger(__name__)
VERSION = 1
ABANDONED = 3600.0
"""Seconds after which a temporary file that did not grow is one that a killed builder left."""
Chunks = Iterator[tuple[Array, list[Failure]]]


@dataclass(frozen=True, eq=False)
class Kept:
    """A part's images that could be read, (N, H, W, C), and the others."""

    images: Array
    failures: tuple[Failure, ...]


def kept(key: str, count: int, one: tuple[int, ...], build: Callable[[], Chunks]) -> Kept:
    """The images under a key, from the disk or built now; an OSError where they cannot be written.

    `count` is how many there should be, `one` the shape of one, `build` gives them in order, without the unreadable.
    """
    path = memo.cache_folder() / "images" / f"{key}.npy"
    if found := _opened(path, count, one):
        return found
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(path):
        if found := _opened(path, count, one):
            return found
        _sweep(path.parent)
        _must_fit(path.parent, count * int(np.prod(one)))
        _write(path, count, one, build())
    found = _opened(path, count, one)
    if found is None:
        raise OSError(f"{path} is not what was written")
    return found


def _opened(path: Path, count: int, one: tuple[int, ...]) -> Kept | None:
    """What is there, if it is whole and what it should be."""
    try:
        facts = json.loads(path.with_suffix(".json").read_bytes())
        failures = tuple(Failure(**failure) for failure in facts["failures"])
        if facts["hash"] != _hash(facts) or facts["version"] != VERSION or path.stat().st_size != facts["bytes"]:
            return None
        images = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    right = images.dtype == np.uint8 and images.shape == (count - len(failures), *one)
    return Kept(images, failures) if right else None


def _must_fit(folder: Path, size: int) -> None:
    """An OSError now, rather than after hours of decoding onto a disk that everybody else needs too."""
    free = shutil.disk_usage(folder).free
    if size > free:
        raise OSError(errno.ENOSPC, f"they take {human(size)}B, {human(free)}B are free")


def _write(path: Path, count: int, one: tuple[int, ...], chunks: Chunks) -> None:
    """Row after row: a full disk is an OSError here, where writing through a mapping would kill the process."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    failures: list[Failure] = []
    try:
        with temporary.open("wb") as file:
            start = _header(file, (count, *one))
            for images, failed in chunks:
                file.write(images.data)
                failures += failed
            file.seek(0)
            if _header(file, (count - len(failures), *one)) != start:
                raise OSError(f"{path}: the header changed its length")
            file.flush()
            os.fsync(file.fileno())
        size = temporary.stat().st_size
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)
    facts = {"version": VERSION, "bytes": size, "failures": [asdict(failure) for failure in failures]}
    memo.replace(path.with_suffix(".json"), json.dumps(facts | {"hash": _hash(facts)}).encode())


def _header(file: IO[bytes], shape: tuple[int, ...]) -> int:
    """Write the head of an .npy; where the values start."""
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.tell()


def _hash(facts: dict[str, Any]) -> str:
    text = json.dumps({name: value for name, value in facts.items() if name != "hash"}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process builds this file; not where the disk knows no locks."""
    with path.with_suffix(".lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            LOG.debug("%s: no locks here (%s)", path, error)
        yield


def _sweep(folder: Path) -> None:
    """Remove what killed builders left; a living one writes to its file more often than that."""
    for left in folder.glob(".*.tmp"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()
