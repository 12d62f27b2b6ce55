"""Every primitive and combinator, in every number of axes: as counted, as looped over by hand, differentiated."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import loops
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from searchspace.core import (
    Activation,
    ActivationKind,
    Auxiliary,
    Combinator,
    Conv,
    Coordinates,
    Dropout,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Local,
    LocalResponse,
    Network,
    Node,
    Norm,
    PadChannels,
    Parallel,
    Pool,
    Primitive,
    Prototypes,
    Select,
    Sequence,
    Shape,
    TransposedConv,
    Upsample,
    WeightedPool,
    Within,
    children,
)
from searchspace.cost import trace
from worker import build
from worker.training.initial import initialize

SIZES, ODD = (5, 4, 3), ((1, 0), (0, 1), (1, 1))


def anywhere(n: int) -> Iterator[tuple[str, Node]]:
    """What maps of 4 channels and n axes, and for n = 0 features, may pass through."""
    for kind in get_args(ActivationKind):
        yield kind, Activation(kind, 0.1 if kind == "leaky_relu" else 0.0)
    yield "prelu shared", Activation("prelu", shared=True)
    for kind in ("batch", "layer", "group", *(["instance"] * (n > 0))):
        yield f"{kind} norm", Norm(kind, 2, 1e-3)
    yield "dropout", Dropout(0.5)
    yield "identity", Identity()
    yield "select", Select((2, 0, 2))
    yield "pad channels", PadChannels(1, 2)
    yield "flatten", Flatten()
    for merge in ("add", "concat", "multiply"):
        yield merge, Parallel((("a", Identity()), ("b", Activation("tanh"))), merge)
    yield "auxiliary", Auxiliary(Sequence((("flat", Flatten()), ("out", Linear(3)))), 0.3)


def features() -> Iterator[tuple[str, Node]]:
    yield "linear", Linear(3)
    yield "linear without bias", Linear(3, bias=False)
    yield "prototypes", Prototypes(3)


def convolutions(n: int) -> Iterator[tuple[str, Node]]:
    ones, twos, threes, none = (1,) * n, (2,) * n, (3,) * n, ((0, 0),) * n
    kernel, mixed = (3, 2, 2)[:n], (2, 1, 2)[:n]
    yield "conv", Conv(3, threes, ones, ((1, 1),) * n, ones)
    yield "conv strided, odd padding", Conv(3, kernel, mixed, ODD[:n], ones)
    yield "conv dilated, wide padding", Conv(2, twos, ones, ((2, 2),) * n, twos, bias=False)
    yield "conv grouped", Conv(6, kernel, mixed, ((1, 1),) * n, ones, groups=2)
    yield "conv depthwise", Conv(4, threes, ones, ODD[:n], ones, groups=4)
    yield "transposed", TransposedConv(3, threes, twos, ((1, 1),) * n, (0,) * n, ones)
    yield "transposed with extra", TransposedConv(2, kernel, twos, none, (1, 0, 1)[:n], ones, bias=False)
    yield "transposed, odd padding", TransposedConv(3, kernel, twos, ODD[:n], (0, 1, 0)[:n], ones)
    yield "transposed dilated, grouped", TransposedConv(4, twos, mixed, ((0, 2),) * n, (1, 0, 1)[:n], twos, groups=2)
    yield "transposed, more cropped than painted", TransposedConv(2, threes, ones, ((3, 1),) * n, (0,) * n, ones)
    yield "local", Local(3, kernel, mixed, ODD[:n])
    yield "local without bias", Local(2, twos, ones, none, bias=False)


def pools(n: int) -> Iterator[tuple[str, Node]]:
    twos, threes = (2,) * n, (3,) * n
    plans = {
        "": (twos, twos, ((0, 0),) * n, False),
        " overlapping": (threes, twos, ((1, 1),) * n, False),
        " ceil": (twos, twos, ((1, 1),) * n, True),
        " odd": ((3, 2, 2)[:n], (2, 1, 2)[:n], ODD[:n], False),
        " odd ceil": (threes, twos, ((0, 1),) * n, True),
        " wide": (threes, twos, ((2, 2),) * n, True),
        " wide, last window gone": (twos, threes, ((1, 3), (1, 1), (0, 2))[:n], True),
        " window of padding only": (twos, twos, ((2, 2),) * n, False),
    }
    for name, plan in plans.items():
        for kind in ("max", "average", "mixed"):
            yield kind + name, Pool(kind, *plan)
        yield f"average{name} counting", Pool("average", *plan, count_padding=True)
    for name in ("", " ceil", " wide, last window gone"):
        pool = replace(Pool("max", *plans[name]), stride=threes if n > 1 else plans[name][1])
        yield f"within{name}", Within(pool, Sequence((("act", Activation("tanh")), ("norm", Norm("layer")))))
    for wide in (False, True):
        for deep in (False, True):
            pool = WeightedPool(twos, (2, 1, 1)[:n], ODD[:n], wide, deep, bias=wide == deep)
            yield f"weighted per channel {wide}, per position {deep}", pool


def maps(n: int) -> Iterator[tuple[str, Node]]:
    """What needs a map."""
    yield from convolutions(n)
    yield from pools(n)
    for kind in ("max", "average"):
        yield f"global {kind}", GlobalPool(kind)
        yield f"global {kind} kept", GlobalPool(kind, keep=True)
    for kind in ("nearest", "linear"):
        yield f"upsample {kind}", Upsample((2, 3, 1)[:n], kind)
    yield "local response", LocalResponse(3, 0.5, 0.75, 1.5)
    yield "local response, even", LocalResponse(4, 0.5, 0.75, 1.0)
    yield "coordinates", Coordinates()
    for merge in ("add", "concat", "multiply"):
        yield f"{merge} spread", Parallel((("gate", GlobalPool("average", keep=True)), ("body", Identity())), merge)


def every_case() -> Iterator[Any]:
    for n in range(4):
        for name, node in (*anywhere(n), *(maps(n) if n else features())):
            yield pytest.param(node, (4, *SIZES[:n]), id=f"{n}-{name}")


every = pytest.mark.parametrize(("node", "shape"), [*every_case()])


pytestmark = pytest.mark.usefixtures("one_thread")


def network(node: Node, shape: Shape) -> Network:
    return Network(shape, Sequence((("it", node),)))


def model(node: Node, shape: Shape) -> nn.Module:
    """With parameters and statistics that are nothing special, in float64."""
    made, draw = build.module(network(node, shape)), build.generator(0, "weights")
    for value in (*made.parameters(), *(value for name, value in made.named_buffers() if "running" in name)):
        value.data = torch.rand(value.shape, generator=draw, dtype=torch.float64) + 0.1
    return made.double().eval()


def inputs(shape: Shape, count: int = 2) -> Tensor:
    """All different, from -8 to 8, none at 0 or 6: no kink and no tie within reach of a finite difference."""
    total = torch.Size((count, *shape)).numel()
    order = torch.randperm(total, generator=build.generator(0, "inputs")).double()
    return ((order + 0.37) / total * 16 - 8).reshape(count, *shape)


def test_the_table_holds_the_whole_core() -> None:
    used = {type(node) for n in range(4) for _, node in (*anywhere(n), *(maps(n) if n else features()))}
    assert used | {Sequence} == {*get_args(Primitive), *get_args(Combinator)}


@every
def test_as_counted(node: Node, shape: Shape) -> None:
    """Shapes of all layers, those of auxiliary classifiers too, and their parameters by name."""
    made, rows = model(node, shape).train(), trace(network(node, shape))
    shapes: dict[str, Any] = {}
    for key, layer in made.named_modules():
        layer.register_forward_hook(lambda _, __, out, key=key: shapes.__setitem__(key, out))
    made(inputs(shape))
    assert len({row.name for row in rows}) == len(rows)
    for row in rows:
        out = shapes[row.name][0] if isinstance(shapes[row.name], tuple) else shapes[row.name]
        assert (row.name, tuple(out.shape[1:])) == (row.name, row.out_shape)
        own = made.get_submodule(row.name).parameters(recurse=not children(row.node))
        assert (row.name, sum(value.numel() for value in own)) == (row.name, row.params)
    assert sum(row.params for row in rows) == sum(value.numel() for value in made.parameters())


@every
def test_as_by_hand(node: Node, shape: Shape) -> None:
    made, x = model(node, shape), inputs(shape)
    weights = {key.removeprefix("it."): value.detach() for key, value in made.state_dict().items()}
    torch.testing.assert_close(made(x), loops.output(node, weights, x), rtol=1e-9, atol=1e-9)


@every
def test_backward_is_the_finite_difference(node: Node, shape: Shape) -> None:
    made, x = model(node, shape), inputs(shape).requires_grad_()
    names, values = zip(("", torch.zeros(0)), *made.named_parameters(), strict=True)
    values = tuple(value.detach().clone().requires_grad_() for value in values[1:])

    def forward(x: Tensor, *values: Tensor) -> Tensor:
        return functional_call(made, dict(zip(names[1:], values, strict=True)), x)

    assert torch.autograd.gradcheck(forward, (x, *values))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_backward_through_the_statistics_of_a_batch(n: int) -> None:
    shape = (3, *SIZES[:n])
    made = model(Norm("batch"), shape).train()
    assert torch.autograd.gradcheck(made, (inputs(shape, 4).requires_grad_(),))


def test_first_values_that_mean_something_are_left() -> None:
    pool = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0),) * 2}
    nodes = {"prelu": Activation("prelu"), "mixed": Pool("mixed", **pool), "weighted": WeightedPool(**pool, bias=True)}
    made = build.module(Network((3, 8, 8), Sequence(tuple(nodes.items()))))
    initialize(made, 5)
    values = {key: set(value.flatten().tolist()) for key, value in made.named_parameters()}
    assert values == {
        "prelu.weight": {0.25},
        "mixed.mixture": {0.0},
        "weighted.weight": {0.25},
        "weighted.bias": {0.0},
    }
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(made.mixed(x), (nn.MaxPool2d(2)(x) + nn.AvgPool2d(2)(x)) / 2)
    torch.testing.assert_close(made.weighted(x), nn.AvgPool2d(2)(x))


@pytest.mark.parametrize(
    "node",
    [
        TransposedConv(64, (4, 4), (2, 2), ((1, 1),) * 2, (0, 0), (1, 1)),
        TransposedConv(64, (3, 3), (1, 1), ((1, 2),) * 2, (0, 0), (1, 1), groups=4),
        Local(64, (3, 3), (2, 2), ((1, 1),) * 2),
    ],
    ids=["transposed", "cropped, grouped", "local"],
)
def test_first_weights_keep_the_variance(node: Node) -> None:
    """He et al. 2015: of what a ReLU lets through of unit variance, the next layer makes unit variance again."""
    made = build.module(network(node, (32, 16, 16)))
    initialize(made, 0)
    y = made(torch.randn(16, 32, 16, 16, generator=build.generator(0, "x")).relu())
    assert y[:, :, 2:-2, 2:-2].var().item() == pytest.approx(1, rel=0.1)
    assert made.it.bias.abs().max() == 0


def test_prototypes_depend_on_their_sizes_only() -> None:
    patterns = []
    for seed, (features, out) in enumerate([(84, 10), (84, 10), (10, 84), (85, 10)]):
        torch.manual_seed(seed)
        patterns.append(build.module(network(Prototypes(out), (features,))).it.patterns)
    assert torch.equal(patterns[0], patterns[1])
    assert not torch.equal(patterns[0], patterns[2].T)
    assert not torch.equal(patterns[0], patterns[3][:, :84])
    assert set(patterns[0].flatten().tolist()) == {-1.0, 1.0}


def test_auxiliaries_classify_in_training_only() -> None:
    node, x = Auxiliary(Linear(3), 0.3), torch.randn(2, 4)
    made = build.module(network(node, (4,)))
    made.train()(x)
    torch.testing.assert_close(made.it.output, made.it.body(x))
    assert (made.it.weight, list(made.state_dict())) == (0.3, ["it.body.weight", "it.body.bias"])
    assert made.eval()(x) is x
    assert copy.deepcopy(made).it.output is None


@pytest.mark.parametrize("node", [pytest.param(node, id=name) for name, node in maps(2)])
def test_memory_layout_and_width_make_no_difference(node: Node) -> None:
    """channels_last in, the same numbers out; float32 stays float32."""
    made, x = model(node, (4, 5, 4)), inputs((4, 5, 4))
    torch.testing.assert_close(made(x.to(memory_format=torch.channels_last)), made(x))
    assert made.float()(x.float()).dtype == torch.float32


@pytest.mark.parametrize("ceil", [False, True])
def test_an_average_over_volumes_whose_window_fits_only_with_its_padding(ceil: bool) -> None:
    """Torch's own refuses such a map."""
    ones, pads = (1, 1, 1), ((1, 1),) * 3
    node = Pool("average", (3, 3, 3), ones, pads, ceil)
    net = Network((2, 5, 1, 1), Sequence((("pool", node),)))
    x = torch.arange(10.0).reshape(1, 2, 5, 1, 1)
    line = torch.nn.functional.avg_pool1d(x[..., 0, 0], 3, 1, 1, count_include_pad=False)
    assert torch.equal(build.module(net)(x), line[..., None, None])
