"""What a report is made of: typed blocks of plain text, which HTML and Markdown write each their way."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Heading:
    """A section's title (level 2), or that of a part of it (level 3)."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Paragraph:
    """Running text; a `soft` one is a remark."""

    text: str
    soft: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list; `verdict` sets it apart as the answer."""

    items: tuple[str, ...]
    verdict: bool = False


@dataclass(frozen=True)
class Table:
    """Rows under headers; the first cell of a row is its header. None is an empty cell."""

    headers: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Picture:
    """A drawing. `told` says in words and numbers what is seen, `note` how to read it; `name` is its own."""

    name: str
    title: str
    svg: str
    told: str
    note: str = ""


@dataclass(frozen=True)
class Code:
    """Text to be copied as it stands."""

    text: str
    language: str = ""


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away under a summary; on paper only the summary stands, unless they are `printed`."""

    summary: str
    blocks: tuple[Block, ...]
    printed: bool = True


Block = Heading | Paragraph | Bullets | Table | Picture | Code | Details


@dataclass(frozen=True)
class Document:
    """A whole report: what it is called, the question that it answers, one line of facts, and its blocks."""

    title: str
    question: str
    facts: str
    blocks: tuple[Block, ...]

    @property
    def sections(self) -> list[tuple[str, str]]:
        """(anchor, text) of every section, in order."""
        return [(anchor(one.text), one.text) for one in self.blocks if isinstance(one, Heading) and one.level == 2]

    @property
    def pictures(self) -> list[Picture]:
        """Every picture, in order."""
        return _pictures(self.blocks)


def anchor(text: str) -> str:
    """A heading's id: `cost-and-accuracy`."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def sentence(title: str) -> str:
    """A title with its full stop, or its question mark."""
    return title if title.endswith("?") else f"{title}."


def section(title: str, *found: Block | None) -> list[Block]:
    """A heading with what there is under it; nothing where there is nothing."""
    kept = [one for one in found if one is not None]
    return [Heading(title), *kept] if kept else []


def numeric(column: Sequence[Any]) -> bool:
    """Whether a table's column holds numbers, which stand to the right."""
    there = [str(cell) for cell in column if cell not in (None, "", "–")]
    return bool(there) and all(re.match(r"[-+−]?[0-9.]", cell) for cell in there)


def _pictures(blocks: Sequence[Block]) -> list[Picture]:
    found: list[Picture] = []
    for block in blocks:
        found += (
            [block] if isinstance(block, Picture) else _pictures(block.blocks) if isinstance(block, Details) else []
        )
    return found
