"""Words that hold stages: branches side by side, sequences, what stands within a pool, auxiliary classifiers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from searchspace.core import (
    Auxiliary,
    GlobalPool,
    Identity,
    Merge,
    Node,
    Parallel,
    Pool,
    Sequence,
    Within,
    same_padding,
)
from searchspace.state import Infeasible
from searchspace.words import parts
from searchspace.words.head import Head, HeadField
from searchspace.words.parts import (
    RELU,
    ActivationField,
    Extent,
    Items,
    Lowered,
    Name,
    NormField,
    Place,
    PoolField,
    PoolSpec,
    Rate,
    Repeat,
    Width,
    Word,
    as_tuple,
)

if TYPE_CHECKING:
    from searchspace.blueprint import Stage

Stages = Annotated["tuple[Stage, ...]", BeforeValidator(as_tuple), Field(max_length=256)]
"""A list of stages; an empty one passes its input on."""


def lower_stages(stages: tuple[Stage, ...], place: Place) -> Lowered:
    """Stages one after the other, named by their number."""
    items: Items = []
    for number, stage in enumerate(stages):
        inside = place.inside(place.inputs, str(number))
        node, channels = stage.lower(inside)
        items.append((str(number), node))
        place = place.entered(channels)
    return Lowered(Sequence(tuple(items)), place.inputs)


def named(branches: Any) -> Any:
    """A list of branches as a mapping, `branch1` and so on."""
    if isinstance(branches, list | tuple):
        return {f"branch{number}": branch for number, branch in enumerate(branches, 1)}
    return branches


class ParallelStage(Word):
    """Branches over the same input, merged by `concat` (of channels), `add` or `multiply`; `inception` is the same.

    `branches` is a list of lists of stages, or a mapping from names to them; an empty branch is the input itself.
    """

    block: Literal["parallel", "inception"]
    branches: Annotated[
        dict[Name, Stages],
        BeforeValidator(named, json_schema_input_type="dict[str, list[Stage]] | list[list[Stage]]"),
        Field(min_length=1, max_length=64),
    ]
    merge: Merge = "concat"

    def lower(self, place: Place) -> Lowered:
        """Each branch lowered by itself; of a concatenation the channels add up."""
        lowered = {name: lower_stages(stages, place.inside(place.inputs, name)) for name, stages in self._named()}
        branches = tuple((name, _plain(one.node)) for name, one in lowered.items())
        channels = [one.channels for one in lowered.values()]
        width = sum(channels) if self.merge == "concat" else channels[0]
        return Lowered(Sequence((("merge", Parallel(branches, self.merge)),)), width)

    def _named(self) -> list[tuple[str, tuple[Stage, ...]]]:
        return list(self.branches.items())


def _plain(node: Sequence) -> Node:
    return node if node.items else Identity()


class SequenceStage(Word):
    """Stages one after the other, all of them `repeat` times: [(conv - relu) x N - pool] x M."""

    block: Literal["sequence"]
    repeat: Repeat = 1
    stages: Stages

    def lower(self, place: Place) -> Lowered:
        """The stages, or groups of them if they repeat."""
        if self.repeat == 1:
            return lower_stages(self.stages, place)
        items: Items = []
        for number in range(1, self.repeat + 1):
            node, channels = lower_stages(self.stages, place.inside(place.inputs, f"repeat{number}"))
            items.append((f"repeat{number}", node))
            place = place.entered(channels)
        return Lowered(Sequence(tuple(items)), place.inputs)


class WithinStage(Word):
    """A max pool, the stages on the pooled map, and unpooling to where the maxima came from (SegNet, deconvnet).

    The stages must keep the shape, channels too; `pool` must be a max pool whose windows do not overlap.
    """

    block: Literal["within"]
    pool: PoolField = PoolSpec(kind="max")
    stages: Stages

    def lower(self, place: Place) -> Lowered:
        """The pool, the body and the unpooling as one node."""
        pool = parts.pool(self.pool, place)[0][1]
        if not isinstance(pool, Pool) or pool.kind != "max":
            raise Infeasible(f"{place.where}.pool", f"{self.pool.kind!r} pooling has no switches; write kind: max")
        body, channels = lower_stages(self.stages, place.inside(place.inputs, "body"))
        return Lowered(Sequence((("within", Within(pool, body)),)), channels)


class AuxiliaryStage(Word):
    """A classifier on the side (GoogLeNet): its loss counts `weight` times in training, and it is gone afterwards."""

    block: Literal["auxiliary"]
    weight: Annotated[float, Field(ge=0.0, le=10.0)] = 0.3
    stages: Stages = ()
    head: HeadField = Head()

    def lower(self, place: Place) -> Lowered:
        """The side branch; what comes in goes on."""
        body = lower_stages(self.stages, place.inside(place.inputs, "auxiliary.body"))
        head = self.head.lower(place.entered(body.channels))
        side = Auxiliary(Sequence((*body.node.items, ("head", head))), self.weight)
        return Lowered(Sequence((("auxiliary", side),)), place.inputs)


class AtrousPyramidStage(Word):
    """Parallel dilated convolutions, concatenated (Chen et al. 2017, DeepLab v3): one branch for each of `rates`.

    `ones` adds a 1x1 branch and `image_pool` one that sees the mean of the whole map; `project` ends in a 1x1
    convolution to `width`, with `dropout`.
    """

    block: Literal["atrous_pyramid"]
    width: Width = 256
    rates: Annotated[tuple[Extent, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=32)] = (6, 12, 18)
    kernel: Extent = 3
    ones: bool = True
    image_pool: bool = True
    project: bool = True
    bias: bool | None = None
    norm: NormField | None = None
    activation: ActivationField | None = RELU
    dropout: Rate = 0.0

    def lower(self, place: Place) -> Lowered:
        """The branches side by side, then the projection."""
        branches: list[tuple[str, Node]] = []
        if self.ones:
            branches.append(("ones", self._unit(place, 1, 1)))
        branches += [(f"rate{rate}", self._unit(place, self.kernel, rate)) for rate in self.rates]
        if self.image_pool:
            whole = self._unit(place, 1, 1)
            branches.append(("image", Sequence((("pool", GlobalPool("average", keep=True)), *whole.items))))
        merged: Items = [("merge", Parallel(tuple(branches), "concat"))]
        channels = len(branches) * self.width
        if self.project:
            merged += [*self._unit(place.entered(channels), 1, 1).items, *parts.dropout(self.dropout, "drop")]
            channels = self.width
        return Lowered(Sequence(tuple(merged)), channels)

    def _unit(self, place: Place, side: int, rate: int) -> Sequence:
        kernel, one, dilation = (side,) * place.axes, (1,) * place.axes, (rate,) * place.axes
        pads = same_padding(kernel, dilation)
        conv: Items = [("conv", parts.conv(self.width, kernel, one, pads, dilation, 1, self.bias))]
        return Sequence(tuple(parts.settled(parts.around(conv, self.norm, self.activation, ""), self.bias)))
