"""The design of a controlled study: its cells, each matched to the cost that is held, and the order of its trials."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from itertools import product
from typing import Any

from searchspace.cost import Cost, Infeasible, cost
from searchspace.language.problems import Path
from searchspace.language.space import Assignment
from searchspace.language.units import human, percent
from searchspace.language.variables import IntRange, levels
from searchspace.match import solve
from studies.candidate import Study, candidate, described, key, network_of, place
from studies.seeds import derive
from worker.recipe import Recipe


@dataclass(frozen=True)
class Cell:
    """One combination of factor levels; `reason` says why it cannot be run.

    `assignment` adds the variables that have one value only, and the one that is solved.

    `error` is the signed relative distance of the held cost from its target, None where nothing is held; `where` is
    the place in the study's file that the reason is about.
    """

    name: str
    levels: Assignment
    assignment: Assignment
    cost: Cost | None
    error: float | None
    reason: str | None
    where: Path = ()


def every_cell(study: Study) -> tuple[Cell, ...]:
    """All cells in the order of their factors' levels, possible or not."""
    assert study.spec.design is not None
    factors = study.spec.design.factors
    grid = product(*(levels(study.space[name].domain) for name in factors))
    return tuple(_cell(study, dict(zip(factors, combination, strict=True))) for combination in grid)


def name_of(combination: Assignment) -> str:
    """`depth=2, kernel=3`."""
    return ", ".join(f"{name}={value}" for name, value in combination.items())


def _constants(study: Study) -> Assignment:
    """The variables outside the factors and the match: each has one value, or the file would be refused."""
    design = study.spec.design
    assert design is not None
    told = (*design.factors, design.match and design.match.by)
    return {name: value for name, value in study.space.completed({}).items() if name not in told}


def _cell(study: Study, combination: Assignment) -> Cell:
    assert study.spec.design is not None
    known = {**combination, **_constants(study)}
    try:
        if study.spec.design.match:
            return _matched(study, combination, known)
        counted = cost(network_of(study, known))
        return Cell(name_of(combination), combination, known, counted, None, None)
    except Infeasible as error:
        return Cell(name_of(combination), combination, known, None, None, str(error), place(error))


def _matched(study: Study, combination: Assignment, known: Assignment) -> Cell:
    """The cell with its one free variable solved; beyond the tolerance it is reported with the nearest miss."""
    assert study.spec.design is not None
    held = study.spec.design.match
    assert held is not None
    domain = study.space[held.by].domain
    assert isinstance(domain, IntRange)
    costs: dict[int, Cost] = {}

    def cost_of(value: int) -> int:
        costs[value] = cost(network_of(study, {**known, held.by: value}))
        return int(getattr(costs[value], held.cost))

    match = solve(cost_of, domain.values(), held.target)
    assignment = {**known, held.by: match.value}
    reason = None if abs(match.error) <= float(held.tolerance) else _miss(held, match, domain)
    found = costs[match.value]
    return Cell(name_of(combination), combination, assignment, found, match.error, reason, ("design", "match"))


def _miss(held: Any, match: Any, domain: IntRange) -> str:
    end = match.value in (domain.low, domain.values()[-1])
    cure = f"let {held.by} go beyond {match.value}, or change the target" if end else "raise the tolerance"
    return (
        f"{human(held.target)} {held.cost} are out of reach within {percent(held.tolerance)}: the nearest is "
        f"{held.by} = {match.value} with {human(match.cost)} ({match.error:+.1%}); {cure}"
    )


def run_order(study: Study, cells: tuple[Cell, ...]) -> list[tuple[int, Cell]]:
    """(replicate, cell) for every trial: replicate by replicate, cells shuffled: a half-run study is balanced."""
    assert study.spec.design is not None
    order = []
    for replicate in range(study.spec.design.replicates):
        shuffled = list(cells)
        random.Random(derive(study.spec.seed, "order", replicate)).shuffle(shuffled)
        order += [(replicate, cell) for cell in shuffled]
    return order


def trial_row(study: Study, cell: Cell, replicate: int) -> dict[str, Any]:
    """The row of one replicate of a cell; infeasible at once where the cell cannot be run."""
    proposal = candidate(study, cell.assignment) if cell.cost else None
    base: dict[str, Any] = {"phase": "design", "cell": cell.name, "replicate": replicate}
    base["seed"] = derive(study.spec.seed, "replicate", replicate)
    if proposal is None:
        resolved = study.space.resolve(cell.assignment)
        recipe = Recipe.model_validate(resolved["recipe"]).model_dump(mode="json", exclude_none=True)
        base |= {"assignment": cell.assignment, "blueprint": resolved["blueprint"], "recipe": recipe}
    else:
        base |= described(proposal) | {"key": key(study, proposal, base["seed"])}
    if cell.reason:
        base |= {"state": "infeasible", "reason": cell.reason, "finished_at": time.time()}
    return base
