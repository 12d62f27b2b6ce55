"""Write a bundle whole, check it, and only then put it in its place."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from searchspace.core import Network
from searchspace.dense import Sliding, dense, sliding
from worker import build, data, trainer
from worker.bundle import checking, forms, preprocessing, units
from worker.bundle.contents import ARRAYS, BLUEPRINT, FILES, MODEL, OPTIONAL, PREDICT, PREPROCESS, Evidence, Parts
from worker.datasource import DataSpec, describe
from worker.inputs import Transform
from worker.recipe import Recipe, loss_name
from worker.source import source
from worker.training.run import Run

SEEN = 1_024
"""Examples that tell the range of raw values, and that preprocessing is checked with."""


def write(target: Path, parts: Parts) -> tuple[Path, Evidence]:
    """Write and check the whole bundle beside `target`, then put it there; only an older bundle is ever replaced."""
    _refuse_other(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as work:
        new, old = Path(work) / "new", Path(work) / "old"
        new.mkdir()
        evidence = _made(new, parts)
        for name, text in parts.texts(evidence).items():
            (new / name).write_text(text, encoding="utf-8")
        if target.exists():
            target.rename(old)
        new.rename(target)
    return target, evidence


def _refuse_other(target: Path) -> None:
    if not target.exists():
        return
    names = {path.name for path in target.iterdir()} if target.is_dir() else {target.name}
    names -= {"__pycache__"}  # which importing model.py leaves behind
    if names and not (names >= FILES and names <= FILES | OPTIONAL):
        raise ValueError(f"{target}: this exists and is not a bundle of ours; choose another folder or remove it")


def _made(folder: Path, parts: Parts) -> Evidence:
    """Everything but the card and its pictures, checked."""
    run, task = trainer.finished(parts.job), parts.job.task
    spec = DataSpec.model_validate(parts.job.data)
    network, slides = _network(parts, run.splits.transform)
    _fill(folder, parts, run, network, slides)
    shape = network.input
    larger = tuple(2 * n + 1 for n in shape[1:]) if slides else None
    forms.export(folder, shape, larger, parts.without)
    if run.views:
        checking.same_as_row(trainer.validate(parts.job), parts, run.splits.validation.y.cpu())
    evidence = checking.checked(folder, parts, run)
    raw = data.raw_images(spec, task, "validation", SEEN)
    x = next(iter(run.splits.validation.in_order(len(raw))))[0]
    more = checking.preprocessed(folder, raw, x) | (checking.slides(folder, slides, x) if slides else {})
    return replace(
        evidence,
        differences={**evidence.differences, **more},
        sliding=slides,
        without=tuple(sorted(parts.without)),
    )


def _network(parts: Parts, transform: Transform) -> tuple[Network, Sliding | None]:
    """The network that the bundle holds, and how it slides if it is to."""
    network = trainer.network_of(parts.job)
    if not parts.dense:
        return network, None
    if transform.matrix is not None or transform.order is not None:
        raise ValueError(
            f"--dense: inputs of kind {transform.kind} are prepared as a whole, so a window cannot slide over larger "
            "ones; train with standardized inputs"
        )
    return dense(network), sliding(network)


def _fill(folder: Path, parts: Parts, run: Run, network: Network, slides: Sliding | None) -> None:
    spec, task = DataSpec.model_validate(parts.job.data), parts.job.task
    facts, transform = describe(spec, task), run.splits.transform
    raw = data.raw_images(spec, task, "train", SEEN)
    loss = loss_name(Recipe.model_validate(parts.job.recipe), task)
    told = preprocessing.told(facts, transform, loss, raw, spec.resize or "crop", slides is not None)
    text = source(network, transform, facts.labels, parts.about, slides is not None)
    (folder / BLUEPRINT).write_text(parts.blueprint, encoding="utf-8")
    (folder / MODEL).write_text(text, encoding="utf-8")
    (folder / PREDICT).write_text(files("worker.bundle").joinpath(PREDICT).read_text(encoding="utf-8"))
    if constants := preprocessing.arrays(transform):
        (folder / ARRAYS).write_bytes(constants)
    unit = run.splits.target
    weights = forms.weights_of(run.model, build.module(network))
    folded = unit is not None and units.fold(weights, network, unit)
    forms.save_weights(weights, folder)
    told["unit"] = None if unit is None or folded else {"mean": unit.mean, "std": unit.std}
    (folder / PREPROCESS).write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
