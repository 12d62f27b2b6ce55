"""One fingerprint per network, however it was declared: names, nesting and what changes nothing do not count."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, replace

from searchspace.core import (
    Activation,
    Auxiliary,
    Conv,
    Dropout,
    Identity,
    Network,
    Node,
    Norm,
    PadChannels,
    Parallel,
    Pool,
    Sequence,
    Upsample,
    Within,
)


def fingerprint(network: Network) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the network's canonical form and input shape.

    What is the same for this input only (a window that divides evenly with and without ceil, as many groups as there
    are channels) counts as two networks.
    """
    text = f"{'x'.join(map(str, network.input))} {_text(network.root)}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _text(node: Node) -> str:
    """A node by itself: sequences flattened, what changes nothing left out."""
    parts = list(_steps(node))
    return parts[0] if len(parts) == 1 else f"[{' '.join(parts)}]"


def _steps(node: Node) -> Iterator[str]:
    """What a node does, step by step; nothing for one that changes nothing."""
    match node:
        case Sequence():
            for _, child in node.items:
                yield from _steps(child)
        case Parallel(branches=((_, only),)):
            yield from _steps(only)
        case Parallel():
            branches = [text for _, child in node.branches for text in _branches(child, node.merge)]
            listed = branches if node.merge == "concat" else sorted(branches)
            yield f"{node.merge}({' | '.join(listed)})"
        case Within():
            yield f"within({_text(node.pool)}, {_text(node.body)})"
        case Auxiliary():
            yield f"auxiliary({node.weight!r}, {_text(node.body)})"
        case _ if not _idle(node):
            plain = _plain(node)
            values = (getattr(plain, field.name) for field in fields(plain))
            yield f"{type(plain).__name__}({', '.join(map(repr, values))})"


def _branches(node: Node, merge: str) -> Iterator[str]:
    """A branch, or the branches of one that only merges others in the same way."""
    while isinstance(node, Sequence) and len(node.items) == 1:
        node = node.items[0][1]
    if isinstance(node, Parallel) and node.merge == merge:
        for _, child in node.branches:
            yield from _branches(child, merge)
    else:
        yield _text(node)


def _idle(node: Node) -> bool:
    """Whether a primitive passes its input on whatever it is."""
    match node:
        case Identity() | Dropout(rate=0) | PadChannels(before=0, after=0):
            return True
        case Upsample():
            return set(node.scale) == {1}
        case Pool():
            return node.kind != "mixed" and {*node.kernel, *node.stride} == {1} and not _padded(node)
    return False


def _plain(node: Node) -> Node:
    """The simplest primitive that does the same."""
    match node:
        case Norm(kind="layer"):  # layer normalization is group normalization with one group (Wu & He 2018)
            return Norm("group", 1, node.eps)
        case Activation(kind="leaky_relu", slope=0):
            return Activation("relu")
        case Conv():  # a dilation spreads the weights of a window, and here is one
            return replace(
                node, dilation=tuple(1 if k == 1 else d for k, d in zip(node.kernel, node.dilation, strict=True))
            )
        case Pool(kind="max" | "average") if not _padded(node):
            return replace(node, count_padding=False, kind="average" if set(node.kernel) == {1} else node.kind)
    return node


def _padded(node: Pool) -> bool:
    return any(side for sides in node.padding for side in sides)
