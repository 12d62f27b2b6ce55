"""R networks of one structure as one network, and back.

A stacked module has the single ones' tree and names. Each of its tensors is theirs one after the other along the
first axis, so that weights, running statistics, averages and whatever an elementwise optimizer keeps are joined and
parted by one rule; a number (a count of steps) is the same for all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from searchspace.core import Network
from worker import layers
from worker.calls import ACTIVATIONS, Call, calls
from worker.training.replicas import twins

Tensors = Mapping[str, Tensor]


def unsupported(network: Network) -> str | None:
    """Why networks of this structure cannot be stacked, or None.

    Dropout draws in the order in which its input lies in memory, which after unshared convolutions is another.
    """
    every = list(_every(calls(network)))
    names = {call.name for call in every}
    if "Local" in names and any(call.name == "Dropout" and call.arguments[0] for call in every):
        return "its dropout would draw other masks beside unshared convolutions"
    return next((f"{name} has no stacked twin" for name in sorted(names - set(RULES))), None)


def stack(network: Network, models: Sequence[nn.Module]) -> nn.Module:
    """The models of one network as one module, on their device, in their type and memory layout."""
    result = made(stacked(calls(network), len(models)))
    result.load_state_dict(joined([model.state_dict() for model in models]), assign=True)
    return result.to(next(iter(models[0].state_dict().values())).device)


def unstack(model: nn.Module, replicas: int) -> list[dict[str, Tensor]]:
    """Each network's state_dict, in tensors of its own."""
    return parted(model.state_dict(), replicas)


def joined(states: Sequence[Tensors]) -> dict[str, Tensor]:
    """The R networks' tensors of each name as one."""
    return {name: _join([state[name].detach() for state in states]) for name in states[0]}


def parted(state: Tensors, replicas: int) -> list[dict[str, Tensor]]:
    """The opposite of `joined`."""
    parts = {name: _part(value.detach(), replicas) for name, value in state.items()}
    return [{name: values[index].clone() for name, values in parts.items()} for index in range(replicas)]


def _join(values: Sequence[Tensor]) -> Tensor:
    return torch.cat(list(values)) if values[0].dim() else values[0].clone()


def _part(value: Tensor, replicas: int) -> Sequence[Tensor]:
    return value.chunk(replicas) if value.dim() else [value] * replicas


def stacked(call: Call, replicas: int) -> Call:
    """The call of R networks for the call of one."""
    inner = replace(
        call,
        arguments=tuple(_inner(value, replicas) for value in call.arguments),
        options={key: _inner(value, replicas) for key, value in call.options.items()},
    )
    return RULES[call.name](inner, replicas)


def made(call: Call) -> nn.Module:
    """What the call makes: `twins.` is from here, `nn.` is torch's, the rest is from `worker.layers`."""
    arguments = [made(value) if isinstance(value, Call) else value for value in call.arguments]
    options = {key: made(value) if isinstance(value, Call) else value for key, value in call.options.items()}
    home, _, name = call.name.rpartition(".")
    result: nn.Module = getattr(HOMES[home], name)(*arguments, **options)
    return result


HOMES: dict[str, Any] = {"": layers, "nn": nn, "twins": twins}


def _inner(value: Any, replicas: int) -> Any:
    return stacked(value, replicas) if isinstance(value, Call) else value


def _every(call: Call) -> Iterator[Call]:
    yield call
    for value in (*call.arguments, *call.options.values()):
        if isinstance(value, Call):
            yield from _every(value)


def _same(call: Call, replicas: int) -> Call:
    """Layers that work value by value or channel by channel, and those that only hold others."""
    return call


def _convolution(call: Call, replicas: int) -> Call:
    """A convolution in g groups becomes one in R g groups."""
    channels, out, kernel = call.arguments
    options = call.options | {"groups": replicas * call.options.get("groups", 1)}
    return replace(call, arguments=(replicas * channels, replicas * out, kernel), options=options)


def _wider(call: Call, replicas: int) -> Call:
    """All of its numbers count channels or groups of them."""
    return replace(call, arguments=tuple(replicas * number for number in call.arguments))


def _twin(call: Call, replicas: int) -> Call:
    return replace(call, name=f"twins.{call.name.removeprefix('nn.')}", arguments=(replicas, *call.arguments))


def _folded(call: Call, replicas: int) -> Call:
    return Call("twins.Folded", (replicas, call))


def _slopes(call: Call, replicas: int) -> Call:
    return _wider(call, replicas) if call.arguments else Call("twins.SharedSlope", (replicas,))


def _weighted_pool(call: Call, replicas: int) -> Call:
    if not call.options.get("per_channel", True):
        return _twin(call, replicas)
    return replace(call, arguments=(replicas * call.arguments[0], *call.arguments[1:]))


def _parallel(call: Call, replicas: int) -> Call:
    if call.arguments != ("concat",):
        return call
    return Call("twins.Interleaved", (replicas, *call.arguments), call.options)


def _each_size(name: str) -> list[str]:
    return [f"{name}{axes}d" for axes in (1, 2, 3)]


CONVOLUTIONS = ("nn.Conv", "PaddedConv", "nn.ConvTranspose", "CroppedConvTranspose")
HOLDING = ("nn.Sequential", "sequence", "Within", "Auxiliary", "PaddedMaxPool", "PaddedAvgPool")
RULES: dict[str, Callable[[Call, int], Call]] = {
    **dict.fromkeys((*ACTIVATIONS.values(), *HOLDING, "GlobalPool", "nn.Upsample", "nn.Flatten", "nn.Identity"), _same),
    **dict.fromkeys([name for kind in ("nn.MaxPool", "nn.AvgPool") for name in _each_size(kind)], _same),
    **dict.fromkeys([name for kind in CONVOLUTIONS for name in _each_size(kind)], _convolution),
    **dict.fromkeys((*_each_size("nn.BatchNorm"), "nn.GroupNorm"), _wider),
    **dict.fromkeys(("nn.Linear", "Local", "MixedPool", "Prototypes", "Dropout"), _twin),
    **dict.fromkeys(("nn.LocalResponseNorm", "Select", "PadChannels", "Coordinates"), _folded),
    "nn.PReLU": _slopes,
    "WeightedPool": _weighted_pool,
    "Parallel": _parallel,
}
"""How each call of `worker.calls` is stacked."""
