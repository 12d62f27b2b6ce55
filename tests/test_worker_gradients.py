"""What the lectures say that layers and their gradients equal: each identity between two networks, or with its formula.

`tests/test_worker_layers.py` holds every gradient against finite differences.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from searchspace.core import (
    Activation,
    Conv,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Local,
    Network,
    Node,
    Norm,
    Parallel,
    Pool,
    Sequence,
    Shape,
    Size,
    TransposedConv,
    Within,
)
from worker import build

SIZE = (7, 6, 5)
CONVOLUTIONS = (functional.conv1d, functional.conv2d, functional.conv3d)
in_every_number_of_axes = pytest.mark.parametrize("n", [1, 2, 3])


@pytest.fixture(autouse=True)
def _seeded_in_float64() -> Iterator[None]:
    threads, kind = torch.get_num_threads(), torch.get_default_dtype()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(kind)
    torch.set_num_threads(threads)


def numbered(*items: Node) -> Sequence:
    return Sequence(tuple((str(number), item) for number, item in enumerate(items)))


def built(shape: Shape, *items: Node) -> Any:
    """The nodes one after the other, as a module whose layers are `[0]`, `[1]` and so on."""
    return build.module(Network(shape, numbered(*items)))


def conv(out: int, kernel: Size, bias: bool = False, **more: Any) -> Conv:
    """Without padding, at stride 1, unless told otherwise."""
    ones = (1,) * len(kernel)
    return Conv(**{"stride": ones, "padding": ((0, 0),) * len(kernel), "dilation": ones} | more | {
        "out": out, "kernel": kernel, "bias": bias
    })  # fmt: skip


def transposed(one: Conv, out: int, size: Size) -> TransposedConv:
    """The transpose of a convolution that saw `out` channels and a map of `size`."""
    axes = zip(size, one.kernel, one.stride, one.padding, one.dilation, strict=True)
    extra = tuple((n + sum(padding) - d * (k - 1) - 1) % s for n, k, s, padding, d in axes)
    return TransposedConv(out, one.kernel, one.stride, one.padding, extra, one.dilation, one.groups, bias=False)


def plans(n: int) -> dict[str, Conv]:
    """Convolutions of 4 to 6 channels."""
    kernel, mixed, threes = (3, 2, 2)[:n], (2, 1, 3)[:n], (3,) * n
    odd = ((1, 0), (0, 1), (1, 1))[:n]
    return {
        "plain": conv(6, threes),
        "padded": conv(6, threes, padding=((1, 1),) * n),
        "strided": conv(6, kernel, stride=mixed),
        "odd padding": conv(6, kernel, stride=mixed, padding=odd),
        "dilated": conv(6, (2,) * n, dilation=(3, 2, 1)[:n], padding=((1, 1),) * n),
        "grouped": conv(6, kernel, stride=mixed, padding=odd, groups=2),
    }


every_convolution = pytest.mark.parametrize(
    ("n", "plan"), [pytest.param(n, plan, id=f"{n}-{name}") for n in (1, 2, 3) for name, plan in plans(n).items()]
)


def gradients(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    """A random upstream gradient, and what backpropagation makes of it: that of the input, those of the parameters."""
    x = x.detach().clone().requires_grad_()
    y = layer(x)
    upstream = torch.randn_like(y)
    names, values = [name for name, _ in layer.named_parameters()], list(layer.parameters())
    of_x, *rest = torch.autograd.grad(y, [x, *values], upstream)
    return upstream, of_x, dict(zip(names, rest, strict=True))


def matrix(layer: nn.Module, shape: Shape) -> Tensor:
    """Of a linear map: its columns are what it makes of the unit vectors."""
    units = torch.eye(torch.Size(shape).numel())
    return layer(units.unflatten(1, shape)).flatten(1).T.detach()


def same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@every_convolution
def test_a_transposed_convolution_has_the_transposed_matrix(n: int, plan: Conv) -> None:
    layer = built((4, *SIZE[:n]), plan)
    out = layer(torch.zeros(1, 4, *SIZE[:n])).shape[1:]
    other = built(tuple(out), transposed(plan, 4, SIZE[:n]))
    other[0].weight.data = layer[0].weight.data
    same(matrix(other, tuple(out)), matrix(layer, (4, *SIZE[:n])).T)


@every_convolution
def test_the_input_gradient_is_the_transposed_convolution(n: int, plan: Conv) -> None:
    layer = built((4, *SIZE[:n]), plan)
    upstream, of_x, _ = gradients(layer, torch.randn(2, 4, *SIZE[:n]))
    other = built(tuple(upstream.shape[1:]), transposed(plan, 4, SIZE[:n]))
    other[0].weight.data = layer[0].weight.data
    same(other(upstream), of_x)


@every_convolution
def test_the_weight_gradient_correlates_input_and_upstream(n: int, plan: Conv) -> None:
    """dL/dw[o, c, t] = sum over images and positions p of upstream[o, p] x[c, s p + d t]; channels c of o's group."""
    layer, x = built((4, *SIZE[:n]), plan), torch.randn(2, 4, *SIZE[:n])
    upstream, _, of = gradients(layer, x)
    padded = functional.pad(x, [side for axis in reversed(plan.padding) for side in axis])
    width, step = 4 // plan.groups, 6 // plan.groups
    expected = torch.zeros_like(of["0.weight"])
    for o, tap in product(range(6), product(*map(range, plan.kernel))):
        seen = padded[:, o // step * width : (o // step + 1) * width]
        axes = zip(tap, plan.dilation, plan.stride, upstream.shape[2:], strict=True)
        windows = tuple(slice(t * d, t * d + s * (m - 1) + 1, s) for t, d, s, m in axes)
        terms = seen[(slice(None), slice(None), *windows)] * upstream[:, o : o + 1]
        expected[(o, slice(None), *tap)] = terms.transpose(0, 1).flatten(1).sum(1)
    same(of["0.weight"], expected)


@in_every_number_of_axes
def test_at_stride_1_the_gradients_are_convolutions(n: int) -> None:
    """Weights: input * upstream. Input: upstream, padded by k - 1, * the flipped kernel ("full" convolution)."""
    layer, x, convolution = (
        built((4, *SIZE[:n]), conv(6, (3,) * n, bias=True)),
        torch.randn(2, 4, *SIZE[:n]),
        CONVOLUTIONS[n - 1],
    )
    upstream, of_x, of = gradients(layer, x)
    same(of["0.weight"], convolution(x.transpose(0, 1), upstream.transpose(0, 1)).transpose(0, 1))
    same(of["0.bias"], upstream.transpose(0, 1).flatten(1).sum(1))
    flipped = layer[0].weight.flip(*range(2, n + 2)).transpose(0, 1)
    same(of_x, convolution(functional.pad(upstream, (2, 2) * n), flipped))


@in_every_number_of_axes
def test_a_shared_filter_gathers_the_gradients_of_all_positions(n: int) -> None:
    """Unshared filters that are equal compute a convolution; the convolution's gradient is the sum of theirs."""
    shape, kernel, stride, padding = (2, *SIZE[:n]), (3,) * n, (2,) * n, ((1, 0),) * n
    shared = built(shape, conv(3, kernel, stride=stride, padding=padding))
    local = built(shape, Local(3, kernel, stride, padding, bias=False))
    local[0].weight.data = shared[0].weight.flatten(1).expand_as(local[0].weight).clone()
    x = torch.randn(2, *shape)
    same(local(x), shared(x))
    weight, own = shared[0].weight, local[0].weight
    upstream = torch.randn_like(shared(x))
    (gathered,) = torch.autograd.grad(shared(x), weight, upstream)
    (parts,) = torch.autograd.grad(local(x), own, upstream)
    same(gathered.flatten(1), parts.sum(0))


@in_every_number_of_axes
def test_three_forms_of_a_resnext_block(n: int) -> None:
    """Xie et al. 2017, fig. 3: branches that are added, concatenated before the last 1x1, or groups."""
    one, three, pads = (1,) * n, (3,) * n, {"padding": ((1, 1),) * n}
    act, paths, shape = Activation("relu"), [str(path) for path in range(4)], (8, *SIZE[:n])
    trunk = (conv(2, one), act, conv(2, three, **pads), act)
    shortcut = ("shortcut", Identity())

    def block(*body: Node) -> Any:
        return built(shape, Parallel((("body", numbered(*body)), shortcut), "add"))[0].body

    added = block(Parallel(tuple((path, numbered(*trunk, conv(8, one))) for path in paths), "add"))
    joined = block(Parallel(tuple((path, numbered(*trunk)) for path in paths), "concat"), conv(8, one))
    grouped = block(conv(8, one), act, conv(8, three, groups=4, **pads), act, conv(8, one))
    first, middle, last = (grouped[place].weight.data for place in (0, 2, 4))
    joined[1].weight.data = last
    for number, path in enumerate(paths):
        part = slice(2 * number, 2 * number + 2)
        for branch in (added[0].get_submodule(path), joined[0].get_submodule(path)):
            branch[0].weight.data, branch[2].weight.data = first[part], middle[part]
        added[0].get_submodule(path)[4].weight.data = last[:, part]
    x = torch.randn(2, *shape)
    same(added(x), grouped(x))
    same(joined(x), grouped(x))


@in_every_number_of_axes
def test_a_linear_layer_is_a_convolution_as_large_as_the_map(n: int) -> None:
    shape, x = (4, *SIZE[:n]), torch.randn(2, 4, *SIZE[:n])
    linear, whole = built(shape, Flatten(), Linear(5)), built(shape, conv(5, SIZE[:n], bias=True))
    whole[0].weight.data, whole[0].bias.data = linear[1].weight.view(5, *shape).data, linear[1].bias.data
    same(whole(x).flatten(1), linear(x))


@in_every_number_of_axes
def test_a_1x1_convolution_is_a_linear_layer_at_every_position(n: int) -> None:
    layer, x = built((4, *SIZE[:n]), conv(5, (1,) * n, bias=True)), torch.randn(2, 4, *SIZE[:n])
    linear = functional.linear(x.movedim(1, -1), layer[0].weight.flatten(1), layer[0].bias)
    same(layer(x), linear.movedim(-1, 1))


@in_every_number_of_axes
@pytest.mark.parametrize("kind", ["max", "average"])
def test_a_global_pool_is_a_pool_as_large_as_the_map(n: int, kind: Any) -> None:
    shape, x = (4, *SIZE[:n]), torch.randn(2, 4, *SIZE[:n])
    windowed = built(shape, Pool(kind, SIZE[:n], SIZE[:n], ((0, 0),) * n))
    same(built(shape, GlobalPool(kind, keep=True))(x), windowed(x))
    same(built(shape, GlobalPool(kind))(x), windowed(x).flatten(1))


@pytest.mark.parametrize(
    "kernels",
    [[(3,)] * 2, [(3, 3)] * 2, [(3, 3)] * 3, [(2, 2)] * 4, [(1, 7), (7, 1)], [(2, 2, 2)] * 2],
    ids=["two 3", "two 3x3 are 5x5", "three 3x3 are 7x7", "four 2x2 are 5x5", "1x7 and 7x1 are 7x7", "two 2x2x2"],
)
def test_stacked_linear_convolutions_are_one_larger(kernels: list[Size]) -> None:
    """Its kernel is theirs, fully convolved: w[o, c, t] = sum over m, a + b = t of second[o, m, a] first[m, c, b]."""
    n = len(kernels[0])
    shape = (2, *(9, 8, 7)[:n])
    stack = built(shape, *(conv(3, kernel) for kernel in kernels))
    weight = stack[0].weight
    for layer in list(stack)[1:]:
        reach = [side for k in reversed(layer.kernel_size) for side in (k - 1, k - 1)]
        flipped = layer.weight.flip(*range(2, n + 2))
        weight = CONVOLUTIONS[n - 1](functional.pad(weight.transpose(0, 1), reach), flipped).transpose(0, 1)
    kernel = tuple(sum(axis) - len(kernels) + 1 for axis in zip(*kernels, strict=True))
    assert weight.shape == (3, 2, *kernel)
    one = built(shape, conv(3, kernel))
    one[0].weight.data = weight.data
    x = torch.randn(2, *shape)
    same(one(x), stack(x))


@in_every_number_of_axes
def test_a_depthwise_separable_convolution_has_kernels_of_rank_1(n: int) -> None:
    """w[o, c, t] = pointwise[o, c] depthwise[c, t]."""
    shape, x = (4, *SIZE[:n]), torch.randn(2, 4, *SIZE[:n])
    separable, full = built(shape, conv(4, (3,) * n, groups=4), conv(6, (1,) * n)), built(shape, conv(6, (3,) * n))
    full[0].weight.data = (separable[1].weight * separable[0].weight.transpose(0, 1)).data
    same(full(x), separable(x))


@in_every_number_of_axes
def test_a_dilated_convolution_has_zeros_between_its_weights(n: int) -> None:
    dilated, full = (
        built((4, *SIZE[:n]), conv(3, (2,) * n, dilation=(3,) * n)),
        built((4, *SIZE[:n]), conv(3, (4,) * n)),
    )
    full[0].weight.data.zero_()[(..., *(slice(None, None, 3),) * n)] = dilated[0].weight.data
    x = torch.randn(2, 4, *SIZE[:n])
    same(full(x), dilated(x))


def test_max_pooling_of_the_lectures() -> None:
    """Maxima, the switches that say where they stood, the unpooling by them, and the gradient's way back."""
    x = torch.tensor([[[[1.5, 1.7, 1.4, 1.3], [2.0, 2.1, 1.8, 1.6], [2.3, 1.9, 1.5, 1.4], [2.2, 2.1, 1.6, 1.7]]]])
    pool = Pool("max", (2, 2), (2, 2), ((0, 0),) * 2)
    within = built((1, 4, 4), Within(pool, numbered()))
    maxima, switches = within[0].pool(x)
    assert maxima.flatten().tolist() == [2.1, 1.8, 2.3, 1.7]
    places = [divmod(place, 4) for place in switches.flatten().tolist()]
    assert places == [(1, 1), (1, 2), (2, 0), (3, 3)]
    unpooled = [[0, 0, 0, 0], [0, 2.1, 1.8, 0], [2.3, 0, 0, 0], [0, 0, 0, 1.7]]
    assert within(x)[0, 0].tolist() == unpooled
    upstream, of_x, _ = gradients(built((1, 4, 4), pool), x)
    assert [float(of_x[0, 0, row, column]) for row, column in places] == upstream.flatten().tolist()
    assert of_x.count_nonzero() == 4


def test_average_pooling_spreads_the_gradient_evenly() -> None:
    upstream, of_x, _ = gradients(
        built((2, 4, 6), Pool("average", (2, 3), (2, 3), ((0, 0),) * 2)), torch.randn(2, 2, 4, 6)
    )
    same(of_x, upstream.repeat_interleave(2, 2).repeat_interleave(3, 3) / 6)


@in_every_number_of_axes
def test_a_relu_lets_the_gradient_through_where_it_was_active(n: int) -> None:
    x = torch.randn(2, 4, *SIZE[:n])
    upstream, of_x, _ = gradients(built((4, *SIZE[:n]), Activation("relu")), x)
    same(of_x, upstream * (x > 0))


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_batch_norm_backward(n: int) -> None:
    """It is dx = gamma / (N sigma) (N dy - sum dy - xhat sum(dy xhat)), N the values of a channel in a batch."""
    x = torch.randn(5, 4, *SIZE[:n]) * 3 + 1
    layer = built((4, *SIZE[:n]), Norm("batch"))
    layer[0].weight.data.uniform_(0.5, 2)
    upstream, of_x, of = gradients(layer, x)
    rows, dy = (value.transpose(0, 1).flatten(1) for value in (x, upstream))
    count, sigma = rows.shape[1], (rows.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    whitened = (rows - rows.mean(1, keepdim=True)) / sigma
    gamma, beta = (dy * whitened).sum(1, keepdim=True), dy.sum(1, keepdim=True)
    expected = layer[0].weight[:, None] / (count * sigma) * (count * dy - beta - whitened * gamma)
    same(of_x.transpose(0, 1).flatten(1), expected)
    same(of["0.weight"], gamma[:, 0])
    same(of["0.bias"], beta[:, 0])


def test_a_residual_sum_passes_the_gradient_on_to_both_sides() -> None:
    """With y = F(x) + x, dx = J_F^T dy + dy: what a stack of blocks cannot lose (He et al. 2016)."""
    body = numbered(conv(4, (3, 3), padding=((1, 1),) * 2), Activation("tanh"))
    layer = built((4, 6, 5), Parallel((("body", body), ("shortcut", Identity())), "add"))
    x = torch.randn(2, 4, 6, 5, requires_grad=True)
    upstream = torch.randn(2, 4, 6, 5)
    (of_x,) = torch.autograd.grad(layer(x), x, upstream)
    (through,) = torch.autograd.grad(layer[0].body(x), x, upstream)
    same(of_x, through + upstream)
