"""A curriculum's pace and its order, balanced by class or not."""

import pytest
import torch
from torch import Tensor

from worker.recipe.augmentation import Curriculum
from worker.training.curriculum import allowed, ranked


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(n: int = 100) -> Tensor:
    return torch.rand(n, generator=generator(9))


def test_the_part_grows_in_a_straight_line_from_the_first_share_to_all() -> None:
    spec = Curriculum(first=0.2, over=0.4)
    assert [allowed(spec, epoch, 10, 100) for epoch in range(1, 11)] == [20, 40, 60, 80, *[100] * 6]


@pytest.mark.parametrize(("first", "over", "epochs", "n"), [(0.3, 0.5, 7, 1_078), (1, 1, 3, 5), (0.01, 1, 1, 9)])
def test_every_pace_grows_and_stays_within_bounds(first: float, over: float, epochs: int, n: int) -> None:
    pace = [allowed(Curriculum(first=first, over=over), epoch, epochs, n) for epoch in range(1, epochs + 1)]
    assert pace == sorted(pace)
    assert pace[0] == max(1, -int(-first * n // 1))
    assert max(pace) <= n
    assert over == 1 or pace[-1] == n


@pytest.mark.parametrize(("order", "descending"), [("easiest", False), ("hardest", True)])
def test_examples_join_in_the_order_of_their_losses(order: str, descending: bool) -> None:
    losses = drawn()
    assert torch.equal(ranked(losses, order, generator()), losses.argsort(descending=descending))


def test_random_order_looks_at_no_loss() -> None:
    first, again, other = (
        ranked(losses, "random", generator(seed)) for losses, seed in ((drawn(), 1), (-drawn(), 1), (drawn(), 2))
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(first.sort().values, torch.arange(100))


def test_equal_losses_come_in_random_order() -> None:
    losses = torch.zeros(50)
    one, other = (ranked(losses, "easiest", generator(seed)) for seed in (1, 2))
    assert not torch.equal(one, other)
    assert torch.equal(one, ranked(losses, "hardest", generator(1)))


def test_what_is_not_a_number_is_hardest() -> None:
    losses = torch.tensor([1.0, float("nan"), 0.0, 1e30])
    assert ranked(losses, "easiest", generator()).tolist() == [2, 0, 3, 1]
    assert ranked(losses, "hardest", generator()).tolist() == [1, 3, 0, 2]


@pytest.mark.parametrize("order", ["easiest", "hardest", "random"])
def test_classes_join_at_the_same_pace(order: str) -> None:
    labels = torch.cat([torch.full((60,), 3), torch.full((30,), 0), torch.full((10,), 7)])
    losses = drawn() + labels  # one class is much easier than the others
    index = ranked(losses, order, generator(), labels)
    assert torch.equal(index.sort().values, torch.arange(100))
    for part in (10, 20, 50, 90):
        counts = labels[index[:part]].bincount(minlength=8)[[3, 0, 7]]
        assert (counts - torch.tensor([0.6, 0.3, 0.1]) * part).abs().max() <= 1
    if order != "random":
        for one in (0, 3, 7):
            own = losses[index[labels[index] == one]]
            assert torch.equal(own, own.sort(descending=order == "hardest").values)
