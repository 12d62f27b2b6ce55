"""How long the reading commands take from the shell, beside a Python that does nothing.

Wanted: `archstudy --help` in under 0.3 s. Measured 2026-11-21 on 2 shared cores of an AMD EPYC under a load of 2,
Python 3.11.7; medians of 15 interleaved runs, on a store with the example search in it:

    python -c pass 0.02 s    --help 0.04 s    validate 0.59 s    plan 0.83 s    list 0.61 s    show 0.60 s
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from support.nothing import evaluate, train
from support.sides import ROOT, machine, table

EXAMPLE = ROOT / "studies/examples/search-digits.yaml"
ARCHSTUDY = Path(sys.executable).parent / "archstudy"


def main() -> None:
    """Every command once in each round, and one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="how often each command runs (default: 15)")
    count = parser.parse_args().rounds
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "archstudy --help": [str(ARCHSTUDY), "--help"],
        "archstudy validate search-digits.yaml": [str(ARCHSTUDY), "validate", str(EXAMPLE)],
        "archstudy plan search-digits.yaml": [str(ARCHSTUDY), "plan", str(EXAMPLE)],
        "archstudy list": [str(ARCHSTUDY), "list"],
        "archstudy show search-digits": [str(ARCHSTUDY), "show", "search-digits"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        store(Path(folder))
        for number in range(count + 1):  # the first round warms the disk's cache
            for name, command in commands.items():
                seconds = timed(command, Path(folder))
                times[name] += [seconds] if number else []
    print(report(times))


def store(folder: Path) -> None:
    """A store with the whole example search in it, its trainings replaced by nothing."""
    from studies import store
    from studies.inline import drive
    from studies.load import load
    from studies.progress import silent
    from studies.run import run

    engine = store.connect(f"sqlite:///{folder}/archstudy.db")
    run(load(EXAMPLE), engine, folder / "files", partial(drive, train=train, evaluate=evaluate), silent)
    engine.dispose()


def timed(command: list[str], folder: Path) -> float:
    """Seconds of one process."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ARCHSTUDY_")}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began


def report(times: dict[str, list[float]]) -> str:
    """Medians, and the spread."""
    rows = [(name, len(all_), *(f"{f(all_):.3f}" for f in (median, min, max))) for name, all_ in times.items()]
    return f"{machine()}\n\n{table(('', 'runs', 'median s', 'lowest', 'highest'), *rows)}"


if __name__ == "__main__":
    main()
