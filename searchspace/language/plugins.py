"""Words from other packages: entry points of the group `archstudy.words`.

An entry point's name is the word, and its object a function that returns a list of stages. Looked for only when a
blueprint has a word that is neither built in nor its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from searchspace.language.problems import shown

GROUP = "archstudy.words"
REQUIRED = object()
"""Stands for the default of a parameter that has none."""


@dataclass(frozen=True)
class PlugIn:
    """A function from keyword parameters to stages; `open` if it takes any others too."""

    word: str
    function: Callable[..., Any]
    parameters: Mapping[str, Any]
    open: bool = False

    @property
    def required(self) -> list[str]:
        """The parameters without a default."""
        return [name for name, default in self.parameters.items() if default is REQUIRED]

    def stages(self, arguments: Mapping[str, Any]) -> list[Any]:
        """What the function makes of its arguments; a ValueError names the plug-in that cannot."""
        try:
            stages = self.function(**arguments)
        except (Exception, SystemExit) as error:
            raise ValueError(
                f"the plug-in {self.word!r} failed with {_said(error)}; mend it, or its parameters"
            ) from error
        if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
            got = shown(stages)
            raise ValueError(f"the plug-in {self.word!r} returned {got}; it must return a list of stages (mappings)")
        return stages


def _said(error: BaseException) -> str:
    """An error in one line that is not too long."""
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return text if len(text) <= 200 else f"{text[:197]}..."


@cache
def _entries() -> dict[str, Any]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


def words() -> list[str]:
    """The words that installed packages add."""
    return sorted(_entries())


@cache
def find(word: str) -> PlugIn | None:
    """The plug-in of a word, if a package has one; a ValueError if it cannot be loaded."""
    entry = _entries().get(word)
    if entry is None:
        return None
    try:
        return plug_in(word, entry.load())
    except (Exception, SystemExit) as error:
        what = f"the plug-in {word!r} ({entry.value}) cannot be loaded, {_said(error)}"
        raise ValueError(f"{what}; mend or remove it") from error


def plug_in(word: str, function: Callable[..., Any]) -> PlugIn:
    """The plug-in that a function is: its signature says the parameters and their defaults."""
    from inspect import Parameter, signature

    found = signature(function).parameters.values()
    named = [one for one in found if one.kind in (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)]
    if any(one.kind is Parameter.POSITIONAL_ONLY for one in found):
        raise TypeError("a word's parameters are given by name, and it has some that cannot be")
    defaults = {one.name: REQUIRED if one.default is Parameter.empty else one.default for one in named}
    return PlugIn(word, function, defaults, any(one.kind is Parameter.VAR_KEYWORD for one in found))
