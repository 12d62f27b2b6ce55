"""The plain block, `[conv -> norm? -> activation] x repeat -> pool?`, with every kind of convolution."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from searchspace.core import Conv, Local, Node, Sequence, Size, TransposedConv
from searchspace.language.problems import FieldError
from searchspace.state import Infeasible
from searchspace.words import parts
from searchspace.words.parts import (
    RELU,
    ActivationField,
    Items,
    Lowered,
    NormField,
    Pads,
    PerAxis,
    Place,
    PoolField,
    Rate,
    Repeat,
    Width,
    Word,
    Zeros,
)

Convolution = Literal["full", "separable", "spatial", "local", "transposed"]
FITTING = {
    "full": ("dilation", "groups"),
    "separable": ("dilation",),
    "spatial": ("dilation",),
    "local": (),
    "transposed": ("dilation", "groups", "output_padding"),
}
"""Which of the fields that not every convolution has go with which."""


class PlainStage(Word):
    """`[conv -> norm? -> activation] x repeat -> pool?`; `repeat` counts convolutions.

    `convolution` is `full`; `separable`, a filter per channel (with the norm and activation after it) and then a 1x1
    convolution (MobileNetV1); `spatial`, a filter per axis in turn, k x 1 and 1 x k; `local`, with filters that are
    not shared between positions; or `transposed`, which enlarges the map by its stride. The first convolution takes
    the stride, or the last one with `stride_at: last` (delayed subsampling). A bias stands unless a norm follows
    directly, or as `bias` says. With the norm `before_convolution`, each unit is norm -> activation -> conv.
    """

    block: Literal["plain"]
    repeat: Repeat = 1
    width: Width
    kernel: PerAxis = 3
    stride: PerAxis = 1
    stride_at: Literal["first", "last"] = "first"
    padding: Pads = "same"
    dilation: PerAxis = 1
    groups: Annotated[int, Field(ge=1)] = 1
    convolution: Convolution = "full"
    output_padding: Zeros = 0
    bias: bool | None = None
    norm: NormField | None = None
    activation: ActivationField | None = RELU
    dropout: Rate = 0.0
    pool: PoolField | None = None

    @model_validator(mode="after")
    def _fits(self) -> PlainStage:
        for field, standard in (("dilation", 1), ("groups", 1), ("output_padding", 0)):
            if getattr(self, field) != standard and field not in FITTING[self.convolution]:
                cure = f"leave {field} out or choose another convolution"
                raise FieldError(field, f"a {self.convolution} convolution has no {field}; {cure}")
        return self

    def lower(self, place: Place) -> Lowered:
        """Units one after the other, then the pool."""
        items: Items = []
        strided = 1 if self.stride_at == "first" else self.repeat
        for number in range(1, self.repeat + 1):
            stride = parts.per_axis(self.stride if number == strided else 1, place)
            items += self._unit(str(number), place, stride)
            place = place.entered(self.width)
        return Lowered(Sequence((*parts.settled(items, self.bias), *parts.pool(self.pool, place))), self.width)

    def _unit(self, suffix: str, place: Place, stride: Size) -> Items:
        convolution = self._convolution(suffix, place, stride)
        unit = parts.around(convolution, self.norm, self.activation, suffix)
        return unit + parts.dropout(self.dropout, f"drop{suffix}")

    def _convolution(self, suffix: str, place: Place, stride: Size) -> Items:
        kernel, dilation = parts.per_axis(self.kernel, place), parts.per_axis(self.dilation, place)
        pads = parts.padding(self.padding, kernel, dilation, place)
        bias = self.bias is not False
        match self.convolution:
            case "full":
                return [(f"conv{suffix}", Conv(self.width, kernel, stride, pads, dilation, self.groups, bias))]
            case "local":
                return [(f"conv{suffix}", Local(self.width, kernel, stride, pads, bias))]
            case "transposed":
                return [(f"conv{suffix}", self._transposed(kernel, stride, dilation, place))]
            case "separable":
                depth = Conv(place.inputs, kernel, stride, pads, dilation, place.inputs, bias)
                between = (self.norm, self.activation) if self._after() else (None, None)
                first = parts.around([(f"depth{suffix}", depth)], *between, f"_depth{suffix}")
                return [*first, (f"conv{suffix}", parts.ones(self.width, place, bias=self.bias))]
        return self._spatial(suffix, kernel, stride, dilation, place)

    def _after(self) -> bool:
        """Whether norms stand after their convolutions."""
        return self.norm is None or self.norm.place != "before_convolution"

    def _transposed(self, kernel: Size, stride: Size, dilation: Size, place: Place) -> Node:
        """`same` makes a map exactly `stride` times as large: what the window has beyond the stride is cut off."""
        pads = parts.padding(self.padding, kernel, dilation, place)
        extra = (self.output_padding,) * place.axes
        if self.padding == "same":
            over = [d * (k - 1) + 1 + e - s for k, s, d, e in zip(kernel, stride, dilation, extra, strict=True)]
            if min(over) < 0:
                reason = "the window is smaller than the stride, so that 'same' leaves gaps; enlarge kernel"
                raise Infeasible(place.where, reason)
            pads = tuple((total // 2, total - total // 2) for total in over)
        return TransposedConv(
            self.width, kernel, stride, pads, extra, dilation, self.groups, bias=self.bias is not False
        )

    def _spatial(self, suffix: str, kernel: Size, stride: Size, dilation: Size, place: Place) -> Items:
        """A convolution along each axis in turn, the last one alone with a bias."""
        items: Items = []
        pads = parts.padding(self.padding, kernel, dilation, place)
        for axis in range(place.axes):
            line = tuple(k if other == axis else 1 for other, k in enumerate(kernel))
            step = tuple(s if other == axis else 1 for other, s in enumerate(stride))
            edge = tuple(pad if other == axis else (0, 0) for other, pad in enumerate(pads))
            last = axis == place.axes - 1
            name = f"conv{suffix}" if last else f"line{suffix}_{axis + 1}"
            bias = last and self.bias is not False
            items.append((name, Conv(self.width, line, step, edge, dilation, 1, bias)))
        return items
