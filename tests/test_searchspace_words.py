"""What each word lowers to, in the order in which the papers draw it."""

from typing import Any

import pytest
from pydantic import ValidationError

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import Infeasible, cost, trace
from searchspace.lower import lower, realized

Tree = dict[str, Any]


def network(*stages: Tree, shape: tuple[int, ...] = (8, 16, 16)) -> Network:
    return lower(Blueprint.model_validate({"stages": list(stages)}), shape, 3)


def names(net: Network) -> list[str]:
    """The layers of the first stage, by the last part of their names."""
    return [layer.name.removeprefix("stages.0.") for layer in trace(net) if layer.name.startswith("stages.0.")]


def block(**fields: Any) -> Tree:
    return {"block": "residual", "width": 8, "norm": "batch", **fields}


ORDERS = {  # He et al. 2016, Identity Mappings in Deep Residual Networks, figure 4
    "post_activation": ["conv1", "norm1", "act1", "conv2", "norm2", "+", "act"],
    "norm_after_addition": ["conv1", "norm1", "act1", "conv2", "+", "norm", "act"],
    "activation_before_addition": ["conv1", "norm1", "act1", "conv2", "norm2", "act2", "+"],
    "activation_first": ["act1", "conv1", "norm1", "act2", "conv2", "norm2", "+"],
    "pre_activation": ["norm1", "act1", "conv1", "norm2", "act2", "conv2", "+"],
}


def steps(net: Network) -> list[str]:
    """The block's layers in order: the body, the sum as `+`, what follows; without the shortcut."""
    inner = [name.removeprefix("block1.") for name in names(net)]
    return ["+" if name == "sum" else name.split(".")[-1] for name in inner if "shortcut" not in name]


@pytest.mark.parametrize(("order", "wanted"), ORDERS.items(), ids=ORDERS)
def test_the_orders_of_a_residual_block(order: str, wanted: list[str]) -> None:
    assert steps(network(block(order=order))) == wanted


@pytest.mark.parametrize("order", ORDERS)
def test_dropout_stands_directly_before_the_convolution_and_costs_nothing(order: str) -> None:
    """Zagoruyko & Komodakis 2016, figure 1 d: between the convolutions, after the ReLU."""
    plain, dropped = network(block(order=order)), network(block(order=order, dropout=0.3))
    found = steps(dropped)
    assert found[found.index("drop2") + 1] == "conv2"
    assert [name for name in found if name != "drop2"] == ORDERS[order]
    assert cost(plain) == cost(dropped)


def test_dropout_does_not_change_what_a_dense_block_costs() -> None:
    stage = {"block": "dense", "repeat": 3, "growth": 12, "norm": "batch", "transition": {}}
    assert cost(network(stage)) == cost(network(stage | {"dropout": 0.2}))


@pytest.mark.parametrize("shortcut", ["projection", "always"])
def test_a_pre_activated_projection_sees_the_normalised_input(shortcut: str) -> None:
    found = names(network(block(order="pre_activation", width=16, stride=2, shortcut=shortcut)))
    assert found[:3] == ["block1.norm1", "block1.act1", "block1.sum.body.conv1"]
    assert "block1.sum.shortcut.conv" in found
    assert "block1.sum.shortcut.norm" not in found


SHORTCUTS: dict[str, tuple[Tree, list[str]]] = {
    "the input": ({}, ["block1.sum.shortcut"]),
    "projected": ({"stride": 2}, ["block1.sum.shortcut.conv", "block1.sum.shortcut.norm"]),
    "without its norm": ({"stride": 2, "shortcut_norm": False}, ["block1.sum.shortcut.conv"]),
    "always projected": ({"shortcut": "always"}, ["block1.sum.shortcut.conv", "block1.sum.shortcut.norm"]),
    "sliced and padded": (
        {"stride": 2, "width": 16, "shortcut": "pad"},
        ["block1.sum.shortcut.slice", "block1.sum.shortcut.pad"],
    ),
    "sliced and cut": (
        {"stride": 2, "width": 4, "shortcut": "pad"},
        ["block1.sum.shortcut.slice", "block1.sum.shortcut.select"],
    ),
    "none": ({"shortcut": "none"}, []),
}


@pytest.mark.parametrize(("fields", "wanted"), SHORTCUTS.values(), ids=SHORTCUTS)
def test_shortcuts(fields: Tree, wanted: list[str]) -> None:
    assert [name for name in names(network(block(**fields))) if "shortcut" in name] == wanted


def test_an_identity_that_cannot_be() -> None:
    with pytest.raises(Infeasible, match=r"stages.0.block1: 8 -> 16 channels, stride \[1, 1\]; keep width and stride"):
        network(block(width=16, shortcut="identity"))


MISFITS: dict[str, tuple[Tree, str]] = {
    "two places": ({"order": "activation_first", "norm": {"place": "after_activation"}}, "order: activation_first"),
    "two orders": ({"order": "norm_after_addition", "norm": {"place": "before_convolution"}}, "drop one"),
    "two kernels": ({"kernel": 5, "kernels": [3, 3]}, "drop kernel"),
    "two widths": ({"inner": 4, "reduce": 2.0}, "drop reduce"),
    "groups of nothing": ({"groups": 4, "kernels": [1, 1]}, "drop groups"),
}


@pytest.mark.parametrize(("fields", "message"), MISFITS.values(), ids=MISFITS)
def test_fields_that_contradict_each_other(fields: Tree, message: str) -> None:
    with pytest.raises(ValidationError, match=message.removeprefix("order: ")):
        network(block(**fields))


PLACES = {
    "before_activation": ["conv1", "norm1", "act1", "conv2", "norm2", "act2"],
    "after_activation": ["conv1", "act1", "norm1", "conv2", "act2", "norm2"],
    "before_convolution": ["norm1", "act1", "conv1", "norm2", "act2", "conv2"],
    "none": ["conv1", "act1", "conv2", "act2"],
}


@pytest.mark.parametrize(("place", "wanted"), PLACES.items(), ids=PLACES)
def test_where_a_norm_stands_in_a_plain_block(place: str, wanted: list[str]) -> None:
    net = network({"block": "plain", "width": 4, "repeat": 2, "norm": {"kind": "batch", "place": place}})
    assert names(net) == wanted
    biased = [layer.name[-5:] for layer in trace(net) if layer.params == 4 * 8 * 9 + 4 or layer.params == 4 * 4 * 9 + 4]
    assert biased == {"before_activation": [], "before_convolution": ["conv2"]}.get(place, ["conv1", "conv2"])


def test_delayed_subsampling() -> None:
    stage = {"block": "plain", "width": 8, "repeat": 3, "stride": 2, "activation": None}
    early, late = network(stage), network(stage | {"stride_at": "last"})
    sizes = [[layer.out_shape[1] for layer in trace(net) if layer.name.startswith("stages")] for net in (early, late)]
    assert sizes == [[8, 8, 8], [16, 16, 8]]
    assert cost(late).macs > cost(early).macs


def test_strict_division_is_the_lectures_rule() -> None:
    tree = {"strict_division": True, "stages": [{"block": "plain", "width": 4, "stride": 2, "padding": "valid"}]}
    assert realized(Blueprint.model_validate(tree), (1, 9, 9), 3)
    with pytest.raises(Infeasible, match=r"stages.0.conv1: \(10 - 3\) / 2 is not whole on a side of 10, which strict"):
        realized(Blueprint.model_validate(tree), (1, 10, 10), 3)


def test_classes_are_those_of_the_data() -> None:
    tree = {"classes": 5, "stages": []}
    with pytest.raises(Infeasible, match="the blueprint is for 5 classes, the data has 3; leave classes out"):
        realized(Blueprint.model_validate(tree), (1, 9, 9), 3)
