"""From words to the core: names, biases, norms and shortcuts; and what cannot exist says where, why and the cure."""

from typing import Any

import pytest

from searchspace.blueprint import Blueprint
from searchspace.core import Activation, Conv, Identity, Network, Norm, leaves
from searchspace.cost import Infeasible, trace
from searchspace.lower import checked, lower


def network(*stages: dict[str, Any], shape: tuple[int, ...] = (1, 8, 8), **head: Any) -> Network:
    whole = {"stages": [{"block": "plain", "width": 4, **stage} for stage in stages], "head": head}
    return lower(Blueprint.model_validate(whole), shape, 3)


def kinds(net: Network) -> list[str]:
    """`name kind` of every leaf, with `+bias` where a convolution has one."""
    return [
        f"{name} {getattr(node, 'kind', None) or type(node).__name__}{'+bias' * (isinstance(node, Conv) and node.bias)}"
        for name, node in leaves(net.root)
    ]


def norm(place: str) -> dict[str, str]:
    return {"kind": "batch", "place": place}


PLAIN = {
    "before_activation": ["conv1 Conv", "norm1 batch", "act1 relu"],
    "after_activation": ["conv1 Conv+bias", "act1 relu", "norm1 batch"],
    "none": ["conv1 Conv+bias", "act1 relu"],
}


@pytest.mark.parametrize("place", PLAIN)
def test_where_the_norm_of_a_plain_block_stands(place: str) -> None:
    assert kinds(network({"norm": norm(place)}))[:-2] == [f"stages.0.{leaf}" for leaf in PLAIN[place]]


def test_without_an_activation_a_norm_stands_directly_behind() -> None:
    found = kinds(network({"norm": norm("after_activation"), "activation": None}))
    assert found[:-2] == ["stages.0.conv1 Conv", "stages.0.norm1 batch"]


RESIDUAL = {
    "before_activation": ["conv1 Conv", "norm1 batch", "act1 relu", "conv2 Conv", "norm2 batch"],
    "after_activation": ["conv1 Conv+bias", "act1 relu", "norm1 batch", "conv2 Conv+bias", "act2 relu", "norm2 batch"],
    "none": ["conv1 Conv+bias", "act1 relu", "conv2 Conv+bias"],
}


@pytest.mark.parametrize("place", RESIDUAL)
def test_a_basic_block(place: str) -> None:
    found = kinds(network({"width": 1, "block": "residual", "norm": norm(place)}))
    body = [f"stages.0.block1.sum.body.{leaf}" for leaf in RESIDUAL[place]]
    assert found[:-2] == [*body, "stages.0.block1.sum.shortcut Identity", "stages.0.block1.act relu"]


def test_a_shortcut_projects_only_where_the_shape_changes() -> None:
    net = network(
        {"block": "residual", "repeat": 2}, {"block": "residual", "stride": 2, "norm": norm("before_activation")}
    )
    shortcuts = {name: node for name, node in leaves(net.root) if "shortcut" in name}
    assert [(name.split("shortcut")[1], type(node)) for name, node in shortcuts.items()] == [
        (".conv", Conv), ("", Identity), (".conv", Conv), (".norm", Norm),
    ]  # fmt: skip
    strides = [node.stride for node in shortcuts.values() if isinstance(node, Conv)]
    assert strides == [(1, 1), (2, 2)]
    assert [node.bias for node in shortcuts.values() if isinstance(node, Conv)] == [True, False]


def test_the_first_convolution_takes_the_stride() -> None:
    convs = [node for _, node in leaves(network({"repeat": 3, "stride": [2, 1]}).root) if isinstance(node, Conv)]
    assert [node.stride for node in convs] == [(2, 1), (1, 1), (1, 1)]


def test_heads() -> None:
    assert kinds(network({}))[-2:] == ["head.pool average", "head.fc Linear"]
    found = kinds(network({}, pool=None, hidden=[7], dropout=0.5))[2:]
    assert found == [
        "head.flatten Flatten", "head.drop1 Dropout", "head.fc1 Linear", "head.act1 relu", "head.drop Dropout",
        "head.fc Linear",
    ]  # fmt: skip


def test_names_and_shapes_of_a_volume() -> None:
    net = checked(network({"kernel": [1, 2, 3], "pool": {"size": [1, 2, 2]}}, shape=(2, 3, 4, 6)))
    assert [layer.out_shape for layer in trace(net)] == [(4, 3, 4, 6), (4, 3, 4, 6), (4, 3, 2, 3), (4,), (3,)]


POOLED: dict[str, Any] = {"pool": {"size": 2}}
IMPOSSIBLE: dict[str, tuple[list[dict[str, Any]], tuple[int, ...], str]] = {
    "the sentence of the design": (
        [POOLED] * 3,
        (1, 4, 4),
        r"^stages.2.pool: a 2x2 window does not fit a 1x1 map; "
        r"remove a pool or enlarge the input \(needs 8x8, has 4x4\)$",
    ),
    "a series": ([POOLED] * 2, (1, 3), r"a 2 window does not fit a 1 map; remove a pool .* \(needs 4, has 3\)$"),
    "not square": ([POOLED] * 2, (1, 2, 9), r"does not fit a 1x4 map; .* \(needs 4x4, has 2x9\)$"),
    "strides": ([{"stride": 2}, {"pool": {"size": 5, "stride": 1}}], (1, 8, 8), r"\(needs 9x9, has 8x8\)$"),
    "no input helps": ([POOLED] * 14, (1, 8, 8), "^stages.3.pool: a 2x2 window does not fit a 1x1 map; use a smaller"),
    "axes of a kernel": (
        [{"kernel": [3, 3, 3]}],
        (1, 8, 8),
        r"^stages.0: \[3, 3, 3\] is for 3 axes, the map has 2; give",
    ),
    "axes of a pool": (
        [{"pool": {"size": [2]}}],
        (1, 8, 8),
        r"^stages.0.pool: \[2\] is for 1 axes, the map has 2; give",
    ),
    "groups": (
        [{"norm": {"kind": "group", "groups": 3}}],
        (1, 8, 8),
        "^stages.0.norm1: 3 groups do not divide 4 channels; choose a divisor$",
    ),
}


@pytest.mark.parametrize(("stages", "shape", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_a_network_that_cannot_exist(stages: list[dict[str, Any]], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(Infeasible, match=message):
        checked(network(*stages, shape=shape))


def test_the_cure_is_the_smallest_input_that_fits() -> None:
    stages = ({"stride": 3}, {"pool": {"size": 4, "stride": 4}}, {"pool": {"size": 2}})
    for side in (8, 21):
        with pytest.raises(Infeasible, match=rf"enlarge the input \(needs 22x22, has {side}x{side}\)"):
            checked(network(*stages, shape=(1, side, side)))
    assert trace(checked(network(*stages, shape=(1, 22, 22))))


def test_every_activation_is_there() -> None:
    for kind in ("relu", "leaky_relu", "elu", "gelu", "silu", "sigmoid", "tanh"):
        found = [node for _, node in leaves(network({"activation": kind}).root) if isinstance(node, Activation)]
        assert [node.kind for node in found] == [kind]
