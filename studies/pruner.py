"""When to stop a trial early, judged from the epoch rows."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from studies.spec import AshaPruner


def is_rung(pruner: AshaPruner, epoch: int, epochs: int) -> bool:
    """Whether trials are compared after this epoch: min, min * eta, min * eta^2, ..., never after the last."""
    rung = pruner.min_epochs
    while rung < epoch:
        rung *= pruner.eta
    return rung == epoch and epoch < epochs


def goes_on(value: float, rung: Sequence[float], eta: int, direction: str) -> bool:
    """Whether `value` is in the best 1/eta of all values that reached the rung so far, itself among them.

    Asynchronous successive halving (Li et al. 2020) in its stopping form: nobody waits for a rung to fill, so the
    first to reach it always goes on.
    """
    better = sum(other > value if direction == "maximize" else other < value for other in rung)
    return better < ceil(len(rung) / eta)
