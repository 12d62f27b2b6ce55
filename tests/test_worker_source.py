"""model.py: alone, the same network under the same names, formatted, and as short as one would write it by hand."""

import json
import random
import re
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from searchspace.core import (
    Activation,
    Auxiliary,
    Conv,
    Dropout,
    Flatten,
    GlobalPool,
    Identity,
    Linear,
    Network,
    Node,
    Norm,
    PadChannels,
    Parallel,
    Pool,
    Sequence,
    Within,
    same_padding,
)
from searchspace.cost import trace
from worker import build
from worker.inputs import Transform
from worker.source import source
from worker.training.initial import initialize

ROOT = Path(__file__).parents[1]
RELU, NORM, MEAN = Activation("relu"), Norm("batch"), GlobalPool("average")
INCEPTIONS = [
    [(64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)],
    [(192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64)],
    [(112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)],
]


pytestmark = pytest.mark.usefixtures("one_thread")


def conv(out: int, kernel: int = 3, stride: int = 1, **more: Any) -> Conv:
    size = (kernel, kernel)
    return Conv(out, size, (stride,) * 2, same_padding(size, (1, 1)), (1, 1), **{"bias": False, **more})


def pool(kernel: int, stride: int, before: int = 0, kind: Any = "max") -> Pool:
    return Pool(kind, (kernel,) * 2, (stride,) * 2, ((before, before),) * 2)


def seq(**items: Node) -> Sequence:
    return Sequence(tuple(items.items()))


def numbered(*items: Node) -> Sequence:
    return Sequence(tuple((str(number), item) for number, item in enumerate(items)))


def merged(how: Any, **branches: Node) -> Parallel:
    return Parallel(tuple(branches.items()), how)


def head(outputs: int = 10) -> Sequence:
    return seq(pool=MEAN, drop=Dropout(0.0), fc=Linear(outputs))


def unit(out: int, kernel: int = 3, stride: int = 1) -> Sequence:
    return seq(conv=conv(out, kernel, stride), norm=NORM, act=RELU)


def bottleneck(inputs: int, width: int, stride: int) -> Parallel:
    body = seq(
        **{"conv1": conv(width, 1), "norm1": NORM, "act1": RELU},
        **{"conv2": conv(width, 3, stride), "norm2": NORM, "act2": RELU},
        **{"conv3": conv(4 * width, 1), "norm3": NORM},
    )
    same = inputs == 4 * width and stride == 1
    return merged("add", body=body, shortcut=Identity() if same else seq(conv=conv(4 * width, 1, stride), norm=NORM))


def resnet(width: int = 4, depths: tuple[int, ...] = (3, 4, 6, 3), flat: bool = False) -> Network:
    """ResNet-50 at width 64; the activation after each sum stands in the block, or, `flat`, beside it."""
    inputs, stages = width, []
    for number, depth in enumerate(depths):
        items: dict[str, Node] = {}
        for n in range(1, depth + 1):
            total = bottleneck(inputs, width << number, 2 if n == 1 and number else 1)
            items |= {f"block{n}": total, f"act{n}": RELU} if flat else {f"block{n}": seq(sum=total, act=RELU)}
            inputs = 4 * (width << number)
        stages.append(seq(**items))
    stem = seq(conv=conv(width, 7, 2), norm=NORM, act=RELU, pool=pool(3, 2, 1))
    return Network((3, 32, 32), seq(stem=stem, stages=numbered(*stages), head=head(1000)))


def inception(*widths: int) -> Parallel:
    a, b, c, d, e, f = widths
    return merged(
        "concat",
        branch1=unit(a, 1),
        branch2=numbered(unit(b, 1), unit(c)),
        branch3=numbered(unit(d, 1), unit(e, 5)),
        branch4=seq(pool=pool(3, 1, 1), unit=unit(f, 1)),
    )


def googlenet(part: int = 8) -> Network:
    stages = [
        seq(**{f"block{n}": inception(*(one // part for one in widths)) for n, widths in enumerate(stage, 1)})
        for stage in INCEPTIONS
    ]
    stem = seq(unit1=unit(64 // part, 7, 2), pool1=pool(3, 2, 1), unit2=unit(64 // part, 1), unit3=unit(192 // part))
    return Network((3, 32, 32), seq(stem=stem, stages=numbered(*stages), head=head()))


def dense_layer(growth: int) -> Parallel:
    first = {"norm1": NORM, "act1": RELU, "conv1": conv(4 * growth, 1)}
    return merged("concat", input=Identity(), body=seq(**first, **{"norm2": NORM, "act2": RELU, "conv2": conv(growth)}))


def densenet(growth: int = 4, depths: tuple[int, ...] = (6, 12, 24, 16)) -> Network:
    """DenseNet-121 at growth 32."""
    stages, channels = [], 2 * growth
    for number, depth in enumerate(depths):
        items: dict[str, Node] = {f"layer{n}": dense_layer(growth) for n in range(1, depth + 1)}
        channels = (channels + depth * growth) // 2
        if number + 1 < len(depths):
            items["transition"] = seq(norm=NORM, act=RELU, conv=conv(channels, 1), pool=pool(2, 2, kind="average"))
        stages.append(seq(**items))
    stem = seq(conv=conv(2 * growth, 7, 2), norm=NORM, act=RELU)
    return Network((3, 32, 32), seq(stem=stem, stages=numbered(*stages), norm=NORM, act=RELU, head=head()))


def separable(inputs: int, out: int, stride: int) -> Sequence:
    first = {"depthwise": conv(inputs, 3, stride, groups=inputs), "norm1": NORM, "act1": RELU}
    return seq(**first, **{"pointwise": conv(out, 1), "norm2": NORM, "act2": RELU})


def mobilenet() -> Network:
    widths = [8, 16, 32, 32, 64, 64, *[128] * 6]
    pairs = list(pairwise(widths))
    blocks = {f"block{n}": separable(a, b, 1 + (n % 2 == 0 and a < b)) for n, (a, b) in enumerate(pairs, 1)}
    return Network((3, 32, 32), seq(stem=unit(8, 3, 2), stages=numbered(seq(**blocks)), head=head()))


def vgg(width: int = 4) -> Network:
    """VGG-16 at width 64: conv1, act1, conv2, act2, ..., pool."""
    stages = []
    for depth, factor in zip((2, 2, 3, 3, 3), (1, 2, 4, 8, 8), strict=True):
        pairs = [
            (f"{kind}{n}", node)
            for n in range(1, depth + 1)
            for kind, node in (("conv", conv(width * factor, bias=True)), ("act", RELU))
        ]
        stages.append(seq(**dict(pairs), pool=pool(2, 2)))
    hidden = seq(flat=Flatten(), fc1=Linear(8), act1=RELU, drop1=Dropout(0.0), fc2=Linear(8), act2=RELU, fc=Linear(10))
    return Network((3, 32, 32), seq(stages=numbered(*stages), head=hidden))


def detours() -> Network:
    """Shortcuts that are there or not, with a width of their own, and one kind of block in several lengths."""
    blocks: dict[str, Node] = {}
    for n, (width, detour) in enumerate([(4, 0), (4, 2), (8, 6), (8, 0), (8, 0), (16, 2)], 1):
        away = seq(conv1=conv(detour, 1), conv2=conv(width, 1)) if detour else Identity()
        body = seq(conv1=conv(8), act=RELU, conv2=conv(width))
        before: dict[str, Node] = {"enter": conv(width, 1)} if width == 16 else {}
        long = {"a_stage_whose_name_is_quite_long_indeed": conv(width), "another_with_as_long_a_name_as_that": RELU}
        blocks[f"block{n}"] = seq(**before, total=merged("add", body=body, shortcut=away), **long)
        if width != 16 and n in (2, 5):
            blocks[f"wider{n}"] = conv(2 * width, 1)
    return Network((3, 8, 8), seq(stem=conv(4), blocks=seq(**blocks), head=head()))


def volumes() -> Network:
    """Three axes, even kernels, and convolutions whose kernels differ per axis."""
    cube, flat, tall = (2, 2, 2), (1, 3, 3), (3, 1, 1)
    blocks = {
        f"block{n}": seq(
            **{
                f"conv{m}": Conv(width, k, (1,) * 3, same_padding(k, (1,) * 3), (1,) * 3) for m, k in enumerate(kernels)
            },
            **{"norm": Norm("instance"), "act": Activation("leaky_relu", 0.1)},
        )
        for n, (width, *kernels) in enumerate([(4, cube, flat, tall), (4, cube, tall, flat), (6, cube, flat, flat)])
    }
    return Network((3, 4, 4, 4), seq(**blocks, head=head()))


def odd() -> Network:
    """What is no Python name, branches of unlike kinds, switches, an auxiliary head, and a branch that is spread."""
    gate = seq(
        pool=GlobalPool("average", keep=True), down=conv(2, 1), act=RELU, up=conv(8, 1), gate=Activation("sigmoid")
    )
    names: dict[str, Node] = {"1x1": conv(4, 1), "class": conv(4), "3-x": seq(**{"conv 1": conv(4), "2": NORM})}
    root = seq(
        **{"stem": conv(8), "squeeze": merged("multiply", input=Identity(), gate=gate)},
        spread=merged("concat", map=conv(4), point=seq(pool=GlobalPool("max", keep=True), conv=conv(2, 1))),
        within=Within(pool(2, 2), seq(conv1=conv(6), conv2=conv(6))),
        padded=merged("add", body=conv(9), shortcut=PadChannels(1, 2)),
        names=merged("concat", **names),
        total=merged("add", **{f"a_branch_with_quite_a_long_name_{n}": conv(12, 1) for n in range(1, 5)}),
        side=Auxiliary(head(), 0.3),
        many=merged("concat", **{f"a_branch_with_quite_a_long_name_{n}": conv(2, 1) for n in range(1, 5)}),
        nothing=numbered(),
        head=head(),
    )
    return Network((3, 8, 8), root)


def branch(draw: random.Random, out: int, deep: int) -> Node:
    """Something from `out` channels to `out` channels that keeps the map."""
    kind = draw.choice(["unit", "bare", "numbers", "sum", "gate", "triples", "stack", "flat"][: 8 if deep else 3])
    kernel = draw.choice([1, 2, 3, 5])
    if kind == "unit":
        return unit(out, kernel)
    if kind == "bare":
        return conv(out, kernel, groups=draw.choice([1, 2]), bias=draw.random() < 0.5)
    if kind == "numbers":
        return numbered(conv(draw.choice([2, 4]), kernel), Norm("group", 2), Activation("prelu"), conv(out, 1))
    if kind in {"sum", "gate"}:
        short = draw.choice([Identity(), conv(out, 1), seq(conv=conv(out, 1), norm=NORM), Dropout(0.0)])
        return merged("add" if kind == "sum" else "multiply", body=branch(draw, out, deep - 1), shortcut=short)
    if kind == "triples":
        return seq(**{f"{key}{n}": one for n in range(1, 4) for key, one in (("conv", conv(out)), ("act", RELU))})
    block = branch(draw, out, deep - 1)
    if kind == "flat":
        return seq(**{f"{key}{n}": one for n in range(1, 3) for key, one in (("block", block), ("act", RELU))})
    return seq(
        **{f"block{n}": draw.choice([block, branch(draw, out, deep - 1)]) for n in range(draw.choice([0, 1, 2]), 5)}
    )


def drawn(seed: int) -> Network:
    """A random tree; the same few widths and kinds come again and again, so that there is something to share."""
    draw = random.Random(seed)
    stages: list[Node] = []
    for _ in range(draw.randint(1, 4)):
        width = draw.choice([4, 8, 12])
        body = [(f"layer{n}", branch(draw, width, draw.randint(0, 3))) for n in range(1, draw.randint(2, 6))]
        stages.append(Sequence((("enter", conv(width, 1)), *body)))
        if draw.random() < 0.4:
            keys = draw.sample(["a", "b", "1x1", "in", "0"], 3)
            stages.append(Parallel(tuple((key, branch(draw, width, 2)) for key in keys), "concat"))
    return Network((3, 6, 6), seq(stem=conv(4), stages=numbered(*stages), head=head()))


NETWORKS = {
    "resnet": resnet(),
    "resnet_flat": resnet(flat=True),
    "resnet_18": resnet(depths=(2, 2, 2, 2)),
    "googlenet": googlenet(),
    "densenet": densenet(),
    "mobilenet": mobilenet(),
    "vgg": vgg(),
    "detours": detours(),
    "volumes": volumes(),
    "odd": odd(),
    **{f"drawn_{seed}": drawn(seed) for seed in range(30)},
}
FULL = {"resnet_50": resnet(64), "googlenet_full": googlenet(1), "densenet_121": densenet(32), "vgg_16": vgg(64)}
every_network = pytest.mark.parametrize("name", NETWORKS)


def text_of(one: Network) -> str:
    return source(one, Transform("standardized", (0.5,) * 3, (2.0,) * 3), ("cat", "dog"), "A network.")


@cache
def text(name: str) -> str:
    return text_of((NETWORKS | FULL)[name])


def built(name: str) -> tuple[nn.Module, nn.Module]:
    """Our module with random weights and seen norms, and the text's with the same, in float64."""
    ours = build.module(NETWORKS[name])
    initialize(ours, 0)
    ours(torch.randn(4, *NETWORKS[name].input, generator=build.generator(0, "warm")))
    names: dict[str, Any] = {"__name__": "model"}
    exec(text(name), names)
    theirs = names["build"]()
    assert {key: value.shape for key, value in theirs.state_dict().items()} == {
        key: value.shape for key, value in ours.state_dict().items()
    }
    assert list(theirs.state_dict()) == list(ours.state_dict())
    theirs.load_state_dict(ours.state_dict())
    return ours.double(), theirs.double()


def first(out: Any) -> torch.Tensor:
    """A max pool with switches gives them too."""
    return out[0] if isinstance(out, tuple) else out


@torch.no_grad()
def tapped(model: nn.Module, one: Network, training: bool) -> dict[str, torch.Tensor]:
    """The output of every layer that the trace lists, and of the whole."""
    seen: dict[str, torch.Tensor] = {}
    for layer in trace(one):
        hook = lambda _, __, out, name=layer.name: seen.__setitem__(name, first(out))  # noqa: E731
        model.get_submodule(layer.name).register_forward_hook(hook)
    x = torch.randn(4, *one.input, generator=build.generator(1, "x"), dtype=torch.float64)
    return {"": model.train(training)(x), **seen}


@every_network
@pytest.mark.parametrize("training", [False, True])
def test_the_text_is_the_same_network_at_every_tap(name: str, training: bool) -> None:
    ours, theirs = built(name)
    wanted, got = (tapped(model, NETWORKS[name], training) for model in (ours, theirs))
    absent = {layer.name for layer in trace(NETWORKS[name])} - set(got)
    assert list(got) == list(wanted)
    assert not absent or (not training and all(one.startswith("side.") for one in absent))
    for key, value in wanted.items():
        torch.testing.assert_close(
            got[key], value, rtol=1e-12, atol=1e-12 * max(1.0, float(value.abs().max())), msg=key
        )
    for key, value in ours.state_dict().items():
        torch.testing.assert_close(theirs.state_dict()[key], value, rtol=1e-12, atol=1e-12, msg=key)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sources")
    for name in NETWORKS | FULL:
        (target / f"{name}.py").write_text(text(name), encoding="utf-8")
    return target


@pytest.mark.parametrize("command", [["check"], ["format", "--check", "--diff"]], ids=["check", "format"])
def test_the_texts_are_formatted(folder: Path, command: list[str]) -> None:
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", str(folder)]
    ignored = ["--ignore", "N999"] if command == ["check"] else []
    ruff = [str(Path(sys.executable).with_name("ruff")), *command, *ignored, *config]
    done = subprocess.run(ruff, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_texts_need_torch_and_safetensors_only(folder: Path) -> None:
    script = (
        "import json, runpy, sys; from pathlib import Path\n"
        "made = {one.stem: runpy.run_path(str(one))['build']() for one in Path('.').glob('*[!0-9].py')}\n"
        "assert not {'worker', 'searchspace', 'studies', 'pydantic'} & set(sys.modules)\n"
        "print(json.dumps({name: list(model.state_dict()) for name, model in made.items()}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    keys = json.loads(done.stdout)
    assert {"resnet", "odd"} < set(keys)
    assert keys["odd"] == list(build.module(NETWORKS["odd"]).state_dict())


@pytest.mark.parametrize("name", ["resnet", "odd", "drawn_0"])
def test_the_text_is_always_the_same(name: str) -> None:
    assert text_of(NETWORKS[name]) == text(name)


@pytest.mark.parametrize(
    ("name", "blocks", "lines"),
    [
        ("resnet_50", ["Bottleneck"], 115),
        ("googlenet_full", ["ConvNormReLU", "InceptionModule"], 130),
        ("densenet_121", ["Transition", "DenseLayer"], 115),
        ("mobilenet", ["SeparableConv"], 105),
        ("vgg_16", [], 90),
    ],
)
def test_a_classic_is_as_short_as_by_hand(name: str, blocks: list[str], lines: int) -> None:
    found = [one for one in re.findall(r"^class (\w+)", text(name), re.MULTILINE) if one != "GlobalPool"]
    assert found == blocks
    assert len(text(name).splitlines()) <= lines


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "resnet_50",
            "def __init__(self, in_channels: int, width: int, stride: int = 1, project: bool = False) -> None:",
        ),
        ("resnet_50", "conv3=nn.Conv2d(width, 4 * width, 1, bias=False),"),
        ("resnet_50", "        return self.body(x) + self.shortcut(x)"),
        ("resnet_50", '**{f"block{n}": sequence(sum=Bottleneck(1024, 256), act=nn.ReLU()) for n in range(2, 7)},'),
        ("densenet_121", '{f"layer{n}": DenseLayer(32 + 32 * n) for n in range(1, 7)}, transition=Transition(256)'),
        ("googlenet_full", "block1=InceptionModule(192, 64, 96, 128, 16, 32, 32),"),
        ("googlenet_full", "nn.Conv2d(in_channels, channels, kernel, stride=stride, padding=kernel // 2, bias=False)"),
        ("vgg_16", "sequence(**conv_act(1, 3, 64), **conv_act(2, 64, 64), pool=nn.MaxPool2d(2)),"),
        ("odd", 'self.get_submodule("1x1")(x)'),
        ("detours", "def __init__(self, channels: int, width: int = 2, project: bool = False) -> None:"),
        ("odd", "class SqueezeExcite(nn.Module):"),
    ],
)
def test_a_classic_reads_as_by_hand(name: str, line: str) -> None:
    assert line in text(name)
