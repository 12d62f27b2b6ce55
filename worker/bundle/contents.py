"""What a bundle is made of: the names of its files, what goes in, and what checking it found out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from searchspace.dense import Sliding
from worker.job import Job

BLUEPRINT, MODEL, WEIGHTS, ONNX, PT2 = "blueprint.yaml", "model.py", "weights.safetensors", "model.onnx", "model.pt2"
PREPROCESS, ARRAYS, PREDICT = "preprocess.json", "preprocess.safetensors", "predict.py"
CARD, CONFUSION = "card.md", "confusion.svg"
FILES = {BLUEPRINT, MODEL, WEIGHTS, PREPROCESS, PREDICT, CARD}
"""What every bundle holds."""
OPTIONAL = {ONNX, PT2, ARRAYS, CONFUSION, "dense.svg"}
"""What most hold: exported forms unless they were left out, large constants, a classifier's picture."""
FORMS = {"onnx": ONNX, "pt2": PT2}
"""The forms that may be left out, by the names that `--without` takes."""
OPSET = 20
"""Of ONNX; ONNX Runtime reads it since 1.17."""


@dataclass(frozen=True)
class Evidence:
    """What the exported network does with the validation part, and how far its forms are from the trained module.

    `confusion[i][j]` counts examples of class i that were taken for j. `errors` has, for regression, a row for each
    output: mean absolute error, root of the mean square error, and the deviation of the targets.
    """

    examples: int
    metrics: Mapping[str, float]
    differences: Mapping[str, float]
    confusion: tuple[tuple[int, ...], ...] = ()
    errors: tuple[tuple[float, float, float], ...] = ()
    sliding: Sliding | None = None
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """What goes into a bundle: the job whose final weights it takes, and the texts that go with it.

    `blueprint` is the YAML text, `about` the first sentences of model.py, `metrics` what the trial's row says of its
    last epoch: the weights must give it again. `texts` writes the card and its pictures, by file name, from the
    evidence. A `dense` bundle holds the network in its fully convolutional form. `rounding` is the relative error of
    the device and the precision that measured the row.
    """

    job: Job
    metrics: Mapping[str, float]
    blueprint: str
    about: str
    texts: Callable[[Evidence], Mapping[str, str]]
    dense: bool = False
    without: frozenset[str] = frozenset()
    rounding: float = 1e-6
