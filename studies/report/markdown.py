"""A document as Markdown with its pictures as files beside it, for a repository or an appendix."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from studies.report.blocks import (
    Block,
    Bullets,
    Code,
    Details,
    Document,
    Heading,
    Paragraph,
    Picture,
    Table,
    numeric,
    sentence,
)

SPECIAL = "\\`*_[]<>|#~$"
"""Characters that Markdown would read as its own."""


def markdown(document: Document, folder: str = "pictures") -> tuple[str, dict[str, str]]:
    """(text, files): the pictures are `files` under `folder`, by their path beside the text."""
    parts = [f"# {_plain(document.title)}"]
    parts += [f"**{_plain(document.question)}**"] if document.question else []
    parts += [_plain(document.facts), *(_block(block, folder) for block in document.blocks)]
    files = {
        f"{folder}/{one.name}.svg": '<?xml version="1.0" encoding="utf-8"?>\n' + one.svg for one in document.pictures
    }
    return "\n\n".join(parts) + "\n", files


def _block(block: Block, folder: str) -> str:
    match block:
        case Heading():
            return f"{'#' * block.level} {_plain(block.text)}"
        case Paragraph():
            return _plain(block.text)
        case Bullets():
            return "\n".join(f"{'> ' * block.verdict}* {_plain(item)}" for item in block.items)
        case Table():
            return _table(block)
        case Picture():
            told = _plain(" ".join(block.told.split()))
            return (
                f"![{told}]({folder}/{block.name}.svg)\n\n**{_plain(sentence(block.title))}** {_plain(block.note)}"
            ).rstrip()
        case Code():
            fence = "`" * (max(2, *_runs(block.text)) + 1)
            return f"{fence}{block.language}\n{block.text.rstrip()}\n{fence}"
        case Details():
            inner = "\n\n".join(_block(one, folder) for one in block.blocks)
            return f"<details><summary>{escape(block.summary)}</summary>\n\n{inner}\n\n</details>"


def _table(table: Table) -> str:
    columns = range(len(table.headers))
    side = ["--:" if numeric([row[at] for row in table.rows]) else ":--" for at in columns]
    lines = [_row(table.headers), f"|{'|'.join(side)}|", *(_row(row) for row in table.rows)]
    return "\n".join([*([_plain(table.caption), ""] if table.caption else []), *lines])


def _row(cells: Sequence[Any]) -> str:
    return "| " + " | ".join("" if cell is None else _plain(str(cell)) for cell in cells) + " |"


def _plain(text: str) -> str:
    """Text that is read as it stands: one line, with Markdown's own signs escaped."""
    return "".join(f"\\{sign}" if sign in SPECIAL else sign for sign in " ".join(text.split())).replace("&", "&amp;")


def _runs(text: str) -> list[int]:
    """The lengths of runs of backticks, which the fence must exceed."""
    return [0, *(len(run) for run in "".join(sign if sign == "`" else " " for sign in text).split())]
