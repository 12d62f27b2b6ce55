"""Numbers as people write them: `2M`, `4%`, `<= 60k`; and back, for screens."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from searchspace.language.expressions import LARGEST

SUFFIXES = {"": 0, "k": 3, "M": 6, "G": 9, "T": 12}
"""Decimal suffixes and their powers of ten."""

_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?"
_QUANTITY = re.compile(rf"\s*({_NUMBER})\s*([kMGT]?)\s*")
_FRACTION = re.compile(rf"\s*({_NUMBER})\s*(%?)\s*")
_DURATION = re.compile(rf"\s*({_NUMBER})\s*(us|ms|s|)\s*")
_BOUND = re.compile(r"\s*(<=|>=)\s*([^<>=].*)", re.DOTALL)


def quantity(value: object) -> int | float:
    """The number `value` says, an int where it is whole: "2M" is 2_000_000, "1.5k" is 1500, 0.9 is 0.9."""
    match = _QUANTITY.fullmatch(_text(value))
    number = Decimal(match[1]).scaleb(SUFFIXES[match[2]]) if match else None
    if number is None or abs(number) > LARGEST:
        raise ValueError(f"{_short(value)} is no count: write a number with k, M, G or T, such as 2M")
    return int(number) if number == number.to_integral_value() else float(number)


def fraction(value: object) -> float:
    """A share in [0, 1]: "4%" and 0.04 are 0.04."""
    match = _FRACTION.fullmatch(_text(value))
    number = Decimal(match[1]).scaleb(-2 if match[2] else 0) if match else Decimal(-1)
    if not 0 <= number <= 1:
        raise ValueError(f"{_short(value)} is no fraction: write a number from 0 to 1 or a percentage, such as 4%")
    return float(number)


def amount(value: object) -> float:
    """A size above zero in a metric's own unit, or as a percentage: "0.3%" is 0.003, 2 is 2.0."""
    match = _FRACTION.fullmatch(_text(value))
    number = Decimal(match[1]).scaleb(-2 if match[2] else 0) if match else Decimal(0)
    if number <= 0:
        raise ValueError(f"{_short(value)} is no size: write a number above 0 or a percentage, such as 0.3%")
    return float(number)


def milliseconds(value: object) -> float:
    """A time above zero in milliseconds: 3 and "3ms" are 3.0, "250us" is 0.25, "1.5s" is 1500.0."""
    match = _DURATION.fullmatch(_text(value))
    number = Decimal(match[1]).scaleb({"us": -3, "s": 3}.get(match[2], 0)) if match else Decimal(0)
    if number <= 0:
        raise ValueError(f"{_short(value)} is no time: write a number of milliseconds above 0, such as 3ms")
    return float(number)


def bound(text: object) -> tuple[str, float]:
    """The side and the limit of "<= 60k", ">= 0.9" or ">= 90%"."""
    match = _BOUND.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{_short(text)} is no bound: write <= or >= and a number, such as '<= 60k'")
    return match[1], float(fraction(match[2]) if "%" in match[2] else quantity(match[2]))


def human(n: float, digits: int = 3) -> str:
    """`n` for a screen, with `digits` significant digits and a suffix from 1000 on: "2.00 M", "82.3 k", "512"."""
    if not math.isfinite(n) or (abs(n) < 1000 and n == int(n)):
        return f"{n:g}"
    rounded = float(f"{n:.{digits - 1}e}")
    thousands = min(int(math.log10(abs(rounded))) // 3, 4) if abs(rounded) >= 1000 else 0
    if not thousands:
        return f"{n:.{digits}g}"
    scaled = rounded / 10 ** (3 * thousands)
    decimals = max(digits - len(str(int(abs(scaled)))), 0)
    return f"{scaled:.{decimals}f} {list(SUFFIXES)[thousands]}"


def percent(share: float) -> str:
    """A share for a screen: 0.04 is "4%", 0.005 is "0.5%"."""
    return f"{100 * share:.3g}%"


def _text(value: object) -> str:
    """`value` as text to be read; nothing where it is neither text nor a number (booleans are no numbers)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return value if isinstance(value, str) else repr(value) if abs(value) <= LARGEST else ""


def _short(value: object) -> str:
    text = repr(value) if not isinstance(value, int) or abs(value) <= LARGEST else "an integer beyond 1e18"
    return text if len(text) <= 60 else f"{text[:57]}..."
