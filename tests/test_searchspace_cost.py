"""Costs: the numbers of papers and lectures, and the limits of what can exist (torch's own: test_worker_binding)."""

from typing import Any

import pytest

from searchspace.blueprint import Blueprint
from searchspace.core import (
    Conv,
    Flatten,
    GlobalPool,
    Linear,
    Network,
    Node,
    Norm,
    Parallel,
    Pool,
    Sequence,
    same_padding,
)
from searchspace.cost import Infeasible, cost, trace
from searchspace.lower import checked, lower

BATCH = {"kind": "batch", "place": "before_activation"}


def network(stages: list[dict[str, Any]], shape: tuple[int, ...], outputs: int = 10, **head: Any) -> Network:
    whole = {"stages": [{"block": "plain", **stage} for stage in stages], "head": head}
    return checked(lower(Blueprint.model_validate(whole), shape, outputs))


def vgg(repeats: list[int], **stage: Any) -> Network:
    """Simonyan & Zisserman 2015, with its two hidden layers of 4096."""
    widths = (64, 128, 256, 512, 512)
    stages = [{"repeat": r, "width": w, "pool": {}, **stage} for r, w in zip(repeats, widths, strict=True)]
    return network(stages, (3, 224, 224), 1000, pool=None, hidden=[4096, 4096], dropout=0.5)


def resnet_cifar(blocks: int) -> Network:
    """He et al. 2015 on CIFAR-10, with projections (shortcut B): 6 blocks + 2 layers."""
    stem = {"width": 16, "norm": BATCH}
    stages = [
        {"block": "residual", "repeat": blocks, "width": width, "stride": stride, "norm": BATCH}
        for width, stride in ((16, 1), (32, 2), (64, 2))
    ]
    return network([stem, *stages], (3, 32, 32))


VGG_16, VGG_19 = [2, 2, 3, 3, 3], [2, 2, 4, 4, 4]

GOLDEN = {
    "VGG-16": (lambda: vgg(VGG_16), 138_357_544, 15_470_264_320),
    "VGG-19": (lambda: vgg(VGG_19), 143_667_240, 19_632_062_464),
    "VGG-16 with batch norm": (lambda: vgg(VGG_16, norm={**BATCH, "place": "after_activation"}), 138_365_992, None),
    "CIFAR ResNet-20 B": (lambda: resnet_cifar(3), 272_474, 40_813_184),
}


@pytest.mark.parametrize(("make", "params", "macs"), GOLDEN.values(), ids=GOLDEN)
def test_the_numbers_of_the_papers(make: Any, params: int, macs: int | None) -> None:
    counted = cost(make())
    assert counted.params == params
    assert macs in (None, counted.macs)


def test_a_norm_directly_after_a_convolution_takes_its_bias() -> None:
    biased, scales = 4_224, 8_448
    assert cost(vgg(VGG_16, norm=BATCH)).params == 138_357_544 + scales - biased


def test_receptive_fields_of_vgg_16_layer_by_layer() -> None:
    layers = [layer for layer in trace(vgg(VGG_16)) if isinstance(layer.node, Conv | Pool)]
    fields = [3, 5, 6, 10, 14, 16, 24, 32, 40, 44, 60, 76, 92, 100, 132, 164, 196, 212]
    assert [layer.field for layer in layers] == [(field, field) for field in fields]
    assert layers[-1].stride == (32, 32)
    assert cost(vgg(VGG_16)).field == 212


def test_depth_counts_the_longest_path() -> None:
    assert cost(resnet_cifar(3)).depth == 20
    assert cost(vgg(VGG_16)).depth == 16


# --- the lectures -----------------------------------------------------------------------------------------------------


def one(node: Node, *shape: int) -> Any:
    """The only layer of a network of one node."""
    return trace(Network(shape, Sequence((("it", node),))))[0]


def conv(out: int, kernel: int, axes: int = 2, stride: int = 1, same: bool = True, **more: Any) -> Conv:
    kernels, ones = (kernel,) * axes, (1,) * axes
    padding = same_padding(kernels, ones) if same else ((0, 0),) * axes
    return Conv(out, kernels, (stride,) * axes, padding, ones, **more)


def test_a_bank_of_five_filters() -> None:
    layer = one(conv(5, 3), 3, 32, 32)
    assert (layer.out_shape, layer.params, layer.macs) == ((5, 32, 32), 140, 138_240)


def test_fully_connected_to_500_units() -> None:
    flat = Network((1, 200, 200), Sequence((("flat", Flatten()), ("fc", Linear(500)))))
    assert cost(flat).params == 20_000_500


def test_shared_filters_of_the_first_layer_of_alexnet() -> None:
    layer = one(conv(96, 11, stride=4, same=False), 3, 227, 227)
    assert (layer.out_shape, layer.params) == ((96, 55, 55), 34_848 + 96)


def test_depthwise_separable_against_full() -> None:
    full = one(conv(128, 3), 3, 5, 5).macs
    split = Sequence((("depth", conv(3, 3, groups=3)), ("point", conv(128, 1))))
    assert (full, [layer.macs for layer in trace(Network((3, 5, 5), split))]) == (86_400, [675, 9_600])
    assert (675 + 9_600) / full == pytest.approx(1 / 128 + 1 / 9)


def test_what_does_not_divide_is_rounded_down() -> None:
    assert one(conv(1, 3, stride=2, same=False), 1, 10, 10).out_shape == (1, (10 - 3) // 2 + 1, 4)


@pytest.mark.parametrize("kernel", range(1, 8))
def test_same_padding_keeps_the_size_with_the_odd_zero_after(kernel: int) -> None:
    node = conv(1, kernel)
    assert node.padding[0] == ((kernel - 1) // 2, kernel // 2)
    assert one(node, 1, 9, 9).out_shape == (1, 9, 9)


def test_seven_by_seven_is_three_times_three_by_three() -> None:
    large, small = (network([{"width": 8, "kernel": k, "repeat": n}], (8, 9, 9)) for k, n in ((7, 1), (3, 3)))
    assert cost(large).field == cost(small).field == 7
    weights = [sum(layer.macs for layer in trace(net) if isinstance(layer.node, Conv)) for net in (large, small)]
    assert weights == [49 * 64 * 81, 27 * 64 * 81]


def test_five_by_five_is_two_threes_or_four_twos() -> None:
    stacks = ((5, 1), (3, 2), (2, 4))
    nets = [network([{"width": 4, "kernel": kernel, "repeat": repeat}], (4, 9, 9)) for kernel, repeat in stacks]
    assert [cost(net).field for net in nets] == [5, 5, 5]


@pytest.mark.parametrize(("axes", "weights"), [(1, 3), (2, 9), (3, 27)])
def test_series_images_and_volumes(axes: int, weights: int) -> None:
    net = network([{"width": 4, "pool": {}}], (2, *[6] * axes))
    first = trace(net)[0]
    assert (first.params, first.macs) == (4 * 2 * weights + 4, 4 * 2 * weights * 6**axes)
    pool = next(layer for layer in trace(net) if isinstance(layer.node, Pool))
    assert (pool.out_shape, pool.stride) == ((4, *[3] * axes), (2,) * axes)


# --- what cannot exist ------------------------------------------------------------------------------------------------

MERGE = (("a", conv(4, 3)), ("b", conv(6, 3)))
IMPOSSIBLE: dict[str, tuple[Node, tuple[int, ...], str]] = {
    "window": (Pool("max", (3, 3), (3, 3), ((0, 0), (0, 0))), (1, 2, 5), "^it: a 3x3 window does not fit a 2x5 map$"),
    "groups": (conv(6, 3, groups=4), (8, 5, 5), "^it: 4 groups do not divide 8 -> 6 channels; choose a divisor"),
    "norm groups": (Norm("group", 3), (8, 5, 5), "^it: 3 groups do not divide 8 channels; choose a divisor"),
    "add": (Parallel(MERGE, "add"), (1, 5, 5), "^it: branches of 4x5x5 and 6x5x5 cannot be merged by 'add'; give them"),
    "concat": (
        Parallel((("a", conv(4, 3)), ("b", conv(4, 3, stride=2))), "concat"),
        (1, 5, 5),
        "^it: branches of 4x5x5 and 4x3x3 cannot be merged by 'concat'",
    ),
    "linear on a map": (Linear(3), (1, 5, 5), r"^it: a linear layer needs features, not a map .*; pool or flatten"),
    "window on features": (conv(3, 3), (7,), "^it: a window needs a map, but has 7 features; put it before"),
    "pooled twice": (GlobalPool("max"), (7,), "^it: global pooling needs a map"),
}


@pytest.mark.parametrize(("node", "shape", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_exist_says_where_and_why(node: Node, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(Infeasible, match=message):
        one(node, *shape)


def test_concat_adds_channels() -> None:
    assert trace(Network((1, 5, 5), Sequence((("it", Parallel(MERGE, "concat")),))))[-1].out_shape == (10, 5, 5)
