"""The zoo: published networks by name, each a declared blueprint in one of the families' files beside this one."""

from __future__ import annotations

from typing import Any

from searchspace.expand import expand
from searchspace.zoo_files import Card, card, names

__all__ = ["Card", "blueprint", "card", "names"]


def blueprint(name: str, **parameters: Any) -> Any:
    """The expanded blueprint of a network; `parameters` are its own, and `width`, `classes` and `head`."""
    return expand({"zoo": name, **parameters}, {}).tree
