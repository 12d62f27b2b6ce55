"""Baselines are what their names say: checked against closed forms and a slow copy of the paper's words."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from worker import baselines, data
from worker.baselines import KINDS, baseline, histograms
from worker.datasource import DataSpec
from worker.job import EpochMetrics, Job, TrainingFailed
from worker.metrics import metric_names

DIGITS = {"source": "digits"}


def fit(name: str, source: dict[str, Any], task: str = "classification", seed: int = 7) -> EpochMetrics:
    return baseline(Job(-1, {}, {"baseline": name}, source, task, seed, "/nowhere", mode="baseline"))


def saved(path: Path, x: Any, y: Any) -> dict[str, Any]:
    np.savez(path, x=x, y=y)
    return {"source": f"arrays:{path}"}


def lines(path: Path, outputs: int = 1) -> dict[str, Any]:
    """Series of 6 values, and targets in their thousands that are a linear function of them."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(600, 6))
    return saved(path, x, 5000 + 1000 * x @ draw.normal(size=(6, outputs)))


@pytest.mark.parametrize(("name", "accuracy"), [("logistic", 0.94), ("mlp", 0.95), ("hog_svm", 0.93)])
def test_each_learns_the_digits_and_is_measured_as_networks_are(name: str, accuracy: float) -> None:
    told = fit(name, DIGITS)
    assert told.metrics["val_accuracy"] >= accuracy
    assert told.metrics["train_accuracy"] >= told.metrics["val_accuracy"]
    lossless = name == "hog_svm"
    names = [metric for metric in metric_names("classification") if not (lossless and metric.endswith("loss"))]
    assert list(told.metrics) == names
    assert told.epoch == 1
    assert told.train_seconds > 0


def test_the_majority_has_the_entropy_of_the_classes() -> None:
    told, splits = fit("majority", DIGITS), data.load(DataSpec(source="digits"), "classification")
    shares = torch.bincount(splits.train.y).double() / len(splits.train)
    assert told.metrics["train_loss"] == pytest.approx(-(shares * shares.log()).sum().item())
    assert told.metrics["train_accuracy"] == pytest.approx(shares.max().item())
    right = (splits.validation.y == shares.argmax()).double().mean().item()
    assert told.metrics["val_accuracy"] == pytest.approx(right)
    assert told.measured is not None
    assert told.measured["params"] == 10


@pytest.mark.parametrize(("name", "params"), [("logistic", 650), ("mlp", 64 * 256 + 256 + 2570), ("hog_svm", 3250)])
def test_params_are_counted(name: str, params: int) -> None:
    measured = fit(name, DIGITS).measured
    assert measured is not None
    assert (measured["baseline"], measured["params"], measured["examples"]) == (name, params, 1077)


@pytest.mark.parametrize("name", list(KINDS))
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    assert fit(name, DIGITS, seed=2**40).metrics == fit(name, DIGITS, seed=2**40).metrics


def test_another_seed_gives_another_perceptron() -> None:
    assert fit("mlp", DIGITS, seed=1).metrics["val_loss"] != fit("mlp", DIGITS, seed=2).metrics["val_loss"]


def test_what_the_library_warns_of_is_a_note(recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "PASSES", 3)
    measured = fit("mlp", DIGITS).measured
    assert measured is not None
    assert any("hasn't converged" in note for note in measured["notes"])
    assert len(recwarn) == 0


def test_most_examples_are_a_stratified_part_and_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = KINDS["hog_svm"]
    monkeypatch.setitem(KINDS, "hog_svm", baselines.Kind(kind.features, kind.classifier, kind.regressor, 200))
    told, measured = fit("hog_svm", DIGITS), fit("hog_svm", DIGITS).measured
    assert measured is not None
    assert measured["examples"] == 200
    assert measured["notes"][0] == "fitted on 200 of 1,077 training examples"
    assert 0.8 < told.metrics["val_accuracy"] < 1.0


def test_memory_bounds_the_examples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MOST_VALUES", 64 * 300)
    measured = fit("logistic", DIGITS).measured
    assert measured is not None
    assert measured["examples"] == 300


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("name", ["majority", "logistic", "mlp"])
def test_regression_in_the_unit_of_the_targets(name: str, outputs: int, tmp_path: Path) -> None:
    source = lines(tmp_path / "lines.npz", outputs)
    told, splits = fit(name, source, "regression"), data.load(DataSpec(**source), "regression")
    variance = splits.validation.y.double().var(0, unbiased=False).mean().item()
    assert list(told.metrics) == list(metric_names("regression"))
    ratio = told.metrics["val_loss"] / variance
    expected = {"majority": (1.0, 1.2), "logistic": (0.0, 0.001), "mlp": (0.0, 0.2)}[name]
    assert expected[0] <= ratio <= expected[1]
    assert told.metrics["val_mae"] <= math.sqrt(told.metrics["val_loss"])


def test_a_support_vector_machine_estimates_numbers_from_images(tmp_path: Path) -> None:
    """The angle of a grating: what histograms of orientations see, and averages of pixels do not."""
    draw, (down, right) = np.random.default_rng(0), np.mgrid[:16, :16]
    angle = draw.uniform(0.3, np.pi / 2 - 0.3, 150)[:, None, None]
    phase = draw.uniform(0, 6, angle.shape)
    source = saved(tmp_path / "g.npz", np.sin(right * np.cos(angle) + down * np.sin(angle) + phase), angle[:, 0, 0])
    hog, majority = (fit(name, source, "regression").metrics["val_loss"] for name in ("hog_svm", "majority"))
    assert hog < 0.2 * majority


def test_streamed_data_gives_the_same_numbers() -> None:
    for name in ("majority", "logistic", "hog_svm"):
        assert fit(name, DIGITS | {"memory": 1}).metrics == fit(name, DIGITS).metrics


def test_a_class_that_was_never_seen_costs_a_finite_loss(tmp_path: Path) -> None:
    y = np.array([0, 1] * 30 + [2])
    told = fit("majority", saved(tmp_path / "three.npz", np.zeros((61, 4)), y) | {"classes": 4})
    assert math.isfinite(told.metrics["val_loss"])


@pytest.mark.parametrize("shape", [(60, 9), (60, 3, 9), (60, 4, 4, 4, 1)], ids=["series", "flat", "volumes"])
def test_histograms_need_images(shape: tuple[int, ...], tmp_path: Path) -> None:
    source = saved(tmp_path / "x.npz", np.random.default_rng(0).normal(size=shape), np.arange(60) % 2)
    with pytest.raises(TrainingFailed, match=r"hog_svm needs images of 4x4 or more, but the examples are .*; leave it"):
        fit("hog_svm", source)


# ---- histograms of oriented gradients ------------------------------------------------------------------------------


def slowly(image: Any, side: int) -> Any:
    """The same histograms of one image, (C, h, w), pixel by pixel, as the paper tells it."""
    channels, height, width = image.shape
    cells = np.zeros((height // side, width // side, 9))
    for row in range(height // side * side):
        for column in range(width // side * side):
            pairs = []
            for c in range(channels):
                inner_row, inner_column = 0 < row < height - 1, 0 < column < width - 1
                down = image[c, row + 1, column] - image[c, row - 1, column] if inner_row else 0.0
                right = image[c, row, column + 1] - image[c, row, column - 1] if inner_column else 0.0
                pairs.append((math.hypot(down, right), math.degrees(math.atan2(down, right)) % 180))
            magnitude, angle = max(pairs, key=lambda pair: pair[0])
            below = math.floor((angle - 10) / 20)
            share = (angle - 10) / 20 - below
            cells[row // side, column // side, below % 9] += magnitude * (1 - share)
            cells[row // side, column // side, (below + 1) % 9] += magnitude * share
    blocks = []
    for row in range(len(cells) - 1):
        for column in range(len(cells[0]) - 1):
            corners = [cells[row + i, column + j] for i in (0, 1) for j in (0, 1)]
            block = np.concatenate(corners)
            block = np.minimum(block / max(np.linalg.norm(block), 1e-12), 0.2)
            blocks.append(block / max(np.linalg.norm(block), 1e-12))
    return np.concatenate(blocks)


@pytest.mark.parametrize(("shape", "side"), [((1, 8, 8), 2), ((3, 16, 21), 2), ((2, 32, 27), 3)])
def test_histograms_are_the_papers(shape: tuple[int, ...], side: int) -> None:
    images = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
    found = histograms(torch.from_numpy(images))
    np.testing.assert_allclose(found, np.stack([slowly(image, side) for image in images]), atol=2e-5)


def test_an_even_image_has_no_gradient_and_contrast_does_not_count() -> None:
    assert not histograms(torch.ones(2, 3, 8, 8)).any()
    images = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(histograms(7 * images + 3), histograms(images), atol=1e-4)
