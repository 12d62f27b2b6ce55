"""Networks counted a second: lowering and counting in closed form, against building on `meta` and running a counter.

Throughput, as when a search or a match counts thousands: in every round each side counts the same network several times
in a row, ours 30 times and theirs 5. Both sides end with the same parameters and MACs, asserted for every network. The
other side is what a user would do without us: make the module on the meta device, sum its parameters, and run torch's
FlopCounterMode over one forward pass; its modules are made from calls worked out beforehand, so that none of our own
time counts against it.

Wanted: 50 times, and a network of 10 layers in under 0.5 ms. Measured 2026-11-21 on 2 cores of an AMD EPYC, load 0.8,
Python 3.11.7, torch 2.13.0 (CPU), medians of 7 interleaved rounds:

    10 layers 0.15 ms, 111 times      vgg16 0.19 ms, 66 times           googlenet 1.26 ms, 86 times
    resnet50 0.78 ms, 122 times       densenet121 2.07 ms, 121 times    mobilenet_v2 0.65 ms, 168 times

The lowest of any round and network was 65 times.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

import torch
from support.sides import machine, table
from torch.utils.flop_counter import FlopCounterMode

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import Cost, cost
from searchspace.lower import lower
from searchspace.zoo import files, networks
from worker.build import made
from worker.calls import calls

NAMES = ("vgg16", "googlenet", "resnet18", "resnet50", "densenet121", "mobilenet_v2", "wrn_28_10")
TEN = {
    "stages": [
        {"block": "plain", "width": 32, "repeat": 3, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 64, "repeat": 3, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 128, "repeat": 3, "norm": "batch"},
    ]
}


def main() -> None:
    """Every network once a round on each side, and one table of medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="how often each network is counted (default: 9)")
    count = parser.parse_args().rounds
    torch.set_num_threads(1)
    rows = [row(name, *case, count) for name, case in cases().items()]
    print(f"{machine()}\n{count} interleaved rounds, medians\n")
    print(table(("network", "closed form ms", "build and run ms", "times", "lowest"), *rows))


def cases() -> dict[str, tuple[Blueprint, tuple[int, ...], int]]:
    """Blueprints with their input and outputs."""
    found = {"10 layers, 3x32x32": (Blueprint.model_validate(TEN), (3, 32, 32), 10)}
    for name in NAMES:
        card = files.card(name)
        found[name] = networks.blueprint(name), card.input, card.classes
    return found


def row(name: str, blueprint: Blueprint, shape: tuple[int, ...], outputs: int, count: int) -> tuple[Any, ...]:
    """Median milliseconds of both sides, and the ratio, median and lowest of the rounds."""
    network = lower(blueprint, shape, outputs)
    tree = calls(network)
    ours, theirs = [], []
    for _ in range(count):
        seconds, counted = timed(lambda: cost(lower(blueprint, shape, outputs)), 30)
        ours.append(seconds)
        seconds, other = timed(lambda: built_and_run(tree, network), 5)
        theirs.append(seconds)
        assert (counted.params, counted.macs) == other, name
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    milliseconds = (f"{median(side) * 1e3:.2f}" for side in (ours, theirs))
    return name, *milliseconds, f"{median(ratios):.0f}", f"{min(ratios):.0f}"


def timed(work: Any, times: int) -> tuple[float, Any]:
    """Seconds each, and what came out."""
    began = time.perf_counter()
    results: list[Cost | tuple[int, int]] = [work() for _ in range(times)]
    return (time.perf_counter() - began) / times, results[-1]


def built_and_run(tree: Any, network: Network) -> tuple[int, int]:
    """(params, MACs) by torch's own counter; it counts two operations for each multiply-add."""
    with torch.device("meta"):
        model, example = made(tree).eval(), torch.empty(1, *network.input)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(example)
    return sum(parameter.numel() for parameter in model.parameters()), counter.get_total_flops() // 2


if __name__ == "__main__":
    main()
