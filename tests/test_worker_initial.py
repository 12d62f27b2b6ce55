"""First weights: the spread of each rule, right angles, identities, branches that begin silent, first filters."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from searchspace.blueprint import Blueprint
from searchspace.core import (
    Activation,
    Conv,
    Flatten,
    GlobalPool,
    Linear,
    Local,
    Network,
    Node,
    Norm,
    Sequence,
    TransposedConv,
    same_padding,
)
from searchspace.lower import lower
from worker import build, layers
from worker.recipe.initial import FirstFilters, Initial
from worker.training.initial import first_convolution, initialize, residual_ends

pytestmark = pytest.mark.usefixtures("one_thread")


def conv(out: int, *kernel: int, stride: int = 1, **more: Any) -> Conv:
    return Conv(
        out, kernel, (stride,) * len(kernel), same_padding(kernel, (1,) * len(kernel)), (1,) * len(kernel), **more
    )


def model(spec: Initial | None = None, input_: tuple[int, ...] = (16, 9, 9), seed: int = 0, **nodes: Node) -> nn.Module:
    made = build.module(Network(input_, Sequence(tuple(nodes.items()))))
    initialize(made, seed, spec)
    return made


def of_blueprint(spec: Initial | None = None, images: Tensor | None = None, **stage: Any) -> nn.Module:
    blueprint = {"stages": [{"norm": "batch", **stage}], "head": {"pool": "average", "hidden": []}}
    made = build.module(lower(Blueprint.model_validate(blueprint), (3, 8, 8), 10))
    initialize(made, 0, spec, None if images is None else lambda: images)
    return made


MIXED: dict[str, Node] = {
    "plain": conv(64, 3, 3),
    "grouped": conv(64, 3, 3, groups=4),
    "even": conv(32, 2, 4, stride=2),
    "back": TransposedConv(48, (4, 4), (2, 2), ((1, 1), (1, 1)), (0, 0), (1, 1)),
    "flat": Flatten(),
    "out": Linear(60),
}
FAN_IN = {"plain": 16 * 9, "grouped": 16 * 9, "even": 64 * 8, "back": 32 * 16 / 4, "out": 48 * 100}
FAN_OUT = {"plain": 64 * 9, "grouped": 16 * 9, "even": 32 * 8, "back": 48 * 16, "out": 60}
TORCH_FAN_IN = FAN_IN | {"back": 48 * 16}


def variances(name: str) -> dict[str, float]:
    match name:
        case "he" | "orthogonal":
            return {key: (1 if key == "out" else 2) / fan for key, fan in FAN_IN.items()}
        case "xavier":
            return {key: 2 / (fan + FAN_OUT[key]) for key, fan in FAN_IN.items()}
    return {key: 1 / 3 / fan for key, fan in TORCH_FAN_IN.items()}


@pytest.mark.parametrize("gain", [1.0, 0.5])
@pytest.mark.parametrize("kind", ["he", "xavier", "orthogonal", "torch"])
def test_weights_have_the_variance_of_their_rule(kind: str, gain: float) -> None:
    made = model(Initial(kind=kind, gain=gain), **MIXED)
    for name, variance in variances(kind).items():
        weight = made.get_parameter(f"{name}.weight")
        assert weight.square().mean().item() == pytest.approx(gain**2 * variance, rel=0.06), name
        assert abs(weight.mean().item()) < 0.1 * gain * math.sqrt(variance), name
        bias = made.get_parameter(f"{name}.bias")
        assert (bias.abs().max().item() > 0) == (kind == "torch")


@pytest.mark.parametrize("kind", ["xavier", "torch"])
def test_uniform_rules_stay_within_their_bounds(kind: str) -> None:
    made = model(Initial(kind=kind), **MIXED)
    for name, variance in variances(kind).items():
        largest = made.get_parameter(f"{name}.weight").abs().max().item()
        assert 0.95 * math.sqrt(3 * variance) < largest <= math.sqrt(3 * variance) * (1 + 1e-6)


def test_torchs_rule_has_the_bounds_of_torchs_own_layers() -> None:
    network = Network((16, 9, 9), Sequence(tuple(MIXED.items())))
    theirs, ours = build.module(network), build.module(network)
    initialize(ours, 0, Initial(kind="torch"))
    for (name, one), other in zip(theirs.named_parameters(), ours.parameters(), strict=True):
        size = 0.9 if one.numel() > 500 else 0.5
        assert other.abs().max().item() == pytest.approx(one.abs().max().item(), rel=1 - size), name
        assert not torch.equal(one, other)


def test_he_is_what_it_always_was() -> None:
    weight = model(**MIXED).get_parameter("plain.weight")
    drawn = torch.empty(weight.shape).normal_(generator=build.generator(0, "plain.weight"))
    assert torch.equal(weight, drawn * math.sqrt(2 / 144))
    assert weight.flatten()[:3].tolist() == pytest.approx(PINNED, rel=1e-5)


PINNED = [-0.20501040, 0.00743004, -0.12250356]


@pytest.mark.parametrize("kind", ["he", "xavier", "orthogonal", "dirac", "torch"])
def test_a_tensors_values_depend_on_seed_and_name_alone(kind: str) -> None:
    spec = Initial(kind=kind)
    one, other = (
        model(spec, (16, 9, 9), seed, **before, plain=conv(64, 3, 3), flat=Flatten(), out=Linear(4))
        for seed, before in ((1, {}), (1, {"more": conv(16, 3, 3)}))
    )
    later = model(spec, seed=2, plain=conv(64, 3, 3), flat=Flatten(), out=Linear(4))
    for name in ("plain.weight", "out.weight", "plain.bias"):
        assert torch.equal(one.get_parameter(name), other.get_parameter(name))
    assert not torch.equal(one.get_parameter("out.weight"), later.get_parameter("out.weight"))
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    initialize(one, 0, spec)
    assert torch.equal(torch.rand(1), expected)


def right_angles(rows: Tensor) -> Tensor:
    """The Gram matrix over the mean of its diagonal: the identity for rows at right angles and of one length."""
    gram = rows.double() @ rows.double().T
    return gram / gram.diagonal().mean()


def test_orthogonal_filters_stand_at_right_angles() -> None:
    made = model(Initial(kind="orthogonal"), **MIXED)
    plain, even, out = (made.get_parameter(f"{name}.weight").flatten(1) for name in ("plain", "even", "out"))
    for rows in (plain, even, out, *made.get_parameter("grouped.weight").flatten(1).chunk(4)):
        torch.testing.assert_close(right_angles(rows), torch.eye(len(rows), dtype=torch.float64), atol=1e-5, rtol=0)
    wide = model(Initial(kind="orthogonal"), (2, 4, 4), a=conv(40, 3, 3)).get_parameter("a.weight").flatten(1)
    torch.testing.assert_close(right_angles(wide.T), torch.eye(18, dtype=torch.float64), atol=1e-5, rtol=0)


def test_each_position_of_an_unshared_convolution_has_right_angles_of_its_own() -> None:
    local = Local(5, (3, 3), (1, 1), ((0, 0), (0, 0)))
    weight = model(Initial(kind="orthogonal"), (2, 5, 5), a=local).get_parameter("a.weight")
    assert weight.shape == (9, 5, 18)
    for rows in weight:
        torch.testing.assert_close(right_angles(rows), torch.eye(5, dtype=torch.float64), atol=1e-5, rtol=0)
    assert not torch.equal(weight[0], weight[1])


@pytest.mark.parametrize(
    "node",
    [conv(6, 3, 3), conv(6, 5, 1), conv(6, 2, 4), conv(6, 3, 3, groups=6), conv(6, 3, 3, groups=2), conv(9, 3, 3)],
    ids=lambda node: f"{node.out}x{node.kernel}/{node.groups}",
)
def test_dirac_convolutions_are_the_identity(node: Conv) -> None:
    made = model(Initial(kind="dirac"), (6, 7, 7), a=node, b=conv(6, 3, 3))
    x = torch.randn(4, 6, 7, 7, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(made(x), x)


@pytest.mark.parametrize("axes", [1, 3])
def test_dirac_in_other_dimensions(axes: int) -> None:
    made = model(Initial(kind="dirac", gain=0.5), (4, *[5] * axes), a=conv(4, *[3] * axes))
    x = torch.randn(2, 4, *[5] * axes, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(made(x), 0.5 * x)


def test_dirac_draws_what_it_does_not_pass_on() -> None:
    made, he = (
        model(Initial(kind=kind), (3, 7, 7), a=conv(9, 3, 3), f=Flatten(), o=Linear(5)) for kind in ("dirac", "he")
    )
    assert torch.equal(made.get_parameter("a.weight")[3:], he.get_parameter("a.weight")[3:])
    assert torch.equal(made.get_parameter("o.weight"), he.get_parameter("o.weight"))


def spread_after(layers_: int, spec: Initial) -> float:
    """The mean square behind so many plain convolutions with ReLU, of inputs with a mean square of 1."""
    nodes: dict[str, Node] = {}
    for number in range(layers_):
        nodes |= {f"conv{number}": conv(128, 3, 3), f"relu{number}": Activation("relu")}
    made = model(spec, (128, 4, 4), **nodes)
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d):
            layer.padding_mode, layer._reversed_padding_repeated_twice = "circular", [1, 1, 1, 1]  # zeros would dampen
    x = torch.randn(8, 128, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return float(made(x).square().mean())


@pytest.mark.parametrize("kind", ["he", "orthogonal"])
def test_thirty_layers_keep_the_variance_and_lose_it_with_another_gain(kind: str) -> None:
    kept = spread_after(30, Initial(kind=kind))
    assert 0.1 < kept < 10
    assert spread_after(30, Initial(kind=kind, gain=math.sqrt(0.5))) == pytest.approx(kept / 2**30, rel=1e-3)
    assert spread_after(30, Initial(kind=kind, gain=1.4)) == pytest.approx(kept * 1.4**60, rel=1e-3)


def test_torchs_rule_loses_the_variance() -> None:
    assert spread_after(30, Initial(kind="torch")) < 0.01


RESIDUAL = {
    "post": {"order": "post_activation"},
    "bottleneck": {"kernels": [1, 3, 1], "reduce": 4},
    "gated": {"squeeze_excite": 4},
    "dropout": {"dropout": 0.2},
    "pre": {"order": "pre_activation"},
    "norm after": {"order": "norm_after_addition"},
    "activation first": {"order": "activation_first"},
    "no norm": {"norm": None},
}


@pytest.mark.parametrize("name", RESIDUAL)
def test_silent_branches_leave_the_shortcut_alone_and_learn(name: str) -> None:
    made = of_blueprint(Initial(zero_gamma=True), block="residual", width=12, repeat=2, **RESIDUAL[name])
    sums = [layer for layer in made.modules() if isinstance(layer, layers.Parallel) and layer.how == "add"]
    assert len(residual_ends(made)) == len(sums) == 2
    x = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    seen: list[Tensor] = []
    for one in sums:
        one.get_submodule("body").register_forward_hook(lambda _, __, out: seen.append(out))
    made(x).square().sum().backward()
    assert [branch.abs().max().item() for branch in seen] == [0, 0]
    for end in residual_ends(made):
        gradient = end.get_parameter("weight").grad
        assert gradient is not None
        assert gradient.abs().max() > 0, "it must be able to wake up"


def test_a_silent_block_is_the_identity() -> None:
    made = of_blueprint(Initial(zero_gamma=True), block="residual", width=3, order="pre_activation")
    x = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    (block,) = (layer for layer in made.modules() if isinstance(layer, layers.Parallel))
    assert torch.equal(block(x), x)


def test_without_zero_gamma_branches_speak() -> None:
    made = of_blueprint(block="residual", width=12)
    assert all(end.get_parameter("weight").abs().min() > 0 for end in residual_ends(made))


@pytest.mark.parametrize(
    "stage",
    [
        {"block": "plain", "width": 8, "repeat": 3},
        {"block": "residual", "width": 8, "order": "activation_before_addition"},
    ],
    ids=["no sum", "ends in an activation"],
)
def test_what_could_never_learn_is_left_alone(stage: dict[str, Any]) -> None:
    assert residual_ends(of_blueprint(**stage)) == []


def test_a_sum_of_equals_is_not_residual() -> None:
    branches = {"a": nn.Conv2d(3, 3, 1), "b": nn.Conv2d(3, 3, 1)}
    assert residual_ends(layers.Parallel("add", **branches)) == []
    unnamed = layers.Parallel("add", skip=nn.Identity(), **branches)
    assert residual_ends(unnamed) == list(branches.values())


def images(n: int = 500, size: int = 8) -> Tensor:
    """Smooth pictures of three channels, of variance 1: a random walk over both axes, of mixed colours."""
    drawn = torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(7)).cumsum(2).cumsum(3)
    mixed = torch.einsum("nchw,dc->ndhw", drawn, torch.tensor([[1.0, 0.5, 0.2], [0.5, 1, 0.5], [0.2, 0.5, 1]]))
    return (mixed - mixed.mean((0, 2, 3), keepdim=True)) / mixed.std((0, 2, 3), keepdim=True)


def first(spec: FirstFilters, width: int = 40, seed: int = 0, **more: Any) -> Tensor:
    made = build.module(lower(Blueprint.model_validate(plain(width, **more)), (3, 8, 8), 10))
    initialize(made, seed, Initial(first=spec), images)
    return first_convolution(made)[1].weight.detach()


def plain(width: int = 40, **more: Any) -> dict[str, Any]:
    return {"stages": [{"block": "plain", "width": width, "norm": "batch", **more}], "head": {"pool": "average"}}


def test_pca_filters_stand_at_right_angles_in_the_order_of_variance() -> None:
    spec = FirstFilters(kind="pca")
    weight, drawn = first(spec), first_convolution(of_blueprint(block="plain", width=40))[1].weight
    filters, rest = weight[:27].flatten(1), weight[27:]
    torch.testing.assert_close(right_angles(filters), torch.eye(27, dtype=torch.float64), atol=1e-5, rtol=0)
    answers = nn.functional.conv2d(images(), weight[:27]).var((0, 2, 3))
    assert answers[0] > 100 * answers[-1]
    assert (answers[1:8] < 1.02 * answers[:7]).all()
    assert torch.equal(rest, drawn[27:])
    assert weight[:27].square().mean().item() == pytest.approx(2 / 27, rel=1e-5)
    assert torch.equal(first(spec), weight)
    assert not torch.equal(first(spec, seed=1), weight)


def test_fewer_filters_are_the_first_components() -> None:
    assert torch.allclose(first(FirstFilters(kind="pca"), 5), first(FirstFilters(kind="pca"))[:5], atol=1e-6)


@pytest.mark.parametrize("size", [(12,), (5, 4, 6)], ids=str)
@pytest.mark.parametrize("kind", ["pca", "kmeans"])
def test_first_filters_of_series_and_volumes(kind: str, size: tuple[int, ...]) -> None:
    made = build.module(Network((2, *size), Sequence((("a", conv(5, *[3] * len(size))),))))
    some = torch.randn(50, 2, *size, generator=torch.Generator().manual_seed(0))
    initialize(made, 0, Initial(first=FirstFilters(kind=kind, patches=500), gain=3), lambda: some)
    weight = made.get_parameter("a.weight")
    fan_in = 2 * 3 ** len(size)
    assert weight.square().mean().item() == pytest.approx(9 * 2 / fan_in, rel=1e-5)


def test_patches_are_windows_of_the_images() -> None:
    from worker.training.filters import patches

    some = torch.arange(2 * 3 * 6 * 5.0).reshape(2, 3, 6, 5)
    source = torch.Generator().manual_seed(0)
    found = patches(some, torch.Size((4, 3, 3, 2)), 400, "a", source)
    places = {
        tuple(some[image, :, row : row + 3, column : column + 2].flatten().tolist())
        for image in range(2)
        for row in range(4)
        for column in range(4)
    }
    assert {tuple(patch.flatten().tolist()) for patch in found} == places, "any window, and nothing else"


def test_kmeans_filters_find_the_clusters() -> None:
    weight = first(FirstFilters(kind="kmeans"), 16).flatten(1)
    assert weight.square().mean().item() == pytest.approx(2 / 27, rel=1e-5)
    assert (weight.sum(1).abs() < 0.2 * weight.abs().sum(1)).all(), "patches lost their mean"
    gram = torch.nn.functional.normalize(weight) @ torch.nn.functional.normalize(weight).T
    assert (gram - torch.eye(16)).abs().max() < 0.99, "no filter comes twice"
    assert torch.equal(first(FirstFilters(kind="kmeans"), 16).flatten(1), weight)


def test_centroids_explain_more_than_random_directions() -> None:
    from worker.training.filters import centroids

    source = torch.Generator().manual_seed(0)
    middles = torch.nn.functional.normalize(torch.randn(6, 10, generator=source, dtype=torch.float64))
    which = torch.randint(6, (4_000,), generator=source)
    rows = 5 * middles[which] + 0.3 * torch.randn(4_000, 10, generator=source, dtype=torch.float64)
    found = centroids(rows, 12, source)
    normal = rows - rows.mean(1, keepdim=True)
    normal = torch.nn.functional.normalize(normal - normal.mean(0))
    best = (normal @ found.T).abs().amax(1).mean()
    random = (normal @ torch.nn.functional.normalize(torch.randn(12, 10, generator=source).double()).T).abs()
    assert best > random.amax(1).mean() + 0.1


def test_filters_from_a_file(tmp_path: Path) -> None:
    weight = torch.randn(5, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    np.savez(tmp_path / "w.npz", weight=weight.double().numpy())
    save_file({"weight": weight}, tmp_path / "w.safetensors")
    for name in ("w.npz", "w.safetensors"):
        got = first(FirstFilters(kind="file", path=str(tmp_path / name)))
        assert torch.equal(got[:5], weight)
        assert torch.equal(got[5:], first_convolution(of_blueprint(block="plain", width=40))[1].weight[5:])


BAD = {
    "shape.npz": ({"weight": np.zeros((5, 3, 5, 5))}, r"weight is 5x3x5x5, but \S+ has 40x3x3x3; save at most 40 filt"),
    "many.npz": ({"weight": np.zeros((50, 3, 3, 3))}, r"weight is 50x3x3x3, but \S+ has 40x3x3x3; save at most 40"),
    "name.npz": ({"w": np.zeros((5, 3, 3, 3))}, "there is no array weight in it; save a .npz or .safetensors file"),
    "nan.npz": ({"weight": np.full((5, 3, 3, 3), np.nan)}, "some weights are not finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_do_not_fit(tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / name, **BAD[name][0])
    with pytest.raises(ValueError, match=BAD[name][1]):
        first(FirstFilters(kind="file", path=str(tmp_path / name)))


@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
def test_files_that_are_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"w.{suffix}"
    with pytest.raises(ValueError, match=r"there is no file .*w\.\w+; write its path from the study's folder"):
        first(FirstFilters(kind="file", path=str(path)))
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"w\.\w+ cannot be read .*; save a \.npz or \.safetensors file"):
        first(FirstFilters(kind="file", path=str(path)))


def test_first_filters_need_a_convolution_that_reads_images_and_images() -> None:
    spec = Initial(first=FirstFilters(kind="pca"))
    with pytest.raises(ValueError, match="the network has no convolution whose filters could be given"):
        model(spec, (3, 4, 4), flat=Flatten(), out=Linear(4))
    with pytest.raises(ValueError, match="pca needs training images, and there are none here"):
        model(spec, (3, 8, 8), a=conv(4, 3, 3))
    grouped = build.module(Network((3, 8, 8), Sequence((("a", conv(6, 3, 3, groups=3)),))))
    with pytest.raises(ValueError, match="a reads 1 channels, the images have 3; it must read the images themselves"):
        initialize(grouped, 0, spec, images)
    large = build.module(Network((3, 8, 8), Sequence((("a", conv(6, 9, 9)), ("p", GlobalPool("average"))))))
    with pytest.raises(ValueError, match=r"windows of 9x9 \(a\) do not fit 8x8"):
        initialize(large, 0, spec, images)


def test_norms_start_neutral_under_every_rule() -> None:
    for kind in ("he", "xavier", "orthogonal", "dirac", "torch"):
        made = model(Initial(kind=kind), (4, 5, 5), a=Norm("batch"), b=Norm("layer"))
        for name, values in made.named_parameters():
            assert (values == (0 if name.endswith("bias") else 1)).all()
