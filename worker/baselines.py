"""What a convolutional network must beat: models that know nothing of space, and hand-made features, by scikit-learn.

`majority`: the most frequent class, with the classes' shares as probabilities; for regression the mean target.
`logistic`: multinomial logistic regression, or ridge regression. `mlp`: one hidden layer. `hog_svm`: histograms of
oriented gradients (Dalal & Triggs 2005) under a linear support vector machine, for images alone.

All read what the networks read: the same training and validation parts, standardized. Their sizes and penalties are
fixed here; nothing is tuned, nothing looks at the validation part while it is fitted. A support vector machine gives
no probabilities: as a classifier it has no loss, only an accuracy.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import sklearn
import torch
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from threadpoolctl import threadpool_limits
from torch import Tensor

from worker import data
from worker.data import Part
from worker.datasource import DataSpec
from worker.job import EpochMetrics, Job, TrainingFailed
from worker.metrics import metric_names

Array = np.ndarray[Any, np.dtype[Any]]
MOST = 10_000
"""Training examples of the multilayer perceptron and the support vector machine, whose time grows fastest."""
MOST_VALUES = 1 << 28
"""Values of all training examples together, 1 GiB of float32, that are held at once."""
HIDDEN, PASSES = 256, 100
"""Units of the perceptron's hidden layer, and how often it sees every example at most."""
ITERATIONS = 300
"""Of the logistic regression's L-BFGS, at most."""
BATCH = 512
"""Examples that are read, or predicted, at once."""
ORIENTATIONS, CELLS, CLIPPED, LEAST_SIDE = 9, 8, 0.2, 4
"""Of a histogram: bins over 180 degrees, cells along the shorter side, L2-Hys' threshold; and the smallest image."""
LEARNED = ("coef_", "intercept_", "coefs_", "intercepts_", "class_prior_", "constant_")
"""Where scikit-learn keeps what was fitted."""


@dataclass(frozen=True)
class Kind:
    """A baseline: what it reads of a batch (None: nothing), what is fitted for a seed, and on how many examples.

    A regressor is told the number of outputs too.
    """

    features: Callable[[Tensor], Array] | None
    classifier: Callable[[int], Any]
    regressor: Callable[[int, int], Any]
    most: int | None = None


def baseline(job: Job) -> EpochMetrics:
    """Fit the baseline that the job names: `train_` and `val_` metrics; `measured` has its params and notes.

    The training values are of the examples that it was fitted on. The loss is cross-entropy or the mean squared error,
    whatever the study's recipe minimizes.
    """
    name, kind = job.recipe["baseline"], KINDS[job.recipe["baseline"]]
    splits = data.load(DataSpec.model_validate(job.data), job.task)
    shape, outputs = splits.facts.shape, splits.facts.outputs
    if name == "hog_svm":
        check_image(shape)
    index = chosen(kind, splits.train, job.task, math.prod(shape))
    with threadpool_limits(job.threads):
        started = time.perf_counter()
        model, notes = fitted(kind, splits.train, index, job)
        seconds = time.perf_counter() - started
        train = measured(model, kind, splits.train, index, job.task, outputs)
        validation = measured(model, kind, splits.validation, None, job.task, outputs)
    found = dict(zip(metric_names(job.task), (*train, *validation), strict=True))
    facts = {"baseline": name, "params": params(model), "examples": len(index), "sklearn": sklearn.__version__}
    if len(index) < len(splits.train):
        notes = (f"fitted on {len(index):,} of {len(splits.train):,} training examples", *notes)
    metrics = {metric: value for metric, value in found.items() if value is not None}
    return EpochMetrics(1, metrics, seconds, measured=facts | ({"notes": list(notes)} if notes else {}))


def chosen(kind: Kind, part: Part, task: str, values: int) -> Tensor:
    """The training examples that it is fitted on: all that it can take, each class in its share."""
    read = CELLS * CELLS * 4 * ORIENTATIONS if kind.features is histograms else values
    room = MOST_VALUES // read if kind.features else len(part)
    most = min(len(part), kind.most or len(part), max(room, 1))
    return data.subset(part.y, task, most) if most < len(part) else torch.arange(len(part))


def fitted(kind: Kind, part: Part, index: Tensor, job: Job) -> tuple[Any, tuple[str, ...]]:
    """The fitted model, and what scikit-learn had to say."""
    seed, y = job.seed % 2**32, part.y[index].cpu().numpy()
    model = kind.classifier(seed) if job.task == "classification" else kind.regressor(seed, y.shape[1])
    x = np.concatenate([features for features, _ in read(kind, part, index)])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        model.fit(x, y)
    return model, tuple(dict.fromkeys(str(one.message).strip().splitlines()[0] for one in said))


def read(kind: Kind, part: Part, index: Tensor | None) -> Iterator[tuple[Array, Array]]:
    """(features, targets) of batches of these examples, or of all."""
    index = torch.arange(len(part)) if index is None else index
    if kind.features is None:
        yield np.zeros((len(index), 1), np.float32), part.y[index].cpu().numpy()
        return
    for x, y in part.batches(torch.split(index, BATCH)):
        yield kind.features(x.cpu()), y.cpu().numpy()


def measured(
    model: Any, kind: Kind, part: Part, index: Tensor | None, task: str, outputs: int
) -> tuple[float | None, float]:
    """Loss (None: there is none) and accuracy, or mean squared and mean absolute error, over these examples."""
    sums, count = np.zeros(2), 0
    for x, y in read(kind, part, index):
        sums += classified(model, x, y, outputs) if task == "classification" else estimated(model, x, y)
        count += len(y)
    loss, other = (sums / count).tolist()
    return None if math.isnan(loss) else loss, other


def classified(model: Any, x: Array, y: Array, outputs: int) -> tuple[float, float]:
    """Summed cross-entropy, NaN without probabilities, and how many are right. Log 0 is cut at float64's epsilon."""
    right = float((model.predict(x) == y).sum())
    if not hasattr(model, "predict_proba"):
        return math.nan, right
    probabilities = np.zeros((len(x), outputs))
    probabilities[:, model.classes_] = model.predict_proba(x)
    told = probabilities[np.arange(len(y)), y]
    return -float(np.log(np.maximum(told, np.finfo(np.float64).eps)).sum()), right


def estimated(model: Any, x: Array, y: Array) -> tuple[float, float]:
    """Summed squared and absolute errors, each the mean over an example's outputs."""
    error = model.predict(x).reshape(y.shape) - y
    return float(np.square(error).mean(1).sum()), float(np.abs(error).mean(1).sum())


def params(model: Any) -> int:
    """How many numbers were fitted."""
    inner = getattr(model, "regressor_", model)
    models = getattr(inner, "estimators_", None) or [inner]
    found = [getattr(one, key) for one in models for key in LEARNED if hasattr(one, key)]
    return sum(np.size(part) for value in found for part in (value if isinstance(value, list) else [value]))


def check_image(shape: tuple[int, ...]) -> None:
    """Refuse what has no cells of pixels."""
    if len(shape) != 3 or min(shape[1:]) < LEAST_SIDE:
        what = "x".join(map(str, shape))
        reason = f"baselines: hog_svm needs images of {LEAST_SIDE}x{LEAST_SIDE} or more, but the examples are {what}"
        raise TrainingFailed("error", f"{reason}; leave it out")


# ---- what they read ------------------------------------------------------------------------------------------------


def flat(x: Tensor) -> Array:
    """Every value of an example, (n, values)."""
    return x.flatten(1).numpy()


def histograms(x: Tensor) -> Array:
    """Histograms of oriented gradients of images (n, C, h, w): (n, blocks * 4 * 9) float32.

    Dalal & Triggs (2005), section 6: centred differences [-1, 0, 1] without smoothing, of the channel with the largest
    gradient at each pixel; votes of its magnitude shared between the two nearest of 9 unsigned orientations; blocks of
    2x2 cells that overlap by one, each scaled to length 1, cut at 0.2 and scaled again (L2-Hys). Cells are an eighth
    of the shorter side, 2 pixels at least (the paper: 8 pixels), and votes are not shared between cells.
    """
    side = max(2, min(x.shape[-2:]) // CELLS)
    magnitude, bins = _gradients(x.numpy())
    rows, columns = magnitude.shape[1] // side, magnitude.shape[2] // side
    cells = np.zeros((len(x), rows, columns, ORIENTATIONS), np.float32)
    lower = np.floor(bins)
    for place, weight in ((lower, 1 - (bins - lower)), (lower + 1, bins - lower)):
        for orientation in range(ORIENTATIONS):
            votes = np.where(place.astype(int) % ORIENTATIONS == orientation, magnitude * weight, 0.0)
            kept = votes[:, : rows * side, : columns * side].reshape(len(x), rows, side, columns, side)
            cells[..., orientation] += kept.sum((2, 4))
    corners = (cells[:, :-1, :-1], cells[:, :-1, 1:], cells[:, 1:, :-1], cells[:, 1:, 1:])
    blocks = _unit(np.minimum(_unit(np.concatenate(corners, -1)), CLIPPED))
    features: Array = blocks.reshape(len(x), -1)
    return features


def _gradients(x: Array) -> tuple[Array, Array]:
    """(magnitude, orientation in bins, from the middle of the first) at every pixel, (n, h, w)."""
    down, right = np.zeros_like(x), np.zeros_like(x)
    down[:, :, 1:-1] = x[:, :, 2:] - x[:, :, :-2]
    right[..., 1:-1] = x[..., 2:] - x[..., :-2]
    magnitude = np.hypot(down, right)
    strongest = magnitude.argmax(1)[:, None]
    down, right, magnitude = (np.take_along_axis(part, strongest, 1)[:, 0] for part in (down, right, magnitude))
    angle = np.arctan2(down, right) / np.pi % 1.0
    return magnitude, angle * ORIENTATIONS - 0.5


def _unit(blocks: Array) -> Array:
    """Each block over its length; an even one stays zero."""
    length: Array = np.sqrt(np.square(blocks).sum(-1, keepdims=True) + 1e-10)
    return blocks / length


# ---- what is fitted ------------------------------------------------------------------------------------------------


def _scaled(model: Any) -> Any:
    """A model of targets that are standardized while it is fitted, so that penalties mean the same in any unit."""
    return TransformedTargetRegressor(model, transformer=StandardScaler())


def _perceptron(kind: Any, seed: int) -> Any:
    return kind(hidden_layer_sizes=(HIDDEN,), batch_size=64, max_iter=PASSES, early_stopping=False, random_state=seed)


def _vector_machine(seed: int, outputs: int) -> Any:
    one = LinearSVR(random_state=seed)
    return one if outputs == 1 else MultiOutputRegressor(one)


KINDS: dict[str, Kind] = {
    "majority": Kind(None, lambda seed: DummyClassifier(strategy="prior"), lambda seed, outputs: DummyRegressor()),
    "logistic": Kind(
        flat, lambda seed: LogisticRegression(max_iter=ITERATIONS), lambda seed, outputs: _scaled(Ridge())
    ),
    "mlp": Kind(
        flat,
        lambda seed: _perceptron(MLPClassifier, seed),
        lambda seed, outputs: _scaled(_perceptron(MLPRegressor, seed)),
        MOST,
    ),
    "hog_svm": Kind(
        histograms,
        lambda seed: LinearSVC(random_state=seed),
        lambda seed, outputs: _scaled(_vector_machine(seed, outputs)),
        MOST,
    ),
}
