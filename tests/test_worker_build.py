"""Modules and their source: as counted, as written down, the same names, the same numbers, paired first weights."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from searchspace.blueprint import Blueprint
from searchspace.core import (
    Activation,
    Auxiliary,
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
    Prototypes,
    Select,
    Sequence,
    TransposedConv,
    Upsample,
    WeightedPool,
    Within,
    same_padding,
)
from searchspace.cost import cost, trace
from searchspace.lower import lower
from worker import build, calls, layers
from worker.inputs import Transform
from worker.source import source
from worker.training.initial import initialize

ROOT = Path(__file__).parents[1]


pytestmark = pytest.mark.usefixtures("one_thread")


def conv(out: int, *kernel: int, stride: int = 1, dilation: int = 1, **more: Any) -> Conv:
    """A convolution that keeps the map's size at stride 1."""
    dilations = (dilation,) * len(kernel)
    return Conv(out, kernel, (stride,) * len(kernel), same_padding(kernel, dilations), dilations, **more)


def pool(kind: str, kernel: int, stride: int, padding: tuple[int, int] = (0, 0), ceil: bool = False) -> Pool:
    return Pool(kind, (kernel,) * 2, (stride,) * 2, (padding,) * 2, ceil)


def seq(**items: Node) -> Sequence:
    return Sequence(tuple(items.items()))


def numbered(*items: Node) -> Sequence:
    return Sequence(tuple((str(number), item) for number, item in enumerate(items)))


def network(root: Sequence, *shape: int) -> Network:
    return Network(shape or (3, 9, 9), root)


def branched(merge: str) -> Network:
    branches = (("1x1", conv(4, 1, 1)), ("3x3", numbered(conv(4, 3, 3), Norm("batch"), Activation("sigmoid"))))
    return network(seq(stem=conv(4, 3, 3), fork=Parallel(branches, merge), head=numbered(GlobalPool("max"), Linear(5))))


def pooled(*pools: Pool) -> Network:
    return network(seq(pools=numbered(*pools), flat=Flatten(), out=Linear(3, bias=False)))


def residual(**stage: Any) -> Network:
    norm = {"kind": "batch", "place": "before_activation"}
    stages = [{"block": "residual", "width": width, "norm": norm, **stage} for width in (8, 12)]
    return lower(Blueprint.model_validate({"stages": stages, "head": {"hidden": [6], "dropout": 0.3}}), (3, 9, 9), 4)


NORMS = seq(**{kind: Norm(kind, 2) for kind in ("batch", "layer", "instance", "group")})
NETWORKS = {
    "residual": residual(),
    "residual strided, even kernel": residual(stride=2, kernel=2, repeat=2),
    "lenet": network(
        seq(conv=conv(6, 5, 5), act=Activation("tanh"), pool=pool("average", 2, 2), flat=Flatten(), out=Linear(10)),
        1,
        8,
        8,
    ),
    **{merge: branched(merge) for merge in ("add", "concat", "multiply")},
    "norms": network(seq(stem=conv(4, 3, 3), norms=NORMS, flat=Flatten(), norm=Norm("batch"), out=Linear(2))),
    "activations": network(
        numbered(*(Activation(kind) for kind in calls.ACTIVATIONS), conv(2, 1, 1), GlobalPool("average"))
    ),
    "even kernels": network(numbered(conv(4, 2, 4), conv(4, 3, 2, stride=2), GlobalPool("average"))),
    "groups and dilation": network(numbered(conv(9, 3, 3, groups=3, bias=False), conv(4, 3, 3, dilation=2), Flatten())),
    "pools": pooled(pool("max", 3, 2, (1, 1)), pool("average", 2, 2, (0, 0), True), pool("average", 3, 1, (1, 1))),
    "pools with odd padding": pooled(pool("max", 2, 1, (0, 1)), pool("average", 2, 1, (0, 1)), pool("max", 2, 2)),
    "series": network(numbered(conv(4, 4), Norm("batch"), Pool("max", (2,), (2,), ((0, 0),)), Flatten()), 2, 12),
    "volumes": network(numbered(conv(4, 2, 3, 2), Norm("batch"), GlobalPool("average")), 1, 4, 4, 4),
    "lenet of 1998": network(
        seq(
            conv=Local(4, (3, 3), (1, 1), ((0, 0),) * 2),
            act=Activation("scaled_tanh"),
            pool=WeightedPool((2, 2), (2, 2), ((0, 0),) * 2, per_position=False, bias=True),
            sparse=Parallel((("a", numbered(Select((0, 1, 3)), conv(2, 3, 3))), ("b", conv(2, 3, 3))), "concat"),
            flat=Flatten(),
            out=Prototypes(10),
        ),
        1,
        8,
        8,
    ),
    "decoder": network(
        seq(
            hourglass=Within(pool("max", 2, 2, (1, 0), True), conv(3, 3, 3)),
            coordinates=Coordinates(),
            up=TransposedConv(4, (3, 3), (2, 2), ((0, 1),) * 2, (0, 1), (1, 1)),
            gate=Parallel((("squeeze", GlobalPool("average", keep=True)), ("map", Identity())), "multiply"),
            larger=Upsample((2, 2), "linear"),
            norm=LocalResponse(),
            mixed=Pool("mixed", (3, 3), (2, 2), ((0, 1),) * 2, ceil=True),
            prelu=Activation("prelu"),
            wider=PadChannels(1, 0),
            side=Auxiliary(numbered(GlobalPool("max"), Linear(5)), 0.3),
            head=numbered(GlobalPool("average"), Linear(5)),
        )
    ),
    "identity": network(
        seq(block=Parallel((("body", conv(3, 3, 3)), ("shortcut", Identity())), "add"), drop=Dropout(0.5))
    ),
}
every_network = pytest.mark.parametrize("name", NETWORKS)


def ready(one: Network, seed: int = 0) -> nn.Module:
    """The module with first weights, and norms that have seen some data."""
    model = build.module(one)
    initialize(model, seed)
    model(torch.randn(8, *one.input, generator=build.generator(seed, "warm")))
    return model.eval()


def shape_of(out: Any) -> tuple[int, ...]:
    """Of one example; a pool that is unpooled later returns its switches too."""
    return tuple((out[0] if isinstance(out, tuple) else out).shape[1:])


@every_network
def test_modules_are_as_counted(name: str) -> None:
    one, model = NETWORKS[name], ready(NETWORKS[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == cost(one).params
    shapes: dict[str, tuple[int, ...]] = {}
    for key, layer in model.named_modules():
        layer.register_forward_hook(lambda _, __, out, key=key: shapes.__setitem__(key, shape_of(out)))
    model.train()(torch.zeros(2, *one.input))
    assert {layer.name: shapes[layer.name] for layer in trace(one)} == {
        layer.name: layer.out_shape for layer in trace(one)
    }
    weighted = {key.rpartition(".")[0] for key, _ in model.named_parameters()}
    assert weighted == {layer.name for layer in trace(one) if layer.params}


def written(one: Network) -> tuple[str, dict[str, Any]]:
    channels = one.input[0]
    text = source(
        one,
        Transform("standardized", (0.5,) * channels, (2.0,) * channels),
        ("cat", "dog's"),
        "A network.\n\nIts costs.",
    )
    names: dict[str, Any] = {"__name__": "model"}
    exec(text, names)
    return text, names


@every_network
def test_the_source_is_the_same_network(name: str, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    one, model = NETWORKS[name], ready(NETWORKS[name])
    _, names = written(one)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    exported = names["load"](tmp_path / "weights.safetensors")
    x = torch.randn(4, *one.input)
    assert list(exported.state_dict()) == list(model.state_dict())
    torch.testing.assert_close(exported(x), model(x), rtol=0, atol=1e-6)
    assert (names["INPUT_SHAPE"], names["CLASSES"]) == (one.input, ("cat", "dog's"))


@every_network
def test_preprocess_takes_raw_images(name: str) -> None:
    one = NETWORKS[name]
    _, names = written(one)
    raw = torch.randint(0, 255, (4, *one.input)).movedim(1, -1)
    torch.testing.assert_close(names["preprocess"](raw.numpy()), (raw.movedim(-1, 1) - 0.5) / 2)
    if one.input[0] == 1:
        assert torch.equal(names["preprocess"](raw[..., 0]), names["preprocess"](raw))
    with pytest.raises(ValueError, match="expected images of shape"):
        names["preprocess"](torch.zeros(4, 7))


def test_sources_are_formatted_and_need_nothing_of_ours(tmp_path: Path) -> None:
    for name, one in NETWORKS.items():
        text, _ = written(one)
        (tmp_path / f"{name.replace(' ', '_').replace(',', '')}.py").write_text(text)
        assert "archstudy" not in text
        assert "worker" not in text
        assert ("class Parallel" in text) == ("Parallel(" in text.partition("def build")[2])
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(tmp_path)]
    for command in (["check", "--ignore", "N999"], ["format", "--check", "--diff"]):
        ruff = subprocess.run(
            [Path(sys.executable).with_name("ruff"), *command, *config], capture_output=True, text=True
        )
        assert ruff.returncode == 0, ruff.stdout + ruff.stderr


@pytest.mark.parametrize("name", ["lenet of 1998", "decoder", "pools with odd padding"])
def test_exported_programs_take_any_batch(name: str) -> None:
    model, free = ready(NETWORKS[name]), {0: torch.export.Dim("batch", min=2)}
    program = torch.export.export(model, (torch.randn(3, *NETWORKS[name].input),), dynamic_shapes=(free,)).module()
    x = torch.randn(5, *NETWORKS[name].input)
    torch.testing.assert_close(program(x), model(x), rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", ["max", "average"])
def test_odd_padding_is_torchs_where_both_can_do_it(kind: str) -> None:
    x = torch.randn(2, 3, 7, 7)
    theirs: nn.Module = nn.MaxPool2d(3, 2, 1) if kind == "max" else nn.AvgPool2d(3, 2, 1, count_include_pad=False)
    ours = layers.PaddedMaxPool if kind == "max" else layers.PaddedAvgPool
    inner = nn.MaxPool2d(3, 2) if kind == "max" else nn.AvgPool2d(3, 2)
    torch.testing.assert_close(ours((1, 1, 1, 1), inner)(x), theirs(x))


def test_odd_padding_is_after() -> None:
    layer = build.made(calls.Call("PaddedConv1d", (1, 1, 2), {"pads": (0, 1), "bias": False}))
    layer.weight.data.copy_(torch.tensor([[[1.0, 10.0]]]))
    assert layer(torch.tensor([[[1.0, 2.0, 3.0]]])).tolist() == [[[21.0, 32.0, 3.0]]]


def test_first_weights_are_paired_by_name_shape_and_seed() -> None:
    plain = {"block": "plain", "width": 8, "repeat": 2}
    deep = [plain, {"block": "plain", "width": 8, "repeat": 3}]
    shallow, deeper = (
        ready(lower(Blueprint.model_validate({"stages": stages}), (3, 9, 9), 4), 1) for stages in ([plain], deep)
    )
    mine, other = shallow.state_dict(), deeper.state_dict()
    shared = [key for key in mine if key in other and mine[key].dim() > 1]
    assert len(shared) >= 3
    assert all(torch.equal(mine[key], other[key]) for key in shared)
    seeds = [ready(NETWORKS["lenet"], seed).state_dict()["out.weight"] for seed in (1, 1, 2)]
    assert torch.equal(seeds[0], seeds[1])
    assert not torch.equal(seeds[0], seeds[2])


def test_first_weights_have_the_documented_spread() -> None:
    model = build.module(
        network(seq(a=conv(64, 3, 3, groups=1), b=conv(64, 3, 3, groups=4), f=Flatten(), out=Linear(50)))
    )
    initialize(model, 0)
    weights = dict(model.named_parameters())
    assert weights["a.weight"].std().item() == pytest.approx((2 / 27) ** 0.5, rel=0.05)
    assert weights["b.weight"].std().item() == pytest.approx((2 / (16 * 9)) ** 0.5, rel=0.05)
    assert weights["out.weight"].std().item() == pytest.approx((1 / (64 * 81)) ** 0.5, rel=0.05)
    assert weights["a.bias"].abs().max() == 0


def test_first_weights_do_not_touch_the_global_generator() -> None:
    model = build.module(NETWORKS["lenet"])
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    initialize(model, 0)
    assert torch.equal(torch.rand(1), expected)


def test_dropout_draws_from_its_own_generator() -> None:
    layer, x = layers.Dropout(0.25), torch.ones(1000)
    draws = []
    for seed in (1, 1, 2):
        layer.generator = build.generator(seed, "dropout")
        draws.append(layer(x))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert sorted(set(draws[0].tolist())) == pytest.approx([0, 4 / 3])
    assert draws[0].mean().item() == pytest.approx(1, abs=0.1)
    assert layer.eval()(x) is x


@pytest.mark.parametrize("channels", [1, 3])
def test_a_norm_over_the_data_itself_does_not_end_the_process(channels: int) -> None:
    """Torch 2.13 on a CPU crashes in the backward pass of a group norm over a channels-last input without gradient."""
    stage = {"block": "raw", "nodes": [{"node": "norm", "kind": "layer"}, {"node": "conv", "out": 4, "kernel": 3}]}
    blueprint = Blueprint.model_validate({"stages": [stage], "head": {"pool": "average"}})
    model = build.module(lower(blueprint, (channels, 12, 9), 2))
    x = torch.randn(4, channels, 12, 9).contiguous(memory_format=torch.channels_last)
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
