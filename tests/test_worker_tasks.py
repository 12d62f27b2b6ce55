"""Losses and metrics against scikit-learn's and torch's own."""

import math

import pytest
import torch
from sklearn import metrics as sklearn
from torch import Tensor
from torch.nn import functional

from worker import tasks

CLASSES = 7


def batch(n: int = 40) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(5)
    outputs = torch.randn(n, CLASSES, generator=source, dtype=torch.float64)
    return outputs, torch.randint(0, CLASSES, (n,), generator=source)


def numbers(n: int = 40) -> tuple[Tensor, Tensor]:
    source = torch.Generator().manual_seed(6)
    outputs, targets = (2 * torch.randn(n, 3, generator=source) for _ in range(2))
    return outputs, targets


def mean(name: str, outputs: Tensor, targets: Tensor, task: str = "classification") -> float:
    """The metric as an epoch would report it: in two uneven batches."""
    made = tasks.task_of(task, [name])
    parts = zip(outputs.split(29), targets.split(29), strict=True)
    loss = torch.zeros(())
    total = sum((tasks.sums(made, loss, z, t) for z, t in parts), torch.zeros(1 + len(made.metrics)))
    return tasks.named("val", total / len(targets), made)[f"val_{name}"]


def test_accuracy_is_sklearns() -> None:
    outputs, labels = batch()
    assert mean("accuracy", outputs, labels) == sklearn.accuracy_score(labels, outputs.argmax(1))


@pytest.mark.parametrize("k", [2, 3, 5, CLASSES - 1])
def test_top_k_is_sklearns(k: int) -> None:
    outputs, labels = batch()
    expected = sklearn.top_k_accuracy_score(labels.numpy(), outputs.numpy(), k=k, labels=range(CLASSES))
    assert mean(f"top{k}", outputs, labels) == pytest.approx(expected, abs=1e-12)


def test_mixed_targets_are_scored_by_the_share_that_is_right() -> None:
    """A mixture's accuracy is the mean of its parts' accuracies, in the proportions of the mixture."""
    outputs, labels = batch()
    hot, other = functional.one_hot(labels, CLASSES).double(), labels.roll(1)
    mixed = 0.7 * hot + 0.3 * functional.one_hot(other, CLASSES)
    for name in ("accuracy", "top3"):
        assert mean(name, outputs, hot) == mean(name, outputs, labels)
        parts = 0.7 * mean(name, outputs, labels) + 0.3 * mean(name, outputs, other)
        assert mean(name, outputs, mixed) == pytest.approx(parts)


def test_errors_of_regression_are_sklearns() -> None:
    outputs, targets = numbers()
    assert mean("mae", outputs, targets, "regression") == pytest.approx(
        sklearn.mean_absolute_error(targets, outputs), rel=1e-6
    )
    assert mean("rmse", outputs, targets, "regression") == pytest.approx(
        math.sqrt(sklearn.mean_squared_error(targets, outputs)), rel=1e-6
    )


def test_losses_of_labels_are_sklearns() -> None:
    outputs, labels = batch()
    softmax = outputs.softmax(1)
    expected = sklearn.log_loss(labels, softmax, labels=range(CLASSES))
    assert tasks.losses("cross_entropy")(outputs, labels, 0.0).item() == pytest.approx(expected, rel=1e-12)
    each = [sklearn.log_loss(labels == c, outputs[:, c].sigmoid(), labels=[False, True]) for c in range(CLASSES)]
    assert tasks.losses("binary_cross_entropy")(outputs, labels, 0.0).item() == pytest.approx(sum(each), rel=1e-12)
    hot = functional.one_hot(labels, CLASSES)
    expected = sklearn.mean_squared_error(hot, outputs)
    assert tasks.losses("mse")(outputs, labels, 0.0).item() == pytest.approx(expected, rel=1e-12)


def test_huber_is_a_square_within_one_and_a_line_beyond() -> None:
    outputs, targets = torch.tensor([[0.5, 3.0]]), torch.tensor([[0.0, 0.0]])
    assert tasks.losses("huber")(outputs, targets, 0.0).item() == pytest.approx((0.125 + 2.5) / 2)


@pytest.mark.parametrize("name", tasks.LOSSES)
def test_labels_and_one_hot_vectors_are_the_same(name: str) -> None:
    outputs, labels = batch()
    hot = functional.one_hot(labels, CLASSES).float()
    loss = tasks.losses(name)
    assert loss(outputs, hot, 0.0).item() == pytest.approx(loss(outputs, labels, 0.0).item(), rel=1e-12)


@pytest.mark.parametrize("name", tasks.LOSSES)
def test_a_loss_is_the_mean_over_examples(name: str) -> None:
    """So that batches of different sizes weigh as many examples as they have."""
    outputs, labels = batch()
    loss = tasks.losses(name)
    parts = [loss(z, t, 0.0) * len(t) for z, t in zip(outputs.split(11), labels.split(11), strict=True)]
    assert torch.stack(parts).sum().item() / len(labels) == pytest.approx(loss(outputs, labels, 0.0).item(), rel=1e-12)


def test_a_loss_of_a_mixture_is_the_mixture_of_losses() -> None:
    outputs, labels = batch()
    other = labels.roll(1)
    mixed = 0.6 * functional.one_hot(labels, CLASSES) + 0.4 * functional.one_hot(other, CLASSES)
    for name in ("cross_entropy", "binary_cross_entropy"):
        loss = tasks.losses(name)
        parts = 0.6 * loss(outputs, labels, 0.1) + 0.4 * loss(outputs, other, 0.1)
        assert loss(outputs, mixed, 0.1).item() == pytest.approx(parts.item(), rel=1e-6)


def test_slopes_of_one_against_all_are_as_large_as_the_cross_entropys() -> None:
    """The gradient in an output is (sigmoid - target) / examples; averaging over classes would divide it by them."""
    outputs, labels = batch()
    outputs.requires_grad_()
    (slope,) = torch.autograd.grad(tasks.losses("binary_cross_entropy")(outputs, labels, 0.0), outputs)
    expected = (outputs.sigmoid() - functional.one_hot(labels, CLASSES)) / len(labels)
    torch.testing.assert_close(slope, expected.detach(), rtol=1e-12, atol=1e-12)


def test_smoothing_is_torchs() -> None:
    outputs, labels = batch()
    expected = functional.cross_entropy(outputs, labels, label_smoothing=0.2)
    assert tasks.losses("cross_entropy")(outputs, labels, 0.2) == expected


def test_half_precision_is_summed_in_full() -> None:
    """A sum of thousands in bfloat16 would stop growing."""
    outputs = torch.full((3000, 1), 1.0, dtype=torch.bfloat16)
    total = tasks.sums(tasks.task_of("regression"), torch.zeros(()), outputs, torch.zeros(3000, 1))
    assert total.tolist() == [0.0, 3000.0]


def test_an_unknown_loss() -> None:
    with pytest.raises(ValueError, match="loss: unknown 'cros_entropy', did you mean 'cross_entropy'"):
        tasks.losses("cros_entropy")
