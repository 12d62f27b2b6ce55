"""The distinct blocks of a tree of calls: what occurs often, or branches, becomes one class with parameters.

Two subtrees are uses of one block where they are alike but for integers. Of those, what differs between the uses
becomes parameters: equal ones are one, a fixed multiple of one is written as such, and the rest are constants.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from worker.calls import Call
from worker.source.calltree import ANY, Index, Slot, Symbol, children, filled, mapped, rebuilt, skeleton, slots, walk
from worker.source.naming import parameter_names, title

CLASS_LINES = 10
"""What a class costs around its layers, in lines."""


@dataclass(frozen=True)
class Parameter:
    """`default` is None for one that every use gives."""

    name: str
    kind: str
    default: Any = None


@dataclass(frozen=True)
class Block:
    """A class (or, for a `group` of numbered layers, a function) with its parameters and the call it stands for."""

    name: str
    parameters: tuple[Parameter, ...]
    body: Call


@dataclass(frozen=True)
class Column:
    """The values that one or several slots have in all the uses of a block."""

    values: tuple[Any, ...]
    slots: tuple[Slot, ...]


def blocks(tree: Call, taken: set[str]) -> tuple[Call, list[Block]]:
    """The tree with its blocks as calls of their names, and the blocks, the larger ones first."""
    program, found = [grouped(optional(filled(tree)))], list[Block]()
    while uses := _largest(program):
        block, arguments = _block(uses, taken | {block.name for block in found})
        calls = {id(use): Call(block.name, (), values) for use, values in zip(uses, arguments, strict=True)}
        program = [*(_replaced(body, calls) for body in program), block.body]
        found.append(block)
    bodies = zip(found, program[1:], strict=True)
    return program[0], [replace(block, body=body) for block, body in bodies]


def optional(tree: Call) -> Call:
    """A branch that is an identity here and one other thing there becomes one `optional` branch of one block."""
    forms: dict[Any, dict[Any, Call]] = {}
    for call in walk(tree):
        for key in call.options if call.name == "Parallel" else ():
            forms.setdefault(_around(call, key), {})[skeleton(call.options[key])] = call.options[key]
    others = {place: _other(list(found.values())) for place, found in forms.items()}

    def marked(call: Call) -> Call:
        options = dict(call.options)
        for key, value in call.options.items() if call.name == "Parallel" else ():
            if (other := others[_around(call, key)]) is not None:
                here = value.name != "nn.Identity"
                options[key] = Call("optional", (here, value if here else mapped(other, lambda *_: ANY)))
        return rebuilt(replace(call, options=options), marked)

    return marked(tree)


def _around(call: Call, key: str) -> Any:
    return key, skeleton(replace(call, options={**call.options, key: Call("")}))


def _other(forms: list[Call]) -> Call | None:
    names = [form.name for form in forms]
    return forms[1 - names.index("nn.Identity")] if len(names) == 2 and "nn.Identity" in names else None


def grouped(tree: Call) -> Call:
    """Layers that share a number (conv1, act1, conv2, act2, ...) outside of branches become numbered groups."""
    uses = [(skeleton(group), group.arguments) for call in _unbranched(tree) for group in _groups(call)]
    often = Counter(form for form, _ in uses)
    several = {form for form, arguments in uses if arguments != (1,) and often[form] > 2}

    def changed(call: Call) -> Call:
        if call.name == "Parallel":
            return call
        groups = [group for group in _groups(call) if skeleton(group) in several]
        inside = {key.format(n=group.arguments[0]) for group in groups for key in group.options}
        fresh = {f"{group.arguments[0]} group": group for group in groups}
        kept = {key: changed(value) for key, value in call.options.items() if key not in inside and groups}
        return replace(call, options=fresh | kept) if groups else rebuilt(call, changed)

    return changed(tree)


def _unbranched(call: Call) -> Iterator[Call]:
    if call.name != "Parallel":
        yield call
        for _, child in children(call):
            yield from _unbranched(child)


def _groups(call: Call) -> list[Call]:
    """The alike groups, numbered from 1, that a sequence begins with, if all its numbered items belong to them."""
    if call.name != "sequence":
        return []
    runs = [(number, list(run)) for number, run in groupby(call.options.items(), lambda item: _number(item[0]))]
    numbered = [(number, run) for number, run in runs if number]
    found = [
        Call("group", (Index(number),), {key[: -len(number)] + "{n}": value for key, value in run})
        for number, run in numbered
    ]
    alike = len({skeleton(group) for group in found}) == 1 and all(len(run) > 1 for _, run in numbered)
    in_order = [number for number, _ in runs[: len(found)]] == [str(number) for number in range(1, len(found) + 1)]
    useful = any(_heavy(child) for group in found[:1] for _, child in children(group))
    plain = all(re.fullmatch(r"[A-Za-z_]+\d+", key) for _, run in numbered for key, _ in run)
    return found if alike and in_order and useful and plain else []


def _number(name: str) -> str:
    return name[len(name.rstrip("0123456789")) :]


def _heavy(call: Call) -> bool:
    return "Conv" in call.name or call.name == "nn.Linear" or bool(children(call))


def _largest(program: list[Call]) -> list[Call]:
    """The uses of the largest block that is still to be made, or none."""
    uses: dict[Any, list[Call]] = {}
    for body in program:
        for call in walk(body):
            if call is not body and (call.arguments or call.options):
                uses.setdefault(skeleton(call), []).append(call)
    worth: dict[Any, list[Call]] = {}
    for form, calls in sorted(uses.items(), key=lambda item: _size(item[1][0])):
        if _worth(calls[0], len(calls), set(worth)):
            worth[form] = calls
    return max(worth.values(), key=lambda calls: (_size(calls[0]), len(calls)), default=[])


def _size(call: Call) -> int:
    return sum(1 for _ in walk(call))


def _worth(call: Call, uses: int, others: set[Any]) -> bool:
    """Whether a class makes the text shorter; branches and numbered groups always have one."""
    if call.name in {"Parallel", "group"}:
        return True
    if call.name not in {"sequence", "nn.Sequential"} or uses < 2:
        return False
    return uses * (_lines(call, others) - 1) > CLASS_LINES + len(children(call))


def _lines(call: Call, others: set[Any]) -> int:
    """About how many lines the call takes where it stands; `others`, which are blocks too, and runs take one each."""
    if call.name not in {"sequence", "nn.Sequential"}:
        return 1
    runs = [next(run) for _, run in groupby((child for _, child in children(call)), skeleton)]
    inner = [1 if skeleton(child) in others else _lines(child, others) for child in runs]
    return 1 if len(inner) < 3 and sum(inner) == len(inner) else 2 + sum(inner)


def _replaced(call: Call, calls: dict[int, Call]) -> Call:
    return calls[id(call)] if id(call) in calls else rebuilt(call, lambda child: _replaced(child, calls))


def _block(uses: list[Call], taken: set[str]) -> tuple[Block, list[dict[str, Any]]]:
    """The block of these uses, and the arguments of each."""
    table = zip(*([value for _, value in slots(use)] for use in uses), strict=True)
    columns, places = _columns([slot for slot, _ in slots(uses[0])], list(table))
    names = parameter_names(uses[0], [column.slots for column in columns])
    parameters = [_parameter(name, column) for name, column in zip(names, columns, strict=True)]
    order = sorted(range(len(columns)), key=lambda number: _rank(parameters[number]))
    values = iter([_placed(place, parameters) for place in places])
    body = mapped(uses[0], lambda *_: next(values))
    arguments = [{names[number]: columns[number].values[use] for number in order} for use in range(len(uses))]
    return Block(title(uses[0], taken), tuple(parameters[number] for number in order), body), arguments


def _rank(parameter: Parameter) -> tuple[bool, bool]:
    """What every use gives stands first, a switch last."""
    return parameter.default is not None, parameter.kind == "bool"


Place = tuple[str, Any]
"""What stands at a slot: ("constant", value), or (a format such as `4 * {}`, the number of a parameter)."""


def _columns(order: list[Slot], table: list[tuple[Any, ...]]) -> tuple[list[Column], list[Place]]:
    columns: list[Column] = []
    places: list[Place] = []
    for slot, values in zip(order, table, strict=True):
        place = _constant(values) or _known(values, slot, columns)
        if place is None:
            place = "{}", len(columns)
            columns.append(Column(values, ()))
        if place[0] == "{}":
            column = columns[place[1]]
            merged = tuple(b if a is ANY else a for a, b in zip(column.values, values, strict=True))
            columns[place[1]] = Column(merged, (*column.slots, slot))
        places.append(place)
    return columns, places


def _constant(values: tuple[Any, ...]) -> Place | None:
    known = [value for value in values if value is not ANY]
    if not known:
        return "constant", 1
    fixed = len({_typed(value) for value in known}) == 1 and not isinstance(known[0], Symbol | Index)
    return ("constant", known[0]) if fixed else None


def _known(values: tuple[Any, ...], slot: Slot, columns: list[Column]) -> Place | None:
    """The parameter that has these values in every use, or of which they are a fixed multiple or part."""
    for number, column in enumerate(columns):
        pairs = [(a, b) for a, b in zip(column.values, values, strict=True) if a is not ANY and b is not ANY]
        if pairs and all(_typed(a) == _typed(b) for a, b in pairs):
            return "{}", number
    for number, column in enumerate(columns):
        pairs = [(a, b) for a, b in zip(column.values, values, strict=True) if b is not ANY]
        if all(a is not ANY for a, _ in pairs) and (form := _form(pairs, slot.role, column.slots[0].role)):
            return form, number
    return None


def _form(pairs: list[tuple[Any, Any]], role: str, of: str) -> str | None:
    """How b follows from a in all the pairs: the half of a kernel, rounded down, or a fixed multiple or part.

    Three different pairs of numbers are no accident, and neither is one pair of expressions.
    """
    different = {(_typed(a), _typed(b)) for a, b in pairs}
    symbolic = any(isinstance(b, Symbol) for _, b in pairs)
    if (role, of) == ("padding", "kernel"):
        forms = {"{} // 2"} if len(different) > 1 or symbolic else set()
    elif {role, of} & {"kernel", "padding", "stride", "dilation"} or not (symbolic or len(different) > 2):
        return None
    else:
        forms = _ratios(*pairs[0])
    return next((form for form in sorted(forms) if all(_follows(form, a, b) for a, b in pairs)), None)


def _ratios(a: Any, b: Any) -> set[str]:
    if isinstance(b, Symbol):
        found = re.fullmatch(r"(\d+) \* \w+|\w+ // (\d+)", b.text)
        return set() if found is None else {f"{found[1]} * {{}}" if found[1] else f"{{}} // {found[2]}"}
    if type(a) is not int or type(b) is not int or min(a, b) < 1:
        return set()
    return {f"{b // a} * {{}}"} if b > a else {f"{{}} // {a // b}"}


def _follows(form: str, a: Any, b: Any) -> bool:
    if isinstance(a, Symbol) or isinstance(b, Symbol):
        return isinstance(a, Symbol) and isinstance(b, Symbol) and b.text == form.format(a.text)
    if type(a) is not int or type(b) is not int:
        return False
    number = int(re.sub(r"\D", "", form))
    if form == "{} // 2":
        return b == a // 2
    return b == number * a if form.endswith("{}") else a == number * b


def _typed(value: Any) -> tuple[str, Any]:
    return type(value).__name__, value


def _parameter(name: str, column: Column) -> Parameter:
    known = [value for value in column.values if value is not ANY]
    kinds = sorted({kind for value in known for kind in _kind(value).split(" | ")})
    flag, usual = kinds == ["bool"], {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}.get(column.slots[0].role)
    if flag or usual in known:
        return Parameter(name, " | ".join(kinds), False if flag else usual)
    plain = Counter(value for value in known if not isinstance(value, Symbol))
    default = plain.most_common(1)[0][0] if ANY in column.values and plain else None
    return Parameter(name, " | ".join(kinds), default)


def _kind(value: Any) -> str:
    if isinstance(value, Symbol):
        return value.kind
    return "tuple[int, ...]" if isinstance(value, tuple) else "bool" if isinstance(value, bool) else "int"


def _placed(place: Place, parameters: list[Parameter]) -> Any:
    form, value = place
    if form == "constant":
        return value
    return Symbol(form.format(parameters[value].name), parameters[value].kind)
