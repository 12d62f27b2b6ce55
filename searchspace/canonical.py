"""One fingerprint per network, however it was declared: names, nesting and what changes nothing do not count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields

from searchspace.core import Auxiliary, Dropout, Identity, Network, Node, Norm, Parallel, Sequence, Within


def fingerprint(network: Network) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the network's canonical form and input shape."""
    text = f"{_sizes(network.input)} {_text(network.root)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(node: Node) -> str:
    """A node by itself: sequences flattened, identities left out, branches whose order does not matter sorted."""
    parts = list(_steps(node))
    return parts[0] if len(parts) == 1 else f"[{' '.join(parts)}]"


def _steps(node: Node) -> Iterator[str]:
    """What a node does, step by step; nothing for one that changes nothing."""
    match node:
        case Sequence():
            for _, child in node.items:
                yield from _steps(child)
        case Identity() | Dropout(rate=0):
            return
        case Parallel(branches=((_, only),)):
            yield from _steps(only)
        case Parallel():
            branches = [_text(child) for _, child in node.branches]
            listed = branches if node.merge == "concat" else sorted(branches)
            yield f"{node.merge}({' | '.join(listed)})"
        case Within():
            yield f"within({_text(node.pool)}, {_text(node.body)})"
        case Auxiliary():
            yield f"auxiliary({node.weight!r}, {_text(node.body)})"
        case Norm(kind="layer"):  # layer normalization is group normalization with one group (Wu & He 2018)
            yield from _steps(Norm("group", 1, node.eps))
        case _:
            values = (getattr(node, field.name) for field in fields(node))
            yield f"{type(node).__name__}({', '.join(map(repr, values))})"


def _sizes(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
