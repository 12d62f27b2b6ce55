"""From the blueprint as it is written to one of built-in words only: plain trees in, plain trees out.

What disappears: `$names`, `zoo:`, `defaults:`, `blocks:` and their uses, plug-ins' words, `count:` and `family:`. What
comes out depends on no template, file or package any more; `Expanded.place` says where its pieces come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from searchspace.language.blocks import bound
from searchspace.language.expressions import fill
from searchspace.language.origins import Expanded, Origin
from searchspace.language.problems import UNKNOWN, Path, Problem, SpecError, nearest, shown
from searchspace.language.scaling import scaled
from searchspace.language.stages import Walk
from searchspace.zoo import files

BESIDE_ZOO = ("width", "classes", "head")
"""What may stand beside `zoo:` for every network, its own parameters aside."""
ZOO: Path = ("zoo",)


def expand(tree: Any, values: Mapping[str, Any]) -> Expanded:
    """The blueprint `tree` with the variables' `values`, in built-in words only; all mistakes in one SpecError."""
    expanded, found = attempt(tree, values)
    if found:
        raise SpecError(found)
    return expanded


def attempt(tree: Any, values: Mapping[str, Any]) -> tuple[Expanded, list[Problem]]:
    """The blueprint as far as it can be expanded, with UNKNOWN where it cannot, and every mistake in the original."""
    if isinstance(tree, Mapping) and "zoo" in tree:
        return _network(tree, values)
    walk = Walk(values)
    try:
        expanded = Expanded(walk.blueprint(tree), walk.origins)
    except SpecError as error:  # too many stages
        return Expanded(UNKNOWN), list(error.problems)
    return expanded, list(dict.fromkeys(walk.problems))


def _network(tree: Mapping[str, Any], values: Mapping[str, Any]) -> tuple[Expanded, list[Problem]]:
    """The network that `zoo: name` names, with the parameters, width, classes and head that stand beside it."""
    found: list[Problem] = []
    given: dict[str, Any] = {key: fill(value, values, (key,), found) for key, value in tree.items()}
    name = given.pop("zoo")
    try:
        entry = None if name is UNKNOWN else files.entry(name if isinstance(name, str) else shown(name))
    except ValueError as error:
        found.append(Problem(ZOO, str(error)))
        entry = None
    if entry is None:
        return Expanded(UNKNOWN), found
    own = {key: given.pop(key) for key in entry.parameters if key in given}
    found += _mistakes(given, entry.parameters)
    network, inside = _built(entry, own)
    note = f" (in zoo:{name})"
    found += [Problem(ZOO, problem.message + note) for problem in inside]
    network = scaled(network, _factor(given.get("width", 1)), entry.divisor)
    beside = {key: given[key] for key in ("classes", "head") if key in given}
    origins: dict[Path, Origin] = {(): Origin(ZOO, note, whole=True)}
    origins |= {(key,): Origin((key,)) for key in beside}
    return Expanded({**network, **beside} if isinstance(network, dict) else network, origins), found


def _built(entry: files.Entry, given: Mapping[str, Any]) -> tuple[Any, list[Problem]]:
    """The tree of a network with its parameters, and the mistakes that are theirs."""
    found: list[Problem] = []
    values = bound(entry.parameters, given, {}, (), found)
    expanded, inside = attempt(entry.template, values)
    return expanded.tree, list(dict.fromkeys(found + inside))


def _mistakes(given: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Problem]:
    """What may not stand beside `zoo:`; `given` is without the network's parameters."""
    known = [*parameters, *(key for key in BESIDE_ZOO if key not in parameters)]
    for key in given:
        if key == "stages":
            yield Problem((key,), "a blueprint has zoo: or stages:, and this one has both; remove one of the two")
        elif key not in known:
            yield Problem((key,), f"unknown field {key!r}{nearest(key, known)}")
    width = given.get("width", 1)
    if width is not UNKNOWN and _factor(width) != width:
        yield Problem(("width",), f"got {shown(width)}; write a factor above 0 and up to 1000, such as 0.5")


def _factor(width: Any) -> float:
    """The factor if it is one, else 1."""
    number = isinstance(width, int | float) and not isinstance(width, bool)
    return width if number and 0 < width <= 1_000 else 1
