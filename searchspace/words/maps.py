"""Small words: pooling by itself, upsampling, coordinate channels."""

from __future__ import annotations

from typing import Literal

from searchspace.core import Coordinates, Sequence, Upsample, UpsampleKind
from searchspace.words import parts
from searchspace.words.parts import Lowered, PerAxis, Place, PoolSpec, Word


class PoolStage(PoolSpec, Word):
    """Pooling as a stage of its own: in a branch, say."""

    block: Literal["pool"]

    def lower(self, place: Place) -> Lowered:
        """The pool alone."""
        return Lowered(Sequence(tuple(parts.pool(self, place))), place.inputs)


class UpsampleStage(Word):
    """A map `scale` times as large per axis: `nearest` repeats positions, `linear` interpolates between them."""

    block: Literal["upsample"]
    scale: PerAxis = 2
    kind: UpsampleKind = "nearest"

    def lower(self, place: Place) -> Lowered:
        """The upsampling alone."""
        node = Upsample(parts.per_axis(self.scale, place), self.kind)
        return Lowered(Sequence((("upsample", node),)), place.inputs)


class CoordinatesStage(Word):
    """A further channel per axis with each position's coordinate, -1 to 1 (CoordConv, Liu et al. 2018)."""

    block: Literal["coordinates"]

    def lower(self, place: Place) -> Lowered:
        """The channels added."""
        return Lowered(Sequence((("coordinates", Coordinates()),)), place.inputs + place.axes)
