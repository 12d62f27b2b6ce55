"""How large a blueprint may grow: what its patterns, blocks and repeats come to, told before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from searchspace.language.problems import Path, Problem

MAX_STAGES = 10_000
"""The most stages of an expanded blueprint, nested ones included."""
MAX_UNITS = 10_000
"""The most units: stages and blocks, each as often as it and what it stands in repeat."""
MAX_NESTING = 64
"""The longest path to a stage of an expanded blueprint; a file itself cannot go so deep, blocks in blocks can."""


def too_large(tree: Any) -> Iterator[Problem]:
    """The mistake of an expanded blueprint that repeats too much, at the outermost `repeat` that brings it about."""
    stages = tree.get("stages") if isinstance(tree, Mapping) else ()
    total = _sum(stages)
    if stages and total > MAX_UNITS:
        message = f"the network repeats to {total:,} units, and at most {MAX_UNITS:,} may be; repeat less"
        yield Problem(_guilty(stages, ("stages",)), message)


def _guilty(stages: list[Any], at: Path) -> Path:
    """The place of the `repeat` within a list of stages that is too much, else of what is largest."""
    number = max(range(len(stages)), key=lambda one: _units(stages[one]))
    stage, here = stages[number], (*at, number)
    inner = max(_lists(stage), key=lambda one: _sum(one[1]), default=None)
    if inner and (_sum(inner[1]) > MAX_UNITS or _repeat(stage) == 1):
        return _guilty(inner[1], (*here, *inner[0]))
    return (*here, "repeat") if _repeat(stage) > 1 else here


def _sum(stages: Any) -> int:
    return sum(map(_units, stages)) if isinstance(stages, list) else 0


def _units(stage: Any) -> int:
    """The units of one stage with all that it holds."""
    return _repeat(stage) * max(1, sum(_sum(inner) for _, inner in _lists(stage)))


def _repeat(stage: Any) -> int:
    """How often the stage repeats itself; what is no such number is a mistake that is told elsewhere."""
    repeat = stage.get("repeat", 1) if isinstance(stage, Mapping) else 1
    return repeat if isinstance(repeat, int) and repeat > 1 else 1


def _lists(stage: Any) -> Iterator[tuple[Path, list[Any]]]:
    """The lists of stages that a stage holds and are not empty, with their places in it."""
    if not isinstance(stage, Mapping):
        return
    branches = stage.get("branches")
    named = (
        branches.items() if isinstance(branches, Mapping) else enumerate(branches) if isinstance(branches, list) else ()
    )
    for where, one in (("stages",), stage.get("stages")), *((("branches", key), one) for key, one in named):
        if isinstance(one, list) and one:
            yield where, one
