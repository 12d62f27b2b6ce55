"""What a source holds, told without reading a pixel, and the checks that all sources share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from worker.sources.split import LEAST_IMAGES, Cut, Part

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Encoded:
    """Image files that are not decoded: `take` gives the bytes of some rows, `name` is how a message calls one.

    `take` may be called from several threads at once.
    """

    count: int
    take: Callable[[Array], list[bytes]]
    name: Callable[[int], str]


@dataclass(frozen=True)
class Catalog:
    """`given` are the targets of each part that the source has (`all` where it has none): int64 labels, or numbers.

    `shape` is (channels, *map size) of one example. `inputs` opens a part by its name in `given`: image files, or an
    array (N, *map size, C).
    """

    where: str
    given: Mapping[str, Array]
    shape: tuple[int, ...]
    labels: tuple[str, ...]
    digest: str | None
    inputs: Callable[[str], Encoded | Array]
    notes: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Classes, or numbers to predict."""
        return len(self.labels) or int(next(iter(self.given.values())).shape[1])


def extra(module: str, where: str) -> ModuleType:
    """A module of the `worker` extra; a sentence with the cure where it is not installed."""
    from importlib import import_module

    try:
        return import_module(module)
    except ModuleNotFoundError:
        name = module.split(".")[0]
        raise ValueError(f"{where}: reading it needs {name}; pip install 'archstudy[worker]'") from None


def checked_labels(where: str, y: Array, classes: int | None) -> int:
    """The number of classes of integer labels."""
    low, high = int(y.min()), int(y.max())
    if low < 0:
        raise ValueError(f"{where}: a label is {low}; number the classes from 0")
    if low == high:
        raise ValueError(f"{where}: every label is {low}; classification needs two classes or more")
    if classes and high >= classes:
        raise ValueError(f"{where}: a label is {high}, but classes: {classes} allows 0 to {classes - 1}")
    if not classes and len(np.unique(y)) < high + 1:
        raise ValueError(
            f"{where}: {len(np.unique(y))} labels occur, but they run up to {high}; "
            f"number the classes from 0 without gaps, or write classes: {high + 1}"
        )
    return classes or high + 1


def checked_names(where: str, given: Mapping[str, Array], names: Sequence[str], classes: int | None) -> None:
    """Labels against the names that the source has for them."""
    if len(names) < 2:
        one = f"the only class is {names[0]!r}" if names else "there are no classes"
        raise ValueError(f"{where}: {one}; classification needs two classes or more")
    if classes and classes != len(names):
        raise ValueError(f"{where}: it has {len(names)} classes, but classes: {classes} is written; remove classes")
    for part, y in given.items():
        wrong = y[(y < 0) | (y >= len(names))]
        if len(wrong):
            raise ValueError(
                f"{where}: a label of its {part} part is {wrong[0]}, but the {len(names)} names allow 0 to "
                f"{len(names) - 1}; correct the labels"
            )


def checked_parts(catalog: Catalog, parts: Mapping[Part, Cut], task: str) -> None:
    """Every part has examples, and every class that occurs has some to train on."""
    total = sum(map(len, catalog.given.values()))
    if total < LEAST_IMAGES or not all(len(part.rows) for part in parts.values()):
        raise ValueError(f"{catalog.where}: {total} examples cannot be split; save at least {LEAST_IMAGES}")
    if task != "classification":
        return
    counts = {
        name: np.bincount(catalog.given[part.origin][part.rows], minlength=len(catalog.labels))
        for name, part in parts.items()
    }
    absent = np.flatnonzero((counts["train"] == 0) & (sum(counts.values()) > 0))
    if len(absent):
        label, where = catalog.labels[absent[0]], next(name for name in counts if counts[name][absent[0]])
        raise ValueError(
            f"{catalog.where}: class {label!r} has examples for {where} but none to train on; add some, or leave it out"
        )
