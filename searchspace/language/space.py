"""A search space: variables, and the blueprint and recipe that refer to them with `$name`.

Choices are substituted first and the result validated then, so a variable may stand anywhere, at `block:` too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

from searchspace.language import expand
from searchspace.language.blocks import names_at
from searchspace.language.expressions import STAGE, Circle, UndefinedVariable, evaluate, fill, names, order
from searchspace.language.origins import Expanded
from searchspace.language.problems import UNKNOWN, Path, Problem, SpecError
from searchspace.language.variables import (
    Choice,
    Domain,
    FloatRange,
    Variable,
    first,
    is_domain,
    levels,
    parse_domain,
    sample,
)

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
        if any(isinstance(variable.domain, FloatRange) for variable in self.variables):
            return None
        return self._size(None)

    def _size(self, within: tuple[str, int] | None) -> int:
        """The assignments of the variables that stand within one option of a choice."""
        return prod(
            sum(self._size((variable.name, number)) for number in range(len(levels(variable.domain))))
            for variable in self.variables
            if variable.within == within
        )

    def sample(self, generator: random.Random) -> Assignment:
        """An assignment at random, each variable uniform on its domain's scale."""
        return self.completed({}, lambda domain: sample(domain, generator))

    def completed(self, given: Mapping[str, Any], choose: Callable[[Domain], Any] = first) -> Assignment:
        """The given values with `choose`'s for the other variables; conditional ones only where they exist."""
        values: Assignment = {}
        for variable in self.variables:
            if self.exists(variable, values):
                values[variable.name] = given[variable.name] if variable.name in given else choose(variable.domain)
        return values

    def exists(self, variable: Variable, values: Mapping[str, Any]) -> bool:
        """Whether the option is chosen that the variable stands within; `values` are those of the ones before it."""
        if variable.within is None:
            return True
        parent, number = variable.within
        domain = self[parent].domain
        return parent in values and isinstance(domain, Choice) and values[parent] == domain.options[number]

    def reaching(self, variable: Variable) -> Assignment:
        """The choices that make a conditional variable exist."""
        if variable.within is None:
            return {}
        parent, number = variable.within
        return {**self.reaching(self[parent]), parent: levels(self[parent].domain)[number]}

    def resolve(self, assignment: Mapping[str, Any]) -> dict[str, Any]:
        """The templates with every `$name` replaced and the blueprint in built-in words only.

        A SpecError names the places that cannot be computed.
        """
        expanded, found = self.attempt(assignment)
        if found:
            raise SpecError(found)
        return {section: one.tree for section, one in expanded.items()}

    def attempt(
        self, assignment: Mapping[str, Any], wanted: Collection[str] | None = None
    ) -> tuple[dict[str, Expanded], list[Problem]]:
        """The templates as far as they can be resolved, with where their pieces come from; and every mistake.

        Of all templates, or of those `wanted`.
        """
        values = dict(assignment)
        for name, expression in self.derived:
            values[name] = _derive(name, expression, values)
        problems: list[Problem] = []
        self._open(values, problems)
        sections: dict[str, Expanded] = {}
        for section, tree in self.templates.items():
            if wanted is not None and section not in wanted:
                continue
            if section == BLUEPRINT:
                sections[section], found = expand.attempt(tree, values)
                problems += [replace(one, where=(section, *one.where)) for one in found]
            else:
                sections[section] = Expanded(fill(tree, values, (section,), problems))
        return sections, problems

    def _open(self, values: dict[str, Any], problems: list[Problem]) -> None:
        """Options that refer to variables are filled in, each after those that it needs itself.

        What refers to more ($stage, a block's parameters) is filled in where it is used.
        """
        waiting = {name: used for name, value in values.items() if (used := _used(value)) and used <= values.keys()}
        while ready := [name for name, used in waiting.items() if not used & waiting.keys()]:
            for name in ready:
                del waiting[name]
                values[name] = fill(values[name], values, self[name].where, problems)
        for name in waiting:
            where = self[name].where
            problems.append(Problem(where, "its options refer to each other in a circle; give one of them a value"))
            values[name] = UNKNOWN


def _used(value: Any) -> set[str]:
    """The variables that an option of a choice refers to."""
    return {name for _, text in texts(value) for name in names(text)} if isinstance(value, str | dict | list) else set()


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
    for variable in variables:
        options = variable.domain.options if isinstance(variable.domain, Choice) else ()
        inside = [*known, STAGE] if variable.where[0] == BLUEPRINT else known
        found = _undefined({"choice": options}, inside)
        problems += [replace(one, where=(*variable.where, *one.where)) for one in found]
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


def _take(
    name: str,
    raw: Any,
    where: Path,
    variables: list[Variable],
    problems: list[Problem],
    within: tuple[str, int] | None = None,
) -> None:
    """A variable, and behind it those that stand within its options."""
    inner: list[Variable] = []
    options = raw.get("choice") if isinstance(raw, Mapping) else None
    if isinstance(options, list):
        labels = _labels(options)
        inside = [
            _inline(
                option, (*where, "choice", number), inner, problems, _Naming(f"{name}_{labels[number]}", name, number)
            )
            for number, option in enumerate(options)
        ]
        raw = {**raw, "choice": inside}
    try:
        variables.append(Variable(name, parse_domain(raw, where), where, within))
    except SpecError as error:
        problems += error.problems
    variables += inner


def _labels(options: list[Any]) -> list[str]:
    """What the options are called in the names of variables within them: their word or kind, else their number."""
    found = [label(option) for option in options]
    return [str(text) if text and found.count(text) == 1 else str(number) for number, text in enumerate(found)]


def label(option: Any) -> str | None:
    """The word or kind of an option that is a section: `residual`, `sgd`."""
    tags = (option.get(tag) for tag in ("block", "kind", "zoo")) if isinstance(option, Mapping) else ()
    return next((tag for tag in tags if isinstance(tag, str) and tag.isidentifier()), None)


class _Naming(NamedTuple):
    """How variables within an option are named: by its label, and their place in it."""

    prefix: str
    parent: str
    number: int


def _inline(
    tree: Any, where: Path, variables: list[Variable], problems: list[Problem], naming: _Naming | None = None
) -> Any:
    """The tree with every inline domain replaced by a reference to the variable named by its place."""
    if is_domain(tree):
        name = naming.prefix if naming else "_".join(str(part) for part in where)
        before = len(problems)
        _take(name, tree, where, variables, problems, (naming.parent, naming.number) if naming else None)
        return f"${name}" if len(problems) == before else UNKNOWN
    items = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list) else ()
    made = {}
    for key, value in items:
        inner = naming and naming._replace(prefix=f"{naming.prefix}_{key}")
        made[key] = _inline(value, (*where, key), variables, problems, inner)
    return made if isinstance(tree, Mapping) else [*made.values()] if isinstance(tree, list) else tree


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
    children = tree.items() if isinstance(tree, Mapping) else enumerate(tree) if isinstance(tree, list | tuple) else ()
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
