"""What every node of the core computes, in loops over positions: slow, plain, and independent of torch's layers."""

from collections.abc import Callable, Iterator
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor

from searchspace import core

Weights = dict[str, Tensor]
Place = tuple[int, ...]


def output(node: core.Node, weights: Weights, x: Tensor) -> Tensor:
    """What the node, with its weights by name, makes of a batch once it is trained."""

    def child(key: str, node: core.Node, x: Tensor) -> Tensor:
        return output(node, {k.removeprefix(f"{key}."): v for k, v in weights.items() if k.startswith(f"{key}.")}, x)

    match node:
        case core.Sequence():
            for key, item in node.items:
                x = child(key, item, x)
            return x
        case core.Parallel():
            return _merged(node.merge, [child(key, branch, x) for key, branch in node.branches])
        case core.Within():
            return _unpooled(node.pool, x, child("body", node.body, _pool(node.pool, weights, x)))
        case core.Auxiliary():
            return x
    return LEAVES[type(node)](node, weights, x)


def at(x: Tensor, place: Place) -> Tensor:
    """The channels of a batch at one place of its map."""
    return x[(slice(None), slice(None), *place)]


def windows(node: Any, size: Place) -> Iterator[tuple[Place, list[tuple[Place, Place]]]]:
    """Output position -> each tap of the window there with the place it looks at, in the map or in the padding."""
    dilation = getattr(node, "dilation", (1,) * len(size))
    axes = [
        _starts(n, d * (k - 1) + 1, s, *padding, getattr(node, "ceil", False))
        for n, k, s, padding, d in zip(size, node.kernel, node.stride, node.padding, dilation, strict=True)
    ]
    for position in product(*(range(len(starts)) for starts in axes)):
        first = [starts[i] for starts, i in zip(axes, position, strict=True)]
        taps = product(*map(range, node.kernel))
        yield position, [(tap, tuple(f + t * d for f, t, d in zip(first, tap, dilation, strict=True))) for tap in taps]


def _starts(n: int, k: int, s: int, before: int, after: int, ceil: bool) -> list[int]:
    """Where windows start: while they fit; with `ceil` one more over what is left, but none after the map's end."""
    found = list(range(-before, n + after - k + 1, s))
    if ceil and found[-1] + k < n + after:
        found.append(found[-1] + s)
    return found[:-1] if ceil and found[-1] >= n else found


def _inside(place: Place, size: Place) -> bool:
    return all(0 <= p < n for p, n in zip(place, size, strict=True))


def _collected(values: dict[Place, Tensor]) -> Tensor:
    """(N, C) at every position -> (N, C, *size)."""
    size = [max(axis) + 1 for axis in zip(*values, strict=True)]
    return torch.stack(list(values.values()), 2).unflatten(2, size)


def _slid(node: Any, x: Tensor, out: int, weight: Callable[[Place, Place], Tensor]) -> Tensor:
    """The sum over each window of `weight(position, tap)`, a matrix (out, in), times the channels there."""
    size, zero, values = tuple(x.shape[2:]), x.new_zeros(len(x), out), {}
    for position, taps in windows(node, size):
        terms = [at(x, place) @ weight(position, tap).T for tap, place in taps if _inside(place, size)]
        values[position] = sum(terms, zero)
    return _collected(values)


def _biased(y: Tensor, weights: Weights) -> Tensor:
    bias = weights.get("bias", y.new_zeros(y.shape[1]))
    return y + bias.reshape(*bias.shape, *(1,) * (y.dim() - 1 - bias.dim()))


def _conv(node: core.Conv, weights: Weights, x: Tensor) -> Tensor:
    filters = weights["weight"]
    full = {tap: torch.block_diag(*at(filters, tap).chunk(node.groups)) for tap in product(*map(range, node.kernel))}
    return _biased(_slid(node, x, node.out, lambda position, tap: full[tap]), weights)


def _transposed(node: core.TransposedConv, weights: Weights, x: Tensor) -> Tensor:
    """Every input position paints the filter, times its value, around the place it stands for."""
    axes = zip(x.shape[2:], node.kernel, node.stride, node.padding, node.extra, node.dilation, strict=True)
    size = tuple((n - 1) * s - sum(padding) + d * (k - 1) + extra + 1 for n, k, s, padding, extra, d in axes)
    y = torch.zeros(len(x), node.out, *size, dtype=x.dtype)
    for position in product(*map(range, x.shape[2:])):
        for tap in product(*map(range, node.kernel)):
            steps = zip(position, tap, node.stride, node.padding, node.dilation, strict=True)
            place = tuple(p * s - before + t * d for p, t, s, (before, _), d in steps)
            if _inside(place, size):
                at(y, place).add_(at(x, position) @ torch.block_diag(*at(weights["weight"], tap).chunk(node.groups)))
    return _biased(y, weights)


def _local(node: core.Local, weights: Weights, x: Tensor) -> Tensor:
    numbers = {position: number for number, (position, _) in enumerate(windows(node, tuple(x.shape[2:])))}
    filters = weights["weight"].unflatten(2, (x.shape[1], *node.kernel))
    return _biased(_slid(node, x, node.out, lambda position, tap: at(filters[numbers[position]], tap)), weights)


def _pool(node: core.Pool, weights: Weights, x: Tensor) -> Tensor:
    if node.kind == "mixed":
        share = weights["mixture"].sigmoid()
        return share * _pooled(node, x, "max") + (1 - share) * _pooled(node, x, "average")
    return _pooled(node, x, node.kind)


def _pooled(node: core.Pool, x: Tensor, kind: str) -> Tensor:
    """A window that sees nothing of the map gives 0."""
    size, zero, values = tuple(x.shape[2:]), x.new_zeros(x.shape[:2]), {}
    for position, taps in windows(node, size):
        real = [at(x, place) for _, place in taps if _inside(place, size)]
        padded = [place for _, place in taps if _within_padding(place, size, node.padding)]
        average = sum(real, zero) / max(1, len(padded if node.count_padding else real))
        values[position] = average if kind == "average" or not real else torch.stack(real).amax(0)
    return _collected(values)


def _within_padding(place: Place, size: Place, padding: core.Padding) -> bool:
    return all(-before <= p < n + after for p, n, (before, after) in zip(place, size, padding, strict=True))


def _unpooled(node: core.Pool, x: Tensor, y: Tensor) -> Tensor:
    """Each value of `y` at the place of the maximum of its window of `x`, zeros elsewhere."""
    size, result = tuple(x.shape[2:]), torch.zeros_like(x)
    for position, taps in windows(node, size):
        places = [place for _, place in taps if _inside(place, size)]
        for n, c in product(*map(range, x.shape[:2])) if places else ():
            best = max(places, key=lambda place: float(x[(n, c, *place)]))
            result[(n, c, *best)] = y[(n, c, *position)]
    return result


def _weighted_pool(node: core.WeightedPool, weights: Weights, x: Tensor) -> Tensor:
    filters = weights["weight"].expand(x.shape[1], prod(node.kernel)).unflatten(1, node.kernel)
    return _biased(_slid(node, x, x.shape[1], lambda position, tap: torch.diag(filters[(slice(None), *tap)])), weights)


def _global_pool(node: core.GlobalPool, weights: Weights, x: Tensor) -> Tensor:
    places = torch.stack([at(x, place) for place in product(*map(range, x.shape[2:]))])
    pooled = places.sum(0) / len(places) if node.kind == "average" else places.amax(0)
    return pooled.reshape(*pooled.shape, *(1,) * (x.dim() - 2)) if node.keep else pooled


def _upsample(node: core.Upsample, weights: Weights, x: Tensor) -> Tensor:
    for axis, scale in enumerate(node.scale, 2):
        rows = [_between(x, axis, scale, i, node.kind) for i in range(x.shape[axis] * scale)]
        x = torch.stack(rows, axis)
    return x


def _between(x: Tensor, axis: int, scale: int, i: int, kind: str) -> Tensor:
    """The slice at `i` of an axis stretched: of its nearest source, or of the two whose centres lie around its own."""
    if kind == "nearest":
        return x.select(axis, i // scale)
    centre = min(max((i + 0.5) / scale - 0.5, 0), x.shape[axis] - 1)
    low, high = int(centre), min(int(centre) + 1, x.shape[axis] - 1)
    return x.select(axis, low) * (1 - centre + low) + x.select(axis, high) * (centre - low)


def _norm(node: core.Norm, weights: Weights, x: Tensor) -> Tensor:
    """Batch norm with its running statistics; the others over the map of one channel, of a group, or of all."""
    shape = (-1, *(1,) * (x.dim() - 2))
    if node.kind == "batch":
        mean, variance = (weights[f"running_{name}"].reshape(shape) for name in ("mean", "var"))
        whitened = (x - mean) / (variance + node.eps).sqrt()
    else:
        groups = {"layer": 1, "instance": x.shape[1], "group": node.groups}[node.kind]
        rows = x.reshape(len(x), groups, -1)
        centred = rows - rows.mean(2, keepdim=True)
        whitened = (centred / (centred.square().mean(2, keepdim=True) + node.eps).sqrt()).reshape(x.shape)
    return whitened * weights["weight"].reshape(shape) + weights["bias"].reshape(shape)


def _local_response(node: core.LocalResponse, weights: Weights, x: Tensor) -> Tensor:
    channels = []
    for c in range(x.shape[1]):
        near = x[:, max(0, c - node.size // 2) : c + (node.size - 1) // 2 + 1]
        channels.append(x[:, c] / (node.k + node.alpha / node.size * near.square().sum(1)) ** node.beta)
    return torch.stack(channels, 1)


def _activation(node: core.Activation, weights: Weights, x: Tensor) -> Tensor:
    slope = weights.get("weight", x.new_tensor(node.slope)).reshape(-1, *(1,) * (x.dim() - 2))
    formulas = {
        "relu": lambda: x * (x > 0),
        "relu6": lambda: (x * (x > 0)).minimum(torch.tensor(6.0)),
        "leaky_relu": lambda: torch.where(x > 0, x, slope * x),
        "prelu": lambda: torch.where(x > 0, x, slope * x),
        "elu": lambda: torch.where(x > 0, x, x.exp() - 1),
        "gelu": lambda: x * (1 + torch.erf(x / 2**0.5)) / 2,
        "silu": lambda: x / (1 + (-x).exp()),
        "sigmoid": lambda: 1 / (1 + (-x).exp()),
        "tanh": lambda: 1 - 2 / ((2 * x).exp() + 1),
        "scaled_tanh": lambda: 1.7159 * (1 - 2 / ((4 * x / 3).exp() + 1)),
    }
    return formulas[node.kind]()


def _prototypes(node: core.Prototypes, weights: Weights, x: Tensor) -> Tensor:
    return torch.stack([-(x - pattern).square().sum(1) for pattern in weights["patterns"]], 1)


def _coordinates(node: core.Coordinates, weights: Weights, x: Tensor) -> Tensor:
    y = torch.cat([x, torch.zeros(len(x), x.dim() - 2, *x.shape[2:], dtype=x.dtype)], 1)
    for place in product(*map(range, x.shape[2:])):
        for axis, (p, n) in enumerate(zip(place, x.shape[2:], strict=True)):
            at(y, place)[:, x.shape[1] + axis] = 2 * p / (n - 1) - 1
    return y


def _pad_channels(node: core.PadChannels, weights: Weights, x: Tensor) -> Tensor:
    y = torch.zeros(len(x), node.before + x.shape[1] + node.after, *x.shape[2:], dtype=x.dtype)
    y[:, node.before : node.before + x.shape[1]] = x
    return y


def _merged(how: str, outputs: list[Tensor]) -> Tensor:
    largest = max(outputs, key=lambda y: prod(y.shape[2:]))
    spread = [y + torch.zeros(1, 1, *largest.shape[2:], dtype=y.dtype) if y.dim() > 2 else y for y in outputs]
    return {"concat": lambda: torch.cat(spread, 1), "add": lambda: sum(spread), "multiply": lambda: prod(spread)}[how]()


LEAVES: dict[type, Callable[[Any, Weights, Tensor], Tensor]] = {
    core.Conv: _conv,
    core.TransposedConv: _transposed,
    core.Local: _local,
    core.Norm: _norm,
    core.LocalResponse: _local_response,
    core.Activation: _activation,
    core.Pool: _pool,
    core.WeightedPool: _weighted_pool,
    core.GlobalPool: _global_pool,
    core.Upsample: _upsample,
    core.Dropout: lambda node, weights, x: x,
    core.Flatten: lambda node, weights, x: x.reshape(len(x), -1),
    core.Linear: lambda node, weights, x: _biased(x @ weights["weight"].T, weights),
    core.Prototypes: _prototypes,
    core.Identity: lambda node, weights, x: x,
    core.Select: lambda node, weights, x: torch.stack([x[:, c] for c in node.channels], 1),
    core.PadChannels: _pad_channels,
    core.Coordinates: _coordinates,
}
