"""Small sets of real image files, as folders and as parquet files."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

NAMES = ("cat", "dog", "eel")


def picture(seed: int, size: tuple[int, int] = (8, 8), channels: int = 3) -> np.ndarray:
    """Random uint8 pixels, (H, W) or (H, W, 3)."""
    shape = size if channels == 1 else (*size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def encoded(pixels: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """The pixels as an image file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


def folder(root: Path, count: int = 10, part: str = "", first: int = 0, **picture_fields: Any) -> Path:
    """`count` PNG files for each of the three classes, below `part`; returns the root."""
    for number, label in enumerate(NAMES):
        place = root / part / label
        place.mkdir(parents=True)
        for index in range(count):
            pixels = picture(first + 1000 * number + index, **picture_fields)
            (place / f"{index:03}.png").write_bytes(encoded(pixels))
    return root


def parquet(
    file: Path,
    count: int = 30,
    first: int = 0,
    names: tuple[str, ...] | None = NAMES,
    kind: str = "PNG",
    columns: tuple[str, str] = ("img", "label"),
    **table: Any,
) -> list[bytes]:
    """A file in the hub's layout, rows' labels in turn; returns the images' bytes. `table` replaces columns."""
    contents = [encoded(picture(first + row), kind) for row in range(count)]
    features: dict[str, Any] = {columns[0]: {"_type": "Image"}}
    if names:
        features[columns[1]] = {"names": list(names), "_type": "ClassLabel"}
    data = {
        columns[0]: [{"bytes": content, "path": None} for content in contents],
        columns[1]: [row % len(NAMES) for row in range(count)],
    }
    metadata = {"huggingface": json.dumps({"info": {"features": features}})} if names else None
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(data | table).replace_schema_metadata(metadata), file, row_group_size=7)
    return contents
