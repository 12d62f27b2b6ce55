"""The names of metrics: what each task has, which way is better, and what is refused."""

import subprocess
import sys

import pytest

from worker import metrics, tasks


def test_metrics_have_names() -> None:
    assert metrics.metric_names("classification") == ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    assert metrics.metric_names("classification", ["top5", "accuracy"])[-3:] == ("val_loss", "val_accuracy", "val_top5")
    assert metrics.test_metric_names("regression") == ("test_loss", "test_mae")
    assert metrics.test_metric_names("regression", ("rmse",)) == ("test_loss", "test_mae", "test_rmse")
    assert metrics.metric_names("regression", None) == ("train_loss", "train_mae", "val_loss", "val_mae")


@pytest.mark.parametrize("part", metrics.PARTS)
def test_metrics_have_directions(part: str) -> None:
    ways = {"loss": "minimize", "accuracy": "maximize", "top5": "maximize", "top12": "maximize"}
    ways |= {"mae": "minimize", "rmse": "minimize"}
    assert {name: metrics.direction(f"{part}_{name}") for name in ways} == ways


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("val_acuracy", "unknown metric 'val_acuracy', did you mean 'val_accuracy'"),
        ("valid_loss", "unknown metric 'valid_loss', did you mean 'val_loss'"),
        ("accuracy", "unknown metric 'accuracy', did you mean '.*_accuracy'"),
        ("val_top1", "unknown metric 'val_top1', did you mean 'val_top5'"),
        ("zzzz", "unknown metric 'zzzz'; known here: train_loss"),
    ],
)
def test_what_is_no_metric(metric: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.direction(metric)


@pytest.mark.parametrize(
    ("task", "extra", "outputs", "message"),
    [
        ("classification", ["top5"], 5, "metrics: top5 of 5 classes is always 1; name top2 to top4"),
        ("classification", ["top2"], 2, "metrics: top2 of 2 classes is always 1; leave it out"),
        ("classification", ["top1"], 5, "metrics: top1 is the accuracy, which is always measured; leave it out"),
        ("classification", ["top05"], 5, "'top05' is no metric of classification, did you mean 'top5'"),
        ("classification", ["acuracy"], None, "'acuracy' is no metric of classification, did you mean 'accuracy'"),
        ("classification", ["mae"], None, "'mae' is no metric of classification; known here: loss, accuracy, top5"),
        ("regression", ["top5"], None, "'top5' is no metric of regression; known here: loss, mae, rmse"),
        ("detection", [], None, "unknown task 'detection'; known are classification, regression"),
    ],
)
def test_metrics_that_are_refused(task: str, extra: list[str], outputs: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.check(task, extra, outputs)


def test_metrics_that_are_not_refused() -> None:
    metrics.check("classification", ["top5", "top2", "accuracy"], 6)
    metrics.check("classification", ["top500"])
    metrics.check("regression", ["rmse"], 1)


def test_names_and_functions_are_of_the_same_metrics() -> None:
    for task, own in metrics.MEASURED.items():
        extra = [*metrics.NAMED[task], *(["top3"] if task == "classification" else [])]
        assert ("loss", *tasks.task_of(task, extra).metrics) == metrics.measured_names(task, extra)
        assert {"loss", *tasks.task_of(task).metrics} == set(own)
        assert metrics.task_loss(task) in tasks.LOSSES


def test_names_need_no_torch() -> None:
    script = "import sys, worker.metrics, worker.measure; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
