"""Values for variables as a person writes them: in `search.start`, and behind `--set` of `archstudy describe`.

An option that is a whole section is named by its word or kind, as in the names of the variables within it:
`b: residual` beside `b_residual_repeat: 2`. Where two options have the same one, each is named by its number from 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from searchspace.language.problems import nearest, shown
from searchspace.language.space import Assignment, SearchSpace, label
from searchspace.language.variables import Choice, Domain, IntRange, Variable, holds

LISTED = 8
"""The most options that a sentence lists."""


def assigned(space: SearchSpace, given: Mapping[str, Any]) -> Assignment:
    """The given values with sections in the place of their names; names that are no variables stay as they are."""
    return {name: meant(space[name].domain, value) if name in space.names else value for name, value in given.items()}


def meant(domain: Domain, value: Any) -> Any:
    """The option that a value names, a whole number for one such as 4.0, else the value itself."""
    if isinstance(domain, IntRange) and isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(domain, Choice) and isinstance(value, str | int) and not holds(domain, value):
        named = _names(domain)
        return domain.options[named.index(str(value))] if str(value) in named else value
    return value


def mistakes(space: SearchSpace, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The names whose values cannot be, each with a sentence that says why and what could."""
    values = assigned(space, given)
    for name, value in values.items():
        if name not in space.names:
            yield name, f"{name!r} is no variable that is sampled{nearest(name, space.names)}"
        elif not holds(space[name].domain, value):
            yield name, outside(space[name], value)
        elif any(values.get(parent) != option for parent, option in space.reaching(space[name]).items()):
            yield name, f"{name!r} exists only with {condition(space, space[name])}; say that beside it"


def outside(variable: Variable, value: Any) -> str:
    """That the value is none of the variable's, and which are."""
    return f"{shown(value)} is not among the values of {variable.name!r}; write {_domain(variable.domain)}"


def condition(space: SearchSpace, variable: Variable) -> str:
    """The options within which a conditional variable stands: `b: residual`."""
    chosen = space.reaching(variable).items()
    return ", ".join(f"{parent}: {_name(space[parent].domain, option)}" for parent, option in chosen)


def _names(domain: Choice) -> list[str | None]:
    """What the options are called that are sections; None for all others."""
    labels = [label(option) for option in domain.options]
    return [
        (own if own and labels.count(own) == 1 else str(number)) if isinstance(option, Mapping) else None
        for number, (own, option) in enumerate(zip(labels, domain.options, strict=True))
    ]


def _name(domain: Domain, option: Any) -> str:
    known = _names(domain)[domain.options.index(option)] if isinstance(domain, Choice) else None
    return known or (option if isinstance(option, str) else shown(option))


def _domain(domain: Domain) -> str:
    """The values of a domain in words."""
    if isinstance(domain, Choice):
        listed = [_name(domain, option) for option in domain.options[:LISTED]]
        return f"one of {', '.join(listed)}{', ...' if len(domain.options) > LISTED else ''}"
    if isinstance(domain, IntRange):
        step = f" in steps of {domain.step}" if domain.step > 1 else ""
        return f"a whole number from {domain.low} to {domain.values()[-1]}{step}"
    return f"a number from {domain.low:g} to {domain.high:g}"
