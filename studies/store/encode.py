"""What both databases can hold: floats exactly, numbers that are not finite as null, text without NUL."""

from __future__ import annotations

import json
import math
from typing import Any


def finite(value: float | None) -> float | None:
    """The value, or None where it is NaN or infinite: to be read as "there is no measurement"."""
    return value if value is not None and math.isfinite(value) else None


def _all_finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _all_finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_all_finite(item) for item in value]
    return finite(value) if isinstance(value, float) else value


def dumps(value: Any) -> str:
    """JSON that PostgreSQL takes too: floats to the last bit (repr), NaN and infinities as null at any depth."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_all_finite(value), allow_nan=False)


def clean(text: str | None) -> str | None:
    """Text of unknown origin (an exception's) without what a database refuses: NUL and lone surrogates."""
    return text and text.replace("\0", "").encode(errors="replace").decode()
