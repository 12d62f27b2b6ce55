"""From a Blueprint to a Network: words become core nodes, and a network that cannot exist says where and why."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from searchspace.blueprint import Blueprint
from searchspace.core import Auxiliary, Network, Sequence, Shape
from searchspace.cost import Cost, Infeasible, Layer, remainder, trace, traced
from searchspace.words.branches import lower_stages
from searchspace.words.parts import Place

LARGEST_INPUT = 4_096
"""The largest input side that the cure of a window that does not fit is looked for."""


class Realized(NamedTuple):
    """A network that can exist, its layers in order, and what it costs."""

    network: Network
    layers: tuple[Layer, ...]
    cost: Cost


def lower(blueprint: Blueprint, input_shape: Shape, outputs: int) -> Network:
    """The network for inputs of `input_shape` = (channels, *map size) and `outputs` classes or targets.

    Whether its windows fit is found by counting it: `checked` (or `cost`, `trace`) raises `Infeasible`.
    """
    place = Place(input_shape[0], len(input_shape) - 1, outputs, "stages")
    stages, channels = lower_stages(blueprint.stages, place)
    head = blueprint.head.lower(place._replace(inputs=channels, where=""))
    return Network(input_shape, Sequence((("stages", stages), ("head", head))))


def checked(network: Network, strict_division: bool = False) -> Network:
    """The network, if it can exist; else `Infeasible` with the cure: the smallest input that it needs."""
    _counted(network, strict_division)
    return network


def realized(blueprint: Blueprint, input_shape: Shape, outputs: int) -> Network:
    """The network, if it can exist and be trained: it and its auxiliary classifiers end in `outputs` numbers."""
    return counted(blueprint, input_shape, outputs).network


def counted(blueprint: Blueprint, input_shape: Shape, outputs: int) -> Realized:
    """The realized network with its layers and what it costs, in one walk."""
    if blueprint.classes not in (None, outputs):
        cure = "leave classes out or name the data's number"
        raise Infeasible("classes", f"the blueprint is for {blueprint.classes} classes, the data has {outputs}; {cure}")
    network = lower(blueprint, input_shape, outputs)
    layers, total = _counted(network, blueprint.strict_division)
    _ends(layers, input_shape, outputs)
    return Realized(network, layers, total)


def _counted(network: Network, strict_division: bool) -> tuple[tuple[Layer, ...], Cost]:
    try:
        layers, total = traced(network)
    except Infeasible as error:
        raise _with_cure(network, error) from None
    for layer in layers if strict_division else ():
        if unread := remainder(layer):
            n, padded, k, s, _ = unread
            reason = f"({padded} - {k}) / {s} is not whole on a side of {n}, which strict_division forbids"
            raise Infeasible(layer.name, f"{reason}; change the input, window, stride or padding")
    return layers, total


def _ends(layers: tuple[Layer, ...], input_shape: Shape, outputs: int) -> None:
    """The network and its auxiliary classifiers must end in one number per output."""
    for number, layer in enumerate(layers):
        if isinstance(layer.node, Auxiliary):
            before = layers[number - 1] if number else None
            shape = before.out_shape if before and before.side else layer.in_shape
            if shape != (outputs,):
                got = "x".join(map(str, shape))
                raise Infeasible(layer.name, f"it ends in {got}, not in {outputs} outputs; give it a head that does")
    shape = layers[-1].out_shape if layers else input_shape
    if shape != (outputs,):
        got = "x".join(map(str, shape))
        raise Infeasible("head", f"the network ends in {got}, not in {outputs} outputs; write a head that does")


def _with_cure(network: Network, error: Infeasible) -> Infeasible:
    if "does not fit" not in error.reason:
        return error
    needs, size = _smallest_input(network), network.input[1:]
    if needs is None:
        return Infeasible(error.where, f"{error.reason}; use a smaller window")
    wanted, have = "x".join([str(needs)] * len(size)), "x".join(map(str, size))
    cure = f"remove a pool or enlarge the input (needs {wanted}, has {have})"
    return Infeasible(error.where, f"{error.reason}; {cure}")


def _smallest_input(network: Network) -> int | None:
    """The smallest square (cubic) input that every window fits, by bisection: a larger map never fits worse."""
    channels, *size = network.input
    low, high = min(size), LARGEST_INPUT

    def fits(side: int) -> bool:
        try:
            trace(replace(network, input=(channels, *[side] * len(size))))
        except Infeasible:
            return False
        return True

    if not fits(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high
