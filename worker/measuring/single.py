"""How long a network takes for one example on this machine's CPU, before anything is trained."""

from __future__ import annotations

import time

import torch

from searchspace.core import Network
from worker import build

WARM_UP = 3
ROUNDS = 7
LEAST_SECONDS = 2e-3
"""One round lasts at least so long, so that looking at the clock does not count."""


@torch.inference_mode()
def latency(network: Network, rounds: int = ROUNDS) -> float:
    """Milliseconds for a batch of one, of the fastest round: what else the machine does can only slow a round down."""
    model = build.module(network).eval()
    x = torch.zeros(1, *network.input)
    once = min(_seconds(model, x, 1) for _ in range(WARM_UP))
    times = max(1, round(LEAST_SECONDS / max(once, 1e-9)))
    return 1e3 * min(_seconds(model, x, times) for _ in range(rounds))


def _seconds(model: torch.nn.Module, x: torch.Tensor, times: int) -> float:
    """The mean over so many passes."""
    begin = time.perf_counter()
    for _ in range(times):
        model(x)
    return (time.perf_counter() - begin) / times
