"""Trees of calls: their inner calls by name, and the integers in which uses of one block may differ."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from torch import nn

from worker import layers
from worker.calls import Call

ROLES = {
    "out_channels": "channels",
    "out": "channels",
    "out_features": "features",
    "kernel_size": "kernel",
    "num_features": "width",
    "num_channels": "width",
    "num_groups": "groups",
    "num_parameters": "width",
}


@dataclass(frozen=True)
class Symbol:
    """An expression in the place of an integer: a parameter, a multiple of one, or an affine function of a loop's."""

    text: str
    kind: str = "int"


class Index(int):
    """The number in a name; equal to no other integer of a block."""


ANY = Symbol("?")
"""What a branch that is absent here would have: it agrees with everything."""


@dataclass(frozen=True)
class Slot:
    """Where an integer stands: the names of the layers down to its call, the call's own, and what it is there."""

    path: tuple[str, ...]
    owner: str
    role: str


def children(call: Call) -> list[tuple[str, Call]]:
    """The inner calls by the names that torch gives them."""
    names = roles(call.name)
    placed = [
        (names[number] if number < len(names) else str(number), value) for number, value in enumerate(call.arguments)
    ]
    return [(name, value) for name, value in (*placed, *call.options.items()) if isinstance(value, Call)]


def walk(call: Call) -> Iterator[Call]:
    yield call
    for _, child in children(call):
        yield from walk(child)


def rebuilt(call: Call, change: Callable[[Call], Call]) -> Call:
    """The same with every direct inner call changed."""
    arguments = tuple(change(value) if isinstance(value, Call) else value for value in call.arguments)
    options = {key: change(value) if isinstance(value, Call) else value for key, value in call.options.items()}
    return replace(call, arguments=arguments, options=options)


def filled(call: Call) -> Call:
    """The same with torch's integer defaults written out, and its own dropout: ours with a seed is for training."""
    call = rebuilt(replace(call, name="nn.Dropout") if call.name == "Dropout" else call, filled)
    defaults = {} if children(call) else integer_defaults(call.name)
    known = roles(call.name)[: len(call.arguments)]
    options = {key: value for key, value in defaults.items() if key not in known} | call.options
    order = [*(parameter.name for parameter in signature(call.name)), *options]
    return replace(call, options=dict(sorted(options.items(), key=lambda item: order.index(item[0]))))


def skeleton(call: Call) -> Any:
    """What uses of one block share: all but the integers."""
    arguments = tuple(_bones(call, value) for value in call.arguments)
    return call.name, arguments, tuple((key, _bones(call, value)) for key, value in call.options.items())


def _bones(owner: Call, value: Any) -> Any:
    if isinstance(value, Call):
        return skeleton(value)
    return "#" if _varies(owner, value) else ("=", repr(value))


def _varies(owner: Call, value: Any) -> bool:
    if isinstance(value, bool):
        return owner.name == "optional"
    whole = isinstance(value, tuple) and all(isinstance(one, int) for one in value)
    return whole or isinstance(value, int | Symbol)


def mapped(call: Call, change: Callable[[Slot, Any], Any], path: tuple[str, ...] = ()) -> Call:
    """The same with every integer changed, each known by its slot, in one order."""
    names = roles(call.name)

    def one(key: str, value: Any) -> Any:
        if isinstance(value, Call):
            return mapped(value, change, path if call.name == "optional" else (*path, key))
        return (
            change(Slot(path, call.name, ROLES.get(key, key.rstrip("0123456789"))), value)
            if _varies(call, value)
            else value
        )

    arguments = tuple(
        one(names[number] if number < len(names) else str(number), value) for number, value in enumerate(call.arguments)
    )
    return replace(call, arguments=arguments, options={key: one(key, value) for key, value in call.options.items()})


def slots(call: Call) -> list[tuple[Slot, Any]]:
    """Every integer with its slot, in the order of `mapped`."""
    found: list[tuple[Slot, Any]] = []

    def noted(slot: Slot, value: Any) -> Any:
        found.append((slot, value))
        return value

    mapped(call, noted)
    return found


@cache
def signature(name: str) -> tuple[inspect.Parameter, ...]:
    """The parameters of a class of torch or of ours; those of a class that takes `*sizes` are its parent's."""
    if name == "optional":
        return tuple(inspect.Parameter(key, inspect.Parameter.POSITIONAL_ONLY) for key in ("present", "layer"))
    home: Any = nn if name.startswith("nn.") else layers
    made = getattr(home, name.removeprefix("nn."), None)
    known = [one for one in getattr(made, "__mro__", (made,)) if one is not None and one is not object]
    for one in known:
        parameters = tuple(inspect.signature(one).parameters.values())
        if not any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
            return parameters
    return ()


def roles(name: str) -> tuple[str, ...]:
    """The names of the positional parameters."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return tuple(parameter.name for parameter in signature(name) if parameter.kind in positional)


def integer_defaults(name: str) -> dict[str, int]:
    """The parameters that are integers where nothing else is said: stride=1, padding=0, ..."""
    return {one.name: one.default for one in signature(name) if type(one.default) is int}
