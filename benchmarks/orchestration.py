"""TODO claim."""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from support.nothing import value
from support.sides import ROOT, Figures, machine, rounds, table

WARM, STOCK_WARM = 10, 4
"""Steady state begins with the end of this trial."""


def main() -> None:
    """Both sides, taking turns, and one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="our trials a round (default: 200)")
    parser.add_argument("--stock-trials", type=int, default=12, help="stock trials a round (default: 12)")
    parser.add_argument("--parallel", type=int, default=2, help="trials at a time, on both sides (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (default: 3)")
    parser.add_argument("--only", choices=["ours", "stock"], help="one side, once, as JSON")
    asked = parser.parse_args()
    if asked.only:
        ran = ours(asked.trials, asked.parallel) if asked.only == "ours" else stock(asked.stock_trials, asked.parallel)
        print(json.dumps(ran))
        return
    counts = [f"--trials={asked.trials}", f"--stock-trials={asked.stock_trials}", f"--parallel={asked.parallel}"]
    sides = {side: [__file__, f"--only={side}", *counts] for side in ("ours", "stock")}
    told = rounds(asked.rounds, sides)
    print(report(told, {"ours": asked.trials, "stock": asked.stock_trials}))


def report(told: dict[str, list[Figures]], trials: dict[str, int]) -> str:
    """Medians over the rounds, and how many times as long the stock way takes (the median of the rounds' ratios)."""
    names = {"ours": "archstudy, rows in SQLite", "stock": "stock Tuner + OptunaSearch"}
    rows = []
    for side, name in names.items():
        steady = sorted(one["steady_ms"] for one in told[side])
        spread = f"{steady[0]:.1f}-{steady[-1]:.1f}"
        whole = median(one["seconds"] for one in told[side])
        rows.append((name, trials[side], len(steady), f"{median(steady):.1f}", spread, f"{whole:.1f}"))
    ratios = [b["steady_ms"] / a["steady_ms"] for a, b in zip(told["ours"], told["stock"], strict=True)]
    head = ("", "trials", "rounds", "ms a trial, steady", "lowest-highest", "s in all, Ray's start included")
    return f"{machine()}\n\n{table(head, *rows)}\n\nstock / archstudy: {median(ratios):.0f} times"


def steady_ms(ends: list[float], warm: int) -> float:
    """Milliseconds a trial between the end of the `warm`th trial and the last's."""
    ends = sorted(ends)
    return 1000 * (ends[-1] - ends[warm - 1]) / (len(ends) - warm)


# ---- archstudy -----------------------------------------------------------------------------------------------------


def ours(trials: int, parallel: int) -> Figures:
    """A search through `run` and `drive`, as `archstudy run` does it, into a SQLite file in the current folder."""
    from studies import store, tune
    from studies.load import load
    from studies.progress import silent
    from studies.run import run
    from studies.store import query

    file = Path("nothing.yaml")
    file.write_text(study(trials, parallel))
    engine = store.connect("sqlite:///nothing.db")
    drive = partial(tune.drive, trainer="support.nothing:train", evaluator="support.nothing:evaluate")
    began = time.perf_counter()
    ended = run(load(file), engine, Path("files").absolute(), drive, silent)
    seconds = time.perf_counter() - began
    rows = query.trials(engine, ended.study["id"], phase="search", states=("complete",))
    assert len(rows) == trials == len({row["key"] for row in rows}), "some trial was not run"
    assert len(query.epochs(engine, ended.study["id"])) == trials + 2, "an epoch row is missing"
    engine.dispose()
    return {"steady_ms": steady_ms([row["finished_at"] for row in rows], WARM), "seconds": seconds}


def study(trials: int, parallel: int) -> str:
    """The digits search of `studies/examples` without its constraints and pruner, for one epoch (JSON is YAML)."""
    from searchspace import yamlio

    tree = yamlio.read(ROOT / "studies/examples/search-digits.yaml").data
    tree["name"] = "nothing"
    tree["search"] = {"sampler": "tpe", "objectives": [{"maximize": "val_accuracy"}]}
    tree["budget"] = {"trials": trials, "parallel": parallel}
    tree["confirm"] = {"top": 1, "replicates": 2}
    tree["recipe"]["epochs"] = 1
    return json.dumps(tree)


# ---- stock ---------------------------------------------------------------------------------------------------------


def stock(trials: int, parallel: int) -> Figures:
    """The same space through Ray Tune as its user guide has it."""
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    ends: list[float] = []

    class Clock(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            ends.append(time.perf_counter())

    def train(config: dict[str, Any]) -> None:
        tune.report({"val_accuracy": value(int(1000 * config["lr"]))})

    space = {
        "block": tune.choice(["plain", "residual"]),
        "depth": tune.randint(1, 5),
        "width": tune.qrandint(8, 64, 8),
        "kernel": tune.choice([3, 5]),
        "place": tune.choice(["before_activation", "after_activation", "none"]),
        "lr": tune.loguniform(1e-3, 3e-1),
    }
    began = time.perf_counter()
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1}),
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            search_alg=OptunaSearch(seed=7),
            num_samples=trials,
            max_concurrent_trials=parallel,
        ),
        run_config=tune.RunConfig(storage_path=str(Path("stock").absolute()), callbacks=[Clock()], verbose=0),
    )
    tuner.fit()
    seconds = time.perf_counter() - began
    assert len(ends) == trials, "some trial was not run"
    return {"steady_ms": steady_ms(ends, STOCK_WARM), "seconds": seconds}


if __name__ == "__main__":
    main()
