"""Heads: from the last map to the outputs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, model_validator

from searchspace.core import Flatten, GlobalKind, GlobalPool, Linear, Sequence
from searchspace.state import Infeasible
from searchspace.words import parts
from searchspace.words.parts import (
    RELU,
    ActivationField,
    Items,
    NormField,
    Place,
    Rate,
    Spec,
    Width,
    as_kind,
    as_tuple,
    refuse_misfits,
)

HeadKind = Literal["linear", "convolutional", "none"]
Rates = Rate | Annotated[tuple[Rate, ...], BeforeValidator(as_tuple)]


class Head(Spec):
    """From the last map to the outputs; `convolutional` is short for `{kind: convolutional}`.

    `linear`: global pooling (`pool: null` flattens instead), hidden layers with their norm and activation, the output
    layer. `convolutional`: the same layers as 1x1 convolutions on the map, then global pooling (Network in Network);
    with `pool: null` the outputs stay a map, one prediction per position. `none`: the stages themselves end in the
    outputs. `dropout` stands before every layer, or one rate per layer is given (hidden layers and the output's).
    `output_activation` stands after the output layer, before a convolutional head's pooling.
    """

    kind: HeadKind = "linear"
    pool: GlobalKind | None = "average"
    hidden: Annotated[tuple[Width, ...], BeforeValidator(as_tuple)] = ()
    norm: NormField | None = None
    activation: ActivationField | None = RELU
    dropout: Rates = 0.0
    output_activation: ActivationField | None = None

    @model_validator(mode="after")
    def _fits(self) -> Head:
        if self.kind == "none":
            refuse_misfits(self, tuple(type(self).model_fields)[1:], "a head of kind none")
        return self

    def lower(self, place: Place) -> Sequence:
        """The head as core nodes, at the end of a network or of an auxiliary branch."""
        if self.kind == "none":
            return Sequence(())
        pool: Items = [("pool", GlobalPool(self.pool))] if self.pool else []
        if self.kind == "convolutional":
            return Sequence((*self._layers(place), *pool))
        return Sequence((*(pool or [("flatten", Flatten())]), *self._layers(place)))

    def _layers(self, place: Place) -> Items:
        items: Items = []
        rates = self._rates(place)
        for number, width in enumerate(self.hidden, 1):
            items += parts.dropout(rates[number - 1], f"drop{number}")
            layer = parts.around(self._layer(width, f"fc{number}", place), self.norm, self.activation, str(number))
            items += parts.settled(layer, None)
        output = self._layer(place.outputs, "fc", place)
        return [*items, *parts.dropout(rates[-1], "drop"), *output, *parts.activation(self.output_activation, "act")]

    def _layer(self, out: int, name: str, place: Place) -> Items:
        return [(name, parts.ones(out, place) if self.kind == "convolutional" else Linear(out))]

    def _rates(self, place: Place) -> tuple[float, ...]:
        layers = len(self.hidden) + 1
        if not isinstance(self.dropout, tuple):
            return (self.dropout,) * layers
        if len(self.dropout) != layers:
            where = f"{place.where}.head" if place.where else "head"
            raise Infeasible(where, f"{len(self.dropout)} dropout rates for {layers} layers; give one or {layers}")
        return self.dropout


HeadField = Annotated[Head, BeforeValidator(as_kind, json_schema_input_type=Head | HeadKind)]
