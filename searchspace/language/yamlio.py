"""The strict YAML reader: plain data, and the line and column of every key and value; `yamldump` is its writer.

Scalars are those of YAML 1.2's core schema (`1e-3` is a number, `NO` is text). Anchors, aliases, tags, duplicate keys
and second documents are mistakes. Whatever the bytes, nothing but `SpecError` comes out.
"""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from searchspace.language.problems import Path, Problem, SpecError

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_NUMERAL = 400
"""Characters of a number; Python itself refuses to convert integers beyond 4300 digits."""

Place = tuple[int, int]
"""(line, column), from 1."""

_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Document:
    """What a file says, and where it says it. `keys` has the places of mapping keys and of list items."""

    data: Any
    keys: dict[Path, Place]
    values: dict[Path, Place]
    file: str


class _Stop(Exception):
    """A mistake after which reading cannot go on."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


def read(path: pathlib.Path) -> Document:
    """The document in the file `path`."""
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise SpecError([Problem((), f"cannot be read ({reason}); give the path of a YAML file")], str(path)) from None
    return load(content, str(path))


def load(text: bytes | str, file: str = "<text>") -> Document:
    """The document in `text`; a SpecError holds every mistake up to the first after which nothing can be told."""
    builder = _Builder()
    try:
        data = builder.document(_events(_decoded(text)))
    except _Stop as stop:
        builder.problems.append(stop.problem)
    if builder.problems:
        raise SpecError(builder.problems, file)
    return Document(data, builder.keys, builder.values, file)


def locate(document: Document, where: Path, key: bool = False) -> Place:
    """The place of `where`, else of its nearest ancestor: of the value, or with `key` of the key that names it."""
    first, second = (document.keys, document.values) if key else (document.values, document.keys)
    for end in range(len(where), -1, -1):
        place = first.get(where[:end]) or second.get(where[:end])
        if place:
            return place
    return (1, 1)


def placed(document: Document, problems: Iterable[Problem], at_key: Collection[Path] = ()) -> SpecError:
    """The error that says `problems` in the order of the file, each with its place; those of `at_key` at their keys."""
    found = [
        problem if problem.line else _at(problem, locate(document, problem.where, problem.where in at_key))
        for problem in problems
    ]
    return SpecError(sorted(found, key=lambda problem: (problem.line, problem.column)), document.file)


def _at(problem: Problem, place: Place) -> Problem:
    return replace(problem, line=place[0], column=place[1])


# --- from bytes to events ---------------------------------------------------------------------------------------------


def _decoded(text: bytes | str) -> str:
    """`text` as a string that the parser takes: of bounded size, UTF-8, without control characters."""
    content = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    if len(content) > MAX_BYTES:
        raise _Stop(
            Problem((), f"the file is larger than {MAX_BYTES // 1024} kB; move what is not a setting elsewhere")
        )
    if b"\0" in content:
        line = content.count(b"\n", 0, content.index(b"\0")) + 1
        raise _Stop(Problem((), "this is a binary file (it has a NUL byte); save it as UTF-8 text", line, 1))
    try:
        decoded = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte, line = content[error.start], content.count(b"\n", 0, error.start) + 1
        raise _Stop(Problem((), f"byte 0x{byte:02x} is not UTF-8; save the file as UTF-8 text", line, 1)) from None
    if control := _CONTROL.search(decoded):
        before = decoded[: control.start()]
        line, column = before.count("\n") + 1, control.start() - before.rfind("\n")
        raise _Stop(Problem((), f"{control.group()!r} is no text; delete this character", line, column))
    return decoded


def _events(text: str) -> Iterator[Any]:
    """The parser's events; its errors in our words."""
    try:
        yield from yaml.parse(text, Loader=_PARSER)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: PyYAML's pure parser lets some out
        raise _Stop(_syntax(error, text)) from None


_SYNTAX = (
    ("flow sequence", "the '[' of line {line} is not closed here; add ']', or ',' between the items"),
    ("flow mapping", "the '{{' of line {line} is not closed here; add '}}', or ',' between the entries"),
    ("unexpected end of stream", "the quote opened in line {line} is not closed; close it"),
    ("unknown escape", "a backslash is special in double quotes; use single quotes, or write '\\\\'"),
    ("invalid Unicode", "this escape is no character; write the character itself"),
    (
        "mapping values are not allowed",
        "a ':' too many; put text that has ': ' in it in quotes, or mend the indentation",
    ),
    ("plain scalar: found unexpected ':'", "a ':' too many; put text with a ':' in quotes"),
    ("block scalar", "text that begins with '>' or '|' must be in quotes, such as '>= 0.9'; add them"),
    ("entries are not allowed", "a list cannot begin here; put each '- item' on its own line, or write [a, b]"),
    ("could not find expected ':'", "this line has no ':' after its key; write 'key: value'"),
    ("expected '-' indicator", "this does not belong to the list of line {line}; begin it with '- ', or indent it"),
    (
        "expected key",
        "this does not fit the lines above; mend its indentation, or put text with quotes or brackets in quotes",
    ),
    (
        "<block end>",
        "this does not fit the lines above; mend its indentation, or put text with quotes or brackets in quotes",
    ),
    ("node content", "a value is missing here; write one, close the bracket before it, or put the text in quotes"),
    ("cannot start any token", "a value cannot begin with {char!r}; put the text in quotes"),
    ("anchor", "anchors and aliases are not read; write the value out, or put the text in quotes"),
    ("alias", "anchors and aliases are not read; write the value out, or put the text in quotes"),
    ("tag", "tags are not read; remove the '!', or put the text in quotes"),
    ("<document start>", "this stands after the end of the document; remove the '...' line above, or this"),
)
"""(words of PyYAML, ours); the C parser and the pure one share these words."""


def _syntax(error: Exception, text: str) -> Problem:
    """The parser's error as one sentence with a cure."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Problem((), f"this is not YAML ({' '.join(str(error).split())}); mend or quote it", 1, 1)
    lines = re.split("\r\n|[\r\n\x85\u2028\u2029]", text)
    here = lines[mark.line] if mark.line < len(lines) else ""
    opened = (getattr(error, "context_mark", None) or mark).line + 1
    words = ": ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
    message = next(
        (ours for theirs, ours in _SYNTAX if theirs in words), "this is not YAML ({words}); mend or quote it"
    )
    if re.match(" *\t", here):
        message = "a tab cannot indent; use spaces"
    message = message.format(line=opened, char=here[mark.column : mark.column + 1], words=words)
    return Problem((), message, mark.line + 1, mark.column + 1)


# --- from events to data ----------------------------------------------------------------------------------------------


class _Builder:
    """Turns events into data and notes places and mistakes as it goes."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.nodes = 0

    def document(self, events: Iterator[Any]) -> Any:
        """The data of the only document."""
        next(events)  # the start of the stream
        if isinstance(next(events), yaml.StreamEndEvent):
            raise _Stop(Problem((), "the file is empty; write at least one 'key: value' line", 1, 1))
        data = self.node(next(events), events, ())
        next(events)  # the end of the document
        if not isinstance(after := next(events), yaml.StreamEndEvent):
            self.report((), after, "a second document begins here; one file holds one document, so split it")
        return data

    def node(self, event: Any, events: Iterator[Any], where: Path) -> Any:
        """The value that begins with `event`."""
        self.enter(event, where)
        self.values[where] = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self.report(where, event, f"aliases such as *{event.anchor} are not read; write the value out")
        if event.anchor is not None:
            self.report(where, event, f"anchors such as &{event.anchor} are not read; remove it")
        if event.tag is not None:
            self.report(where, event, f"tags such as {event.tag} are not read; remove it")
        kinds = {yaml.MappingStartEvent: self.mapping, yaml.SequenceStartEvent: self.sequence}
        return kinds[type(event)](events, where) if type(event) in kinds else self.scalar(event, where)

    def enter(self, event: Any, where: Path) -> None:
        """Counts a node, so that no file, however odd, costs more than a moment."""
        self.nodes += 1
        message = ""
        if self.nodes > MAX_NODES:
            message = f"the file has more than {MAX_NODES} values; shorten it"
        if len(where) > MAX_DEPTH:
            message = f"more than {MAX_DEPTH} levels of nesting; flatten it"
        if message:
            raise _Stop(_at(Problem((), message), _place(event)))

    def mapping(self, events: Iterator[Any], where: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.key(event, events, where)
            path = (*where, key)
            if key in data:
                first = self.keys[path][0]
                self.report(path, event, f"this key stands twice, first in line {first}; remove one of the two")
            else:
                self.keys[path] = _place(event)
            data.setdefault(key, self.node(next(events), events, path))
        return data

    def key(self, event: Any, events: Iterator[Any], where: Path) -> str:
        """The key that begins with `event`, always text: `3: x` has the key "3"."""
        key = str(event.value if isinstance(event, yaml.ScalarEvent) else _place(event))
        value = self.node(event, events, (*where, key))
        if isinstance(value, dict | list):
            self.report(where, event, "a key must be text, not a mapping or list; write 'key: value', or quote it")
        if not key and event.implicit[0]:
            self.report(where, event, "there is no key here; write 'key: value'")
        return key

    def sequence(self, events: Iterator[Any], where: Path) -> list[Any]:
        data: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            path = (*where, len(data))
            self.keys[path] = _place(event)
            data.append(self.node(event, events, path))
        return data

    def scalar(self, event: Any, where: Path) -> Any:
        if control := _CONTROL.search(event.value):
            return self.report(where, event, f"the text has {control.group()!r} in it, which is no text; remove it")
        try:
            return resolve(event.value) if event.implicit[0] else event.value
        except ValueError as error:
            return self.report(where, event, str(error))

    def report(self, where: Path, event: Any, message: str) -> None:
        self.problems.append(_at(Problem(where, message), _place(event)))


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1


def resolve(text: str) -> Any:
    """What the unquoted scalar `text` means in YAML 1.2's core schema; ValueError for a number that is none of ours."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    is_int = _INT.fullmatch(text)
    if not is_int and not _FLOAT.fullmatch(text):
        return text
    if len(text) > MAX_NUMERAL:
        raise ValueError(f"a number of {len(text)} characters; write at most {MAX_NUMERAL}, or quote it")
    if is_int:
        return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    number = float(re.sub(r"\.(?=[in])", "", text.lower()))
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number; write one, or quote the text")
    return number
