"""A training's speed: our trainer, checkpoints and reporting included, against two loops that a person would write.

`hand` holds the same tensors and does the same arithmetic in as few lines as we can write (`support/loops.py`), once
with torch's foreach and once with its fused optimizer; that its first epoch gives our training loss is asserted.
`loader` is the loop of most tutorials: Dataset, DataLoader with two workers, `.item()` in every step. All sides train
in this process on one thread (the loader's workers have processes of their own), and take turns: a round is so many
epochs of each side, in another order each time, and the ratio is the median of the rounds' ratios. The first epoch of
each is not timed. What a trial measures once at its end (confusion, memory, the fit) stands on a line of its own.

Wanted: 0.97 of the hand-written loop's speed, and 2 times (8x8) and 1.3 times (32x32) that of the loader's. Measured
2026-11-21 on 2 quiet cores of an AMD EPYC, Python 3.11.7, torch 2.13.0 (CPU), one thread, medians of 9 rounds:

    8x8 digits       ours 64 ms an epoch      hand 1.03 (foreach) 0.99 (fused)    loader 3.07 times ours
    32x32 CIFAR-10   ours 2,196 ms an epoch   hand 0.98 (foreach) 0.97 (fused)    loader 1.89 times ours

A step at 8x8 is forward 36 %, backward 53 %, optimizer 6 % and all else 4 % (`profile_step.py`); at 32x32 40, 57, 1, 2.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from support.loops import Pictures, hand, loader
from support.pictures import cifar_folder, pictures
from support.sides import machine, table

from searchspace.cost import cost
from worker import data, trainer
from worker.data import Held
from worker.datasource import DataSpec
from worker.job import EpochMetrics, Job
from worker.recipe import Recipe

SMALL = {
    "stages": [
        {"block": "plain", "width": 16, "repeat": 2, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 32, "repeat": 2, "norm": "batch"},
    ]
}
LARGE = {
    "stages": [
        {"block": "plain", "width": 16, "repeat": 2, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 32, "repeat": 2, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 64, "repeat": 1, "norm": "batch"},
    ]
}
SIDES = ("archstudy", "hand, foreach", "hand, fused", "loader")
LARGEST_DIFFERENCE = 2e-3
"""Between our training loss and the hand-written loop's after an epoch: rounding, grown over its steps."""


@dataclass(frozen=True)
class Case:
    """What is trained: a job without its folder, and so many epochs in a round."""

    name: str
    job: Job
    epochs: int


def main() -> None:
    """Each case in interleaved rounds, and one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each side has its turn (default: 7)")
    parser.add_argument("--cifar", help="folder of CIFAR-10's parquet files (default: $ARCHSTUDY_CIFAR10, or none)")
    parser.add_argument("--only", choices=["8x8", "32x32"], help="one of the cases")
    parser.add_argument("--tiny", action="store_true", help="a few epochs on few examples, to see that it runs")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{machine()}\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for case in cases(Path(folder), cifar_folder(asked.cifar), asked.tiny):
            if asked.only in (None, case.name.split()[0]):
                print(measured(case, 2 if asked.tiny else asked.rounds, Path(folder)), "\n", flush=True)


def cases(folder: Path, cifar: Path | None, tiny: bool) -> Iterator[Case]:
    """The digits, and pictures of 32x32 in an npz file."""
    yield Case("8x8 digits", job(SMALL, {"source": "digits"}, 64), 1 if tiny else 8)
    x, y, what = pictures(cifar, 500 if tiny else 5_000)
    np.savez(folder / "pictures.npz", x=x, y=y)
    yield Case(f"32x32 {what}", job(LARGE, {"source": f"arrays:{folder}/pictures.npz", "classes": 10}, 128), 1)


def job(blueprint: dict[str, Any], source: dict[str, Any], batch: int) -> Job:
    """A classification with the recipe of the examples."""
    return Job(1, blueprint, {"epochs": 1, "batch_size": batch}, source, "classification", 7, "")


def measured(case: Case, rounds: int, folder: Path) -> str:
    """All sides of a case in turns; a table of times and ratios."""
    last = 1 + rounds * case.epochs
    it = Job(**vars(case.job) | {"recipe": case.job.recipe | {"epochs": last + 1}, "folder": str(folder / case.name)})
    sides, first = sides_of(it), {}
    for name, side in sides.items():
        first[name] = dict(next(side))
    difference = abs(first[SIDES[0]]["train_loss"] - first[SIDES[1]]["train_loss"])
    assert difference < LARGEST_DIFFERENCE, f"not the same training: losses differ by {difference}"
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        for name in (*SIDES[number % len(SIDES) :], *SIDES[: number % len(SIDES)]):
            began = time.perf_counter()
            told = [next(sides[name]) for _ in range(case.epochs)]
            seconds[name].append((time.perf_counter() - began) / case.epochs)
            assert len(told) == case.epochs
    began, final = time.perf_counter(), next(sides["archstudy"])
    end = time.perf_counter() - began - median(seconds["archstudy"])
    return report(case, it, seconds, f"at a trial's end, once: {end:.2f} s more ({len(final)} metrics)")


def sides_of(it: Job) -> dict[str, Iterator[Any]]:
    """A generator of epochs for each side, on the same data."""
    splits, network = data.load(DataSpec.model_validate(it.data), it.task), trainer.network_of(it)
    recipe, (train, validation) = Recipe.model_validate(it.recipe), (splits.train, splits.validation)
    assert isinstance(train, Held)
    assert isinstance(validation, Held)
    by_hand = partial(hand, network, recipe, train, validation, it.seed)
    sets = (raw(it, part, held) for part, held in (("train", train), ("validation", validation)))
    return {
        SIDES[0]: (told.metrics for told in trainer.train(it) if isinstance(told, EpochMetrics)),
        SIDES[1]: by_hand("foreach"),
        SIDES[2]: by_hand("fused"),
        SIDES[3]: loader(network, recipe, *sets, it.seed),
    }


def raw(it: Job, part: Any, held: Held) -> Pictures:
    """A part as a Dataset of its raw pictures."""
    spec = DataSpec.model_validate(it.data)
    transform = data.load(spec, it.task).transform
    x = data.raw_images(spec, it.task, part, len(held))
    return Pictures(x, held.y.numpy(), torch.tensor(transform.mean), torch.tensor(transform.std))


def report(case: Case, it: Job, seconds: dict[str, list[float]], end: str) -> str:
    """Milliseconds an epoch and how many times as fast as that ours is: over 1, ours is the faster."""
    network, rows = trainer.network_of(it), []
    for name, theirs in seconds.items():
        ratios = sorted(b / a for a, b in zip(seconds["archstudy"], theirs, strict=True))
        spread = f"{ratios[0]:.2f}-{ratios[-1]:.2f}"
        rows.append((name, f"{1e3 * median(theirs):.0f}", f"{median(ratios):.3f}", spread))
    counted = cost(network)
    head = f"{case.name}: {counted.params:,} params, {counted.macs:,} MACs, batches of {it.recipe['batch_size']}, "
    head += f"{len(seconds['archstudy'])} rounds of {case.epochs} epochs"
    return "\n".join([head, table(("", "ms an epoch", "ours is so many times as fast", "of each round"), *rows), end])


if __name__ == "__main__":
    main()
