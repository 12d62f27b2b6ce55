"""The first weights of a network, each tensor from a generator of its own.

Networks that agree in a name and a shape start equal, whatever else they have: the generator of a tensor is decided by
(seed, name) alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from worker import layers
from worker.build import generator
from worker.recipe.initial import FirstFilters, Initial
from worker.training import filters
from worker.weights import SHORTCUTS

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.GroupNorm)
READY = (nn.PReLU, layers.MixedPool, layers.WeightedPool)
"""Layers that are made with meaningful first values: a slope of .25, an even mixture, a plain average."""
PASSING = (nn.Identity, nn.Dropout, layers.Dropout)
"""What stands at the end of a branch without changing what zeros mean."""


def initialize(
    model: nn.Module, seed: int, spec: Initial | None = None, images: Callable[[], Tensor] | None = None
) -> None:
    """The first weights by the rule of `spec`; `images` gives prepared training images where first filters need them.

    `he`: convolutions normal with std sqrt(2 / fan_in) (He et al. 2015, eq. 10: keeps the forward variance under ReLU,
    with or without norms), linear layers with sqrt(1 / fan_in) (LeCun et al. 1998). Norms: scale 1. Biases: 0.
    """
    spec = spec or Initial()
    with torch.no_grad():
        for name, layer in model.named_modules():
            if isinstance(layer, READY):
                continue
            for key, parameter in layer.named_parameters(recurse=False):
                _fill(parameter, layer, key, generator(seed, f"{name}.{key}".lstrip(".")), spec)
        if spec.zero_gamma:
            for last in residual_ends(model):
                last.get_parameter("weight").zero_()
        if spec.first:
            _give_first(model, seed, spec.first, spec.gain, images)


def _give_first(
    model: nn.Module, seed: int, spec: FirstFilters, gain: float, images: Callable[[], Tensor] | None
) -> None:
    """The first filters; those of the data with the deviation that `he` draws with."""
    name, layer = first_convolution(model)
    found = filters.found(spec, layer.weight.shape, name, images, generator(seed, name, "filters"))
    if spec.kind != "file":
        found = found * gain * math.sqrt(_scale(layer) / _fan_in(layer, layer.weight))
    layer.weight[: len(found)] = found.to(layer.weight)


def _fill(parameter: Tensor, layer: nn.Module, key: str, source: torch.Generator, spec: Initial) -> None:
    if key == "bias" and spec.kind == "torch" and not isinstance(layer, NORMS):
        parameter.copy_(_uniform(parameter.shape, source) / math.sqrt(_torch_fan_in(layer)))
    elif key == "bias" or parameter.dim() == 1:
        parameter.fill_(0.0 if key == "bias" else 1.0)
    else:
        parameter.copy_(RULES[spec.kind](parameter, layer, source) * spec.gain)


def _he(weight: Tensor, layer: nn.Module, source: torch.Generator) -> Tensor:
    drawn = torch.empty(weight.shape).normal_(generator=source)
    return drawn * math.sqrt(_scale(layer) / _fan_in(layer, weight))


def _xavier(weight: Tensor, layer: nn.Module, source: torch.Generator) -> Tensor:
    """Uniform in +- sqrt(6 / (fan_in + fan_out)): variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010)."""
    return _uniform(weight.shape, source) * math.sqrt(6 / (_fan_in(layer, weight) + _fan_out(layer, weight)))


def _torch(weight: Tensor, layer: nn.Module, source: torch.Generator) -> Tensor:
    """Uniform in +- 1 / sqrt(fan_in), as `reset_parameters` of torch's layers draws it."""
    return _uniform(weight.shape, source) / math.sqrt(_torch_fan_in(layer))


def _orthogonal(weight: Tensor, layer: nn.Module, source: torch.Generator) -> Tensor:
    """Rows, or columns if they are fewer, at right angles and of one length (Saxe et al. 2014), with `he`'s deviation.

    A row is what one output sums; of a transposed convolution, what one input spreads. Groups, and the positions of an
    unshared convolution, have each a matrix of their own.
    """
    matrices = weight.shape[0] if isinstance(layer, layers.Local) else getattr(layer, "groups", 1)
    rows = weight.shape[1] if isinstance(layer, layers.Local) else weight.shape[0] // matrices
    drawn = torch.empty(matrices, rows, weight.numel() // matrices // rows, dtype=torch.float64)
    drawn.normal_(generator=source)
    wide = drawn.shape[1] < drawn.shape[2]
    q, r = torch.linalg.qr(drawn.mT if wide else drawn)
    q = q * r.diagonal(dim1=1, dim2=2).sign()[:, None]  # so that no direction is favoured
    length = math.sqrt(max(drawn.shape[1:]) * _scale(layer) / _fan_in(layer, weight))
    result: Tensor = (q.mT if wide else q) * length
    return result.reshape(weight.shape).float()


def _dirac(weight: Tensor, layer: nn.Module, source: torch.Generator) -> Tensor:
    """A convolution that passes channel i of its input, or its group's, on as output i where both are; else `he`."""
    filled = _he(weight, layer, source)
    if isinstance(layer, CONVOLUTIONS):
        taps = filled.view(layer.groups, -1, weight.shape[1], math.prod(weight.shape[2:]))
        passed = torch.arange(min(taps.shape[1:3]))
        middle = 0  # where same padding looks at the pixel itself
        for length in weight.shape[2:]:
            middle = middle * length + (length - 1) // 2
        taps[:, passed] = 0
        taps[:, passed, passed, middle] = 1
    return filled


RULES: dict[str, Callable[[Tensor, nn.Module, torch.Generator], Tensor]] = {
    "he": _he,
    "xavier": _xavier,
    "orthogonal": _orthogonal,
    "dirac": _dirac,
    "torch": _torch,
}


def _uniform(shape: torch.Size, source: torch.Generator) -> Tensor:
    """From [-1, 1)."""
    return torch.empty(shape).uniform_(-1, 1, generator=source)


def _scale(layer: nn.Module) -> float:
    """What `he` wants variance times fan_in to be: 2 where a ReLU follows, 1 for linear layers."""
    return 1 if isinstance(layer, nn.Linear) else 2


def _fan_in(layer: nn.Module, weight: Tensor) -> float:
    """How many terms an output sums; a stride s of a transposed convolution leaves it one in s of them on average."""
    if isinstance(layer, TRANSPOSED):
        return weight[:, 0].numel() / layer.groups / math.prod(layer.stride)
    return weight.shape[-1] if isinstance(layer, layers.Local) else weight[0].numel()


def _fan_out(layer: nn.Module, weight: Tensor) -> float:
    """How many outputs an input is a term of, at stride 1."""
    if isinstance(layer, layers.Local):
        return weight.shape[1] * math.prod(layer.kernel)
    if isinstance(layer, TRANSPOSED):
        return weight[0].numel()
    return weight[:, 0].numel() / getattr(layer, "groups", 1)


def _torch_fan_in(layer: nn.Module) -> int:
    """As torch counts: all but the first axis, of transposed convolutions too."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight.shape[-1] if isinstance(layer, layers.Local) else weight[0].numel()


def first_convolution(model: nn.Module) -> tuple[str, nn.Conv1d | nn.Conv2d | nn.Conv3d]:
    """The name and the layer that reads the images."""
    for name, layer in model.named_modules():
        if isinstance(layer, CONVOLUTIONS):
            return name, layer
    raise ValueError("initial.first: the network has no convolution whose filters could be given; leave first out")


def residual_ends(model: nn.Module) -> list[nn.Module]:
    """The layers whose scales or weights of 0 make every residual branch silent, and that learn from there.

    A sum is residual if one of its branches is called a shortcut or has fewer weights than each of the others. A branch
    ends in a norm, whose scale it is (Goyal et al. 2017, section 5.1), or, pre-activated, in a convolution, whose
    weights it is (Zhang et al. 2019, Fixup): the norm before that is followed by a ReLU, and a scale of 0 would never
    learn. Gates (squeeze-and-excitation) and dropout may follow. A branch that ends in an activation stays as it is.
    """
    sums = [layer for layer in model.modules() if isinstance(layer, layers.Parallel) and layer.how == "add"]
    ends = [_end(branch) for one in sums for branch in _branches(one)]
    return [layer for layer in ends if isinstance(layer, (*NORMS, *CONVOLUTIONS, *TRANSPOSED, nn.Linear))]


def _branches(sum_: layers.Parallel) -> list[nn.Module]:
    """The branches beside the shortcut; none if there is no shortcut."""
    named = dict(sum_.named_children())
    sizes = {name: sum(one.numel() for one in branch.parameters()) for name, branch in named.items()}
    least = [name for name, size in sizes.items() if size == min(sizes.values())]
    shortcut = [name for name in named if name in SHORTCUTS] or least
    return [branch for name, branch in named.items() if name not in shortcut] if len(shortcut) == 1 else []


def _end(branch: nn.Module) -> nn.Module:
    """The last layer of a branch that does something."""
    while isinstance(branch, nn.Sequential):
        branch = next((one for one in reversed(list(branch)) if not _passes(one)), nn.Identity())
    return branch


def _passes(layer: nn.Module) -> bool:
    """What gives 0 where it gets 0, and lets learn what stands before it: dropout, and a gate on its own input."""
    if isinstance(layer, layers.Parallel) and layer.how == "multiply":
        return any(isinstance(branch, nn.Identity) for branch in layer.children())
    return isinstance(layer, PASSING)
