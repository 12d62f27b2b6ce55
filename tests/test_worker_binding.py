"""Counting and building agree: every random blueprint and every network of the zoo, on the meta device."""

from math import prod
from typing import Any

import pytest
import torch
from blueprints import Dice
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from searchspace.blueprint import Blueprint
from searchspace.core import Auxiliary, Combinator, Network, Within, leaves
from searchspace.cost import Infeasible, Layer, cost, trace
from searchspace.lower import realized
from searchspace.zoo import files, networks
from worker import build, layers

SEEDS = range(200)


def drawn(seed: int) -> Network | None:
    dice = Dice(seed)
    try:
        return realized(Blueprint.model_validate(dice.blueprint()), dice.shape(), 3)
    except Infeasible:
        return None


RANDOM = [(seed, net) for seed in SEEDS if (net := drawn(seed)) is not None]


def by_hand(module: nn.Module, inputs: tuple[int, ...], outputs: tuple[int, ...]) -> int:
    """Multiply-adds for one example, from a module's weights and what a hook saw: its input and output shape."""
    match module:
        case _ConvTransposeNd():
            return module.weight.numel() * prod(inputs[2:])
        case _ConvNd():
            return module.weight.numel() * prod(outputs[2:])
        case nn.Linear() | layers.Local():
            return module.weight.numel()
        case layers.Prototypes():
            return module.patterns.numel()
    return 0


def observed(model: nn.Module, rows: dict[str, Layer], shape: tuple[int, ...]) -> dict[str, Any]:
    """(output shape, multiply-adds) of every layer that ran, by name."""
    modules, seen = dict(model.named_modules()), {}

    def note(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            out = output[0] if isinstance(output, tuple) else output  # the pool of an unpooling gives its switches too
            seen[name] = tuple(out.shape), by_hand(module, tuple(inputs[0].shape), tuple(out.shape))

        return hook

    for name in rows:
        modules[name].register_forward_hook(note(name))
    with torch.no_grad():
        model(torch.empty(2, *shape, device="meta"))
    return seen


def check(net: Network) -> None:
    """Names, shapes, params and MACs, layer by layer and in all."""
    with torch.device("meta"):
        model = build.module(net)
    rows = {layer.name: layer for layer in trace(net)}
    seen = observed(model.eval(), rows, net.input)
    assert seen == {name: ((2, *one.out_shape), one.macs) for name, one in rows.items() if not one.side}
    modules, total = dict(model.named_modules()), cost(net)
    for name, layer in rows.items():
        own = 0 if isinstance(layer.node, Combinator) else sum(p.numel() for p in modules[name].parameters())
        assert own == layer.params, name
    assert sum(parameter.numel() for parameter in model.parameters()) == total.params
    assert sum(macs for _, macs in seen.values()) == total.macs


@pytest.mark.parametrize("net", [net for _, net in RANDOM], ids=[str(seed) for seed, _ in RANDOM])
def test_torch_has_the_same_names_shapes_params_and_macs(net: Network) -> None:
    check(net)


@pytest.mark.parametrize("name", files.names())
def test_every_network_of_the_zoo(name: str) -> None:
    check(networks.network(name))


def test_the_sample_has_the_whole_vocabulary() -> None:
    kinds: set[str] = set()
    for _, net in RANDOM:
        kinds |= {type(node).__name__ for _, node in leaves(net.root)}
        kinds |= {type(layer.node).__name__ for layer in trace(net)}
    assert kinds == {
        "Conv", "TransposedConv", "Local", "Norm", "LocalResponse", "Activation", "Pool", "WeightedPool", "GlobalPool",
        "Upsample", "Dropout", "Flatten", "Linear", "Prototypes", "Identity", "Select", "PadChannels", "Coordinates",
        "Parallel", "Within", "Auxiliary",
    }  # fmt: skip


def test_side_branches_learn_but_compute_nothing_once_trained() -> None:
    sides = [net for _, net in RANDOM if any(isinstance(layer.node, Auxiliary) for layer in trace(net))]
    assert len(sides) > 5
    for net in sides:
        rows, total = trace(net), cost(net)
        main = sum(layer.macs for layer in rows if not layer.side)
        assert total.macs == main
        assert total.params == sum(layer.params for layer in rows)
        assert total.train_macs >= main


def test_unpooling_gives_the_shape_back() -> None:
    rows = [layer for _, net in RANDOM for layer in trace(net) if isinstance(layer.node, Within)]
    assert rows
    assert all(layer.in_shape == layer.out_shape for layer in rows)
