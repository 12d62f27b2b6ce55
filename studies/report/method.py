"""How a design study was done: its layout in words, and what its cells cost."""

from __future__ import annotations

from collections.abc import Sequence

from searchspace.language.units import human, percent
from studies.analysis.results import CellResult, Reading
from studies.candidate import Study
from studies.design.spec import Adaptive, DesignSpec
from studies.report import words
from studies.report.blocks import Block, Bullets, Heading, Paragraph
from studies.report.effects import filled
from studies.report.figures import grid
from studies.text import setting
from studies.verdict.costs import NAMES, spread
from studies.verdict.words import counted

COSTS = ("macs", "params", "activations", "field", "depth", "train_macs", "memory", "latency")
NOTABLE = 1.02
MOST_CELLS = 100
LAYOUTS = {
    "factorial": "every combination of the factors' levels (full factorial)",
    "one_at_a_time": "one factor at a time around a baseline",
    "fractional": "a balanced fraction of all combinations (fractional factorial)",
    "latin_hypercube": "combinations spread evenly over all factors (Latin hypercube)",
    "cells": "listed combinations",
}
PAIRED = (
    "Paired: the same seeds in all cells, so that they share the order of the data and, where shapes agree, the "
    "initial weights. Trials are run seed after seed, the cells of each in random order."
)
TABLE = (
    "Nothing was trained here: the results are those of a table. Paired: the first seed of each cell is compared with "
    "the first of the others, and so on, those that all cells have before the others."
)


def blocks(study: Study, reading: Reading) -> list[Block]:
    """The design in words, and its costs."""
    assert study.spec.design is not None
    return [
        Heading("How it was done"),
        Bullets(tuple(_items(study, study.spec.design, reading))),
        *_costs(study.spec.design, reading),
    ]


def _items(study: Study, design: DesignSpec, reading: Reading) -> list[str]:
    told = [f"{counted(len(reading.cells), 'cell')}: {LAYOUTS[design.arrangement]}."]
    for factor in design.factors:
        levels = words.listed(words.apart(grid.levels(reading.cells, factor), 60), 16, "levels more").replace(";", ",")
        told.append(f"Factor {factor}: {levels}." if reading.cells else f"Factor {factor}.")
    told.append(_seeds(design, study.spec.objective.target, study.spec.evaluate is not None))
    told.append(TABLE if study.spec.evaluate else PAIRED)
    told += _held(design) + _tuned(design)
    if reading.margin:
        told.append(
            f"Differences below {words.size(reading.margin, study.spec.objective.target)} do not matter (the margin)."
        )
    told.append(f"Compared is {study.spec.objective.target} of the last epoch; the test split stays locked.")
    return told


def _seeds(design: DesignSpec, metric: str, told: bool) -> str:
    """How many seeds a cell has, by training or as a table has `told` them."""
    verb = "has" if told else "is trained on"
    if not isinstance(design.replicates, Adaptive):
        return f"Every cell {verb} {counted(design.replicates, 'seed')}."
    one = design.replicates
    what = "each cell's mean" if one.until.of == "means" else "each compared difference"
    return (
        f"Every cell {verb} {one.at_least} seeds, then as many more, up to {one.at_most}, as its spread "
        f"calls for, until the 95 % interval of {what} is within ±{words.size(float(one.until.half_width), metric)} "
        "(Stein's two stages, 1945)."
    )


def _held(design: DesignSpec) -> list[str]:
    if design.match is None:
        return ["No cost is held equal."]
    held = " and ".join(f"{NAMES.get(name, name)} at {human(target)}" for name, target in design.match.targets.items())
    by = f", by {' and '.join(design.match.turned)}" if design.match.turned else ""
    told = [f"Held equal: {held} within {percent(float(design.match.tolerance))}{by}."]
    if design.raw:
        told.append(f"Raw: the same combinations are trained at {words.levels(design.raw)} too, with nothing held.")
    return told


def _tuned(design: DesignSpec) -> list[str]:
    if not design.tune:
        return []
    lists = "; ".join(f"{name} over {', '.join(map(setting, options))}" for name, options in design.tune.items())
    seeds = counted(design.tune_replicates or 1, "seed")
    return [
        (
            f"Tuned for each cell on validation, with the same effort: {lists} ({seeds} each, other than "
            "those that are compared)."
        )
    ]


def _costs(design: DesignSpec, reading: Reading) -> list[Block]:
    cells = [*reading.cells, *reading.raw_cells]
    shown = cells[:MOST_CELLS]
    if not any(_cost(one, name) for one in cells for name in COSTS):
        return []
    turned = design.turned
    headers = ("cell", *turned, *(NAMES.get(name, name) for name in COSTS), "")
    rows = [
        (
            one.name,
            *(_level(one, name) for name in turned),
            *(_cost(one, name) for name in COSTS),
            "not run" if one.reason else None,
        )
        for one in shown
    ]
    caption = "What the cells cost (one input, one forward pass)."
    caption += f" The first {len(shown)} of {len(cells)} cells." if len(cells) > len(shown) else ""
    return [filled(headers, rows, caption), Paragraph(_not_held(design, reading.cells))]


def _level(cell: CellResult, name: str) -> str | None:
    return setting(cell.assignment[name]) if name in cell.assignment else None


def _cost(cell: CellResult, name: str) -> str | None:
    value = cell.costs.get(name)
    return human(value) if isinstance(value, int | float) and value else None


def _not_held(design: DesignSpec, cells: Sequence[CellResult]) -> str:
    """How much each cost that nothing holds varies over the cells that can be."""
    held = design.held
    found = {name: spread(cells, name) for name in COSTS if name not in held}
    wide = [f"{NAMES.get(name, name)} {times:.3g}-fold" for name, times in found.items() if times > NOTABLE]
    return (
        f"Not held, and so perhaps a part of any effect: over the compared cells vary {', '.join(wide)}."
        if wide
        else f"No {'other ' * bool(held)}cost varies over the compared cells."
    )
