"""The inner loop: what a training does again and again. Nothing in it waits for the device."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.data import Part
from worker.recipe import Progress
from worker.training import failures, gradients, optimizers, order
from worker.training.run import Run
from worker.training.tally import Tally

LEAST_EVALUATED = 256
"""Examples a batch in evaluation, or the recipe's batch size if that is larger: bounds the memory."""
LOOKED_AT = 32
"""Steps after which a CPU, where that costs nothing, looks whether the loss is still a number."""


def trained(run: Run, epoch: int) -> Tally:
    """One pass over the training part in the epoch's own order; the running means of loss and metrics.

    Auxiliary classifiers add to what is minimized, not to what is reported: `train_loss` compares with `val_loss`.
    """
    here, tally = begun(run, epoch), Tally(run.task, run.device)
    for step, (x, y) in enumerate(run.splits.train.batches(order.of_epoch(run, epoch))):
        optimizers.set_rate(run.optimizer, rate(here, step))
        x, targets = augmented(here, x, y)
        loss, outputs = updated(here, step, x, targets)
        tally.add(loss, outputs, targets)
        if run.average:
            run.average.after_step()
        if hopeless(run, step, loss):
            break
        check_time(run, f"at step {step + 1} of epoch {epoch}")
    if run.average:
        run.average.after_epoch(epoch, run.recipe.epochs)
    return tally


@dataclass(frozen=True)
class Epoch:
    """Where the training of an epoch begins, and the streams that it draws from."""

    run: Run
    number: int
    losses: list[float]
    augmentation: torch.Generator
    noise: torch.Generator


def begun(run: Run, number: int) -> Epoch:
    """The module in training mode, every stream at its start."""
    run.model.train()
    run.seed_dropout(number)
    losses = [told.metrics["val_loss"] for told in run.journal.history]
    return Epoch(run, number, losses, run.generator("augment", number), run.generator("noise", number))


def rate(here: Epoch, step: int) -> float:
    """The learning rate of a step of this epoch, from 0."""
    run = here.run
    at = Progress((here.number - 1) * run.steps + step, run.recipe.epochs * run.steps, run.steps, here.losses)
    return run.journal.lr * run.recipe.schedule.factor(at)


def augmented(here: Epoch, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The batch as it is trained on; its targets may become mixtures of classes."""
    x = x.to(here.run.precision.held)
    return here.run.augment(x, y, here.augmentation) if here.run.augment else (x, y)


def updated(here: Epoch, step: int, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """One step of the optimizer; the batch's mean loss and outputs before it."""
    run, seen = here.run, list[Tensor]()

    def closure() -> Tensor:
        if seen:  # a line search asks again: the function must not have changed
            run.seed_dropout(here.number)
        loss, outputs = backward(run, x, targets)
        seen[:] = seen or [outputs]
        changed(here, step)
        return loss

    loss = optimizers.step(run.optimizer, closure)
    return loss, seen[0]


def backward(run: Run, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of the mean loss over the batch, computed in `parts` that follow one another."""
    run.optimizer.zero_grad(set_to_none=True)
    parts = min(run.journal.parts, len(x) // run.least)
    if parts <= 1:
        return backward_part(run, x, targets, 1.0)
    pairs = zip(x.tensor_split(parts), targets.tensor_split(parts), strict=True)
    done = [backward_part(run, one, its, len(one) / len(x)) for one, its in pairs]
    return torch.stack([loss for loss, _ in done]).sum(), torch.cat([outputs for _, outputs in done])


def backward_part(run: Run, x: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Adds the gradients of `share` of the mean loss over these examples; that share, and their outputs."""
    outputs = forward(run, x)
    loss = run.loss(outputs, targets, run.recipe.label_smoothing)
    minimized = with_side_losses(run, loss, targets)
    (minimized if share == 1 else minimized * share).backward()  # type: ignore[no-untyped-call]
    return loss.detach() * share, outputs.detach()


def forward(run: Run, x: Tensor) -> Tensor:
    """The outputs of a batch, in the precision that is held, numbers in the unit of the source."""
    with run.precision(run.device):
        outputs = run.forward(x)
    return run.unit(outputs.to(run.precision.held))


def with_side_losses(run: Run, loss: Tensor, targets: Tensor) -> Tensor:
    """The loss, and the weighted losses of the auxiliary classifiers for the batch that the network has just seen."""
    for layer in run.auxiliaries:
        if layer.output is not None:
            outputs = run.unit(layer.output.to(run.precision.held))
            loss = loss + layer.weight * run.loss(outputs, targets, run.recipe.label_smoothing)
            layer.output = None
    return loss


def changed(here: Epoch, step: int) -> None:
    """Gradients as the recipe wants them: clipped, then with noise."""
    run = here.run
    if run.recipe.clip:
        gradients.clip(run.parameters, run.recipe.clip)
    if run.recipe.noise:
        gradients.add_noise(run.parameters, run.recipe.noise, (here.number - 1) * run.steps + step, here.noise)


def hopeless(run: Run, step: int, loss: Tensor) -> bool:
    """Whether the loss is no number any more, now and then; on a GPU only the epoch's end tells."""
    return step % LOOKED_AT == 0 and run.device.type == "cpu" and not math.isfinite(loss.item())


def check_time(run: Run, where: str) -> None:
    if time.monotonic() > run.deadline:
        raise failures.timed_out(run.timeout, where)


@torch.inference_mode()
def evaluated(run: Run, part: Part) -> Tensor:
    """The means of the plain loss and the metrics over a part of the data."""
    tally = Tally(run.task, run.device)
    run.model.eval()
    for x, y in part.in_order(evaluated_at_once(run)):
        outputs = viewed(run, x.to(run.precision.held))
        tally.add(run.loss(outputs, y, 0.0), outputs, y)
        check_time(run, f"in the validation of epoch {len(run.journal.history) + 1}")
    return tally.means()


def evaluated_at_once(run: Run) -> int:
    """So many examples: what a training step holds fits in memory, and so do they."""
    return max(1, max(LEAST_EVALUATED, run.batch) // run.journal.parts)


def served(run: Run, epoch: int) -> AbstractContextManager[None]:
    """Inside, the module has the weights that are validated and kept: the average's, if the recipe wants one."""
    if run.average is None:
        return nullcontext()
    batches = run.splits.train.batches(order.of_epoch(run, epoch))
    return run.average.weights(run.model, lambda: (x.to(run.precision.held) for x, _ in batches))


def viewed(run: Run, x: Tensor) -> Tensor:
    """The outputs, or their mean over the views that the recipe wants of each example."""
    if not run.views:
        return forward(run, x)
    return torch.stack([forward(run, view(x)) for view in run.views]).mean(0)
