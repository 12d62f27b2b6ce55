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
from rich.progress_bar import ProgressBar
from rich.table import Table

from studies.conductor import Conductor
from studies.spec import StudySpec
from studies.store import query
from studies.verdict import as_text

LIVE_SECONDS, LINE_SECONDS = 0.25, 5.0
"""The least time between two drawings: on a terminal, and as lines of text elsewhere."""
_STATES = ("pruned", "failed", "infeasible")


@dataclass(frozen=True)
class Progress:
    """Where a run stands; `states` counts the trials that ended otherwise than complete, `phase` is what runs now."""

    name: str
    metric: str
    phase: str
    done: int
    total: int
    running: int
    best: float | None
    states: dict[str, int]


def progress(conductor: Conductor) -> Progress:
    """Counted from the rows, but for the trials under way."""
    counts = query.counts(conductor.engine, conductor.study_id)
    spec, live = conductor.study.spec, conductor.live
    return Progress(
        name=spec.name,
        metric=spec.objective.target,
        phase=live[0]["phase"] if live else "starting" if not counts else "",
        done=sum(one["counted"] for one in counts),
        total=_total(spec, counts),
        running=len(live),
        best=query.best(conductor.engine, conductor.study_id),
        states={state: sum(one["trials"] for one in counts if one["state"] == state) for state in _STATES},
    )


def _total(spec: StudySpec, counts: list[dict[str, Any]]) -> int:
    """How many trials the study will have trained at its end, as far as is known."""
    if spec.design:
        return sum(one["trials"] for one in counts if one["state"] != "infeasible")
    return spec.budget.trials + spec.confirm.top * spec.confirm.replicates


def words(told: Progress, left: float | None) -> str:
    """`12/49 trials   2 running   about 0:31 left   best 98.61 % val_accuracy   5 pruned`."""
    parts = [f"{told.done}/{told.total} trials", f"{told.running} running"]
    parts += [f"about {int(left) // 60}:{int(left) % 60:02d} left"] if left is not None else []
    parts += [f"best {as_text(told.best, told.metric)} {told.metric}"] if told.best is not None else []
    parts += [f"{count} {state}" for state, count in told.states.items() if count]
    return "   ".join(parts)


class Display:
    """Draws what a conductor does, at most every so often; the time left is what remains at this run's pace so far."""

    def __init__(self, conductor: Conductor, draw: Callable[[Progress, float | None], Any], every: float) -> None:
        self._conductor, self._draw, self._every = conductor, draw, every
        self._drawn, self._first = 0.0, progress(conductor).done
        conductor.on_change = self.changed

    def changed(self) -> None:
        """Draw, unless that was done just now."""
        if time.monotonic() - self._drawn >= self._every:
            self.draw()

    def draw(self) -> None:
        """Draw now."""
        self._drawn = time.monotonic()
        told = progress(self._conductor)
        new = told.done - self._first
        pace = self._conductor.run_seconds() / new if new else None
        self._draw(told, pace and pace * max(0, told.total - told.done))


@contextmanager
def shown(conductor: Conductor) -> Iterator[None]:
    """Show the progress of a conductor while it is driven."""
    console = Console(stderr=True)
    if not console.is_terminal:
        with _drawing(Display(conductor, _print, LINE_SECONDS)):
            yield
        return
    live = Live(console=console, refresh_per_second=4)
    with live, _drawing(Display(conductor, lambda told, left: live.update(_picture(told, left)), LIVE_SECONDS)):
        yield


@contextmanager
def silent(conductor: Conductor) -> Iterator[None]:
    """No display."""
    yield


@contextmanager
def _drawing(display: Display) -> Iterator[None]:
    display.draw()
    try:
        yield
    finally:
        display.draw()


def _print(told: Progress, left: float | None) -> None:
    print(f"{told.name} {told.phase}   {words(told, left)}", file=sys.stderr, flush=True)


def _picture(told: Progress, left: float | None) -> Table:
    """Two lines: the study with its bar, and the words."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        f"[bold]{told.name}[/] {told.phase}", ProgressBar(total=told.total or 1, completed=told.done, width=40)
    )
    whole = Table.grid()
    whole.add_row(grid)
    whole.add_row(words(told, left))
    return whole
