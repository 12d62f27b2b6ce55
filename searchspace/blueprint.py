"""The blueprint: what a person declares of a network. Stages of blocks, then a head."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from searchspace.core import ActivationKind, NormKind, PoolKind

MAX_WIDTH = 65_536
MAX_REPEAT = 1_000


class Spec(BaseModel):
    """What every section of a study shares: unknown fields refused, values frozen, no silent conversion."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def as_tuple(value: Any) -> Any:
    """A list of YAML as the tuple that a frozen model holds; anything else as it is."""
    return tuple(value) if isinstance(value, list) else value


Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Extent = Annotated[int, Field(ge=1, le=1_024)]
PerAxis = Extent | Annotated[tuple[Extent, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=3)]
"""One number for all axes, or a list with one per axis."""
Rate = Annotated[float, Field(ge=0.0, lt=1.0)]


class NormSpec(Spec):
    """Which normalization, and where it stands about the activation."""

    kind: NormKind = "batch"
    place: Literal["before_activation", "after_activation", "none"] = "before_activation"
    groups: Annotated[int, Field(ge=1)] = 1


class PoolSpec(Spec):
    """Pooling at the end of a stage; `stride` is the window's size if it is not given."""

    kind: PoolKind = "max"
    size: PerAxis = 2
    stride: PerAxis | None = None


class PlainStage(Spec):
    """`[conv -> norm? -> activation] x repeat -> pool?`; `repeat` counts convolutions."""

    block: Literal["plain"] = "plain"
    repeat: Annotated[int, Field(ge=1, le=MAX_REPEAT)] = 1
    width: Width
    kernel: PerAxis = 3
    stride: PerAxis = 1
    norm: NormSpec | None = None
    activation: ActivationKind | None = "relu"
    pool: PoolSpec | None = None


class ResidualStage(Spec):
    """Basic residual blocks (He et al. 2015): two convolutions and a shortcut; `repeat` counts blocks.

    The first block takes the stage's `stride`. Where a block changes the shape, its shortcut is a 1x1 convolution,
    with the norm if there is one.
    """

    block: Literal["residual"]
    repeat: Annotated[int, Field(ge=1, le=MAX_REPEAT)] = 1
    width: Width
    kernel: PerAxis = 3
    stride: PerAxis = 1
    norm: NormSpec | None = None
    activation: ActivationKind | None = "relu"
    pool: PoolSpec | None = None


Stage = Annotated[PlainStage | ResidualStage, Field(discriminator="block")]


class Head(Spec):
    """From the last map to the outputs: global pooling (or a flatten), hidden layers with ReLU, the output layer."""

    pool: PoolKind | None = "average"
    hidden: Annotated[tuple[Width, ...], BeforeValidator(as_tuple)] = ()
    dropout: Rate = 0.0


class Blueprint(Spec):
    """A whole network as a person declares it."""

    stages: Annotated[tuple[Stage, ...], BeforeValidator(as_tuple), Field(min_length=1, max_length=64)]
    head: Head = Head()
