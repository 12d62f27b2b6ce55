"""The example search on the digits beside the same search in stock Ray Tune, OptunaSearch, ASHA and DataLoader.

Wanted: at least 3 times the trained trials an hour. Measured 2026-11-21 on 2 shared cores of an AMD EPYC under a
load of 2 to 6, Python 3.11.7, torch 2.13.0, ray 2.60.0, optuna 5.0.0; medians of 3 rounds of 40 trained trials, two
at a time, from the start of the process (imports and Ray's start included) to the end of the last one:

    archstudy                       8546 an hour, 17 s    best 98.9 %
    stock                            768 an hour, 188 s   best 99.4 %   archstudy: 11.1 times (6.8 at least)
    stock with reuse_actors=True    4887 an hour, 29 s    best 99.4 %   archstudy: 1.3 times (0.9 at least)

Without all that comes before the end of the first trained trial: 21.6 and 2.0 times. Most of the gain is that
processes are used again, which stock Tune does on request. The best accuracy is of one seed on 360 images, where 0.5
points are 2 images; archstudy confirms its best three on fresh seeds after this, 6 s more that are not counted here.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from statistics import median

from support.sides import ROOT, Figures, machine, rounds, table

EXAMPLE = ROOT / "studies/examples/search-digits.yaml"
NAMES = {
    "ours": "archstudy",
    "stock": "stock",
    "reused": "stock, reuse_actors=True",
}


def main() -> None:
    """All sides, taking turns, and one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (default: 3)")
    parser.add_argument("--sides", nargs="+", choices=list(NAMES), default=list(NAMES), help="which (default: all)")
    parser.add_argument("--only", choices=list(NAMES), help="one side, once, as JSON")
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(side(asked.only, time.time())))
        return
    print(report(rounds(asked.rounds, {name: [__file__, f"--only={name}"] for name in asked.sides})))


def side(name: str, began: float) -> Figures:
    """What one side took and found; its clock began before its libraries were imported."""
    if name == "ours":
        return ours(began)
    from support.stock_digits import search

    from studies.load import load

    budget = load(EXAMPLE).spec.budget
    return search(budget.trials, budget.parallel or 1, name == "reused", began)


def ours(began: float) -> Figures:
    """The example as `archstudy run` runs it; the time ends with the last trial of the search, before confirming."""
    from studies import store, tune
    from studies.load import load
    from studies.progress import silent
    from studies.run import run
    from studies.store import query

    engine = store.connect("sqlite:///search.db")
    study = run(load(EXAMPLE), engine, Path("files").absolute(), tune.drive, silent).study
    every = query.trials(engine, study["id"])
    rows = [row for row in every if row["phase"] == "search"]
    trained = [row for row in rows if row["started_at"] is not None]
    epochs = query.epochs(engine, study["id"], [row["id"] for row in trained])
    engine.dispose()
    last = max(row["finished_at"] for row in trained)
    return {
        "seconds": last - began,
        "seconds_after_start": last - min(row["finished_at"] for row in trained),
        "trained": len(trained),
        "proposals": len(rows),
        "epochs": len(epochs),
        "best": max(row["value"] for row in trained if row["state"] == "complete"),
        "whole": max(row["finished_at"] for row in every) - began,
    }


def report(told: dict[str, list[Figures]]) -> str:
    """Medians over the rounds; the ratios are medians of each round's."""
    rows = [(NAMES[name], len(all_), *_columns(all_)) for name, all_ in told.items()]
    head = ("", "rounds", "trials an hour", "after the first", "s", "proposals", "trained", "epochs", "best accuracy")
    text = f"{machine()}\n\n{table(head, *rows)}\n"
    for name in [name for name in told if "ours" in told and name != "ours"]:
        both, after = (
            median(_rate(a, key) / _rate(b, key) for a, b in zip(told["ours"], told[name], strict=True))
            for key in ("seconds", "seconds_after_start")
        )
        text += (
            f"\narchstudy / {NAMES[name]}: {both:.1f} times the trials an hour, {after:.1f} after the first trial's end"
        )
    if "ours" in told:
        whole = median(one["whole"] for one in told["ours"])
        text += f"\narchstudy goes on to confirm its best three on fresh seeds: {whole:.0f} s in all"
    return text


def _columns(all_: list[Figures]) -> tuple[str, ...]:
    middle = {key: median(one[key] for one in all_) for key in all_[0]}
    rates = [f"{median(_rate(one, key) for one in all_):.0f}" for key in ("seconds", "seconds_after_start")]
    counts = [f"{middle[key]:.0f}" for key in ("seconds", "proposals", "trained", "epochs")]
    return (*rates, *counts, f"{100 * middle['best']:.1f} %")


def _rate(one: Figures, key: str) -> float:
    """Trained trials an hour, from the start of the process or from the end of the first trained trial."""
    return 3600 * (one["trained"] - (key != "seconds")) / one[key]


if __name__ == "__main__":
    main()
