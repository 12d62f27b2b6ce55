"""Write docs/spec.md, the reference of the study file, from the models themselves: `python docs/make_spec.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from searchspace.blueprint import Blueprint
from studies.spec import StudySpec
from worker.recipe import Recipe

OUT = Path(__file__).with_name("spec.md")
TOP = """# The study file

This page is made from the models that check a study (`python docs/make_spec.py`); a test holds it up to date.
`archstudy schema` prints the same as a JSON schema, for editors that complete and check as one types.

**Variables.** `variables:` names what may vary; `blueprint` and `recipe` refer to it with `$name`, also in
(`2 * $width`, `64 * 2 ** $stage`; `+ - * / // % **` and parentheses). A variable is

* `{choice: [a, b, c]}`: one of the options, of any type; numbers that rise are treated as ordered,
* `{int: [low, high], step: 8}` or `{int: [low, high], log: true}`: a whole number, both ends included,
* `{float: [low, high], log: true}`: a real number,
* `2 * $width`: derived from others, or a constant.

The same domains may stand inline (`kernel: {choice: [3, 5]}`); such a variable is named by its place.

**Numbers.** `1e-3` is a number; counts take `k`, `M`, `G`, `T` (`60k`, `2M`); fractions take `%`. YAML anchors,
aliases, tags and duplicate keys are refused.

**What may change later.** A study is known by its fingerprint, over data, task, variables, blueprint, design or
search, recipe and seed. `about`, `budget`, `confirm` and `resources` may change and `design.replicates` may rise:
running the file again goes on with the same study.

**A convolution has a bias unless a norm follows it directly.** `repeat` counts convolutions in a `plain` stage and
blocks in a `residual` one.
"""


def page() -> str:
    """The whole page."""
    parts = [TOP]
    for title, model in (("Study", StudySpec), ("blueprint", Blueprint), ("recipe", Recipe)):
        parts += [_section(title if one is model else one.__name__, one) for one in _models(model)]
    seen = list(dict.fromkeys(parts))
    return "\n".join(seen)


def _models(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The model, then every model that it mentions, in the order of mention."""
    found: list[type[BaseModel]] = []

    def visit(kind: Any) -> None:
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind not in found:
                found.append(kind)
                for field in kind.model_fields.values():
                    visit(field.annotation)
            return
        for part in get_args(kind):
            visit(part)

    visit(model)
    return found


def _section(title: str, model: type[BaseModel]) -> str:
    about = re.sub(r"\s+", " ", model.__doc__ or "")
    lines = [f"## {title}", "", about, "", "| field | takes | default |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        lines.append(f"| `{name}` | {_kind(field.annotation, field.metadata)} | {_default(field)} |")
    return "\n".join([*lines, ""])


def _kind(kind: Any, metadata: list[Any]) -> str:
    limits = [f"{_SIGNS[name]} {getattr(one, name)}" for one in metadata for name in _SIGNS if hasattr(one, name)]
    return _name(kind) + (f" ({', '.join(limits)})" if limits else "")


_SIGNS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
_NAMES = {
    int: "whole number",
    float: "number",
    str: "text",
    bool: "true or false",
    type(None): "nothing",
    Any: "anything",
}


def _name(kind: Any) -> str:
    if kind in _NAMES:
        return _NAMES[kind]
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _kind(arguments[0], [one for extra in arguments[1:] for one in getattr(extra, "metadata", [extra])])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        return f"a list of {_name(arguments[0])}"
    if origin is dict:
        return f"a mapping to {_name(arguments[1])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return f"[{kind.__name__}](#{kind.__name__.lower()})"
    return " or ".join(dict.fromkeys(_name(part) for part in arguments))


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, BaseModel):
        kind = getattr(field.default, "kind", "")
        return f"`{kind}`" if kind else "its own defaults"
    if field.default is None or field.default in ("", {}, (), []):
        return "none"
    value = field.default
    return f"`{[one.model_dump(exclude_none=True) for one in value] if isinstance(value, list) else value}`"


if __name__ == "__main__":
    OUT.write_text(page(), encoding="utf-8")
    print(f"wrote {OUT.name}")
