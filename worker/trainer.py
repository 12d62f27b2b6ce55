"""Train one network, epoch by epoch, so that an interrupted training goes on to the very same numbers.

All randomness is drawn from generators derived from (seed, what for, epoch), so that the end of an epoch has no
hidden state; on a CPU, resumed and uninterrupted trainings agree bit for bit.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.lower import lower
from worker import build, checkpoint, data, datasource, tasks
from worker.checkpoint import Checkpoint
from worker.datasource import DataSpec, describe
from worker.job import EpochMetrics, Job, TrainingFailed
from worker.layers import Auxiliary, Dropout
from worker.recipe import Adam, AdamW, Progress, Recipe, Sgd, loss_name

LOG = logging.getLogger(__name__)
LEAST_EVALUATED = 256
"""Examples a batch in evaluation, or the recipe's batch size if that is larger: bounds the memory."""
OUT_OF_MEMORY = ("DefaultCPUAllocator", "not enough memory", "CUDA out of memory")


@dataclass(frozen=True)
class Run:
    """One training: what is trained, with what, on what. The module and the optimizer change, nothing else does."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    recipe: Recipe
    task: tasks.Task
    loss: tasks.Loss
    splits: data.Splits
    seed: int
    device: torch.device


def train(job: Job) -> Iterator[EpochMetrics]:
    """One EpochMetrics per epoch; a resumed trial first yields the epochs that its newest checkpoint remembers."""
    with _failures():
        splits = data.load(DataSpec.model_validate(job.data), job.task)
        yield from train_network(network_of(job), splits, job)


def evaluate(job: Job) -> dict[str, float]:
    """`test_loss` and the task's metrics on the test part, with the trial's final weights."""
    with _failures():
        run = finished(job)
        x, y = (part.to(run.device) for part in data.open_test(DataSpec.model_validate(job.data), job.task))
        return _measured("test", evaluated(run, x, y), run.task)


def validate(job: Job) -> dict[str, float]:
    """`val_loss` and the task's metrics on the validation part, with the trial's final weights."""
    run = finished(job)
    return _measured("val", evaluated(run, run.splits.validation_x, run.splits.validation_y), run.task)


def finished(job: Job) -> Run:
    """The run of a trial that came to its end: its network with the weights of its final checkpoint."""
    found = checkpoint.latest(Path(job.folder), identity(job))
    if found is None or found.epoch < Recipe.model_validate(job.recipe).epochs:
        raise TrainingFailed("error", f"{job.folder}: there are no final weights of this network; train it to its end")
    run = prepared(network_of(job), data.load(DataSpec.model_validate(job.data), job.task), job)
    run.model.load_state_dict(found.weights)
    return run


def network_of(job: Job) -> Network:
    """What the job's blueprint lowers to, for its data."""
    facts = describe(DataSpec.model_validate(job.data), job.task)
    return lower(Blueprint.model_validate(job.blueprint), facts.shape, facts.outputs)


def identity(job: Job) -> str:
    """A hash of all that decides the numbers; a checkpoint with another one is not resumed."""
    parts = [job.blueprint, job.recipe, datasource.identity(job.data), job.task, job.seed]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def train_network(network: Network, splits: data.Splits, job: Job) -> Iterator[EpochMetrics]:
    """`train` for a network that is already lowered: claim an attempt, replay, train, keep."""
    run = prepared(network, splits, job)
    attempt, found = _claimed(Path(job.folder)), checkpoint.latest(Path(job.folder), identity(job))
    history = list(found.history) if found else []
    yield from tuple(history)
    if found and len(history) < run.recipe.epochs:
        _restore(run, found)
    saved, lost = time.monotonic(), False
    for epoch in range(len(history) + 1, run.recipe.epochs + 1):
        history.append(one_epoch(run, epoch))
        final = epoch == run.recipe.epochs
        if final or time.monotonic() - saved >= job.checkpoint_seconds:
            lost |= not _keep(run, attempt, identity(job), history, final, quiet=lost)
            saved = time.monotonic()
        yield history[-1]


def prepared(network: Network, splits: data.Splits, job: Job) -> Run:
    """The module with its first weights, its optimizer, and the data, on the job's device."""
    torch.set_num_threads(job.threads)
    recipe, device = Recipe.model_validate(job.recipe), device_of(job)
    model = build.module(network)
    build.initialize(model, job.seed)
    model.to(device)
    if len(network.input) == 3:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    task, loss = tasks.TASKS[job.task], tasks.LOSSES[loss_name(recipe, job.task)]
    return Run(model, optimizer(model, recipe), recipe, task, loss, data.moved(splits, device), job.seed, device)


def device_of(job: Job) -> torch.device:
    """CUDA if the job has a share of a GPU and there is one; its memory is capped at that share."""
    if job.gpus <= 0 or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_per_process_memory_fraction(min(1.0, job.gpus))
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """One of torch's; not `fused`, wrong on a CPU where a state's memory layout is not that of its parameter."""
    parameters = list(model.parameters())
    it = recipe.optimizer
    rate = 0.1 if it.lr == "auto" else it.lr
    match it:
        case Sgd():
            return torch.optim.SGD(
                parameters,
                rate,
                momentum=it.momentum,
                nesterov=it.nesterov,
                weight_decay=it.weight_decay,
                foreach=True,
            )
        case Adam():
            return torch.optim.Adam(parameters, rate, it.betas, it.eps, it.weight_decay, foreach=True)
        case AdamW():
            return torch.optim.AdamW(parameters, rate, it.betas, it.eps, it.weight_decay, foreach=True)
    raise TrainingFailed("error", f"optimizer: {it.kind} is not built yet")


def one_epoch(run: Run, epoch: int) -> EpochMetrics:
    """Train and validate once; a loss that is not finite ends the trial."""
    start = time.perf_counter()
    metrics = _measured("train", trained(run, epoch), run.task)
    seconds = time.perf_counter() - start
    if not math.isfinite(metrics["train_loss"]):
        lr = run.recipe.optimizer.lr
        reason = (
            f"the training loss is {metrics['train_loss']} at epoch {epoch} (learning rate {lr}); lower optimizer.lr"
        )
        raise TrainingFailed("diverged", reason)
    metrics |= _measured("val", evaluated(run, run.splits.validation_x, run.splits.validation_y), run.task)
    return EpochMetrics(epoch, metrics, seconds)


def trained(run: Run, epoch: int) -> Tensor:
    """One pass over the training part in the epoch's own order; the running means of loss and metrics.

    Auxiliary classifiers add to what is minimized, not to what is reported: `train_loss` compares with `val_loss`.
    """
    batches, total = _batches(run, epoch), torch.zeros((), dtype=torch.float64, device=run.device)
    steps = run.recipe.epochs * len(batches)
    _seed_dropout(run, epoch)
    run.model.train()
    for number, index in enumerate(batches, (epoch - 1) * len(batches)):
        for group in run.optimizer.param_groups:
            group["lr"] = float(run.recipe.optimizer.lr) * run.recipe.schedule.factor(
                Progress(number, steps, len(batches))
            )
        x, y = run.splits.train_x[index], run.splits.train_y[index]
        outputs = run.model(x)
        loss = run.loss(outputs, y, run.recipe.label_smoothing)
        run.optimizer.zero_grad()
        (loss + _side_losses(run, y)).backward()  # type: ignore[no-untyped-call]
        run.optimizer.step()
        total = total + tasks.sums(run.task, loss, outputs.detach(), y)
    return total / sum(len(index) for index in batches)


def _side_losses(run: Run, y: Tensor) -> Tensor:
    """The weighted losses of the auxiliary classifiers for the batch that the network has just seen."""
    total = torch.zeros((), device=run.device)
    for layer in run.model.modules():
        if isinstance(layer, Auxiliary) and layer.output is not None:
            total = total + layer.weight * run.loss(layer.output, y, run.recipe.label_smoothing)
            layer.output = None
    return total


@torch.inference_mode()
def evaluated(run: Run, x: Tensor, y: Tensor) -> Tensor:
    """The means of the plain loss and the metrics over a part of the data."""
    total = torch.zeros((), dtype=torch.float64, device=run.device)
    size = max(LEAST_EVALUATED, run.recipe.batch(len(run.splits.train_x)))
    run.model.eval()
    for start in range(0, len(x), size):
        outputs, targets = run.model(x[start : start + size]), y[start : start + size]
        total = total + tasks.sums(run.task, run.loss(outputs, targets, 0.0), outputs, targets)
    return total / len(x)


def _batches(run: Run, epoch: int) -> tuple[Tensor, ...]:
    """The indices of each step. A last batch of one is left out if there is a batch norm, which needs two."""
    count, size = len(run.splits.train_x), run.recipe.batch(len(run.splits.train_x))
    order = torch.randperm(count, generator=build.generator(run.seed, "order", epoch)).to(run.device)
    batches: tuple[Tensor, ...] = torch.split(order, size)
    if len(batches[-1]) > 1 or not build.has_batch_norm(run.model):
        return batches
    if len(batches) == 1 or size == 1:
        raise TrainingFailed(
            "error", "batch_size: a batch norm cannot train on batches of one; set batch_size to 2 or more"
        )
    return batches[:-1]


def _seed_dropout(run: Run, epoch: int) -> None:
    stream = build.generator(run.seed, "dropout", epoch, device=run.device)
    for layer in run.model.modules():
        if isinstance(layer, Dropout):
            layer.generator = stream


def _measured(part: str, means: Tensor, task: tasks.Task) -> dict[str, float]:
    names = [f"{part}_{name}" for name in ("loss", *task.metrics)]
    return dict(zip(names, means.tolist(), strict=True))


def _claimed(folder: Path) -> Path:
    try:
        return checkpoint.claim(folder)
    except OSError as error:
        reason = f"{folder}: checkpoints cannot be written here ({error.strerror}); free the disk or correct the place"
        raise TrainingFailed("error", reason) from error


def _keep(run: Run, attempt: Path, name: str, history: list[EpochMetrics], final: bool, quiet: bool) -> bool:
    """Save, and say whether it was possible; a full disk is reported once.

    Without the final weights there is no result; without an earlier checkpoint there is only more to repeat.
    """
    state = {} if final else _optimizer_state(run)
    try:
        checkpoint.save(attempt, Checkpoint(len(history), name, run.model.state_dict(), state, tuple(history)))
    except OSError as error:
        if final:
            reason = f"{attempt}: the final weights cannot be written ({error.strerror}); free the disk and run again"
            raise TrainingFailed("error", reason) from error
        if not quiet:
            LOG.warning("%s: no checkpoint at epoch %d (%s); training goes on", attempt, len(history), error.strerror)
        return False
    return True


def _optimizer_state(run: Run) -> dict[str, Tensor]:
    """`<parameter>/<key>` -> tensor. The rest of an optimizer is in the recipe, or None before its first step."""
    state = run.optimizer.state
    return {
        f"{name}/{key}": value
        for name, parameter in run.model.named_parameters()
        for key, value in state[parameter].items()
        if isinstance(value, Tensor)
    }


def _restore(run: Run, found: Checkpoint) -> None:
    """Weights, and the optimizer's tensors in the memory layout of their parameters."""
    run.model.load_state_dict(found.weights)
    parameters = dict(run.model.named_parameters())
    for name, value in found.optimizer.items():
        parameter, key = parameters[name.rpartition("/")[0]], name.rpartition("/")[2]
        same = value.shape == parameter.shape
        run.optimizer.state[parameter][key] = torch.empty_like(parameter).copy_(value) if same else value


@contextmanager
def _failures() -> Iterator[None]:
    """Running out of memory as a failure with a name and a cure."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and not any(text in str(error) for text in OUT_OF_MEMORY):
            raise
        cure = "lower batch_size or the widths"
        raise TrainingFailed("out_of_memory", f"memory ran out ({str(error).splitlines()[0]}); {cure}") from error
