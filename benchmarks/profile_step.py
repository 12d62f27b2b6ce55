"""Where the time of a training step goes, part by part, in the trainer that users run.

A clock stands at the seams of `worker.training.steps`: when a seam is passed, the time since the last one belongs to
the part that ended there. Reading a clock costs under a microsecond, and on a GPU each reading first waits for the
device, so there the sum is longer than a step without clocks. `bookkeeping` is whatever is left: the learning rate,
the running means, the look at the time limit, the order of the examples.

`forward`, `loss`, `backward` and `optimizer` are torch's own kernels, which any loop must run; the rest is ours.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from support.pictures import cifar_folder
from support.sides import machine, table
from training import Case, cases

from worker import trainer
from worker.data import Held
from worker.job import Job
from worker.training import steps
from worker.training.run import Run, prepared

PARTS = ("gather", "augment", "forward", "loss", "backward", "optimizer", "bookkeeping")
AUGMENTED = {"augment": [{"kind": "flip"}, {"kind": "crop", "padding": 4}]}


class Clock:
    """Seconds by part, and how many steps they are of."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds, self.steps, self.last = device, Counter[str](), 0, 0.0

    def start(self) -> None:
        """Begin to count."""
        self.seconds, self.steps, self.last = Counter(), 0, time.perf_counter()

    def lap(self, part: str) -> None:
        """The time since the last lap was this part's."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[part] += now - self.last
        self.last = now


def main() -> None:
    """A profile of each case, with augmentation where there are pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5, help="timed epochs of each case (default: 5)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--cifar", help="folder of CIFAR-10's parquet files (default: $ARCHSTUDY_CIFAR10, or none)")
    parser.add_argument("--tiny", action="store_true", help="few examples, to see that it runs")
    asked = parser.parse_args()
    print(f"{machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for case in cases(Path(folder), cifar_folder(asked.cifar), asked.tiny):
            recipe = case.job.recipe | {"epochs": asked.epochs + 1} | (AUGMENTED if "32x32" in case.name else {})
            changes = {"recipe": recipe, "folder": folder, "gpus": float(asked.device == "cuda")}
            print(profile(case, Job(**vars(case.job) | changes)), "\n", flush=True)


def profile(case: Case, job: Job) -> str:
    """Microseconds and share of each part of a step, after an epoch to warm up."""
    run = prepared(trainer.network_of(job), trainer.loaded(job), job)
    clock = Clock(run.device)
    with watched(clock):
        steps.trained(run, 1)
        clock.start()
        for epoch in range(2, run.recipe.epochs + 1):
            steps.trained(run, epoch)
            clock.lap("bookkeeping")
    plain = without(run)
    total = sum(clock.seconds.values())
    rows = [
        (part, f"{1e6 * clock.seconds[part] / clock.steps:.0f}", f"{clock.seconds[part] / total:.1%}") for part in PARTS
    ]
    ends = f"a step {1e6 * total / clock.steps:.0f} us with clocks, {1e6 * plain:.0f} us without"
    return f"{case.name}, batches of {run.batch}\n{table(('', 'us a step', 'share'), *rows)}\n{ends}"


def without(run: Run) -> float:
    """Seconds a step of one more epoch, with no clock in it."""
    began = time.perf_counter()
    steps.trained(run, run.recipe.epochs).means().tolist()
    return (time.perf_counter() - began) / run.steps


@contextmanager
def watched(clock: Clock) -> Iterator[None]:
    """Inside, the trainer's seams tell the clock; an AttributeError where a seam is no longer there."""
    seams: list[tuple[Any, str, Callable[..., Any]]] = [
        (Held, "batches", gathering(clock, Held.batches)),
        (steps, "augmented", between(clock, steps.augmented, "bookkeeping", "augment")),
        (steps, "forward", between(clock, steps.forward, "optimizer", "forward")),
        (steps, "with_side_losses", between(clock, steps.with_side_losses, "loss", "loss")),
        (steps, "changed", between(clock, steps.changed, "backward", "optimizer")),
        (steps, "updated", between(clock, steps.updated, "bookkeeping", "optimizer")),
    ]
    kept = [(home, name, getattr(home, name)) for home, name, _ in seams]
    try:
        for home, name, wrapped in seams:
            setattr(home, name, wrapped)
        yield
    finally:
        for home, name, original in kept:
            setattr(home, name, original)


def between(clock: Clock, function: Callable[..., Any], before: str, inside: str) -> Callable[..., Any]:
    """The function, which ends the part `before` when it is called and `inside` when it returns."""

    def called(*args: Any, **options: Any) -> Any:
        clock.lap(before)
        result = function(*args, **options)
        clock.lap(inside)
        return result

    return called


def gathering(clock: Clock, batches: Callable[..., Any]) -> Callable[..., Any]:
    """A part's batches: the time to get the next one is `gather`."""

    def called(*args: Any) -> Iterator[Any]:
        found = iter(batches(*args))
        while True:
            clock.lap("bookkeeping")
            pair = next(found, None)
            clock.lap("gather")
            if pair is None:
                return
            clock.steps += 1
            yield pair

    return called


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
