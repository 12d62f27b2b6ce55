"""The progress display of a run, on stderr: trials done, running, best so far, time left. Live on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from studies.conductor import Conductor
from studies.store import query
from studies.verdict import as_text

LINE_SECONDS = 5.0
"""Without a terminal: the least time between two lines."""


@dataclass(frozen=True)
class Progress:
    """Where a run stands. `left` is in seconds, None before a trial has been completed."""

    done: int
    total: int
    running: int
    pruned: int
    failed: int
    infeasible: int
    best: float | None
    left: float | None
    phase: str


def progress(conductor: Conductor) -> Progress:
    """Counted from the rows, but for the trials under way."""
    counts = query.counts(conductor.engine, conductor.study_id)
    by_state = {state: sum(one["trials"] for one in counts if one["state"] == state) for state in _STATES}
    spec, live = conductor.study.spec, conductor.live
    done = sum(one["counted"] for one in counts)
    total = conductor.total()
    seconds = conductor.seconds_per_trial()
    parallel = max(1, min(spec.budget.parallel, total - done) if spec.search else len(live))
    left = None if seconds is None else seconds * max(0, total - done) / parallel
    best = query.best(conductor.engine, conductor.study_id)
    phase = live[0]["phase"] if live else "starting"
    return Progress(
        done, total, len(live), by_state["pruned"], by_state["failed"], by_state["infeasible"], best, left, phase
    )


_STATES = ("pruned", "failed", "infeasible")


def line(told: Progress, metric: str) -> str:
    """`12/49 trials  2 running  best 98.61 %  5 pruned  0:31 left`."""
    parts = [f"{told.done}/{told.total} trials", f"{told.running} running"]
    parts += [f"best {as_text(told.best, metric)} {metric}"] if told.best is not None else []
    parts += [f"{getattr(told, state)} {state}" for state in _STATES if getattr(told, state)]
    parts += [f"about {int(told.left) // 60}:{int(told.left) % 60:02d} left"] if told.left is not None else []
    return "   ".join(parts)


class Display:
    """Draws at most a few times a second, whatever the conductor does between."""

    def __init__(self, conductor: Conductor, write: Callable[[str], Any], every: float) -> None:
        self._conductor, self._write, self._every, self._last = conductor, write, every, 0.0

    def __call__(self) -> None:
        if time.monotonic() - self._last >= self._every:
            self.draw()

    def draw(self) -> None:
        """Draw now."""
        self._last = time.monotonic()
        told = progress(self._conductor)
        spec = self._conductor.study.spec
        self._write(f"{spec.name}  {told.phase}   {line(told, spec.objective.target)}")


@contextmanager
def shown(conductor: Conductor) -> Iterator[None]:
    """Show the progress of a conductor while it is driven."""
    console = Console(stderr=True)
    if not console.is_terminal:
        with _watching(conductor, Display(conductor, _print, LINE_SECONDS)):
            yield
        return
    live = Live(console=console, refresh_per_second=4)
    with live, _watching(conductor, Display(conductor, lambda text: live.update(Text(text)), 0.25)):
        yield


def _print(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def _watching(conductor: Conductor, display: Display) -> Iterator[None]:
    conductor.on_change = display
    display.draw()
    try:
        yield
    finally:
        display.draw()


@contextmanager
def silent(conductor: Conductor) -> Iterator[None]:
    """No display."""
    yield
