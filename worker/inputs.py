"""From raw values to what a network reads: standardized, raw or whitened, fitted on the training part alone.

Every kind is the same three lines: per channel minus a mean and over a deviation; then, where values are whitened, all
values of an example minus their means and times a matrix; then, where positions are permuted, a fixed order of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from worker.recipe.augmentation import Input, check_input
from worker.sources.split import mixed

Array = np.ndarray[Any, np.dtype[Any]]
Kind = Literal["standardized", "raw", "pca", "zca"]
WHITENED_EXAMPLES = 50_000
"""So many examples, the first, are enough for that covariance."""
COVARIANCE_CHANNELS = 64
"""Up to so many channels, their covariance is kept, for shifts of colour along its axes."""
CHUNK = 1 << 22
"""Values that are turned into float64 at once."""
CONSTANT = 1e-12
"""A deviation below this part of the mean is rounding: the channel is constant."""
TUPLES = ("mean", "std", "order")


@dataclass(frozen=True, eq=False)
class Transform:
    """How raw becomes input. `mean` and `std` are of raw values, per channel; a constant channel has std 1.

    `raw` has mean 0 and std 1, or 255 for uint8, as `pca` and `zca` have before they whiten: (x - mean_values) matrix,
    over the values of an example in the order (*map size, channels). `order` is where each position's values come from.
    `channel_covariance`, (C, C) of raw values over `unit`, which is 255 for uint8 and else 1, is for augmentation only:
    neither is among the constants.
    """

    kind: Kind
    mean: tuple[float, ...]
    std: tuple[float, ...]
    mean_values: Array | None = None
    matrix: Array | None = None
    order: tuple[int, ...] | None = None
    channel_covariance: Array | None = None
    unit: float = 1.0
    _moved: dict[torch.device, dict[str, Tensor]] = field(default_factory=dict, init=False, repr=False)

    def __call__(self, raw: Tensor) -> Tensor:
        """(n, *map size, C) numbers to (n, C, *map size) float32 on the same device; images channels last."""
        on = self.on(raw.device)
        x = raw.to(torch.float32, copy=True).sub_(on["mean"]).div_(on["std"])
        if "matrix" in on:
            x = ((x.flatten(1) - on["mean_values"]) @ on["matrix"]).view(x.shape)
        if "order" in on:
            x = x.flatten(1, -2).index_select(1, on["order"]).view(x.shape)
        x = x.movedim(-1, 1)
        return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.contiguous()

    def eigen(self) -> tuple[Array, Array]:
        """Of the covariance of the channels' values over `unit`: eigenvalues, descending; eigenvectors in columns."""
        if self.channel_covariance is None:
            raise ValueError(f"lighting: no covariance is kept of {len(self.mean)} channels; leave lighting out")
        return _eigen(self.channel_covariance)

    def constants(self) -> dict[str, Array | str]:
        """What `from_constants` makes the same transform of: arrays and a string, to be kept in any format."""
        optional = {"mean_values": self.mean_values, "matrix": self.matrix}
        order = {} if self.order is None else {"order": np.array(self.order, np.int64)}
        whitening = {name: value for name, value in optional.items() if value is not None}
        return {"kind": self.kind, "mean": np.array(self.mean), "std": np.array(self.std), **whitening, **order}

    @staticmethod
    def from_constants(constants: Mapping[str, Array | str]) -> Transform:
        """The transform whose `constants` these are; it has no channel covariance."""
        kind = str(constants["kind"])
        if kind not in get_args(Kind):
            raise ValueError(f"input: there is no kind {kind!r}; it is one of {', '.join(get_args(Kind))}")
        numbers = {name: np.asarray(value) for name, value in constants.items() if name != "kind"}
        mean, std, order = (tuple(numbers[name].tolist()) if name in numbers else None for name in TUPLES)
        assert mean is not None
        assert std is not None
        return Transform(kind, mean, std, numbers.get("mean_values"), numbers.get("matrix"), order)  # type: ignore[arg-type]

    def on(self, device: torch.device) -> dict[str, Tensor]:
        """The constants as tensors on a device, by name, moved there once."""
        if device not in self._moved:
            numbers = {name: value for name, value in self.constants().items() if not isinstance(value, str)}
            types = {name: torch.int64 if name == "order" else torch.float32 for name in numbers}
            self._moved[device] = {
                name: torch.tensor(numbers[name], dtype=types[name], device=device) for name in numbers
            }
        return self._moved[device]


def fit(spec: Input | None, batches: Iterable[Array], shape: tuple[int, ...]) -> Transform:
    """The transform of examples of `shape` (C, *map size) that the training part's batches, (n, *map size, C), give.

    One pass, in float64, by the rule of Chan, Golub & LeVeque (1979) for joining the moments of parts: the same as two
    passes over the whole to about 1e-14, whatever the sizes of the batches.
    """
    spec = spec or Input()
    order = permutation(int(np.prod(shape[1:]))) if spec.permute else None
    if spec.kind in ("pca", "zca"):
        return _whitening(spec, batches, shape, order)
    channels, total, unit = shape[0], None, 1.0
    for chunk in _chunks(batches):
        unit = _unit(chunk)
        total = _joined(total, chunk.reshape(-1, channels), channels <= COVARIANCE_CHANNELS)
    if total is None:
        raise ValueError("input: the training part is empty; give it at least one example")
    covariance = total.scatter / total.count / unit**2 if total.scatter.ndim == 2 else None
    if spec.kind == "raw":
        scale = (0.0,) * channels, (unit,) * channels
        return Transform("raw", *scale, order=order, channel_covariance=covariance, unit=unit)
    deviation = np.sqrt(_diagonal(total.scatter) / total.count)
    std = np.where(deviation > CONSTANT * np.abs(total.mean), deviation, 1.0)
    mean = tuple(total.mean.tolist())
    return Transform("standardized", mean, tuple(std.tolist()), None, None, order, covariance, unit)


def _whitening(
    spec: Input, batches: Iterable[Array], shape: tuple[int, ...], order: tuple[int, ...] | None
) -> Transform:
    """(x - mean) U diag(1 / sqrt(l + eps)), for `zca` times U' (Krizhevsky 2009, appendix A)."""
    check_input(spec, shape)
    values, total, unit = int(np.prod(shape)), None, 1.0
    for chunk in _chunks(_first(batches, WHITENED_EXAMPLES)):
        unit = _unit(chunk)
        total = _joined(total, chunk.reshape(-1, values) / unit, True)
    if total is None:
        raise ValueError("input: the training part is empty; give it at least one example")
    eigenvalues, vectors = _eigen(total.scatter / total.count)
    matrix = vectors / np.sqrt(np.maximum(eigenvalues, 0.0) + spec.eps)
    if spec.kind == "zca":
        matrix = matrix @ vectors.T
    scale = (0.0,) * shape[0], (unit,) * shape[0]
    return Transform(spec.kind, *scale, total.mean.astype(np.float32), matrix.astype(np.float32), order, unit=unit)


@dataclass(frozen=True)
class _Moments:
    """Of `count` rows: their mean, and the sum of (row - mean)' (row - mean), or only its diagonal."""

    count: int
    mean: Array
    scatter: Array


def _joined(total: _Moments | None, rows: Array, full: bool) -> _Moments:
    """The moments of what was and of more rows; sums run along contiguous memory, where numpy adds pairwise."""
    columns = np.array(rows.T, np.float64, order="C")
    mean = columns.mean(1)
    columns -= mean[:, None]
    scatter = columns @ columns.T if full else np.square(columns).sum(1)
    if total is None:
        return _Moments(len(rows), mean, scatter)
    count, step = total.count + len(rows), mean - total.mean
    between = (np.outer(step, step) if full else step * step) * (total.count * len(rows) / count)
    return _Moments(count, total.mean + step * (len(rows) / count), total.scatter + scatter + between)


def _diagonal(scatter: Array) -> Array:
    return scatter.diagonal() if scatter.ndim == 2 else scatter


def _eigen(covariance: Array) -> tuple[Array, Array]:
    """Eigenvalues, descending, and eigenvectors in columns, each with its largest entry positive."""
    eigenvalues, vectors = np.linalg.eigh(covariance)
    eigenvalues, vectors = eigenvalues[::-1], vectors[:, ::-1]
    largest = vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])]
    return eigenvalues, vectors * np.where(largest < 0, -1.0, 1.0)


def _unit(raw: Array) -> float:
    return 255.0 if raw.dtype == np.uint8 else 1.0


def _first(batches: Iterable[Array], most: int) -> Iterator[Array]:
    """The first `most` examples; the rest of the batches is not read."""
    for batch in batches:
        yield batch[:most]
        most -= len(batch)
        if most <= 0:
            return


def _chunks(batches: Iterable[Array]) -> Iterator[Array]:
    """The same examples, few enough at a time to be float64."""
    for batch in batches:
        size = max(1, CHUNK // max(1, batch[:1].size))
        for start in range(0, len(batch), size):
            yield batch[start : start + size]


def permutation(positions: int) -> tuple[int, ...]:
    """A fixed random order of so many positions, by SplitMix64: the same on every machine."""
    return tuple(np.argsort(mixed(np.arange(positions, dtype=np.uint64)), kind="stable").tolist())
