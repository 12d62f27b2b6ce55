"""Memory as torch has it: what autograd keeps, buffers, gradients and the optimizer's state, to the byte."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from blueprints import Dice
from test_worker_layers import SIZES, anywhere, features, maps
from torch import Tensor, nn

from searchspace.blueprint import Blueprint
from searchspace.core import Conv, Flatten, Linear, Local, Network, Node, Sequence, Shape, Within
from searchspace.cost import Infeasible, cost, trace
from searchspace.lower import realized
from searchspace.memory import OPTIMIZERS, memory, remembered
from searchspace.zoo import networks
from worker import build, layers
from worker.measuring import resources
from worker.recipe.optimizers import Adadelta, Adagrad, Adam, AdamW, Lbfgs, Optimizer, RmsProp, Sgd
from worker.training import optimizers

BATCH = 3
OPTIMIZER = {
    "sgd": torch.optim.SGD,
    "sgd_momentum": lambda weights: torch.optim.SGD(weights, momentum=0.9),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "rmsprop_momentum": lambda weights: torch.optim.RMSprop(weights, momentum=0.9),
    "adadelta": torch.optim.Adadelta,
}
SPECS = {
    "sgd": Sgd(momentum=0.0, nesterov=False),
    "sgd_momentum": Sgd(),
    "adam": Adam(kind="adam"),
    "adamw": AdamW(kind="adamw"),
    "adagrad": Adagrad(kind="adagrad"),
    "rmsprop": RmsProp(kind="rmsprop"),
    "rmsprop_momentum": RmsProp(kind="rmsprop", momentum=0.9),
    "adadelta": Adadelta(kind="adadelta"),
}
"""As a recipe has them, all with decay where that is their own."""


pytestmark = pytest.mark.usefixtures("one_thread")


def forward(model: nn.Module, shape: Shape) -> tuple[Tensor, int]:
    """The outputs for a batch, and the bytes of all storages that autograd keeps besides weights and buffers."""
    known = {value.untyped_storage().data_ptr() for value in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}

    def keep(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        outputs = model(torch.randn(BATCH, *shape))
    return outputs, sum(value.untyped_storage().nbytes() for place, value in kept.items() if place not in known)


def bare(node: Node, shape: Shape) -> Network:
    """The node alone: no gradient flows back to its input."""
    return Network(shape, Sequence((("it", node),)))


def inside(node: Node, shape: Shape) -> Network:
    """The node after a layer that learns."""
    n = len(shape) - 1
    ones, none = (1,) * n, ((0, 0),) * n
    before = Conv(shape[0], ones, ones, none, ones) if n else Linear(shape[0])
    return Network(shape, Sequence((("before", before), ("it", node))))


def every_case() -> Iterator[Any]:
    for n in range(4):
        for name, node in (*anywhere(n), *(maps(n) if n else features())):
            yield pytest.param(node, (4, *SIZES[:n]), id=f"{n}-{name}")


def random_networks(count: int) -> Iterator[Network]:
    seed = 0
    while count:
        dice, seed = Dice(seed), seed + 1
        try:
            network = realized(Blueprint.model_validate(dice.blueprint()), dice.shape(), 5)
        except (Infeasible, ValueError):
            continue
        # Without shared filters, torch lays the map out in another order, which some later layers copy.
        if not any(isinstance(layer.node, Local) for layer in trace(network)) and cost(network).params:
            count -= 1
            yield network


@pytest.mark.parametrize(("node", "shape"), [*every_case()])
@pytest.mark.parametrize("place", [bare, inside])
def test_every_layer_keeps_what_is_counted(place: Any, node: Node, shape: Shape) -> None:
    network = place(node, shape)
    counted = memory(network, BATCH)
    _, kept = forward(build.module(network).train(), shape)
    assert counted.saved_activations == kept == sum(row.saved for row in counted.rows)
    assert [row.name for row in counted.rows] == [layer.name for layer in trace(network)]


def test_whole_networks_keep_what_is_counted() -> None:
    """Tensors shared between layers and branches are kept once."""
    for network in random_networks(150):
        model = build.module(network).train()
        _, kept = forward(model, network.input)
        counted = memory(network, BATCH)
        assert counted.saved_activations == kept
        assert counted.weights == counted.gradients == sum(value.nbytes for value in model.parameters())
        assert counted.buffers == sum(value.nbytes for value in model.buffers())
        assert counted.saved_activations < counted.backward_peak >= counted.gradients


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_remember_what_is_counted(name: str) -> None:
    """Besides Adam's counter of steps, one number for each tensor."""
    network = next(random_networks(1))
    model = build.module(network)
    optimizer = OPTIMIZER[name](model.parameters())
    for weights in model.parameters():
        weights.grad = torch.ones_like(weights)
    optimizer.step()
    states = [value for state in optimizer.state.values() for key, value in state.items() if key != "step"]
    held = sum(value.nbytes for value in states if isinstance(value, Tensor))
    assert memory(network, BATCH, name).optimizer_state == held


def alive_at_most(network: Network) -> int:
    """The same from a forward pass: the bytes of all storages made and still to be read, at the worst layer."""
    model, names = build.module(network).eval(), {layer.name for layer in trace(network)}
    outputs: dict[str, Tensor] = {}
    steps: list[list[Tensor]] = []

    def seen(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        outputs[name] = output
        read = [outputs[f"{name}.{key}"] for key, _ in module.named_children()] if branching(module) else inputs
        steps.extend([[*read, output]] * (name in names and not isinstance(module, layers.Auxiliary)))

    for name, module in model.named_modules():
        module.register_forward_hook(lambda m, x, y, name=name: seen(name, m, x, y))
    with torch.no_grad():
        model(torch.zeros(BATCH, *network.input))
    return most_alive(steps)


def branching(module: nn.Module) -> bool:
    return isinstance(module, layers.Parallel)


def most_alive(steps: list[list[Tensor]]) -> int:
    spans: dict[int, tuple[int, int, int]] = {}
    for number, step in enumerate(steps):
        for value in step:
            storage = value.untyped_storage()
            first = spans.get(storage.data_ptr(), (number,))[0]
            spans[storage.data_ptr()] = (first, number, storage.nbytes())
    alive = [sum(size for first, last, size in spans.values() if first <= n <= last) for n in range(len(steps))]
    return max(alive)


def test_the_peak_of_an_inference() -> None:
    for network in random_networks(150):
        if not any(isinstance(layer.node, Within) for layer in trace(network)):
            assert memory(network, BATCH).inference_peak == alive_at_most(network)


def step_of(network: Network, spec: Optimizer, batch: int) -> int:
    """The bytes that one training step holds at its peak, its optimizer having stepped before."""
    model = build.module(network).to(memory_format=torch.channels_last)
    optimizer = optimizers.make(model, spec, 1e-4, fused=True)
    x = torch.randn(batch, *network.input).contiguous(memory_format=torch.channels_last)
    y = torch.zeros(batch, dtype=torch.int64)

    def closure_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> resources.Closure:
        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            return loss.detach()

        return closure

    optimizers.step(optimizer, closure_of(model, optimizer))
    return int(resources.one_step(model, optimizer, closure_of, x.nbytes)["peak_bytes"])


@pytest.mark.parametrize(("name", "batch"), [("lenet5", 64), ("resnet20_cifar", 8), ("mobilenet_v1_025", 1)])
def test_a_training_step_holds_what_is_predicted(name: str, batch: int) -> None:
    """Within a tenth, of a fifth that is wanted; benchmarks/memory.py has more networks."""
    network = networks.network(name)
    assert memory(network, batch).train_peak == pytest.approx(step_of(network, Sgd(), batch), rel=0.1)


@pytest.mark.parametrize("head", [{}, {"pool": None}, {"pool": None, "dropout": 0.5}, {"pool": "max"}])
def test_a_max_pool_before_the_head_copies_what_is_predicted(head: dict[str, Any]) -> None:
    """A mean or a flatten hands the pool a gradient with channels first, where maps have them last."""
    stages = [{"block": "plain", "width": 8, "norm": "batch", "pool": "max"}]
    network = realized(Blueprint.model_validate({"stages": stages, "head": head}), (3, 16, 16), 5)
    assert memory(network, 16).train_peak == pytest.approx(step_of(network, Sgd(), 16), rel=0.01)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_work_on_what_is_predicted(name: str) -> None:
    """Of a network that is nearly all weights, so that the optimizer decides."""
    layers = (("flat", Flatten()), ("fc", Linear(400)))
    network = Network((6, 16, 16), Sequence(layers))
    assert memory(network, 2, name).train_peak == pytest.approx(step_of(network, SPECS[name], 2), rel=0.02)
    assert remembered(SPECS[name].kind, getattr(SPECS[name], "momentum", 0.0)) == name


def test_memory_that_is_not_counted() -> None:
    assert remembered(Lbfgs(kind="lbfgs").kind, 0.0) is None


def test_the_backward_pass_of_a_chain_by_hand() -> None:
    """Two linear layers of 100 to 50 to 10 on 4 examples, counted in numbers.

    At the second layer's turn both inputs are kept, 400 + 200, and there are gradients of the outputs, 40, of the map
    between, 200, and of 510 weights; at the first layer's: 400 kept, 200 of the map, 510 + 5,050 of weights.
    """
    network = Network((100,), Sequence((("a", Linear(50)), ("b", Linear(10)))))
    assert memory(network, 4).backward_peak == 4 * max(600 + 240 + 510, 400 + 200 + 5560)
