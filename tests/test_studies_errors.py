"""The split of a contrast's error: worse because it does not train, or because it does not carry over."""

import pytest

from studies.analysis.errors import errors
from studies.analysis.results import CellResult, Contrast
from studies.statistics import Estimate


def cell(levels: dict[str, object], metric: str, **series: list[float]) -> CellResult:
    """`series` are metrics by name, one value per seed; the metric of the objective is also the value."""
    metrics = {seed: {name: values[seed] for name, values in series.items()} for seed in range(len(series[metric]))}
    return CellResult(str(levels), levels, levels, {}, dict(enumerate(series[metric])), metrics=metrics)


def contrast(factor: str, low: object, high: object, left_out: tuple[str, ...] = ()) -> Contrast:
    return Contrast(factor, low, high, Estimate(2, 0.0, None, None), None, left_out)


def test_deeper_that_does_not_train() -> None:
    results = [
        cell({"depth": 2}, "val_accuracy", val_accuracy=[0.80, 0.82], fit_accuracy=[0.95, 0.95]),
        cell({"depth": 8}, "val_accuracy", val_accuracy=[0.70, 0.74], fit_accuracy=[0.80, 0.84]),
    ]
    (told,) = errors(results, [contrast("depth", 2, 8)], "val_accuracy")
    assert (told.factor, told.low, told.high, told.source) == ("depth", 2, 8, "fit_accuracy")
    assert told.validation.mean == pytest.approx(0.09)
    assert told.training.mean == pytest.approx(0.13)
    assert told.gap.mean == pytest.approx(-0.04)
    assert told.validation.n == 2
    assert told.validation.half_width == pytest.approx(12.706 * 0.01, rel=1e-3)


def test_the_running_mean_is_used_where_any_fit_is_missing() -> None:
    results = [
        cell({"depth": 2}, "val_accuracy", val_accuracy=[0.8, 0.8], train_accuracy=[0.7, 0.7], fit_accuracy=[0.9, 0.9]),
        cell({"depth": 8}, "val_accuracy", val_accuracy=[0.8, 0.9], train_accuracy=[0.8, 0.8]),
    ]
    (told,) = errors(results, [contrast("depth", 2, 8)], "val_accuracy")
    assert told.source == "train_accuracy"
    assert told.training.mean == pytest.approx(-0.1)


def test_the_error_of_regression_is_the_metric_itself() -> None:
    results = [
        cell({"depth": 2}, "val_mae", val_mae=[2.0, 2.0], fit_mae=[1.0, 1.0]),
        cell({"depth": 8}, "val_mae", val_mae=[3.0, 3.5], fit_mae=[1.0, 1.0]),
    ]
    (told,) = errors(results, [contrast("depth", 2, 8)], "val_mae")
    assert (told.validation.mean, told.training.mean, told.gap.mean) == (1.25, 0.0, 1.25)


def test_only_what_the_contrast_compares_takes_part() -> None:
    def one(depth: int, kernel: int, value: float, seeds: int) -> CellResult:
        series = {"val_accuracy": [value] * seeds, "train_accuracy": [value + 0.1] * seeds}
        return cell({"depth": depth, "kernel": kernel}, "val_accuracy", **series)

    results = [one(2, 3, 0.5, 4), one(8, 3, 0.6, 3), one(2, 5, 0.5, 4), one(8, 5, 0.9, 1)]
    (all_in,) = errors(results, [contrast("depth", 2, 8)], "val_accuracy")
    assert all_in.validation.n == 1
    assert all_in.validation.mean == pytest.approx(-0.25)
    (without,) = errors(results, [contrast("depth", 2, 8, ("kernel=5",))], "val_accuracy")
    assert without.validation.n == 3
    assert without.validation.mean == pytest.approx(-0.1)


def test_no_training_metric_no_split() -> None:
    results = [cell({"depth": depth}, "val_accuracy", val_accuracy=[0.8, 0.9]) for depth in (2, 8)]
    assert errors(results, [contrast("depth", 2, 8)], "val_accuracy") == ()
