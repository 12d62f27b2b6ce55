"""Variables: the one way to say "this may vary". A name, and a domain of values it may take."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from searchspace.language.expressions import LARGEST
from searchspace.language.problems import Path, Problem, SpecError, nearest, shown

MAX_LEVELS = 100_000
"""The most values a range of integers may count."""
MAX_OPTIONS = 1_000
"""The most options a choice may list; each is tried when a study is checked."""


@dataclass(frozen=True)
class Choice:
    """One of the listed options, of any type; numbers in rising order count as ordered."""

    options: tuple[Any, ...]

    @property
    def ordered(self) -> bool:
        """Whether the options are numbers that rise, so that a sampler may use their order."""
        numbers = all(isinstance(option, int | float) and not isinstance(option, bool) for option in self.options)
        return numbers and all(a < b for a, b in zip(self.options, self.options[1:], strict=False))


@dataclass(frozen=True)
class IntRange:
    """The integers low, low + step, ... up to high; `log` samples them evenly on a log scale (then step is 1)."""

    low: int
    high: int
    step: int = 1
    log: bool = False

    def values(self) -> range:
        """Every integer of the range."""
        return range(self.low, self.high + 1, self.step)


@dataclass(frozen=True)
class FloatRange:
    """The real numbers from low to high; `log` samples them evenly on a log scale."""

    low: float
    high: float
    log: bool = False


Domain = Choice | IntRange | FloatRange


@dataclass(frozen=True)
class Variable:
    """A domain under the name that `$name`, designs, effects and screens use; `where` says where it is declared.

    A conditional variable stands `within` an option of another one, (name, number of the option): it exists only while
    that option is chosen.
    """

    name: str
    domain: Domain
    where: Path = ()
    within: tuple[str, int] | None = None


def is_domain(raw: Any) -> bool:
    """Whether a piece of YAML is a domain: a mapping with one of `choice`, `int`, `float`, and their options."""
    return isinstance(raw, Mapping) and len({"choice", "int", "float"} & set(raw)) == 1 and set(raw) <= _KEYS


_KEYS = {"choice", "int", "float", "step", "log"}


def parse_domain(raw: Any, where: Path) -> Domain:
    """The domain that `{choice: [...]}`, `{int: [low, high]}` or `{float: [low, high]}` declares, or a SpecError."""
    if isinstance(raw, Mapping) and (strange := [key for key in raw if key not in _KEYS]):
        known = sorted(_KEYS)
        raise SpecError([Problem((*where, key), f"unknown field {key!r}{nearest(key, known)}") for key in strange])
    try:
        return _parse(raw)
    except ValueError as error:
        raise SpecError([Problem(where, str(error))]) from None


def _parse(raw: Any) -> Domain:
    if not is_domain(raw):
        raise ValueError(
            f"{shown(raw)} is no domain; write {{choice: [a, b]}}, {{int: [low, high]}} or {{float: [low, high]}}"
        )
    log = raw.get("log", False)
    if not isinstance(log, bool):
        raise ValueError(f"log: {shown(log)} is neither true nor false; write one of them")
    if "choice" in raw:
        return _choice(raw)
    if "int" in raw:
        low, high = _ends(raw["int"], int)
        return _int_range(low, high, raw.get("step", 1), log)
    if "step" in raw:
        raise ValueError("step goes with int; list the values with {choice: [...]}")
    low, high = _ends(raw["float"], float)
    return FloatRange(_positive(low, log), high, log)


def _choice(raw: Mapping[str, Any]) -> Choice:
    options = raw["choice"]
    if not isinstance(options, list) or not options or len(raw) > 1:
        got = shown(dict(raw))
        raise ValueError(f"a choice is a list with at least one option and nothing beside it, got {got}; mend it")
    if len(options) > MAX_OPTIONS:
        raise ValueError(f"{len(options):,} options, and {MAX_OPTIONS:,} may be; write {{int: [low, high]}} instead")
    for index, option in enumerate(options):
        if _among(option, options[:index]):
            raise ValueError(f"the option {shown(option)} stands twice; name each once")
    return Choice(tuple(options))


def _among(option: Any, others: list[Any]) -> bool:
    """Whether the option is one of the others, where `true` is not 1 but 1.0 is."""
    return any(option == other and isinstance(option, bool) == isinstance(other, bool) for other in others)


def _ends(raw: Any, kind: type) -> tuple[Any, Any]:
    allowed: Any = int if kind is int else (int, float)
    good = isinstance(raw, list) and len(raw) == 2
    if not good or not all(isinstance(end, allowed) and not isinstance(end, bool) for end in raw):
        numbers = "whole numbers" if kind is int else "numbers"
        raise ValueError(f"a range takes two {numbers}, got {shown(raw)}; write {{{kind.__name__}: [low, high]}}")
    if any(abs(end) > LARGEST for end in raw):
        raise ValueError(f"the range {shown(raw)} goes beyond 1e18; make it smaller")
    low, high = kind(raw[0]), kind(raw[1])
    if not low <= high:
        raise ValueError(f"the range {shown([low, high])} holds nothing; write the lower end first")
    return low, high


def _int_range(low: int, high: int, step: Any, log: bool) -> IntRange:
    if not isinstance(step, int) or isinstance(step, bool) or step < 1:
        raise ValueError(f"step takes a whole number from 1, got {shown(step)}; mend it")
    if log and step != 1:
        raise ValueError("log and step exclude each other; drop one")
    if (high - low) // step >= MAX_LEVELS:
        raise ValueError(f"{shown([low, high])} has more than {MAX_LEVELS:,} values; narrow it or give it a step")
    return IntRange(_positive(low, log), high, step, log)


def _positive(low: Any, log: bool) -> Any:
    if log and low <= 0:
        raise ValueError(f"a log scale needs a lower end above 0, got {low!r}; raise it or drop log")
    return low


def holds(domain: Domain, value: Any) -> bool:
    """Whether the value is one of the domain's."""
    if isinstance(domain, Choice):
        return _among(value, list(domain.options))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return value in domain.values() if isinstance(domain, IntRange) else domain.low <= value <= domain.high


def sample(domain: Domain, generator: random.Random) -> Any:
    """One value, uniform on the domain's scale."""
    if isinstance(domain, Choice):
        return generator.choice(domain.options)
    if isinstance(domain, IntRange):
        if domain.log:
            drawn = math.exp(generator.uniform(math.log(domain.low - 0.5), math.log(domain.high + 0.5)))
            return min(max(round(drawn), domain.low), domain.high)
        return generator.choice(domain.values())
    if domain.log:
        return math.exp(generator.uniform(math.log(domain.low), math.log(domain.high)))
    return generator.uniform(domain.low, domain.high)


def levels(domain: Domain) -> tuple[Any, ...]:
    """Every value of a domain that has finitely many (a factor's levels); a ValueError for real numbers."""
    if isinstance(domain, Choice):
        return domain.options
    if isinstance(domain, IntRange):
        return tuple(domain.values())
    raise ValueError("a range of real numbers has no levels; list them with {choice: [...]}")


def first(domain: Domain) -> Any:
    """The first value of a domain: what a description takes where nothing else is said."""
    return probes(domain)[0]


def probes(domain: Domain) -> tuple[Any, ...]:
    """A few values that stand for the domain when a template is checked: every option, or both ends."""
    if isinstance(domain, Choice):
        return domain.options
    high = domain.values()[-1] if isinstance(domain, IntRange) else domain.high
    return (domain.low,) if domain.low == high else (domain.low, high)
