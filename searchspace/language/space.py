"""A search space: variables, and the blueprint and recipe that refer to them with `$name`.

Choices are substituted first and the result validated then, so a variable may stand anywhere, at `block:` too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from searchspace.language import expand
from searchspace.language.blocks import names_at
from searchspace.language.expressions import STAGE, Circle, UndefinedVariable, evaluate, fill, names, order
from searchspace.language.origins import Expanded
from searchspace.language.problems import UNKNOWN, Path, Problem, SpecError
from searchspace.language.variables import FloatRange, Variable, is_domain, levels, parse_domain

Assignment = dict[str, Any]
"""A value for every free variable, by name."""
BLUEPRINT = "blueprint"
"""The template that is a blueprint, with stages, blocks and all."""


@dataclass(frozen=True)
class SearchSpace:
    """`derived` holds the variables that are computed from others, each after those it needs."""

    variables: tuple[Variable, ...]
    derived: tuple[tuple[str, Any], ...]
    templates: Mapping[str, Any]

    def __getitem__(self, name: str) -> Variable:
        return next(variable for variable in self.variables if variable.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The free variables' names, in the order of the file."""
        return tuple(variable.name for variable in self.variables)

    @property
    def size(self) -> int | None:
        """How many assignments there are; None where a variable is a real number."""
        domains = [variable.domain for variable in self.variables]
        if any(isinstance(domain, FloatRange) for domain in domains):
            return None
        return prod(len(levels(domain)) for domain in domains)

    def resolve(self, assignment: Mapping[str, Any]) -> dict[str, Any]:
        """The templates with every `$name` replaced and the blueprint in built-in words only.

        A SpecError names the places that cannot be computed.
        """
        expanded, found = self.attempt(assignment)
        if found:
            raise SpecError(found)
        return {section: one.tree for section, one in expanded.items()}

    def attempt(self, assignment: Mapping[str, Any]) -> tuple[dict[str, Expanded], list[Problem]]:
        """The templates as far as they can be resolved, with where their pieces come from; and every mistake."""
        values = dict(assignment)
        for name, expression in self.derived:
            values[name] = _derive(name, expression, values)
        sections: dict[str, Expanded] = {}
        problems: list[Problem] = []
        for section, tree in self.templates.items():
            if section == BLUEPRINT:
                sections[section], found = expand.attempt(tree, values)
                problems += [replace(one, where=(section, *one.where)) for one in found]
            else:
                sections[section] = Expanded(fill(tree, values, (section,), problems))
        return sections, problems


def _derive(name: str, expression: Any, values: Mapping[str, Any]) -> Any:
    try:
        return evaluate(expression, values) if names(expression) else expression
    except ValueError as error:
        raise SpecError([Problem(("variables", name), str(error))]) from None


def search_space(declared: Mapping[str, Any], templates: Mapping[str, Any]) -> SearchSpace:
    """The space of the `variables:` section and of the domains that stand inline in the templates.

    An inline domain is a variable named by its place: `blueprint_stages_0_kernel`. A SpecError lists every mistake.
    """
    space, problems = survey(declared, templates)
    if problems:
        raise SpecError(problems)
    return space


def survey(declared: Mapping[str, Any], templates: Mapping[str, Any]) -> tuple[SearchSpace, list[Problem]]:
    """The space as far as it can be read, with UNKNOWN where a template refers to what cannot; and every mistake."""
    problems: list[Problem] = []
    variables: list[Variable] = []
    derived: dict[str, Any] = {}
    for name, raw in declared.items():
        _declare(name, raw, variables, derived, problems)
    named = _inline(templates, (), variables, problems)
    free = [variable.name for variable in variables]
    known = [*dict.fromkeys([*free, *declared])]
    problems += _undefined({**named, "variables": derived}, known)
    computed = _computed(derived, free)
    problems += _circles({name: value for name, value in derived.items() if name not in computed}, known)
    readable = {*free, *computed}
    blinded = {section: _blind(tree, readable, (section,), named) for section, tree in named.items()}
    return SearchSpace(tuple(variables), tuple((name, derived[name]) for name in computed), blinded), problems


def _declare(name: str, raw: Any, variables: list[Variable], derived: dict[str, Any], problems: list[Problem]) -> None:
    where = ("variables", name)
    if not name.isidentifier() or not name.isascii():
        problems.append(Problem(where, f"{name!r} is no name; use letters, digits and _, a letter first"))
    elif name == STAGE:
        problems.append(Problem(where, "$stage is the number of a stage in its list; give the variable another name"))
    elif isinstance(raw, Mapping):
        _take(name, raw, where, variables, problems)
    elif isinstance(raw, list):
        problems.append(Problem(where, f"a list is no domain; write {{choice: {raw!r}}}"[:160]))
    else:
        derived[name] = raw


def _take(name: str, raw: Any, where: Path, variables: list[Variable], problems: list[Problem]) -> None:
    try:
        variables.append(Variable(name, parse_domain(raw, where), where))
    except SpecError as error:
        problems += error.problems


def _inline(tree: Any, where: Path, variables: list[Variable], problems: list[Problem]) -> Any:
    """The tree with every inline domain replaced by a reference to the variable named by its place."""
    if is_domain(tree):
        name = "_".join(str(part) for part in where)
        before = len(problems)
        _take(name, tree, where, variables, problems)
        return f"${name}" if len(problems) == before else UNKNOWN
    if isinstance(tree, Mapping):
        return {key: _inline(value, (*where, key), variables, problems) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_inline(value, (*where, index), variables, problems) for index, value in enumerate(tree)]
    return tree


def _undefined(trees: Mapping[str, Any], known: list[str]) -> Iterator[Problem]:
    """Every place that names a variable which is not declared, with the nearest that is."""
    for where, text in texts(trees):
        used = names(text)
        if not used <= {*known} and (strange := used - {*known} - (here := _here(trees, where))):
            for name in sorted(strange):
                yield Problem(where, str(UndefinedVariable(name, [*known, *sorted(here - {*known})])))


def _here(trees: Mapping[str, Any], where: Path) -> set[str]:
    """The names beside the variables that a place of the templates may use."""
    return names_at(trees[BLUEPRINT], where[1:]) if where[0] == BLUEPRINT else set()


def texts(tree: Any, where: Path = ()) -> Iterator[tuple[Path, str]]:
    """Every text in a tree, with its place."""
    if isinstance(tree, str):
        yield where, tree
    children = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from texts(value, (*where, key))


def _computed(derived: Mapping[str, Any], free: list[str]) -> list[str]:
    """The derived variables that can be computed, each after those it needs."""
    found: list[str] = []
    while ready := [name for name in derived if name not in found and names(derived[name]) <= {*free, *found}]:
        found += ready
    return found


def _circles(rest: Mapping[str, Any], known: list[str]) -> Iterator[Problem]:
    """The first circle among derived variables that cannot be computed, at one of its members."""
    try:
        order(
            {name: str(value) for name, value in rest.items()}, {*known, *(n for v in rest.values() for n in names(v))}
        )
    except Circle as circle:
        yield Problem(("variables", min(circle.members, key=list(rest).index)), str(circle))


def _blind(tree: Any, readable: set[str], where: Path, trees: Mapping[str, Any]) -> Any:
    """The tree with UNKNOWN for every text that refers to a variable which is not readable."""
    if isinstance(tree, Mapping):
        return {key: _blind(value, readable, (*where, key), trees) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_blind(value, readable, (*where, index), trees) for index, value in enumerate(tree)]
    return tree if names(tree) <= readable or names(tree) <= readable | _here(trees, where) else UNKNOWN
