"""What a study and its table say of each other: every mistake that can be told before a trial asks for a line."""

from __future__ import annotations

from collections.abc import Iterator

from searchspace.cost import COUNTED
from searchspace.language.problems import Path, Problem, nearest, shown
from searchspace.language.space import SearchSpace
from searchspace.language.variables import Choice, FloatRange, Variable, levels
from studies.candidate import Study
from studies.design.cells import every_cell, raw_cells, settings
from studies.spec import AshaPruner, StudySpec
from studies.tabular import table_of, values
from worker.table import RESERVED, Table

TABLE: Path = ("evaluate", "table")


def table_problems(spec: StudySpec, space: SearchSpace) -> Iterator[Problem]:
    """What does not go with a table, what is wrong with it, and the columns that it lacks."""
    if spec.evaluate is None:
        return
    if spec.baselines:
        yield Problem(("baselines",), "results come from a table, and a baseline would be fitted to data; remove it")
    if spec.resources.together > 1:
        yield Problem(("resources", "together"), "results come from a table, so nothing is trained together; remove it")
    if taken := [variable for variable in space.variables if variable.name in RESERVED]:
        what = f"the table's column {taken[0].name!r} has a meaning of its own; give the variable another name"
        yield Problem(taken[0].where, what)
        return
    try:
        table = table_of(spec, space)
    except ValueError as error:
        yield Problem(TABLE, str(error))
        return
    yield from _columns(spec, space, table)
    yield from _held(spec, table)
    yield from _epochs(spec, table)


def _columns(spec: StudySpec, space: SearchSpace, table: Table) -> Iterator[Problem]:
    needed = spec.design.factors if spec.design else space.names
    has = [*table.matched, *table.metrics]
    for name in needed:
        if name in space.names and name not in table.matched:
            kind = "the factor" if spec.design else "the variable"
            yield Problem(TABLE, f"{table.where}: there is no column for {kind} {name!r}{nearest(name, has)}")
    for name in (spec.design and spec.design.raw) or {}:
        if name in space.names and name not in table.matched:
            what = f"without a column {name!r} the table cannot tell raw cells from matched ones; remove raw, or add it"
            yield Problem(("design", "raw"), what)
    for objective in spec.search.objectives if spec.search else (spec.objective,):
        if objective.target not in (*table.metrics, *COUNTED):
            what = f"there is no column for the objective {objective.target!r}{nearest(objective.target, has)}"
            yield Problem(TABLE, f"{table.where}: {what}")
    for variable in space.variables:
        if variable.name in table.matched:
            yield from _told_apart(variable, table)


def _held(spec: StudySpec, table: Table) -> Iterator[Problem]:
    """A match is solved on the counted network, so what it would hold is not what the table says."""
    named = {name for costs in table.costs.values() for name in costs}
    for name in spec.design.held if spec.design else ():
        if name in named:
            what = f"the table has a column {name!r}, and a match is solved on the counted network"
            yield Problem(("design", "match", name), f"{what}; hold another cost, or remove the column")


def _told_apart(variable: Variable, table: Table) -> Iterator[Problem]:
    """Options that the column has one word for."""
    options = variable.domain.options if isinstance(variable.domain, Choice) else ()
    first: dict[float | str, object] = {}
    for option in options:
        value = table.value(variable.name, option)
        if value is not None and first.setdefault(value, option) is not option:
            what = f"{shown(first[value])} and {shown(option)} are both {value!r} in the table; write JSON there"
            yield Problem(variable.where, what)
            return


def _epochs(spec: StudySpec, table: Table) -> Iterator[Problem]:
    """A pruner needs epochs to decide at, as many as the recipe says."""
    pruner = spec.search.pruner if spec.search else None
    epochs = spec.recipe.get("epochs", 1)
    if not isinstance(pruner, AshaPruner):
        return
    if table.last_epoch is None:
        yield Problem(("search", "pruner"), "the table has no column 'epoch', so nothing can end early; remove pruner")
    elif isinstance(epochs, int) and epochs != table.last_epoch:
        what = f"the table goes to epoch {table.last_epoch}, and the pruner would reckon with {epochs}"
        yield Problem(("recipe", "epochs"), f"{what}; write epochs: {table.last_epoch}")


# ---- with the cells --------------------------------------------------------------------------------------------------


def unanswered(study: Study) -> list[Problem]:
    """What the study will ask and the table does not have, the first of it."""
    if study.spec.evaluate is None:
        return []
    table = table_of(study.spec, study.space)
    found = _in_design(study, table) if study.spec.design else _in_search(study, table)
    return [*found][:1]


def _in_design(study: Study, table: Table) -> Iterator[Problem]:
    """Cells without a line, or with fewer seeds than the design takes of them, tuning included."""
    design = study.spec.design
    assert design is not None
    tuning = (design.tune_replicates or 1) if design.tune else 0
    for cell in (*every_cell(study), *raw_cells(study)):
        for setting in settings(study) if not cell.reason else ():
            told = values(study.space, {**cell.assignment, **setting})
            seeds = len(table.of(told))
            if not seeds:
                yield Problem(TABLE, table.absent(told))
            elif seeds < design.most + tuning:
                asked = f"{design.most} replicates" + (f" and {tuning} for tuning" if tuning else "")
                what = f"{table.where}: it has {seeds} seeds of {cell.name}, and the design takes {asked}"
                yield Problem(("design", "replicates"), f"{what}; add {table.word}s, or ask for fewer")


def _in_search(study: Study, table: Table) -> Iterator[Problem]:
    """Variables none of whose values the table has, and too few seeds to confirm anything."""
    for variable in study.space.variables:
        if isinstance(variable.domain, FloatRange):
            yield Problem(variable.where, "a table has no range of real numbers; list its values with {choice: [...]}")
        elif all(table.value(variable.name, one) is None for one in levels(variable.domain)):
            yield Problem(variable.where, f"the table's column {variable.name!r} has none of its values; mend one")
    most, wanted = max(map(len, table.lines.values())), study.spec.confirm.replicates
    if most < 1 + wanted:
        what = f"the table has {most} seeds of an assignment at most: one for the search, and {wanted} to confirm it"
        yield Problem(("confirm", "replicates"), f"{what}; add {table.word}s, or ask for fewer")
