"""Which costs of a blueprint are known never to fall when a variable rises, by how its words use what is turned.

Known means proved from the words: a width, an inner width, a growth, a number of hidden units and a number of repeats
that keep the map's size each multiply or add to what is counted. A residual shortcut is the exception: it is free where
the channels stay and a convolution where they change, so whether they do must be the same for all values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from searchspace.language.turned import Turned, Undecided, rising

FIELDS: Mapping[str, tuple[str, ...]] = {
    "plain": ("width", "repeat"),
    "residual": ("width", "inner", "repeat"),
    "inverted_residual": ("width", "repeat"),
    "dense": ("growth", "repeat"),
    "atrous_pyramid": ("width",),
}
"""The fields of words that every cost rises with, under the conditions that `_stage` checks."""
NESTED = ("stages", "branches")
_Channels = Any
"""What enters a stage: a number, a turned one, or None where it is not followed."""


def rises(tree: Any, inputs: int, memory: bool = False) -> bool:
    """Whether MACs, parameters, activations and receptive field of an expanded blueprint rise with all that is turned.

    `inputs` are the data's channels. With `memory` also the bytes that training takes.
    """
    try:
        _Reader(memory).blueprint(tree, inputs)
    except Undecided:
        return False
    return True


class _Reader:
    """A walk along the channels; `Undecided` at the first place of which nothing is known."""

    def __init__(self, memory: bool) -> None:
        self.memory = memory

    def blueprint(self, tree: Any, inputs: _Channels) -> None:
        if not isinstance(tree, Mapping):
            raise Undecided("no blueprint")
        for key, value in tree.items():
            if key == "stages":
                self.stages(value, inputs)
            elif key == "head":
                self.head(value)
            elif rising(value):
                raise Undecided(key)

    def head(self, head: Any) -> None:
        for where, number in rising(head):
            if where[:1] != ("hidden",) or not number.rises:
                raise Undecided("head")

    def stages(self, stages: Any, inputs: _Channels) -> _Channels:
        if not isinstance(stages, Sequence) or isinstance(stages, str):
            raise Undecided("no stages")
        for stage in stages:
            inputs = self.stage(stage, inputs)
        return inputs

    def stage(self, stage: Any, inputs: _Channels) -> _Channels:
        if not isinstance(stage, Mapping):
            raise Undecided("no stage")
        word = stage.get("block")
        for key, value in stage.items():
            if key in NESTED or (word == "auxiliary" and key == "head"):
                continue
            for where, number in rising(value):
                if where or key not in FIELDS.get(str(word), ()) or not number.rises:
                    raise Undecided(key)
        match word:
            case "plain":
                return self.plain(stage)
            case "residual" | "inverted_residual":
                return self.residual(stage, inputs)
            case "sequence":
                return self.sequence(stage, inputs)
            case "parallel" | "inception":
                branches = stage.get("branches", ())
                for branch in branches.values() if isinstance(branches, Mapping) else branches:
                    self.stages(branch, inputs)
                return None
            case "within" | "auxiliary":
                self.stages(stage.get("stages", ()), inputs)
                self.head(stage.get("head"))
                return inputs
        return inputs if word in ("pool", "upsample") else None

    def plain(self, stage: Mapping[str, Any]) -> _Channels:
        """Convolutions after the first keep the map's size only with the padding for it."""
        if isinstance(stage.get("repeat"), Turned) and stage.get("padding", "same") != "same":
            raise Undecided("repeat")
        return stage.get("width")

    def residual(self, stage: Mapping[str, Any], inputs: _Channels) -> _Channels:
        width, shortcut = stage.get("width"), stage.get("shortcut", "projection")
        free = shortcut == "none" or (not self.memory and self._free(stage["block"], shortcut))
        if not free and stage.get("stride", 1) in (1, [1], [1, 1], [1, 1, 1]):
            self.same(inputs, width)
        return width

    def _free(self, word: str, shortcut: Any) -> bool:
        """Whether it costs no MACs and no parameters to change the channels on the way around."""
        return word == "inverted_residual" or shortcut in ("pad", "always", "identity")

    def same(self, inputs: _Channels, width: _Channels) -> bool:
        """Whether the channels stay; `Undecided` where they do for some values only."""
        if inputs is None:
            raise Undecided("channels that are not followed")
        return bool(inputs == width)

    def sequence(self, stage: Mapping[str, Any], inputs: _Channels) -> _Channels:
        """Every further pass starts from what the one before made."""
        ends = self.stages(stage.get("stages", ()), inputs)
        return ends if stage.get("repeat", 1) == 1 else self.stages(stage.get("stages", ()), ends)
