"""Dense blocks: every layer sees all maps before it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from searchspace.core import Identity, Parallel, Sequence, same_padding
from searchspace.words import parts
from searchspace.words.parts import (
    RELU,
    ActivationField,
    Items,
    Lowered,
    NormField,
    PerAxis,
    Place,
    PoolField,
    PoolSpec,
    Rate,
    Repeat,
    Spec,
    Width,
    Word,
)


class TransitionSpec(Spec):
    """Between dense blocks: norm, activation, a 1x1 convolution to `compression` times the maps, pooling."""

    compression: Annotated[float, Field(gt=0.0, le=1.0)] = 0.5
    pool: PoolField | None = PoolSpec(kind="average")


class DenseStage(Word):
    """A dense block of `repeat` layers (Huang et al. 2017), each adding `growth` maps to all that came before it.

    A layer is norm -> activation -> conv, after a norm -> activation -> 1x1 convolution to `bottleneck` x growth maps
    (0: none). The norm stands before its convolution, whatever its `place`.
    """

    block: Literal["dense"]
    repeat: Repeat
    growth: Width
    bottleneck: Annotated[int, Field(ge=0, le=64)] = 4
    kernel: PerAxis = 3
    bias: bool | None = None
    norm: NormField | None = None
    activation: ActivationField | None = RELU
    dropout: Rate = 0.0
    transition: TransitionSpec | None = None

    def lower(self, place: Place) -> Lowered:
        """Layers, each concatenated to its input, then the transition."""
        items: Items = []
        for number in range(1, self.repeat + 1):
            layer = Sequence(tuple(self._layer(place.inside(place.inputs, f"layer{number}"))))
            items.append((f"layer{number}", Parallel((("input", Identity()), ("body", layer)), "concat")))
            place = place.entered(place.inputs + self.growth)
        if self.transition is None:
            return Lowered(Sequence(tuple(items)), place.inputs)
        channels = max(1, int(place.inputs * self.transition.compression))
        inside = place.inside(place.inputs, "transition")
        body = [*self._before(""), ("conv", parts.ones(channels, inside, bias=self.bias))]
        pool = parts.pool(self.transition.pool, inside)
        items.append(("transition", Sequence((*parts.settled(body, self.bias), *pool))))
        return Lowered(Sequence(tuple(items)), channels)

    def _before(self, suffix: str) -> Items:
        return [*parts.norm(self.norm, f"norm{suffix}"), *parts.activation(self.activation, f"act{suffix}")]

    def _layer(self, place: Place) -> Items:
        kernel, one = parts.per_axis(self.kernel, place), (1,) * place.axes
        items: Items = []
        if self.bottleneck:
            narrow = parts.ones(self.bottleneck * self.growth, place, bias=self.bias)
            items += [*self._before("1"), ("conv1", narrow), *parts.dropout(self.dropout, "drop1")]
        pads = same_padding(kernel, one)
        items += [*self._before("2"), ("conv2", parts.conv(self.growth, kernel, one, pads, one, 1, self.bias))]
        return [*parts.settled(items, self.bias), *parts.dropout(self.dropout, "drop2")]
