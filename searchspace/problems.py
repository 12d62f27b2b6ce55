"""What is wrong with what the user wrote: where, what, and the cure; every mistake of a file at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]
"""Where in a document: keys of mappings and positions in lists, from the root."""


@dataclass(frozen=True)
class Problem:
    """One mistake. `line` and `column` count from 1; 0 means that the place in the file is not known."""

    where: Path
    message: str
    line: int = 0
    column: int = 0


def dotted(where: Path) -> str:
    """`("stages", 0, "pool")` as `stages.0.pool`."""
    return ".".join(str(part) for part in where)


class SpecError(ValueError):
    """A document that cannot be used. Its text has one line per problem: `file:line:column: where: message`."""

    def __init__(self, problems: Sequence[Problem], file: str = "") -> None:
        self.problems = tuple(problems)
        self.file = file
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        place = f"{self.file}:{problem.line}:{problem.column}: " if problem.line else f"{self.file}: " * bool(self.file)
        where = f"{dotted(problem.where)}: " if problem.where else ""
        return f"{place}{where}{problem.message}"
