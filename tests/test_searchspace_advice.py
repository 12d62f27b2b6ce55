"""Advice: for each kind a network that gets exactly it and one that just does not; what the classics are told."""

from typing import Any

import pytest
from blueprints import Dice
from effort import calls

from searchspace.advice import KINDS, Advice, advice, kind_of_advice
from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import trace
from searchspace.lower import realized

Tree = dict[str, Any]
BATCH = "batch"
POOL: Tree = {"block": "pool", "kind": "max", "size": 3, "stride": 2, "ceil": True}


def network(stages: list[Tree], shape: tuple[int, ...] = (3, 16, 16), outputs: int = 10, **head: Any) -> Network:
    return realized(Blueprint.model_validate({"stages": stages, "head": head}), shape, outputs)


def conv(width: int, **more: Any) -> Tree:
    return {"block": "plain", "width": width, **more}


def raw(*nodes: Tree) -> Tree:
    return {"block": "raw", "nodes": list(nodes)}


HALF: Tree = {"block": "pool", "kind": "max"}

QUIET = [conv(16, pool="max"), conv(32, repeat=2, pool="max"), conv(64, repeat=2)]
"""About which there is nothing to say at 16 x 16."""
FOUR = [conv(16), conv(16, stride=2), conv(32, repeat=2), conv(32, stride=2), conv(64, repeat=2)]
SIGMOID = [conv(16, activation="sigmoid"), conv(16, activation="sigmoid", stride=2)]
DEPTHWISE = {"node": "conv", "out": 64, "kernel": 3, "padding": 1, "groups": 64}
ONES = {"node": "conv", "out": 64, "kernel": 1}
SHORTCUT = {"block": "residual", "width": 64, "stride": 2, "kernels": [1, 3, 1], "reduce": 4.0}
STEPS: Tree = {"block": "parallel", "merge": "add"}


def beside(*kernels: int) -> Tree:
    """Branches of stride 2 over one map."""
    return {**STEPS, "branches": [[conv(64, kernel=kernel, stride=2)] for kernel in kernels]}


EXACTLY: dict[str, tuple[Network, Network]] = {
    "bias_before_norm": (
        network([*QUIET[:2], conv(64, repeat=2, norm=BATCH, bias=True)]),
        network([*QUIET[:2], conv(64, repeat=2, norm={"kind": "group", "groups": 4}, bias=True)]),
    ),
    "strided_1x1": (network([*QUIET, {**SHORTCUT, "stride_at": 1}]), network([*QUIET, SHORTCUT])),
    "dropped_border": (
        network([*QUIET[:2], conv(64, kernel=3, stride=2, padding="valid"), conv(64)], (3, 24, 24)),
        network([*QUIET[:2], conv(64, kernel=3, stride=2, padding="valid"), conv(64)], (3, 28, 28)),
    ),
    "large_stride": (
        network([conv(16), conv(32, repeat=3), conv(32, stride=3, padding="valid"), conv(64, repeat=2)], (3, 18, 18)),
        network([conv(16, stride=3, padding="valid"), conv(32, repeat=3), conv(64, repeat=2)], (3, 18, 18)),
    ),
    "large_pool_stride": (
        network([conv(16), conv(32, repeat=2, pool={"size": 3}), conv(64, repeat=2)], (3, 18, 18)),
        network([conv(16), conv(32, repeat=2, pool={"size": 3, "stride": 2, "padding": 1}), conv(64, repeat=2)]),
    ),
    "large_kernel": (
        network([*QUIET[:2], conv(64, kernel=5)]),
        network([conv(16, kernel=5, pool="max"), *QUIET[1:], conv(64, kernel=[1, 5])]),
    ),
    "even_kernel": (
        network([*QUIET, conv(64, kernel=2)]),
        network([*QUIET, conv(64, kernel=2, stride=2, padding="valid")]),
    ),
    "abrupt_shrink": (
        network([conv(16), conv(32, pool="max"), HALF, HALF, conv(64, repeat=2)], (3, 32, 32)),
        network([conv(16), conv(32, pool="max"), HALF, conv(64, repeat=2)], (3, 16, 16)),
    ),
    "uneven_halving": (network(FOUR, (3, 17, 17)), network(FOUR, (3, 16, 16))),
    "dropout_before_batch_norm": (
        network([conv(16, pool="max"), conv(32, repeat=2, norm=BATCH, dropout=0.1, pool="max"), conv(64, repeat=2)]),
        network([*QUIET[:2], conv(64, repeat=2, norm=BATCH)], dropout=0.5),
    ),
    "small_field": (network(QUIET, (3, 32, 32)), network(QUIET)),
    "only_1x1": (network([conv(16, kernel=1), conv(32, kernel=1)]), network([*QUIET, conv(32, kernel=1)])),
    "heavy_head": (network(QUIET, hidden=[512, 512]), network(QUIET, hidden=[64])),
    "odd_width": (network([*QUIET, conv(20)]), network([*QUIET, conv(24)], outputs=11)),
    "early_memory": (
        network([conv(64, repeat=2, pool="max"), conv(16, repeat=9, stride=2)], (3, 64, 64)),
        network([conv(64, repeat=2, pool="max"), conv(512, repeat=9, stride=2)], (3, 64, 64)),
    ),
    "fixed_input": (network(QUIET, pool=None), network(QUIET)),
    "saturating_depth": (
        network([*SIGMOID, conv(32, repeat=9, activation="tanh")]),
        network([*SIGMOID, conv(32, repeat=7, activation="tanh")]),
    ),
    "plain_depth": (
        network([conv(16, repeat=2, pool="max"), conv(32, repeat=18)]),
        network([conv(16, repeat=2, pool="max"), conv(32, repeat=17)]),
    ),
    "lone_depthwise": (
        network([*QUIET, raw(DEPTHWISE, DEPTHWISE, ONES)]),
        network([*QUIET, raw(DEPTHWISE, ONES, DEPTHWISE, ONES)]),
    ),
}


def kinds(of: Network, **options: Any) -> list[str]:
    return [one.kind for one in advice(of, **options)]


def only(kind: str, of: Network, **options: Any) -> Advice:
    found = [one for one in advice(of, **options) if one.kind == kind]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("kind", EXACTLY)
def test_each_kind_by_itself_and_its_silence(kind: str) -> None:
    gets, spared = EXACTLY[kind]
    assert kinds(gets) == [kind]
    assert kinds(gets, silence=[kind]) == []
    assert kinds(spared) == []


def test_small_batches_are_weighed_where_they_are_known() -> None:
    normed = network([*QUIET[:2], conv(64, repeat=2, norm=BATCH)])
    assert [kinds(normed, batch=batch) for batch in (None, 8, 7)] == [[], [], ["tiny_batch_norm"]]
    assert kinds(normed, batch=2, silence=("tiny_batch_norm",)) == []
    assert kinds(network([*QUIET[:2], conv(64, norm="layer")]), batch=2) == []
    assert "from as little as 32 values, in stages.2.norm1" in only("tiny_batch_norm", normed, batch=2).message
    assert "with batches of 1 does not train: such a trial fails" in only("tiny_batch_norm", normed, batch=1).message


def test_every_kind_is_tried_and_says_when_it_is_given() -> None:
    assert {*EXACTLY, "tiny_batch_norm"} == set(KINDS)
    assert all(rule.__doc__ and rule.__doc__.endswith(".") for rule in KINDS.values())


@pytest.mark.parametrize("kind", EXACTLY)
def test_advice_has_a_place_a_number_a_reason_a_cure_and_a_source(kind: str) -> None:
    gets, _ = EXACTLY[kind]
    (one,) = advice(gets)
    assert one.where
    assert any(name in one.message for name in one.where)
    assert any(letter.isdigit() for letter in one.message)
    assert one.reason.endswith(".")
    assert one.cure
    assert one.source


# --- the numbers of the messages --------------------------------------------------------------------------------------


def test_what_a_strided_1x1_reads() -> None:
    one = only("strided_1x1", EXACTLY["strided_1x1"][0])
    assert one.where == ("stages.3.block1.sum.body.conv1",) + ("stages.3.block1.sum.shortcut.conv",)
    assert "reads one position in 4, and nothing reads the others" in one.message


def test_a_branch_that_reads_all_positions_spares_a_strided_1x1() -> None:
    assert kinds(network([*QUIET, beside(1, 3)])) == []
    assert kinds(network([*QUIET, beside(1, 1)])) == ["strided_1x1"]
    assert kinds(network([*QUIET, conv(64, kernel=1, stride=2)])) == ["strided_1x1"]


def test_a_dropped_border_is_of_the_map_not_of_its_padding() -> None:
    one = only("dropped_border", EXACTLY["dropped_border"][0])
    assert one.message == (
        "stages.2.conv1: windows of 3 with stride 2 leave 1 of 6 positions on a side unread, since (6 - 3) / 2 is not "
        "whole"
    )
    assert kinds(network([*QUIET, conv(64, stride=2)], (3, 16, 16))) == []


@pytest.mark.parametrize(
    ("kernel", "text"),
    [
        (5, "where 5x5 sees 5 positions a side, 2 layers of 3x3 see 5, with 18 weights in place of 25"),
        (7, "where 7x7 sees 7 positions a side, 3 layers of 3x3 see 7, with 27 weights in place of 49"),
    ],
)
def test_large_kernels_as_stacks(kernel: int, text: str) -> None:
    assert text in only("large_kernel", network([*QUIET, conv(64, kernel=kernel)])).message


def test_in_a_series_a_stack_saves_nothing() -> None:
    stages = [conv(16, pool="max"), conv(32, kernel=7, repeat=3)]
    assert kinds(network(stages, (1, 32))) == []


def test_the_depth_of_a_pool() -> None:
    assert (
        "keeps one position in 9, at 50% of the depth"
        in only("large_pool_stride", EXACTLY["large_pool_stride"][0]).message
    )


def test_windows_on_a_single_position() -> None:
    deep = network([*QUIET, conv(64, pool={"size": 4}), conv(64, repeat=2)])
    one = only("abrupt_shrink", deep)
    assert one.where == ("stages.4.conv1", "stages.4.conv2")
    assert "in 2 of 8 convolutions" in one.message


@pytest.mark.parametrize(
    ("side", "cure"),
    [(225, "use inputs of 224x224 or 256x256"), (230, "use inputs of 224x224 or 256x256"), (31, "use inputs of 32x32")],
)
def test_the_nearest_good_sizes(side: int, cure: str) -> None:
    assert only("uneven_halving", resnet(shape=(3, side, side))).cure == cure


def test_good_sizes_need_not_be_multiples_of_the_stride() -> None:
    """Without padding: 32 -> 30 -> 15 -> 13 is odd, 30 -> 28 -> 14 -> 12 and 34 -> 32 -> 16 -> 14 are not."""
    stages = [conv(16, padding="valid", pool="max"), conv(32, padding="valid", pool="max")]
    assert only("uneven_halving", network(stages, (3, 32, 32))).cure == "use inputs of 30x30 or 34x34"


def test_good_sizes_of_a_network_that_enlarges_its_map_first() -> None:
    """Three times 9 is odd, three times 8 or 10 is not; the stride in input pixels is 2 / 3."""
    stages = [conv(16, convolution="transposed", stride=3), conv(32, stride=2), *QUIET[1:]]
    assert only("uneven_halving", network(stages, (3, 9, 9))).cure == "use inputs of 8x8"
    assert only("uneven_halving", network([*stages[:2]], (3, 9, 9))).cure == "use inputs of 8x8 or 10x10"


def test_both_fields_are_given() -> None:
    one = only("small_field", EXACTLY["small_field"][0])
    assert one.message == "stages.2.act2: a position of the last map sees 30x30 of an input of 32x32"


def test_widths_are_told_together_with_their_neighbours() -> None:
    one = only("odd_width", network([*QUIET, conv(20), conv(36), conv(12)]))
    assert one.where == ("stages.3.conv1", "stages.4.conv1")
    assert "no multiple of 8 (20, 36)" in one.message
    assert "20 -> 16, 36 -> 32" in one.cure


def test_an_output_layer_may_have_any_width_and_a_gate_too() -> None:
    gated = {"block": "inverted_residual", "width": 40, "squeeze_excite": 8, "norm": BATCH}
    assert kinds(network([*QUIET, gated], outputs=37)) == []


def test_auxiliary_classifiers_are_spared() -> None:
    side = {"block": "auxiliary", "stages": [conv(20, kernel=7, norm=BATCH, bias=True)], "head": {"pool": None}}
    assert kinds(network([*QUIET, side])) == []


def test_unshared_filters_fix_the_input() -> None:
    assert kinds(network([*QUIET, conv(16, convolution="local")])) == ["fixed_input"]


def test_unknown_kinds_get_a_hint() -> None:
    assert kind_of_advice("heavy_head") == "heavy_head"
    with pytest.raises(ValueError, match="unknown kind of advice 'heavy_heads', did you mean 'heavy_head'"):
        kind_of_advice("heavy_heads")


def test_any_network_can_be_advised_on() -> None:
    """Every layer named is one of the network's, and a kind's silence takes away exactly its advice."""
    given: set[str] = set()
    for seed in range(300):
        dice = Dice(seed)
        try:
            net = realized(Blueprint.model_validate(dice.blueprint()), dice.shape(), 10)
        except ValueError:  # no such network: `Infeasible` too
            continue
        names = {layer.name for layer in trace(net) if not layer.side}
        every = advice(net, batch=4)
        for one in every:
            assert set(one.where) <= names
            assert advice(net, batch=4, silence={one.kind}) == tuple(two for two in every if two.kind != one.kind)
        given |= {one.kind for one in every}
    assert len(given) >= 12


# --- the classics -----------------------------------------------------------------------------------------------------


def alexnet() -> Network:
    """Krizhevsky 2014, as torchvision has it."""
    pool = {"size": 3, "stride": 2}
    stages = [
        conv(64, kernel=11, stride=4, padding=2, pool=pool),
        conv(192, kernel=5, pool=pool),
        conv(384),
        conv(256, repeat=2, pool=pool),
    ]
    return network(stages, (3, 224, 224), 1000, pool=None, hidden=[4096, 4096], dropout=[0.5, 0.5, 0.0])


def vgg16() -> Network:
    plan = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
    stages = [conv(width, repeat=repeat, pool="max") for repeat, width in plan]
    return network(stages, (3, 224, 224), 1000, pool=None, hidden=[4096, 4096], dropout=[0.0, 0.5, 0.5])


def inception(*widths: int) -> Tree:
    ones, before3, threes, before5, fives, pooled = widths
    pool = {"block": "pool", "size": 3, "stride": 1, "padding": 1}
    third = [conv(before5, kernel=1), conv(fives, kernel=5)]
    branches = [[conv(ones, kernel=1)], [conv(before3, kernel=1), conv(threes)], third, [pool, conv(pooled, kernel=1)]]
    return {"block": "inception", "branches": branches}


def googlenet() -> Network:
    """Szegedy et al. 2015, table 1."""
    stem = [conv(64, kernel=7, stride=2), POOL, conv(64, kernel=1), conv(192), POOL]
    three = [inception(64, 96, 128, 16, 32, 32), inception(128, 128, 192, 32, 96, 64)]
    four = [
        inception(192, 96, 208, 16, 48, 64),
        inception(160, 112, 224, 24, 64, 64),
        inception(128, 128, 256, 24, 64, 64),
    ]
    four += [inception(112, 144, 288, 32, 64, 64), inception(256, 160, 320, 32, 128, 128)]
    five = [inception(256, 160, 320, 32, 128, 128), inception(384, 192, 384, 48, 128, 128)]
    return network([*stem, *three, POOL, *four, POOL, *five], (3, 224, 224), 1000, dropout=0.4)


def resnet(shape: tuple[int, ...] = (3, 224, 224), **more: Any) -> Network:
    """ResNet-50 with the stride in the 3x3 convolutions, as everyone trains it; `stride_at: 1` is the paper's."""
    pool = {"kind": "max", "size": 3, "stride": 2, "padding": 1}
    common = {"block": "residual", "kernels": [1, 3, 1], "reduce": 4.0, "norm": BATCH, **more}
    stages = [
        {**common, "repeat": repeat, "width": 256 * 2**number, "stride": 1 + (number > 0)}
        for number, repeat in enumerate((3, 4, 6, 3))
    ]
    return network([conv(64, kernel=7, stride=2, norm=BATCH, pool=pool), *stages], shape, 1000)


def mobilenet() -> Network:
    """Howard et al. 2017."""
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *[(512, 1)] * 5, (1024, 2), (1024, 1)]
    stages = [conv(width, stride=stride, convolution="separable", norm=BATCH) for width, stride in plan]
    return network([conv(32, stride=2, norm=BATCH), *stages], (3, 224, 224), 1000)


def wide_resnet() -> Network:
    """WRN-16-4 with dropout (Zagoruyko & Komodakis 2016), which Li et al. 2019 measured."""
    norm = {"kind": "batch", "place": "before_convolution"}
    common = {"block": "residual", "repeat": 2, "norm": norm, "bias": False, "dropout": 0.3}
    stages = [{**common, "width": 64 * 2**number, "stride": 1 + (number > 0)} for number in range(3)]
    end = raw({"node": "norm"}, {"node": "activation", "kind": "relu"})
    return network([conv(16, activation=None, bias=False), *stages, end], (3, 32, 32), 10)


def lenet() -> Network:
    """LeNet-5 as textbooks have it."""
    pooled = {"kernel": 5, "activation": "tanh", "pool": "average"}
    stages = [conv(6, padding=2, **pooled), conv(16, padding="valid", **pooled)]
    return network(stages, (1, 28, 28), 10, pool=None, hidden=[120, 84], activation="tanh")


CLASSICS = {
    "AlexNet": (alexnet, ["large_kernel", "heavy_head", "fixed_input"]),
    "VGG-16": (vgg16, ["heavy_head", "early_memory", "fixed_input"]),
    "GoogLeNet": (googlenet, ["large_kernel"]),  # its 5x5 branches, which Inception v2 made two 3x3
    "ResNet-50": (resnet, []),
    "ResNet-50, the paper's": (lambda: resnet(stride_at=1), ["strided_1x1"]),
    "MobileNetV1": (mobilenet, []),
    "WRN-16-4": (wide_resnet, ["dropout_before_batch_norm"]),
    "LeNet-5": (lenet, ["large_kernel", "heavy_head", "odd_width", "fixed_input"]),
}


@pytest.mark.parametrize("name", CLASSICS)
def test_what_the_classics_are_told(name: str) -> None:
    make, expected = CLASSICS[name]
    assert kinds(make()) == expected


def test_the_shares_of_vgg_16() -> None:
    head, memory, _ = advice(vgg16())
    assert "hold 89% of 138 M parameters, head.fc1 alone 74%" in head.message
    assert "the first 3 of 16 weighted layers hold 58%" in memory.message


def test_the_paper_resnet_skips_in_three_stages() -> None:
    assert len(only("strided_1x1", resnet(stride_at=1)).where) == 6


def test_advice_takes_no_longer_than_a_proposal() -> None:
    """18,000 calls for ResNet-50, about 2 ms."""
    net = resnet()
    assert calls(lambda: advice(net)) < 30_000
