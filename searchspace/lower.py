"""From a Blueprint to a Network: words become core nodes, and a network that cannot exist says where and why."""

from __future__ import annotations

from dataclasses import replace

from searchspace import words
from searchspace.blueprint import Blueprint
from searchspace.core import Network, Sequence, Shape
from searchspace.cost import Infeasible, trace

LARGEST_INPUT = 4_096
"""The largest input side that the cure of a window that does not fit is looked for."""


def lower(blueprint: Blueprint, input_shape: Shape, outputs: int) -> Network:
    """The network for inputs of `input_shape` = (channels, *map size) and `outputs` classes or targets.

    Whether its windows fit is found by counting it: `checked` (or `cost`, `trace`) raises `Infeasible`.
    """
    channels, axes = input_shape[0], len(input_shape) - 1
    stages = []
    for number, stage in enumerate(blueprint.stages):
        stages.append((str(number), words.WORDS[stage.block](stage, channels, axes, f"stages.{number}")))
        channels = stage.width
    return Network(
        input_shape, Sequence((("stages", Sequence(tuple(stages))), ("head", words.head(blueprint.head, outputs))))
    )


def checked(network: Network) -> Network:
    """The network, if it can exist; else `Infeasible` with the cure: the smallest input that it needs."""
    try:
        trace(network)
    except Infeasible as error:
        raise _with_cure(network, error) from None
    return network


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
