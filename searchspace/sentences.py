"""Pydantic's findings as our own sentences: what, where, what it got, and the cure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from searchspace.problems import Path, Problem


def problems(error: ValidationError, document: Any, model: type[BaseModel], at: Path = ()) -> list[Problem]:
    """One problem per mistake of `document`, which `model` refused; `at` is the document's own place in its file."""
    found: dict[Path, Problem] = {}
    for finding in error.errors(include_url=False):
        where = _place(finding["loc"], document)
        if finding["type"] == "missing":
            where = where[:-1] if where and where[-1] == finding["loc"][-1] else where
        message = _message(finding, where, document, model)
        key = (*where, message) if finding["type"] == "missing" else where
        found.setdefault(key, Problem((*at, *where), message))
    return list(found.values())


def nearest(word: str, known: list[str]) -> str:
    """`, did you mean 'trials'?` where one known word is near, else the list of them."""
    close = get_close_matches(word, known, n=1)
    return f", did you mean {close[0]!r}?" if close else f"; known here: {', '.join(known)}"


def _place(loc: tuple[int | str, ...], document: Any) -> Path:
    """Pydantic's location without the names of union branches, which stand nowhere in the document."""
    where: list[int | str] = []
    value = document
    for index, part in enumerate(loc):
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(part, int) and isinstance(value, list | tuple) and part < len(value):
            value = value[part]
        elif isinstance(value, Mapping) and index == len(loc) - 1:
            value = None  # a field that is missing
        else:
            continue
        where.append(part)
    return tuple(where)


def _message(finding: Any, where: Path, document: Any, model: type[BaseModel]) -> str:
    kind, context, got = finding["type"], finding.get("ctx", {}), finding["input"]
    if kind == "extra_forbidden":
        return f"unknown field {where[-1]!r}{nearest(str(where[-1]), _fields(where[:-1], document, model))}"
    if kind == "missing":
        return f"{finding['loc'][-1]!r} is missing; add it"
    if kind == "union_tag_invalid":
        tags = context["expected_tags"].replace("'", "").split(", ")
        return f"unknown {context['discriminator']} {context['tag']}".replace("'", "") + nearest(context["tag"], tags)
    if kind == "union_tag_not_found":
        return f"{context['discriminator']} is missing; add it".replace("'", "")
    if kind == "literal_error":
        return f"got {got!r}; write {context['expected']}"
    if kind == "value_error":
        return str(context["error"])
    return f"{finding['msg'].removeprefix('Input ')}, got {got!r}"


def _fields(where: Path, document: Any, model: type[BaseModel]) -> list[str]:
    """The fields that the mapping at `where` may have: those of the model that shares most keys with it."""
    value = document
    for part in where:
        value = value[part]
    keys = set(value)
    candidates = [model] if not where else [one for one in _models(model) if one is not model]
    best = max(candidates, key=lambda one: (_tagged(one, value), len(keys & set(one.model_fields))))
    return list(best.model_fields)


def _tagged(model: type[BaseModel], value: Mapping[str, Any]) -> bool:
    """Whether the mapping bears the tag (`kind: sgd`, `block: plain`) of this model."""
    return any(
        value.get(name) in getattr(field.annotation, "__args__", ())
        for name, field in model.model_fields.items()
        if name in ("kind", "block") and isinstance(value.get(name), str)
    )


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The model and every model that its fields mention."""
    seen: set[type[BaseModel]] = set()
    waiting: list[Any] = [model]
    while waiting:
        one = waiting.pop()
        if isinstance(one, type) and issubclass(one, BaseModel):
            if one in seen:
                continue
            seen.add(one)
            yield one
            waiting += [field.annotation for field in one.model_fields.values()]
        else:
            waiting += getattr(one, "__args__", ())
