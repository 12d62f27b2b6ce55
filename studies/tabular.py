"""A study whose results come from a table: what of it a trial is answered with, and what it says of costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from searchspace.cost import Cost
from searchspace.language.constraints import Violation
from searchspace.language.expressions import evaluate, names
from searchspace.language.space import Assignment, SearchSpace
from studies.spec import StudySpec
from worker import table
from worker.table import Table

NO_NETWORK: dict[str, Any] = {"stages": []}
"""The blueprint of a study that leaves the network to its table."""


def table_of(spec: StudySpec, space: SearchSpace) -> Table:
    """The study's table; a ValueError says what is wrong with it."""
    assert spec.evaluate is not None
    return table.read(spec.evaluate.table, variables(space), spec.evaluate.digest)


def variables(space: SearchSpace) -> tuple[str, ...]:
    """The names that a column is matched by: the free variables and those that are computed from them."""
    return (*space.names, *(name for name, _ in space.derived))


def columns(spec: StudySpec, space: SearchSpace) -> tuple[str, ...]:
    """The variables that the table has a column for; none where there is no table, all where it cannot be read."""
    try:
        return table_of(spec, space).matched if spec.evaluate else ()
    except ValueError:
        return variables(space)


def values(space: SearchSpace, assignment: Mapping[str, Any]) -> Assignment:
    """The assignment with the variables that are computed from it; those that cannot be are left out."""
    found = dict(assignment)
    for name, expression in space.derived:
        try:
            found[name] = evaluate(expression, found) if names(expression) else expression
        except ValueError:
            continue  # it needs a conditional variable that does not exist here
    return found


def request(spec: StudySpec, space: SearchSpace, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What a job says of the table; None in a study that trains."""
    if spec.evaluate is None:
        return None
    return {
        "file": spec.evaluate.table,
        "digest": spec.evaluate.digest,
        "variables": list(variables(space)),
        "assignment": values(space, row["assignment"]),
        "phase": row["phase"],
        "replicate": row.get("replicate"),
        "metric": spec.objective.target,
    }


def costed(spec: StudySpec, space: SearchSpace, assignment: Assignment, counted: Cost) -> Cost:
    """The costs with those that the table names in the place of those that are counted; 0 where there is no network."""
    if spec.evaluate is None:
        return counted
    if spec.blueprint == NO_NETWORK:
        counted = Cost(params=0, macs=0, activations=0, field=0, depth=0)
    found = table_of(spec, space)
    key = found.key(values(space, assignment))
    return replace(counted, **found.costs.get(key, {})) if key is not None else counted


def absent(spec: StudySpec, space: SearchSpace, assignment: Assignment) -> tuple[Violation, ...]:
    """A search's proposal that the table has no line for cannot be had; nothing otherwise."""
    if spec.evaluate is None or spec.search is None:
        return ()
    found, told = table_of(spec, space), values(space, assignment)
    return () if found.of(told) else (Violation("evaluate.table", found.absent(told), 1.0),)
