"""Where the pieces of an expanded blueprint come from, so that a mistake is told at its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from searchspace.language.problems import Path, Problem


@dataclass(frozen=True, slots=True)
class Origin:
    """A place in the original and what a sentence adds; below a `whole` one, everything stands at that place."""

    path: Path
    note: str = ""
    whole: bool = False

    def below(self, rest: Path) -> Origin:
        """The origin of what stands at `rest` inside."""
        return self if self.whole or not rest else Origin((*self.path, *rest), self.note)


@dataclass(frozen=True)
class Expanded:
    """A blueprint of built-in words only; `origins` maps prefixes of its paths, and the longest that fits holds."""

    tree: Any
    origins: Mapping[Path, Origin] = field(default_factory=dict)

    def origin(self, path: Path) -> Origin:
        """Where in the original the piece at `path` comes from."""
        for end in range(len(path), -1, -1):
            if (origin := self.origins.get(path[:end])) is not None:
                return origin.below(path[end:])
        return Origin(path)

    def place(self, path: Path) -> Path:
        """The path in the original."""
        return self.origin(path).path

    def told(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of the expanded tree at their places in the original, each once: `... (in block 'fire')`."""
        origins = [(problem, self.origin(problem.where)) for problem in problems]
        told = (replace(one, where=origin.path, message=one.message + origin.note) for one, origin in origins)
        return list(dict.fromkeys(told))
