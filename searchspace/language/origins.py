"""Where the pieces of an expanded blueprint come from, so that a mistake is told at its place in the file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from searchspace.language.problems import Path, Problem, dotted


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
        """Problems of the expanded tree at their places in the original, each once: `... (in block 'fire')`.

        Below a whole origin the sentence says the place too, and each field tells its first mistake only.
        """
        told: dict[object, Problem] = {}
        for one in problems:
            origin = self.origin(one.where)
            message = f"{dotted(one.where)}: " * origin.whole + one.message + origin.note
            problem = replace(one, where=origin.path, message=message)
            told.setdefault((origin.path, named(one.where)) if origin.whole else problem, problem)
        return list(told.values())


def named(where: Path) -> str:
    """The last name of a path: of `stages.3.kernel.0` it is `kernel`."""
    return next((part for part in reversed(where) if isinstance(part, str)), "")
