"""Calls and blocks as text, laid out as ruff would have it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import reduce
from itertools import groupby, pairwise
from keyword import iskeyword
from typing import Any

from worker.calls import Call
from worker.source.blocks import Block
from worker.source.calltree import ANY, Symbol, children, integer_defaults, mapped, slots
from worker.source.naming import sentence

WIDTH = 120
STEP = "    "
MANY = 4
"""So many layers have a line each, also where one line would hold them."""
SEQUENCES = {"sequence", "nn.Sequential"}
Blocks = Mapping[str, Block]


def listed(before: str, items: list[str], after: str, indent: str, close: bool = False, tail: int = 1) -> str:
    """Items between brackets, as ruff lays them out; `indent` and `tail` are the room before and after them.

    On one line if they fit and are few; else, if they are to stand `close`, on a line of their own; else on one each.
    """
    line, inner = f"{before}{', '.join(items)}{after}", f"{indent}{STEP}{', '.join(items)}"
    if "\n" not in line and len(indent) + len(line) + tail <= WIDTH:
        return line
    if close and "\n" not in inner and len(inner) <= WIDTH:
        return f"{before}\n{inner}\n{indent}{after}"
    return f"{before}\n" + "".join(f"{indent}{STEP}{item},\n" for item in items) + f"{indent}{after}"


def literal(value: Any) -> str:
    """As `repr`, but strings in the double quotes that ruff wants."""
    if isinstance(value, Symbol):
        return value.text
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def expression(value: Any, blocks: Blocks, indent: str, before: str = "", after: str = "", tail: int = 1) -> str:
    """A call, or a literal, with the text that stands before and after it on its line, as `listed` has them."""
    if not isinstance(value, Call):
        return f"{before}{literal(value)}{after}"
    if value.name == "optional":
        present, layer = value.arguments
        return expression(layer if present else Call("nn.Identity"), blocks, indent, before, after, tail)
    items, inner = _arguments(value, blocks, indent + STEP), children(value)
    if inner and len(items) >= MANY:
        return listed(f"{before}{value.name}(", items, f"){after}", indent, tail=WIDTH)  # never on one line
    return listed(f"{before}{value.name}(", items, f"){after}", indent, not inner, tail)


def _arguments(call: Call, blocks: Blocks, indent: str) -> list[str]:
    """The arguments of a call, each as it stands on a line of its own."""
    if call.name in blocks:
        return _given(call, blocks[call.name])
    if call.name == "nn.Sequential":
        return _entries([(str(number), value) for number, value in enumerate(call.arguments)], blocks, indent)
    placed = [expression(value, blocks, indent) for value in call.arguments]
    standard = integer_defaults(call.name)
    options = [(key, value) for key, value in call.options.items() if not isinstance(value, Call)]
    given = [f"{key}={literal(value)}" for key, value in options if key not in standard or standard[key] != value]
    named = [(key, value) for key, value in call.options.items() if isinstance(value, Call)]
    return [*placed, *given, *_entries(named, blocks, indent)]


def _given(call: Call, block: Block) -> list[str]:
    given = []
    for parameter in block.parameters:
        value = call.options[parameter.name]
        if parameter.default is None:
            given.append(literal(value))
        elif value is not ANY and value != parameter.default:
            given.append(f"{parameter.name}={literal(value)}")
    return given


def _entries(items: list[tuple[str, Call]], blocks: Blocks, indent: str) -> list[str]:
    """Inner calls, by name; what repeats under consecutive numbers is a loop."""
    found = []
    for run in _runs(items, blocks):
        (key, call), stem = run[0], re.sub(r"\d+$", "", run[0][0])
        if len(run) > 1:
            found.append(_loop(run, stem, blocks, indent))
        elif call.name in blocks and blocks[call.name].body.name == "group":
            found.append(expression(call, blocks, indent, "**"))
        elif key.isdigit() and items[0][0] == "0" and all(one.isdigit() for one, _ in items):
            found.append(expression(call, blocks, indent))
        elif is_name(key):
            found.append(expression(call, blocks, indent, f"{key}="))
        else:
            inner = expression(call, blocks, indent + STEP, f"{literal(key)}: ")
            found.append(listed("**{", [inner], "}", indent))
    return found


def _loop(run: list[tuple[str, Call]], stem: str, blocks: Blocks, indent: str) -> str:
    start = int(run[0][0][len(stem) :])
    call, varies = _affine(run, start)
    if not stem:
        numbers = f"range({start}, {start + len(run)})" if varies and start else f"range({len(run)})"
        opening, closing, variable, before = "*(", ")", "n" if varies else "_", ""
    else:
        opening, closing, variable, before = "**{", "}", "n", f'f"{stem}{{n}}": '
        numbers = f"range({start}, {start + len(run)})" if start else f"range({len(run)})"
    inner, loop = expression(call, blocks, indent + STEP, before, tail=0), f"for {variable} in {numbers}"
    line = f"{inner} {loop}"
    if "\n" in line or len(indent) + len(STEP) + len(line) > WIDTH:
        return f"{opening}\n{indent}{STEP}{inner}\n{indent}{STEP}{loop}\n{indent}{closing}"
    return listed(opening, [line], closing, indent, close=True)


def _runs(items: list[tuple[str, Call]], blocks: Blocks) -> list[list[tuple[str, Call]]]:
    """Equal calls under consecutive numbers, or three and more whose integers grow evenly, belong together."""
    runs: list[list[tuple[str, Call]]] = []
    for item in items:
        if runs and _follows(runs[-1], item, blocks):
            runs[-1].append(item)
        else:
            runs.append([item])
    whole = [len(run) > 2 or run[0][1] == run[-1][1] for run in runs]
    return [part for run, one in zip(runs, whole, strict=True) for part in ([run] if one else [[item] for item in run])]


def _follows(run: list[tuple[str, Call]], item: tuple[str, Call], blocks: Blocks) -> bool:
    (key, call), last = run[-1], item[1]
    stem = re.sub(r"\d+$", "", key)
    number = key[len(stem) :]
    if not number or item[0] != f"{stem}{int(number) + 1}" or number != str(int(number)):
        return False
    if (stem and not is_name(stem)) or (call.name in blocks and blocks[call.name].body.name == "group"):
        return False
    if call == last and (len(run) == 1 or run[0][1] == run[1][1]):
        return True
    return not children(call) and _grows([*(one for _, one in run), last])


def _grows(calls: list[Call]) -> bool:
    """Whether the integers of equal calls grow by the same in every step."""
    rows = [_integers(call) for call in calls]
    if any(_shape(call) != _shape(calls[0]) for call in calls):
        return False
    steps = [[b - a for a, b in zip(one, other, strict=True)] for one, other in pairwise(rows)]
    return all(step == steps[0] for step in steps) and any(steps[0])


def _integers(call: Call) -> list[int]:
    return [value for _, value in slots(call) if type(value) is int]


def _shape(call: Call) -> Call:
    return mapped(call, lambda _, value: 0 if type(value) is int else value)


def _affine(run: list[tuple[str, Call]], start: int) -> tuple[Call, bool]:
    """The call of a loop over n: a value a of its first number that grows by b is `a - b * start + b * n`."""
    first, second = run[0][1], run[1][1]
    if first == second:
        return first, False
    steps = iter([b - a for a, b in zip(_integers(first), _integers(second), strict=True)])

    def grown(_: Any, value: Any) -> Any:
        if type(value) is not int or not (step := next(steps)):
            return value
        base, product = value - step * start, "n" if abs(step) == 1 else f"{abs(step)} * n"
        if not base and step > 0:
            return Symbol(product)
        return Symbol(f"{base} {'+' if step > 0 else '-'} {product}")

    return mapped(first, grown), True


def is_name(key: str) -> bool:
    return key.isidentifier() and not iskeyword(key)


def definition(block: Block, blocks: Blocks) -> str:
    """The class of a block, or the function of a numbered group."""
    about = f'{STEP}"""{sentence(block.body)}"""\n'
    parameters = [_declared(parameter) for parameter in block.parameters]
    if block.body.name == "group":
        head = listed(f"def {block.name}(", parameters, ") -> dict[str, nn.Module]:", "", True, 0)
        return f"{head}\n{about}{STEP}{_numbered(block.body, blocks)}\n"
    head = f"{about}\n{STEP}{listed('def __init__(', ['self', *parameters], ') -> None:', STEP, True, 0)}\n"
    if block.body.name in SEQUENCES and not _plainly_named(block.body, blocks):
        return f"class {block.name}(nn.Sequential):\n{head}{STEP * 2}{_inherited(block.body, blocks)}\n"
    made = [line for key, call in children(block.body) for line in _member(key, call, blocks)]
    body = "".join(f"{STEP * 2}{line}\n" for line in ("super().__init__()", *made))
    steps = "".join(f"{STEP * 2}{line}\n" for line in _forward(block.body))
    forward = f"{STEP}def forward(self, x: torch.Tensor) -> torch.Tensor:\n{steps}"
    return f"class {block.name}(nn.Module):\n{head}{body}\n{forward}"


def _numbered(group: Call, blocks: Blocks) -> str:
    items = [expression(call, blocks, STEP * 2, f'f"{key}": ') for key, call in group.options.items()]
    return listed("return {", items, "}", STEP, tail=0)


def _inherited(body: Call, blocks: Blocks) -> str:
    """The layers of a sequence with loops, or with numbers for names, as torch's own class takes them."""
    if body.name == "nn.Sequential":
        return listed("super().__init__(", _arguments(body, blocks, STEP * 3), ")", STEP * 2, tail=0)
    items = [listed("OrderedDict(", _arguments(body, blocks, STEP * 4), ")", STEP * 3)]
    return listed("super().__init__(", items, ")", STEP * 2, tail=0)


def _declared(parameter: Any) -> str:
    standard = "" if parameter.default is None else f" = {literal(parameter.default)}"
    return f"{parameter.name}: {parameter.kind}{standard}"


def _plainly_named(body: Call, blocks: Blocks) -> bool:
    """Whether each layer has a line of its own, by a name that Python takes."""
    names = [key for key, _ in children(body)]
    return all(map(is_name, names)) and all(len(run) == 1 for run in _runs(children(body), blocks))


def _member(key: str, call: Call, blocks: Blocks) -> list[str]:
    """The statements that make a layer of a class."""
    if call.name == "optional" and isinstance(call.arguments[0], Symbol):
        flag, layer = call.arguments
        inner = _added(key, layer, blocks, STEP * 3)
        return [_added(key, Call("nn.Identity"), blocks, STEP * 2), f"if {flag.text}:", f"{STEP}{inner}"]
    return [_added(key, call, blocks, STEP * 2)]


def _added(key: str, call: Call, blocks: Blocks, indent: str) -> str:
    if is_name(key):
        return expression(call, blocks, indent, f"self.{key} = ", tail=0)
    items = [literal(key), expression(call, blocks, indent + STEP)]
    return listed("self.add_module(", items, ")", indent, tail=0)


def _forward(body: Call) -> list[str]:
    called = [f"self.{key}" if is_name(key) else f"self.get_submodule({literal(key)})" for key, _ in children(body)]
    if body.name == "Parallel":
        return _merged(body.arguments[0], [f"{layer}(x)" for layer in called])
    chunks = [chunk for _, run in groupby(called, _number) for chunk in _chunks(list(run))]
    nested = [reduce(lambda text, layer: f"{layer}({text})", chunk, "x") for chunk in chunks]
    return [*(f"x = {one}" for one in nested[:-1]), f"return {nested[-1]}"]


def _merged(how: str, outputs: list[str]) -> list[str]:
    if how in {"add", "multiply"}:
        sign = " + " if how == "add" else " * "
        if len(line := f"return {sign.join(outputs)}") <= WIDTH - 8:
            return [line]
        return [f"y = {outputs[0]}", *(f"y = y{sign}{one}" for one in outputs[1:]), "return y"]
    if how == "concat" and len(line := f"return torch.cat([{', '.join(outputs)}], 1)") <= WIDTH - 8:
        return [line]
    branches = listed("branches = [", outputs, "]", STEP * 2, tail=0)
    if how == "concat":
        return [branches, "return torch.cat(branches, 1)"]
    return [
        branches,
        "size = torch.broadcast_shapes(*(branch.shape[2:] for branch in branches))",
        "return torch.cat([branch.expand(*branch.shape[:2], *size) for branch in branches], 1)",
    ]


def _number(name: str) -> str:
    found = re.search(r"\d+$", name)
    return found.group() if found else ""


def _chunks(layers: list[str]) -> list[list[str]]:
    """Three layers a line, or one where their names are long."""
    size = 3 if max(map(len, layers)) < WIDTH // 4 else 1
    return [layers[start : start + size] for start in range(0, len(layers), size)]
