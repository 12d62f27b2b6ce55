"""What only a GPU machine can tell, in one command: `python benchmarks/gpu.py [--cifar DIR] [--airbench DIR]`.

    loop      our trainer against the hand-written loop of `support/loops.py`: the same network, batches and tensors
    recipe    seconds of training until `studies/catalog/cifar10-94.yaml` has 94 % of the test images, several seeds
    packed    trials an hour with 1, 2, 4 and 8 of them on one GPU, a process each, with that share of its memory
    replicas  the seeds of one cell trained together against one after the other

airbench94 beside ours: clone https://github.com/KellerJordan/cifar10-airbench, install what it asks for, and give its
folder as `--airbench`; its `airbench94.py` runs there as it is and its own output is printed. It trains on all 50,000
images and times itself; ours trains on 40,000, and its seconds are those of training, without validation and start.

CIFAR-10 is read from `--cifar` or $ARCHSTUDY_CIFAR10, a folder with its parquet files; without, `recipe` is left out
and the rest uses synthetic pictures of the same shape. Without a GPU it says so and ends. `--device cpu --tiny` runs
every line of it on a few pictures and a CPU, so that it does not rot; those numbers mean nothing.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from support.pictures import cifar_folder, pictures
from support.sides import ROOT, machine, table

from studies.statistics import estimate
from worker.job import EpochMetrics, Job, Lost, Mate

CATALOG = ROOT / "studies/catalog/cifar10-94.yaml"
WANTED = 0.94
NETWORK: dict[str, Any] = {
    "stages": [
        {"block": "plain", "width": 64, "repeat": 2, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 128, "repeat": 2, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 256, "repeat": 2, "norm": "batch"},
    ]
}
SMALL: dict[str, Any] = {
    "stages": [
        {"block": "plain", "width": 16, "repeat": 2, "norm": "batch", "pool": "max"},
        {"block": "plain", "width": 32, "repeat": 2, "norm": "batch"},
    ]
}


@dataclass(frozen=True)
class Bench:
    """How it is asked to run; `source` is a `data:` section of pictures that is always there."""

    device: str
    tiny: bool
    folder: Path
    source: dict[str, Any]
    cifar: Path | None
    airbench: Path | None
    rounds: int

    @property
    def gpus(self) -> float:
        """A whole one, or none."""
        return float(self.device == "cuda")

    def job(self, blueprint: dict[str, Any], recipe: dict[str, Any], seed: int = 1, gpus: float | None = None) -> Job:
        """A training of the pictures in a folder of its own."""
        place = tempfile.mkdtemp(prefix="trial-", dir=self.folder)
        share = self.gpus if gpus is None else gpus
        return Job(seed, blueprint, recipe, self.source, "classification", seed, place, gpus=share)


def main() -> None:
    """Each part, or one sentence where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(PARTS), help="one part")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: to see that it runs")
    parser.add_argument("--tiny", action="store_true", help="few pictures, few epochs")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of `loop`, seeds of `recipe` (default: 5)")
    parser.add_argument("--cifar", help="folder of CIFAR-10's parquet files (default: $ARCHSTUDY_CIFAR10, or none)")
    parser.add_argument("--airbench", type=Path, help="folder of a clone of cifar10-airbench")
    asked = parser.parse_args()
    if asked.device == "cuda" and not torch.cuda.is_available():
        print("not measured: no GPU (`--device cpu --tiny` checks that everything here runs)")
        return
    print(f"{machine()}\n{torch.cuda.get_device_name() if asked.device == 'cuda' else 'CPU: numbers mean nothing'}")
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, cifar = Path(name), cifar_folder(asked.cifar)
        x, y, what = pictures(cifar, 300 if asked.tiny else 50_000)
        np.savez(folder / "pictures.npz", x=x, y=y)
        source, rounds = {"source": f"arrays:{folder}/pictures.npz"}, 2 if asked.tiny else asked.rounds
        bench = Bench(asked.device, asked.tiny, folder, source, cifar, asked.airbench, rounds)
        print(f"{len(y):,} {what}, of which three fifths are learned", flush=True)
        for part in [asked.only] if asked.only else list(PARTS):
            print(f"\n== {part}\n{PARTS[part](bench)}", flush=True)


# ---- one training --------------------------------------------------------------------------------------------------


def loop(bench: Bench) -> str:
    """Epochs of our trainer and of the hand-written loop in turns, both computing in bfloat16 where the GPU has it."""
    recipe = {"epochs": 2 + bench.rounds, "batch_size": 50 if bench.tiny else 512, "precision": "auto"}
    job = bench.job(SMALL if bench.tiny else NETWORK, recipe)
    sides = loop_sides(job)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(bench.rounds + 1):
        for name, side in sides.items():
            began = time.perf_counter()
            next(side)
            synchronize(bench)
            seconds[name] += [time.perf_counter() - began] if number else []
    rows = []
    for name, theirs in seconds.items():
        ratio = median(b / a for a, b in zip(seconds["archstudy"], theirs, strict=True))
        rows.append((name, f"{1e3 * median(theirs):.1f}", f"{ratio:.3f}"))
    return table(("", "ms an epoch", "ours is so many times as fast"), *rows)


def loop_sides(job: Job) -> dict[str, Iterator[Any]]:
    """Generators of epochs on the same tensors."""
    from support.loops import hand

    from worker import data, trainer
    from worker.recipe import Recipe
    from worker.training.devices import device_of

    splits = data.moved(trainer.loaded(job), device_of(job))
    parts = (trainer.network_of(job), Recipe.model_validate(job.recipe), splits.train, splits.validation, job.seed)
    return {"archstudy": trainer.train(job), "hand, foreach": hand(*parts), "hand, fused": hand(*parts, how="fused")}


def synchronize(bench: Bench) -> None:
    """Wait until the device has done what it was told."""
    if bench.device == "cuda":
        torch.cuda.synchronize()


# ---- the recipe of the catalogue -----------------------------------------------------------------------------------


def recipe(bench: Bench) -> str:
    """Test accuracy and seconds of training of the catalogue's study, one seed after the other, then airbench94's."""
    if not bench.cifar and not bench.tiny:
        return "not measured: no CIFAR-10 (give --cifar)"
    rows = []
    for compiled in (False, True) if not bench.tiny else (False,):
        told = [recipe_once(bench, seed, compiled) for seed in range(bench.rounds + 1)][1:]
        accuracy, seconds = (estimate(values) for values in zip(*told, strict=True))
        reached = sum(value >= WANTED for value, _ in told)
        shown = (f"{one.mean:.4f} ± {one.half_width or 0:.4f}" for one in (accuracy, seconds))
        rows.append(("compiled" if compiled else "as it stands", *shown, f"{reached} of {len(told)}"))
    return table(("", "test accuracy", "s of training", f"at {WANTED:.0%}"), *rows) + "\n" + airbench(bench)


def recipe_once(bench: Bench, seed: int, compiled: bool) -> tuple[float, float]:
    """(test accuracy, seconds of training); the first seed warms up and is not counted."""
    from worker import trainer

    job = catalog_job(bench, seed, compiled)
    told = [one for one in trainer.train(job) if isinstance(one, EpochMetrics)]
    return trainer.evaluate(replace(job, mode="test"))["test_accuracy"], sum(one.train_seconds for one in told)


def catalog_job(bench: Bench, seed: int, compiled: bool) -> Job:
    """The catalogue's network and recipe, for the data that is here; a thin network for an epoch if it is tiny."""
    from searchspace.language import yamlio

    text = CATALOG.read_text(encoding="utf-8")
    for written, width in (("4 * $width", "32" if bench.tiny else "256"), ("$width", "8" if bench.tiny else "64")):
        text = text.replace(written, width)
    tree = yamlio.load(text).data
    small = {"epochs": 2, "batch_size": 60, "schedule": {"kind": "linear"}} if bench.tiny else {}
    job = bench.job(tree["blueprint"], tree["recipe"] | small | ({"compile": True} if compiled else {}), seed)
    return job if bench.tiny else replace(job, data={"source": f"parquet:{bench.cifar}"})


def airbench(bench: Bench) -> str:
    """What airbench94 prints when it is run where it is."""
    if not bench.airbench:
        return "airbench94: not measured, no clone is given (--airbench)"
    script = next(iter(sorted(bench.airbench.rglob("airbench94.py"))), None)
    if script is None:
        return f"airbench94: not measured, there is no airbench94.py in {bench.airbench}"
    done = subprocess.run([sys.executable, script.name], cwd=script.parent, capture_output=True, text=True)
    said = (done.stdout if done.returncode == 0 else done.stderr).splitlines()[-12:]
    return "\n".join([f"airbench94 (exit {done.returncode}), the end of what it printed:", *said])


# ---- many trainings ------------------------------------------------------------------------------------------------


def packed(bench: Bench) -> str:
    """Trials an hour with so many at a time, each in a process that has trained one before."""
    counts, rows = (1, 2) if bench.tiny else (1, 2, 4, 8), []
    for count in counts:
        jobs = [bench.job(SMALL, packed_recipe(bench), seed, bench.gpus / count) for seed in range(3 * count)]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, mp_context=context) as pool:
            list(pool.map(whole, jobs[:count]))
            began = time.perf_counter()
            list(pool.map(whole, jobs[count:]))
            rows.append((count, f"{3600 * 2 * count / (time.perf_counter() - began):.0f}"))
    return table(("at a time", "trials an hour"), *rows)


def packed_recipe(bench: Bench) -> dict[str, Any]:
    return {"epochs": 2 if bench.tiny else 10, "batch_size": 50 if bench.tiny else 256, "precision": "auto"}


def whole(job: Job) -> float:
    """One training to its end; its validation accuracy."""
    from worker.trainer import train

    return [told.metrics["val_accuracy"] for told in train(job) if isinstance(told, EpochMetrics)][-1]


def replicas(bench: Bench) -> str:
    """Seconds of 2, 4 and 8 seeds of a small network: in one job with mates, and as so many jobs."""
    rows = []
    for count in (2,) if bench.tiny else (2, 4, 8):
        jobs = [bench.job(SMALL, packed_recipe(bench), seed) for seed in range(1, count + 1)]
        one = [bench.job(SMALL, packed_recipe(bench), seed) for seed in range(1, count + 1)]
        mates = tuple(Mate(job.trial, job.seed, job.folder) for job in one[1:])
        together = timed(bench, lambda one=one, mates=mates: epochs_of(replace(one[0], mates=mates)))
        apart = timed(bench, lambda jobs=jobs: [whole(job) for job in jobs])
        rows.append((count, f"{together:.2f}", f"{apart:.2f}", f"{apart / together:.2f}"))
    note = "together: whatever the trainer's calibration chose, its time included"
    return table(("seeds", "together s", "one by one s", "times"), *rows) + "\n" + note


def epochs_of(job: Job) -> int:
    """Train a job with its mates; how many of them told an epoch. An AssertionError if some did not."""
    from worker.trainer import train

    told = list(train(job))
    assert not [one for one in told if isinstance(one, Lost)]
    heard = {job.trial if one.trial is None else one.trial for one in told if isinstance(one, EpochMetrics)}
    assert heard == {job.trial, *(mate.trial for mate in job.mates)}, f"the trainer told of {sorted(heard)} only"
    return len(heard)


def timed(bench: Bench, work: Callable[[], Any]) -> float:
    """Seconds, until the device is done."""
    began = time.perf_counter()
    work()
    synchronize(bench)
    return time.perf_counter() - began


PARTS: dict[str, Callable[[Bench], str]] = {"loop": loop, "recipe": recipe, "packed": packed, "replicas": replicas}

if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
