"""What is wrong with what the user wrote: where, what, and the cure; every mistake of a file at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

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


def nearest(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'trials'?` where one known word is near, else the list of them."""
    listed = list(known)
    close = get_close_matches(word, listed, n=1)
    return f", did you mean {close[0]!r}?" if close else f"; known here: {', '.join(listed) or 'none'}"


def shown(value: object) -> str:
    """What was got, as a sentence quotes it: on one line and not too long."""
    plain = {"None": "nothing", "True": "true", "False": "false"}  # as YAML has them
    text = plain.get(repr(value), repr(value))
    return text if len(text) <= 60 else f"{text[:57]}..."


class Unknown:
    """Stands in a tree for a value that cannot be told, because what it refers to is itself a mistake."""

    def __repr__(self) -> str:
        return "an unknown value"


UNKNOWN = Unknown()


class FieldError(ValueError):
    """A mistake that a whole section has, and the field of it at which the file says so."""

    def __init__(self, field: str, message: str) -> None:
        self.field = field
        super().__init__(message)


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
