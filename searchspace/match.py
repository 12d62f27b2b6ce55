"""Equal cost: turn variables until a network costs what it should, and prove that nothing in reach is nearer.

A point's distance is the largest |relative error| of the costs that are held; of equally near points the cheaper one
wins, then the one with the smaller values. Along axes on which every cost is known to rise, a box of values costs at
least what its lowest corner does and at most what its highest does, so most boxes are ruled out unseen; a line of one
axis is bisected. Every value of the other axes is tried. Values at which no network exists are stepped over.
"""

from __future__ import annotations

import heapq
import math
import struct
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, NamedTuple

from searchspace.cost import Infeasible

MAX_COUNTED = 10_000
"""The most networks that one match may count: about two seconds."""
DIGITS = 17
"""As many tell every two real numbers apart."""
Costs = tuple[float, ...]
Place = tuple[int, ...]
"""A point by the number of its value on each axis."""


class Reals(Sequence[float]):
    """Every real number that a computer has from `low` to `high`."""

    def __init__(self, low: float, high: float) -> None:
        self.low = _number(low)
        self.high = _number(high)

    def __len__(self) -> int:
        return self.high - self.low + 1

    def __getitem__(self, place: Any) -> Any:
        return _real(self.low + place)

    def place(self, value: float) -> int:
        """Where a value stands."""
        return _number(value) - self.low


def _number(value: float) -> int:
    """Real numbers in their order have rising numbers, neighbours neighbouring ones."""
    bits: int = struct.unpack("<q", struct.pack("<d", value))[0]
    return bits if bits >= 0 else -(bits & (2**63 - 1))


def _real(number: int) -> float:
    bits = number if number >= 0 else -number - 2**63
    value: float = struct.unpack("<d", struct.pack("<q", bits))[0]
    return value


@dataclass(frozen=True)
class Axis:
    """A variable and its values, smallest first; `rises`: no cost that is held ever falls as they rise."""

    name: str
    values: Sequence[Any]
    rises: bool = False


@dataclass(frozen=True)
class Match:
    """The nearest point: its values, costs and signed relative errors, and how many networks were counted."""

    values: Mapping[str, Any]
    costs: Costs
    errors: Costs
    counted: int

    @property
    def error(self) -> float:
        """The largest of the errors, with its sign."""
        return max(self.errors, key=abs)


def solve(
    count: Callable[[Mapping[str, Any]], Costs],
    axes: Sequence[Axis],
    targets: Sequence[float],
    same: Callable[[Mapping[str, Any]], Hashable] | None = None,
    limit: int = MAX_COUNTED,
) -> Match:
    """The nearest point; `count` raises `Infeasible` where there is no network, and so does this if there is none.

    What `same` maps to equal things is one network, counted once. A real axis must rise, and be the only such axis.
    """
    search = _Search(count, axes, tuple(map(float, targets)), same, limit)
    search.run()
    if search.best is None:
        raise search.last or Infeasible("match", "the variable to solve has no values; widen its range")
    place = search.shortest(search.best.place)
    costs = search.best.costs
    errors = tuple((cost - target) / target for cost, target in zip(costs, search.targets, strict=True))
    return Match(search.values(place), costs, errors, len(search.known))


class _Rank(NamedTuple):
    """What is better comes first."""

    distance: float
    costs: Costs
    place: Place


class _Box(NamedTuple):
    """Points from `low` to `high`; none is better than `bound`, cheaper than `least` or dearer than `most`."""

    bound: _Rank
    low: Place
    high: Place
    least: Costs
    most: Costs


class _Search:
    """One search: every point counted so far, and the best of them."""

    def __init__(
        self,
        count: Callable[[Mapping[str, Any]], Costs],
        axes: Sequence[Axis],
        targets: Costs,
        same: Callable[[Mapping[str, Any]], Hashable] | None,
        limit: int,
    ) -> None:
        self.count, self.axes, self.targets, self.same, self.limit = count, axes, targets, same, limit
        self.best: _Rank | None = None
        self.last: Infeasible | None = None
        self.known: dict[Hashable, Costs | None] = {}
        self._keys: dict[Place, Hashable] = {}

    def run(self) -> None:
        """Every value of the axes that are not known to rise; of the others, what cannot be ruled out."""
        sizes = [len(axis.values) for axis in self.axes]
        if not all(sizes):
            return
        outer = [range(1) if axis.rises else range(size) for axis, size in zip(self.axes, sizes, strict=True)]
        ends = [size - 1 if axis.rises else 0 for axis, size in zip(self.axes, sizes, strict=True)]
        for low in product(*outer):
            self._boxes(low, tuple(a + b for a, b in zip(low, ends, strict=True)))

    # --- points -------------------------------------------------------------------------------------------------------

    def values(self, place: Place) -> dict[str, Any]:
        """The values at a place."""
        return {axis.name: axis.values[number] for axis, number in zip(self.axes, place, strict=True)}

    def key(self, place: Place) -> Hashable:
        """What points of one network share."""
        if self.same is None:
            return place
        if place not in self._keys:
            self._keys[place] = self.same(self.values(place))
        return self._keys[place]

    def at(self, place: Place) -> Costs | None:
        """The costs there, None where there is no network; the best is kept."""
        key = self.key(place)
        if key not in self.known:
            self.known[key] = self._counted(place)
        costs = self.known[key]
        if costs is not None:
            rank = _Rank(self._distance(costs, costs), costs, place)
            if self.best is None or rank < self.best:
                self.best = rank
        return costs

    def _counted(self, place: Place) -> Costs | None:
        if len(self.known) >= self.limit:
            names = " and ".join(axis.name for axis in self.axes)
            cure = f"narrow {names} or give a step"
            raise Infeasible("match", f"more than {self.limit:,} networks would have to be counted; {cure}")
        try:
            return tuple(self.count(self.values(place)))
        except Infeasible as error:
            self.last = error
            return None

    def _distance(self, least: Costs, most: Costs) -> float:
        """The least distance that costs between these can have; of one point, its distance."""
        far = 0.0
        for low, high, target in zip(least, most, self.targets, strict=True):
            far = max(far, (low - target) / target, (target - high) / target)
        return far

    # --- boxes of several axes ----------------------------------------------------------------------------------------

    def _boxes(self, low: Place, high: Place) -> None:
        """The box where all costs rise, the most promising part first, until no part can be better than the best."""
        nothing, endless = (0.0,) * len(self.targets), (float("inf"),) * len(self.targets)
        heap: list[_Box] = []
        self._add(heap, low, high, nothing, endless)
        while heap:
            box = heapq.heappop(heap)
            if self.best and box.bound >= self.best:
                return
            wide = [axis for axis, (a, b) in enumerate(zip(box.low, box.high, strict=True)) if a < b]
            if len(wide) == 1:
                self._line(box, wide[0])
            elif wide:
                axis = max(wide, key=lambda one: box.high[one] - box.low[one])
                middle = (box.low[axis] + box.high[axis]) // 2
                self._add(heap, box.low, _put(box.high, axis, middle), box.least, box.most)
                self._add(heap, _put(box.low, axis, middle + 1), box.high, box.least, box.most)

    def _add(self, heap: list[_Box], low: Place, high: Place, least: Costs, most: Costs) -> None:
        """The box, if it can hold something better; a corner without a network leaves what is known from outside."""
        least = self.at(low) or least
        most = self.at(high) or most
        bound = _Rank(self._distance(least, most), least, low)
        if self.best is None or bound < self.best:
            heapq.heappush(heap, _Box(bound, low, high, least, most))

    # --- a line of one axis -------------------------------------------------------------------------------------------

    def _line(self, box: _Box, axis: int) -> None:
        """The neighbours between which the dearest error passes the cheapest: one of them is the line's best."""
        low = self._next(box.low, axis, box.high[axis], 1)
        high = self._next(box.high, axis, box.low[axis], -1)
        if low is None or high is None or self._dear(low):
            return
        if not self._dear(high):
            self._first(low, high, axis)
            return
        past, slow = None, 0
        while middle := self._between(low, high, axis, self._guess(low, high, past, axis) if slow < 2 else None):
            wide, slow = high[axis] - low[axis], slow % 2
            low, high, past = (low, middle, high) if self._dear(middle) else (middle, high, low)
            slow = slow + 1 if 2 * (high[axis] - low[axis]) > wide else 0
        self._first(_put(low, axis, box.low[axis]), low, axis)

    def _between(self, low: Place, high: Place, axis: int, guess: int | None = None) -> Place | None:
        """A point with a network strictly between two, near the middle or the guess."""
        if high[axis] - low[axis] < 2:
            return None
        middle = (low[axis] + high[axis]) // 2 if guess is None else min(max(guess, low[axis] + 1), high[axis] - 1)
        found = self._next(_put(low, axis, middle), axis, high[axis] - 1, 1)
        return found or self._next(_put(low, axis, middle), axis, low[axis] + 1, -1)

    def _guess(self, low: Place, high: Place, past: Place | None, axis: int) -> int | None:
        """Where the target should be if costs go as a power of the value, or nearly so; of integers only.

        Inverse interpolation of logarithms, through the two ends and the one before them (Brent 1973, chapter 4).
        """
        values = self.axes[axis].values
        if not isinstance(values, range) or values[low[axis]] < 1:
            return None
        there = [at for at in (low, high, past) if at is not None and values[at[axis]] >= 1]
        points = [(math.log(values[at[axis]]), self._level(at)) for at in there]
        levels = [level for _, level in points]
        if -math.inf in levels or not levels[0] < 0 <= levels[1]:
            return None
        ends, found = (points[0][0], points[1][0]), _at_zero(points) if len({*levels}) == 3 else math.inf
        if not ends[0] < found < ends[1]:
            found = _at_zero(points[:2])
        return round((math.exp(found) - values.start) / values.step)

    def _level(self, place: Place) -> float:
        """The log of the costs over their targets, 0 about where the best is."""
        ratios = [cost / target for cost, target in zip(self.at(place) or (), self.targets, strict=True)]
        return math.log(min(ratios)) + math.log(max(ratios)) if min(ratios) > 0 else -math.inf

    def _dear(self, place: Place) -> bool:
        """Whether the costs above their targets are farther off than those below; once true, true for all above."""
        pairs = list(zip(self.at(place) or (), self.targets, strict=True))
        return max((c - t) / t for c, t in pairs) >= max((t - c) / t for c, t in pairs)

    def _short_of(self, place: Place) -> float:
        """How far the cheapest cost is below its target; it never rises along a line."""
        return max((t - c) / t for c, t in zip(self.at(place) or (), self.targets, strict=True))

    def _first(self, low: Place, high: Place, axis: int) -> None:
        """Looks for the first point, not below `low`, that is as near as `high`, on a line whose costs are too low."""
        found = self._next(low, axis, high[axis], 1)
        rank = self._short_of(high)
        if found is None or self.best is None or rank > self.best.distance or self._real(axis):
            return
        low = found
        beside = self._next(_put(high, axis, high[axis] - 1), axis, low[axis], -1)
        if beside and self._short_of(beside) <= rank and self._short_of(low) > rank:
            while middle := self._between(low, high, axis):
                low, high = (low, middle) if self._short_of(middle) <= rank else (middle, high)

    def _real(self, axis: int) -> bool:
        return isinstance(self.axes[axis].values, Reals)

    def _next(self, place: Place, axis: int, end: int, step: int) -> Place | None:
        """The nearest point with a network, from `place` on up (down) to the number `end`."""
        while (end - place[axis]) * step >= 0:
            if self.at(place) is not None:
                return place
            number = self._leave(place, axis, end, step) if self._real(axis) else place[axis]
            place = _put(place, axis, number + step)
        return None

    def _leave(self, place: Place, axis: int, end: int, step: int) -> int:
        """The last number, up (down) to `end`, of the network at `place`, found by bisection."""
        key, near, far = self.key(place), place[axis], end + step
        while abs(far - near) > 1:
            middle = (near + far) // 2
            near, far = (middle, far) if self.key(_put(place, axis, middle)) == key else (near, middle)
        return near

    # --- real numbers -------------------------------------------------------------------------------------------------

    def shortest(self, place: Place) -> Place:
        """The place with as few digits of a real number as leave the costs as they are."""
        axis = next((number for number in range(len(place)) if self._real(number)), None)
        if axis is None:
            return place
        values, costs = self.axes[axis].values, self.at(place)
        assert isinstance(values, Reals)
        for value in _shorter(values[place[axis]]):
            number = values.place(value)
            if 0 <= number < len(values) and self.at(found := _put(place, axis, number)) == costs:
                return found
        return place


def _at_zero(points: Sequence[tuple[float, float]]) -> float:
    """The x at y = 0, as a polynomial in y through (x, y) points (Lagrange)."""
    found = 0.0
    for x, y in points:
        others = [other for _, other in points if other != y]
        found += x * math.prod(other / (other - y) for other in others)
    return found


def _shorter(value: float) -> Iterator[float]:
    """Decimals near a number, those with fewest digits first."""
    for digits in range(DIGITS + 1):
        near, unit = round(value, digits), 10.0**-digits
        yield from (near, round(near - unit, digits), round(near + unit, digits))


def _put(place: Place, axis: int, number: int) -> Place:
    return (*place[:axis], number, *place[axis + 1 :])
