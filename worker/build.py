"""From a Network to a torch module with the same tree and names, and the same first weights for the same names.

Each core node becomes one `Call`, the name of a class and its arguments: `module` makes it, `worker.source` writes
it down. So the trained network and the exported source cannot differ in structure.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field
from typing import Any, assert_never

import torch
from torch import nn

from searchspace import core
from searchspace.cost import trace
from worker import layers

ACTIVATIONS = {
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "gelu": "GELU",
    "silu": "SiLU",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
}


@dataclass(frozen=True)
class Call:
    """How one module is made: `nn.Conv2d(1, 16, 3, padding=1)`. A name without `nn.` is from `worker.layers`."""

    name: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def module(network: core.Network) -> nn.Module:
    """The network as a module with torch's own first weights; `initialize` gives it the study's."""
    return made(calls(network))


def made(call: Call) -> nn.Module:
    """What the call makes, its inner calls first."""
    arguments = [made(value) if isinstance(value, Call) else value for value in call.arguments]
    options = {key: made(value) if isinstance(value, Call) else value for key, value in call.options.items()}
    home: Any = nn if call.name.startswith("nn.") else layers
    result: nn.Module = getattr(home, call.name.removeprefix("nn."))(*arguments, **options)
    return result


def calls(network: core.Network) -> Call:
    """The calls of the whole tree."""
    return _tree(network.root, "", {layer.name: layer.in_shape for layer in trace(network)})


def initialize(model: nn.Module, seed: int) -> None:
    """The first weights, each tensor from a generator of its own: networks that agree in a name and shape start equal.

    Convolutions: normal, std sqrt(2 / fan_in) (He et al. 2015, eq. 10: keeps the forward variance under ReLU, with
    or without norms). Linear layers: normal, std sqrt(1 / fan_in) (LeCun et al. 1998). Norms: scale 1. Biases: 0.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() == 1:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
                continue
            gain, fan_in = (2 if parameter.dim() > 2 else 1), parameter[0].numel()
            drawn = torch.empty(parameter.shape).normal_(generator=generator(seed, name))
            parameter.copy_(drawn * math.sqrt(gain / fan_in))


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for every (seed, names), by SHA-256: streams do not depend on who drew before."""
    text = "/".join(map(str, (seed, *names)))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
    return torch.Generator(device).manual_seed(number)


def has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) for layer in model.modules())


def _tree(node: core.Node, name: str, shapes: dict[str, core.Shape]) -> Call:
    if isinstance(node, core.Sequence):
        children = _children(node.items, name, shapes)
        if list(children) == [str(number) for number in range(len(children))]:
            return Call("nn.Sequential", tuple(children.values()))
        return Call("sequence", (), children)
    if isinstance(node, core.Parallel):
        return Call("Parallel", (node.merge,), _children(node.branches, name, shapes))
    return _leaf(node, shapes[name])


def _children(items: tuple[tuple[str, core.Node], ...], name: str, shapes: dict[str, core.Shape]) -> dict[str, Any]:
    return {key: _tree(child, f"{name}.{key}" if name else key, shapes) for key, child in items}


def _leaf(node: core.Primitive, shape: core.Shape) -> Call:
    """The call of a primitive whose input is of `shape`."""
    match node:
        case core.Conv():
            return _conv(node, shape)
        case core.Norm():
            return _norm(node, shape)
        case core.Activation():
            return Call(f"nn.{ACTIVATIONS[node.kind]}")
        case core.Pool():
            return _pool(node)
        case core.GlobalPool():
            return Call("GlobalPool", (node.kind,))
        case core.Dropout():
            return Call("Dropout", (node.rate,))
        case core.Flatten():
            return Call("nn.Flatten")
        case core.Linear():
            return Call("nn.Linear", (shape[0], node.out), _unless({"bias": node.bias}, {"bias": True}))
        case core.Identity():
            return Call("nn.Identity")
    assert_never(node)


def _conv(node: core.Conv, shape: core.Shape) -> Call:
    even = all(before == after for before, after in node.padding)
    padding = (
        {"padding": _short(tuple(before for before, _ in node.padding))} if even else {"pads": _pads(node.padding)}
    )
    options = {
        "stride": _short(node.stride),
        **padding,
        "dilation": _short(node.dilation),
        "groups": node.groups,
        "bias": node.bias,
    }
    standard = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True}
    name = f"{'nn.' if even else 'Padded'}Conv{len(node.kernel)}d"
    return Call(name, (shape[0], node.out, _short(node.kernel)), _unless(options, standard))


def _norm(node: core.Norm, shape: core.Shape) -> Call:
    """Layer and instance norm are group norms of 1 and C groups (Wu & He 2018), which also take a 1x1 map."""
    if node.kind == "batch":
        return Call(f"nn.BatchNorm{max(1, len(shape) - 1)}d", (shape[0],))
    groups = {"layer": 1, "instance": shape[0], "group": node.groups}[node.kind]
    return Call("nn.GroupNorm", (groups, shape[0]))


def _pool(node: core.Pool) -> Call:
    even = all(before == after <= k // 2 for (before, after), k in zip(node.padding, node.kernel, strict=True))
    assert even or not node.ceil, "torch's rule for the last window does not hold for padding of its own"
    kind = {"max": "Max", "average": "Avg"}[node.kind]
    options = {
        "stride": _short(node.stride),
        "padding": _short(tuple(before for before, _ in node.padding)) if even else 0,
        "ceil_mode": node.ceil,
    }
    pool = Call(
        f"nn.{kind}Pool{len(node.kernel)}d",
        (_short(node.kernel),),
        _unless(options, {"stride": _short(node.kernel), "padding": 0, "ceil_mode": False}),
    )
    if kind == "Avg" and "padding" in pool.options:
        pool.options["count_include_pad"] = False
    return pool if even else Call(f"Padded{kind}Pool", (_pads(node.padding), pool))


def _pads(padding: tuple[tuple[int, int], ...]) -> tuple[int, ...]:
    """As torch.nn.functional.pad takes them: (before, after) of the last axis first."""
    return tuple(side for axis in reversed(padding) for side in axis)


def _short(size: core.Size) -> int | core.Size:
    """One number where all axes agree."""
    return size[0] if len(set(size)) == 1 else size


def _unless(options: dict[str, Any], standard: dict[str, Any]) -> dict[str, Any]:
    """The options that are not torch's own defaults."""
    return {key: value for key, value in options.items() if key not in standard or standard[key] != value}
