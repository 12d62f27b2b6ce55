"""What a design study will do: its cells and their costs, its trials, what differences it can tell, and its time."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2, prod, sqrt
from typing import Any

from studies.analysis.power import effect_deviation, seeds_for, smallest_difference
from studies.analysis.reading import claims, count
from studies.analysis.results import CellResult
from studies.analysis.slopes import effects
from studies.candidate import Study
from studies.design.cells import Cell, every_cell, raw_cells, settings
from studies.design.layouts import resolution
from studies.design.spec import DesignSpec
from studies.noise import Known
from worker.recipe import Recipe

Facts = dict[str, Any]


def facts(study: Study, known: Known) -> Facts:
    """Plain facts about the cells, the trials, the power and the time."""
    design = study.spec.design
    assert design is not None
    cells, raw = every_cell(study), raw_cells(study)
    possible = [cell for cell in (*cells, *raw) if not cell.reason]
    tuning = len(possible) * len(settings(study)) * (design.tune_replicates or 1) if design.tune else 0
    return {
        "kind": "design",
        "layout": design.arrangement,
        "resolution": _resolution(design),
        "cells": [_told(cell) for cell in cells],
        "raw": [_told(cell) for cell in raw],
        "replicates": design.least,
        "at_most": design.most,
        "tuning": tuning,
        "trials": tuning + len(possible) * design.least,
        "trials_at_most": tuning + len(possible) * design.most,
        "power": _power(study, cells, raw, known),
        "time": _time(study, possible, known),
    }


def _told(cell: Cell) -> Facts:
    return {
        "cell": cell.name,
        "assignment": cell.assignment,
        "macs": cell.cost and cell.cost.macs,
        "params": cell.cost and cell.cost.params,
        "activations": cell.cost and cell.cost.activations,
        "field": cell.cost and cell.cost.field,
        "depth": cell.cost and cell.cost.depth,
        "error": cell.error,
        "errors": dict(cell.errors),
        "reason": cell.reason,
    }


def _resolution(design: DesignSpec) -> int | None:
    if design.layout != "fractional" or design.cells is not None:
        return None
    assert design.runs is not None
    return resolution(len(design.factors), int(log2(design.runs)))


def _power(study: Study, cells: Sequence[Cell], raw: Sequence[Cell], known: Known) -> Facts | None:
    """What difference of two levels shows with a power of 80 %, and the seeds that the margin needs.

    For the hardest step of Holm's correction over all claims, and the factor with the fewest cells at a level.
    """
    design = study.spec.design
    assert design is not None
    noise = float(design.noise) if design.noise is not None else known.deviation
    able = [cell for cell in cells if not cell.reason]
    if not noise or len(able) < 2:
        return None
    tests = max(1, tests_of(design, able, [cell for cell in raw if not cell.reason]))
    deviation = _deviation(design, able, noise)
    margin = design.smallest(study.spec.objective.target)
    return {
        "deviation": noise,
        "source": "design.noise" if design.noise is not None else known.source,
        "tests": tests,
        "seeds": design.least,
        "smallest": smallest_difference(deviation, design.least, tests) if design.least > 1 else None,
        "margin": margin,
        "seeds_for_margin": _seeds(margin, deviation, tests),
    }


def tests_of(design: DesignSpec, cells: Sequence[Cell], raw: Sequence[Cell]) -> int:
    """How many claims the whole study will make: the analysis of itself, of cells that all have the same value.

    Those that one seed shows are no claims, such as the contrasts at a common setting that was tuned on one seed.
    """
    tuned = (design.tune_replicates or 1) if design.tune else 0
    groups = [(cells, design.least), (raw, design.least), (cells if tuned else (), tuned)]
    return count(*claims(design, *([_flat(cell, seeds) for cell in some] for some, seeds in groups)))


def _flat(cell: Cell, seeds: int) -> CellResult:
    return CellResult(cell.name, cell.levels, cell.assignment, {}, dict.fromkeys(range(seeds), 0.0))


def _deviation(design: DesignSpec, cells: Sequence[Cell], noise: float) -> float:
    """The largest of one seed's differences, averaged over the fewest combinations of the other factors."""
    if design.arrangement == "latin_hypercube":
        found = effects([_flat(cell, 1) for cell in cells], design.factors, design.compare)
        return max((noise * sqrt(float(weights @ weights)) for *_, weights in found), default=noise * sqrt(2))
    levels = {name: _distinct([cell.levels[name] for cell in cells]) for name in design.factors}
    pairs = {name: _combinations(design, levels, name) for name in design.factors if len(levels[name]) > 1}
    return effect_deviation(noise, min(pairs.values(), default=1))


def _distinct(values: Sequence[Any]) -> list[Any]:
    return list({repr(value): value for value in values}.values())


def _combinations(design: DesignSpec, levels: dict[str, list[Any]], factor: str) -> int:
    """Over how many combinations of the other factors the contrasts of one are averaged."""
    if design.cells is not None or design.layout == "one_at_a_time":
        return 1
    if design.layout == "fractional" and design.runs is not None:
        return max(1, design.runs // 2)
    return prod(len(one) for name, one in levels.items() if name != factor)


def _seeds(margin: float | None, deviation: float, tests: int) -> int | None:
    try:
        return seeds_for(margin, deviation, tests) if margin else None
    except ValueError:
        return None


def _time(study: Study, cells: Sequence[Cell], known: Known) -> Facts | None:
    """Seconds of training, one after the other, at the speed of earlier trials on the same data."""
    design = study.spec.design
    assert design is not None
    if known.rate is None:
        return None
    once = [_work(study, cell) * known.rate for cell in cells]
    tuning = sum(once) * len(settings(study)) * (design.tune_replicates or 1) if design.tune else 0.0
    return {
        "seconds": tuning + sum(once) * design.least,
        "seconds_at_most": tuning + sum(once) * design.most,
        "source": known.timed,
    }


def _work(study: Study, cell: Cell) -> float:
    """MACs of a training, for one example of each epoch: as `noise.known` counts them."""
    assert cell.cost is not None
    recipe = Recipe.model_validate(study.space.resolve(cell.assignment)["recipe"])
    return cell.cost.train_macs * recipe.epochs
