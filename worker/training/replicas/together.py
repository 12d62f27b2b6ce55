"""The replicates of a job: their epochs as one stream, trained in the same steps where that is faster.

Each replicate is a trial of its own, with its own folder of ordinary checkpoints: whoever goes on with one of them
need not know that it was trained with others. One that diverges is lost; the others go on without it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from searchspace.core import Network
from worker import checkpoint, tasks, trainer
from worker.checkpoint import Checkpoint
from worker.data import Splits
from worker.job import EpochMetrics, Job, Lost, TrainingFailed
from worker.measuring import Meter, fitted, measured, watched
from worker.recipe import Recipe
from worker.training import failures, steps
from worker.training.beginning import begun
from worker.training.keeping import Keeper
from worker.training.replicas import choice, group
from worker.training.replicas.group import Group
from worker.training.run import Run

Told = Iterator[EpochMetrics | Lost]
Verdict = dict[str, Any]
"""What `measured["replicas"]` says: whether together, how many times as fast that is, how many, and why not."""


@dataclass(frozen=True)
class Replicate:
    """One of a job's trials: its training, its checkpoints, and what it takes."""

    trial: int
    run: Run
    keeper: Keeper
    meter: Meter


def train_together(job: Job) -> Told:
    """The epochs of the job and of its mates, each with its trial; `Lost` for one that ends without a result."""
    network, splits, jobs = trainer.network_of(job), trainer.loaded(job), alone(job)
    verdict: Verdict = {"together": False, "ratio": None, "replicas": len(jobs)}
    founds = common([checkpoint.latest(Path(one.folder), trainer.identity(one)) for one in jobs], jobs)
    reason = choice.unsupported(network, Recipe.model_validate(job.recipe))
    gone: set[int | None] = set()
    if reason or founds is None:
        verdict["reason"] = reason or "their checkpoints have no epoch in common"
    else:
        try:
            with failures.named():
                for told in tried(network, splits, list(zip(jobs, founds, strict=True)), verdict):
                    gone |= {told.trial} if isinstance(told, Lost) else set()
                    yield told
        except failures.OutOfMemory:
            verdict |= {"together": False, "reason": "memory ran out"}
    if not verdict["together"]:
        yield from in_turn(network, splits, [one for one in jobs if one.trial not in gone], verdict)


def alone(job: Job) -> list[Job]:
    """The job and its mates, each by itself."""
    mates = [replace(job, trial=mate.trial, seed=mate.seed, folder=mate.folder) for mate in job.mates]
    return [replace(one, mates=()) for one in (job, *mates)]


def common(newest: Sequence[Checkpoint | None], jobs: Sequence[Job]) -> list[Checkpoint | None] | None:
    """A checkpoint of each at the newest epoch that all have, or None at their very start; None if there is none.

    Their checkpoints are written one after the other, so after a kill some may be one ahead of the others.
    """
    if not any(newest):
        return list(newest)
    epoch = min(found.epoch if found else 0 for found in newest)
    founds = [at_epoch(job, epoch) for job in jobs]
    return [*founds] if all(founds) else None


def at_epoch(job: Job, epoch: int) -> Checkpoint | None:
    """The trial's checkpoint at the end of an epoch, from which it can go on."""
    for path in Path(job.folder).glob(f"*/epoch-{epoch:04d}"):
        try:
            found = checkpoint.load(path)
        except ValueError:
            continue
        if found.identity == trainer.identity(job) and not found.final:
            return found
    return None


def in_turn(network: Network, splits: Splits, jobs: Sequence[Job], verdict: Verdict) -> Told:
    """One training after the other."""
    for job in jobs:
        found = checkpoint.latest(Path(job.folder), trainer.identity(job))
        over = found is not None and found.final
        try:
            with failures.named():
                for told in trainer.train_network(network, splits, job):
                    judged = told if over or told.measured is None else with_verdict(told, verdict)
                    yield replace(judged, trial=job.trial)
        except TrainingFailed as failure:
            yield Lost(job.trial, failure.kind, failure.reason)


def with_verdict(told: EpochMetrics, verdict: Verdict) -> EpochMetrics:
    """The last epoch says how it was trained."""
    return replace(told, measured=(told.measured or {}) | {"replicas": verdict})


def tried(network: Network, splits: Splits, jobs: Sequence[tuple[Job, Checkpoint | None]], verdict: Verdict) -> Told:
    """All epochs, if the verdict is that together is faster; it is filled in. What was decided once is kept."""
    runs = [begun(network, splits, job, found) for job, found in jobs]
    now, known = group.grouped(runs), runs[0].journal.replicas or {}
    verdict |= known if known.get("replicas") == len(runs) else choice.chosen(now)
    if not verdict["together"]:
        return
    members = []
    for run, (job, _) in zip(runs, jobs, strict=True):
        run.journal.replicas = dict(verdict)
        yield from (replace(told, trial=job.trial) for told in run.journal.history)
        keeper = Keeper(Path(job.folder), trainer.identity(job), job.checkpoint_seconds)
        since = len(run.journal.history) + 1
        members.append(Replicate(job.trial, run, keeper, Meter(run.device, since=since, alone=False)))
    yield from all_epochs(now, members, jobs[0][0].checkpoint_seconds)


def all_epochs(now: Group, members: list[Replicate], seconds: float) -> Told:
    """Epoch after epoch. Where one is lost, the others are kept at once: what follows is not computed with it."""
    saved, epochs = time.monotonic(), now.stacked.recipe.epochs
    for epoch in range(len(now.runs[0].journal.history) + 1, epochs + 1):
        told = list(zip(members, one_epoch(now, epoch), strict=True))
        lost = [Lost(one.trial, it.kind, it.reason) for one, it in told if isinstance(it, TrainingFailed)]
        members = [one for one, it in told if isinstance(it, EpochMetrics)]
        for one, it in told:
            if isinstance(it, EpochMetrics):
                one.run.journal.history.append(it)
        if lost or epoch == epochs or time.monotonic() - saved >= seconds:
            now.part()
            for one in members:
                kept(one, over=epoch == epochs)
            saved = time.monotonic()
        yield from lost
        yield from (replace(one.run.journal.history[-1], trial=one.trial) for one in members)
        if not members:
            return
        if lost:
            now = group.grouped([one.run for one in members])


def kept(one: Replicate, over: bool) -> None:
    """Its checkpoint, or all that the end of a training asks for."""
    if not over:
        one.keeper.keep(one.run, at_once=True)
        return
    run, history = one.run, one.run.journal.history
    seconds = [told.train_seconds for told in history[one.meter.since - 1 :]]
    found = trainer.ended(run) | measured(run, run.asked, seconds, one.meter)
    history[-1] = replace(history[-1], measured=found)
    one.keeper.finish(run)


def one_epoch(now: Group, epoch: int) -> list[EpochMetrics | TrainingFailed]:
    """Train and validate once; a loss that is not finite ends its replicate. The time is divided among them."""
    start = time.perf_counter()
    tallies, task = group.trained(now, epoch), now.stacked.task
    metrics = [tasks.named("train", tally.means(), task) for tally in tallies]
    seconds = (time.perf_counter() - start) / len(tallies)
    with group.served(now, epoch):
        validated = [tasks.named("val", means, task) for means in group.evaluated(now)]
    looked = looked_at(now, epoch)
    told: list[EpochMetrics | TrainingFailed] = []
    for tally, train, val, more in zip(tallies, metrics, validated, looked, strict=True):
        if not math.isfinite(train["train_loss"]):
            told.append(failures.diverged(tally.losses, epoch, now.stacked.journal.lr))
        elif epoch == now.stacked.recipe.epochs and not math.isfinite(val["val_loss"]):
            told.append(failures.unusable(val["val_loss"], epoch, now.stacked.journal.lr))
        else:
            told.append(EpochMetrics(epoch, train | val | more, seconds))
    return told


def looked_at(now: Group, epoch: int) -> list[dict[str, float]]:
    """The further metrics of an epoch that the study asks to look at more closely, each training by itself."""
    asked = now.stacked.asked
    watch, fit = (every is not None and epoch % every == 0 for every in (asked.watch, asked.fit_every))
    if watch or fit:
        now.part()
        now.part_gradients()
    for run in now.runs if watch else ():
        run.journal.watched.append(watched(run, epoch))
    return [fit_of(run, epoch) if fit else {} for run in now.runs]


def fit_of(run: Run, epoch: int) -> dict[str, float]:
    """The fit to training examples as they are, with the weights that are validated."""
    with steps.served(run, epoch):
        return fitted(run)
