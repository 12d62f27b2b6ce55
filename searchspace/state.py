"""Where a walk over a network stands, and how windows, enlargements and branches move it: shape and receptive field."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple

from searchspace.core import Merge, Padding, Shape, Size, Within


class Infeasible(ValueError):
    """A network that cannot exist: `where` is the name of the node, `reason` says why and, where known, the cure."""

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"{where}: {reason}")


Seen = Callable[[int], int]
"""How many positions before a layer, or pixels of the input, a run of positions after it sees."""


class Base(NamedTuple):
    """What lies before the last enlargement of a map, per axis.

    `reach` says how many input pixels a run of positions there sees, `stride` how many lie between two of them.
    """

    reach: tuple[Seen, ...]
    stride: tuple[Any, ...]


class State(NamedTuple):
    """Where a walk stands: the shape, weighted layers so far, whether anything before learns; and per axis the rest.

    `field` and `jump` are receptive field and stride counted in positions of `base`, in pixels of the input where
    there is none; `padding` is always in pixels.
    """

    shape: Shape
    field: tuple[int, ...]
    jump: tuple[int, ...]
    padding: tuple[Any, ...]
    depth: int
    learns: bool
    base: Base | None = None

    @property
    def fields(self) -> Size:
        """The receptive field in pixels of the input."""
        if self.base is None:
            return self.field
        return tuple([reach(r) for reach, r in zip(self.base.reach, self.field, strict=True)])

    @property
    def strides(self) -> tuple[Any, ...]:
        """The effective stride in pixels of the input: a fraction where a map was enlarged beyond them."""
        if self.base is None:
            return self.jump
        return tuple([_integer(j * scale) for j, scale in zip(self.jump, self.base.stride, strict=True)])

    def reach(self, axis: int) -> Seen:
        """How many pixels a run of positions here sees."""
        r, j, before = self.field[axis], self.jump[axis], self.base.reach[axis] if self.base else None
        return lambda run: (before or int)(r + (run - 1) * j)


class Step(NamedTuple):
    """What one primitive does: the state after it, and its costs (see `cost.Layer`).

    `connections` is not 0 for layers of weighted sums; of these, convolutions and linear layers are what `multiplies`.
    """

    after: State
    params: int = 0
    macs: int = 0
    connections: int = 0
    indices: int = 0
    multiplies: bool = True


def merge(how: Merge, name: str, ends: list[State]) -> State:
    """Branches meet: equal shapes to add or multiply, equal map sizes to concatenate; what any of them sees counts.

    A map of one position is spread over larger ones (squeeze-and-excitation, the image branch of an atrous pyramid);
    like global pooling, it sees everything, and does not count in the receptive field.
    """
    widest, wide = ends[0], ends
    if len({end.shape[1:] for end in ends}) > 1:
        widest = next((end for end in ends if max(end.shape[1:], default=0) > 1), widest)
        one = (1,) * (len(widest.shape) - 1)
        if any(end.shape[1:] not in (widest.shape[1:], one) for end in ends):
            raise _unequal(how, name, ends)
        wide = [end for end in ends if end.shape[1:] == widest.shape[1:]]
    channels = [end.shape[0] for end in ends]
    if how != "concat" and len({*channels}) > 1:
        raise _unequal(how, name, ends)
    depth, learns = max([end.depth for end in ends]), any(end.learns for end in ends)
    shape = (sum(channels) if how == "concat" else channels[0], *widest.shape[1:])
    return _union(wide)._replace(shape=shape, depth=depth, learns=learns)


def _unequal(how: Merge, name: str, ends: list[State]) -> Infeasible:
    listed = " and ".join("x".join(map(str, end.shape)) for end in ends)
    return Infeasible(name, f"branches of {listed} cannot be merged by {how!r}; give them one shape")


def _union(ends: list[State]) -> State:
    """The receptive field of what sees as much as all branches together: from the first pixel of any to the last."""
    first = ends[0]
    if all(end[1:4] == first[1:4] and end.base is first.base for end in ends):
        return first
    padding = tuple([max(sides) for sides in zip(*[end.padding for end in ends], strict=True)])
    if all(end.base is first.base and end.jump == first.jump for end in ends):
        shift = first.base is None  # pixels that a branch begins later than the first one to begin
        field = tuple(
            max([end.field[axis] + (pad - end.padding[axis]) * shift for end in ends])
            for axis, pad in enumerate(padding)
        )
        return first._replace(field=field, padding=padding)
    axes = range(len(first.field))
    reach = tuple(_widest([end.reach(axis) for end in ends]) for axis in axes)
    ones = (1,) * len(axes)
    return first._replace(field=ones, jump=ones, padding=padding, base=Base(reach, first.strides))


def _widest(reaches: list[Seen]) -> Seen:
    return cache(lambda run: max([reach(run) for reach in reaches]))


def unpool(node: Within, name: str, before: State, pooled: State, body: State) -> State:
    """The body's maxima back at the places where the pool found them: the shape and stride of before the pool."""
    pool = node.pool
    if pool.kind != "max" or any(s < k for s, k in zip(pool.stride, pool.kernel, strict=True)):
        raise Infeasible(f"{name}.pool", "unpooling needs max pooling whose windows do not overlap; raise its stride")
    if body.shape != pooled.shape:
        got, wanted = ("x".join(map(str, shape)) for shape in (body.shape, pooled.shape))
        raise Infeasible(f"{name}.body", f"it turns {wanted} into {got}, which cannot be unpooled; keep the shape")
    runs = [spread(s) for s in pool.stride]
    return enlarged(body, before.shape, pool.stride, runs)


def slid(
    name: str,
    state: State,
    channels: int,
    kernel: Size,
    stride: Size,
    padding: Padding,
    ceil: bool,
    layers: int,
    learns: bool,
) -> State:
    """The state after a window (with its dilation) that slides over every axis.

    Size: floor((n + before + after - k) / s) + 1, or its ceiling. Receptive field: r += (k - 1) j, p += before j, then
    j *= s.
    """
    shape = state.shape
    needs_map(name, shape, "a window", len(kernel))
    size, field, jumps, pads = [channels], [], [], []
    pixels = state.jump if state.base is None else state.strides
    for axis, (before, after) in enumerate(padding):
        n, k, s, j = shape[axis + 1], kernel[axis], stride[axis], state.jump[axis]
        room = n + before + after - k
        if room < 0:
            window, have = "x".join(map(str, kernel)), "x".join(map(str, shape[1:]))
            raise Infeasible(name, f"a {window} window does not fit a {have} map")
        steps = room // s
        if ceil:
            steps = -(-room // s)
            steps -= steps * s >= n + before  # torch: the last window must start inside the map or its left padding
        size.append(steps + 1)
        field.append(state.field[axis] + (k - 1) * j)
        pads.append(state.padding[axis] + before * pixels[axis])
        jumps.append(j * s)
    return State(tuple(size), tuple(field), tuple(jumps), tuple(pads), state.depth + layers, learns, state.base)


def enlarged(state: State, shape: Shape, scale: Size, runs: list[Seen]) -> State:
    """The state after an enlargement by `scale`; `runs` say how many positions before a run of them after it sees."""
    reach = tuple(_chained(state.reach(axis), run) for axis, run in enumerate(runs))
    stride = tuple(_integer(Fraction(j) / s) for j, s in zip(state.strides, scale, strict=True))
    ones = (1,) * len(scale)
    return state._replace(shape=shape, field=ones, jump=ones, base=Base(reach, stride))


def spread(scale: int, more: int = 0) -> Seen:
    """Repeated positions: floor((m - 2) / s) + 2 of them, and `more` where values between two are interpolated."""
    return lambda run: run if scale == 1 else (run - 2) // scale + 2 + more


def _chained(outer: Seen, inner: Seen) -> Seen:
    return cache(lambda run: outer(inner(run)))


def whole(state: State, shape: Shape, size: Size) -> State:
    """The state after a layer that sees the whole map; features have no map left to slide over."""
    if not size:
        return state._replace(shape=shape)
    field = tuple(r + (n - 1) * j for r, n, j in zip(state.field, size, state.jump, strict=True))
    return state._replace(shape=shape, field=field)


def _integer(number: Any) -> Any:
    """An integer where it is one."""
    return int(number) if number == int(number) else number


def needs_map(name: str, shape: Shape, what: str, axes: int) -> None:
    if len(shape) < 2:
        raise Infeasible(name, f"{what} needs a map, but has {shape[0]} features; put it before the flatten")
    if len(shape) - 1 != axes:
        raise Infeasible(name, f"{what} for {axes} axes meets a map of {len(shape) - 1}; give one number per axis")
