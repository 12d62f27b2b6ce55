"""Training that works: what networks of ours learn, and three effects that the literature promises.

Every number is a mean over seeds with Student's 95 % interval over them, of validation values at the last epoch; an
effect is the mean of the differences between two trainings that share a seed. `--only PART` runs one part:

    digits        .99 with under 20,000 parameters (scikit-learn's 1,797 handwritten digits)
    series        Breiman's waveforms (Breiman et al. 1984, p. 49), 1-D; no classifier exceeds .86 on average
    regression    by how many degrees a handwritten digit was turned, between -60 and 60
    batch_norm    a plain network of 12 convolutions, with and without (Ioffe & Szegedy 2015: higher rates, faster)
    augmentation  shifts of the digits, of which 300 are learned; on CIFAR-10 flips and shifts, of which 5,000 are
    one_cycle     against a constant rate (Smith & Topin 2018)
    cifar         CIFAR-10 for so many minutes with a network under 6 million MACs, the curve

Measured 2026-11-21, five seeds, 2 cores of an AMD EPYC, torch 2.13.0 (CPU); the mean and the interval's half-width:

    digits        .9911 ± .0066 with 16,794 parameters; logistic .950, mlp .972, hog_svm .944
    series        .850 ± .004 with 2,427 parameters; logistic .859, mlp .833
    regression    2.4 ± 0.2 degrees; ridge 5.6, mlp 4.7, the mean angle 29.6
    batch_norm    .981 with and .147 without at rate 0.1: +.83 ± .10; +.44 ± .45 at 0.01
    augmentation  +.003 ± .008 on 300 digits, not resolved; flips and shifts of 1,500 CIFAR-10 images: .582 against
                  .533, +.049 ± .012 (training accuracy .876 against 1.000). With 5,000 images, 20 epochs a network of
                  41,326 params gained nothing (+.000 ± .015)
    one_cycle     -.001 ± .010 at rate 0.1; +.018 ± .028 at 0.5: five seeds of the digits do not resolve it
    cifar         .777 after 10.6 minutes, 19 epochs on one thread, 41,326 params, 5.64 M MACs, one seed; by epoch .376
                  .507 .477 .553 .548 .532 .609 .592 .663 .666 .668 .690 .708 .697 .749 .764 .774 .777 .777

CIFAR-10 is read from `--cifar` or $ARCHSTUDY_CIFAR10, a folder with its parquet files; without, its parts say so.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from support.pictures import cifar_folder, read
from support.sides import machine, table

from studies.statistics import estimate
from worker.job import EpochMetrics, Job, TrainingFailed

Tree = dict[str, Any]
CHANCE = 0.1
"""What a training of ten classes that diverged counts as."""
NORM: Tree = {"norm": "batch"}


@dataclass(frozen=True)
class Bench:
    """How it is asked to run: trainings at a time, seeds, the folder for files, CIFAR-10's, and a small version."""

    jobs: int
    seeds: int
    folder: Path
    cifar: Path | None
    minutes: float
    tiny: bool

    def epochs(self, count: int) -> int:
        """So many, or few in the small version."""
        return min(count, 2) if self.tiny else count


def main() -> None:
    """Each part, with its time."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=list(PARTS), help="one part")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time, one thread each (default: 2)")
    parser.add_argument("--cifar", help="folder of CIFAR-10's parquet files (default: $ARCHSTUDY_CIFAR10, or none)")
    parser.add_argument("--minutes", type=float, default=20, help="of the part `cifar` (default: 20)")
    parser.add_argument("--tiny", action="store_true", help="two epochs each, to see that it runs")
    asked = parser.parse_args()
    print(machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder, cifar = Path(name), cifar_folder(asked.cifar)
        bench = Bench(asked.jobs, 2 if asked.tiny else asked.seeds, folder, cifar, asked.minutes, asked.tiny)
        for part in [asked.only] if asked.only else list(PARTS):
            began = time.perf_counter()
            print(f"\n== {part}\n{PARTS[part](bench)}", flush=True)
            print(f"({time.perf_counter() - began:.0f} s)", flush=True)


# ---- many trainings ------------------------------------------------------------------------------------------------


def trainings(bench: Bench, source: Tree, variants: dict[str, tuple[Tree, Tree]], task: str) -> dict[str, list[Tree]]:
    """Each (blueprint, recipe) trained from every seed: {variant: the last epoch's metrics by seed}."""
    jobs = [
        (name, Job(0, blueprint, recipe, source, task, seed, str(bench.folder / f"{name}-{seed}-{time.time_ns()}")))
        for seed in range(1, bench.seeds + 1)
        for name, (blueprint, recipe) in variants.items()
    ]
    found: dict[str, list[Tree]] = {name: [] for name in variants}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(bench.jobs, mp_context=context) as pool:
        for (name, _), told in zip(jobs, pool.map(trained, [job for _, job in jobs]), strict=True):
            found[name].append(told)
    return found


def trained(job: Job) -> Tree:
    """The last epoch's metrics, and `seconds` of the whole training; one that failed is at chance."""
    from worker.trainer import train

    began = time.perf_counter()
    try:
        last = [told for told in train(job) if isinstance(told, EpochMetrics)][-1]
    except TrainingFailed as failed:
        if failed.kind != "diverged":
            raise
        return {"val_accuracy": CHANCE, "train_accuracy": CHANCE, "diverged": 1.0, "seconds": 0.0}
    return {**last.metrics, "diverged": 0.0, "seconds": time.perf_counter() - began}


def mean(rows: Sequence[Tree], metric: str) -> str:
    """Mean and half-width over the seeds."""
    found = estimate([row[metric] for row in rows])
    return f"{found.mean:.4f} ± {found.half_width or 0:.4f}"


def summary(found: dict[str, list[Tree]], metrics: Sequence[str] = ("val_accuracy", "train_accuracy")) -> str:
    """One line for each variant."""
    rows = [
        (name, *(mean(rows, metric) for metric in metrics), f"{np.mean([row['seconds'] for row in rows]):.1f}")
        for name, rows in found.items()
    ]
    return table(("", *metrics, "s a training"), *rows)


def effect(found: dict[str, list[Tree]], one: str, other: str, metric: str = "val_accuracy") -> str:
    """The mean difference of two variants, paired by seed."""
    pairs = zip(found[one], found[other], strict=True)
    difference = estimate([a[metric] - b[metric] for a, b in pairs])
    lost = sum(row["diverged"] for row in (*found[one], *found[other]))
    note = f"; {lost:.0f} diverged, counted as {CHANCE}" if lost else ""
    return f"{one} minus {other}: {difference.mean:+.4f} ± {difference.half_width or 0:.4f} {metric}{note}"


def baselines(source: Tree, task: str, metric: str, names: Sequence[str]) -> str:
    """What simpler models reach on the same parts."""
    from worker.baselines import baseline

    jobs = ((name, Job(-1, {}, {"baseline": name}, source, task, 1, "", mode="baseline")) for name in names)
    return "beside: " + ", ".join(f"{name} {baseline(job).metrics[metric]:.4f}" for name, job in jobs)


def counted(blueprint: Tree, shape: tuple[int, ...], outputs: int) -> str:
    """Parameters and MACs of a network."""
    from searchspace.blueprint import Blueprint
    from searchspace.cost import cost
    from searchspace.lower import lower

    it = cost(lower(Blueprint.model_validate(blueprint), shape, outputs))
    return f"{it.params:,} params, {it.macs:,} MACs"


def plain(*widths: int, repeat: int = 2, **options: Any) -> Tree:
    """Plain stages with a pool after each but the last."""
    last = len(widths) - 1
    stage = {"block": "plain", "repeat": repeat, **options}
    return {"stages": [stage | {"width": w} | ({"pool": "max"} if i < last else {}) for i, w in enumerate(widths)]}


# ---- the parts -----------------------------------------------------------------------------------------------------


def digits(bench: Bench) -> str:
    """A network of four convolutions on the digits, with a shift of one pixel."""
    network = plain(16, 32, **NORM)
    recipe = {"epochs": bench.epochs(40), "augment": [{"kind": "crop", "padding": 1}], "label_smoothing": 0.1}
    found = trainings(bench, {"source": "digits"}, {"digits": (network, recipe)}, "classification")
    beside = baselines({"source": "digits"}, "classification", "val_accuracy", ("logistic", "mlp", "hog_svm"))
    return "\n".join([f"{counted(network, (1, 8, 8), 10)}; 40 epochs; 360 validation images", summary(found), beside])


def series(bench: Bench) -> str:
    """Breiman's waveforms."""
    x, y = waveforms(5_000)
    source = saved(bench, "waveforms", x, y)
    network = plain(8, 16, kernel=5, **NORM)
    recipe = {"epochs": bench.epochs(10), "optimizer": {"kind": "sgd", "lr": 0.05, "weight_decay": 0.01}}
    found = trainings(bench, source, {"waveforms": (network, recipe)}, "classification")
    beside = baselines(source, "classification", "val_accuracy", ("majority", "logistic", "mlp"))
    return "\n".join([f"{counted(network, (1, 21), 3)}; Bayes' rule .86", summary(found), beside])


def regression(bench: Bench) -> str:
    """The angle of turned digits, in degrees."""
    x, y = turned()
    source = saved(bench, "turned", x, y)
    network = plain(16, 32, 64, **NORM) | {"head": {"hidden": [64]}}
    recipe = {"epochs": bench.epochs(40), "optimizer": {"kind": "adamw", "lr": 0.003}}
    found = trainings(bench, source, {"turned digits": (network, recipe)}, "regression")
    beside = baselines(source, "regression", "val_mae", ("majority", "logistic", "mlp", "hog_svm"))
    shown = summary(found, ("val_mae", "train_mae"))
    return "\n".join(
        [f"{counted(network, (1, 16, 16), 1)}; mean absolute error in degrees", shown, beside + " (val_mae)"]
    )


def batch_norm(bench: Bench) -> str:
    """With and without, at a high and at a low rate."""
    variants = {
        f"{name}, lr {lr}": (plain(16, 32, repeat=6, **norm), recipe(bench, 10, lr=lr))
        for lr in (0.1, 0.01)
        for name, norm in (("batch norm", NORM), ("none", {}))
    }
    found = trainings(bench, {"source": "digits"}, variants, "classification")
    effects = (effect(found, f"batch norm, lr {lr}", f"none, lr {lr}") for lr in (0.1, 0.01))
    return "\n".join([summary(found), *effects])


def augmentation(bench: Bench) -> str:
    """Shifts of the digits; flips and shifts of CIFAR-10."""
    few, crop = {"examples": 300}, [{"kind": "crop", "padding": 1}]
    variants = {
        "shifted": (plain(16, 32, **NORM), recipe(bench, 40, **few, augment=crop)),
        "as they are": (plain(16, 32, **NORM), recipe(bench, 40, **few)),
    }
    found = trainings(bench, {"source": "digits"}, variants, "classification")
    lines = [summary(found), effect(found, "shifted", "as they are")]
    return "\n".join([*lines, *augmented_pictures(bench)])


def augmented_pictures(bench: Bench) -> list[str]:
    """On a part of CIFAR-10: 5,000 images for 20 epochs by 2.6 million MACs, and 1,500 for 50 epochs by 9.9 million."""
    if not bench.cifar:
        return ["CIFAR-10: not measured, no folder is given"]
    source = saved(bench, "pictures", *read(bench.cifar, 500 if bench.tiny else 8_334))
    steps, lines = [{"kind": "flip"}, {"kind": "crop", "padding": 4}], list[str]()
    few = {} if bench.tiny else {"examples": 1_500}
    for network, epochs, options in ((plain(8, 16, 32, **NORM), 20, {}), (plain(16, 32, 64, **NORM), 50, few)):
        variants = {
            "flipped and shifted": (network, recipe(bench, epochs, batch_size=128, augment=steps, **options)),
            "pictures as they are": (network, recipe(bench, epochs, batch_size=128, **options)),
        }
        found = trainings(bench, source, variants, "classification")
        lines += [counted(network, (3, 32, 32), 10), summary(found), effect(found, *variants)]
    return lines


def one_cycle(bench: Bench) -> str:
    """Against a constant rate that is its highest: at a usual rate, and at a large one, where the gain should be."""
    network, rates = plain(16, 32, **NORM), (0.1, 0.5)
    schedules = {"one cycle": {"kind": "one_cycle"}, "constant": {"kind": "constant"}}
    variants = {
        f"{name}, lr {lr}": (network, recipe(bench, 12, lr=lr, schedule=schedule))
        for lr in rates
        for name, schedule in schedules.items()
    }
    found = trainings(bench, {"source": "digits"}, variants, "classification")
    metrics = ("val_accuracy", "val_loss")
    effects = [effect(found, f"one cycle, lr {lr}", f"constant, lr {lr}", m) for lr in rates for m in metrics]
    return "\n".join([summary(found), *effects])


def cifar(bench: Bench) -> str:
    """One training of as many epochs as the time allows, timed on a short one; the curve."""
    from worker.trainer import train

    if not bench.cifar:
        return "not measured, no folder is given"
    network, began = plain(12, 24, 48, **NORM), time.perf_counter()
    steps = [{"kind": "flip"}, {"kind": "crop", "padding": 4}]
    source, options = {"source": f"parquet:{bench.cifar}"}, {"batch_size": 128, "augment": steps}
    short = Job(
        0, network, {"epochs": 2, "examples": 2_000, **options}, source, "classification", 1, at(bench, "short")
    )
    told = [(one.train_seconds, time.perf_counter()) for one in train(short) if isinstance(one, EpochMetrics)]
    print(f"data read and two short epochs: {told[-1][1] - began:.0f} s", flush=True)
    seconds, rest = told[1][0], told[1][1] - told[0][1] - told[1][0]  # of 2,000 examples, and of validation
    wanted = 2 if bench.tiny else max(2, int(60 * bench.minutes / (20 * seconds + rest)))
    few = {"examples": 2_000} if bench.tiny else {}
    job = Job(0, network, {"epochs": wanted, **options, **few}, source, "classification", 1, at(bench, "long"))
    print(
        f"{counted(network, (3, 32, 32), 10)}; {wanted} epochs\nepoch  minutes  train_accuracy  val_accuracy",
        flush=True,
    )
    began = time.perf_counter()
    for told in train(job):
        assert isinstance(told, EpochMetrics)
        minutes, m = (time.perf_counter() - began) / 60, told.metrics
        print(f"{told.epoch:5}  {minutes:7.1f}  {m['train_accuracy']:14.4f}  {m['val_accuracy']:12.4f}", flush=True)
    return f"{m['val_accuracy']:.4f} of the validation images after {minutes:.1f} minutes, one thread, one seed"


# ---- recipes and data ----------------------------------------------------------------------------------------------


def recipe(bench: Bench, epochs: int, lr: float = 0.1, **options: Any) -> Tree:
    """SGD with Nesterov's momentum, one cycle unless told otherwise."""
    return {"epochs": bench.epochs(epochs), "optimizer": {"kind": "sgd", "lr": lr}, **options}


def at(bench: Bench, name: str) -> str:
    """A trial's folder."""
    return str(bench.folder / name)


def saved(bench: Bench, name: str, x: Any, y: Any) -> Tree:
    """The arrays as a user keeps them, and their `data:` section."""
    np.savez(bench.folder / f"{name}.npz", x=x, y=y)
    return {"source": f"arrays:{bench.folder}/{name}.npz"}


def waveforms(count: int) -> tuple[Any, Any]:
    """x_i = u h_a(i) + (1 - u) h_b(i) + e_i for i = 1..21, u uniform, e normal; a and b two of three triangles.

    h_1(i) = max(6 - |i - 11|, 0), h_2(i) = h_1(i - 4), h_3(i) = h_1(i + 4); classes (1, 2), (1, 3), (2, 3).
    """
    draw, i = np.random.default_rng(0), np.arange(1, 22)
    h = np.stack([np.maximum(6 - np.abs(i - 11 - shift), 0) for shift in (0, 4, -4)])
    y, u = draw.integers(0, 3, count), draw.uniform(size=(count, 1))
    first, second = np.array([0, 0, 1])[y], np.array([1, 2, 2])[y]
    return u * h[first] + (1 - u) * h[second] + draw.normal(size=(count, 21)), y


def turned() -> tuple[Any, Any]:
    """The digits at twice their size, each turned by an angle between -60 and 60 degrees; the angles."""
    from scipy.ndimage import rotate, zoom
    from sklearn.datasets import load_digits

    images = load_digits().images
    angles = np.random.default_rng(0).uniform(-60, 60, len(images))
    pairs = zip(images, angles, strict=True)
    return np.stack([rotate(zoom(image, 2, order=1), angle, reshape=False, order=1) for image, angle in pairs]), angles


PARTS: dict[str, Callable[[Bench], str]] = {
    "digits": digits,
    "series": series,
    "regression": regression,
    "batch_norm": batch_norm,
    "augmentation": augmentation,
    "one_cycle": one_cycle,
    "cifar": cifar,
}

if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"  # before the processes of the trainings start
    main()
