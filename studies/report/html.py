"""A document as one HTML file that needs nothing else: no script, no request, readable on a phone and on paper."""

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
    anchor,
    numeric,
    sentence,
)
from studies.report.style import STYLE

WRAPPED = 44
"""Longer texts in a table take several lines."""


def html(document: Document) -> str:
    """The whole page."""
    title = escape(document.title)
    head = (
        '<meta charset="utf-8">\n<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="color-scheme" content="light dark">\n<title>{title}</title>\n<style>\n{STYLE}\n</style>'
    )
    top = f"<header>\n<h1>{title}</h1>\n{_question(document)}<p class=facts>{escape(document.facts)}</p>\n</header>"
    body = "\n".join([top, *_body(document)])
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _question(document: Document) -> str:
    return f"<p class=question>{escape(document.question)}</p>\n" if document.question else ""


def _body(document: Document) -> list[str]:
    """The answer first, then the contents, then the rest, section by section."""
    groups = _sections(document.blocks)
    return [_section(one) for one in groups[:1]] + [_contents(document)] + [_section(one) for one in groups[1:]]


def _sections(blocks: Sequence[Block]) -> list[list[Block]]:
    groups: list[list[Block]] = []
    for block in blocks:
        if not groups or (isinstance(block, Heading) and block.level == 2):
            groups.append([])
        groups[-1].append(block)
    return groups


def _section(blocks: Sequence[Block]) -> str:
    return "<section>\n" + "\n".join(_block(block) for block in blocks) + "\n</section>"


def _contents(document: Document) -> str:
    items = "".join(f'<li><a href="#{where}">{escape(text)}</a></li>' for where, text in document.sections[1:])
    return f'<nav aria-label="Contents"><ul>{items}</ul></nav>'


def _block(block: Block) -> str:
    match block:
        case Heading():
            return f'<h{block.level} id="{anchor(block.text)}">{escape(block.text)}</h{block.level}>'
        case Paragraph():
            return f"<p{' class=soft' if block.soft else ''}>{escape(block.text)}</p>"
        case Bullets():
            items = "".join(f"<li>{escape(item)}</li>" for item in block.items)
            return f"<ul{' class=verdict' if block.verdict else ''}>{items}</ul>"
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
        case Code():
            return f'<pre tabindex="0"><code>{escape(block.text)}</code></pre>'
        case Details():
            inner = "\n".join(_block(one) for one in block.blocks)
            kept = "" if block.printed else " class=screen"
            return f"<details{kept}><summary>{escape(block.summary)}</summary>\n{inner}\n</details>"


def _picture(picture: Picture) -> str:
    """An image to those who hear the page: the drawing's own words are hidden, and `told` is read."""
    title, told = f"{picture.name}-title", f"{picture.name}-told"
    named = f'<svg role="img" aria-labelledby="{title}" aria-describedby="{told}"'
    words = f'<title id="{title}">{escape(picture.title)}</title><desc id="{told}">{escape(picture.told)}</desc>'
    opening, _, rest = picture.svg.removeprefix("<svg").partition(">")
    note = f" <span>{escape(picture.note)}</span>" if picture.note else ""
    caption = f"<figcaption><strong>{escape(sentence(picture.title))}</strong>{note}</figcaption>"
    return f"<figure>\n<div class=card>{named}{opening}>{words}{rest}</div>\n{caption}\n</figure>"


def _table(table: Table) -> str:
    right = [numeric([row[at] for row in table.rows]) for at in range(len(table.headers))]
    head = "".join(
        f'<th scope="col"{_side(side)}>{escape(name)}</th>' for name, side in zip(table.headers, right, strict=True)
    )
    rows = "\n".join(f"<tr>{_row(row, right)}</tr>" for row in table.rows)
    caption = f"<caption><span>{escape(table.caption)}</span></caption>" if table.caption else ""
    label = escape(table.caption or "table")
    inner = f"<table>{caption}<thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>"
    return f'<div class=scroll tabindex="0" role="region" aria-label="{label}">{inner}</div>'


def _row(row: Sequence[Any], right: Sequence[bool]) -> str:
    texts = [escape("" if cell is None else str(cell)) for cell in row]
    first = f'<th scope="row"{_side(right[0])}>{texts[0]}</th>'
    return first + "".join(
        f"<td{_side(side, text)}>{text}</td>" for text, side in zip(texts[1:], right[1:], strict=True)
    )


def _side(right: bool, text: str = "") -> str:
    """Numbers to the right; long texts may wrap."""
    return " class=n" if right else " class=w" if len(text) > WRAPPED else ""
