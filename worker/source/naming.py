"""Names and one-sentence descriptions for the blocks of an exported network, from their structure alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from worker.calls import Call
from worker.source.calltree import Slot, children, slots

INPUTS = {"in_channels", "in_features"}
OUTPUTS = {"channels", "features"}
GLUE = {"sequence", "nn.Sequential", "optional", "group"}
WORDS = {
    "Conv": "convolution",
    "ConvTranspose": "transposed convolution",
    "Linear": "linear layer",
    "BatchNorm": "batch norm",
    "GroupNorm": "group norm",
    "MaxPool": "max pooling",
    "AvgPool": "average pooling",
    "GlobalPool": "global pooling",
}
SHORT = {"Parallel": "Block", "BatchNorm": "Norm", "GroupNorm": "Norm", "MaxPool": "Pool", "AvgPool": "Pool"}
WIDEST = 105


def title(call: Call, taken: set[str]) -> str:
    """A class name (a function's for a group) that is not taken yet."""
    return _free(_title(call), taken)


def _title(call: Call) -> str:
    kinds, convs = _kinds(call), _convs(call)
    short = [SHORT.get(kind, kind if kind[0].isupper() else "Block") for kind in kinds[:3]]
    if call.name == "group":
        return "_".join(_identifier(key.removesuffix("{n}")) for key in call.options)
    if call.name == "Parallel":
        return _branched(call)
    if len(kinds) <= 3:
        return "".join(short)
    if len(convs) == 2 and _depthwise(convs[0]):
        return "SeparableConv"
    if len(convs) == 1 and any("Pool" in kind for kind in kinds) and any("Norm" in kind for kind in kinds):
        return "Transition"
    return "ConvBlock" if convs else "Block"


def _branched(call: Call) -> str:
    branches = [child for _, child in children(call)]
    direct = any(branch.name == "nn.Identity" for branch in branches)
    if call.arguments[0] == "multiply":
        return "SqueezeExcite" if direct and any("GlobalPool" in _kinds(one) for one in branches) else "Gate"
    if call.arguments[0] != "add":
        return "InceptionModule" if len(branches) > 2 else "DenseLayer" if direct else "ConcatBlock"
    passes = direct or any(child.name == "optional" or _shortcut(key) for key, child in children(call))
    return _residual([_convs(branch) for branch in branches]) if passes and len(branches) == 2 else "SumBlock"


def _residual(convs: list[list[Call]]) -> str:
    body = max(convs, key=len)
    ones = [_kernel(one) in {1, (1,), (1, 1), (1, 1, 1)} for one in body]
    if len(body) in {2, 3} and any(map(_depthwise, body)):
        return "InvertedResidual"
    return {(True, False, True): "Bottleneck", (False, False): "BasicBlock"}.get(tuple(ones), "ResidualBlock")


def sentence(call: Call) -> str:
    """What the block computes."""
    if call.name == "group":
        return _cut(f"Layers number n: {', '.join(map(_said, _layers(call)))}")
    if call.name == "Parallel":
        names = [f"{key} ({_sizes(child)})" for key, child in children(call)]
        said = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
        what = {"add": "The sum of", "multiply": "The product of"}.get(call.arguments[0], "The channels of")
        short = f"{what} {', '.join(key for key, _ in children(call))}"
        return _cut(f"{what} {said}" if len(what) + len(said) < WIDEST else short)
    said = ", ".join(map(_said, _layers(call)))
    return _cut(said[:1].upper() + said[1:])


def parameter_names(call: Call, columns: list[tuple[Slot, ...]]) -> list[str]:
    """A name for each parameter of a block, from the slots that it fills."""
    branched = call.name == "Parallel" and len(children(call)) > 2
    entry = next((slot for slot, _ in slots(call) if slot.role in INPUTS), None)
    ends = _ends(call, branched)
    names: list[str] = []
    for column in columns:
        base = _role(column, ends, entry)
        prefix = f"{_identifier(column[0].path[0])}_" if branched and base in {"channels", "width"} else ""
        names.append(_free(prefix + base, {*names, "self", "x"}))
    return names


def _ends(call: Call, branched: bool) -> set[Slot]:
    """The slots of the last outputs: of each of many branches, of the first of two that has one, or of the whole."""
    outputs = [slot for slot, _ in slots(call) if slot.role in OUTPUTS]
    if call.name == "Parallel":
        last = list({slot.path[0]: slot for slot in outputs}.values())
        return set(last if branched else last[:1])
    return set(outputs[-1:])


def _role(column: tuple[Slot, ...], ends: set[Slot], entry: Slot | None) -> str:
    known, first = {slot.role for slot in column}, column[0]
    if first.owner == "optional":
        return "project" if _shortcut(first.path[-1]) else f"with_{_identifier(first.path[-1])}"
    if first.owner == "group":
        return "n"
    end = any(slot in ends for slot in column)
    if entry in column and not end:
        return min(known & INPUTS)
    if end:
        return min(known & OUTPUTS)
    if known & OUTPUTS:
        return "width"
    return min(known & INPUTS) if known & INPUTS else _identifier(first.role)


def _layers(call: Call) -> Iterator[Call]:
    if call.name in GLUE:
        for _, child in children(call):
            yield from _layers(child)
    else:
        yield call


def _kinds(call: Call) -> list[str]:
    """The kinds of its layers in order: Conv, BatchNorm, ReLU, ..."""
    return [re.sub(r"\dd$", "", one.name.removeprefix("nn.")) for one in _layers(call)]


def _said(call: Call) -> str:
    kind = _kinds(call)[0]
    size = _size(call) if kind == "Conv" else ""
    return f"{size} {WORDS[kind]}" if size else WORDS.get(kind, kind)


def _sizes(call: Call) -> str:
    """A branch by its convolutions, or by all of its layers where it has none."""
    convs = _convs(call)
    sizes = [size for one in convs if (size := _size(one))]
    if not convs or len(sizes) < len(convs):
        said = ", ".join("identity" if one.name == "nn.Identity" else _said(one) for one in convs or _layers(call))
    else:
        said = f"{', '.join(sizes[:-1])} and {sizes[-1]} convolutions" if sizes[1:] else f"{sizes[0]} convolution"
    return f"{said or 'identity'} or identity" if call.name == "optional" else said or "identity"


def _size(conv: Call) -> str:
    kernel = _kernel(conv)
    if isinstance(kernel, int) and conv.name[-2:-1].isdigit():
        kernel = (kernel,) * int(conv.name[-2])
    return "x".join(map(str, kernel)) if isinstance(kernel, tuple) else ""


def _convs(call: Call) -> list[Call]:
    return [one for one in _layers(call) if "Conv" in one.name]


def _kernel(conv: Call) -> Any:
    return conv.arguments[2] if len(conv.arguments) > 2 else None


def _depthwise(conv: Call) -> bool:
    groups = conv.options.get("groups", 1)
    return bool(groups != 1 and conv.arguments and groups == conv.arguments[0])


def _shortcut(key: str) -> bool:
    return key in {"shortcut", "skip", "identity", "project"}


def _identifier(text: str) -> str:
    """A name in small letters that may stand for a variable."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII).lower().strip("_") or "value"
    return f"branch_{name}" if name[0].isdigit() else name


def _free(name: str, taken: set[str]) -> str:
    """The name, or else the name with the first number that makes it new."""
    numbers = (number for number in range(2, len(taken) + 3) if f"{name}{number}" not in taken)
    return name if name not in taken else f"{name}{next(numbers)}"


def _cut(text: str) -> str:
    """A sentence that fits its line."""
    text = re.sub(r'["\\]', "", text)
    return f"{text}." if len(text) <= WIDEST else f"{text[:WIDEST].rpartition(',')[0] or text[:WIDEST]}, ..."
