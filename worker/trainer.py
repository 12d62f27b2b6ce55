"""Train one network, epoch by epoch, so that an interrupted training goes on to the very same numbers.

All randomness is drawn from generators derived from (seed, what for, epoch), so that the end of an epoch has no
hidden state; on a CPU, resumed and uninterrupted trainings agree bit for bit. On a GPU they agree to rounding.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.lower import lower
from worker import checkpoint, data, datasource, tasks
from worker.data import Splits
from worker.datasource import DataSpec, describe
from worker.job import EpochMetrics, Job, Lost, TrainingFailed
from worker.measuring import Meter, fitted, measured, watched
from worker.measuring.trial import plain
from worker.recipe import Recipe
from worker.training import failures, steps, stopping
from worker.training.beginning import begun
from worker.training.fitting import that_fits
from worker.training.keeping import Keeper
from worker.training.run import Run, prepared


def train(job: Job) -> Iterator[EpochMetrics | Lost]:
    """One EpochMetrics per epoch; a resumed trial first yields the epochs that its newest checkpoint remembers."""
    with failures.named():
        if job.mode == "baseline":
            from worker.baselines import baseline  # scikit-learn, which networks do without

            yield baseline(job)
        elif job.mates:
            from worker.training.replicas.together import train_together  # which is made of what stands here

            yield from train_together(job)
        else:
            yield from train_network(network_of(job), loaded(job), job)


def evaluate(job: Job) -> dict[str, float]:
    """`test_loss` and the task's metrics on the test part, with the trial's final weights."""
    with failures.named():
        run = finished(job)
        part = data.open_test(DataSpec.model_validate(job.data), job.task, run.recipe.input)
        return tasks.named("test", steps.evaluated(run, part.to(run.device)), run.task)


def validate(job: Job) -> dict[str, float]:
    """`val_loss` and the task's metrics on the validation part, with the trial's final weights."""
    with failures.named():
        run = finished(job)
        return tasks.named("val", steps.evaluated(run, run.splits.validation), run.task)


def finished(job: Job) -> Run:
    """The run of a trial that came to its end: its network with the weights of its final checkpoint."""
    found = checkpoint.latest(Path(job.folder), identity(job))
    if found is None or not found.final:
        raise TrainingFailed("error", f"{job.folder}: there are no final weights of this network; train it to its end")
    run = prepared(network_of(job), loaded(job), replace(job, timeout_seconds=None))
    run.model.load_state_dict(found.weights)
    run.journal.recall(found)
    return run


def loaded(job: Job) -> Splits:
    """The training and validation parts as the recipe wants them prepared."""
    recipe = Recipe.model_validate(job.recipe)
    return data.load(DataSpec.model_validate(job.data), job.task, recipe.input)


def network_of(job: Job) -> Network:
    """What the job's blueprint lowers to, for its data."""
    facts = describe(DataSpec.model_validate(job.data), job.task)
    return lower(Blueprint.model_validate(job.blueprint), facts.shape, facts.outputs)


def identity(job: Job) -> str:
    """A hash of what a study says that decides the numbers; a checkpoint with another one is not resumed.

    What the machine adds, such as torch's version, is not in it: the weights of a finished trial outlive an upgrade.
    """
    parts = [job.blueprint, job.recipe, datasource.identity(job.data), job.task, job.seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def train_network(network: Network, splits: Splits, job: Job) -> Iterator[EpochMetrics]:
    """`train` for a network that is already lowered: claim an attempt, replay, train, keep."""
    keeper = Keeper(Path(job.folder), identity(job), job.checkpoint_seconds)
    found = checkpoint.latest(Path(job.folder), identity(job))
    yield from found.history if found else ()
    if found and found.final:
        return
    run = begun(network, splits, job, found)
    history = run.journal.history
    first, meter = len(history), Meter(run.device, since=len(history) + 1, alone=job.gpus in (0, 1))
    while not stopping.over(run.recipe, history):
        parts = run.journal.parts
        epoch = len(history) + 1
        history.append(that_fits(run, f"at epoch {epoch}", partial(one_epoch, run, epoch)))
        if stopping.over(run.recipe, history):
            seconds = [told.train_seconds for told in history[first:]]
            plain_run = replace(run, forward=run.model)  # not compiled for the shapes of what is measured once
            history[-1] = replace(history[-1], measured=ended(run) | measured(plain_run, run.asked, seconds, meter))
            keeper.finish(run)
        else:
            keeper.keep(run, at_once=run.journal.parts != parts)
        yield history[-1]


def one_epoch(run: Run, epoch: int) -> EpochMetrics:
    """Train and validate once; a loss that is not finite ends the trial."""
    start = time.perf_counter()
    tally = steps.trained(run, epoch)
    metrics = tasks.named("train", tally.means(), run.task)
    seconds = time.perf_counter() - start
    if not math.isfinite(metrics["train_loss"]):
        raise failures.diverged(tally.losses, epoch, run.journal.lr)
    seen = [watched(run, epoch)] if run.asked.watch and epoch % run.asked.watch == 0 else []
    with steps.served(run, epoch):
        metrics |= tasks.named("val", steps.evaluated(run, run.splits.validation), run.task)
        if run.asked.fit_every and epoch % run.asked.fit_every == 0:
            metrics |= fitted(run)
        told = EpochMetrics(epoch, metrics, seconds)
        spec = run.recipe.early_stopping
        if spec and stopping.best_epoch(spec, [*run.journal.history, told]) == epoch:
            run.journal.best = copied(run.model)
    run.journal.watched += seen
    return told


def ended(run: Run) -> dict[str, Any]:
    """Gives the module the weights that the trial ends with; what the training found out on its way, as JSON.

    Weights that diverged in the very last steps are seen on the validation part alone, and are no result either.
    """
    history, spec = run.journal.history, run.recipe.early_stopping
    counts = stopping.counting(run.recipe, history)
    if not math.isfinite(counts.metrics["val_loss"]):
        raise failures.unusable(counts.metrics["val_loss"], counts.epoch, run.journal.lr)
    with steps.served(run, len(history)):
        weights = run.journal.best or copied(run.model)
    run.model.load_state_dict(weights)
    found = run.journal.findings() | ({"best_epoch": stopping.best_epoch(spec, history)} if spec else {})
    return dict(plain(found))


def copied(model: nn.Module) -> dict[str, Tensor]:
    """The module's state_dict as it is now."""
    return {name: value.detach().clone() for name, value in model.state_dict().items()}
