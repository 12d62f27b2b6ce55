"""Which torch module stands for each core node, as a call: the name of a class and its arguments.

`worker.build` makes the calls and `worker.source` writes them down, so the trained network and the exported source
cannot differ in structure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from searchspace import core
from searchspace.cost import Layer, trace

ACTIVATIONS = {
    "relu": "nn.ReLU",
    "relu6": "nn.ReLU6",
    "leaky_relu": "nn.LeakyReLU",
    "prelu": "nn.PReLU",
    "elu": "nn.ELU",
    "gelu": "nn.GELU",
    "silu": "nn.SiLU",
    "sigmoid": "nn.Sigmoid",
    "tanh": "nn.Tanh",
    "scaled_tanh": "ScaledTanh",
}
UPSAMPLING = {"nearest": ("nearest",) * 3, "linear": ("linear", "bilinear", "trilinear")}
"""Torch's names of the modes, for one, two and three axes."""


@dataclass(frozen=True)
class Call:
    """How one module is made: `nn.Conv2d(1, 16, 3, padding=1)`. A name without `nn.` is from `worker.layers`."""

    name: str
    arguments: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def calls(network: core.Network) -> Call:
    """The calls of the whole tree."""
    return _tree(network.root, "", {layer.name: layer for layer in trace(network)})


def _tree(node: core.Node, name: str, rows: Mapping[str, Layer]) -> Call:
    children = {key: _tree(child, f"{name}.{key}" if name else key, rows) for key, child in core.children(node)}
    match node:
        case core.Sequence():
            numbered = list(children) == [str(number) for number in range(len(children))]
            return Call("nn.Sequential", tuple(children.values())) if numbered else Call("sequence", (), children)
        case core.Parallel():
            return Call("Parallel", (node.merge,), children)
        case core.Within():
            return _within(children["body"], rows[f"{name}.pool"])
        case core.Auxiliary():
            return Call("Auxiliary", (node.weight,), children)
    return LEAVES[type(node)](node, rows[name])


def _within(body: Call, row: Layer) -> Call:
    pool, pads, beyond = _torch_pool(row)
    switched = replace(pool, options=pool.options | {"return_indices": True})
    return Call("Within", (_sum(pads, beyond),) if pads else (), {"pool": switched, "body": body})


def _conv(node: core.Conv, row: Layer) -> Call:
    even = all(before == after for before, after in node.padding)
    padding = {"padding": _short(_before(node.padding))} if even else {"pads": _pads(node.padding)}
    options = {"stride": _short(node.stride), **padding, "dilation": _short(node.dilation)}
    name = f"{'nn.' if even else 'Padded'}Conv{len(node.kernel)}d"
    return _weighted(name, node, row, options)


def _transposed(node: core.TransposedConv, row: Layer) -> Call:
    """Torch crops as much before as after; what is to go beyond that is cropped from its result."""
    common = tuple(min(sides) for sides in node.padding)
    crops = tuple((least - before, least - after) for least, (before, after) in zip(common, node.padding, strict=True))
    options = {
        "stride": _short(node.stride),
        "padding": _short(common),
        "output_padding": _short(node.extra),
        "dilation": _short(node.dilation),
    }
    if any(map(any, crops)):
        return _weighted(f"CroppedConvTranspose{len(node.kernel)}d", node, row, {"crops": _pads(crops), **options})
    return _weighted(f"nn.ConvTranspose{len(node.kernel)}d", node, row, options)


def _weighted(name: str, node: core.Conv | core.TransposedConv, row: Layer, options: dict[str, Any]) -> Call:
    standard = {"stride": 1, "padding": 0, "output_padding": 0, "dilation": 1, "groups": 1, "bias": True}
    options = {**options, "groups": node.groups, "bias": node.bias}
    return Call(name, (row.in_shape[0], node.out, _short(node.kernel)), _unless(options, standard))


def _local(node: core.Local, row: Layer) -> Call:
    options = {"stride": node.stride, "pads": _pads(node.padding), "bias": node.bias}
    standard = {"stride": (1,) * len(node.kernel), "pads": _none(node.padding), "bias": True}
    arguments = (row.in_shape[0], node.out, node.kernel, row.out_shape[1:])
    return Call("Local", arguments, _unless(options, standard))


def _linear(node: core.Linear, row: Layer) -> Call:
    return Call("nn.Linear", (row.in_shape[0], node.out), _unless({"bias": node.bias}, {"bias": True}))


def _norm(node: core.Norm, row: Layer) -> Call:
    """Layer and instance norm are group norms of 1 and C groups (Wu & He 2018), which also take a 1x1 map."""
    channels, eps = row.in_shape[0], _unless({"eps": node.eps}, {"eps": 1e-5})
    if node.kind == "batch":
        return Call(f"nn.BatchNorm{max(1, len(row.in_shape) - 1)}d", (channels,), eps)
    groups = {"layer": 1, "instance": channels, "group": node.groups}[node.kind]
    return Call("nn.GroupNorm", (groups, channels), eps)


def _local_response(node: core.LocalResponse, row: Layer) -> Call:
    options = {"alpha": node.alpha, "beta": node.beta, "k": node.k}
    return Call("nn.LocalResponseNorm", (node.size,), _unless(options, {"alpha": 1e-4, "beta": 0.75, "k": 1.0}))


def _activation(node: core.Activation, row: Layer) -> Call:
    arguments: dict[str, tuple[Any, ...]] = {
        "leaky_relu": (node.slope,),
        "prelu": () if node.shared else (row.in_shape[0],),
    }
    return Call(ACTIVATIONS[node.kind], arguments.get(node.kind, ()))


def _pool(node: core.Pool, row: Layer) -> Call:
    if node.kind == "mixed":
        pools = [replace(node, kind="max"), replace(node, kind="average")]
        return Call("MixedPool", tuple(_pool(one, row._replace(node=one)) for one in pools))
    pool, pads, beyond = _torch_pool(row)
    if not pads:
        return pool
    if node.kind == "max":
        return Call("PaddedMaxPool", (_sum(pads, beyond), pool))
    options = {"beyond": beyond, "count_padding": node.count_padding}
    return Call(
        "PaddedAvgPool", (pads, pool), _unless(options, {"beyond": _none(node.padding), "count_padding": False})
    )


def _torch_pool(row: Layer) -> tuple[Call, tuple[int, ...], tuple[int, ...]]:
    """Torch's pool and, where its own padding will not do, what to pad before it: as declared, and beyond that.

    Torch pads both sides alike and at most half a window. What is padded (or, if negative, cut) beyond the declared
    padding gives the counted number of windows, so that the pool needs no ceil mode.
    """
    node = row.node
    assert isinstance(node, core.Pool)
    sides = tuple(zip(row.in_shape[1:], row.out_shape[1:], node.kernel, node.stride, node.padding, strict=True))
    own = all(before == after <= k // 2 for _, _, k, _, (before, after) in sides)
    # Torch's average over volumes refuses a window that fits a map only with its padding.
    own &= node.kind == "max" or len(sides) < 3 or all(n >= k for n, _, k, _, _ in sides)
    options = {"stride": _short(node.stride)}
    if own:
        options |= {"padding": _short(_before(node.padding)), "ceil_mode": node.ceil}
    standard = {"stride": _short(node.kernel), "padding": 0, "ceil_mode": False}
    name = f"nn.{'Max' if node.kind == 'max' else 'Avg'}Pool{len(node.kernel)}d"
    pool = Call(name, (_short(node.kernel),), _unless(options, standard))
    if node.kind == "average" and "padding" in pool.options and not node.count_padding:
        pool.options["count_include_pad"] = False
    if own:
        return pool, (), ()
    beyond = tuple((0, ((m - 1) * s + k - n - before - after) * node.ceil) for n, m, k, s, (before, after) in sides)
    return pool, _pads(node.padding), _pads(beyond)


def _weighted_pool(node: core.WeightedPool, row: Layer) -> Call:
    options = {
        "pads": _pads(node.padding),
        "per_channel": node.per_channel,
        "per_position": node.per_position,
        "bias": node.bias,
    }
    standard = {"pads": _none(node.padding), "per_channel": True, "per_position": True, "bias": False}
    return Call("WeightedPool", (row.in_shape[0], node.kernel, node.stride), _unless(options, standard))


def _upsample(node: core.Upsample, row: Layer) -> Call:
    options = {"scale_factor": _short(node.scale), "mode": UPSAMPLING[node.kind][len(node.scale) - 1]}
    return Call("nn.Upsample", (), _unless(options, {"mode": "nearest"}))


LEAVES: Mapping[type, Callable[[Any, Layer], Call]] = {
    core.Conv: _conv,
    core.TransposedConv: _transposed,
    core.Local: _local,
    core.Norm: _norm,
    core.LocalResponse: _local_response,
    core.Activation: _activation,
    core.Pool: _pool,
    core.WeightedPool: _weighted_pool,
    core.GlobalPool: lambda node, row: Call("GlobalPool", (node.kind,), _unless({"keep": node.keep}, {"keep": False})),
    core.Upsample: _upsample,
    core.Dropout: lambda node, row: Call("Dropout", (node.rate,)),
    core.Flatten: lambda node, row: Call("nn.Flatten"),
    core.Linear: _linear,
    core.Prototypes: lambda node, row: Call("Prototypes", (row.in_shape[0], node.out)),
    core.Identity: lambda node, row: Call("nn.Identity"),
    core.Select: lambda node, row: Call("Select", (node.channels,)),
    core.PadChannels: lambda node, row: Call("PadChannels", (node.before, node.after)),
    core.Coordinates: lambda node, row: Call("Coordinates"),
}
"""The call of each primitive, given what `trace` says about it: its shapes before and after."""


def _pads(padding: core.Padding) -> tuple[int, ...]:
    """As torch.nn.functional.pad takes them: (before, after) of the last axis first."""
    return tuple(side for axis in reversed(padding) for side in axis)


def _none(padding: core.Padding) -> tuple[int, ...]:
    return (0, 0) * len(padding)


def _sum(pads: tuple[int, ...], more: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(sum, zip(pads, more, strict=True)))


def _before(padding: core.Padding) -> core.Size:
    return tuple(before for before, _ in padding)


def _short(size: core.Size) -> int | core.Size:
    """One number where all axes agree."""
    return size[0] if len(set(size)) == 1 else size


def _unless(options: dict[str, Any], standard: dict[str, Any]) -> dict[str, Any]:
    """The options that are not the standard ones."""
    return {key: value for key, value in options.items() if key not in standard or standard[key] != value}
