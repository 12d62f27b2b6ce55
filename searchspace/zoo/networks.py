"""Published networks by name: as a blueprint, and as a network at the input that it was published for."""

from __future__ import annotations

from typing import Any

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.language.expand import expand
from searchspace.lower import lower
from searchspace.zoo import files


def tree(name: str, **parameters: Any) -> Any:
    """A network's blueprint as plain data; `parameters` are its own, and `width`, `classes` and `head`."""
    return expand({"zoo": name, **parameters}, {}).tree


def blueprint(name: str, **parameters: Any) -> Blueprint:
    """The same, validated."""
    return Blueprint.model_validate(tree(name, **parameters))


def network(name: str, **parameters: Any) -> Network:
    """The network for the input and the classes on its card."""
    card = files.card(name)
    return lower(blueprint(name, **parameters), card.input, card.classes)
