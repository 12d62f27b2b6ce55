"""The trials of a design study, in the order in which they are run: tuning, then every cell on seed after seed."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from searchspace.language.space import Assignment
from studies.candidate import Study, candidate, described, key
from studies.design.cells import Cell, every_cell, raw_cells, settings
from studies.design.replicates import wanted
from studies.design.tuning import chosen
from studies.seeds import derive
from worker.recipe import Recipe

Row = Mapping[str, Any]
PILOT_SEEDS = 3
PILOT_CELLS = 4
"""A pilot trains so many seeds of at most so many cells: trials of the study itself, so nothing is wasted."""


def new_rows(study: Study, rows: Sequence[Row], pilot: bool = False) -> list[dict[str, Any]]:
    """The rows that come next, given all that there are, each of which has ended; none where the study is done."""
    possible = [*every_cell(study, {row["cell"]: row for row in reversed(rows)}), *raw_cells(study)]
    if pilot:
        possible = _spread_out(possible)
    tuned = [row for row in rows if row["phase"] == "tune"]
    if missing := _tuning(study, possible, tuned):
        return missing
    cells = [_at_its_best(study, cell, tuned) for cell in possible]
    assert study.spec.design is not None
    have = {(row["cell"], row["replicate"]) for row in rows if row["phase"] in ("design", "raw")}
    counts = dict.fromkeys((cell.name for cell in cells), PILOT_SEEDS if pilot else study.spec.design.least)
    first = _missing(study, cells, counts, have)
    if first or pilot:
        return first
    return _missing(study, cells, counts | wanted(study.spec.design, rows), have)


def run_order(study: Study, cells: Sequence[Cell], counts: Mapping[str, int]) -> list[tuple[int, Cell]]:
    """(replicate, cell) for every trial: replicate by replicate, cells shuffled: a half-run study is balanced."""
    order = []
    for replicate in range(max(counts.values(), default=0)):
        shuffled = [cell for cell in cells if replicate < counts[cell.name]]
        random.Random(derive(study.spec.seed, "order", replicate)).shuffle(shuffled)
        order += [(replicate, cell) for cell in shuffled]
    return order


def _missing(
    study: Study, cells: Sequence[Cell], counts: Mapping[str, int], have: set[tuple[str, int]]
) -> list[dict[str, Any]]:
    order = run_order(study, cells, counts)
    return [trial_row(study, cell, number) for number, cell in order if (cell.name, number) not in have]


def _spread_out(cells: Sequence[Cell]) -> list[Cell]:
    """A pilot's cells: the first and the last of those that can be, and some evenly between."""
    able = [cell for cell in cells if not cell.reason]
    if len(able) <= PILOT_CELLS:
        return able
    return [able[round(place * (len(able) - 1) / (PILOT_CELLS - 1))] for place in range(PILOT_CELLS)]


def _tuning(study: Study, cells: Sequence[Cell], have: Sequence[Row]) -> list[dict[str, Any]]:
    """The tuning trials that are missing: every setting of every cell that can be, on each tuning seed."""
    design = study.spec.design
    assert design is not None
    if not design.tune:
        return []
    known = [(row["cell"], row["replicate"], row["assignment"]) for row in have]
    new = []
    for replicate in range(design.tune_replicates or 1):
        trials = [(cell, setting) for cell in cells if not cell.reason for setting in settings(study)]
        random.Random(derive(study.spec.seed, "tune", replicate)).shuffle(trials)
        for cell, setting in trials:
            assignment = {**cell.assignment, **setting}
            if (cell.name, replicate, assignment) not in known:
                new.append(trial_row(study, replace(cell, assignment=assignment), replicate, "tune"))
    return new


def _at_its_best(study: Study, cell: Cell, tuned: Sequence[Row]) -> Cell:
    """The cell at the setting that its tuning found, or with the reason why there is none."""
    assert study.spec.design is not None
    if not study.spec.design.tune or cell.reason:
        return cell
    setting = chosen(tuned, cell.name, settings(study), study.spec.objective.direction)
    if setting is None:
        names = ", ".join(study.spec.design.tune)
        return replace(cell, reason=f"at no setting of {names} did all of its tuning trials end well; list others")
    return replace(cell, assignment={**cell.assignment, **setting})


def trial_row(study: Study, cell: Cell, replicate: int, phase: str | None = None) -> dict[str, Any]:
    """The row of one replicate of a cell; infeasible at once where the cell cannot be run."""
    phase = phase or ("raw" if cell.raw else "design")
    proposal = candidate(study, cell.assignment) if cell.cost else None
    base: dict[str, Any] = {"phase": phase, "cell": cell.name, "replicate": replicate}
    base["seed"] = seed_of(study, phase, replicate)
    if proposal is None:
        base |= _unlowered(study, cell.assignment)
    else:
        base |= described(proposal) | {"key": key(study, proposal, base["seed"])}
    if cell.reason:
        base |= {"state": "infeasible", "reason": cell.reason, "finished_at": time.time()}
    return base


def seed_of(study: Study, phase: str, replicate: int) -> int:
    """The same for every cell, matched or raw, so that they are paired; others for tuning, so that it flatters none."""
    return derive(study.spec.seed, "tune seed" if phase == "tune" else "replicate", replicate)


def _unlowered(study: Study, assignment: Assignment) -> dict[str, Any]:
    """What a row says of a network that cannot exist."""
    resolved = study.space.resolve(assignment)
    recipe = Recipe.model_validate(resolved["recipe"]).model_dump(mode="json", exclude_none=True)
    return {"assignment": assignment, "blueprint": resolved["blueprint"], "recipe": recipe}
