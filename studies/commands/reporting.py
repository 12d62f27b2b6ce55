"""`archstudy report`: a study as one file to be read offline, at any time; its trials as CSV."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from studies.cli import DONE
from studies.commands.reading import found, open_store
from studies.load import stored
from studies.store import Engine, query


def report(arguments: argparse.Namespace) -> int:
    """Write the report as HTML or Markdown, by the ending of --out, and the trials as CSV where asked."""
    out, table = arguments.out, arguments.csv
    if out is None and table is None:
        out = f"{arguments.study}.html"
    if out is not None and Path(out).suffix not in (".html", ".md"):
        raise ValueError(f"--out {out}: a report is written as .html or .md; end the name with one of them")
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
    from studies.report.content import curve_trials
    from studies.report.content import report as made
    from studies.report.html import html
    from studies.report.markdown import markdown

    study = stored(row)
    epochs = query.epochs(engine, row["id"], curve_trials(study, trials))
    document = made(study, row, trials, epochs)
    if out.suffix == ".html":
        return [_write(out, html(document))]
    text, pictures = markdown(document, f"{out.stem}-pictures")
    return [_write(out, text), *(_write(out.parent / name, svg) for name, svg in pictures.items())]


def _write(file: Path, text: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8", newline="\n")
    return str(file)
