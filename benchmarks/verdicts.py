"""Do verdicts keep their promises from end to end? Studies of known truth, from CSV and YAML to the sentences.

Each study is a table and a file that are written, loaded, conducted trial by trial into a SQLite store and read; then
its verdict is read as a person would: which levels it calls better, which it says tie, which intervals it prints.
`calibration.py` shows the same of the analysis alone, with far more studies. No training.

Measured 2026-11-21, two shared cores, with 95 % limits (Clopper and Pearson 1934). Any false claim where nothing
matters: 2 x 2 on 3 seeds 4.77 % [4.36, 5.21] and 3 x 2 on 5 seeds 4.93 % [4.51, 5.37] of 10,000 studies each; Stein on
effects 4.93 % [4.19, 5.77] of 3,000; of 400 each, Stein on means with unequal noise 5.0 % [3.1, 7.6] and a latin
hypercube 5.5 % [3.5, 8.2].

Of 400 studies each: an effect stated to show in 80.0 % was called better in 79.3 % [74.9, 83.1], its printed interval
held the truth in 94.8 % [92.1, 96.7]; with Stein's seeds 93.8 % [90.9, 95.9] and, with unequal noise, 94.7 % [92.1,
96.7]. Levels that differ by the margin were said to tie or to differ by less in 4.8 % [2.9, 7.3], true ties in 99.3 %
[97.8, 99.9]. So few studies cannot show 5.5 % as an upper limit; `calibration.py` does.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from math import log2, sqrt
from pathlib import Path
from typing import Any

import numpy as np
from support.simulated import Rule, limits

from studies import inline
from studies.analysis.power import power_of, smallest_difference
from studies.analysis.reading import read
from studies.design.cells import every_cell
from studies.load import load
from studies.progress import silent
from studies.run import run
from studies.store import Engine, connect, query
from studies.verdict import verdict
from worker import table

Judge = Callable[[str], bool | None]
POINT = 0.01
CLAIM = re.compile(
    r"\w+ is better than \w+ by|the effect of \w+ depends|[Ee]ach doubling changes|changes by [^()]*less"
    r"|from \S+ to \S+ \w+ changes by [-+.\d]+ points? \[[^\]]*\](?!, within)",
    re.I,
)
"""What claims a difference; a line that is told in brackets behind `cannot tell` is none."""
INTERVAL = r"([-+]?[\d.]+) points? \[([-+]?[\d.]+), ([-+]?[\d.]+)\]"


@dataclass(frozen=True)
class Made:
    """A study's levels, its design, and the truth in points; one point is the noise's deviation times `noise`."""

    name: str
    levels: Mapping[str, Sequence[Any]]
    design: Mapping[str, Any]
    truth: Rule = lambda levels: 0.0
    noise: Rule = lambda levels: 1.0
    shared: float = 1.0
    judges: Mapping[str, Judge] = field(default_factory=dict)

    @property
    def seeds(self) -> int:
        """Of the table: as many as the design may take."""
        asked = self.design["replicates"]
        return int(asked["at_most"] if isinstance(asked, dict) else asked)


def tree(made: Made, name: str, file: str) -> dict[str, Any]:
    """The study's file."""
    return {
        "apiVersion": "archstudy/v1",
        "kind": "Study",
        "name": name,
        "data": {"source": "digits"},
        "evaluate": {"table": file},
        "variables": {factor: {"choice": list(levels)} for factor, levels in made.levels.items()},
        "blueprint": {"stages": []},
        "recipe": {"epochs": 1},
        "design": {"factors": [*made.levels], **made.design},
    }


def save(made: Made, dice: np.random.Generator, file: Path) -> None:
    """Every combination on every seed; accuracies are written in full."""
    common = made.shared * dice.normal(size=made.seeds)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([*made.levels, "seed", "val_accuracy"])
        for levels in product(*made.levels.values()):
            told = dict(zip(made.levels, levels, strict=True))
            values = made.truth(told) + made.noise(told) * dice.normal(size=made.seeds) + common
            writer.writerows((*levels, seed, 0.5 + POINT * float(one)) for seed, one in enumerate(values))


def texts(made: Made, number: int, store: Engine, folder: Path) -> Iterator[str]:
    """The verdicts of so many studies, each from its own file and table."""
    dice = np.random.default_rng([1, len(made.name)])
    drive = partial(inline.drive, train=table.answers, evaluate=table.tested)
    for at in range(number):
        name = f"{re.sub('[^a-z0-9]+', '-', made.name.lower()).strip('-')}-{at}"
        save(made, dice, folder / f"{name}.csv")
        (folder / f"{name}.yaml").write_text(json.dumps(tree(made, name, f"{name}.csv")))
        study = load(folder / f"{name}.yaml")
        ended = run(study, store, folder / "files", drive, silent)
        assert ended.study["state"] == "complete", ended.study
        assert len(every_cell(study)) > 1
        yield "\n".join(verdict(study.spec, read(study.spec, query.trials(store, ended.study["id"])), 0))


# ---- reading a verdict -----------------------------------------------------------------------------------------------


def claimed(text: str) -> bool:
    """Whether any sentence claims a difference."""
    return bool(CLAIM.search(re.sub(r"\([^()]*\)", "", text)))


def better(text: str) -> bool:
    """Whether b is said to be better than a."""
    return "b is better than a by" in text


def tied(text: str) -> bool:
    """Whether a and b are said to tie."""
    return "a and b tie within" in text


def small(text: str) -> bool:
    """Whether they are said to tie, or to differ by less than what matters."""
    return tied(text) or "less than the 2 that matters" in text


def printed(text: str) -> tuple[float, float] | None:
    """The interval of b against a as it stands in the text, whichever way it is told; None where it is not told."""
    if found := re.search(rf"(\w) is better than [ab] by {INTERVAL}", text):
        low, high = float(found[3]), float(found[4])
        return (low, high) if found[1] == "b" else (-high, -low)
    if found := re.search(rf"(?:b from a|a and b tie within [\d.]+ points?) \({INTERVAL}", text):
        return float(found[2]), float(found[3])
    return None


def covered(truth: float) -> Judge:
    """Whether the printed interval of b against a holds the truth; a verdict without one is not counted."""

    def holds(text: str) -> bool | None:
        ends = printed(text)
        return None if ends is None else ends[0] <= truth <= ends[1]

    return holds


def reached(text: str) -> bool:
    """Whether the seeds that were added are said to have been enough."""
    return "was reached everywhere" in text


# ---- what is asked ---------------------------------------------------------------------------------------------------

KINDS = {"kind": ("a", "b"), "depth": (2, 4)}
SIX = {"depth": (2, 4, 8), "kind": ("a", "b")}
HYPER = {"width": (8, 11, 16, 23, 32, 45, 64, 90), "rate": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7), "kind": ("a", "b")}
SPREAD = {"layout": "latin_hypercube", "runs": 8}
FALSE = {"false claim": claimed}
STEP = smallest_difference(1.0, 5, 3)
"""What 5 seeds of 2 x 2 cells, three claims, tell with 80 %: one seed's contrast has a deviation of sqrt(2 / 2)."""
B: Rule = lambda levels: STEP * (levels["kind"] == "b")  # noqa: E731 (a rule among others)
SHOWN = {"better": better, "covers": covered(STEP)}


def stein(half_width: str, of: str, most: int) -> dict[str, Any]:
    """Two stages, as a study asks for them."""
    return {"replicates": {"until": {"half_width": half_width, "of": of}, "at_least": 5, "at_most": most}}


def uneven(levels: Mapping[str, Any]) -> float:
    """A deviation that differs by cell, up to eightfold."""
    return 0.5 * float(levels["depth"]) / (1 + (levels["kind"] == "b"))


def uphill(levels: Mapping[str, Any]) -> float:
    """Only the width matters."""
    return 3 * log2(levels["width"])


NOTHING = [
    Made("null, 2 x 2, 3 seeds", KINDS, {"replicates": 3}, judges=FALSE),
    Made("null, 3 x 2, 5 seeds, shared by cells", SIX, {"replicates": 5}, shared=5.0, judges=FALSE),
    Made("null, 3 x 2, Stein on means, unequal noise", SIX, stein("1.5%", "means", 20), noise=uneven, judges=FALSE),
    Made("null, 3 x 2, Stein on effects", SIX, stein("1%", "effects", 20), judges=FALSE),
    Made("null, latin hypercube of 8, 5 seeds", HYPER, {"replicates": 5, **SPREAD}, judges=FALSE),
]
SOMETHING = [
    Made(f"effect of {STEP:.2f} points, 2 x 2, 5 seeds", KINDS, {"replicates": 5}, B, judges=SHOWN),
    Made("the same, Stein on effects", KINDS, stein("1%", "effects", 40), B, judges={**SHOWN, "reached": reached}),
    Made("the same, Stein on means, unequal noise", KINDS, stein("1.5%", "means", 40), B, uneven, 1.0, SHOWN),
    Made(
        "the margin of 2 points, 2 levels, 5 seeds",
        {"kind": ("a", "b")},
        {"replicates": 5, "margin": "2%"},
        lambda levels: 2.0 * (levels["kind"] == "b"),
        lambda levels: 0.3,
        judges={"too small": small, "covers": covered(2.0)},
    ),
    Made(
        "no difference, margin of 2 points, 10 seeds",
        {"kind": ("a", "b")},
        {"replicates": 10, "margin": "2%"},
        judges={"tie": tied, "too small": small, "covers": covered(0.0)},
    ),
]


@contextmanager
def _place() -> Iterator[tuple[Engine, Path]]:
    with tempfile.TemporaryDirectory() as folder:
        store = connect(f"sqlite:///{folder}/store.db")
        yield store, Path(folder)
        store.dispose()


def told(made: Made, number: int) -> None:
    """A line for each question: how many verdicts say so, with Clopper and Pearson's 95 % limits."""
    with _place() as (store, folder):
        found = [*texts(made, number, store, folder)]
    for name, judge in made.judges.items():
        said = [one for text in found if (one := judge(text)) is not None]
        hits, many = sum(said), len(said)
        low, high = limits(hits, many)
        print(f"{made.name:46} {name:11} {hits / many:7.2%}  [{low:.2%}, {high:.2%}] of {many}", flush=True)


def main() -> None:
    """Every study's making, with its time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=600)
    parser.add_argument("--tiny", action="store_true", help="a few studies, which say nothing")
    parser.add_argument("--only", default="", metavar="TEXT", help="only studies with this text in their name")
    asked = parser.parse_args()
    number, start = 5 if asked.tiny else asked.studies, time.perf_counter()
    print(f"n = {number} studies each; power stated for the effect: {power_of(STEP, sqrt(2 / 2), 5, 3):.1%}")
    for made in [*NOTHING, *SOMETHING]:
        if asked.only in made.name:
            told(made, number)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
