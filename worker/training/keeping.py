"""Checkpoints of a training: when one is due, what goes into it, and what a disk that refuses means."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from torch import Tensor

from worker import checkpoint
from worker.checkpoint import Checkpoint
from worker.job import TrainingFailed
from worker.training.run import Run

LOG = logging.getLogger(__name__)


class Keeper:
    """Writes a trial's checkpoints into an attempt of its own, at most one in `seconds` but for those that must be."""

    def __init__(self, folder: Path, identity: str, seconds: float) -> None:
        self.attempt, self.identity, self.seconds = claimed(folder), identity, seconds
        self._saved, self._told = time.monotonic(), False

    def keep(self, run: Run, at_once: bool = False) -> None:
        """The state of the run, if it is time. Without it there is only more to repeat; a full disk is told once."""
        if not at_once and time.monotonic() - self._saved < self.seconds:
            return
        try:
            self._save(run, run.state())
        except OSError as error:
            epoch = len(run.journal.history)
            if not self._told:
                LOG.warning("%s: no checkpoint at epoch %d (%s); training goes on", self.attempt, epoch, error.strerror)
            self._told = True
        self._saved = time.monotonic()

    def finish(self, run: Run) -> None:
        """The weights that the trial ends with; without them there is no result."""
        weights: dict[str, Tensor] = {f"weights/{name}": value for name, value in run.model.state_dict().items()}
        try:
            self._save(run, weights, final=True)
        except OSError as error:
            where = f"{self.attempt}: the final weights cannot be written ({error.strerror})"
            raise TrainingFailed("error", f"{where}; free the disk and run again") from error

    def _save(self, run: Run, tensors: dict[str, Tensor], final: bool = False) -> None:
        history, facts = tuple(run.journal.history), run.journal.facts()
        checkpoint.save(self.attempt, Checkpoint(len(history), self.identity, tensors, history, facts, final))


def claimed(folder: Path) -> Path:
    """An attempt of its own in the trial's folder."""
    try:
        return checkpoint.claim(folder)
    except OSError as error:
        reason = f"{folder}: checkpoints cannot be written here ({error.strerror}); free the disk or correct the place"
        raise TrainingFailed("error", reason) from error
