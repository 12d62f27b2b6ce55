"""`archstudy report`: a study as one file to be read offline, at any time; its trials as CSV."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from studies.cli import DONE
from studies.commands.reading import found, open_store
from studies.store import Engine, query


def report(arguments: argparse.Namespace) -> int:
    """Write the report as HTML or Markdown, by the ending of --out, and the trials as CSV where asked."""
    out, table = arguments.out, arguments.csv
    if out is None and table is None:
        out = f"{arguments.study}.html"
    if out is not None and Path(out).suffix.lower() not in (".html", ".md"):
        raise ValueError(f"--out {out}: a report is written as .html or .md; end the name with one of them")
    if out is not None and table is not None and Path(out).resolve() == Path(table).resolve():
        raise ValueError(f"--out and --csv are both {out}; give the trials a file of their own, such as trials.csv")
    if table is not None and not table:
        raise ValueError("--csv names no file; write one, such as --csv trials.csv")
    engine = open_store()
    row = found(engine, arguments.study)
    trials = query.trials(engine, row["id"])
    written = []
    if table is not None:
        written.append(_csv(Path(table), trials))
    if out is not None:
        written += _document(engine, row, trials, Path(out))
    print(json.dumps({"study": row["name"], "files": written}, indent=2) if arguments.json else "\n".join(written))
    return DONE


def _csv(file: Path, trials: list[dict[str, Any]]) -> str:
    from studies.report.spreadsheet import spreadsheet

    return _write(file, spreadsheet(trials))


def _document(engine: Engine, row: dict[str, Any], trials: list[dict[str, Any]], out: Path) -> list[str]:
    from studies.report.content import of_store
    from studies.report.html import html
    from studies.report.markdown import markdown

    document = of_store(engine, row, trials)
    if out.suffix.lower() == ".html":
        return [_write(out, html(document))]
    text, pictures = markdown(document, f"{out.stem}-pictures")
    return [_write(out, text), *(_write(out.parent / name, svg) for name, svg in pictures.items())]


def _write(file: Path, text: str) -> str:
    """Whole or not at all: what stood there stays until the new file is complete; a ValueError says why it is not."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and not file.is_file():  # a folder, which is refused, or a device
            file.write_text(text, encoding="utf-8", newline="\n")
        else:
            _replace(file.resolve(), text)
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise ValueError(f"{file} could not be written: {why}; make room, or give another path") from None
    return str(file)


def _replace(file: Path, text: str) -> None:
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8", newline="\n")
        os.replace(unfinished, file)
    finally:
        unfinished.unlink(missing_ok=True)
