"""From a Network to a torch module with the same tree and names, and the same first weights for the same names."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import torch
from torch import nn

from searchspace import core
from worker import layers
from worker.calls import Call, calls

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
READY = (nn.PReLU, layers.MixedPool, layers.WeightedPool)
"""Layers that are made with meaningful first values: a slope of .25, an even mixture, a plain average."""


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


def initialize(model: nn.Module, seed: int) -> None:
    """The first weights, each tensor from a generator of its own: networks that agree in a name and shape start equal.

    Convolutions: normal, std sqrt(2 / fan_in) (He et al. 2015, eq. 10: keeps the forward variance under ReLU, with
    or without norms). Linear layers: normal, std sqrt(1 / fan_in) (LeCun et al. 1998). Norms: scale 1. Biases: 0.
    """
    with torch.no_grad():
        for name, layer in model.named_modules():
            if isinstance(layer, READY):
                continue
            for key, parameter in layer.named_parameters(recurse=False):
                _fill(parameter, layer, key, generator(seed, f"{name}.{key}".lstrip(".")))


def _fill(parameter: torch.Tensor, layer: nn.Module, key: str, source: torch.Generator) -> None:
    if key == "bias" or parameter.dim() == 1:
        parameter.fill_(0.0 if key == "bias" else 1.0)
        return
    gain = 1 if isinstance(layer, nn.Linear) else 2
    drawn = torch.empty(parameter.shape).normal_(generator=source)
    parameter.copy_(drawn * math.sqrt(gain / _fan_in(layer, parameter)))


def _fan_in(layer: nn.Module, weight: torch.Tensor) -> float:
    """How many terms an output sums; a stride s of a transposed convolution leaves it one in s of them on average."""
    if isinstance(layer, TRANSPOSED):
        return weight[:, 0].numel() / layer.groups / math.prod(layer.stride)
    return weight.shape[-1] if isinstance(layer, layers.Local) else weight[0].numel()


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for every (seed, names), by SHA-256: streams do not depend on who drew before."""
    text = "/".join(map(str, (seed, *names)))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
    return torch.Generator(device).manual_seed(number)


def has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) for layer in model.modules())
