"""What the stable names are good for: another library's weights in, any layer's features out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from difflib import get_close_matches
from itertools import accumulate, zip_longest
from typing import Any

import torch
from torch import nn

from searchspace.core import Shape
from searchspace.language.problems import nearest

Shapes = Mapping[str, Shape]
"""The keys of a state dict, in its order, with the shapes of their tensors."""
SHORTCUTS = {"shortcut", "downsample", "proj"}
"""What a residual block's shortcut is called. Some register it before the body, some behind it."""
ASIDE = "aux"
"""How the names of auxiliary classifiers begin. Some register them in their place, some at the end."""
COUNT = "num_batches_tracked"
"""A batch norm's counter of training steps, which state dicts may lack and evaluation does not use."""


def carried(theirs: Mapping[str, torch.Tensor], model: nn.Module, but: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
    """The model's state dict with their tensors wherever `mapping` finds one: `load_state_dict` takes it as it is.

    With `but=("fc.", "head.")` their classifier stays behind and the model's, of other classes perhaps, as it was.
    """
    state = model.state_dict()
    keys = mapping(_shapes(theirs), _shapes(state), but)
    return {**state, **{our: theirs[their] for their, our in keys.items()}}


def mapping(theirs: Shapes, ours: Shapes, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Which of our keys each of theirs is: {"conv1.weight": "stages.0.conv1.weight", ...}, to be read and printed.

    The nth layer of theirs is the nth of ours, where auxiliary classifiers come last and shortcuts behind the body
    that they pass; every kind (weight, bias, running_mean, ...) and shape must agree. Layers whose keys begin with one
    of `but`, theirs or ours, are left out before. What shapes do not say cannot be noticed: layers of one shape in
    another order, other strides, activations or epsilons; for torchvision's networks a test on their outputs does.
    """
    for prefix in but:
        if not any(key.startswith(prefix) for key in (*theirs, *ours)):
            known = dict.fromkeys(f"{key.partition('.')[0]}." for key in (*theirs, *ours))
            raise ValueError(f"weights: no key begins with {prefix!r}{nearest(prefix, known)}")
    here, there = _layers(ours, but), _layers(theirs, but)
    found: dict[str, str] = {}
    pairs = zip_longest(there.items(), here.items(), fillvalue=("", dict[str, Shape]()))
    for number, ((their, got), (our, wanted)) in enumerate(pairs, 1):
        if got != wanted:
            counts = f"layer {number} of their {len(there)} and our {len(here)}"
            raise ValueError(f"weights: {counts}: {_difference(their, got, our, wanted)}")
        keys = {_key(their, leaf): _key(our, leaf) for leaf in (*got, COUNT)}
        found |= {key: mine for key, mine in keys.items() if key in theirs and mine in ours}
    return found


def _difference(their: str, got: Shapes, our: str, wanted: Shapes) -> str:
    """The first entry that two layers do not share, and the cure; a side without entries has no such layer."""
    leaf = next(leaf for leaf in (*got, *wanted) if got.get(leaf) != wanted.get(leaf))
    sides = [
        f"{whose} {_key(name, leaf)!r} is {_extents(shapes[leaf]) if leaf in shapes else 'missing'}"
        for whose, name, shapes in (("their", their, got), ("our", our, wanted))
        if shapes
    ]
    alone = " and has no partner" if len(sides) == 1 else ""
    names = tuple(f"{name}." for name in (their, our) if name)
    return f"{', '.join(sides)}{alone}; build the same network, or leave layers out, but={names}"


def _extents(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "one number"


def _layers(keys: Shapes, but: tuple[str, ...]) -> dict[str, dict[str, Shape]]:
    """The entries of each layer by their last names, without counters, layers in the order that `mapping` names."""
    layers: dict[str, dict[str, Shape]] = {}
    for key, shape in keys.items():
        name, _, leaf = key.rpartition(".")
        if leaf != COUNT and not key.startswith(but):
            layers.setdefault(name, {})[leaf] = shape
    return {name: layers[name] for name in _ordered(layers)}


def _ordered(names: Iterable[str]) -> list[str]:
    """The names as they stand, but auxiliary classifiers last of all and shortcuts last of their block."""
    stems = {name: list(accumulate(name.split("."), "{}.{}".format)) for name in names}
    first: dict[str, int] = {}
    for number, stem in enumerate(stem for every in stems.values() for stem in every):
        first.setdefault(stem, number)

    def place(name: str) -> tuple[bool, list[tuple[bool, int]]]:
        aside = any(part.lower().startswith(ASIDE) for part in name.split("."))
        return aside, [(stem.rpartition(".")[2] in SHORTCUTS, first[stem]) for stem in stems[name]]

    return sorted(stems, key=place)


def _key(layer: str, leaf: str) -> str:
    return f"{layer}.{leaf}" if layer else leaf


def _shapes(state: Mapping[str, Any]) -> dict[str, Shape]:
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            kind = type(value).__name__
            raise ValueError(f"weights: {key!r} is a {kind}, not a tensor; give the state dict, not what it is kept in")
    return {key: tuple(value.shape) for key, value in state.items()}


def features(model: nn.Module, inputs: torch.Tensor, names: Sequence[str]) -> dict[str, torch.Tensor]:
    """What the named layers or blocks put out while the model passes the inputs on; also of an exported model.py."""
    layers, found = dict(model.named_modules()), dict[str, torch.Tensor]()
    with ExitStack() as hooks:
        for name in names:
            if name not in layers:
                known = get_close_matches(name, layers, n=1) or dict(model.named_children())
                raise ValueError(f"features: the network has no layer {name!r}{nearest(name, known)}")

            def keep(_module: nn.Module, _inputs: Any, output: Any, name: str = name) -> None:
                found[name] = output[0] if isinstance(output, tuple) else output  # a pool may add its switches

            hooks.callback(layers[name].register_forward_hook(keep).remove)
        model(inputs)
    if silent := [name for name in names if name not in found]:
        raise ValueError(f"features: nothing passes {silent[0]!r} in this mode; auxiliary heads need model.train()")
    return found
