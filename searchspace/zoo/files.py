"""The zoo's families: files that declare published networks, each with its parameters and its card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from searchspace.blueprint import Spec
from searchspace.language import yamlio
from searchspace.language.problems import Path, Problem, SpecError
from searchspace.language.sentences import at_keys, problems
from searchspace.language.units import fraction

CARD = ("about", "authors", "year", "source", "input", "classes", "divisor", "errors", "note")
"""What a network's own entry may say beside its parameters and a blueprint of its own."""
LISTED = 12
"""The most names that a sentence lists."""


class FamilySpec(Spec):
    """A family's file; `input` is the map's size and then its channels, as papers write it."""

    about: str
    authors: str
    year: Annotated[int, Field(ge=1950, le=2100)]
    source: str
    input: Annotated[list[int], Field(min_length=2, max_length=4)] = [224, 224, 3]
    classes: Annotated[int, Field(ge=1)] = 1000
    divisor: Annotated[int, Field(ge=1)] = 1
    errors: dict[str, Annotated[float, BeforeValidator(fraction)]] = {}
    note: str = ""
    parameters: dict[str, Any] = {}
    blueprint: dict[str, Any] | None = None
    networks: Annotated[dict[str, dict[str, Any]], Field(min_length=1)]


@dataclass(frozen=True)
class Card:
    """What is published of a network. `input` is (channels, *map size); `errors` are shares, by data set and measure.

    An error may be one of several crops or scales; `note` says which, and in what else the network differs.
    """

    name: str
    about: str
    authors: str
    year: int
    source: str
    input: tuple[int, ...]
    classes: int
    errors: Mapping[str, float]
    note: str


@dataclass(frozen=True)
class Entry:
    """A network of the zoo: its card, its template with `$parameters`, their values, and what widths are rounded to."""

    card: Card
    template: Mapping[str, Any]
    parameters: Mapping[str, Any]
    divisor: int


def names() -> list[str]:
    """Every network of the zoo."""
    return sorted(name for file, text in _files().items() for name in read(text, file))


def card(name: str) -> Card:
    """What is published of a network; a ValueError names the nearest if there is none of that name."""
    return entry(name).card


@cache
def entry(name: str) -> Entry:
    """A network by its name. Only files that mention it are parsed."""
    mention = re.compile(rf"^\s+['\"]?{re.escape(name)}['\"]?\s*:", re.MULTILINE)
    for file, text in _files().items():
        if mention.search(text) and name in (found := read(text, file)):
            return found[name]
    raise ValueError(f"the zoo has no network {name!r}{_hint(name, names())}")


def _hint(name: str, known: list[str]) -> str:
    if close := get_close_matches(name, known, n=1):
        return f", did you mean {close[0]!r}?"
    more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
    return f"; it has {', '.join(known[:LISTED]) or 'none'}{more}"


@cache
def history() -> Mapping[str, Any]:
    """The ImageNet challenge by year: `entries` (year, name, error, source, network of the zoo), and the `human`."""
    from importlib.resources import files

    path = files("searchspace").joinpath("zoo", "history", "imagenet.yaml")
    told: dict[str, Any] = yamlio.load(path.read_text(encoding="utf-8"), path.name).data
    entries = [{**one, "error": fraction(one["error"])} for one in told["entries"]]
    return {**told, "entries": entries, "human": {**told["human"], "error": fraction(told["human"]["error"])}}


@cache
def _files() -> dict[str, str]:
    """The families' files in the package: name and text."""
    from importlib.resources import files

    found = [one for one in files("searchspace").joinpath("zoo").iterdir() if one.name.endswith(".yaml")]
    return {one.name: one.read_text(encoding="utf-8") for one in sorted(found, key=lambda one: one.name)}


@cache
def read(text: str, file: str) -> dict[str, Entry]:
    """The networks of a family's file; a SpecError lists every mistake in it."""
    document = yamlio.load(text, file)
    try:
        networks = _validated(document.data, ()).networks
        return {name: _entry(name, document.data, own) for name, own in networks.items()}
    except SpecError as error:
        raise yamlio.placed(document, error.problems, at_keys(error.problems)) from None


def _validated(tree: Any, at: Path) -> FamilySpec:
    try:
        return FamilySpec.model_validate(tree)
    except ValidationError as error:
        raise SpecError(problems(error, tree, FamilySpec, at)) from None


def _entry(name: str, family: Mapping[str, Any], own: Mapping[str, Any]) -> Entry:
    """A network's entry: what its own card does not say, the family's does."""
    where = ("networks", name)
    merged = _validated({**family, **{key: own[key] for key in (*CARD, "blueprint") if key in own}}, where)
    if merged.blueprint is None:
        raise SpecError([Problem(where, "neither the network nor its family has a 'blueprint'; add one")])
    *size, channels = merged.input
    card = Card(
        name=name,
        about=merged.about,
        authors=merged.authors,
        year=merged.year,
        source=merged.source,
        input=(channels, *size),
        classes=merged.classes,
        errors=merged.errors,
        note=merged.note,
    )
    parameters = {key: value for key, value in own.items() if key not in (*CARD, "blueprint")}
    return Entry(card, merged.blueprint, {**merged.parameters, **parameters}, merged.divisor)
