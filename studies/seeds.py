"""Seeds: every random choice of a study comes from its one seed, by name."""

from __future__ import annotations

import hashlib


def derive(seed: int, *names: object) -> int:
    """A seed of its own, below 2^31, for a named use of `seed`: the first bytes of a SHA-256."""
    text = ":".join(str(part) for part in (seed, *names))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
