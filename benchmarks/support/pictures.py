"""Pictures of 32x32x3 for the benchmarks: CIFAR-10 where its parquet files are, and synthetic ones where not."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np

CIFAR = "ARCHSTUDY_CIFAR10"
"""The environment variable that names the folder of CIFAR-10's parquet files (columns `img` and `label`)."""


def cifar_folder(given: str | None) -> Path | None:
    """The folder that an option or the environment names."""
    named = given or os.environ.get(CIFAR)
    return Path(named).absolute() if named else None


def pictures(folder: Path | None, count: int) -> tuple[Any, Any, str]:
    """(x, y, what it is): the first `count` training pictures, uint8 (count, 32, 32, 3), and their labels."""
    return (*read(folder, count), "CIFAR-10") if folder else (*synthetic(count), "synthetic pictures")


def read(folder: Path, count: int) -> tuple[Any, Any]:
    """From the first training file, decoded one by one."""
    from PIL import Image
    from pyarrow import parquet

    table = parquet.read_table(min(folder.glob("train-*.parquet")), columns=["img", "label"]).slice(0, count)
    images = (Image.open(io.BytesIO(row["bytes"])) for row in table["img"].to_pylist())
    return np.stack([np.asarray(image.convert("RGB")) for image in images]), np.array(table["label"].to_pylist())


def synthetic(count: int) -> tuple[Any, Any]:
    """Ten classes of gratings under noise, by a fixed seed: the shape of CIFAR-10, not its difficulty."""
    draw, (down, right) = np.random.default_rng(0), np.mgrid[:32, :32]
    y = np.arange(count) % 10
    angle = (y * np.pi / 10)[:, None, None, None]
    phase = draw.uniform(0, 2 * np.pi, (count, 1, 1, 3))
    wave = np.cos((np.cos(angle) * down[..., None] + np.sin(angle) * right[..., None]) * 0.7 + phase)
    return np.clip(128 + 50 * wave + draw.normal(0, 40, (count, 32, 32, 3)), 0, 255).astype(np.uint8), y
