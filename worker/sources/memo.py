"""What was learnt of files, kept on this machine, so that a large folder is read through once and not at every start.

A file is known by its path, size and time of change. What cannot be kept is learnt again: nothing depends on it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import time
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)
VERSION = 1
FRESH = 2_000_000_000
"""A file changed less than these nanoseconds ago may change again without a new time: it is not remembered yet."""


def cache_folder() -> Path:
    """ARCHSTUDY_CACHE, or `archstudy` in XDG_CACHE_HOME or ~/.cache. It may be deleted at any time."""
    if own := os.environ.get("ARCHSTUDY_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "archstudy"


def recall(name: str) -> dict[str, list[Any]]:
    """Path -> [size, time, facts...] of what was learnt under a name."""
    try:
        kept = json.loads(_path(name).read_bytes())
        return dict(kept["files"]) if kept["name"] == name and kept["version"] == VERSION else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def remember(name: str, files: dict[str, list[Any]]) -> None:
    """Keep [size, time, facts...] of each path, except of files that changed just now."""
    now = time.time_ns()
    settled = {path: facts for path, facts in files.items() if now - facts[1] > FRESH}
    text = json.dumps({"name": name, "version": VERSION, "files": settled}, separators=(",", ":"))
    try:
        replace(_path(name), text.encode())
    except OSError as error:
        LOG.debug("%s: not remembered (%s)", name, error)


def replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}.tmp")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """16 hexadecimal digits of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()


def content_digest(data: bytes) -> str:
    """16 hexadecimal digits of a content."""
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def joined(digests: dict[str, str]) -> str:
    """16 hexadecimal digits of named contents, in whatever order they come."""
    text = "".join(f"{name}\0{digests[name]}\n" for name in sorted(digests))
    return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def _path(name: str) -> Path:
    return cache_folder() / "facts" / f"{hashlib.blake2b(os.fsencode(name), digest_size=8).hexdigest()}.json"
