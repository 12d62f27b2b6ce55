"""The catalogue: studies to start from, each with its question and its source in the comment that it begins with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from searchspace.language.problems import nearest
from studies.errors import NotFound

LABELS = ("Question", "Source", "What differs", "How", "Data")
"""What a paragraph of the comment may begin with; the first two are in every file."""


@dataclass(frozen=True)
class Entry:
    """A study of the catalogue: its text as it stands in the file, and its comment's paragraphs by their labels."""

    name: str
    about: str
    text: str
    told: dict[str, str]


def catalogue() -> tuple[Entry, ...]:
    """All studies, by name."""
    found = (one for one in files("studies").joinpath("catalog").iterdir() if one.name.endswith(".yaml"))
    entries = (_entry(one.name.removesuffix(".yaml"), one.read_text(encoding="utf-8")) for one in found)
    return tuple(sorted(entries, key=lambda one: one.name))


def entry(name: str) -> Entry:
    """The study of that name; a NotFound with the nearest."""
    found = {one.name: one for one in catalogue()}
    if name not in found:
        raise NotFound(f"the catalogue has no {name!r}{nearest(name, found)}")
    return found[name]


def _entry(name: str, text: str) -> Entry:
    about = re.search(r"(?m)^about: (.*)$", text)
    return Entry(name, about[1] if about else "", text, _paragraphs(text.split("# yaml-language-server", 1)[0]))


def _paragraphs(comment: str) -> dict[str, str]:
    """The text after each label; lines that are set in further, which are code, keep their breaks."""
    found: dict[str, str] = {}
    label = ""
    for line in comment.splitlines():
        said = line.removeprefix("# ")
        if start := re.match(rf"({'|'.join(LABELS)}): (.*)", said):
            label, said = start[1], start[2]
            found[label] = said
        elif label:
            found[label] += f"\n{said}" if said.startswith("  ") else f" {said}"
    return found
