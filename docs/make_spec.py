"""Write docs/spec.md, the reference of the study file, from the models themselves: `python docs/make_spec.py`.

The prose is docs/spec_prose.txt. A line `<<Name>>` there stands for a model: what its docstring says, and its fields.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from searchspace import cost
from searchspace.advice import KINDS
from searchspace.blueprint import WORDS
from searchspace.language.units import amount, fraction, milliseconds, quantity
from searchspace.words import branches, parts
from searchspace.words.raw import AnyNode
from studies.meanings import meaning, models
from studies.spec import StudySpec
from worker.recipe.named import SOURCES

OUT = Path(__file__).with_name("spec.md")
PROSE = OUT.with_name("spec_prose.txt").read_text(encoding="utf-8")
MARK = re.compile(r"^<<(\w+)>>$", re.MULTILINE)


def page() -> str:
    """The whole page."""
    made = {"COSTS": costs(), "ADVICE": advice(), "CONTENTS": contents(), "NAMED": named()}
    made |= {model.__name__: section(model) for model in models()}
    missing = made.keys() ^ set(MARK.findall(PROSE))
    assert not missing, f"docs/spec_prose.txt and the models do not agree on {sorted(missing)}"
    return MARK.sub(lambda mark: made[mark[1]], PROSE)


def contents() -> str:
    """Links to the sections; what a section of the third rank is made of stands behind it."""
    lines: list[str] = []
    for level, title in re.findall(r"^(##+) (.*)$", PROSE, re.MULTILINE):
        link = f"[{title}](#{anchor(title)})"
        if len(level) == 4:
            lines[-1] += (", " if ": " in lines[-1] else ": ") + link
        else:
            lines.append(f"{'  ' * (len(level) - 2)}* {link}")
    return "\n".join(lines)


def anchor(title: str) -> str:
    """The name of a heading in links, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def _titles() -> dict[str, str]:
    """The heading above each model's place."""
    found, title = {}, ""
    for line in PROSE.splitlines():
        if line.startswith("#"):
            title = line.lstrip("# ")
        elif mark := MARK.fullmatch(line):
            found[mark[1]] = title
    return found


TITLES = _titles()
SECTIONS: dict[tuple[type[BaseModel], str], str] = {
    (StudySpec, name): f"[{name}](#{name}), with its variables" if name != "variables" else "[variables](#variables)"
    for name in ("variables", "blueprint", "recipe")
}
"""The fields whose models do not stand in the annotation, since they are templates."""


def section(model: type[BaseModel]) -> str:
    """What a model's docstring says, and its fields: what each takes, its default, and what it means."""
    lines = [told(model), "", "| field | takes | default | means |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        takes = SECTIONS.get((model, name)) or kind(field.annotation, field.metadata)
        cells = [f"`{name}`", takes, _default(field), meaning(model, name)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def told(thing: Any) -> str:
    """A docstring as paragraphs of markdown: stars outside of code are stars."""
    paragraphs = [" ".join(part.split()) for part in (thing.__doc__ or "").split("\n\n")]
    return "\n\n".join(re.sub(r"(`[^`]*`)|\*", lambda found: found[1] or r"\*", part) for part in paragraphs if part)


def costs() -> str:
    """What is counted, as the modules that count it say."""
    counted = told(cost).split("\n\n")[-1].split("1 MAC", 1)[1]
    mac = f"1 MAC{counted}"
    network = told(cost.Cost).replace("; see `Layer`", "")
    return "\n\n".join([mac, f"**Of a network.** {network}", f"**Of one layer.** {told(cost.Layer)}"])


def advice() -> str:
    """Every kind of advice, and when it is given."""
    rows = [f"| `{name}` | {told(rule)} |" for name, rule in KINDS.items()]
    return "\n".join(["| kind | given for |", "|---|---|", *rows])


def named() -> str:
    """Every published recipe, and where it was published."""
    rows = [f"| `{name}` | {source} |" for name, source in SOURCES.items()]
    return "\n".join(["| like | source |", "|---|---|", *rows])


# --- what a field takes -----------------------------------------------------------------------------------------------

NAMES: dict[Any, tuple[str, str]] = {
    int: ("whole number", "whole numbers"),
    float: ("number", "numbers"),
    str: ("text", "text"),
    bool: ("true or false", "true or false"),
    NoneType: ("null", "null"),
    Any: ("anything", "anything"),
}
"""One of a kind, and several."""
KNOWN: dict[Any, str] = {
    parts.PerAxis: "whole number (1 to 1024) or list with one per axis",
    parts.Pads: "`same`, `valid`, whole number (0 to 1024) or list with one, or a pair of them, per axis",
}
READ: dict[Any, str] = {
    quantity: "count, such as `2M`",
    fraction: "share, such as `4%`",
    milliseconds: "time, such as `3ms`",
    amount: "size, such as `0.3%`",
}
"""What is read from text, by the function that reads it."""
MANY = {frozenset(WORDS): "[stages](#words)", frozenset(get_args(get_args(AnyNode)[0])): "[nodes](#raw-nodes)"}


def kind(annotation: Any, metadata: Any = (), many: bool = False) -> str:
    """What an annotation allows, in words."""
    limits = _limits([inner for one in metadata for inner in (one, *getattr(one, "metadata", ()))])
    functions = [getattr(one, "func", None) for one in metadata]
    if parts.as_kind in functions:
        return f"{kind(annotation)}, its kind alone"
    if branches.named in functions:
        return f"{kind(annotation)}, list of such lists"
    read = [READ[one] for one in functions if one in READ]
    return (read or [_name(annotation, many)])[0] + (f" ({limits})" if limits else "")


def _limits(metadata: list[Any]) -> str:
    found = {sign: getattr(one, sign) for sign in ("ge", "gt", "le", "lt") for one in metadata if hasattr(one, sign)}
    if found.keys() == {"ge", "le"}:
        return f"{_short(found['ge'])} to {_short(found['le'])}"
    signs = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return " and ".join(f"{signs[sign]} {_short(limit)}" for sign, limit in found.items())


def _short(limit: float) -> str:
    """A limit without the `.0` of a real number."""
    return str(int(limit)) if limit == int(limit) else str(limit)


def _name(annotation: Any, many: bool) -> str:
    if annotation in NAMES:
        return NAMES[annotation][many]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind(arguments[0], arguments[1:], many)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in (list, tuple):
        items = KNOWN[arguments[0]] if arguments[0] in KNOWN else kind(arguments[0], many=True)
        return f"{'lists' if many else 'list'} of {items}"
    if origin is dict:
        return f"{'mappings' if many else 'mapping'} from names to {kind(arguments[1], many=True)}"
    if isinstance(annotation, type):
        title = TITLES[annotation.__name__]
        return f"[{title.strip('`')}](#{anchor(title)})"
    return _either(arguments, many)


def _either(arguments: tuple[Any, ...], many: bool) -> str:
    """A union; null comes last, and what it means is told elsewhere."""
    rest = [one for one in arguments if one is not NoneType]
    if together := MANY.get(frozenset(rest)):
        return together
    whole = reduce(or_, rest)
    texts = [KNOWN[whole]] if whole in KNOWN else [kind(one, many=many) for one in rest]
    text = " or ".join(dict.fromkeys(texts))
    if len(rest) == len(arguments):
        return text
    return f"{text}{',' * (', ' in text)} or null"


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if isinstance(field.default, BaseModel):
        given = field.default.model_dump(exclude_defaults=True) or {"kind": getattr(field.default, "kind", "")}
        return f"`{given['kind']}`" if given.get("kind") else "its own"
    if field.default is None:
        return "null"
    return f"`{_shown(field.default)}`"


def _shown(value: Any) -> str:
    """A value as YAML has it in one line."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(one)}" for key, one in value.items()) + "}"
    return str(value).lower() if isinstance(value, bool) else str(value) or '""'


if __name__ == "__main__":
    OUT.write_text(page(), encoding="utf-8")
    print(f"wrote {OUT.name}")
