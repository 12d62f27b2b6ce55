"""What this machine has to spare: cores and memory, and work done ahead by threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

MOST_THREADS = 8
MEMORY, GROUP = Path("/proc/meminfo"), Path("/sys/fs/cgroup")
UNKNOWN = 8 << 30
"""Bytes that are assumed to be free where the system does not tell."""

T = TypeVar("T")
R = TypeVar("R")


def ahead(work: Callable[[T], R], items: Iterable[T], workers: int, most: int | None = None) -> Iterator[R]:
    """`work` of each item, in order, by threads that are at most `most` items ahead of who takes the results.

    What a thread raises is raised here. Leaving the loop early ends the threads.
    """
    pool, waiting = ThreadPoolExecutor(workers, "archstudy-data"), deque[Future[R]]()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= (most or 2 * workers):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def cores() -> int:
    """The cores that this process may use, up to eight."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_THREADS, usable)


def free_memory() -> int:
    """Bytes that a process can take without swapping: the system's, or the container's where it has less."""
    try:
        lines = dict(line.split(":") for line in MEMORY.read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, ValueError, KeyError):
        return UNKNOWN
    try:
        return min(free, int((GROUP / "memory.max").read_text()) - int((GROUP / "memory.current").read_text()))
    except (OSError, ValueError):
        return free
