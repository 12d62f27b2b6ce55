"""What the benchmarks share: interleaved rounds in processes of their own, the machine, and a table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("torch", "ray", "optuna", "sqlalchemy")

ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "OMP_NUM_THREADS": "1"}
"""For both sides: no reports to anyone, no token file in the home folder, one thread a process."""

Figures = dict[str, float]


def rounds(count: int, sides: Mapping[str, Sequence[str]]) -> dict[str, list[Figures]]:
    """Run each side `count` times, taking turns; a side is a command whose last line on stdout is JSON."""
    told: dict[str, list[Figures]] = {name: [] for name in sides}
    for number in range(1, count + 1):
        for name, command in sides.items():
            told[name].append(_figures(command))
            shown = ", ".join(f"{key} {value:.4g}" for key, value in told[name][-1].items())
            print(f"round {number}, {name}: {shown}", file=sys.stderr, flush=True)
    return told


def _figures(command: Sequence[str]) -> Figures:
    """What one process measured, started in an empty folder that goes when it ends."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        environment = os.environ | ENVIRONMENT
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def machine() -> str:
    """The processor, how many cores of it there are, how busy they are, and the versions that matter here."""
    libraries = " ".join(f"{name} {version(name)}" for name in LIBRARIES)
    load = os.getloadavg()[0]
    return f"{_processor()}, {os.cpu_count()} cores, load {load:.1f}; Python {platform.python_version()}, {libraries}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def table(head: Sequence[Any], *rows: Sequence[Any]) -> str:
    """Columns as wide as they need to be: the first to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for first, *others in cells:
        right = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *right]))
    return "\n".join(lines)
