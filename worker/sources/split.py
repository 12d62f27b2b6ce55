"""Which examples train, validate and test: a constant of the labels' order, whatever the seed and the machine.

A source without parts of its own gives a fifth to tests, a fifth to validation and trains on the rest. One that has
some parts keeps them, and what is missing is taken from its training part: a fifth, at most 10,000 examples.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Part = Literal["train", "validation", "test"]
Array = np.ndarray[Any, np.dtype[Any]]
WHOLE = "all"
"""The name of the one part of a source that has no parts."""
NAMES: Mapping[str, Part] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""How folders and files call a part."""
PARTS = 5
"""One of so many parts (rounded up) is for tests and one for validation."""
MOST = 10_000
"""No more than so many are taken from a training part that the source has made."""
LEAST_IMAGES = 5
"""So that training, validation and test parts each have one."""


@dataclass(frozen=True, eq=False)
class Cut:
    """A part: the rows, ascending, of what the source calls `origin`."""

    origin: str
    rows: Array


def cuts(given: Mapping[str, Array], task: str) -> dict[Part, Cut]:
    """The three parts of a source with the targets `given`: {"all": y}, or {"train": y} with or without others."""
    if len(given) == 1:
        ((origin, y),) = given.items()
        return {name: Cut(origin, rows) for name, rows in split(y, task).items()}
    order = ordered(given["train"], task)
    taken, size = 0, min(-(-len(order) // PARTS), MOST)
    found: dict[Part, Cut] = {}
    for name in ("test", "validation"):
        if name in given:
            found[name] = Cut(name, np.arange(len(given[name])))
        else:
            found[name] = Cut("train", np.sort(order[taken : taken + size]))
            taken += size
    return {"train": Cut("train", np.sort(order[taken:])), **found}


def rule(given: Collection[str]) -> str:
    """How the parts were made, for the record."""
    if len(given) == 1:
        return "a fifth for tests, a fifth for validation, the rest for training, stratified, by SplitMix64 of the row"
    missing = [name for name in ("validation", "test") if name not in given]
    if not missing:
        return "training, validation and test parts as in the source"
    return f"{' and '.join(missing)}: a fifth of the source's training part, at most 10,000, stratified, by SplitMix64"


def recorded(parts: Mapping[Part, Cut]) -> str:
    """16 hexadecimal digits that name the parts: of each part's origin and rows."""
    hashed = hashlib.blake2b(digest_size=8)
    for name in sorted(parts):
        hashed.update(f"{name} {parts[name].origin} ".encode() + parts[name].rows.astype("<i8").tobytes())
    return hashed.hexdigest()


def split(y: Array, task: str) -> dict[Part, Array]:
    """The indices of each part, ascending; sizes are exact, and shares of a class within one example of even."""
    order, part = ordered(y, task), -(-len(y) // PARTS)
    found: dict[Part, Array] = {"test": order[:part], "validation": order[part : 2 * part], "train": order[2 * part :]}
    return {name: np.sort(found[name]) for name in ("train", "validation", "test")}


def ordered(y: Array, task: str) -> Array:
    """All indices in an order of which every beginning has each class in its share.

    Each class's examples are put in an order that is a hash of their index; the r-th of n stands at (r + 1/2) / n, and
    all are sorted by that place.
    """
    strata = y if task == "classification" else np.zeros(len(y), np.int64)
    keys = mixed(np.arange(len(y), dtype=np.uint64))
    by_class = np.lexsort((keys, strata))
    first = np.searchsorted(strata[by_class], strata[by_class])
    count = np.searchsorted(strata[by_class], strata[by_class], side="right") - first
    place = np.empty(len(y))
    place[by_class] = (np.arange(len(y)) - first + 0.5) / count
    return np.lexsort((keys, place))


def mixed(index: Array) -> Array:
    """SplitMix64 (Steele et al. 2014): its numbers, from 0 on, on every machine and with every version of numpy."""
    z = (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
