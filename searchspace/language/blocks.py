"""A study's own words: `blocks: {fire: {parameters: {squeeze: 16, expand: null}, stages: [...]}}`."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from searchspace.language.expressions import STAGE, fill, names
from searchspace.language.problems import UNKNOWN, Path, Problem, nearest, shown

FIELDS = ("parameters", "stages")
TAKEN = ("block", STAGE, "count", "family", "unscaled")
"""What no parameter may be called, since it means something at every stage."""


@dataclass(frozen=True)
class Block:
    """A word that a blueprint declares; a parameter whose default is null must be given."""

    word: str
    parameters: Mapping[str, Any]
    stages: Any

    @property
    def required(self) -> list[str]:
        """The parameters without a default."""
        return [name for name, default in self.parameters.items() if default is None]


def declared(tree: Any, built_in: Mapping[str, object], problems: list[Problem]) -> dict[str, Block]:
    """The words that `blocks:` declares, as far as they can be read; mistakes are added to `problems`."""
    if not isinstance(tree, Mapping):
        _refuse(tree, ("blocks",), "write a mapping from words to their stages", problems)
        return {}
    found = {}
    for word, body in tree.items():
        where = ("blocks", word)
        if word in built_in:
            problems.append(Problem(where, f"{word!r} is a built-in word; give the block another name"))
        elif not isinstance(body, Mapping):
            _refuse(body, where, "write {parameters: {...}, stages: [...]}", problems)
        else:
            problems += _mistakes(body, where)
            parameters = body.get("parameters")
            stages = body.get("stages", UNKNOWN)
            found[word] = Block(word, parameters if isinstance(parameters, Mapping) else {}, stages)
    return found


def _refuse(value: Any, where: Path, cure: str, problems: list[Problem]) -> None:
    """A mistake, unless the value cannot be told."""
    if value is not UNKNOWN:
        problems.append(Problem(where, f"got {shown(value)}; {cure}"))


def _mistakes(body: Mapping[str, Any], where: Path) -> Iterator[Problem]:
    for key in body:
        if key not in FIELDS:
            yield Problem((*where, key), f"unknown field {key!r}{nearest(key, FIELDS)}")
    if "stages" not in body:
        yield Problem(where, "'stages' is missing; add it")
    parameters = body.get("parameters", {})
    if not isinstance(parameters, Mapping):
        if parameters is not UNKNOWN:
            yield Problem((*where, "parameters"), f"got {shown(parameters)}; write a mapping from names to defaults")
        return
    for name in parameters:
        inside = (*where, "parameters", name)
        if name in TAKEN:
            yield Problem(inside, f"{name!r} means something at every stage; give the parameter another name")
        elif not name.isidentifier() or not name.isascii():
            yield Problem(inside, f"{name!r} is no name; use letters, digits and _, a letter first")


def names_at(blueprint: Any, where: Path) -> set[str]:
    """The names that a place of a blueprint may use beside the study's variables: `stage`, a block's parameters."""
    found: set[Any] = {STAGE} if "stages" in where else set()
    if where[:1] == ("blocks",) and len(where) > 2:
        body = blueprint["blocks"][where[1]]
        parameters = body.get("parameters") if isinstance(body, Mapping) else None
        found |= set(parameters) if isinstance(parameters, Mapping) else set()
        found -= {where[3]} if where[2] == "parameters" and len(where) > 3 else set()
    return found


def bound(
    defaults: Mapping[str, Any], given: Mapping[str, Any], outer: Mapping[str, Any], at: Path, problems: list[Problem]
) -> dict[str, Any]:
    """The names that a body may use: those from outside, and before them the parameters, given or by default.

    A default may refer to other parameters: `expand: 4 * $squeeze`.
    """
    scope = {**outer, **given}
    rest = {name: default for name, default in defaults.items() if name not in given}
    derived = {name: default for name, default in rest.items() if any("$" in text for text in _texts(default))}
    scope |= {name: default for name, default in rest.items() if name not in derived}
    while ready := [name for name in derived if not (_referred(derived[name]) - {name}) & derived.keys()]:
        for name in ready:
            scope[name] = fill(derived.pop(name), scope, (*at, name), problems)
    for name in derived:
        message = f"{' and '.join(map(repr, derived))} refer to each other in a circle; give one of them a value"
        problems += [Problem((*at, name), message)] * (name == next(iter(derived)))
        scope[name] = UNKNOWN
    return scope


def _texts(tree: Any) -> Iterator[str]:
    """Every text in a tree."""
    if isinstance(tree, str):
        yield tree
    parts = tree.values() if isinstance(tree, Mapping) else tree if isinstance(tree, list) else ()
    for part in parts:
        yield from _texts(part)


def _referred(tree: Any) -> set[str]:
    """The names that the texts of a tree refer to."""
    return {name for text in _texts(tree) for name in names(text)}


def unused(blueprint: Mapping[str, Any], blocks: Mapping[str, Block], built_in: Collection[str]) -> Iterator[Problem]:
    """The blocks that no stage is made of; none where a word varies, nor where a misspelt word may have meant one."""
    waiting, used = [blueprint.get("stages")], set[str]()
    while waiting:
        found = {*_words(waiting.pop())}
        if any("$" in word for word in found):
            return
        waiting += [_body(blocks[word]) for word in found - used if word in blocks]
        used |= found
    strange = [word for word in used if word not in blocks and word not in built_in]
    for word in blocks:
        if word not in used and not get_close_matches(word, strange):
            yield Problem(("blocks", word), f"nothing uses the block {word!r}; write {{block: {word}}} or remove it")


def _body(block: Block) -> dict[str, Any]:
    return {"stages": block.stages, "parameters": block.parameters}


def _words(tree: Any, key: str | int = "stages") -> Iterator[str]:
    """The words of the stages in a tree, or `$name` where a variable says what stands there."""
    if isinstance(tree, str):
        yield from (tree,) if key in ("block", "stages", "branches") else ()
    elif isinstance(tree, Mapping):
        for inner, part in tree.items():
            yield from _words(part, key if key in ("block", "branches") else inner)
    elif isinstance(tree, list):
        for part in tree:
            yield from _words(part, "stages" if key == "branches" else key)
