"""Work that memory may be too small for: under `accumulate: auto` it is done again, with each step in more parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from worker.training import failures
from worker.training.run import Run

Result = TypeVar("Result")


def that_fits(run: Run, when: str, work: Callable[[], Result]) -> Result:
    """What `work` gives; under `accumulate: auto`, out of memory splits each step in twice as many and goes back."""
    if run.recipe.accumulate != "auto":
        return work()
    start = {name: value.detach().to("cpu", copy=True) for name, value in run.state().items()}
    while True:
        try:
            with failures.named():
                return work()
        except failures.OutOfMemory as failure:
            if run.journal.parts * 2 > run.batch // run.least:
                raise
            why = f"{when} {failure.reason.split(';')[0]}"
        run.restore(start)
        run.split(run.journal.parts * 2, why)
