"""The commands that do: run a study, export a network, serve the dashboard, look after the installation, the demo."""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from studies import screens, store
from studies.cli import DONE, FAILED, WITH_FAILURES
from studies.commands import found, open_store
from studies.load import from_tree, load
from studies.progress import shown, silent
from studies.run import Ended
from studies.run import run as run_study
from studies.store import query


def run(arguments: argparse.Namespace) -> int:
    """Run a study to its end, on this machine."""
    ended = run_file(Path(arguments.file), arguments.inline, arguments.quiet)
    if not ended.worked:
        print(f"{ended.study['name']} is complete; nothing to do (raise its budget to go on)", file=sys.stderr)
    engine = open_store()
    trials = query.trials(engine, ended.study["id"])
    study = from_tree(ended.study["spec"], ended.study["yaml"])
    lines = screens.winner(ended.study) if ended.study["kind"] == "search" else screens.design(study, trials)
    print(json.dumps(ended.study, indent=2, default=str) if arguments.json else "\n".join(_ending(ended, lines)))
    if ended.study["state"] != "complete":
        return FAILED
    return WITH_FAILURES if any(trial["state"] == "failed" for trial in trials) else DONE


def run_file(file: Path, inline: bool, quiet: bool) -> Ended:
    """Load, connect, drive."""
    study = load(file)
    url = store.url()
    engine = store.connect(url)
    if inline:
        from studies.inline import drive
        from worker.trainer import evaluate, train

        driver = partial(drive, train=train, evaluate=evaluate)
    else:
        from studies.tune import drive as driver
    try:
        return run_study(study, engine, store.files_folder(url), driver, silent if quiet else shown)
    finally:
        engine.dispose()


def _ending(ended: Ended, lines: list[str]) -> list[str]:
    note = [f"{ended.study['name']}: {ended.study['state']}; {ended.study['note']}"] if ended.study["note"] else []
    name = ended.study["name"]
    hints = [
        "",
        f"next: archstudy show {name}",
        f"      archstudy export {name} --out bundle",
        "      archstudy dashboard",
    ]
    return [*note, *lines, *hints]
