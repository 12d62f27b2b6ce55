"""The zoo: every network's numbers against REFERENCE's, torchvision's and the papers', and every family's card."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from searchspace import core
from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import Infeasible, Layer, cost, trace
from searchspace.language import yamlio
from searchspace.language.scaling import divisible
from searchspace.language.units import fraction
from searchspace.lower import lower, realized
from searchspace.zoo import files as zoo
from searchspace.zoo import networks

FOLDER = Path(str(files("searchspace"))) / "zoo"
FAMILIES = sorted(FOLDER.glob("*.yaml"))
TORCHVISION = Path(__file__).parent / "data" / "torchvision"

EXACT: dict[str, tuple[int, int | None, int | None]] = {
    "lenet5": (61_706, 416_520, None),
    "lenet5_1998": (60_000, None, None),
    "alexnet": (61_100_840, 714_188_480, 195),
    "alexnet_2012": (60_965_224, 724_406_816, 195),
    "vgg16": (138_357_544, 15_470_264_320, 212),
    "vgg16_bn": (138_357_544 + 8_448, 15_470_264_320, 212),
    "vgg16_conv": (138_357_544, 15_470_264_320, 404),
    "vgg19": (143_667_240, 19_632_062_464, None),
    "googlenet": (6_624_904, 1_498_376_192, None),
    "googlenet_aux": (13_004_888, 1_498_376_192, None),
    "googlenet_2014": (6_998_552, None, 715),
    "googlenet_2014_aux": (13_378_280, None, 715),
    "resnet18": (11_689_512, 1_814_073_344, None),
    "resnet34": (21_797_672, 3_663_761_408, None),
    "resnet50": (25_557_032, 4_089_184_256, 427),
    "resnet50_v1": (25_557_032, None, 483),
    "resnet101": (44_549_160, 7_801_405_440, None),
    "wide_resnet50_2": (68_883_240, 11_398_021_120, None),
    "resnext50_32x4d": (25_028_904, 4_230_479_872, None),
    "densenet121": (7_978_856, 2_834_161_664, None),
    "mobilenet_v1": (4_231_976, 568_740_352, 315),
    "inception_v3": (23_834_568, 5_713_216_096, None),
    "resnet20_cifar": (269_722, 40_551_040, None),
    "resnet20_cifar_b": (272_474, 40_813_184, None),
    "wrn_28_10": (36_479_194, 5_243_328_768, None),
    "wrn_16_4": (2_748_890, 392_612_352, None),
    "resnext29_8x64d_cifar": (34_426_698, 5_387_266_048, None),
    "densenet_bc_100_12_cifar": (769_162, 287_929_692, None),
    "all_cnn_c": (1_369_738, 270_798_336, None),
    "he_sun_a": (1_946_728, 854_954_688 + 256_000, 113),
}
"""REFERENCE's params, MACs and receptive fields, and what follows from them directly."""

HE_SUN = {
    "a": (5, 854_954_688, 113),
    "b": (8, 844_337_856, 113),
    "c": (6, 876_188_352, 113),
    "d": (9, 865_571_520, 113),
    "e": (11, 876_188_352, 113),
    "f": (8, 854_954_688, 185),
    "g": (11, 854_954_688, 257),
    "h": (8, 828_412_608, 137),
    "i": (11, 817_795_776, 137),
    "j": (11, 876_188_352, 185),
}
"""Convolutions, their nominal MACs and the receptive field."""

PUBLISHED_PARAMS = """
    resnet32_cifar 0.46, resnet44_cifar 0.66, resnet56_cifar 0.85, resnet110_cifar 1.7, resnet1202_cifar 19.4,
    preact_resnet110_cifar 1.7, preact_resnet164_cifar 1.7,
    wrn_40_1 0.6, wrn_40_2 2.2, wrn_40_4 8.9, wrn_40_8 35.7, wrn_28_12 52.5, wrn_22_8 17.2, wrn_22_10 26.8,
    wrn_16_8 11.0, wrn_16_10 17.1,
    wrn_b131_40_2 1.4, wrn_b31_40_2 1.2, wrn_b13_40_2 1.3, wrn_b311_40_2 1.3, wrn_b33_28_2 1.5, wrn_b313_22_2 1.1,
    wrn_l1_40_2 2.2, wrn_l2_40_2 2.2, wrn_l3_40_2 2.2, wrn_l4_40_2 2.2,
    resnext29_16x64d_cifar 68.1,
    densenet_40_12_cifar 1.0, densenet_bc_250_24_cifar 15.3, densenet_bc_190_40_cifar 25.6,
    mobilenet_v1_075 2.6, mobilenet_v1_050 1.3, mobilenet_v1_025 0.5,
    regnet_x_200mf 2.7, regnet_x_400mf_paper 5.2, regnet_x_600mf 6.2, regnet_x_800mf 7.3, regnet_x_1_6gf 9.2,
    regnet_x_3_2gf 15.3, regnet_x_8gf 39.6, regnet_x_16gf 54.3, regnet_x_32gf 107.8
"""
"""Millions as the papers print them."""
PUBLISHED_MACS = """
    mobilenet_v1_075 325, mobilenet_v1_050 149, mobilenet_v1_025 41, mobilenet_v2_140 582, mobilenet_v2_035 59,
    regnet_x_200mf 200, regnet_x_400mf_paper 400, regnet_x_600mf 600, regnet_x_800mf 800, regnet_x_1_6gf 1600,
    regnet_x_3_2gf 3200, regnet_x_8gf 8000, regnet_x_16gf 15900, regnet_x_32gf 31700
"""
"""Millions as the papers and their authors' code print them, good to 1 %."""

SAME = {"deeplabv3_resnet50": "deeplab_v3_resnet50_os8"}
"""Torchvision's names that are not the zoo's."""
ABSENT = ("shufflenet_v2_x1_0",)
OTHER_ORDER = ("googlenet_aux", "regnet_x_400mf")
"""Torchvision registers auxiliary heads last, and RegNet's projection before the body."""
MAPS = ("deeplab_v3_resnet50", "deeplab_v3_resnet50_os8", "fcn32s_vgg16", "fcn_resnet50", "segnet_basic")
"""Networks that predict a class per position."""
UNSCALABLE = ("lenet5_1998", "efficientnet_b0")
"""Networks that name channels one by one, or as many groups as channels."""


@cache
def network(name: str) -> Network:
    card = zoo.card(name)
    return lower(networks.blueprint(name), card.input, card.classes)


def table(text: str) -> list[tuple[str, str]]:
    pairs = [row.split() for row in text.replace("\n", " ").split(",")]
    return [(name, number) for name, number in pairs]


def convolutions(name: str) -> list[tuple[Layer, core.Conv]]:
    return [(layer, layer.node) for layer in trace(network(name)) if isinstance(layer.node, core.Conv)]


def shapes(layers: tuple[Layer, ...]) -> list[str]:
    """The learned tensors in order, as the golden files write them."""
    found = []
    for layer in layers:
        node, inputs = layer.node, layer.in_shape[0]
        if isinstance(node, core.Norm):
            found.append(f"norm {inputs}")
        elif isinstance(node, core.Conv):
            found.append("x".join(map(str, (node.out, inputs // node.groups, *node.kernel))))
        elif isinstance(node, core.Linear):
            found.append(f"{node.out}x{inputs}")
        if isinstance(node, core.Conv | core.Linear) and node.bias:
            found.append(str(node.out))
    return found


def golden(name: str) -> Any:
    return json.loads((TORCHVISION / f"{name}.json").read_text())


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_reference(name: str) -> None:
    found = cost(network(name))
    params, macs, field = EXACT[name]
    assert (found.params, macs or found.macs, field or found.field) == (params, found.macs, found.field)


@pytest.mark.parametrize("name", [path.stem for path in sorted(TORCHVISION.glob("*.json"))])
def test_torchvision(name: str) -> None:
    if name in ABSENT:
        assert name not in zoo.names()
        return
    ours, theirs = SAME.get(name, name), golden(name)
    layers, found = trace(network(ours)), cost(network(ours))
    assert network(ours).input == tuple(theirs["input"][1:])
    assert layers[-1].out_shape == tuple(theirs["output"][1:])
    assert (found.params, found.macs) == (theirs["params"], theirs["macs"])
    tensors, expected = shapes(layers), [line.split(" ", 1)[1] for line in theirs["keys"]]
    assert (sorted(tensors) == sorted(expected)) if name in OTHER_ORDER else (tensors == expected)


@pytest.mark.parametrize(("name", "millions"), table(PUBLISHED_PARAMS))
def test_published_params(name: str, millions: str) -> None:
    last_digit = 10.0 ** -len(millions.partition(".")[2])
    assert abs(cost(network(name)).params / 1e6 - float(millions)) <= 0.6 * last_digit


@pytest.mark.parametrize(("name", "millions"), table(PUBLISHED_MACS))
def test_published_macs(name: str, millions: str) -> None:
    assert cost(network(name)).macs / 1e6 == pytest.approx(float(millions), rel=0.01)


@pytest.mark.parametrize("net", HE_SUN)
def test_he_and_sun(net: str) -> None:
    found = convolutions(f"he_sun_{net}")
    nominal = [layer.in_shape[0] * node.kernel[0] ** 2 * node.out * layer.out_shape[1] ** 2 for layer, node in found]
    assert (len(found), sum(nominal), cost(network(f"he_sun_{net}")).field) == HE_SUN[net]
    assert list(dict.fromkeys(layer.out_shape[1] for layer, _ in found)) == [109, 36, 18, 6][: 4 if net == "j" else 3]


def test_lenet_of_1998() -> None:
    layers = trace(network("lenet5_1998"))
    assert cost(network("lenet5_1998")).connections == 340_908
    by_stage: dict[str, int] = {}
    for layer in layers:
        stage = layer.name.split(".")[1]
        by_stage[stage] = by_stage.get(stage, 0) + layer.params
    assert list(by_stage.values())[:6] == [156, 12, 1_516, 32, 48_120, 10_164]
    sees = [layer.node.channels for layer in layers if isinstance(layer.node, core.Select)]
    assert [len(one) for one in sees] == [3] * 6 + [4] * 9 + [6]
    assert len(set(sees)) == 16


def test_alexnet_of_2012_has_about_650_000_units() -> None:
    assert cost(network("alexnet_2012")).units == 659_272


def test_vgg_as_convolutions_takes_larger_images() -> None:
    blueprint = networks.blueprint("vgg16_conv")
    layers = trace(realized(blueprint, (3, 384, 512), 1000))
    assert [layer.out_shape for layer in layers[-2:]] == [(1000, 6, 10), (1000,)]


@pytest.mark.parametrize("name", ["wrn_16_4", "wrn_28_10", "wrn_40_2"])
def test_wide_resnets_have_the_depth_of_their_names(name: str) -> None:
    # The three projections count as layers there, the output layer does not.
    assert len(convolutions(name)) == int(name.split("_")[1])


def test_a_parameter_may_be_given() -> None:
    tree = networks.tree("wrn_28_10", dropout=0.3)
    assert [stage.get("dropout") for stage in tree["stages"]] == [None, 0.3, 0.3, 0.3, None]


# --- every network ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.names())
def test_network(name: str) -> None:
    card, tree = zoo.card(name), networks.tree(name)
    assert Blueprint.model_validate(json.loads(json.dumps(tree))) == Blueprint.model_validate(tree)
    if name in MAPS:
        assert trace(network(name))[-1].out_shape == (card.classes, *card.input[1:])
    else:
        assert realized(Blueprint.model_validate(tree), card.input, card.classes) == network(name)
    assert cost(network(name)).params > 0


@pytest.mark.parametrize("name", sorted(set(zoo.names()) - set(UNSCALABLE)))
def test_half_the_width_and_other_classes(name: str) -> None:
    card = zoo.card(name)
    half = lower(networks.blueprint(name, width=0.5, classes=7), card.input, 7)
    assert trace(half)[-1].out_shape[0] == 7
    assert cost(half).params <= cost(network(name)).params


@pytest.mark.parametrize("name", UNSCALABLE)
def test_channels_by_name_or_by_group_cannot_be_scaled(name: str) -> None:
    half = lower(networks.blueprint(name, width=0.5), zoo.card(name).input, zoo.card(name).classes)
    with pytest.raises(Infeasible, match=r"there is no channel|groups"):
        trace(half)


@pytest.mark.parametrize("family", ["mobilenet_v1", "mobilenet_v2"])
@pytest.mark.parametrize("factor", [0.25, 0.35, 0.5, 0.75, 1.4])
def test_mobilenets_are_the_first_scaled(family: str, factor: float) -> None:
    name = f"{family}_{round(factor * 100):03}"
    if name in zoo.names():
        assert networks.tree(name) == networks.tree(family, width=factor)
    assert divisible(32 * factor, 8) == networks.tree(family, width=factor)["stages"][0]["width"]


# --- cards ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FAMILIES, ids=lambda path: path.stem)
def test_family_says_what_it_taught(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# What ")
    assert lines[0].endswith(".")
    assert max(map(len, lines)) <= 120
    assert len(lines) <= 120


def test_names_are_unique() -> None:
    found = [name for path in FAMILIES for name in yamlio.read(path).data["networks"]]
    assert sorted(found) == sorted(set(found)) == zoo.names()
    assert len(found) > 100


@pytest.mark.parametrize("name", zoo.names())
def test_card(name: str) -> None:
    card = zoo.card(name)
    assert all((card.about, card.authors, card.year, card.source.startswith("https://")))
    assert set(card.errors) <= {"imagenet_top1", "imagenet_top5", "cifar10", "mnist"}
    assert all(0.001 < error < 0.6 for error in card.errors.values())
    assert card.errors.get("imagenet_top5", 0.0) < card.errors.get("imagenet_top1", 1.0)
    data = {"imagenet": ((3,), 1000), "cifar10": ((3, 32, 32), 10), "mnist": ((1,), 10)}
    for key in card.errors:
        shape, classes = data[key.split("_")[0]]
        assert card.input[: len(shape)] == shape
        assert card.classes == classes


def test_history() -> None:
    history = yamlio.read(FOLDER / "history" / "imagenet.yaml").data
    entries = [*history["entries"], *history["outside_data"]]
    assert all(set(entry) == {"year", "name", "error", "zoo", "source"} for entry in entries)
    assert all(entry["source"].startswith("https://") for entry in [*entries, history["human"]])
    assert {entry["zoo"] for entry in entries} - {None} <= set(zoo.names())
    years = [entry["year"] for entry in history["entries"]]
    best = [
        min(fraction(one["error"]) for one in history["entries"] if one["year"] == year) for year in sorted({*years})
    ]
    assert years == sorted(years)
    assert best == sorted(best, reverse=True)
    assert fraction(history["human"]["error"]) == 0.051
