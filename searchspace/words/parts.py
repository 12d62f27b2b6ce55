"""What the words share: the sections that stand in many of them, and how those become core nodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from searchspace.core import (
    Activation,
    ActivationKind,
    Conv,
    Dropout,
    GlobalPool,
    Identity,
    Linear,
    Local,
    LocalResponse,
    Node,
    Norm,
    NormKind,
    Padding,
    Parallel,
    Pool,
    PoolKind,
    Sequence,
    Size,
    TransposedConv,
    WeightedPool,
    same_padding,
)
from searchspace.language.problems import FieldError
from searchspace.state import Infeasible
from searchspace.words.names import NAME, checked_name

MAX_WIDTH = 65_536
MAX_REPEAT = 1_000


class Spec(BaseModel):
    """What every section of a study shares: unknown fields refused, values frozen, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    also: ClassVar[tuple[str, ...]] = ()
    """What may stand here beside the fields, since the expansion takes it away before."""


def as_tuple(value: Any) -> Any:
    """A list of YAML as the tuple that a frozen model holds; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


def as_kind(value: Any) -> Any:
    """`batch` as the short form of `{kind: batch}`."""
    return {"kind": value} if isinstance(value, str) else value


def refuse_misfits(spec: BaseModel, fields: tuple[str, ...], owner: str) -> None:
    """A FieldError at the first of the fields that says something, where `owner` has no use for them."""
    for field in fields:
        if getattr(spec, field) != type(spec).model_fields[field].default:
            raise FieldError(field, f"{owner} has no {field}; leave {field} out or choose another kind")


Name = Annotated[str, AfterValidator(checked_name), WithJsonSchema({"type": "string", "pattern": NAME})]
"""The name of a branch or a node: a module of torch will be called so."""
AnyNorm = Literal[NormKind, "local_response"]
AnyPool = Literal[PoolKind, "learned"]
Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Repeat = Annotated[int, Field(ge=1, le=MAX_REPEAT)]
Extent = Annotated[int, Field(ge=1, le=1_024)]
Zeros = Annotated[int, Field(ge=0, le=1_024)]
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]
PerAxis = Extent | Annotated[tuple[Extent, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=3)]
"""One number for all axes, or a list with one per axis."""
Pads = (
    Literal["same", "valid"]
    | Zeros
    | Annotated[
        tuple[Zeros | Annotated[tuple[Zeros, ...], BeforeValidator(as_tuple), Field(min_length=2, max_length=2)], ...],
        BeforeValidator(as_tuple),
        Field(min_length=1, max_length=3),
    ]
)
"""`same` (keeps the size at stride 1), `valid` (none), zeros on every side, or a list per axis: a number or a pair."""


class NormSpec(Spec):
    """Which normalization, and where it stands about the activation; `batch` is short for `{kind: batch}`.

    `groups` goes with `group`; `size`, `alpha`, `beta` and `k` with `local_response`. They may stand beside any kind,
    so that the kind can be a variable.
    """

    kind: AnyNorm = "batch"
    place: Literal["before_activation", "after_activation", "before_convolution", "none"] = "before_activation"
    groups: Annotated[int, Field(ge=1)] = 1
    eps: Annotated[float, Field(gt=0.0)] = 1e-5
    size: Annotated[int, Field(ge=1)] = 5
    alpha: Annotated[float, Field(ge=0.0)] = 1e-4
    beta: Annotated[float, Field(ge=0.0)] = 0.75
    k: Annotated[float, Field(gt=0.0)] = 2.0


class ActivationSpec(Spec):
    """Which nonlinearity; `relu` is short for `{kind: relu}`. `slope` goes with `leaky_relu`, `shared` with `prelu`."""

    kind: ActivationKind
    slope: Annotated[float, Field(ge=0.0)] = 0.01
    shared: bool = False


class PoolSpec(Spec):
    """Pooling at the end of a stage; `stride` is the window's size if it is not given. `max`: `{kind: max}` in short.

    `mixed` learns one share between maximum and average. `learned` has a weight for each channel and window position,
    or shared over either (`per_channel: false`, `per_position: false`), and a `bias` per channel where wanted.
    """

    kind: AnyPool = "max"
    size: PerAxis = 2
    stride: PerAxis | None = None
    padding: Pads = 0
    ceil: bool = False
    count_padding: bool = False
    per_channel: bool = True
    per_position: bool = True
    bias: bool = False


NormField = Annotated[NormSpec, BeforeValidator(as_kind, json_schema_input_type=NormSpec | AnyNorm)]
ActivationField = Annotated[
    ActivationSpec, BeforeValidator(as_kind, json_schema_input_type=ActivationSpec | ActivationKind)
]
PoolField = Annotated[PoolSpec, BeforeValidator(as_kind, json_schema_input_type=PoolSpec | AnyPool)]

RELU = ActivationSpec(kind="relu")

Items = list[tuple[str, Node]]


class Place(NamedTuple):
    """Where a word is lowered: channels that enter, number of axes, outputs of the whole network, name of the stage."""

    inputs: int
    axes: int
    outputs: int
    where: str

    def inside(self, inputs: int, name: str) -> Place:
        """The place of something within this stage."""
        return Place(inputs, self.axes, self.outputs, f"{self.where}.{name}" if self.where else name)

    def entered(self, inputs: int) -> Place:
        """The same place with other channels; `_replace` takes three times as long."""
        return Place(inputs, self.axes, self.outputs, self.where)


class Lowered(NamedTuple):
    """What a word becomes, and the channels that leave it."""

    node: Sequence
    channels: int


class Word(Spec):
    """A stage of a blueprint: the fields that a person writes, and `lower`, which turns them into core nodes."""

    also: ClassVar[tuple[str, ...]] = ("count", "family")

    def lower(self, place: Place) -> Lowered:
        """The stage as core nodes, at its place."""
        raise NotImplementedError


def per_axis(value: int | tuple[int, ...], place: Place) -> Size:
    """One number for all axes, or one per axis."""
    if isinstance(value, int):
        return (value,) * place.axes
    if len(value) != place.axes:
        number = f"give one number or {place.axes}"
        raise Infeasible(place.where, f"{list(value)} is for {len(value)} axes, the map has {place.axes}; {number}")
    return value


def padding(pads: Any, kernel: Size, dilation: Size, place: Place) -> Padding:
    """Zeros (before, after) per axis."""
    if pads == "same":
        return same_padding(kernel, dilation)
    if pads == "valid":
        return ((0, 0),) * place.axes
    if isinstance(pads, int):
        return ((pads, pads),) * place.axes
    if len(pads) != place.axes:
        raise Infeasible(place.where, f"padding for {len(pads)} axes, the map has {place.axes}; give one per axis")
    return tuple((side, side) if isinstance(side, int) else side for side in pads)


def norm(spec: NormSpec | None, name: str) -> Items:
    """The norm under that name, or nothing."""
    if spec is None or spec.place == "none":
        return []
    if spec.kind == "local_response":
        return [(name, LocalResponse(spec.size, spec.alpha, spec.beta, spec.k))]
    return [(name, Norm(spec.kind, spec.groups if spec.kind == "group" else 1, spec.eps))]


def activation(spec: ActivationSpec | None, name: str) -> Items:
    """The activation under that name, or nothing."""
    if spec is None:
        return []
    slope = spec.slope if spec.kind == "leaky_relu" else 0.0
    return [(name, Activation(spec.kind, slope, spec.shared and spec.kind == "prelu"))]


def dropout(rate: float, name: str) -> Items:
    """Dropout under that name, or nothing."""
    return [(name, Dropout(rate))] if rate else []


def pool(spec: PoolSpec | None, place: Place, name: str = "pool") -> Items:
    """The pooling under that name, or nothing."""
    if spec is None:
        return []
    place = place.inside(place.inputs, name)
    size = per_axis(spec.size, place)
    stride = size if spec.stride is None else per_axis(spec.stride, place)
    pads = padding(spec.padding, size, (1,) * place.axes, place)
    if spec.kind == "learned":
        return [(name, WeightedPool(size, stride, pads, spec.per_channel, spec.per_position, spec.bias))]
    return [(name, Pool(spec.kind, size, stride, pads, spec.ceil, spec.count_padding and spec.kind != "max"))]


def blocks(
    block: Callable[[Place, Size], Sequence], repeat: int, width: int, stride: Any, spec: PoolSpec | None, place: Place
) -> Lowered:
    """Blocks one after the other, then the pool: the first takes the stride, and from the second on all are equal."""
    items: Items = []
    node = None
    for number in range(1, repeat + 1):
        if node is None or number < 3:
            inside = place.inside(place.inputs, f"block{number}")
            node = block(inside, per_axis(stride if number == 1 else 1, inside))
        items.append((f"block{number}", node))
        place = place.entered(width)
    return Lowered(Sequence((*items, *pool(spec, place))), width)


def around(convolution: Items, spec: NormSpec | None, act: ActivationSpec | None, suffix: str) -> Items:
    """A convolution with its norm and activation in the declared order."""
    norms, acts = norm(spec, f"norm{suffix}"), activation(act, f"act{suffix}")
    place = spec.place if spec else "before_activation"
    if place == "before_convolution":
        return [*norms, *acts, *convolution]
    return [*convolution, *norms, *acts] if place == "before_activation" else [*convolution, *acts, *norms]


def conv(out: int, kernel: Size, stride: Size, pads: Padding, dilation: Size, groups: int, bias: bool | None) -> Conv:
    """A convolution whose bias is settled later (`settled`) if it is None."""
    return Conv(out, kernel, stride, pads, dilation, groups, bias is not False)


def ones(out: int, place: Place, stride: Size | None = None, bias: bool | None = None) -> Conv:
    """A convolution of a single position."""
    one = (1,) * place.axes
    return conv(out, one, stride or one, ((0, 0),) * place.axes, one, 1, bias)


def settled(items: Items, bias: bool | None) -> Items:
    """A convolution has a bias unless a norm stands directly after it, or as `bias` says for all."""
    if bias is not None:
        return items
    settled = items.copy()
    number = 0  # of the last item that is no dropout, which changes nothing about it
    for at, (_, follower) in enumerate(items[1:], 1):
        if isinstance(follower, Norm):
            name, node = items[number]
            settled[number] = name, unbiased(node)
        if not isinstance(follower, Dropout):
            number = at
    return settled


def unbiased(node: Node) -> Node:
    """A weighted layer without its bias; any other node as it is."""
    if isinstance(node, Conv):  # by far the most; the general way takes three times as long
        return Conv(node.out, node.kernel, node.stride, node.padding, node.dilation, node.groups, False)
    return replace(node, bias=False) if isinstance(node, TransposedConv | Local | Linear) else node


def squeeze_excite(channels: int, squeezed: int, place: Place, name: str) -> Items:
    """Each channel scaled by a gate that sees the means of all (Hu et al. 2018): C -> squeezed -> C, sigmoid."""
    gate = Sequence(
        (
            ("pool", GlobalPool("average", keep=True)),
            ("conv1", ones(squeezed, place)),
            ("act1", Activation("relu")),
            ("conv2", ones(channels, place)),
            ("act2", Activation("sigmoid")),
        )
    )
    return [(name, Parallel((("input", Identity()), ("gate", gate)), "multiply"))]
