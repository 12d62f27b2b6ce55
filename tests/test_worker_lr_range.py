"""The range test: a rate that trains, a curve that shows why, and a model that is left as it was."""

import itertools
import math

import pytest
import torch
from torch import Tensor, nn

from worker.job import TrainingFailed
from worker.layers import Dropout
from worker.recipe import AdamW, OneCycle, Progress, Sgd
from worker.training import lr_range, optimizers
from worker.training.lr_range import Found, Point, find, smoothed, suggested


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), Dropout(0.1), nn.Linear(16, 1)).double()


def squared(model: nn.Module, step: int) -> Tensor:
    """A smooth function of six numbers to learn, from batches of the step's own."""
    source = torch.Generator().manual_seed(step)
    for layer in model.modules():
        if isinstance(layer, Dropout):
            layer.generator = source
    x = torch.randn(32, 6, generator=source, dtype=torch.float64)
    return (model(x)[:, 0] - 3 * x[:, 0] - x[:, 1] * x[:, 2]).square().mean()


def learned(model: nn.Module, step: int) -> Tensor:
    """The same with its gradients, as the range test wants it."""
    loss = squared(model, step)
    loss.backward()
    return loss.detach()


def found(spec: Sgd | AdamW) -> Found:
    return find(network(), lambda model, lr: optimizers.make(model, spec, lr), learned)


@pytest.mark.parametrize("spec", [Sgd(lr="auto"), AdamW(kind="adamw", lr="auto")], ids=["sgd", "adamw"])
def test_the_rate_trains(spec: Sgd | AdamW) -> None:
    result, model = found(spec), network()
    optimizer = optimizers.make(model, spec, result.lr)
    losses = []
    for step in range(150):
        optimizers.set_rate(optimizer, result.lr * OneCycle().factor(Progress(step, 150, 150)))
        loss = squared(model, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < 0.3 * sum(losses[:10])


def test_it_repeats_and_changes_nothing() -> None:
    model = network().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    result = find(model, lambda copy, lr: optimizers.make(copy, Sgd(), lr), learned)
    assert result == found(Sgd())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert not model.training
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_curve_is_kept_up_to_where_it_diverges() -> None:
    curve = found(Sgd(momentum=0.0, nesterov=False)).curve
    rates = [point.lr for point in curve]
    assert rates == lr_range.rates(100)[: len(rates)]
    assert all(math.isfinite(point.loss) for point in curve)
    worst = find(nn.Linear(6, 1).double(), lambda model, lr: torch.optim.SGD(model.parameters(), lr), learned).curve
    assert len(worst) < 100
    assert worst[-1].loss > min(point.loss for point in worst)


def test_rates_grow_by_one_factor() -> None:
    rates = lr_range.rates(100)
    assert (rates[0], rates[-1]) == pytest.approx((1e-6, 10.0))
    assert {round(later / earlier, 9) for earlier, later in itertools.pairwise(rates)} == {round(1e7 ** (1 / 99), 9)}
    assert lr_range.rates(1) == [1e-6]


def test_smoothing_is_corrected_for_its_start() -> None:
    assert smoothed([5.0] * 7) == pytest.approx([5.0] * 7)
    assert smoothed([1.0, 2.0]) == pytest.approx([1.0, (0.09 * 1 + 0.1 * 2) / 0.19])
    assert smoothed([1.0, math.nan, 2.0]) == [1.0]


def test_a_tenth_of_the_rate_at_the_minimum() -> None:
    curve = tuple(Point(lr, loss) for lr, loss in ((0.01, 2.0), (0.1, 1.5), (1.0, 1.0), (10.0, 3.0)))
    assert suggested(curve) == (0.1, curve)


@pytest.mark.parametrize("losses", [[], [1.0, 2.0, 4.0], [1.0, 0.995]], ids=str)
def test_no_rate_is_made_up(losses: list[float]) -> None:
    curve = tuple(Point(10.0**place, loss) for place, loss in enumerate(losses))
    with pytest.raises(TrainingFailed, match="lr: auto: the loss falls at no rate from 1e-06 to 10; write a number"):
        suggested(curve)


def test_a_loss_that_is_never_finite() -> None:
    with pytest.raises(TrainingFailed, match="falls at no rate"):
        find(
            network(),
            lambda model, lr: torch.optim.SGD(model.parameters(), lr),
            lambda model, step: torch.tensor(math.nan),
        )
