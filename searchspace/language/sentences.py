"""Pydantic's findings as our own sentences: what, where, what it got, and the cure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from searchspace.language.problems import UNKNOWN, FieldError, Path, Problem, nearest, shown
from searchspace.language.yamlio import resolve

DEEPER = ("missing", "greater_than", "less_than", "too_short")
"""Kinds of findings of a branch of a union that knew what it had before it: they tell, and not another branch."""


def problems(error: ValidationError, document: Any, model: type[BaseModel], at: Path = ()) -> list[Problem]:
    """One problem per mistake of `document`, which `model` refused; `at` is the document's own place in its file.

    A mapping with an unknown tag is checked again with the tag that was perhaps meant, or under its key.
    """
    found = _found(error, document, model)
    found |= _behind(error, document, model)
    if (renamed := _renamed(error, document)) is not document:
        found |= {key: one for key, one in _mistakes(renamed, model).items() if key not in found}
    told = [problem for problem in found.values() if not _misspelt(problem, found.values())]
    return [replace(problem, where=(*at, *problem.where)) for problem in told]


def _found(error: ValidationError, document: Any, model: type[BaseModel]) -> dict[Any, Problem]:
    """One problem per place, and one per field that is missing there.

    Where a branch of a union looked deeper, or knows its range, it tells; what is UNKNOWN is no mistake of its own.
    """
    findings = [(finding, _place(finding, document)) for finding in error.errors(include_url=False)]
    inner = {where[:end] for _, where in findings for end in range(len(where))}
    inner |= {where for finding, where in findings if finding["type"].startswith(DEEPER)}
    found: dict[Any, Problem] = {}
    for finding, where in findings:
        gap = finding["type"] == "missing"
        shallow = where in inner and finding["type"].endswith(("_type", "_parsing", "literal_error"))
        if shallow or _value(document, where) is UNKNOWN:
            continue
        message = _message(finding, where, document, model)
        found.setdefault((where, message) if gap else where, Problem(where, message))
    return found


def _behind(error: ValidationError, document: Any, model: type[BaseModel]) -> dict[Any, Problem]:
    """The other mistakes where a tag is unknown: those with the nearest known one, else those that all would show."""
    tags = {
        _place(finding, document): _meant(finding)
        for finding in error.errors(include_url=False)
        if finding["type"] == "union_tag_invalid" and _value(document, _place(finding, document)) is not UNKNOWN
    }
    tried = []
    for number in range(max(map(len, tags.values()), default=0)):
        tree = document
        for where, names in tags.items():
            tree = _with(tree, where, names[min(number, len(names) - 1)])
        tried.append(_mistakes(tree, model))
    inside = {where[:-1] for where in tags}
    return {
        key: problem
        for key, problem in (tried[0] if tried else {}).items()
        if all(key in one for one in tried) and any(problem.where[: len(where)] == where for where in inside)
    }


def _renamed(error: ValidationError, document: Any) -> Any:
    """The document with the tags under the keys that they should have had, where those are misspelt."""
    tree = document
    for finding in error.errors(include_url=False):
        if finding["type"] == "union_tag_not_found" and (misspelt := _misspelt_tag(finding)):
            where, tag = _place(finding, document)[:-1], finding["ctx"]["discriminator"].strip("'")
            section = _value(tree, where).items()
            tree = _with(tree, where, {tag if key == misspelt else key: value for key, value in section})
    return tree


def _meant(finding: Any) -> list[str]:
    """The known tag that is nearest to the unknown one; all where none is near."""
    tags = _tags(finding)
    return get_close_matches(finding["ctx"]["tag"], tags, n=1) or tags


def _tags(finding: Any) -> list[str]:
    known: str = finding["ctx"]["expected_tags"]
    return known.replace("'", "").split(", ")


def _with(tree: Any, where: Path, value: Any) -> Any:
    """The tree with the value at a place."""
    if not where:
        return value
    copy: Any = dict(tree) if isinstance(tree, Mapping) else list(tree)
    copy[where[0]] = _with(tree[where[0]], where[1:], value)
    return copy


def _mistakes(tree: Any, model: type[BaseModel]) -> dict[Any, Problem]:
    try:
        model.model_validate(tree)
    except ValidationError as error:
        return _found(error, tree, model)
    return {}


def at_keys(found: Iterable[Problem]) -> list[Path]:
    """The places where the key is to blame, and not its value: those of unknown fields and of branches' names."""
    return [one.where for one in found if one.message.startswith("unknown field") or one.where[-2:-1] == ("branches",)]


def _misspelt(problem: Problem, others: Iterable[Problem]) -> bool:
    """Whether a missing field is the one that an unknown field beside it was meant to be."""
    meant = re.fullmatch("'(.*)' is missing; add it", problem.message)
    hint = f"did you mean {meant[1]!r}?" if meant else None
    return hint is not None and any(one.where[:-1] == problem.where and hint in one.message for one in others)


def _place(finding: Any, document: Any) -> Path:
    """Where in the document: without the names of union branches, at the tag or field that is to blame."""
    where: list[int | str] = []
    value = document
    for part in finding["loc"]:
        if (isinstance(value, Mapping) and part in value) or (
            isinstance(part, int) and isinstance(value, list | tuple) and part < len(value)
        ):
            value = value[part]
            where.append(part)
        elif isinstance(value, list) and 0 < (number := _number_of(part)) <= len(value):
            value = value[number - 1]
            where.append(number - 1)
    field = None
    if finding["type"] == "union_tag_invalid":
        field = finding["ctx"]["discriminator"].strip("'")
    elif finding["type"] == "union_tag_not_found":
        field = _misspelt_tag(finding)
    elif isinstance(error := finding.get("ctx", {}).get("error"), FieldError):
        field = error.field
    return (*where, field) if field is not None and isinstance(value, Mapping) and field in value else tuple(where)


def _number_of(part: object) -> int:
    """The number of an item of a list that was read as a mapping: 2 of `branch2`; 0 for anything else."""
    found = re.fullmatch("branch([1-9][0-9]{0,4})", part) if isinstance(part, str) else None
    return int(found[1]) if found else 0


def _misspelt_tag(finding: Any) -> str | None:
    """The key that was meant to be the tag which a section has not."""
    tag = finding["ctx"]["discriminator"].strip("'")
    given = finding["input"]
    return next(iter(get_close_matches(tag, [*given], 1)), None) if isinstance(given, Mapping) else None


def _value(document: Any, where: Path) -> Any:
    for part in where:
        document = document[part]
    return document


_WANTED = {
    "bool_type": "write true or false",
    "string_type": "write text, in quotes where it looks like a number",
    "list_type": "write a list [a, b]",
    "tuple_type": "write a list [a, b]",
    "too_short": "write at least {min_length}",
    "too_long": "write at most {max_length}",
    "greater_than": "write a number above {gt:g}",
    "greater_than_equal": "write at least {ge}",
    "less_than": "write a number below {lt}",
    "less_than_equal": "write at most {le}",
    "finite_number": "write a finite number",
    "literal_error": "write {expected}",
    "string_pattern_mismatch": "write text that fits {pattern}",
}
"""The cure by the kind of Pydantic's finding."""


def _message(finding: Any, where: Path, document: Any, model: type[BaseModel]) -> str:
    kind, context, got = finding["type"], finding.get("ctx", {}), finding["input"]
    match kind:
        case "extra_forbidden":
            name = str(where[-1])
            return f"unknown field {name!r}{nearest(name, _known(_model(model, document, where[:-1])))}"
        case "missing":
            return _missing(finding["loc"][-1])
        case "union_tag_invalid":
            return _unknown_tag(finding, _value(document, where))
        case "union_tag_not_found":
            tag, misspelt = context["discriminator"].strip("'"), _misspelt_tag(finding)
            return f"unknown field {misspelt!r}, did you mean {tag!r}?" if misspelt else _missing(tag)
        case "value_error":
            return str(context["error"])
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"got {shown(got)}; {_mapping(_model(model, document, where))}"
    if kind in ("int_type", "int_from_float", "float_type"):
        return f"got {shown(got)}; {_number(got, 'number' if kind == 'float_type' else 'whole number')}"
    if kind in _WANTED:
        return f"got {shown(got)}; {_WANTED[kind].format_map(context)}"
    return f"{finding['msg'].removeprefix('Input ')}, got {shown(got)}"


def _unknown_tag(finding: Any, got: Any) -> str:
    tag, context = finding["ctx"]["tag"], finding["ctx"]
    kind = context["discriminator"].strip("'")
    if not isinstance(got, str):
        return f"got {shown(got)}, which is no {kind}{nearest('', _tags(finding))}"
    return f"unknown {kind} {tag!r}{nearest(tag, _tags(finding))}"


def _missing(name: object) -> str:
    return f"{name!r} is missing; add it"


def _number(got: Any, wanted: str) -> str:
    if isinstance(got, str) and isinstance(resolve(got[:40]), int | float):
        return "remove the quotes, so that it is a number"
    return f"write a {wanted}"


def _mapping(model: type[BaseModel] | None) -> str:
    """How a section is written; one with a `kind` may be that kind alone."""
    fields = _fields(model)
    whole = "write a mapping" + (f" with {', '.join(fields)}" if fields else "")
    kinds = _kinds(model.model_fields["kind"].annotation) if model and len(fields) > 1 and "kind" in fields else []
    return f"write {kinds[0]!r} or another kind, or{whole.removeprefix('write')}" if len(kinds) > 1 else whole


def _kinds(annotation: Any) -> list[str]:
    """The options of a Literal, through unions."""
    found = [option for one in get_args(annotation) for option in (_kinds(one) if get_args(one) else [one])]
    return [option for option in found if isinstance(option, str)]


def _known(model: type[BaseModel] | None) -> list[str]:
    """The fields, and what may stand beside them."""
    return [*_fields(model), *getattr(model, "also", ())]


def _fields(model: type[BaseModel] | None) -> list[str]:
    return list(model.model_fields) if model else []


def _model(model: type[BaseModel], document: Any, where: Path) -> type[BaseModel] | None:
    """The model that describes the mapping at `where`, found by walking the annotations beside the document."""
    annotation: Any = model
    for part in where:
        document = document[part]
        annotation = next(iter(_inner(annotation, part)), None)
        models = list(_models(annotation))
        if len(models) > 1:
            annotation = max(models, key=lambda one: _tagged(one, document))
    return next(_models(annotation), None)


def _inner(annotation: Any, part: str | int) -> Iterator[Any]:
    """What the annotation says of its member `part`: a model's field, a list's item, a mapping's value."""
    for model in _models(annotation) if isinstance(part, str) else ():
        if part in model.model_fields:
            yield model.model_fields[part].annotation
    yield from _items(annotation, isinstance(part, int))


def _items(annotation: Any, numbered: bool) -> Iterator[Any]:
    """What lists hold, or mappings, which may be written as lists."""
    origin = get_origin(annotation)
    if origin is dict:
        yield get_args(annotation)[1]
    elif origin in (list, tuple):
        yield from get_args(annotation) if numbered else ()
    else:
        for argument in get_args(annotation):
            yield from _items(argument, numbered)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that an annotation allows at its own place: through unions and Annotated, not into lists."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is Annotated:
        yield from _models(get_args(annotation)[0])
    elif get_origin(annotation) not in (list, tuple, dict):
        for argument in get_args(annotation):
            yield from _models(argument)


def _tagged(model: type[BaseModel], value: Any) -> bool:
    """Whether the mapping bears the tag (`block: plain`, `node: conv`, `kind: sgd`) of this model."""
    tag = next((name for name in ("block", "node", "kind") if name in model.model_fields), None)
    got = value.get(tag) if tag and isinstance(value, Mapping) else None
    return isinstance(got, str) and got in get_args(model.model_fields[tag or ""].annotation)
