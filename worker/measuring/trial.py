"""What is measured of one trial beside its epochs' metrics, as plain values that JSON has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from searchspace.cost import trace
from searchspace.memory import memory, remembered
from worker import tasks
from worker.data import Part
from worker.layers import Auxiliary
from worker.measure import MeasureSpec
from worker.measuring import quality, resources, speed, watch
from worker.measuring.resources import Meter
from worker.training import failures, steps
from worker.training.devices import FLOAT32
from worker.training.run import Run

Found = dict[str, Any]


def measured(run: Run, spec: MeasureSpec, seconds: Sequence[float], meter: Meter | None = None) -> Found:
    """All that is measured at a trial's end, of the weights that it ends with; a part that needs too much says so.

    `seconds` are the training times of the epochs that this process trained. Weights, optimizer and generators are
    left as they were. Found are always `fit`, `classes` (validation: confusion, accuracy of each class), `memory`
    (bytes), `energy` (joules), `images_per_second`; and by choice `shifts`, `latency`, `layers` (milliseconds).
    """
    with watch.evaluating(run.model):
        found = {name: _tried(partial(part, run)) for name, part in _parts(spec).items()}
    found["images_per_second"] = speed.images_per_second(seconds, [_images(run)] * len(seconds))
    found["memory"] = _tried(lambda: _memory(run, meter))
    found["energy"] = meter.energy() if meter else {"joules": None, "reason": "it was not metered"}
    return plain(found)  # type: ignore[no-any-return]


def fitted(run: Run) -> dict[str, float]:
    """`fit_loss`, `fit_accuracy`: of up to 10,000 training examples as they are, spread evenly over those trained on.

    With the network as it is validated: no augmentation, no dropout, no smoothing. What it lacks here is optimization
    or modelling; what validation lacks beyond it, estimation.
    """
    with watch.evaluating(run.model):
        seen = cast(Part, quality.Some(run.splits.train, _fit_index(run)))  # all of a part that evaluation reads
        means = steps.evaluated(run, seen)
    return tasks.named("fit", means, run.task)


def watched(run: Run, epoch: int) -> Found:
    """{"epoch", "gradient_norm", "layers"}: see `watch.seen`. Call it after an epoch's last step, on its gradients."""
    return plain({"epoch": epoch, **watch.seen(_module(run), run.model, run.splits.validation)})  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """The same for JSON, which knows no infinite numbers: they become None."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _parts(spec: MeasureSpec) -> dict[str, Callable[[Run], Any]]:
    """What is always measured of a trained network, and what its study asks for."""
    parts: dict[str, Callable[[Run], Any]] = {"fit": _fit, "classes": _classes}
    if spec.shifts:
        furthest = spec.shifts
        parts["shifts"] = lambda run: quality.shifts(_outputs(run), run.splits.validation, run.task, furthest)
    if spec.latency:
        parts["latency"] = _latency
    if spec.layers:
        parts["layers"] = _layers
    return parts


def _fit(run: Run) -> Found:
    return {"examples": len(_fit_index(run)), **fitted(run)}


def _fit_index(run: Run) -> Tensor:
    return quality.spread(run.pool.to(run.device), quality.MOST_FITTED)


def _classes(run: Run) -> Found | None:
    """The validation part's confusion; None where there are no classes."""
    if run.task.name != "classification":
        return None
    return quality.by_class(quality.confusion(_outputs(run), run.splits.validation, _classes_of(run)))


def _latency(run: Run) -> Found:
    """Of the plain module, without views and not compiled."""
    x = _examples(run, max(speed.BATCHES))
    return speed.latency(_module(run), x, run.device) | {"precision": _precision(run)}


def _layers(run: Run) -> Found:
    x = _examples(run, max(speed.BATCHES))
    return speed.layers(_module(run), run.model, trace(run.network), x, run.device) | {"precision": _precision(run)}


def _memory(run: Run, meter: Meter | None) -> Found:
    """What training held at its peak, beside what was predicted for a CPU and float32 (None of an unknown optimizer).

    In float64 a CPU unfolds the input of each convolution, which is more than the input and is not counted.
    """
    found = (meter.memory() if meter else None) or _step(run)
    if run.precision == FLOAT32:
        batch, parts = _batch(run), run.journal.parts
        name = remembered(run.recipe.optimizer.kind, getattr(run.recipe.optimizer, "momentum", 0.0))
        found["predicted_bytes"] = memory(run.network, batch, name, parts=parts).train_peak if name else None
    return found


def _step(run: Run) -> Found:
    """One step on copies of the module and the optimizer, on the first training examples as they are."""
    if run.device.type != "cpu":
        return {"peak_bytes": None, "reason": "it was not metered"}
    batch = _batch(run)
    x, y = next(iter(run.splits.train.batches([run.pool[:batch]])))
    x = speed.laid_out(x).to(run.precision.held)

    def closure_of(model: nn.Module, optimizer: torch.optim.Optimizer) -> Callable[[], Tensor]:
        sides = tuple(layer for layer in model.modules() if isinstance(layer, Auxiliary))
        twin = replace(run, model=model, forward=model, optimizer=optimizer, auxiliaries=sides, average=None)
        return lambda: steps.backward(twin, x, y)[0]

    return resources.one_step(run.model, run.optimizer, closure_of, x.nbytes)


def _outputs(run: Run) -> quality.Outputs:
    """As validation has them: in the run's precision, over its views."""
    return lambda x: steps.viewed(run, x.to(run.precision.held))


def _module(run: Run) -> quality.Outputs:
    """The module itself, whose hooks are called, in the run's precision."""

    def outputs(x: Tensor) -> Tensor:
        with run.precision(run.device):
            result: Tensor = run.model(x.to(run.precision.held))
        return result

    return outputs


def _examples(run: Run, most: int) -> Tensor:
    index = quality.every(run.splits.validation)[:most]
    return next(iter(run.splits.validation.batches([index])))[0].to(run.precision.held)


def _batch(run: Run) -> int:
    return min(run.batch, len(run.pool))


def _images(run: Run) -> int:
    """Examples that an epoch trains on; a last batch that is too small is left out."""
    return min(run.steps * run.batch, len(run.pool))


def _classes_of(run: Run) -> int:
    return trace(run.network)[-1].out_shape[0]


def _precision(run: Run) -> str:
    return str(run.precision.computed or run.precision.held).removeprefix("torch.")


def _tried(part: Callable[[], Any]) -> Any:
    """What it found; a measurement that runs out of memory ends no trial."""
    try:
        with failures.named():
            return part()
    except failures.OutOfMemory as failure:
        return {"reason": failure.reason}
