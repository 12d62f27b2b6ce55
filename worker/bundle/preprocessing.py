"""preprocess.json: how a file becomes the network's input, and what its outputs mean. predict.py reads it."""

from __future__ import annotations

from typing import Any

import numpy as np
import safetensors.numpy

from worker.datasource import DataFacts
from worker.inputs import Transform

FORMAT = 1
SMALL = ("mean", "std")
"""What of a transform stands in the JSON itself; arrays stand in preprocess.safetensors."""
MODES = {1: "L", 3: "RGB"}
"""Pillow's names of the images with so many channels."""
SCORES = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}
Array = np.ndarray[Any, np.dtype[Any]]


def told(facts: DataFacts, transform: Transform, loss: str, raw: Array, resize: str, dense: bool) -> dict[str, Any]:
    """What preprocess.json says; `raw` are examples as the source has them, whose range images are brought to."""
    constants = transform.constants()
    return {
        "format": FORMAT,
        "input": list(facts.shape),
        "outputs": facts.outputs,
        "labels": list(facts.labels),
        "scores": SCORES.get(loss, "none"),
        "dense": dense,
        "image": _image(facts, raw, resize),
        "transform": {"kind": transform.kind, **{name: np.asarray(constants[name]).tolist() for name in SMALL}},
    }


def _image(facts: DataFacts, raw: Array, resize: str) -> dict[str, Any] | None:
    """How an image file becomes raw values: 0 to 255 are brought to 0 to `high`; None where it would be a guess."""
    channels, *size = facts.shape
    high = _brightest(raw)
    return (
        {"mode": MODES[channels], "high": high, "resize": resize}
        if len(size) == 2 and channels in MODES and high
        else None
    )


def _brightest(raw: Array) -> float | None:
    """What white is among these values: 255, 16 (the digits'), 1, or unknown."""
    low, high = float(raw.min()), float(raw.max())
    if low < 0 or high > 255 or not high:
        return None
    whole = bool((raw == np.floor(raw)).all())
    return 1.0 if high <= 1 else 16.0 if whole and high == 16 else 255.0 if whole else None


def arrays(transform: Transform) -> bytes | None:
    """The transform's large constants as a safetensors file, if it has any."""
    large = {
        name: np.ascontiguousarray(value)
        for name, value in transform.constants().items()
        if name not in SMALL and not isinstance(value, str)
    }
    return safetensors.numpy.save(large) if large else None
