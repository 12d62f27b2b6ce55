"""What can be wrong with a `design:` section, given the variables: every mistake at its place, with its cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log2, prod
from typing import Any

from searchspace.language.problems import Path, Problem, nearest, shown
from searchspace.language.space import SearchSpace
from searchspace.language.variables import Choice, FloatRange, IntRange, holds, levels, probes
from studies.design.spec import Adaptive, DesignSpec, MatchTo
from studies.spec import StudySpec
from worker.metrics import is_share

MAX_CELLS = 1_000
"""The most cells of a design."""
WIDE = 0.2
"""A difference of accuracy that is larger was meant otherwise."""
SPARSE = ("fractional", "latin_hypercube")
"""The layouts that take a number of runs."""


def design_problems(spec: StudySpec, space: SearchSpace) -> Iterator[Problem]:
    """Everything that is wrong with the design; what follows from an earlier mistake is not said."""
    design = spec.design
    if design is None:
        return
    found = [
        problem
        for index, name in enumerate(design.factors)
        for problem in _factor_problems(space, ("design", "factors", index), name, spec)
    ]
    if len(set(design.factors)) < len(design.factors):
        found.append(Problem(("design", "factors"), "a factor is named twice; name each once"))
    if design.match:
        found += _match_problems(design, design.match, space, spec.declared)
    found += _tune_problems(design, space)
    found += _size_problems(design, spec.objective.target)
    yield from found
    if not found and _named(design) <= {*space.names}:
        yield from _layout_problems(design, space)
        yield from _open(design, space)


def _named(design: DesignSpec) -> set[str]:
    """The variables that the design has a use for."""
    return {*design.factors, *design.turned, *(design.tune or ())}


# ---- factors ---------------------------------------------------------------------------------------------------------


def _factor_problems(space: SearchSpace, where: Path, name: str, spec: StudySpec) -> Iterator[Problem]:
    assert spec.design is not None
    declared = spec.declared
    if name not in space.names:
        if name not in declared:
            known = [*space.names, *unread(space, declared)]
            yield Problem(where, f"unknown variable {name!r}{nearest(name, known)}")
        elif not isinstance(declared[name], Mapping | list):
            yield Problem(where, f"{name!r} is computed from others and has no levels; name a variable with a domain")
    elif parent := space[name].within:
        yield Problem(where, f"{name!r} exists only within an option of {parent[0]!r}; vary it in a search")
    elif isinstance(space[name].domain, FloatRange) and _needs_levels(spec.design):
        yield Problem(where, f"{name!r} is a range of real numbers; list its levels with {{choice: [...]}}")


def _needs_levels(design: DesignSpec) -> bool:
    return design.cells is None and design.layout != "latin_hypercube"


def unread(space: SearchSpace, declared: Mapping[str, Any]) -> list[str]:
    """Variables that are declared with a domain that cannot be read: a name can still be meant to be theirs."""
    return [name for name, raw in declared.items() if isinstance(raw, Mapping | list) and name not in space.names]


# ---- matching and tuning ---------------------------------------------------------------------------------------------


def _match_problems(
    design: DesignSpec, match: MatchTo, space: SearchSpace, declared: Mapping[str, Any]
) -> Iterator[Problem]:
    for index, name in enumerate(match.turned):
        where: Path = ("design", "match", "by", index) if isinstance(match.by, list) else ("design", "match", "by")
        if name in design.factors:
            yield Problem(where, f"{name!r} is a factor; name another variable, or take it out of the factors")
        elif name in space.names:
            domain = space[name].domain
            if isinstance(domain, Choice) and not domain.ordered:
                yield Problem(where, f"a match turns numbers; declare {name!r} as {{int: [low, high]}}")
        elif name not in declared:
            numbers = [one.name for one in space.variables if isinstance(one.domain, IntRange | FloatRange)]
            yield Problem(where, f"unknown variable {name!r}{nearest(name, [*numbers, *unread(space, declared)])}")
    if design.raw is not None and all(name in space.names and name not in design.factors for name in match.turned):
        yield from _raw_problems(design.raw, match, space)


def _raw_problems(raw: Mapping[str, Any], match: MatchTo, space: SearchSpace) -> Iterator[Problem]:
    """`raw` names a value for exactly the variables that the match turns."""
    if not match.turned:
        yield Problem(
            ("design", "raw"), "the match turns no variable, so no cell is changed by it; remove it or add by:"
        )
        return
    missing = [name for name in match.turned if name not in raw]
    if missing and raw.keys() <= {*match.turned}:
        yield Problem(("design", "raw"), f"it leaves {missing[0]!r} open; name its value in the unmatched cells")
    for name, value in raw.items():
        if name not in match.turned:
            yield Problem(("design", "raw", name), f"the match does not turn {name!r}{nearest(name, match.turned)}")
        elif name in space.names and not holds(space[name].domain, value):
            yield Problem(("design", "raw", name), f"{shown(value)} is outside the domain of {name!r}; choose another")


def _tune_problems(design: DesignSpec, space: SearchSpace) -> Iterator[Problem]:
    if design.raw is not None and design.match is None:
        yield Problem(("design", "raw"), "nothing is matched, so all cells stand as they are; remove it or add match:")
    if design.tune_replicates and not design.tune:
        yield Problem(("design", "tune_replicates"), "nothing is tuned; add tune: {lr: [...]} or remove it")
    for name, options in (design.tune or {}).items():
        where: Path = ("design", "tune", name)
        if name in design.factors or name in design.turned:
            yield Problem(where, f"{name!r} is a factor or matched already; tune another variable")
        elif name in space.names:
            domain = space[name].domain
            for index, option in enumerate(options):
                if not holds(domain, option):
                    yield Problem((*where, index), f"{shown(option)} is outside the domain of {name!r}; list others")
                elif option in options[:index]:
                    yield Problem((*where, index), f"{shown(option)} stands twice; list each once")


def _size_problems(design: DesignSpec, metric: str) -> Iterator[Problem]:
    """Sizes of a share that were perhaps meant in points: 0.5 is fifty of them."""
    until = design.replicates.until if isinstance(design.replicates, Adaptive) else None
    sizes: dict[Path, Any] = {("margin",): design.margin, ("noise",): design.noise}
    sizes |= {("replicates", "until", "half_width"): until.half_width} if until else {}
    for where, size in sizes.items():
        if size is not None and is_share(metric) and float(size) > WIDE:
            points = f"{float(size) * 100:.4g}"
            yield Problem(
                ("design", *where), f"got {size}, which is {points} points of {metric}; write 0.5% for half a point"
            )


# ---- layouts ---------------------------------------------------------------------------------------------------------


def _layout_problems(design: DesignSpec, space: SearchSpace) -> Iterator[Problem]:
    """Fields that do not go with the layout, levels that are none, too many cells or comparisons of nothing."""
    of = {
        "baseline": (design.layout == "one_at_a_time", "goes with layout: one_at_a_time"),
        "runs": (design.layout in SPARSE, "goes with layout: fractional or latin_hypercube"),
        "layout": (design.cells is None or design.layout is None, "is not needed beside cells:, which list all"),
    }
    for name, (fits, sentence) in of.items():
        if getattr(design, name) is not None and not fits:
            yield Problem(("design", name), f"it {sentence}; remove it")
    yield from _level_problems(design, space, ("design", "baseline"), design.baseline or {}, whole=False)
    for index, cell in enumerate(design.cells or ()):
        yield from _level_problems(design, space, ("design", "cells", index), cell)
        if cell in (design.cells or [])[:index]:
            yield Problem(("design", "cells", index), "this cell is listed twice; list each once")
    yield from _runs_problems(design, space)
    yield from _compare_problems(design, space)
    cells = _many(design, space)
    if cells > MAX_CELLS:
        where, cure = ("cells", "list fewer") if design.cells else ("factors", "name fewer levels or factors")
        yield Problem(("design", where), f"{cells:,} cells, and {MAX_CELLS:,} may be; {cure}")


def _many(design: DesignSpec, space: SearchSpace) -> int:
    """How many cells there are, as far as levels or a list say it; 0 where `runs` does, which is bounded itself."""
    many = [len(levels(space[name].domain)) for name in design.factors] if _needs_levels(design) else []
    told = {"factorial": prod(many), "one_at_a_time": 1 + sum(many) - len(many), "cells": len(design.cells or ())}
    return told.get(design.arrangement, 0)


def _level_problems(
    design: DesignSpec, space: SearchSpace, where: Path, given: Mapping[str, Any], whole: bool = True
) -> Iterator[Problem]:
    """A combination of levels that names something else, leaves a factor out, or goes outside a domain."""
    for name, value in given.items():
        if name not in design.factors:
            yield Problem((*where, name), f"{name!r} is no factor{nearest(name, design.factors)}")
        elif not holds(space[name].domain, value):
            yield Problem((*where, name), f"{shown(value)} is no level of {name!r}; choose one of its domain")
    if (
        whole
        and given.keys() <= {*design.factors}
        and (missing := [name for name in design.factors if name not in given])
    ):
        yield Problem(where, f"it leaves {missing[0]!r} open; name a level of every factor")


def _runs_problems(design: DesignSpec, space: SearchSpace) -> Iterator[Problem]:
    if design.layout not in SPARSE:
        return
    if design.runs is None:
        yield Problem(("design", "layout"), f"a {design.layout} layout takes so many runs; add runs: 8")
        return
    if design.layout == "latin_hypercube":
        return
    wide = [name for name in design.factors if len(levels(space[name].domain)) != 2]
    if wide:
        many = len(levels(space[wide[0]].domain))
        yield Problem(("design", "layout"), f"a fraction is of two levels each, and {wide[0]!r} has {many}; list two")
        return
    base = log2(design.runs)
    if base != int(base) or not len(design.factors) < design.runs or base > len(design.factors):
        least = 2 ** len(f"{len(design.factors):b}")
        whole = 2 ** len(design.factors)
        able = f"a power of two from {least} to {whole}" if least < whole else f"{whole}, which are all combinations"
        yield Problem(("design", "runs"), f"got {design.runs}; write {able}")


def _compare_problems(design: DesignSpec, space: SearchSpace) -> Iterator[Problem]:
    for name, pairs in (design.compare or {}).items():
        where: Path = ("design", "compare", name)
        if name not in design.factors:
            yield Problem(where, f"{name!r} is no factor{nearest(name, design.factors)}")
            continue
        if not pairs:
            yield Problem(where, "it lists no pair; list one as [low, high], or remove it to compare every two levels")
        for index, pair in enumerate(pairs):
            if strange := [level for level in pair if not holds(space[name].domain, level)]:
                yield Problem((*where, index), f"{shown(strange[0])} is no level of {name!r}; compare two that are")
            elif pair[0] == pair[1]:
                yield Problem((*where, index), f"{shown(pair[0])} is compared with itself; name two levels")
            elif any(sorted(pair, key=repr) == sorted(other, key=repr) for other in pairs[:index]):
                yield Problem((*where, index), "these two are compared already; list each pair once")
            elif absent := [one for one in pair if design.cells and all(one != cell[name] for cell in design.cells)]:
                yield Problem((*where, index), f"no cell has {name} at {shown(absent[0])}; compare two that cells have")


def _open(design: DesignSpec, space: SearchSpace) -> Iterator[Problem]:
    """Variables that have several values and no part in the design, so that nothing says what they are."""
    for variable in space.variables:
        if variable.name not in _named(design) and len(probes(variable.domain)) > 1:
            where = "name it in design.match.by or design.factors" if design.match else "add it to design.factors"
            cure = "give it one value" if variable.within else f"{where}, or give it one value"
            yield Problem(variable.where, f"{variable.name!r} is neither a factor nor matched; {cure}")
