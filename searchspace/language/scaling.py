"""A width factor for a whole network: every channel count times the factor, as the width multiplier of MobileNet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from searchspace.language.turned import Turned, Undecided

COUNTS = ("width", "growth", "inner", "out", "hidden")
"""The fields that count channels or features; `out: outputs` is text and stays."""


def scaled(tree: Any, factor: Any, divisor: int) -> Any:
    """The tree with its channel counts scaled; a stage that is `unscaled` keeps them where the factor is below 1."""
    if isinstance(tree, list):
        return [scaled(item, factor, divisor) for item in tree]
    if not isinstance(tree, dict):
        return tree
    inner = 1.0 if tree.get("unscaled") is True and factor < 1 else factor
    return {key: _field(key, value, inner, divisor) for key, value in tree.items() if key != "unscaled"}


def _field(key: str, value: Any, factor: Any, divisor: int) -> Any:
    if key in COUNTS and isinstance(value, list):
        return [_field(key, item, factor, divisor) for item in value]
    if key in COUNTS and (isinstance(value, Turned) or isinstance(factor, Turned)):
        return _turned(key, value, factor, divisor)
    if key in COUNTS and isinstance(value, int) and not isinstance(value, bool):
        return value if factor == 1 else divisible(value * factor, divisor)
    return scaled(value, factor, divisor)


def _turned(key: str, value: Any, factor: Any, divisor: int) -> Any:
    """A count that is turned, or scaled by a factor that is; a plain one is sure to rise if it needs no rounding."""
    if isinstance(value, Turned):
        if isinstance(factor, Turned):
            raise Undecided("a count and its factor are turned at once")
        return value if factor == 1 else value.through(lambda one: _field(key, one, factor, divisor), f"times {factor}")
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    made = factor.through(lambda one: _field(key, value, one, divisor), f"{value} to {divisor}")
    return replace(made, rises=made.rises and value % divisor == 0)


def divisible(channels: float, divisor: int) -> int:
    """The nearest multiple of `divisor`, at least one of it, that does not fall below 90 % (Sandler et al. 2018)."""
    if divisor == 1:
        return max(1, round(channels))
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest
