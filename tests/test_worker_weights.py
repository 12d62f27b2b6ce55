"""Torchvision's weights in our networks, held by the outputs of its own code (data/torchvision/README.md)."""

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from searchspace.core import Network, Shape
from searchspace.lower import lower
from searchspace.zoo import files, networks
from worker import build
from worker.inputs import Transform
from worker.source import source
from worker.training.initial import initialize
from worker.weights import carried, features, mapping

FOLDER = Path(__file__).parent / "data" / "torchvision"
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
SAME = {"deeplabv3_resnet50": "deeplab_v3_resnet50_os8"}
"""Torchvision's names that are not the zoo's."""
BY_SHAPES = ("vgg11", "vgg13", "vgg13_bn", "vgg16_bn", "vgg19", "vgg19_bn")
"""More of the same layers as vgg16 or vgg11_bn, at a second and a gigabyte each."""
GOLDENS = [path.stem for path in sorted(FOLDER.glob("*.json")) if path.stem != "shufflenet_v2_x1_0"]
WITH_LOGITS = [name for name in GOLDENS if name not in (*BY_SHAPES, "fcn_resnet50")]

PLAIN = Transform("standardized", (0.0,) * 3, (1.0,) * 3)

CONV: dict[str, Shape] = {"conv1.weight": (4, 3, 3, 3)}
BATCH: dict[str, Shape] = {f"bn1.{leaf}": (4,) for leaf in NORM[:4]}
FC: dict[str, Shape] = {"fc.weight": (9, 4), "fc.bias": (9,)}
THEIRS = CONV | BATCH | FC
OURS = {key.replace("1.", "2.").replace("fc.", "head.fc."): shape for key, shape in THEIRS.items()}


@cache
def golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


def keys(name: str) -> dict[str, Shape]:
    """Torchvision's state dict, in order, with shapes: `unfold` of data/torchvision/make.py."""
    found: dict[str, Shape] = {}
    for line in golden(name)["keys"]:
        key, *norm, extent = line.split()
        shape = tuple(map(int, extent.split("x")))
        found |= {f"{key}.{leaf}": shape if leaf != NORM[-1] else () for leaf in NORM} if norm else {key: shape}
    return found


def hashed(entry: int, count: int) -> np.ndarray:
    """`hashed` of make.py, a piece at a time: large layers need no second and third array of their size."""
    found, start = np.empty(count), np.uint32((entry + 1) * 0x85EBCA77 % 2**32)
    for at in range(0, count, 2**16):
        bits = np.arange(at + 1, min(at + 2**16, count) + 1, dtype=np.uint32) * np.uint32(0x9E3779B1) + start
        for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39), (15, 1)):
            bits = (bits ^ bits >> np.uint32(shift)) * np.uint32(factor)
        found[at : at + 2**16] = bits / 2.0**31 - 1.0
    return found


def seeded(shapes: dict[str, Shape]) -> dict[str, torch.Tensor]:
    """`seeded` of make.py: the weights that the stored outputs are for."""
    state: dict[str, torch.Tensor] = {}
    for entry, (key, shape) in enumerate(shapes.items()):
        u = hashed(entry, math.prod(shape))
        if len(shape) > 1:
            u *= math.sqrt(6.0 / (u.size // shape[0]))
        elif key.endswith("running_var"):
            u = 1.0 + 0.5 * np.abs(u)
        else:
            u = 0.1 * u + float(key.endswith("weight"))
        state[key] = torch.from_numpy(u.reshape(shape)) if shape else torch.zeros((), dtype=torch.int64)
    return state


def network(name: str, classes: int | None = None) -> Network:
    card = files.card(SAME.get(name, name))
    return lower(networks.blueprint(card.name), card.input, classes or card.classes)


def unfilled(name: str) -> nn.Module:
    """Our network without memory for its weights."""
    with torch.device("meta"):
        return build.module(network(name)).eval()


def shapes(model: nn.Module) -> dict[str, Shape]:
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def answer(name: str, state: dict[str, torch.Tensor]) -> torch.Tensor:
    """What our network of that name, with torchvision's state dict, answers to the stored input."""
    model, size = unfilled(name), golden(name)["logits"]["input"]
    model.load_state_dict(carried(state, model), assign=True)
    with torch.no_grad():
        out: torch.Tensor = model(torch.arange(math.prod(size)).double().mul(0.37).cos().reshape(size))
    return out


# --- torchvision's networks -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GOLDENS)
def test_every_key_has_its_own(name: str) -> None:
    theirs, ours = keys(name), shapes(unfilled(name))
    found = mapping(theirs, ours)
    assert found.keys() == theirs.keys()
    assert sorted(found.values()) == sorted(ours)
    assert all(theirs[their] == ours[our] for their, our in found.items())


@pytest.mark.parametrize("name", WITH_LOGITS)
def test_torchvision_answers_the_same(name: str) -> None:
    expected, out = golden(name)["logits"], answer(name, seeded(keys(name)))
    assert list(out.shape) == expected["output"]
    found = [*out.flatten()[:10].tolist(), out.sum().item(), out.square().mean().item()]
    size = math.sqrt(expected["mean_square"])
    wanted = [*expected["first"], expected["sum"], expected["mean_square"]]
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-9 * size)
    assert expected.get("argmax") in (None, int(out.argmax()))


def test_two_layers_of_one_shape_in_the_wrong_order_answer_otherwise() -> None:
    state, one, other = seeded(keys("resnet18")), "layer1.0.conv1.weight", "layer1.0.conv2.weight"
    out = answer("resnet18", {**state, one: state[other], other: state[one]})
    expected = golden("resnet18")["logits"]
    assert out.flatten()[:10].tolist() != pytest.approx(expected["first"], rel=1e-3)


@pytest.mark.parametrize(
    ("name", "their", "our"),
    [
        ("resnet50", "layer2.0.downsample.1.running_var", "stages.2.block1.sum.shortcut.norm.running_var"),
        ("regnet_x_400mf", "trunk_output.block1.block1-0.proj.0.weight", "stages.1.block1.sum.shortcut.conv.weight"),
        ("regnet_x_400mf", "trunk_output.block1.block1-0.f.a.0.weight", "stages.1.block1.sum.body.conv1.weight"),
        ("regnet_y_400mf", "trunk_output.block1.block1-0.proj.1.bias", "stages.1.0.merge.shortcut.0.norm1.bias"),
        ("googlenet_aux", "aux2.fc1.weight", "stages.12.0.auxiliary.body.head.fc1.weight"),
        ("googlenet_aux", "fc.bias", "head.fc.bias"),
        ("inception_v3_aux", "AuxLogits.conv0.conv.weight", "stages.15.0.auxiliary.body.1.conv1.weight"),
        ("squeezenet1_1", "classifier.1.weight", "head.fc.weight"),
    ],
)
def test_what_others_register_elsewhere_finds_its_place(name: str, their: str, our: str) -> None:
    assert mapping(keys(name), shapes(unfilled(name)))[their] == our


# --- parts of a state dict --------------------------------------------------------------------------------------------


def test_a_state_dict_without_counters_loads() -> None:
    state = {key: value for key, value in seeded(keys("resnet18")).items() if not key.endswith(NORM[-1])}
    model = build.module(network("resnet18"))
    model.load_state_dict(carried(state, model))
    assert torch.equal(model.state_dict()["stages.0.norm1.running_var"], state["bn1.running_var"].float())


def test_a_new_head_keeps_its_own_weights() -> None:
    state, model = seeded(keys("resnet18")), build.module(network("resnet18", classes=7))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(carried(state, model, but=("fc.", "head.")))
    kept = [key for key, value in model.state_dict().items() if torch.equal(value, before[key])]
    assert [key for key in kept if not key.endswith(NORM[-1])] == ["head.fc.weight", "head.fc.bias"]
    found = mapping(keys("resnet18"), shapes(model), but=("fc.", "head."))
    assert set(keys("resnet18")) - set(found) == {"fc.weight", "fc.bias"}


def test_auxiliary_heads_may_stay_behind() -> None:
    found = mapping(keys("inception_v3_aux"), shapes(unfilled("inception_v3")), but=("AuxLogits.",))
    assert found == mapping(keys("inception_v3"), shapes(unfilled("inception_v3")))


def test_names_need_no_dots() -> None:
    linear: dict[str, Shape] = {"weight": (2, 3), "bias": (2,)}
    found = mapping(linear, {f"fc.{key}": shape for key, shape in linear.items()})
    assert found == {"weight": "fc.weight", "bias": "fc.bias"}


@pytest.mark.parametrize(
    ("theirs", "but", "message"),
    [
        (
            THEIRS | {"conv1.weight": (8, 3, 3, 3)},
            (),
            r"layer 1 of their 3 and our 3: their 'conv1.weight' is 8x3x3x3, our 'conv2.weight' is 4x3x3x3; "
            r"build the same network, or leave layers out, but=\('conv1.', 'conv2.'\)",
        ),
        (THEIRS | {"fc.bias": (7,)}, (), "layer 3 .* their 'fc.bias' is 7, our 'head.fc.bias' is 9; build"),
        (CONV | FC, (), "layer 2 of their 2 and our 3: their 'fc.weight' is 9x4, our 'bn2.weight' is 4;"),
        (
            {key: shape for key, shape in THEIRS.items() if key != "bn1.running_var"},
            (),
            "layer 2 .* their 'bn1.running_var' is missing, our 'bn2.running_var' is 4;",
        ),
        (THEIRS | {"conv1.bias": (4,)}, (), "layer 1 .* their 'conv1.bias' is 4, our 'conv2.bias' is missing;"),
        (CONV | BATCH, (), r"layer 3 .* 3: our 'head.fc.weight' is 9x4 and has no partner; .* but=\('head.fc.',\)"),
        (THEIRS | {"more.scale": ()}, (), "layer 4 .* their 'more.scale' is one number and has no partner; build"),
        (BATCH | CONV | FC, (), "layer 1 .* their 'bn1.weight' is 4, our 'conv2.weight' is 4x3x3x3;"),
        (THEIRS, ("hed.",), r"no key begins with 'hed.', did you mean 'head.'\?"),
        (THEIRS, ("fc.",), "layer 3 of their 2 and our 3: our 'head.fc.weight' is 9x4 and has no partner"),
    ],
)
def test_what_does_not_fit_is_said(theirs: dict[str, Shape], but: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mapping(theirs, OURS, but)


def test_a_checkpoint_is_no_state_dict() -> None:
    state: Any = {"state_dict": {}, "epoch": 3}
    with pytest.raises(ValueError, match="'state_dict' is a dict, not a tensor; give the state dict"):
        carried(state, nn.Linear(1, 1))


# --- features ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1"])
def test_every_layer_and_block_can_be_tapped_in_ours_and_in_the_plain_source(name: str) -> None:
    ours = build.module(network(name))
    initialize(ours, 0)
    namespace: dict[str, Any] = {}
    text = source(network(name), PLAIN, ("cat", "dog"), "A network.")
    exec(text, namespace)
    plain = namespace["build"]()
    plain.load_state_dict(ours.state_dict())
    names = [layer for layer, _ in ours.named_modules()]
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        here, there = (features(model.eval(), images, names) for model in (ours, plain))
    assert list(here) == list(there)
    assert set(here) == set(names)
    assert all(torch.equal(here[layer], there[layer]) for layer in names)
    assert here["stages.0.conv1"].shape == (2, 64, 32 - (name != "resnet18"), 32 - (name != "resnet18"))
    assert not any(layer._forward_hooks for layer in ours.modules())


def test_features_follow_their_names() -> None:
    double, model = nn.Linear(2, 2, bias=False), nn.Sequential(nn.ReLU(), nn.Linear(2, 2, bias=False))
    nn.init.eye_(double.weight)
    model[1].load_state_dict({"weight": 2 * double.weight.detach()})
    found = features(model, torch.tensor([[-1.0, 3.0]]), ["1", "0"])
    assert {name: value.tolist() for name, value in found.items()} == {"0": [[0.0, 3.0]], "1": [[0.0, 6.0]]}
    assert found["1"].requires_grad


def test_the_maxima_of_a_pool_with_switches_are_its_features() -> None:
    pool = nn.Sequential(nn.MaxPool1d(2, return_indices=True))
    found = features(pool, torch.tensor([[[1.0, 4.0, 3.0, 2.0]]]), ["0"])
    assert found["0"].tolist() == [[[4.0, 3.0]]]


def test_layers_that_are_not_there_are_said() -> None:
    model = nn.Sequential(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no layer 'fc'; known here: 0"):
        features(model, torch.zeros(1, 2), ["fc"])
    aside = build.module(network("googlenet_aux")).eval()
    name = "stages.8.0.auxiliary.body"
    with pytest.raises(ValueError, match=rf"nothing passes '{name}' in this mode; auxiliary heads need model.train"):
        features(aside, torch.zeros(1, 3, 64, 64), [name])
    assert not any(layer._forward_hooks for layer in aside.modules())
