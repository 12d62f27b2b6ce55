"""From the blueprint as it is written to one of built-in words only: plain trees in, plain trees out.

What disappears: `$names`, `zoo:`, `defaults:`, `blocks:` and their uses, plug-ins' words, `count:` and `family:`. What
comes out depends on no template, file or package any more; `Expanded.place` says where its pieces come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

from searchspace.language.blocks import bound
from searchspace.language.expressions import DECLARE, fill, lone
from searchspace.language.limits import too_large
from searchspace.language.origins import Expanded, Origin, named
from searchspace.language.problems import UNKNOWN, Path, Problem, SpecError, dotted, nearest, shown
from searchspace.language.scaling import scaled
from searchspace.language.stages import Walk
from searchspace.language.variables import is_domain
from searchspace.zoo import files

KEPT = ("classes", "head", "silence", "strict_division")
"""The fields of a blueprint that may stand beside `zoo:`."""
BESIDE_ZOO = ("width", *KEPT)
"""What may stand beside `zoo:` for every network, its own parameters aside."""
ALONE = "a blueprint on its own has no variables; write one value, or put the blueprint into a study"
ZOO: Path = ("zoo",)


def expand(tree: Any, values: Mapping[str, Any]) -> Expanded:
    """The blueprint `tree` with the variables' `values`, in built-in words only; all mistakes in one SpecError."""
    expanded, found = attempt(tree, values)
    if found:
        raise SpecError(found)
    return expanded


def attempt(tree: Any, values: Mapping[str, Any]) -> tuple[Expanded, list[Problem]]:
    """The blueprint as far as it can be expanded, with UNKNOWN where it cannot, and every mistake in the original."""
    varying: list[Problem] = []
    if isinstance(tree, str) and (alone := lone(tree)) and alone in values:  # a choice between whole blueprints
        tree = values[alone]
    if not values:
        tree = _constant(tree, (), varying)
    expanded, found = (
        _network(tree, values) if isinstance(tree, Mapping) and "zoo" in tree else _walked(tree, values, {})
    )
    if not values:
        found = [replace(one, message=one.message.replace(DECLARE, ALONE)) for one in found]
    return expanded, varying + found


def _constant(tree: Any, where: Path, problems: list[Problem]) -> Any:
    """The tree of a blueprint without variables: a domain is a mistake."""
    if is_domain(tree):
        problems.append(Problem(where, ALONE))
        return UNKNOWN
    if isinstance(tree, dict):
        return {key: _constant(value, (*where, key), problems) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_constant(value, (*where, index), problems) for index, value in enumerate(tree)]
    return tree


def _walked(tree: Any, values: Mapping[str, Any], given: Mapping[str, Path]) -> tuple[Expanded, list[Problem]]:
    """A blueprint of stages without its macros, and what is wrong with it."""
    walk = Walk(values, given)
    try:
        expanded = Expanded(walk.blueprint(tree), walk.origins)
    except SpecError as error:  # too many stages
        return Expanded(UNKNOWN), list(error.problems)
    found = [*walk.problems, *expanded.told(too_large(expanded.tree))]
    return expanded, list(dict.fromkeys(found))


def _network(tree: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Expanded, list[Problem]]:
    """The network that `zoo: name` names, with the parameters, width, classes and head that stand beside it."""
    found: list[Problem] = []
    given: dict[str, Any] = {key: fill(value, values, (key,), found) for key, value in tree.items()}
    name = given.pop("zoo")
    entry = _entry(name, found)
    if entry is None:
        return Expanded(UNKNOWN), found
    own = {key: given.pop(key) for key in entry.parameters if key in given}
    found += _mistakes(given, entry.parameters)
    built, inside = _built(entry, own)
    note = f" (in zoo:{name})"
    found += _told(inside, own, note)
    network = scaled(built.tree, _factor(given.get("width", 1)), entry.divisor)
    beside = {key: given[key] for key in KEPT if key in given}
    origins: dict[Path, Origin] = {(): Origin(ZOO, note, whole=True)}
    origins |= {at: replace(one, note=one.note + note) for at, one in built.origins.items() if one.path[0] in own}
    origins |= {(key,): Origin((key,)) for key in beside}
    return Expanded({**network, **beside} if isinstance(network, dict) else network, origins), found


def _entry(name: Any, found: list[Problem]) -> files.Entry | None:
    """The network of that name, if there is one."""
    if not isinstance(name, str):
        cure = "write a network's name, such as resnet18"
        found += [Problem(ZOO, f"got {shown(name)}; {cure}")] if name is not UNKNOWN else []
        return None
    try:
        return files.entry(name)
    except ValueError as error:
        found.append(Problem(ZOO, str(error)))
        return None


def _told(inside: list[Problem], own: Mapping[str, Any], note: str) -> Iterator[Problem]:
    """The mistakes in a network's file, each field's first: at its parameters that are the study's `own`, or at it."""
    first = {named(one.where): one for one in reversed(inside)}
    for one in inside:
        if one.where and one.where[0] in own:
            yield replace(one, message=one.message + note)
        elif one in first.values():
            yield Problem(ZOO, f"{dotted(one.where)}: {one.message}{note}")


def _built(entry: files.Entry, given: Mapping[str, Any]) -> tuple[Expanded, list[Problem]]:
    """The blueprint of a network with its parameters, and the mistakes that are theirs."""
    found: list[Problem] = []
    values = bound(entry.parameters, given, {}, (), found)
    expanded, inside = _walked(entry.template, values, {name: (name,) for name in given})
    return expanded, list(dict.fromkeys(found + inside))


def _mistakes(given: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Problem]:
    """What may not stand beside `zoo:`; `given` is without the network's parameters."""
    known = [*parameters, *(key for key in BESIDE_ZOO if key not in parameters)]
    for key in given:
        if key == "stages":
            yield Problem((key,), "a blueprint has zoo: or stages:, and this one has both; remove one of the two")
        elif key not in known:
            yield Problem((key,), f"unknown field {key!r}{nearest(key, known)}")
    width = given.get("width", 1)
    if width is not UNKNOWN and (isinstance(width, bool) or _factor(width) != width):
        yield Problem(("width",), f"got {shown(width)}; write a factor above 0 and up to 1000, such as 0.5")


def _factor(width: Any) -> Any:
    """The factor if it is one, else 1."""
    number = isinstance(width, Real) and not isinstance(width, bool)
    return width if number and 0 < width <= 1_000 else 1
