"""What makes two studies the same: the fingerprint, and in what two specs differ."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from searchspace.language.problems import Path, dotted
from worker import datasource

FREE = ("about", "budget", "confirm", "resources", "measure", "baselines", "apiVersion", "kind", "name")
"""The sections that may change while a study goes on."""


def canonical(tree: Any) -> str:
    """JSON with sorted keys and no spaces: equal texts for equal trees."""
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(tree: Any) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a tree's canonical JSON."""
    return hashlib.sha256(canonical(tree).encode()).hexdigest()[:16]


def identity(tree: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a normalised study that its fingerprint is of; `replicates` may rise, so it is not in it."""
    kept = {section: value for section, value in tree.items() if section not in FREE and value is not None}
    kept["data"] = datasource.identity(kept.get("data", {}))
    if kept.get("evaluate", {}).get("digest"):
        kept["evaluate"] = {"digest": kept["evaluate"]["digest"]}  # its content, wherever the file lies
    if "design" in kept:
        kept["design"] = {name: value for name, value in kept["design"].items() if name != "replicates"}
    return kept


def fingerprint(tree: Mapping[str, Any]) -> str:
    """A study's fingerprint."""
    return digest(identity(tree))


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """One line for each place of the identity where two studies differ: `recipe.epochs: 12 -> 20`."""
    return list(_differences(identity(old), identity(new), ()))


def _differences(old: Any, new: Any, where: Path) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted({*old, *new}):
            yield from _differences(old.get(key, _ABSENT), new.get(key, _ABSENT), (*where, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _differences(one, other, (*where, index))
    elif old != new:
        yield f"{dotted(where)}: {_shown(old)} -> {_shown(new)}"


_ABSENT = object()


def _shown(value: Any) -> str:
    return "(absent)" if value is _ABSENT else json.dumps(value, ensure_ascii=False)
