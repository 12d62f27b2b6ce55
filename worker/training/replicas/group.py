"""Several trainings as one: a run of the stacked network, and its steps.

Each training keeps its own order of the data, streams of augmentation, noise and dropout, loss, and gradient norm. The
stacked loss is the sum of theirs, so that each weight has the gradient that it has alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from worker.layers import Auxiliary
from worker.training import gradients, optimizers, order, steps
from worker.training.averaging import Average
from worker.training.replicas import stacking, twins
from worker.training.run import Journal, Run
from worker.training.tally import Tally

Batch = tuple[Tensor, list[Tensor]]
"""Inputs (N, R C, *size), and the targets of each training."""


@dataclass(frozen=True)
class Group:
    """Trainings at the end of the same epoch, and the `stacked` one, whose module and optimizer are ahead of theirs.

    The stacked one's outputs are (N, R, outputs).
    """

    runs: tuple[Run, ...]
    stacked: Run

    def part(self) -> None:
        """Brings each training to where the stacked one is."""
        for run, state in zip(self.runs, stacking.parted(self.stacked.state(), len(self.runs)), strict=True):
            run.restore(state)

    def part_gradients(self) -> None:
        """Gives each training the gradients that the last step left."""
        single = [run.model.parameters() for run in self.runs]
        for parameter, *theirs in zip(self.stacked.model.parameters(), *single, strict=True):
            for own, part in zip(
                theirs, () if parameter.grad is None else parameter.grad.chunk(len(self.runs)), strict=False
            ):
                own.grad = part.clone()

    def join(self) -> None:
        """Brings the stacked training to where each one is."""
        self.stacked.restore(stacking.joined([run.state() for run in self.runs]))


def grouped(runs: Sequence[Run]) -> Group:
    """The trainings, and a stacked one that stands where they do."""
    first, many = runs[0], len(runs)
    model = stacking.stack(first.network, [run.model for run in runs])
    if len(first.network.input) == 3:
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    stacked = replace(
        first,
        model=model,
        forward=model,
        optimizer=optimizers.make(model, first.recipe.optimizer, first.journal.lr, fused=True),
        unit=lambda outputs: first.unit(outputs.reshape(len(outputs), many, -1)),
        journal=Journal(first.journal.lr),
        average=Average(model, first.recipe.average) if first.recipe.average else None,
        auxiliaries=tuple(layer for layer in model.modules() if isinstance(layer, Auxiliary)),
        deadline=time.monotonic() + sum(run.timeout - run.journal.seconds for run in runs),
    )
    group = Group(tuple(runs), stacked)
    group.join()
    return group


def trained(group: Group, epoch: int) -> list[Tally]:
    """One pass over the training part, each training in its own order; the running means of each."""
    run, tallies = group.stacked, [Tally(one.task, one.device) for one in group.runs]
    for step, (losses, outputs, targets) in enumerate(stepping(group, epoch)):
        _add(tallies, losses, outputs, targets)
        if step % steps.LOOKED_AT == 0 and run.device.type == "cpu" and not losses.isfinite().any():
            break
    if run.average:
        run.average.after_epoch(epoch, run.recipe.epochs)
    return tallies


def stepping(group: Group, epoch: int) -> Iterator[tuple[Tensor, Tensor, list[Tensor]]]:
    """A step of all trainings: their losses (R,), their outputs (N, R, outputs), and each one's targets."""
    run, here = group.stacked, steps.begun(group.stacked, epoch)
    streams = [steps.begun(one, epoch) for one in group.runs]
    seed_dropout(group, epoch)
    for step, (x, targets) in enumerate(batches(group, streams)):
        optimizers.set_rate(run.optimizer, steps.rate(here, step))
        run.optimizer.zero_grad(set_to_none=True)
        outputs = steps.forward(run, x)
        losses = losses_of(run, outputs, targets)
        minimized(run, losses, targets).backward()  # type: ignore[no-untyped-call]
        change(group, streams, (epoch - 1) * run.steps + step)
        run.optimizer.step()
        if run.average:
            run.average.after_step()
        yield losses.detach(), outputs.detach(), targets
        steps.check_time(run, f"at step {step + 1} of epoch {epoch}")


def batches(group: Group, streams: Sequence[steps.Epoch]) -> Iterator[Batch]:
    """What each training sees at a step, side by side."""
    orders = [
        one.splits.train.batches(order.of_epoch(one, here.number))
        for one, here in zip(group.runs, streams, strict=True)
    ]
    for seen in zip(*orders, strict=True):
        augmented = [steps.augmented(here, x, y) for here, (x, y) in zip(streams, seen, strict=True)]
        yield torch.cat([x for x, _ in augmented], 1), [targets for _, targets in augmented]


def losses_of(run: Run, outputs: Tensor, targets: Sequence[Tensor]) -> Tensor:
    """The mean loss of each training over its batch, (R,)."""
    pairs = zip(outputs.unbind(1), targets, strict=True)
    return torch.stack([run.loss(one, its, run.recipe.label_smoothing) for one, its in pairs])


def minimized(run: Run, losses: Tensor, targets: Sequence[Tensor]) -> Tensor:
    """The sum of all losses, with the weighted losses of the auxiliary classifiers."""
    for layer in run.auxiliaries:
        if layer.output is not None:
            outputs = run.unit(layer.output.to(run.precision.held))
            losses = losses + layer.weight * losses_of(run, outputs, targets)
            layer.output = None
    return losses.sum()


def seed_dropout(group: Group, epoch: int) -> None:
    """Every training draws its masks from its own stream of the epoch."""
    streams = [run.generator("dropout", epoch) for run in group.runs]
    for layer in group.stacked.model.modules():
        if isinstance(layer, twins.Dropout):
            layer.generators = streams


def change(group: Group, streams: Sequence[steps.Epoch], step: int) -> None:
    """Gradients as the recipe wants them, each training's by themselves: clipped, then with noise."""
    run, recipe = group.stacked, group.stacked.recipe
    found = [parameter.grad for parameter in run.parameters if parameter.grad is not None]
    if recipe.clip and recipe.clip.norm is not None:
        clip_each(found, recipe.clip.norm, len(group.runs))
    elif recipe.clip:
        gradients.clip(run.parameters, recipe.clip)
    if recipe.noise:
        split = [gradient.chunk(len(group.runs)) for gradient in found]
        drawn = [gradients.noise([parts[number] for parts in split], here.noise) for number, here in enumerate(streams)]
        joined = [torch.cat(parts) for parts in zip(*drawn, strict=True)]
        torch._foreach_add_(found, joined, alpha=gradients.deviation(recipe.noise, step))


def clip_each(found: Sequence[Tensor], most: float, replicas: int) -> None:
    """Each training's gradients times min(1, most / (|g| + 1e-6)), g all of its own in one vector."""
    views = [gradient.view(replicas, -1, *gradient.shape[1:]) for gradient in found]
    norms = [torch.linalg.vector_norm(view, dim=tuple(range(1, view.dim()))) for view in views]
    shares = (most / (torch.linalg.vector_norm(torch.stack(norms), dim=0) + 1e-6)).clamp(max=1.0)
    for view in views:
        view.mul_(shares.view(-1, *(1,) * (view.dim() - 1)))


@torch.inference_mode()
def evaluated(group: Group) -> list[Tensor]:
    """The means of the plain loss and the metrics over the validation part, of each training."""
    run, tallies = group.stacked, [Tally(one.task, one.device) for one in group.runs]
    run.model.eval()
    for x, y in run.splits.validation.in_order(max(steps.LEAST_EVALUATED, run.batch)):
        wide = x.to(run.precision.held).repeat(1, len(group.runs), *(1,) * (x.dim() - 2))
        outputs = steps.viewed(run, wide)
        losses = torch.stack([run.loss(one, y, 0.0) for one in outputs.unbind(1)])
        _add(tallies, losses, outputs, [y] * len(tallies))
        steps.check_time(run, f"in the validation of epoch {len(group.runs[0].journal.history) + 1}")
    return [tally.means() for tally in tallies]


def served(group: Group, epoch: int) -> AbstractContextManager[None]:
    """Inside, the stacked module has the weights that are validated: the averages, if the recipe wants them."""
    if group.stacked.average is None:
        return nullcontext()

    def inputs() -> Iterator[Tensor]:
        orders = [one.splits.train.batches(order.of_epoch(one, epoch)) for one in group.runs]
        for seen in zip(*orders, strict=True):
            yield torch.cat([x for x, _ in seen], 1).to(group.stacked.precision.held)

    return group.stacked.average.weights(group.stacked.model, inputs)


def _add(tallies: Sequence[Tally], losses: Tensor, outputs: Tensor, targets: Sequence[Tensor]) -> None:
    """One batch of each training to its own means."""
    for tally, loss, its, labels in zip(tallies, losses.unbind(), outputs.unbind(1), targets, strict=True):
        tally.add(loss, its, labels)
