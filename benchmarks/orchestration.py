"""What a trial costs beside its training: archstudy and stock Tuner + OptunaSearch, with trials that do nothing.

Wanted: at most 60 ms a trial in steady state, rows written, and at most 1/20 of the stock way in the same run.
Measured 2026-11-21 on 2 shared cores of an AMD EPYC under a load of 2 to 4, Python 3.11.7, ray 2.60.0, optuna 5.0.0,
sqlalchemy 2.1.9 on SQLite; medians of 5 rounds (lowest to highest), two trials at a time, n trials a round:

    archstudy                      n = 200    13.1 ms (11.6 to 16.7)
    stock                          n = 12     1007 ms (988 to 1269), 80 times ours, at least 60 times in each round
    stock with reuse_actors=True   n = 200    30.6 ms (21.6 to 34.7), 1.9 times ours; it writes no rows

So nearly all of the gain is that processes are used again, which stock Tune can do too, if one knows to ask for it.
Ray's start is in no steady state; the table shows the whole time beside it. The space is the one of the digits
search, without its constraints and pruner; each side runs in a process of its own with its own local Ray.
"""

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

NAMES = {
    "ours": "archstudy, rows in SQLite",
    "stock": "stock, OptunaSearch",
    "reused": "stock, OptunaSearch, reuse_actors",
}
WARM = 10
"""Steady state begins with the end of this trial, or of a third of the trials where they are few."""


def main() -> None:
    """Both sides, taking turns, and one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=200, help="our trials a round (default: 200)")
    parser.add_argument("--stock-trials", type=int, default=12, help="stock trials a round (default: 12)")
    parser.add_argument("--parallel", type=int, default=2, help="trials at a time, on both sides (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (default: 3)")
    parser.add_argument("--only", choices=list(NAMES), help="one side, once, as JSON")
    asked = parser.parse_args()
    trials = {"ours": asked.trials, "stock": asked.stock_trials, "reused": asked.trials}
    if asked.only:
        print(json.dumps(side(asked.only, trials[asked.only], asked.parallel)))
        return
    counts = [f"--trials={asked.trials}", f"--stock-trials={asked.stock_trials}", f"--parallel={asked.parallel}"]
    sides = {side: [__file__, f"--only={side}", *counts] for side in NAMES}
    print(report(rounds(asked.rounds, sides), trials))


def side(name: str, trials: int, parallel: int) -> Figures:
    """What one side took, measured in this process."""
    return ours(trials, parallel) if name == "ours" else stock(trials, parallel, reuse_actors=name == "reused")


def report(told: dict[str, list[Figures]], trials: dict[str, int]) -> str:
    """Medians over the rounds; the ratios are medians of each round's."""
    rows, ratios = [], []
    for name, all_ in told.items():
        steady = sorted(one["steady_ms"] for one in all_)
        spread = f"{steady[0]:.1f}-{steady[-1]:.1f}"
        whole = median(one["seconds"] for one in all_)
        rows.append((NAMES[name], trials[name], len(all_), f"{median(steady):.1f}", spread, f"{whole:.1f}"))
        ratio = median(b["steady_ms"] / a["steady_ms"] for a, b in zip(told["ours"], all_, strict=True))
        ratios += [f"{NAMES[name]} / {NAMES['ours']}: {ratio:.1f} times"] if name != "ours" else []
    head = ("", "trials", "rounds", "ms a trial, steady", "lowest-highest", "s in all, Ray's start included")
    return "\n".join([machine(), "", table(head, *rows), "", *ratios])


def steady_ms(ends: list[float]) -> float:
    """Milliseconds a trial between the end of the tenth (or the first third) and the end of the last."""
    ends, warm = sorted(ends), min(WARM, len(ends) // 3)
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
    return {"steady_ms": steady_ms([row["finished_at"] for row in rows]), "seconds": seconds}


def study(trials: int, parallel: int) -> str:
    """The digits search of `studies/examples` without its constraints and pruner, for one epoch (JSON is YAML)."""
    from searchspace.language import yamlio

    tree = yamlio.read(ROOT / "studies/examples/search-digits.yaml").data
    tree["name"] = "nothing"
    tree["search"] = {"sampler": "tpe", "objectives": [{"maximize": "val_accuracy"}]}
    tree["budget"] = {"trials": trials, "parallel": parallel}
    tree["confirm"] = {"top": 1, "replicates": 2}
    tree["recipe"]["epochs"] = 1
    return json.dumps(tree)


# ---- stock ---------------------------------------------------------------------------------------------------------


def stock(trials: int, parallel: int, reuse_actors: bool) -> Figures:
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
            reuse_actors=reuse_actors,
        ),
        run_config=tune.RunConfig(storage_path=str(Path("stock").absolute()), callbacks=[Clock()], verbose=0),
    )
    tuner.fit()
    seconds = time.perf_counter() - began
    assert len(ends) == trials, "some trial was not run"
    return {"steady_ms": steady_ms(ends), "seconds": seconds}


if __name__ == "__main__":
    main()
