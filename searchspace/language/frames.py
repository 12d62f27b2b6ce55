"""What holds for a list of stages while a blueprint is expanded: its names, its places, what its sentences add."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from searchspace.language.expressions import STAGE, names
from searchspace.language.origins import Origin
from searchspace.language.problems import Path, dotted


@dataclass(frozen=True, slots=True)
class Frame:
    """The names that a list may use (None: it is filled in already), its pattern's number if it stands in one, what
    sentences add, the words it is the body of; in a `whole` one all places are one. Where it is a block's body: the
    places of the arguments that were `given`, and of the `use`.
    """

    values: Mapping[str, Any] | None
    number: int | None = None
    note: str = ""
    inside: tuple[str, ...] = ()
    whole: bool = False
    given: Mapping[str, Path] = field(default_factory=dict)
    use: Path = ()

    def scope(self, index: int) -> Mapping[str, Any] | None:
        """The names for the item at `index` of a list."""
        if self.values is None:
            return None
        return {**self.values, STAGE: index if self.number is None else self.number}

    def at(self, where: Path, *parts: str | int) -> Path:
        """The place of a part of what stands at `where` in the original."""
        return where if self.whole else (*where, *parts)

    def blamed(self, text: Any, where: Path) -> Origin:
        """Where a text's value comes from: of an argument alone its place, else its own, and which use it was.

        Without a use it is a file of the zoo, of which whoever gives an argument need not know more.
        """
        used = names(text) & self.given.keys() if self.given else ()
        name = next(iter(used)) if len(used) == 1 else ""
        if name and (text.strip() == f"${name}" or not self.use):
            return Origin(self.given[name], self.note, whole=not self.use)
        return Origin(where, f"{self.note[:-1]}, used in {dotted(self.use)})" if used and self.use else self.note)

    def blames(self, tree: Any, new: Path, where: Path) -> Iterator[tuple[Path, Origin]]:
        """The origin of every text in a tree, at `new` when expanded, that arguments are to blame for."""
        if isinstance(tree, str):
            if (origin := self.blamed(tree, where)) != Origin(where, self.note):
                yield new, origin
            return
        parts = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
        for key, part in parts:
            yield from self.blames(part, (*new, key), (*where, key))


@dataclass(frozen=True, slots=True)
class Spot:
    """A stage's path in the expanded tree, and its place in the original."""

    new: Path
    old: Path
