"""The blueprint: what a person declares of a network. Stages of blocks, then a head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from searchspace.advice import kind_of_advice
from searchspace.words import branches
from searchspace.words.branches import (
    AtrousPyramidStage,
    AuxiliaryStage,
    ParallelStage,
    SequenceStage,
    WithinStage,
)
from searchspace.words.dense import DenseStage
from searchspace.words.head import Head as Head
from searchspace.words.head import HeadField
from searchspace.words.maps import CoordinatesStage, PoolStage, UpsampleStage
from searchspace.words.parts import Spec as Spec
from searchspace.words.parts import as_tuple as as_tuple
from searchspace.words.plain import PlainStage
from searchspace.words.raw import RawStage
from searchspace.words.residual import InvertedResidualStage, ResidualStage

WORDS = (
    PlainStage,
    ResidualStage,
    InvertedResidualStage,
    DenseStage,
    ParallelStage,
    SequenceStage,
    WithinStage,
    AtrousPyramidStage,
    AuxiliaryStage,
    PoolStage,
    UpsampleStage,
    CoordinatesStage,
    RawStage,
)
"""Every word. A new one is one more class with `block: Literal[name]` and `lower`, here and in `Stage`."""

Stage = Annotated[
    PlainStage
    | ResidualStage
    | InvertedResidualStage
    | DenseStage
    | ParallelStage
    | SequenceStage
    | WithinStage
    | AtrousPyramidStage
    | AuxiliaryStage
    | PoolStage
    | UpsampleStage
    | CoordinatesStage
    | RawStage,
    Field(discriminator="block"),
]

FIELDS: Mapping[str, frozenset[str]] = {
    name: frozenset(word.model_fields) for word in WORDS for name in get_args(word.model_fields["block"].annotation)
}
"""The fields of every word."""

for _word in (ParallelStage, SequenceStage, WithinStage, AuxiliaryStage):
    _word.model_rebuild(_types_namespace={**vars(branches), "Stage": Stage})


class Blueprint(Spec):
    """A whole network as a person declares it.

    `classes` says how many outputs it was made for, and data with another number of them is a mistake. With
    `strict_division` a window that leaves border positions unread is an error. `silence` names kinds of advice that
    are not wanted.
    """

    also: ClassVar[tuple[str, ...]] = ("defaults", "blocks", "zoo")

    stages: Annotated[tuple[Stage, ...], BeforeValidator(as_tuple), Field(max_length=256)]
    head: HeadField = Head()
    classes: Annotated[int, Field(ge=1)] | None = None
    strict_division: bool = False
    silence: Annotated[tuple[Annotated[str, AfterValidator(kind_of_advice)], ...], BeforeValidator(as_tuple)] = ()
