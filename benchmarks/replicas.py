"""Replicates of one network trained in the same steps, against one by one: the time of a step, on this machine.

A step is everything: the batches of all replicates, forward, losses, backward, optimizer. In each round both sides take
one step, the stacked network of R replicates and a single one, in turns; the ratio is R single steps over a stacked
one. The network is two plain stages of two 3x3 convolutions with batch norm, w and 2w channels wide, batch 64.

Measured 2026-11-21 on 2 quiet cores of an AMD EPYC, Python 3.11.7, torch 2.13.0 (CPU), one thread, medians of 15
interleaved rounds:

    1x8x8, replicas 2, 4, 8      width 8: 1.67 2.11 2.62 times    16: 1.36 1.62 1.73    32: 1.12 1.18 1.14
    3x32x32, replicas 2, 4, 8    width 8: 1.20 1.12 0.72 times    16: 0.87 0.73 0.54    32: 0.86 0.65 0.62

So it pays for narrow networks on small maps, and the calibration leaves the rest alone. Not measured on a GPU.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import numpy as np
import torch
from support.sides import machine, table

from worker import trainer
from worker.job import Job
from worker.training.replicas import choice, group
from worker.training.run import prepared

NORM = {"kind": "batch", "place": "before_activation"}
WIDTHS, COUNTS = (8, 16, 32), (2, 4, 8)
WARMING = 3


def main() -> None:
    """A table of all cases."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="steps timed of each side (default: 15)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to train (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU (default: 1)")
    parser.add_argument("--precision", default="float32", help="a recipe's precision (default: float32)")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here; leave --device cuda out")
    print(f"{machine()}\n{device(given)}, {given.rounds} interleaved rounds, medians (quartiles of the ratio)\n")
    with tempfile.TemporaryDirectory() as folder:
        head = ("input", "width", "replicas", "one by one ms", "together ms", "times", "quartiles")
        print(table(head, *rows(Path(folder), given)), flush=True)


def device(given: argparse.Namespace) -> str:
    """What it runs on."""
    if given.device == "cuda":
        return f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}, {given.precision}"
    return f"{platform.machine()} CPU, {given.threads} thread(s), {given.precision}"


def rows(folder: Path, given: argparse.Namespace) -> Iterator[tuple[Any, ...]]:
    """Every case: an input, a width, a number of replicates."""
    for name, data in {"digits 1x8x8": {"source": "digits"}, "images 3x32x32": images(folder)}.items():
        for width in WIDTHS:
            for count in COUNTS:
                yield (name, width, count, *measured(job(folder, data, width, given), count, given.rounds))


def images(folder: Path) -> dict[str, Any]:
    """Colour images of noise: only the time counts."""
    drawn = np.random.default_rng(0)
    np.savez(folder / "set.npz", x=drawn.random((2_000, 32, 32, 3), np.float32), y=drawn.integers(0, 10, 2_000))
    return {"source": f"arrays:{folder}/set.npz"}


def job(folder: Path, data: dict[str, Any], width: int, given: argparse.Namespace) -> Job:
    """A training that is long enough for its steps never to end."""
    stages = [
        {"block": "plain", "width": width, "repeat": 2, "norm": NORM, "pool": {"kind": "max", "size": 2}},
        {"block": "plain", "width": 2 * width, "repeat": 2, "norm": NORM},
    ]
    recipe = {"epochs": 10_000, "batch_size": 64, "precision": given.precision}
    gpus = float(given.device == "cuda")
    return Job(0, {"stages": stages}, recipe, data, "classification", 0, str(folder), threads=given.threads, gpus=gpus)


def measured(one: Job, count: int, rounds: int) -> tuple[str, ...]:
    """Milliseconds of a step of all replicates, one by one and together, and how many times as fast that is."""
    network, splits = trainer.network_of(one), trainer.loaded(one)
    runs = [prepared(network, splits, Job(**vars(one) | {"seed": seed})) for seed in range(count)]
    stacked, run = group.grouped(runs), runs[0]
    together = choice.endless(run, lambda: group.stepping(stacked, 1))
    alone = choice.endless(run, lambda: choice.single(run))
    pairs = [(choice.timed(alone, run.device), choice.timed(together, run.device)) for _ in range(WARMING + rounds)]
    pairs = pairs[WARMING:]
    ratios = [count * a / b for a, b in pairs]
    low, _, high = quantiles(ratios, n=4)
    ours, theirs = (median(side) * 1e3 for side in zip(*pairs, strict=True))
    return f"{count * ours:.2f}", f"{theirs:.2f}", f"{count * ours / theirs:.2f}", f"{low:.2f}-{high:.2f}"


if __name__ == "__main__":
    main()
