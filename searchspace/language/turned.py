"""Numbers that are not known yet, only that they rise with what is turned: by them a template is read for all values.

A `Turned` number goes through expressions, blocks, patterns and scaling like any other. What cannot be decided for the
whole range at once, such as whether it is above 3 where it goes from 1 to 5, raises `Undecided`, so nothing is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from numbers import Real
from typing import Any

WIDEST = 1e17
"""The bounds of a number of which nothing is known."""
STEEP = 1.001
"""The least base whose powers with whole exponents rise in spite of rounding."""


class Undecided(ValueError):
    """A question that has different answers within the range."""


@dataclass(frozen=True, eq=False)
class Turned:
    """A number from `low` to `high`, whole where both are; it `rises` if it never falls when a turned variable rises.

    Numbers of the same `key` are the same function of the variables, so always equal.
    """

    low: Any
    high: Any
    key: Hashable
    rises: bool = True

    def through(self, function: Callable[[Any], Any], name: str) -> Turned:
        """What a function of that name, which never falls, makes of it."""
        return Turned(function(self.low), function(self.high), (name, self.key), self.rises)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Turned | int | float):
            return False
        low, high, key, _ = _parts(other)
        if key == self.key:
            return True
        if high < self.low or self.high < low:
            return False
        raise Undecided("equal for some values only")

    def __lt__(self, other: Any) -> bool:
        return _decided(self.high < _parts(other)[0], self.low >= _parts(other)[1])

    def __le__(self, other: Any) -> bool:
        return _decided(self.high <= _parts(other)[0], self.low > _parts(other)[1])

    def __gt__(self, other: Any) -> bool:
        return not self <= other

    def __ge__(self, other: Any) -> bool:
        return not self < other

    def __bool__(self) -> bool:
        return self != 0

    def __abs__(self) -> Any:
        return max(abs(self.low), abs(self.high))

    def __round__(self) -> Turned:
        return self.through(round, "round")

    def __add__(self, other: Any) -> Turned:
        low, high, key, rises = _parts(other)
        return Turned(self.low + low, self.high + high, _both("+", self.key, key), self.rises and rises)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Turned:
        low, high, key, _ = _parts(other)
        return Turned(self.low - high, self.high - low, ("-", self.key, key), self.rises and low == high)

    def __rsub__(self, other: Any) -> Turned:
        return Turned(other - self.high, other - self.low, ("-", other, self.key), False)

    def __neg__(self) -> Turned:
        return 0 - self

    def __mul__(self, other: Any) -> Turned:
        low, high, key, rises = _parts(other)
        ends = [mine * its for mine in (self.low, self.high) for its in (low, high)]
        known = self.rises and rises and self.low >= 0 and low >= 0
        return Turned(min(ends), max(ends), _both("*", self.key, key), known)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Turned:
        if isinstance(other, Turned) or other <= 0:
            return _wild("/", self, other)
        return Turned(self.low / other, self.high / other, ("/", self.key, other), self.rises)

    def __floordiv__(self, other: Any) -> Turned:
        if isinstance(other, Turned) or other <= 0:
            return _wild("//", self, other)
        return Turned(self.low // other, self.high // other, ("//", self.key, other), self.rises)

    def __pow__(self, other: Any) -> Turned:
        if not (isinstance(other, int) and isinstance(self.low, int) and self.low >= 0 <= other):
            return _wild("**", self, other)
        return Turned(self.low**other, self.high**other, ("**", self.key, other), self.rises)

    def __rpow__(self, other: Any) -> Turned:
        if not (isinstance(self.low, int) and self.low >= 0 and (other == 1 or other >= STEEP)):
            return _wild("**", other, self)
        return Turned(other**self.low, other**self.high, ("**", other, self.key), self.rises)

    def __mod__(self, other: Any) -> Turned:
        return _wild("%", self, other)

    def __rmod__(self, other: Any) -> Turned:
        return _wild("%", other, self)

    def __rtruediv__(self, other: Any) -> Turned:
        return _wild("/", other, self)

    def __rfloordiv__(self, other: Any) -> Turned:
        return _wild("//", other, self)


Real.register(Turned)


def _parts(number: Any) -> tuple[Any, Any, Hashable, bool]:
    """Low, high, key and whether it rises; a plain number does."""
    if isinstance(number, Turned):
        return number.low, number.high, number.key, number.rises
    if isinstance(number, int | float):
        return number, number, number, True
    raise Undecided(f"{number!r} is no number")


def _decided(always: bool, never: bool) -> bool:
    if not always and not never:
        raise Undecided("true for some values only")
    return always


def _both(sign: str, one: Hashable, other: Hashable) -> Hashable:
    """The key of a sum or product, whose sides may change places."""
    return (sign, *sorted((one, other), key=repr))


def _wild(sign: str, left: Any, right: Any) -> Turned:
    return Turned(-WIDEST, WIDEST, (sign, _parts(left)[2], _parts(right)[2]), False)


def rising(tree: Any) -> list[tuple[tuple[str | int, ...], Turned]]:
    """Every turned number in a tree, with its place."""
    found: list[tuple[tuple[str | int, ...], Turned]] = []
    _collect(tree, (), found)
    return found


def _collect(tree: Any, where: tuple[str | int, ...], found: list[tuple[tuple[str | int, ...], Turned]]) -> None:
    if isinstance(tree, Turned):
        found.append((where, tree))
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    for key, item in children:
        _collect(item, (*where, key), found)
