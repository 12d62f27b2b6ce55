"""Memory: the lecture's table, sums by hand, and the least that a pass through branches must hold."""

from math import prod
from typing import Any

import pytest

from searchspace.blueprint import Blueprint
from searchspace.core import (
    Activation,
    Auxiliary,
    Conv,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Network,
    Node,
    Norm,
    Parallel,
    Pool,
    Prototypes,
    Select,
    Sequence,
    Within,
    same_padding,
)
from searchspace.cost import trace
from searchspace.lower import realized
from searchspace.memory import memory


def network(stages: list[dict[str, Any]], shape: tuple[int, ...], outputs: int, **head: Any) -> Network:
    return realized(Blueprint.model_validate({"stages": stages, "head": head}), shape, outputs)


def vgg16(**head: Any) -> Network:
    plan = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
    stages = [{"block": "plain", "repeat": repeat, "width": width, "pool": "max"} for repeat, width in plan]
    return network(stages, (3, 224, 224), 1000, pool=None, hidden=[4096, 4096], **head)


def conv(out: int, kernel: int = 3, groups: int = 1) -> Conv:
    return Conv(out, (kernel,) * 2, (1, 1), same_padding((kernel,) * 2, (1, 1)), (1, 1), groups)


def seq(*items: Node) -> Sequence:
    return Sequence(tuple((str(number), item) for number, item in enumerate(items)))


def pool(kind: Any) -> Pool:
    return Pool(kind, (2, 2), (2, 2), ((0, 0), (0, 0)))


def test_vgg_16_keeps_the_maps_of_the_lectures_table() -> None:
    """CS231n's table of VGG-16, line by line: each map after its ReLU, once (the scores are the loss's)."""
    sides = [(2, 224, 64), (2, 112, 128), (3, 56, 256), (3, 28, 512), (3, 14, 512)]
    convs = sum(repeat * side**2 * width for repeat, side, width in sides)
    pools = sum((side // 2) ** 2 * width for _, side, width in sides)
    table = 224 * 224 * 3 + convs + pools + 4096 + 4096
    assert table == 15_236_608  # 15.2M; the 24M that the slide names as the total is not the sum of its lines
    counted = memory(vgg16(), 1)
    assert counted.saved_activations - counted.pooling_indices == 4 * table
    assert counted.pooling_indices == 8 * pools
    assert counted.weights == 4 * 138_357_544
    assert memory(vgg16(dropout=0.5), 1).saved_activations == counted.saved_activations + 4 * (25_088 + 4 * 4096)
    assert counted.inference_peak == 4 * 2 * 224 * 224 * 64


def test_totals_are_the_sums_of_their_parts() -> None:
    counted = memory(vgg16(), 2, "adam", 2)
    assert counted.optimizer_state == 2 * counted.weights == 2 * counted.gradients == 4 * 138_357_544
    assert counted.train_bytes == 4 * counted.weights + counted.saved_activations
    assert counted.infer_bytes == counted.weights + counted.inference_peak
    assert sum(row.saved for row in counted.rows) == counted.saved_activations
    assert [row.name for row in counted.rows] == [layer.name for layer in trace(vgg16())]


def test_each_tensor_is_counted_where_it_is_first_kept() -> None:
    one = Network((2, 4, 4), seq(conv(8), Norm("batch"), Activation("relu"), pool("max"), Flatten(), Linear(3)))
    rows = [row.saved for row in memory(one, 5).rows]
    values = 4 * 5 * 8 * 16
    assert rows == [4 * 5 * 32, values + 4 * 2 * 8, values, 8 * 5 * 32, 0, 4 * 5 * 32]


def test_an_activation_costs_the_map_that_it_needs() -> None:
    """After a convolution and before another, ReLU costs nothing: its output is kept anyway. SiLU keeps its input."""
    kept = {
        kind: memory(Network((2, 4, 4), seq(conv(2), Activation(kind), conv(2))), 1).saved_activations // (4 * 32)
        for kind in ("relu", "sigmoid", "tanh", "relu6", "elu", "gelu", "silu", "prelu", "scaled_tanh")
    }
    assert kept == {
        "relu": 2, "sigmoid": 2, "tanh": 2, "relu6": 3, "elu": 3, "gelu": 3, "silu": 3, "prelu": 3, "scaled_tanh": 3
    }  # fmt: skip


def test_nothing_is_kept_where_no_gradient_flows() -> None:
    """Before the first weights only their input is kept."""
    start = seq(Activation("tanh"), pool("max"), GlobalPool("max", keep=True), conv(4, 1))
    assert memory(Network((2, 8, 8), start), 3).saved_activations == 4 * 3 * 2


def test_addition_and_concatenation_keep_nothing_multiplication_its_factors() -> None:
    def kept(merge: Any) -> int:
        both = Parallel((("a", conv(2, 1)), ("b", conv(2, 1))), merge)
        return memory(Network((2, 4, 4), seq(both)), 1).saved_activations

    assert [kept(merge) // (4 * 32) for merge in ("add", "concat", "multiply")] == [1, 1, 3]


def test_buffers() -> None:
    one = Network((3, 4, 4), seq(Norm("batch"), Norm("layer"), Select((2, 0)), GlobalPool("average"), Prototypes(5)))
    assert memory(one, 7).buffers == (4 * 2 * 3 + 8) + 8 * 2 + 4 * 2 * 5


def test_a_plain_pass_holds_an_input_and_an_output() -> None:
    one = Network((2, 4, 4), seq(conv(6), Activation("relu"), conv(3), GlobalPool("average")))
    assert memory(one, 5).inference_peak == 5 * 4 * 16 * (6 + 6)


def test_branches_hold_their_input_until_the_last_has_read_it() -> None:
    """Of 2 x 16 values: the input, the first branch's 3 x, and the second's 1 x to 5 x in turn; then 1 and 3 merge."""
    late = Parallel((("a", conv(6)), ("b", seq(conv(10), conv(2)))), "concat")
    assert memory(Network((2, 4, 4), seq(late)), 1).inference_peak == 4 * 32 * (3 + 5 + 1)
    early = Parallel((("b", seq(conv(10), conv(2))), ("a", conv(6))), "concat")
    assert memory(Network((2, 4, 4), seq(early)), 1).inference_peak == 4 * 32 * (1 + 3 + (1 + 3))


def test_a_shortcut_holds_the_input_for_the_addition() -> None:
    body = seq(conv(2), Activation("relu"), conv(2))
    block = Parallel((("body", body), ("shortcut", Identity())), "add")
    assert memory(Network((2, 4, 4), seq(block)), 1).inference_peak == 4 * 32 * 3
    plain = Network((2, 4, 4), seq(body))
    assert memory(plain, 1).inference_peak == 4 * 32 * 2


def test_unpooling_holds_the_places_of_the_maxima() -> None:
    one = Network((1, 4, 4), seq(Within(pool("max"), conv(1))))
    assert memory(one, 1).inference_peak == max(4 * 16 + 4 * 4 + 8 * 4, 8 * 4 + 4 * 4 + 4 * 16)
    assert memory(one, 2).pooling_indices == 2 * 8 * 4  # nothing learns before the pool, but its places lead back


def test_auxiliary_classifiers_count_in_training_alone() -> None:
    side = Auxiliary(seq(conv(64), GlobalPool("average"), Linear(3)), 0.3)
    main = (conv(4), GlobalPool("average"), Linear(3))
    with_side, without = Network((2, 4, 4), seq(side, *main)), Network((2, 4, 4), seq(*main))
    assert memory(with_side, 1).inference_peak == memory(without, 1).inference_peak
    assert memory(with_side, 1).saved_activations == memory(without, 1).saved_activations + 4 * 64


def test_an_unknown_optimizer_gets_a_hint() -> None:
    with pytest.raises(ValueError, match="optimizer: unknown 'adamm', did you mean 'adam"):
        memory(vgg16(), 1, "adamm")


def test_memory_grows_with_the_batch_but_for_statistics() -> None:
    one = Network((2, 4, 4), seq(conv(8), Norm("batch"), GlobalPool("average"), Linear(3)))
    once, twice = (memory(one, batch).saved_activations for batch in (1, 2))
    assert twice - once == 4 * (prod((2, 4, 4)) + prod((8, 4, 4)) + 8)
    assert once - (twice - once) == 4 * 2 * 8
