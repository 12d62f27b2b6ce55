"""The bundle to take home: a network that no longer needs archstudy, checked against the one that was trained."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from worker import data, trainer
from worker.datasource import DataSpec, describe
from worker.job import Job
from worker.source import source

BLUEPRINT, MODEL, WEIGHTS, CARD = "blueprint.yaml", "model.py", "weights.safetensors", "card.md"
FILES = {BLUEPRINT, MODEL, WEIGHTS, CARD}
TOLERANCE = 1e-5
CHECKED = 64
"""Validation images that every form of the network must agree on."""


@dataclass(frozen=True)
class Parts:
    """What goes into a bundle: the job whose final weights it takes, and the texts that go with it.

    `blueprint` is the YAML text, `about` the first sentences of model.py, `metrics` what the trial's row says of its
    last epoch: the weights must give it again.
    """

    job: Job
    metrics: Mapping[str, float]
    blueprint: str
    card: str
    about: str


def write(target: Path, parts: Parts) -> Path:
    """Write and check the whole bundle beside `target`, then put it there; only an older bundle is ever replaced."""
    _refuse_other(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as work:
        new, old = Path(work) / "new", Path(work) / "old"
        new.mkdir()
        _fill(new, parts)
        _check(new, parts)
        if target.exists():
            target.rename(old)
        new.rename(target)
    return target


def _refuse_other(target: Path) -> None:
    if not target.exists():
        return
    names = {path.name for path in target.iterdir()} if target.is_dir() else {target.name}
    if names and names - {"__pycache__"} != FILES:  # which importing model.py leaves behind
        raise ValueError(f"{target}: this exists and is not a bundle of ours; choose another folder or remove it")


def _fill(folder: Path, parts: Parts) -> None:
    run = trainer.finished(parts.job)
    labels = describe(DataSpec.model_validate(parts.job.data), parts.job.task).labels
    text = source(trainer.network_of(parts.job), run.splits.statistics, labels, parts.about)
    (folder / BLUEPRINT).write_text(parts.blueprint, encoding="utf-8")
    (folder / MODEL).write_text(text, encoding="utf-8")
    (folder / CARD).write_text(parts.card, encoding="utf-8")
    weights = {name: value.cpu().contiguous() for name, value in run.model.state_dict().items()}
    safetensors.torch.save_file(weights, folder / WEIGHTS)


def _check(folder: Path, parts: Parts) -> None:
    """The weights give the trial's metrics again; model.py gives the trained module's outputs, also from raw images."""
    for name, value in trainer.validate(parts.job).items():
        if abs(value - parts.metrics[name]) > TOLERANCE:
            raise ValueError(
                f"the weights give {name} = {value:g}, but the trial's row says {parts.metrics[name]:g}; "
                "they are not this trial's, so train it again"
            )
    run, model = trainer.finished(parts.job), read(folder)
    x, ours = run.splits.validation_x[:CHECKED].cpu(), run.model.cpu()
    raw = data.raw_images(DataSpec.model_validate(parts.job.data), parts.job.task, "validation", CHECKED)
    wanted = outputs(ours, x)
    for form, got in {
        "model.py": outputs(model["load"](folder / WEIGHTS), x),
        "model.py's preprocess": outputs(ours, model["preprocess"](raw)),
    }.items():
        scale = float(wanted.abs().max().clamp(min=1))
        error = float((got - wanted).abs().max())
        if not error <= TOLERANCE * scale:
            raise ValueError(
                f"{form} differs from the trained network by {error:g}; please report this as a bug of ours"
            )


def read(folder: Path) -> dict[str, Any]:
    """The names that a bundle's model.py defines: `build`, `load`, `preprocess` and its constants."""
    names: dict[str, Any] = {"__name__": "model"}
    exec(compile((folder / MODEL).read_text(encoding="utf-8"), str(folder / MODEL), "exec"), names)
    return names


@torch.inference_mode()
def outputs(model: nn.Module, x: Tensor) -> Tensor:
    result: Tensor = model.eval()(x)
    return result
