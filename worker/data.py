"""The data of a study as tensors in memory: split by a constant, standardized, the test part behind its own door.

The split depends on nothing but the labels' order in the source: every study, seed and machine trains, validates and
tests on the same images. A fifth is the test part, a fifth validates, the rest trains, each with every class in its
share. Means and standard deviations come from the training part alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from worker.datasource import DataFacts, DataSpec, arrays_path, describe, headers

Part = Literal["train", "validation", "test"]
Array = np.ndarray[Any, np.dtype[Any]]
PARTS = 5
"""One of so many parts (rounded up) is for tests and one for validation."""


@dataclass(frozen=True)
class Statistics:
    """Per channel, of the training part's raw values; a constant channel has std 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Splits:
    """What a training may see, in memory.

    Inputs are float32 (N, C, *map size), standardized, images channels last. Targets are int64 (N,) labels or
    float32 (N, outputs).
    """

    train_x: Tensor
    train_y: Tensor
    validation_x: Tensor
    validation_y: Tensor
    statistics: Statistics


def load(spec: DataSpec, task: str) -> Splits:
    """The training and validation parts; the same tensors at every call of a process, so do not write into them."""
    return _load(spec, task)


def moved(splits: Splits, device: torch.device) -> Splits:
    """The same on another device; on its own device, the very same tensors."""
    train = splits.train_x.to(device), splits.train_y.to(device)
    return Splits(*train, splits.validation_x.to(device), splits.validation_y.to(device), splits.statistics)


def open_test(spec: DataSpec, task: str) -> tuple[Tensor, Tensor]:
    """The test part, standardized as the training part is. Only the final test of a winner calls this."""
    return _part(spec, task, "test", load(spec, task).statistics)


def raw_images(spec: DataSpec, task: str, part: Part, most: int) -> Array:
    """The first `most` images of a part as they lie in the source, (N, *map size, C), to check an exported network."""
    x, y = _source(spec, task)
    return x[split(y, task)[part][:most]]


def split(y: Array, task: str) -> dict[Part, Array]:
    """The indices of each part, ascending.

    Each class's images are put in an order that is a hash of their index; the r-th of n stands at (r + 1/2) / n, and
    the parts are cut from all images sorted by that place: sizes are exact, and shares within one image of even.
    """
    strata = y if task == "classification" else np.zeros(len(y), np.int64)
    keys = _mixed(np.arange(len(y), dtype=np.uint64))
    by_class = np.lexsort((keys, strata))
    first = np.searchsorted(strata[by_class], strata[by_class])
    count = np.searchsorted(strata[by_class], strata[by_class], side="right") - first
    place = np.empty(len(y))
    place[by_class] = (np.arange(len(y)) - first + 0.5) / count
    order, part = np.lexsort((keys, place)), -(-len(y) // PARTS)
    cuts = {"test": order[:part], "validation": order[part : 2 * part], "train": order[2 * part :]}
    return {name: np.sort(cuts[name]) for name in ("train", "validation", "test")}


def _mixed(index: Array) -> Array:
    """SplitMix64 (Steele et al. 2014): the same order on every machine and with every version of numpy."""
    z = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@lru_cache(maxsize=2)
def _load(spec: DataSpec, task: str) -> Splits:
    x, y = _source(spec, task)
    statistics = _statistics(x[split(y, task)["train"]])
    train, validation = (_part(spec, task, part, statistics) for part in ("train", "validation"))
    return Splits(*train, *validation, statistics)


def _part(spec: DataSpec, task: str, part: Part, statistics: Statistics) -> tuple[Tensor, Tensor]:
    x, y = _source(spec, task)
    index = split(y, task)[part]
    labels = torch.from_numpy(y[index].astype(np.int64 if task == "classification" else np.float32))
    return standardized(x[index], statistics), labels


def standardized(raw: Array, statistics: Statistics) -> Tensor:
    """Raw (N, *map size, C) to float32 (N, C, *map size); images stay channels last in memory."""
    mean, std = (torch.tensor(values, dtype=torch.float32) for values in (statistics.mean, statistics.std))
    x = ((torch.from_numpy(raw.astype(np.float32)) - mean) / std).movedim(-1, 1)
    return x if x.dim() == 4 else x.contiguous()


def _statistics(raw: Array) -> Statistics:
    axes = tuple(range(raw.ndim - 1))
    mean, std = raw.mean(axes, dtype=np.float64), raw.std(axes, dtype=np.float64)
    return Statistics(tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist()))


@lru_cache(maxsize=2)
def _source(spec: DataSpec, task: str) -> tuple[Array, Array]:
    """All raw inputs, (N, *map size, C), and labels, (N,) or (N, outputs)."""
    facts = describe(spec, task)
    x, y = _read_digits() if spec.source == "digits" else _read_arrays(spec)
    if not np.isfinite(x).all() or not np.isfinite(y).all():
        raise ValueError(f"{spec.source}: some values are not finite; remove or replace them")
    return x.reshape(_raw_shape(facts)), y if task == "classification" else y.reshape(len(y), -1)


def _raw_shape(facts: DataFacts) -> tuple[int, ...]:
    channels, *size = facts.shape
    return (-1, *size, channels)


def _read_digits() -> tuple[Array, Array]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images, digits.target


def _read_arrays(spec: DataSpec) -> tuple[Array, Array]:
    headers(arrays_path(spec))
    with np.load(arrays_path(spec), allow_pickle=False) as file:
        return file["x"], file["y"]
