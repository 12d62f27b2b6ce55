"""From a Network to a torch module with the same tree and names, and the generators that all randomness comes from."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn

from searchspace import core
from worker import layers
from worker.calls import Call, calls


def module(network: core.Network) -> nn.Module:
    """The network as a module with torch's own first weights; `worker.training.initial` gives it the study's."""
    return made(calls(network))


def made(call: Call) -> nn.Module:
    """What the call makes, its inner calls first."""
    arguments = [made(value) if isinstance(value, Call) else value for value in call.arguments]
    options = {key: made(value) if isinstance(value, Call) else value for key, value in call.options.items()}
    home: Any = nn if call.name.startswith("nn.") else layers
    result: nn.Module = getattr(home, call.name.removeprefix("nn."))(*arguments, **options)
    if isinstance(result, nn.GroupNorm):
        result.register_forward_pre_hook(_in_plain_order)
    return result


def _in_plain_order(layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """The data itself under a group norm is laid out contiguously: torch 2.13 on a CPU ends the process otherwise.

    That is the backward pass of a group norm over a channels-last input that needs no gradient. A copy, since a single
    channel is contiguous in both orders.
    """
    (x,) = inputs
    if x.requires_grad or not torch.is_grad_enabled():
        return inputs
    return (x.clone(memory_format=torch.contiguous_format),)


def generator(seed: int, *names: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator of its own for every (seed, names), by SHA-256: streams do not depend on who drew before."""
    text = "/".join(map(str, (seed, *names)))
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1
    return torch.Generator(device).manual_seed(number)


def has_batch_norm(model: nn.Module) -> bool:
    return any(isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d) for layer in model.modules())
