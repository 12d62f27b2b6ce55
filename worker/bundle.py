"""The bundle to take home: a network that no longer needs archstudy, checked against the one that was trained."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from searchspace.core import Network
from worker import build, checkpoint, data
from worker.datasource import DataSpec, describe
from worker.source import source

BLUEPRINT, MODEL, WEIGHTS, CARD = "blueprint.yaml", "model.py", "weights.safetensors", "card.md"
FILES = {BLUEPRINT, MODEL, WEIGHTS, CARD}
TOLERANCE = 1e-5
CHECKED = 64
"""Validation images that every form of the network must agree on."""


@dataclass(frozen=True)
class Parts:
    """What goes into a bundle: the network, where its weights are, its data, and the texts that go with it.

    `folder` is the trial's checkpoint folder, `blueprint` the YAML text, `about` the first sentences of model.py.
    """

    network: Network
    folder: Path
    data: DataSpec
    task: str
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
    if names and names != FILES:
        raise ValueError(f"{target}: this exists and is not a bundle of ours; choose another folder or remove it")


def _fill(folder: Path, parts: Parts) -> None:
    facts = describe(parts.data, parts.task)
    statistics = data.load(parts.data, parts.task).statistics
    (folder / BLUEPRINT).write_text(parts.blueprint, encoding="utf-8")
    (folder / MODEL).write_text(source(parts.network, statistics, facts.labels, parts.about), encoding="utf-8")
    (folder / CARD).write_text(parts.card, encoding="utf-8")
    weights = {name: value.contiguous() for name, value in checkpoint.weights(parts.folder).items()}
    safetensors.torch.save_file(weights, folder / WEIGHTS)


def _check(folder: Path, parts: Parts) -> None:
    """Raw images through model.py must give what the trained module gives for the same images, standardized by us."""
    splits = data.load(parts.data, parts.task)
    raw = data.raw_images(parts.data, parts.task, "validation", CHECKED)
    ours = build.module(parts.network)
    ours.load_state_dict(checkpoint.weights(parts.folder))
    wanted = outputs(ours, splits.validation_x[:CHECKED])
    model = read(folder)
    for form, got in {
        "model.py": outputs(model["load"](folder / WEIGHTS), splits.validation_x[:CHECKED]),
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
