"""Data: facts without torch, refusals with a cure, a split that never moves, statistics of the training part only."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from worker import data
from worker.datasource import DataFacts, DataSpec, describe, resolved

DIGITS = DataSpec(source="digits")
DIGITS_SPLIT = "997de50f4dab15e3"
"""The first digits of the SHA-256 of the three parts' indices: it may never change, or old results mean nothing."""


def saved(folder: Path, **arrays: Any) -> DataSpec:
    np.savez(folder / "set.npz", **arrays)
    return DataSpec(source=f"arrays:{folder / 'set.npz'}")


def labels(count: int, classes: int = 3) -> np.ndarray:
    return np.arange(count) % classes


def test_digits_facts_are_those_of_the_data() -> None:
    facts = describe(DIGITS, "classification")
    x, y = data._source(DIGITS, "classification")
    assert facts == DataFacts((1, 8, 8), 10, 1797, tuple("0123456789"))
    assert (x.shape, sorted(set(y.tolist()))) == ((1797, 8, 8, 1), list(range(10)))


@pytest.mark.parametrize(
    ("shape", "image", "expected"),
    [
        ((9, 20), None, (1, 20)),
        ((9, 6, 7), None, (1, 6, 7)),
        ((9, 6, 7), [6, 7], (7, 6)),
        ((9, 6, 7, 3), None, (3, 6, 7)),
        ((9, 6, 7, 3), [6, 7, 3, 1], (1, 6, 7, 3)),
        ((9, 4, 5, 6, 2), None, (2, 4, 5, 6)),
    ],
)
def test_shapes_of_arrays(tmp_path: Path, shape: tuple, image: list | None, expected: tuple) -> None:
    spec = saved(tmp_path, x=np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), y=labels(9))
    spec = DataSpec.model_validate(spec.model_dump() | {"image": image})
    assert describe(spec, "classification") == DataFacts(expected, 3, 9, ("0", "1", "2"))
    assert data.load(spec, "classification").train_x.shape[1:] == expected


def test_planning_without_the_file() -> None:
    spec = DataSpec.model_validate({"source": "arrays:later.npz", "image": [32, 32, 3], "classes": 10})
    assert describe(spec, "classification") == DataFacts((3, 32, 32), 10, 0, tuple("0123456789"))
    with pytest.raises(ValueError, match="there is no such file"):
        data.load(spec, "classification")


X = np.zeros((6, 4, 4), np.uint8)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no y": ({"x": X}, "'y' is missing; save it with"),
    "lengths": ({"x": X, "y": labels(5)}, "differ in length; save one y for each x"),
    "empty": ({"x": X[:0], "y": labels(0)}, "0 examples cannot be split; save at least 5"),
    "empty axis": ({"x": X[:, :, :0], "y": labels(6)}, "has an empty axis"),
    "one class": ({"x": X, "y": np.zeros(6, int)}, "every label is 0; classification needs two classes"),
    "negative": ({"x": X, "y": labels(6) - 1}, "a label is -1; number the classes from 0"),
    "floats": ({"x": X, "y": labels(6) / 2}, "save x as numbers and y as integers"),
    "objects": ({"x": X.astype(object), "y": labels(6)}, "x of object"),
    "one-hot": ({"x": X, "y": np.eye(6, dtype=int)}, "is not one label for each example"),
    "scalars": ({"x": np.zeros(6), "y": labels(6)}, "save \\(N, \\*map size, channels\\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    arrays, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        describe(saved(tmp_path, **arrays), "classification")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("x,y")
    with pytest.raises(ValueError, match="this is not an npz file"):
        describe(DataSpec(source=f"arrays:{tmp_path}/text.npz"), "classification")
    with pytest.raises(ValueError, match="this is not an npz file"):
        describe(DataSpec(source=f"arrays:{tmp_path}"), "classification")
    spec = saved(tmp_path, x=X, y=labels(6))
    with pytest.raises(ValueError, match="a label is 2, but classes: 2 allows 0 to 1"):
        describe(spec.model_copy(update={"classes": 2}), "classification")
    with pytest.raises(ValueError, match="holds no"):
        describe(spec.model_copy(update={"image": (5, 4, 1)}), "classification")


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    spec = saved(tmp_path, x=np.full((6, 4, 4), np.nan), y=labels(6))
    with pytest.raises(ValueError, match="some values are not finite; remove or replace them"):
        data.load(spec, "classification")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("hf:cifar10", "digits and arrays:<file>.npz only"),
        ("mnist", "unknown source 'mnist'; write"),
        ("arrays:", "unknown source"),
    ],
)
def test_sources_of_other_versions(source: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSpec(source=source)


def test_digits_are_classes() -> None:
    with pytest.raises(ValueError, match="write task: classification"):
        describe(DIGITS, "regression")
    with pytest.raises(ValueError, match="remove image and classes"):
        describe(DataSpec(source="digits", classes=9), "classification")


def test_paths_start_at_the_study(tmp_path: Path) -> None:
    assert resolved(DataSpec(source="arrays:a/b.npz"), tmp_path).source == f"arrays:{tmp_path}/a/b.npz"
    assert resolved(DataSpec(source="arrays:/c.npz"), tmp_path).source == "arrays:/c.npz"
    assert resolved(DIGITS, tmp_path) == DIGITS


def test_the_split_of_digits_never_moves() -> None:
    _, y = data._source(DIGITS, "classification")
    parts = data.split(y, "classification")
    text = ";".join(f"{name}:{','.join(map(str, parts[name]))}" for name in ("train", "validation", "test"))
    assert {name: len(index) for name, index in parts.items()} == {"train": 1077, "validation": 360, "test": 360}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(1797))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == DIGITS_SPLIT


@pytest.mark.parametrize("seed", range(20))
def test_splits_are_disjoint_whole_and_stratified(seed: int) -> None:
    random = np.random.default_rng(seed)
    y = random.integers(0, random.integers(2, 12), random.integers(5, 400))
    parts = data.split(y, "classification")
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(y)))
    for name, share in {"test": 0.2, "validation": 0.2, "train": 0.6}.items():
        for label in range(y.max() + 1):
            assert abs((y[parts[name]] == label).sum() - share * (y == label).sum()) < 2


def test_statistics_are_of_the_training_part() -> None:
    splits = data.load(DIGITS, "classification")
    raw = data.raw_images(DIGITS, "classification", "train", 10_000)
    assert splits.statistics.mean == pytest.approx([raw.mean()])
    assert splits.statistics.std == pytest.approx([raw.std()])
    assert splits.train_x.mean().item() == pytest.approx(0, abs=1e-5)
    assert splits.train_x.std().item() == pytest.approx(1, abs=1e-3)
    assert abs(splits.validation_x.mean().item()) > 1e-5


def test_a_constant_channel_is_left_alone(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (20, 4, 4, 2), dtype=np.uint8)
    x[..., 1] = 7
    splits = data.load(saved(tmp_path, x=x, y=labels(20)), "classification")
    assert splits.statistics.std[1] == 1.0
    assert splits.train_x.isfinite().all()
    assert (splits.train_x[:, 1] == 0).all()


def test_tensors_are_ready_to_train_on() -> None:
    splits = data.load(DIGITS, "classification")
    assert splits.train_x.dtype == torch.float32
    assert splits.train_y.dtype == torch.int64
    assert splits.train_x.is_contiguous(memory_format=torch.channels_last)
    assert data.load(DIGITS, "classification") is splits


def test_the_test_part_has_its_own_door() -> None:
    x, y = data.open_test(DIGITS, "classification")
    splits = data.load(DIGITS, "classification")
    raw = data.raw_images(DIGITS, "classification", "test", 360)
    assert (x.shape, y.shape) == ((360, 1, 8, 8), (360,))
    assert torch.equal(x, data.standardized(raw, splits.statistics))


@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_regression_targets(tmp_path: Path, shape: tuple) -> None:
    spec = saved(tmp_path, x=np.zeros((20, 16)), y=np.linspace(0, 1, int(np.prod(shape))).reshape(shape))
    facts, splits = describe(spec, "regression"), data.load(spec, "regression")
    assert (facts.outputs, facts.labels) == (shape[1] if len(shape) > 1 else 1, ())
    assert splits.train_y.shape == (12, facts.outputs)
    assert splits.train_y.dtype == torch.float32
