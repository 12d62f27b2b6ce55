"""Checkpoints: `<folder>/<attempt>/epoch-0005/` with `state.safetensors` and `checkpoint.json`. No pickle.

Each is written whole (a temporary folder, fsync, rename) and holds all that a resume needs: named tensors, the history
of epochs, and what was found out on the way. Random streams are derived anew for each epoch, so no generator's state
is kept.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from worker.job import EpochMetrics

STATE, FACTS = "state.safetensors", "checkpoint.json"
KEPT = 2
"""The newest and the one before it, in case the newest is damaged."""


@dataclass(frozen=True)
class Checkpoint:
    """The state at the end of `epoch`; `tensors` are named `weights/conv.bias`, `optimizer/conv.bias/exp_avg`, ...

    `identity` names what was trained, so that a folder left by another study is not taken for this one's. A `final`
    checkpoint has only the weights that the trial ends with. `facts` are JSON; `torch` is the version that computed it.
    """

    epoch: int
    identity: str
    tensors: Mapping[str, Tensor]
    history: tuple[EpochMetrics, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)
    final: bool = False
    torch: str = str(torch.__version__)

    @property
    def weights(self) -> dict[str, Tensor]:
        """The module's state_dict."""
        return under("weights/", self.tensors)


def claim(folder: Path) -> Path:
    """A new attempt's folder, numbered from 1, that no other worker can have: mkdir succeeds for one of them only."""
    folder.mkdir(parents=True, exist_ok=True)
    number = max(_attempts(folder), default=0)
    while True:
        number += 1
        attempt = folder / str(number)
        try:
            attempt.mkdir()
        except FileExistsError:
            continue
        return attempt


def save(attempt: Path, checkpoint: Checkpoint) -> Path:
    """Write it whole, then drop what is older than the one before it. An OSError (a full disk) leaves no trace."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in checkpoint.tensors.items()}
    state = safetensors.torch.save(tensors)
    final, temporary = attempt / f"epoch-{checkpoint.epoch:04d}", attempt / f".epoch-{checkpoint.epoch:04d}"
    try:
        temporary.mkdir()
        _write(temporary / STATE, state)
        _write(temporary / FACTS, json.dumps(_facts(checkpoint, state), indent=1, allow_nan=False).encode())
        _sync(temporary)
        temporary.rename(final)
        _sync(attempt)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    for older in sorted(attempt.glob("epoch-*"), key=_epoch)[:-KEPT]:
        shutil.rmtree(older, ignore_errors=True)
    return final


def load(path: Path) -> Checkpoint:
    """The checkpoint in one epoch's folder; a ValueError if it is torn or damaged."""
    try:
        facts, state = json.loads((path / FACTS).read_bytes()), (path / STATE).read_bytes()
        if hashlib.sha256(state).hexdigest() != facts["sha256"]:
            raise ValueError("its hash is not the one that was written")
        tensors, history = safetensors.torch.load(state), tuple(_epoch_metrics(row) for row in facts["history"])
        known = (facts[name] for name in ("facts", "final", "torch"))
        return Checkpoint(facts["epoch"], facts["identity"], tensors, history, *known)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: the checkpoint cannot be used ({error}); delete it") from error


def latest(folder: Path, identity: str | None = None) -> Checkpoint | None:
    """The newest whole checkpoint of all attempts, without damaged ones and those of another identity (None: any)."""
    for path in _newest_first(folder):
        try:
            checkpoint = load(path)
        except ValueError:
            continue
        if identity in (None, checkpoint.identity):
            return checkpoint
    return None


def _facts(checkpoint: Checkpoint, state: bytes) -> dict[str, Any]:
    return {
        "epoch": checkpoint.epoch,
        "identity": checkpoint.identity,
        "sha256": hashlib.sha256(state).hexdigest(),
        "torch": checkpoint.torch,
        "final": checkpoint.final,
        "facts": checkpoint.facts,
        "history": [_row(told) for told in checkpoint.history],
    }


def _row(told: EpochMetrics) -> dict[str, Any]:
    metrics = {name: _number(value) for name, value in told.metrics.items()}
    row = {"epoch": told.epoch, "metrics": metrics, "train_seconds": told.train_seconds}
    return row if told.measured is None else row | {"measured": told.measured}


def _number(value: float) -> float | str:
    """JSON has no infinity: such a value is written as its name, and float() reads both."""
    return value if math.isfinite(value) else repr(value)


def _epoch_metrics(row: dict[str, Any]) -> EpochMetrics:
    metrics = {name: float(value) for name, value in row["metrics"].items()}
    return EpochMetrics(row["epoch"], metrics, row["train_seconds"], measured=row.get("measured"))


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Those whose names begin so, without the beginning."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _attempts(folder: Path) -> Iterator[int]:
    return (int(path.name) for path in folder.iterdir() if path.name.isdigit())


def _newest_first(folder: Path) -> list[Path]:
    paths = [path for path in folder.glob("*/epoch-*") if path.parent.name.isdigit() and path.name[6:].isdigit()]
    return sorted(paths, key=lambda path: (_epoch(path), int(path.parent.name)), reverse=True)


def _epoch(path: Path) -> int:
    return int(path.name.removeprefix("epoch-"))


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """A rename lasts through a power cut only after its folder is synced."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
