"""A search space: variables, and the blueprint and recipe that refer to them with `$name`.

Choices are substituted first and the result validated then, so a variable may stand anywhere, at `block:` too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from searchspace.expressions import evaluate, names, order, substitute
from searchspace.problems import Path, Problem, SpecError
from searchspace.variables import Variable, is_domain, parse_domain

Assignment = dict[str, Any]
"""A value for every free variable, by name."""


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

    def resolve(self, assignment: Mapping[str, Any]) -> dict[str, Any]:
        """The templates with every `$name` replaced; a SpecError names the places that cannot be computed."""
        values = dict(assignment)
        for name, expression in self.derived:
            values[name] = _derive(name, expression, values)
        resolved: dict[str, Any] = substitute(self.templates, values)
        return resolved


def _derive(name: str, expression: Any, values: Mapping[str, Any]) -> Any:
    try:
        return evaluate(expression, values) if isinstance(expression, str) and names(expression) else expression
    except ValueError as error:
        raise SpecError([Problem(("variables", name), str(error))]) from None


def search_space(declared: Mapping[str, Any], templates: Mapping[str, Any]) -> SearchSpace:
    """The space of the `variables:` section and of the domains that stand inline in the templates.

    An inline domain is a variable named by its place: `blueprint.stages.0.kernel`. A SpecError lists every mistake.
    """
    problems: list[Problem] = []
    variables: list[Variable] = []
    derived: dict[str, Any] = {}
    for name, raw in declared.items():
        _declare(name, raw, variables, derived, problems)
    named = _inline(templates, (), variables, problems)
    problems += _undefined(named, derived, {variable.name for variable in variables})
    if problems:
        raise SpecError(problems)
    return SearchSpace(tuple(variables), _ordered(derived, [variable.name for variable in variables]), named)


def _declare(name: str, raw: Any, variables: list[Variable], derived: dict[str, Any], problems: list[Problem]) -> None:
    where = ("variables", name)
    if not name.isidentifier():
        problems.append(Problem(where, f"{name!r} is no name; use letters, digits and _, a letter first"))
    elif isinstance(raw, Mapping):
        try:
            variables.append(Variable(name, parse_domain(raw, where)))
        except SpecError as error:
            problems += error.problems
    else:
        derived[name] = raw


def _inline(tree: Any, where: Path, variables: list[Variable], problems: list[Problem]) -> Any:
    """The tree with every inline domain replaced by a reference to the variable named by its place."""
    if is_domain(tree):
        name = "_".join(str(part) for part in where)
        try:
            variables.append(Variable(name, parse_domain(tree, where)))
        except SpecError as error:
            problems += error.problems
        return f"${name}"
    if isinstance(tree, Mapping):
        return {key: _inline(value, (*where, key), variables, problems) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_inline(value, (*where, index), variables, problems) for index, value in enumerate(tree)]
    return tree


def _undefined(templates: Any, derived: Mapping[str, Any], free: set[str]) -> Iterator[Problem]:
    """Every place that names a variable which is not there, with the nearest that is."""
    known = dict.fromkeys((*free, *derived), 1)
    tree = {**templates, "variables": derived}
    for where, text in _strings(tree, ()):
        for name in sorted(names(text) - set(known)):
            try:
                evaluate(f"${name}", known)
            except ValueError as error:
                yield Problem(where, str(error))


def _strings(tree: Any, where: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(tree, str):
        yield where, tree
    children = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in children:
        yield from _strings(value, (*where, key))


def _ordered(derived: Mapping[str, Any], free: list[str]) -> tuple[tuple[str, Any], ...]:
    expressions = {name: str(value) for name, value in derived.items()}
    try:
        return tuple((name, derived[name]) for name in order(expressions, free))
    except ValueError as error:
        where = ("variables", next(iter(derived)))
        raise SpecError([Problem(where, str(error))]) from None
