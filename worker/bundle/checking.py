"""What a bundle must hold true before anyone gets it: its forms agree, and the trial's numbers come out again."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from searchspace.dense import Sliding
from worker.bundle import forms, units
from worker.bundle.contents import FORMS, MODEL, PREDICT, PREPROCESS, Evidence, Parts
from worker.training.run import Run

TOLERANCE = 1e-4
"""How far outputs may differ, relative to the largest one."""
BATCH = 256
Array = np.ndarray[Any, np.dtype[Any]]


class Disagrees(ValueError):
    """A form of the network that is not the trained network, or weights that are not the trial's."""


def checked(folder: Path, parts: Parts, run: Run) -> Evidence:
    """The evidence over the whole validation part, or `Disagrees`."""
    found, model = forms.forms(folder), run.model.cpu().float().eval()
    told = json.loads((folder / PREPROCESS).read_text(encoding="utf-8"))
    wanted, got = list[Tensor](), {name: list[Tensor]() for name in found}
    for x, _ in run.splits.validation.in_order(BATCH):
        wanted.append(outputs(model, x))
        for name, form in found.items():
            got[name].append(units.restored(ran(name, form, x).flatten(1), told))
    y, unit = run.splits.validation.y.cpu(), run.splits.target
    trained = torch.cat(wanted) if unit is None else unit.restore(torch.cat(wanted))
    differences = {name: agreement(name, trained, torch.cat(made)) for name, made in got.items()}
    metrics = measured(trained, y)
    if not run.views:
        same_as_row(metrics, parts, y, _ties(trained, parts.rounding))
    if unit is not None:
        return Evidence(len(y), metrics, differences, errors=_errors(trained, y))
    return Evidence(len(y), metrics, differences, confusion(trained, y, trained.shape[1]))


@torch.inference_mode()
def outputs(form: forms.Outputs | nn.Module, x: Tensor) -> Tensor:
    """Of a batch of inputs, on the CPU."""
    made: Tensor = form(x.cpu().contiguous())
    return made


def ran(name: str, form: forms.Outputs, x: Tensor) -> Tensor:
    """A form's outputs; `Disagrees` where it does not take these inputs."""
    try:
        return outputs(form, x)
    except Exception as error:  # whatever an exported program or a runtime raises
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        leave = next((f"; leave it out with --without {key}" for key, file in FORMS.items() if file == name), "")
        raise Disagrees(f"{name} does not run on inputs of {tuple(x.shape)} ({first.strip()}){leave}") from error


def preprocessed(folder: Path, raw: Array, x: Tensor) -> dict[str, float]:
    """What model.py and predict.py make of raw examples, against the inputs `x` that the network was trained on."""
    script = runpy.run_path(str(folder / PREDICT), run_name="predict")
    made = {
        f"{MODEL}'s preprocess": forms.read(folder)["preprocess"](raw),
        f"{PREDICT}'s preprocess": torch.from_numpy(script["preprocess"](raw, script["read"](folder))),
    }
    return {name: agreement(name, x.cpu(), got) for name, got in made.items()}


def agreement(name: str, wanted: Tensor, got: Tensor) -> float:
    """The largest difference, relative to the largest value; `Disagrees` beyond the tolerance, or in labels."""
    if got.shape != wanted.shape:
        raise Disagrees(f"{name} gives {tuple(got.shape)}, not {tuple(wanted.shape)}; please report this as a bug")
    error = float((got - wanted).abs().max()) / max(1.0, float(wanted.abs().max()))
    if not error <= TOLERANCE:
        raise Disagrees(
            f"{name} differs from the trained network by {error:.3g} of the largest value; "
            "please report this as a bug of ours"
        )
    return error


# --- numbers ----------------------------------------------------------------------------------------------------------


def measured(predicted: Tensor, y: Tensor) -> dict[str, float]:
    """`val_accuracy`, or `val_mae`, of outputs."""
    if y.is_floating_point():
        return {"val_mae": float((predicted - y).abs().mean(dtype=torch.float64))}
    return {"val_accuracy": float((predicted.argmax(1) == y).double().mean())}


def same_as_row(metrics: Mapping[str, float], parts: Parts, y: Tensor, ties: int = 0) -> None:
    """The row's accuracy to the last image, but for `ties` whose two best classes are as good as equal."""
    for name in ("val_accuracy", "val_mae"):
        if name not in metrics or name not in parts.metrics:
            continue
        value, wanted = metrics[name], parts.metrics[name]
        if name == "val_accuracy":
            close = abs(value - wanted) * len(y) < 0.5 + ties
        else:
            close = abs(value - wanted) <= max(1e-5, parts.rounding) * max(1.0, abs(wanted))
        if not close:
            raise Disagrees(
                f"{name} of the weights is {value:.6g}, but the trial's row says {wanted:.6g}; "
                "they are not this trial's, so train it again"
            )


def _ties(predicted: Tensor, rounding: float) -> int:
    """Images whose two largest outputs differ by no more than rounding does."""
    best = predicted.topk(2, 1).values if predicted.shape[1] > 1 else predicted
    return int((best[:, 0] - best[:, -1] <= rounding * max(1.0, float(predicted.abs().max()))).sum())


def confusion(predicted: Tensor, y: Tensor, classes: int) -> tuple[tuple[int, ...], ...]:
    """[i][j] counts the examples of class i that were taken for j."""
    counts = torch.bincount(y.cpu() * classes + predicted.argmax(1), minlength=classes**2)
    return tuple(tuple(row) for row in counts.reshape(classes, classes).tolist())


def _errors(predicted: Tensor, y: Tensor) -> tuple[tuple[float, float, float], ...]:
    """For each output: mean absolute error, root of the mean square error, deviation of the targets."""
    error, spread = (predicted - y).double(), y.double().std(0, correction=0)
    columns = error.abs().mean(0), error.square().mean(0).sqrt(), spread
    return tuple((a, b, c) for a, b, c in zip(*(column.tolist() for column in columns), strict=True))


# --- larger inputs ----------------------------------------------------------------------------------------------------


def slides(folder: Path, sliding: Sliding, x: Tensor) -> dict[str, float]:
    """Every form on a canvas of validation inputs, against cropping every window and classifying it.

    Equal where nothing in the network sees a border; else only the forms are compared with each other.
    """
    canvas, found = tiled(x), forms.forms(folder)
    maps = {f"{name} on a larger input": ran(name, form, canvas) for name, form in found.items()}
    wanted = windows(found[MODEL], canvas, sliding) if sliding.exact else next(iter(maps.values()))
    return {name: agreement(name, wanted, common(got, wanted)) for name, got in maps.items()}


def common(found: Tensor, wanted: Tensor) -> Tensor:
    """The positions of a map whose windows lie on the canvas as a whole.

    Where a window's last pixels are read by no layer, there may be one more that only they miss.
    """
    return found[tuple(slice(n) for n in wanted.shape)]


def tiled(x: Tensor) -> Tensor:
    """One canvas, twice as large as an input and a bit more per axis, of validation inputs side by side."""
    for axis in range(2, x.dim()):
        half = max(1, len(x) // 3)
        parts = [x[:half], x[half : 2 * half], x[2 * half : 3 * half].narrow(axis, 0, -(-x.shape[axis] // 2))]
        x = torch.cat([part if len(part) else x[:half].narrow(axis, 0, 1) for part in parts], axis)
    return x[:1].cpu().contiguous()


def windows(form: forms.Outputs | nn.Module, canvas: Tensor, sliding: Sliding) -> Tensor:
    """The map of predictions by cutting every window out: (1, K, *map)."""
    cut, axes = canvas, len(sliding.window)
    for axis, (size, step) in enumerate(zip(sliding.window, sliding.step, strict=True), 2):
        cut = cut.unfold(axis, size, step)  # (1, C, *map, *window) in the end
    places = cut.shape[2 : 2 + axes]
    crops = cut.movedim(1, 1 + axes).flatten(0, axes)
    return outputs(form, crops).flatten(1).T.reshape(1, -1, *places)
