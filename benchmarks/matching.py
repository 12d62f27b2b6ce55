"""Matched cells a second: designs of 500 cells whose width, multiplier or pair of variables is solved for each.

Every network is filled in, checked and counted in closed form; where a cost is known to rise with what is turned, few
are. The other side is what it was before: every width of the range counted.

Wanted: 500 cells of a width in 1..512 in under 2 s. Measured 2026-11-21 on 2 cores of an AMD EPYC (load 1.7),
Python 3.11.7, medians of 3 rounds (every width: one round of 5 cells, scaled to 500):

    macs by width 0.72 s             params by width 0.75 s            training memory by width 1.9 s
    macs by a real multiplier 3.7 s  macs and params by two 8.4 s      macs, every width 47 s
"""

from __future__ import annotations

import argparse
import time
from itertools import product
from statistics import median
from typing import Any

from support.sides import machine, table

from searchspace.language.space import search_space
from searchspace.match import Axis, solve
from studies.candidate import Study
from studies.design.costs import counted
from studies.design.matching import solve_cell
from studies.spec import StudySpec
from worker.datasource import DataSpec, describe

KERNELS = (1, 3, 5, 7, 9)
STAGES = [
    {"block": "plain", "repeat": "$depth", "width": "$width", "kernel": "$kernel", "norm": "batch", "pool": "max"},
    {"block": "plain", "repeat": "$last", "width": "2 * $width", "norm": "batch"},
]
SCALED = [
    {**STAGES[0], "width": "round(32 * $width)"},
    {**STAGES[1], "width": "round(64 * $width)"},
]
WIDTH = {"int": [1, 512]}


def main() -> None:
    """Every design once a round, and one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="how often each design is solved (default: 5)")
    parser.add_argument("--cells", type=int, default=500, help="how many cells each has (default: 500)")
    asked = parser.parse_args()
    rows = []
    for name, study in designs().items():
        times = [seconds(study, asked.cells) for _ in range(asked.rounds)]
        rows.append((name, f"{median(times):.2f}", f"{1e3 * median(times) / asked.cells:.2f}"))
    whole = every_width(designs()["macs by width"], min(5, asked.cells))
    rows.append(("macs, every width", f"{whole * asked.cells:.0f}", f"{1e3 * whole:.0f}"))
    print(f"{machine()}\n{asked.cells} cells, {asked.rounds} rounds, medians\n")
    print(table(("held", "seconds", "ms a cell"), *rows))


def designs() -> dict[str, Study]:
    """The studies by what they hold."""
    real: dict[str, Any] = {"float": [0.05, 8.0]}
    pair = {"macs": "2M", "params": "60k", "by": ["width", "last"]}
    return {
        "macs by width": design({"macs": "2M", "by": "width"}, WIDTH, STAGES),
        "params by width": design({"params": "100k", "by": "width"}, WIDTH, STAGES),
        "training memory by width": design({"memory": "20M", "by": "width"}, WIDTH, STAGES),
        "macs by a real multiplier": design({"macs": "2M", "by": "width"}, real, SCALED),
        "macs and params by two": design(pair, WIDTH, STAGES),
    }


def design(match: dict[str, Any], width: dict[str, Any], stages: list[dict[str, Any]]) -> Study:
    """Ten depths, five filter sizes and ten depths of the last stage, on the digits."""
    tree = {
        "apiVersion": "archstudy/v1",
        "kind": "Study",
        "name": "matching",
        "data": {"source": "digits"},
        "variables": {
            "depth": {"int": [1, 10]},
            "kernel": {"choice": [*KERNELS]},
            "last": {"int": [1, 10]},
            "width": width,
        },
        "blueprint": {"stages": stages},
        "design": {"factors": ["depth", "kernel"], "match": {"tolerance": 1, **match}},
        "recipe": {"epochs": 2, "batch_size": 64},
    }
    spec = StudySpec.model_validate(tree)
    space = search_space(spec.declared, {"blueprint": spec.blueprint, "recipe": spec.recipe})
    return Study(spec, space, describe(DataSpec(source="digits"), "classification"), tree, "")


def cells(count: int) -> list[dict[str, int]]:
    """So many combinations, all alike in what they take."""
    found = [{"depth": d, "kernel": k, "last": e} for d, k, e in product(range(1, 11), KERNELS, range(1, 11))]
    return found[:: max(1, len(found) // count)][:count]


def seconds(study: Study, count: int) -> float:
    """How long the cells take; a variable that is turned is left out of the combination."""
    assert study.spec.design is not None
    turned = study.spec.design.turned
    begin = time.perf_counter()
    for cell in cells(count):
        solve_cell(study, {name: value for name, value in cell.items() if name not in turned})
    return time.perf_counter() - begin


def every_width(study: Study, count: int) -> float:
    """Seconds a cell, with all 512 networks counted; the optimum must be the same."""
    begin = time.perf_counter()
    for cell in cells(count):
        best = solve(
            lambda at, cell=cell: (counted(study, {**cell, **at}, ("macs",)).held["macs"],),
            [Axis("width", range(1, 513))],
            [2e6],
        )
        assert best.values["width"] == solve_cell(study, cell).assignment["width"]
    return (time.perf_counter() - begin) / count


if __name__ == "__main__":
    main()
