"""The dense form: the same numbers at the trained size, and cropping every window and classifying it beyond."""

import networks
import pytest
import torch
from networks import RELU, row
from torch import Tensor, nn

from searchspace import core
from searchspace.core import Network
from searchspace.cost import Infeasible, trace
from searchspace.dense import dense, sliding
from worker import build
from worker.bundle.checking import common, tiled, windows
from worker.bundle.forms import weights_of

NONE = ((0, 0),) * 2
POOL = core.Pool("max", (2, 2), (2, 2), NONE)


def valid(out: int, kernel: int, stride: int = 1, axes: int = 2) -> core.Conv:
    return core.Conv(out, (kernel,) * axes, (stride,) * axes, ((0, 0),) * axes, (1,) * axes)


def both(network: Network, seed: int = 0) -> tuple[nn.Module, nn.Module]:
    """The network with random weights and statistics, and its dense form with the same."""
    torch.manual_seed(seed)
    ours, theirs = build.module(network).eval(), build.module(dense(network)).eval()
    for layer in ours.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d):
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
    theirs.load_state_dict(weights_of(ours, theirs))
    return ours, theirs


def unpadded() -> dict[str, Network]:
    """Without a border: a flatten with hidden layers, global pools, strides, remainders, one and three axes."""
    line = row(valid(4, 3, axes=1), RELU, core.Pool("average", (2,), (2,), ((0, 0),)), valid(6, 3, axes=1), RELU)
    one = core.Conv(5, (1, 1), (1, 1), NONE, (1, 1))
    branches = core.Parallel((("a", row(valid(4, 3), RELU)), ("b", row(valid(3, 3), core.Norm("batch")))), "concat")
    hidden = row(core.Flatten(), core.Dropout(0.5), core.Linear(12), core.Norm("batch"), RELU, core.Linear(7))
    return {
        "hidden": Network((2, 13, 11), row(valid(6, 3), core.Norm("batch"), RELU, POOL, valid(8, 2), RELU, hidden)),
        "average": Network((1, 12, 12), row(valid(6, 5), POOL, core.Activation("prelu"), networks.head(7))),
        "maximum": Network((3, 10, 12), row(branches, core.GlobalPool("max"), core.Linear(7, bias=False))),
        "convolutional": Network((2, 9, 9), row(valid(6, 3, 2), RELU, one, core.GlobalPool("average"))),
        "kept": Network((2, 9, 9), row(valid(6, 3), core.GlobalPool("average", True), one, core.Flatten())),
        "features": Network(
            (2, 9, 9), row(valid(6, 3), core.LocalResponse(), core.GlobalPool("max"), core.Linear(3), RELU)
        ),
        "series": Network((2, 17), row(line, core.Flatten(), core.Linear(5), RELU, core.Linear(3))),
        "volumes": Network((1, 7, 6, 8), row(valid(3, 3, axes=3), RELU, core.Flatten(), core.Linear(4))),
        "auxiliary": Network((2, 9, 9), row(valid(6, 3), core.Auxiliary(networks.head(), 0.3), networks.head())),
    }


@pytest.mark.parametrize("name", [*unpadded()])
@torch.inference_mode()
def test_without_borders_a_map_is_every_window_classified(name: str) -> None:
    network = unpadded()[name]
    ours, theirs = both(network)
    how = sliding(network)
    assert how.exact
    assert how.window == network.input[1:]
    canvas = tiled(torch.randn(9, *network.input))
    assert all(n > k for n, k in zip(canvas.shape[2:], how.window, strict=True))
    found, wanted = theirs(canvas), windows(ours, canvas, how)
    assert wanted.shape[2:].numel() > 3
    torch.testing.assert_close(common(found, wanted), wanted, rtol=1e-5, atol=1e-5)
    assert tuple(found.shape[1:]) == trace(dense(network, tuple(canvas.shape[2:])))[-1].out_shape


@pytest.mark.parametrize("name", ["vgg_small", "residual", "lenet", "lenet_table", "densenet"])
@torch.inference_mode()
def test_at_the_trained_size_the_map_is_the_outputs(name: str) -> None:
    """Also with padding, where inside of a larger input windows see what lies around them."""
    skip = core.Parallel((("body", row(networks.unit(6), networks.conv(6))), ("shortcut", core.Identity())), "add")
    own = {
        "vgg_small": Network((3, 8, 8), row(networks.unit(6), POOL, networks.unit(8), core.Flatten(), core.Linear(5))),
        "residual": Network((6, 8, 8), row(skip, RELU, networks.head())),
        "densenet": Network((6, 9, 9), row(networks.dense_layer(), networks.POOL, networks.head())),
    }
    network = (own | networks.CLASSICS)[name]
    ours, theirs = both(network)
    x = torch.randn(3, *network.input)
    torch.testing.assert_close(theirs(x).flatten(1), ours(x).flatten(1), rtol=1e-5, atol=1e-5)
    assert sliding(network).exact == (name == "lenet")


@torch.inference_mode()
def test_padding_is_what_makes_the_difference() -> None:
    """A window in the midst of zeros sees what its crop sees; one in the midst of an image does not."""
    network = Network((1, 8, 8), row(networks.conv(4), RELU, POOL, networks.head()))
    ours, theirs = both(network)
    zeros, noise = torch.zeros(1, 1, 24, 24), torch.randn(1, 1, 24, 24)
    zeros[..., 8:16, 8:16] = torch.randn(8, 8)
    how = sliding(network)
    assert not how.exact
    torch.testing.assert_close(theirs(zeros)[..., 4, 4], windows(ours, zeros, how)[..., 4, 4])
    assert not torch.allclose(theirs(noise), windows(ours, noise, how), rtol=1e-2)


REFUSED: dict[str, tuple[Network, str]] = {
    "a gate": (networks.VOCABULARY["Parallel"], r"1\.gate\.0: inside of a branch it sees the whole map"),
    "a layer norm": (
        Network((2, 8, 8), row(valid(4, 3), core.Norm("layer"), networks.head())),
        "1: layer norm measures",
    ),
    "own filters": (networks.VOCABULARY["Local"], "its filters belong to positions"),
    "coordinates": (networks.VOCABULARY["Coordinates"], "coordinates belong to positions"),
    "upsampling": (networks.VOCABULARY["Upsample"], "an enlarged map has no window of its own"),
    "unpooling": (networks.CLASSICS["segnet"], "its pool and unpooling go by the place"),
    "prototypes": (networks.VOCABULARY["Prototypes"], "distances to prototypes have no form as a convolution"),
    "a flattened norm": (
        Network((2, 8, 8), row(core.Flatten(), core.Norm("batch"), core.Linear(3))),
        "1: between a flatten and a linear layer it counts positions as features",
    ),
    "uneven ceil": (
        Network((2, 9, 9), row(core.Pool("max", (2, 2), (2, 2), ((0, 1),) * 2, ceil=True), networks.head())),
        "a pool in ceil mode with uneven padding is made for one size",
    ),
}


@pytest.mark.parametrize("name", [*REFUSED])
def test_what_cannot_slide_says_where_and_why(name: str) -> None:
    network, message = REFUSED[name]
    with pytest.raises(Infeasible, match=message):
        dense(network)


def test_a_smaller_input_has_no_place_for_the_window() -> None:
    with pytest.raises(Infeasible, match="input: 7x20 has no place for the window of 8x8; enlarge it"):
        dense(networks.VOCABULARY["Conv"], (7, 20))


def test_costs_of_a_larger_input_are_counted_without_torch() -> None:
    """Sliding shares work: nine windows cost less than nine times one."""
    network = networks.CLASSICS["lenet"]
    one, nine = (sum(layer.macs for layer in trace(dense(network, (n, n)))) for n in (32, 40))
    assert sum(layer.macs for layer in trace(network)) == one
    assert trace(dense(network, (40, 40)))[-1].out_shape == (10, 3, 3)
    assert one < nine < 9 * one


def test_tiles_are_of_whole_examples() -> None:
    x: Tensor = torch.arange(6.0).reshape(6, 1, 1, 1).expand(6, 1, 4, 4)
    canvas = tiled(x)
    assert canvas.shape == (1, 1, 10, 9)
    assert canvas[0, 0, 0, 0] == 0
    assert len(canvas.unique()) > 3
