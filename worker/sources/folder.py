"""`folder:<path>`: a folder per class, or a folder per part (train, validation, test) with a folder per class in each.

A class's images may lie deeper inside its folder. Hidden files and folders are left out.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from worker.sources import images, memo
from worker.sources.catalog import Array, Catalog, Encoded, checked_names, extra
from worker.sources.images import Look
from worker.sources.machine import ahead, cores
from worker.sources.split import NAMES, WHOLE

UNSEEN = Look(-1, -1, True)
"""Of a file whose head was not needed yet."""


@dataclass(frozen=True)
class File:
    """An image file: where it lies in the folder, its part and class, its size in bytes and its time of change."""

    path: str
    part: str
    label: str
    state: tuple[int, int]


@dataclass(frozen=True)
class Listing:
    """The files of a folder, the classes (by the training part's folders), and how many files are no images."""

    files: tuple[File, ...]
    classes: tuple[str, ...]
    others: tuple[str, ...]


def catalog(path: Path, image: tuple[int, ...] | None, classes: int | None) -> Catalog:
    """What the folder holds; a ValueError where it cannot be used."""
    where, found = str(path), listing(path)
    if image is None:
        extra("PIL.Image", where)
    facts = _facts(path, found.files, heads=image is None)
    number = {name: index for index, name in enumerate(found.classes)}
    parts: dict[str, list[File]] = defaultdict(list)
    for file in found.files:
        if file.label not in number:
            raise ValueError(f"{where}: {file.part} has a class {file.label!r}, train has none; add it, or remove it")
        parts[file.part].append(file)
    given = {part: np.array([number[file.label] for file in files], np.int64) for part, files in parts.items()}
    checked_names(where, given, found.classes, classes)
    shape = (image[-1], *image[:-1]) if image else images.shape_of(where, _heads(facts))
    digest = memo.joined({name: known[2] for name, known in facts.items()})
    return Catalog(
        where, given, shape, found.classes, digest, lambda part: _encoded(path, parts[part]), _notes(found.others)
    )


def digest(path: Path) -> str | None:
    """The content of the folder: the images with the names of their files."""
    if not path.is_dir():
        return None
    return memo.joined({name: known[2] for name, known in _facts(path, listing(path).files, False).items()})


def listing(path: Path) -> Listing:
    """The image files, sorted by part and class and name."""
    if not path.is_dir():
        what = "this is no folder" if path.exists() else "there is no such folder"
        raise ValueError(f"{path}: {what}; write the path from the study's folder, or an absolute one")
    parts = _parts(path)
    files: list[File] = []
    others: list[str] = []
    for part, folder in parts.items():
        for label in _folders(path / folder):
            for name, state in _files(path, os.path.join(folder, label)):
                if os.path.splitext(name)[1].lower() in images.SUFFIXES:
                    files.append(File(name, part, label, state))
                else:
                    others.append(name)
    if not files:
        raise ValueError(f"{path}: no folder in it holds images; give a folder of a folder for each class")
    training = "train" if "train" in parts else WHOLE
    classes = _folders(path / parts[training])
    if unnamed := [label for label in classes if label != _shown(label)]:
        raise ValueError(f"{path}: a class's folder is called {_shown(unnamed[0])!r}, which is no UTF-8; rename it")
    empty = set(classes) - {file.label for file in files if file.part == training}
    if empty:
        raise ValueError(f"{path}: class {min(empty)!r} has no images; add some, or remove its folder")
    return Listing(tuple(sorted(files, key=lambda file: file.path)), tuple(classes), tuple(sorted(others)))


def _parts(path: Path) -> dict[str, str]:
    """The folder of each part: `all` is the folder itself where it is not divided."""
    tops = _folders(path)
    divided = {top: NAMES[top] for top in tops if top in NAMES and _folders(path / top)}
    if not divided or (len(divided) < len(tops) and "train" not in divided.values()):
        return {WHOLE: ""}
    if unknown := [top for top in tops if top not in NAMES]:
        raise ValueError(f"{path}: {unknown[0]!r} stands beside {min(divided)!r} and is no part; move it elsewhere")
    parts: dict[str, str] = {part: top for top, part in divided.items()}
    if "train" not in parts or len(parts) < len(divided):
        raise ValueError(f"{path}: its parts are {', '.join(divided)}; there must be one train, and one of each other")
    return parts


def _folders(path: Path) -> list[str]:
    return sorted(entry.name for entry in os.scandir(path) if entry.is_dir() and not entry.name.startswith("."))


def _files(root: Path, below: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """(path from the root, (bytes, time)) of every file below a folder that is not hidden."""
    for entry in list(os.scandir(root / below)):
        name = f"{below}/{entry.name}"
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if entry.is_symlink() and (root / below).resolve().is_relative_to(os.path.realpath(entry.path)):
                raise ValueError(f"{entry.path}: this link leads back to a folder that it lies in; remove it")
            yield from _files(root, name)
        elif entry.is_file():
            facts = entry.stat()
            yield name, (facts.st_size, facts.st_mtime_ns)


def _heads(facts: dict[str, list[Any]]) -> Counter[Look]:
    """How many files have which head."""
    counts = Counter(tuple(known[3:]) for known in facts.values())
    return Counter({Look(*head): count for head, count in counts.items()})


def _facts(root: Path, files: tuple[File, ...], heads: bool) -> dict[str, list[Any]]:
    """[bytes, time, digest, height, width, gray] of each file; heads only where asked for; only what is new is read."""
    name = str(root.absolute())
    known = memo.recall(name)
    new = [file for file in files if not _known(known.get(file.path), file, heads)]
    if new:
        chunks = (new[start : start + images.CHUNK] for start in range(0, len(new), images.CHUNK))
        for rows in ahead(lambda chunk: [_read(root, file, heads) for file in chunk], chunks, cores()):
            known |= rows
        memo.remember(name, {file.path: known[file.path] for file in files})
    return {file.path: known[file.path] for file in files}


def _known(facts: list[Any] | None, file: File, heads: bool) -> bool:
    return facts is not None and tuple(facts[:2]) == file.state and not (heads and facts[3] == UNSEEN.height)


def _read(root: Path, file: File, heads: bool) -> tuple[str, list[Any]]:
    data = _content(root / file.path)
    head = images.look(data) if heads else UNSEEN
    return file.path, [*file.state, memo.content_digest(data), head.height, head.width, head.gray]


def _encoded(root: Path, files: list[File]) -> Encoded:
    return Encoded(
        len(files), lambda rows: _contents(root, files, rows), lambda row: _shown(os.path.join(root, files[row].path))
    )


def _contents(root: Path, files: list[File], rows: Array) -> list[bytes]:
    return [_content(root / files[row].path) for row in rows.tolist()]


def _content(path: Path) -> bytes:
    """Nothing of a file that may not be read, which then is counted as an unreadable image."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _notes(others: tuple[str, ...]) -> tuple[str, ...]:
    if not others:
        return ()
    return (f"{len(others):,} files are no images by their names and left out, the first is {_shown(others[0])}",)


def _shown(name: str) -> str:
    """A file's name as text: of bytes that are none, a question mark each."""
    return os.fsencode(name).decode(errors="replace")
