"""Networks side by side as one: the same outputs, gradients and states as each alone, there and back exactly."""

from collections.abc import Iterator
from itertools import islice, product
from typing import Any

import pytest
import torch
from blueprints import Dice
from networks import VOCABULARY
from torch import Tensor, nn

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import Infeasible
from searchspace.lower import checked, lower, realized
from searchspace.zoo import files, networks
from worker import build, layers
from worker.training.initial import initialize
from worker.training.replicas import twins
from worker.training.replicas.stacking import stack, unstack, unsupported

COUNT = 3
EXACT = 1e-10
LONGEST = 12_000
"""The most numbers that a network here says of one example."""
PUBLISHED = (
    "lenet5_1998",
    "alexnet",
    "resnet20_cifar",
    "densenet_bc_100_12_cifar",
    "mobilenet_v2",
    "squeezenet1_1",
    "googlenet",
)


pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(shape: Any, *names: Any) -> Tensor:
    return torch.randn(*shape, dtype=torch.double, generator=build.generator(1, *names))


def models(net: Network, count: int = COUNT) -> list[nn.Module]:
    """In float64, each with weights of its own, also where first weights are constants."""
    made = [build.module(net).double() for _ in range(count)]
    for replica, model in enumerate(made):
        initialize(model, replica)
        if len(net.input) == 3:
            model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for name, parameter in model.named_parameters():
            parameter.data += 0.05 * drawn(parameter.shape, name, replica)
    return made


def sown(model: nn.Module, replica: int | None = None) -> nn.Module:
    """Training, with the replica's stream of dropout, or all the replicas' streams."""
    for layer in model.modules():
        if isinstance(layer, layers.Dropout) and replica is not None:
            layer.generator = build.generator(replica, "dropout")
        if isinstance(layer, twins.Dropout):
            layer.generators = [build.generator(number, "dropout") for number in range(layer.replicas)]
    return model.train()


def stepped(model: nn.Module, x: Tensor, score: Tensor, replicas: int = 1) -> Tensor:
    """One step of plain gradient descent on the product with `score`; the outputs (N, replicas, numbers of one)."""
    main = model(x.detach().requires_grad_())  # torch 2.13 crashes in a group norm over an input that needs no gradient
    aside = [layer.output for layer in model.modules() if isinstance(layer, layers.Auxiliary)]
    found = [one.reshape(len(x), replicas, -1) for one in (main, *aside) if one is not None]
    each = torch.cat(found, 2)
    (each.sigmoid() * score[:, :, : each.shape[2]]).sum().backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= 0.1 * parameter.grad
    return each.detach()


def agree(net: Network, count: int = 4, exact: float = EXACT) -> None:
    """A step together and a step each alone: outputs, weights and statistics after it, and outputs in evaluation."""
    singles, layout = models(net), torch.channels_last if len(net.input) == 3 else torch.contiguous_format
    together = stack(net, singles)
    xs = [drawn((count, *net.input), "x", number).contiguous(memory_format=layout) for number in range(COUNT)]
    x = torch.cat(xs, 1)
    scores = [drawn((count, 1, LONGEST), "score", number) for number in range(COUNT)]
    alone = [stepped(sown(m, number), xs[number], scores[number]) for number, m in enumerate(singles)]
    near(stepped(sown(together), x, torch.cat(scores, 1), COUNT), torch.cat(alone, 1), exact)
    for state, model in zip(unstack(together, COUNT), singles, strict=True):
        assert list(state) == list(model.state_dict())
        for name, value in model.state_dict().items():
            near(state[name], value, exact)
    with torch.no_grad():
        alone = [model.eval()(one) for model, one in zip(singles, xs, strict=True)]
        near(together.eval()(x), torch.cat(alone, 1), exact)


def near(one: Tensor, other: Tensor, exact: float) -> None:
    assert one.shape == other.shape
    assert (one - other).abs().max() <= exact * max(1.0, float(other.abs().max()))


def narrow(name: str) -> Network:
    """A published network at an eighth of its width where it can be scaled, at a small input where any will do."""
    card = files.card(name)
    for width, side in product((0.125, None), (32, 64, 96, 128, 1024)):
        shape = (card.input[0], *(min(side, size) for size in card.input[1:]))
        try:
            blueprint = networks.blueprint(name, **{"width": width} if width else {})
            return checked(lower(blueprint, shape, min(card.classes, 10)))
        except Infeasible:
            continue
    raise AssertionError(name)


def random_network(seed: int) -> Network | None:
    dice = Dice(seed)
    try:
        return realized(Blueprint.model_validate(dice.blueprint()), dice.shape(), 3)
    except (Infeasible, ValueError):
        return None


def random_networks(count: int) -> Iterator[tuple[int, Network]]:
    drawn = ((seed, random_network(seed)) for seed in range(10_000))
    return islice(((seed, net) for seed, net in drawn if net is not None), count)


@pytest.mark.parametrize("name", VOCABULARY)
def test_every_word_of_the_core(name: str) -> None:
    agree(VOCABULARY[name])


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_networks(name: str) -> None:
    agree(narrow(name), 8)


def test_random_networks() -> None:
    for _, net in random_networks(60):
        if not unsupported(net):
            agree(net)


def test_nearly_every_network_can_be_stacked() -> None:
    """All that are published; of random ones, all but those with dropout beside unshared convolutions."""
    assert [name for name in files.names() if unsupported(networks.network(name))] == []
    reasons = [reason for _, net in random_networks(200) if (reason := unsupported(net))]
    assert set(reasons) == {"its dropout would draw other masks beside unshared convolutions"}
    assert len(reasons) <= 10


def test_there_and_back_is_exact() -> None:
    """Also for what a channels_last weight and a count of steps are."""
    net = VOCABULARY["Norm"]
    singles = models(net)
    for state, model in zip(unstack(stack(net, singles), COUNT), singles, strict=True):
        assert {name: (value.shape, value.dtype, value.stride()) for name, value in state.items()} == {
            name: (value.shape, value.dtype, value.stride()) for name, value in model.state_dict().items()
        }
        assert all(value.equal(state[name]) for name, value in model.state_dict().items())
