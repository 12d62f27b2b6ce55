"""Look this installation over: what is there, what is missing, what may bite, each with its cure."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from studies import store
from studies.cli import DONE, FAILED

WITH = {"worker": ("torch", "ray", "optuna", "scikit-learn", "safetensors"), "dashboard": ("streamlit", "altair")}
UNSAFE_WAL = ((3, 7, 0), (3, 51, 2))
"""SQLite versions whose write-ahead log can be damaged under several writers."""
LEAST_FREE = 1_000_000_000

Finding = dict[str, Any]


def doctor(arguments: argparse.Namespace) -> int:
    """Print every finding; the exit code is 1 if one is an error."""
    findings = [*_python(), *_packages(), *_sqlite(), *_store(), *_disk()]
    if arguments.json:
        print(json.dumps(findings, indent=2))
    else:
        print("\n".join(f"{one['level']:7}  {one['what']}" for one in findings))
    return FAILED if any(one["level"] == "error" for one in findings) else DONE


def _finding(level: str, what: str) -> Finding:
    return {"level": level, "what": what}


def _python() -> list[Finding]:
    return [_finding("ok", f"Python {sys.version.split()[0]}, {os.cpu_count()} cores")]


def _packages() -> list[Finding]:
    findings = []
    for extra, names in WITH.items():
        for name in names:
            try:
                findings.append(_finding("ok", f"{name} {version(name)}"))
            except PackageNotFoundError:
                cure = f"pip install 'archstudy[{extra}]'"
                findings.append(_finding("warning", f"{name} is not installed, so the {extra} cannot run here; {cure}"))
    return findings


def _sqlite() -> list[Finding]:
    found = sqlite3.sqlite_version
    if UNSAFE_WAL[0] <= sqlite3.sqlite_version_info <= UNSAFE_WAL[1]:
        text = f"SQLite {found} can damage a store under several writers at once"
        return [_finding("warning", f"{text}; run one study at a time, or use PostgreSQL")]
    return [_finding("ok", f"SQLite {found}")]


def _store() -> list[Finding]:
    try:
        url = store.url()
        files = store.files_folder(url)
        engine = store.connect(url, create=False)
    except store.StoreError as error:
        missing = "no store" in str(error)
        return [_finding("ok" if missing else "error", str(error))]
    engine.dispose()
    return [_finding("ok", f"the store answers; files lie in {files}")]


def _disk() -> list[Finding]:
    free = shutil.disk_usage(Path.cwd()).free
    if free < LEAST_FREE:
        return [_finding("warning", f"only {free / 1e9:.1f} GB are free here; checkpoints may not fit, free some")]
    return [_finding("ok", f"{free / 1e9:.0f} GB free here")]
