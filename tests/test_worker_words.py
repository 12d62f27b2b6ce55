"""Every word, and every network of the zoo made small: its gradient, and the source that is written of it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from blueprints import Dice
from torch import nn

from searchspace.blueprint import FIELDS, Blueprint
from searchspace.core import Network
from searchspace.cost import Infeasible, trace
from searchspace.lower import checked, lower, realized
from searchspace.zoo import files, networks
from worker import build
from worker.layers import Dropout
from worker.source import network_source
from worker.training.initial import initialize

ROOT = Path(__file__).parents[1]
WORDS = sorted(FIELDS)
EACH = 4  # random stages of every word


pytestmark = pytest.mark.usefixtures("one_thread")


def of_word(word: str) -> Iterator[Network]:
    """Small networks in which that word stands behind a convolution."""
    seed = found = 0
    while found < EACH:
        dice = Dice(seed)
        stage = {"block": word, **getattr(dice, f"_{word}")()}
        stem = {"block": "plain", "width": 4, "kernel": 1, "activation": "tanh"}
        tree = {"stages": [stem, stage], "head": dice.head()}
        seed += 1
        try:
            yield realized(Blueprint.model_validate(tree), (2, *[6] * dice.axes), 3)
        except Infeasible:
            continue
        found += 1


def small(name: str) -> Network:
    """A published network at a quarter of its width where it can be scaled, and at a small input where any will do."""
    card = files.card(name)
    try:
        blueprint = networks.blueprint(name, width=0.25)
        checked(lower(blueprint, card.input, card.classes))
    except Infeasible:
        blueprint = networks.blueprint(name)
    for side in (32, 64, 96, 128):
        shape = (card.input[0], *(min(side, size) for size in card.input[1:]))
        try:
            return checked(lower(blueprint, shape, card.classes))
        except Infeasible:
            continue
    return lower(blueprint, card.input, card.classes)


def ready(net: Network) -> nn.Module:
    """The module in float64, training, nothing left to chance, and no bias 0, where a ReLU of an empty place bends."""
    model = build.module(net).double()
    initialize(model, 0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=build.generator(4, name))
    for layer in model.modules():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    return model


def inputs(net: Network, count: int = 3) -> torch.Tensor:
    return torch.randn(count, *net.input, dtype=torch.double, generator=build.generator(1, "inputs"))


@pytest.mark.parametrize("word", WORDS)
def test_the_gradient_is_that_of_finite_differences(word: str) -> None:
    """Along one random direction of all weights and the input: (f(w + hv) - f(w - hv)) / 2h = grad f . v."""
    for net in of_word(word):
        model, x = ready(net), inputs(net).requires_grad_()
        weights = [x, *(parameter for parameter in model.parameters())]
        score = torch.randn(3, 3, dtype=torch.double, generator=build.generator(2, "score"))
        directions = [
            torch.randn(w.shape, dtype=torch.double, generator=build.generator(3, i)) for i, w in enumerate(weights)
        ]
        gradients = torch.autograd.grad((model(x) * score).sum(), weights, allow_unused=True)
        along = sum(float((g * v).sum()) for g, v in zip(gradients, directions, strict=True) if g is not None)
        values, step = [], 1e-6
        with torch.no_grad():
            for side in (1, -1):
                for w, v in zip(weights, directions, strict=True):
                    w += side * step * v
                values.append(float((model(x) * score).sum()))
                for w, v in zip(weights, directions, strict=True):
                    w -= side * step * v
        measured = (values[0] - values[1]) / (2 * step)
        assert measured == pytest.approx(along, rel=2e-5, abs=2e-6), word


def plain(net: Network) -> nn.Module:
    """The module of the plain source, which is run in a namespace of its own."""
    space: dict[str, Any] = {}
    exec(compile(network_source(net, "A network."), "net.py", "exec"), space)
    module: nn.Module = space["build"]()
    return module


def agree(net: Network, count: int = 2) -> None:
    """Same names, and with the same weights the same output and the same at every tap."""
    ours = ready(net).eval()
    theirs = plain(net).double()
    theirs.load_state_dict(ours.state_dict())
    seen: list[dict[str, torch.Tensor]] = [{}, {}]
    names = [layer.name for layer in trace(net) if not layer.side]
    for model, into in zip((ours, theirs.eval()), seen, strict=True):
        for name in names:
            model.get_submodule(name).register_forward_hook(_noted(into, name))
    with torch.no_grad():
        x = inputs(net, count)
        ours(x), theirs(x)
    assert list(seen[0]) == list(seen[1]) == names
    for name in names:
        one, other = seen[0][name], seen[1][name]
        assert (one - other).abs().max() <= 1e-12 * max(float(one.abs().max()), 1.0), name


def _noted(into: dict[str, torch.Tensor], name: str) -> Any:
    def hook(_: nn.Module, __: Any, output: Any) -> None:
        into[name] = output[0] if isinstance(output, tuple) else output

    return hook


@pytest.mark.parametrize("word", WORDS)
def test_the_source_of_every_word_is_the_same_network(word: str) -> None:
    for net in of_word(word):
        agree(net)


@pytest.mark.parametrize("name", files.names())
def test_the_source_of_every_published_network_is_the_same_network(name: str) -> None:
    agree(small(name), 1)


def test_every_source_passes_ruff(tmp_path: Path) -> None:
    for name in files.names():
        (tmp_path / f"{name}.py").write_text(network_source(networks.network(name), f"{name}, as plain PyTorch."))
    for word in WORDS:
        for number, net in enumerate(of_word(word)):
            (tmp_path / f"word_{word}_{number}.py").write_text(network_source(net, "A network."))
    settings = f"--config={ROOT / 'pyproject.toml'}"
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, settings, str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:]
