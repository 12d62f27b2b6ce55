"""Residual blocks of every kind: basic, bottleneck, any list of kernels, all orders, all shortcuts; inverted ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from searchspace.core import Conv, Identity, Node, PadChannels, Parallel, Pool, Select, Sequence, Size, same_padding
from searchspace.language.problems import FieldError
from searchspace.state import Infeasible
from searchspace.words import parts
from searchspace.words.parts import (
    RELU,
    ActivationField,
    ActivationSpec,
    Items,
    Lowered,
    NormField,
    PerAxis,
    Place,
    PoolField,
    Rate,
    Repeat,
    Width,
    Word,
    as_tuple,
)

Order = Literal[
    "post_activation", "pre_activation", "norm_after_addition", "activation_before_addition", "activation_first"
]
Ratio = Annotated[float, Field(gt=0.0, le=64.0)]


class ResidualStage(Word):
    """Residual blocks, act(body(x) + shortcut(x)); `repeat` counts blocks, and the first one takes the stride.

    The body is two convolutions of `kernel` (He et al. 2015), or one for each of `kernels`: [1, 3, 1] with `reduce: 4`
    is the bottleneck, [3, 1, 3] is B(3,1,3) of Zagoruyko & Komodakis 2016. All but the last have `inner` channels, or
    width / `reduce`. `groups` (cardinality, Xie et al. 2017) divide the convolutions that are larger than 1x1. The
    stride stands in the first of these, or in the convolution whose number `stride_at` gives. `dropout` stands before
    every convolution but the first. `order` is one of He et al. 2016, figure 4: (a) post_activation, (b)
    norm_after_addition, (c) activation_before_addition, (d) activation_first, (e) pre_activation, which a norm
    `before_convolution` means too. `after_activation` inside `post_activation` means norm(act(conv)) in both places,
    then the addition, then the activation. The shortcut is the input where the shape stays; where it changes,
    `projection` is a 1x1 convolution (with the norm, unless pre-activated, or as `shortcut_norm` says), `pad` takes
    every stride-th position and pads with zero channels; `always` projects everywhere, `identity` allows no change,
    `none` leaves shortcut and addition out. `squeeze_excite` is the reduction of a gate at the body's end.
    """

    block: Literal["residual"]
    repeat: Repeat = 1
    width: Width
    kernel: PerAxis = 3
    kernels: Annotated[tuple[PerAxis, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=16)] | None = None
    inner: Width | None = None
    reduce: Ratio = 1.0
    groups: Annotated[int, Field(ge=1)] = 1
    stride: PerAxis = 1
    stride_at: Annotated[int, Field(ge=1)] | None = None
    dilation: PerAxis = 1
    order: Order = "post_activation"
    shortcut: Literal["projection", "pad", "always", "identity", "none"] = "projection"
    shortcut_norm: bool | None = None
    squeeze_excite: Annotated[int, Field(ge=1)] | None = None
    bias: bool | None = None
    norm: NormField | None = None
    activation: ActivationField | None = RELU
    dropout: Rate = 0.0
    pool: PoolField | None = None

    @model_validator(mode="after")
    def _fits(self) -> ResidualStage:
        place = self.norm.place if self.norm else "before_activation"
        fitting = {
            "after_activation": ("post_activation",),
            "before_convolution": ("post_activation", "pre_activation"),
        }
        if self.order not in fitting.get(place, (self.order,)):
            raise FieldError("order", f"{self.order} says where norms stand, and so does place: {place}; drop one")
        if self.kernels and self.kernel != 3:
            raise FieldError("kernel", "kernels gives the size of every convolution; drop kernel")
        if self.inner and self.reduce != 1:
            raise FieldError("reduce", "inner is the width of the inner convolutions already; drop reduce")
        sizes = self.kernels or (self.kernel,)
        if self.groups > 1 and all(max(size) == 1 if isinstance(size, tuple) else size == 1 for size in sizes):
            raise FieldError("groups", "groups divide convolutions larger than 1x1, and there is none; drop groups")
        return self

    def lower(self, place: Place) -> Lowered:
        """Blocks one after the other, then the pool."""
        return parts.blocks(self._block, self.repeat, self.width, self.stride, self.pool, place)

    def _block(self, place: Place, stride: Size) -> Sequence:
        order, body = self._order(), self._body(place, stride)
        after = parts.activation(self.activation, "act") if order in ("post_activation", "norm_after_addition") else []
        if order == "norm_after_addition":
            after = [*parts.norm(self.norm, "norm"), *after]
        if self.shortcut == "none":
            return Sequence((*body, *after))
        changes = place.inputs != self.width or set(stride) != {1}
        before: Items = []
        if order == "pre_activation" and changes and self.shortcut in ("projection", "always"):
            # The projection sees the normalised input too (He et al. 2016, section 4.1), so that stands before both.
            before = [item for item in body if item[0] in ("norm1", "act1")]
            body = body[len(before) :]
        shortcut = self._shortcut(place, stride, changes)
        both = Parallel((("body", Sequence(tuple(body))), ("shortcut", shortcut)), "add")
        return Sequence((*before, ("sum", both), *after))

    def _order(self) -> Order:
        pre = self.norm is not None and self.norm.place == "before_convolution"
        return "pre_activation" if pre else self.order

    def _body(self, place: Place, stride: Size) -> Items:
        kernels = [parts.per_axis(kernel, place) for kernel in self.kernels or (self.kernel, self.kernel)]
        large = [number for number, kernel in enumerate(kernels, 1) if max(kernel) > 1]
        strided = self.stride_at or (large or [1])[0]
        if strided > len(kernels):
            raise Infeasible(place.where, f"stride_at {strided} is beyond {len(kernels)} convolutions; lower it")
        items: Items = []
        for number, kernel in enumerate(kernels, 1):
            out = self.width if number == len(kernels) else self._inner()
            step = stride if number == strided else (1,) * place.axes
            items += self._unit(self._conv(out, kernel, step, place), number, number == len(kernels))
        items = parts.settled(items, self.bias)
        if self.squeeze_excite:
            squeezed = max(1, self.width // self.squeeze_excite)
            items += parts.squeeze_excite(self.width, squeezed, place, "gate")
        return items

    def _inner(self) -> int:
        return self.inner or max(1, round(self.width / self.reduce))

    def _conv(self, out: int, kernel: Size, stride: Size, place: Place) -> Conv:
        dilation = parts.per_axis(self.dilation, place) if max(kernel) > 1 else (1,) * place.axes
        groups = self.groups if max(kernel) > 1 else 1
        return parts.conv(out, kernel, stride, same_padding(kernel, dilation), dilation, groups, self.bias)

    def _unit(self, conv: Conv, number: int, last: bool) -> Items:
        """A convolution with what the order puts around it; names keep the convolution's number."""
        dropout = parts.dropout(self.dropout, f"drop{number}") if number > 1 else []
        convolution: Items = [*dropout, (f"conv{number}", conv)]
        norm, act = parts.norm(self.norm, f"norm{number}"), parts.activation(self.activation, f"act{number}")
        match self._order():
            case "pre_activation":
                return [*norm, *act, *convolution]
            case "activation_first":
                return [*act, *convolution, *norm]
            case "activation_before_addition":
                return [*convolution, *norm, *act]
            case "norm_after_addition":
                return convolution if last else [*convolution, *norm, *act]
        if self.norm and self.norm.place == "after_activation":
            return [*convolution, *act, *norm]
        return [*convolution, *norm] if last else [*convolution, *norm, *act]

    def _shortcut(self, place: Place, stride: Size, changes: bool) -> Node:
        if not changes and self.shortcut != "always":
            return Identity()
        if self.shortcut == "identity":
            cure = "keep width and stride, or write shortcut: projection"
            raise Infeasible(place.where, f"{place.inputs} -> {self.width} channels, stride {list(stride)}; {cure}")
        if self.shortcut == "pad":
            return self._padded(place.inputs, stride, place.axes)
        normed = self._order() != "pre_activation" if self.shortcut_norm is None else self.shortcut_norm
        norm = parts.norm(self.norm, "norm") if normed else []
        items: Items = [("conv", parts.ones(self.width, place, stride, self.bias)), *norm]
        return Sequence(tuple(parts.settled(items, self.bias)))

    def _padded(self, inputs: int, stride: Size, axes: int) -> Sequence:
        """Every stride-th position, and zeros in the channels that are new: shortcut A of He et al. 2015."""
        items: Items = []
        if set(stride) != {1}:
            items.append(("slice", Pool("average", (1,) * axes, stride, ((0, 0),) * axes)))
        if inputs < self.width:
            items.append(("pad", PadChannels(0, self.width - inputs)))
        elif inputs > self.width:
            items.append(("select", Select(tuple(range(self.width)))))
        return Sequence(tuple(items))


class InvertedResidualStage(Word):
    """Inverted residual blocks (Sandler et al. 2018): 1x1 to `expansion` times the channels, depthwise, 1x1 to `width`.

    No activation stands after the last convolution (linear bottleneck); the input is added where the shape stays.
    With `expansion: 1` the first convolution is left out. `squeeze_excite` is the reduction of a gate after the
    depthwise convolution.
    """

    block: Literal["inverted_residual"]
    repeat: Repeat = 1
    width: Width
    expansion: Ratio = 6.0
    kernel: PerAxis = 3
    stride: PerAxis = 1
    squeeze_excite: Annotated[int, Field(ge=1)] | None = None
    bias: bool | None = None
    norm: NormField | None = None
    activation: ActivationField | None = ActivationSpec(kind="relu6")
    pool: PoolField | None = None

    def lower(self, place: Place) -> Lowered:
        """Blocks one after the other, then the pool."""
        return parts.blocks(self._block, self.repeat, self.width, self.stride, self.pool, place)

    def _block(self, place: Place, stride: Size) -> Sequence:
        body = Sequence(tuple(self._body(place, stride)))
        if place.inputs != self.width or set(stride) != {1}:
            return body
        both = (("body", body), ("shortcut", Identity()))
        return Sequence((("sum", Parallel(both, "add")),))

    def _body(self, place: Place, stride: Size) -> Items:
        kernel, one = parts.per_axis(self.kernel, place), (1,) * place.axes
        wide = max(1, round(place.inputs * self.expansion))
        items: Items = []
        if wide != place.inputs:
            items += self._unit(parts.ones(wide, place, bias=self.bias), "1")
        pads = same_padding(kernel, one)
        items += self._unit(parts.conv(wide, kernel, stride, pads, one, wide, self.bias), "2")
        if self.squeeze_excite:
            items += parts.squeeze_excite(wide, max(1, wide // self.squeeze_excite), place, "gate")
        items += [("conv3", parts.ones(self.width, place, bias=self.bias)), *parts.norm(self.norm, "norm3")]
        return parts.settled(items, self.bias)

    def _unit(self, conv: Conv, suffix: str) -> Items:
        return parts.around([(f"conv{suffix}", conv)], self.norm, self.activation, suffix)
