"""Patterns over stages: `count` with one value per stage in each list, and families that compute such lists."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from searchspace.blueprint import Spec
from searchspace.language.problems import UNKNOWN, Problem, SpecError, shown
from searchspace.language.scaling import divisible
from searchspace.language.sentences import problems

MAX_COUNT = 1_000
"""The most stages of one pattern."""
MULTIPLE = 8
"""RegNet's widths are multiples of it."""


class RegNet(Spec):
    """Widths and depths of stages from the quantized linear rule (Radosavovic et al. 2020, eqs. 2 to 4).

    Block j of `depth` has u = initial + slope j channels, rounded to a power of `multiplier` times `initial` and then
    to a multiple of 8; blocks of equal width are a stage. `group_width` makes widths its multiples, and sets `groups`;
    a width midway between two goes to the even multiple, as in the authors' code, or with `ties: up` as in torchvision.
    """

    kind: Literal["regnet"]
    depth: Annotated[int, Field(ge=1, le=MAX_COUNT)]
    initial: Annotated[int, Field(ge=MULTIPLE, le=65_536)]
    slope: Annotated[float, Field(ge=0.0, le=65_536.0)]
    multiplier: Annotated[float, Field(gt=1.0, le=1_000.0)]
    group_width: Annotated[int, Field(ge=1, le=65_536)] | None = None
    ties: Literal["even", "up"] = "even"


def regnet(spec: RegNet) -> dict[str, list[int]]:
    """`width` and `repeat` of each stage, and `groups` where the family has a group width (at bottleneck ratio 1)."""
    quantized = Counter(_width(spec, block) for block in range(spec.depth))
    widths = sorted(quantized)
    fields = {"width": widths, "repeat": [quantized[width] for width in widths]}
    if spec.group_width is None:
        return fields
    sizes = [min(spec.group_width, width) for width in widths]
    nearest = divisible if spec.ties == "up" else _nearest
    fitting = [nearest(width, size) for width, size in zip(widths, sizes, strict=True)]
    return fields | {"width": fitting, "groups": [width // size for width, size in zip(fitting, sizes, strict=True)]}


def _nearest(width: float, size: int) -> int:
    return max(size, round(width / size) * size)


def _width(spec: RegNet, block: int) -> int:
    """The width of one block."""
    power = round(math.log((spec.initial + spec.slope * block) / spec.initial) / math.log(spec.multiplier))
    return int(round(spec.initial * spec.multiplier**power / MULTIPLE) * MULTIPLE)


def family(tree: Any) -> dict[str, list[int]] | None:
    """The lists of `family: {kind: regnet, ...}`; None where it holds what is unknown; else a SpecError."""
    try:
        return regnet(RegNet.model_validate(tree))
    except ValidationError as error:
        if found := problems(error, tree, RegNet):
            raise SpecError(found) from None
        return None


def count(value: Any) -> int:
    """How many stages `count: value` makes; a ValueError if that is no number of stages."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise ValueError(f"got {shown(value)}; write a whole number from 0 to {MAX_COUNT}")
    return value


def short(name: str, values: list[Any], stages: int) -> str | None:
    """What is wrong with a list that has too few values for the stages, if it has."""
    if len(values) >= stages:
        return None
    got = f"{len(values)} value{'s' * (len(values) != 1)}"
    return f"{name!r} has {got} for {stages} stages; write one for each stage, or no list where all are the same"


def clashes(item: Mapping[str, Any], given: Mapping[str, Any]) -> list[Problem]:
    """The fields of a family's item that the family sets itself."""
    found = [name for name in ("count", *given) if name in item]
    return [Problem((name,), f"the family sets {name!r}; remove it, or the family") for name in found]


def chosen(values: Any, number: int) -> Any:
    """The value for one stage of a pattern: a list has one for each, anything else is the same for all."""
    if not isinstance(values, list):
        return values
    return values[number] if number < len(values) else UNKNOWN
