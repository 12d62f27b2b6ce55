"""Confusion, shifts, norms and dead units of networks whose numbers can be worked out by hand."""

import math

import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import Tensor, nn

from worker import tasks
from worker.data import Held
from worker.measuring import energy, quality, resources, speed, watch
from worker.measuring.resources import Meter
from worker.measuring.trial import plain

CPU = torch.device("cpu")
CLASSES = 4


pytestmark = pytest.mark.usefixtures("one_thread")


def images(n: int = 300, size: int = 6) -> Held:
    source = torch.Generator().manual_seed(2)
    x = torch.randn(n, 1, size, size, generator=source).contiguous(memory_format=torch.channels_last)
    return Held(x, torch.randint(0, CLASSES, (n,), generator=source))


def small() -> nn.Sequential:
    torch.manual_seed(1)
    layers = nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, CLASSES)
    return nn.Sequential(*layers)


def test_confusion_is_sklearns() -> None:
    model, part = small().eval(), images()
    counts = quality.confusion(model, part, CLASSES)
    taken = model(part.x).argmax(1)
    assert counts.tolist() == confusion_matrix(part.y, taken).tolist()
    found = quality.by_class(counts)
    assert found["confusion"] == counts.tolist()
    assert found["class_accuracy"] == [(taken[part.y == c] == c).double().mean().item() for c in range(CLASSES)]
    assert found["examples"] == len(part)


def test_a_class_without_examples_has_no_accuracy() -> None:
    assert quality.by_class(torch.tensor([[3, 1], [0, 0]]))["class_accuracy"] == [0.75, None]


def test_of_many_classes_only_the_worst_pairs_are_told() -> None:
    counts = 5 * torch.eye(150, dtype=torch.int64)
    counts[7, 9], counts[9, 7] = 3, 4
    found = quality.by_class(counts)
    assert found["confused"] == [[9, 7, 4], [7, 9, 3]]
    assert "confusion" not in found


def test_some_examples_are_spread_over_all() -> None:
    index = torch.arange(100, 200)
    assert quality.spread(index, 4).tolist() == [100, 125, 150, 175]
    assert quality.spread(index, 1000).tolist() == index.tolist()
    part = images(50)
    some = quality.Some(part, torch.tensor([4, 8, 15, 16]))
    ((x, y),) = some.batches([torch.tensor([3, 0])])
    assert (len(some), some.y.tolist(), y.tolist()) == (4, part.y[[4, 8, 15, 16]].tolist(), part.y[[16, 4]].tolist())
    assert torch.equal(x, part.x[[16, 4]])
    assert [len(y) for _, y in some.in_order(3)] == [3, 1]


def test_shifting_moves_and_fills_with_zeros() -> None:
    x = torch.arange(1.0, 10).view(1, 1, 3, 3)
    assert quality.shifted(x, (1, 0))[0, 0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6]]
    assert quality.shifted(x, (0, -2))[0, 0].tolist() == [[3, 0, 0], [6, 0, 0], [9, 0, 0]]
    assert quality.shifted(x, (-1, 1))[0, 0].tolist() == [[0, 4, 5], [0, 7, 8], [0, 0, 0]]


class Corner(nn.Module):
    """Sees one pixel: class 1 if the pixel at the top left is above 0, else class 0."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), x[:, 0, 0, 0]], 1)


def test_accuracy_under_shifts_by_hand() -> None:
    """One bright pixel at (1, 1): only the move by (-1, -1) brings it to where the network looks."""
    x = torch.zeros(8, 1, 4, 4)
    x[:4, 0, 1, 1] = 1
    part = Held(x, torch.tensor([1] * 4 + [0] * 4))
    found = quality.shifts(Corner(), part, tasks.task_of("classification"), 9)
    at_rest, one, two, three = found["by_pixels"]
    assert at_rest == {"pixels": 0, "mean": 0.5, "worst": 0.5}
    assert one == {"pixels": 1, "mean": pytest.approx((7 * 0.5 + 1) / 8), "worst": 0.5}
    assert (two["mean"], three["pixels"]) == (0.5, 3)
    assert (found["metric"], found["examples"]) == ("accuracy", 8)


def test_series_move_two_ways_and_errors_are_worst_where_they_are_largest() -> None:
    """A regression that reads one position of a series."""
    x = torch.tensor([[[0.0, 1.0, 3.0]]])
    part = Held(x, torch.tensor([[1.0]]))
    found = quality.shifts(lambda series: series[:, 0, 1:2], part, tasks.task_of("regression", ["rmse"]), 1)
    assert found["metric"] == "mae"
    assert found["by_pixels"][1] == {"pixels": 1, "mean": 1.5, "worst": 2.0}


def test_features_cannot_move() -> None:
    part = Held(torch.randn(5, 3), torch.zeros(5, 1))
    found = quality.shifts(lambda x: x[:, :1], part, tasks.task_of("regression"), 4)
    assert [row["pixels"] for row in found["by_pixels"]] == [0]


def test_norms_are_those_of_flattened_tensors() -> None:
    model, part = small(), images(20)
    nn.functional.cross_entropy(model(part.x), part.y).backward()
    total, weights, gradients = watch.norms(model)
    assert total == pytest.approx(torch.cat([p.grad.flatten() for p in model.parameters()]).norm().item(), rel=1e-5)
    assert list(weights) == list(gradients) == ["0", "1", "4"]
    expected = torch.cat([p.detach().flatten() for p in model[4].parameters()]).norm().item()
    assert weights["4"] == pytest.approx(expected, rel=1e-5)


def test_before_the_first_step_there_are_no_gradients() -> None:
    total, weights, gradients = watch.norms(small())
    assert (total, gradients, len(weights)) == (None, {}, 3)
    assert watch.norms(nn.Sequential(nn.ReLU())) == (None, {}, {})


def test_dead_units_are_those_that_never_fire() -> None:
    """Of three units the first never fires, the second always, the third where the input is above 0."""
    model = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([0.0, 0.0, 1.0]).view(3, 1, 1, 1))
        model[0].bias.copy_(torch.tensor([-1.0, 1.0, 0.0]))
    part = Held(-torch.ones(600, 1, 6, 6), torch.zeros(600, dtype=torch.int64))
    assert watch.dead(model, model, part) == {"1": pytest.approx(2 / 3)}
    part.x[599, 0, 5, 4] = 0.1  # one position of one example is enough
    assert watch.dead(model, model, part) == {"1": pytest.approx(1 / 3)}


def test_a_layer_that_cannot_be_silent_has_no_dead_units() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.Tanh(), nn.Linear(5, CLASSES), nn.ReLU6())
    rows = {row["name"]: row["dead_units"] for row in watch.seen(model, model, images())["layers"]}
    assert rows["1"] is rows["3"] is None
    assert 0 <= rows["4"] <= 1
    assert "2" not in rows


def test_evaluating_gives_each_module_its_mode_back() -> None:
    model = small().train()
    model[1].eval()
    with watch.evaluating(model):
        assert not any(module.training for module in model.modules())
    assert [module.training for module in model] == [True, False, True, True, True]


def test_latency_has_ordered_quartiles_and_says_what_it_is_of() -> None:
    found = speed.latency(small().eval(), images(10).x, CPU)
    for batch in ("batch_1", "batch_128"):
        lower, upper = found[batch]["quartiles"]
        assert 0 < lower <= found[batch]["median"] <= upper
    assert found["batch_1"]["median"] < found["batch_128"]["median"]
    assert (found["unit"], found["device"], found["threads"]) == ("ms", "cpu", 1)


def test_images_per_second_leave_the_first_epoch_out() -> None:
    assert speed.images_per_second([10.0, 1.0, 2.0, 4.0], [100] * 4) == 50
    assert speed.images_per_second([10.0], [100]) == 10
    assert speed.images_per_second([], []) is None


def test_allocated_is_the_peak_of_the_allocator(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        a = torch.ones(250_000)
        b = a + 1
        del a
        (b * 2).sum()

    assert 2_000_000 <= resources.allocated(work) < 2_001_000
    assert resources.allocated(lambda: None) == 0
    assert capfd.readouterr().err == ""


def test_what_a_cpu_does_not_tell_is_none_with_a_reason() -> None:
    meter = Meter(CPU)
    assert meter.energy() == {"joules": None, "reason": "a cpu does not tell what one process uses"}
    assert meter.memory() is None
    assert energy.counter(CPU) is None


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU, whose counter can be read")
def test_without_a_driver_there_is_no_counter() -> None:
    assert energy.counter(torch.device("cuda")) is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_what_a_gpu_tells() -> None:
    device = torch.device("cuda")
    meter = Meter(device)
    x = torch.ones(4096, 4096, device=device)
    for _ in range(200):
        x = (x @ x).clamp(max=1)
    torch.cuda.synchronize()
    told = meter.energy()
    assert told["joules"] is None or told["joules"] > 0
    assert meter.memory()["peak_bytes"] >= 2 * x.nbytes
    assert Meter(device, alone=False).energy()["reason"].startswith("other trials share")
    assert Meter(device, since=3).energy()["reason"].endswith("went on at epoch 3")
    times = speed.latency(small().to(device).eval(), images(10).x.to(device), device)
    assert times["batch_128"]["median"] > 0
    assert times["device"] == torch.cuda.get_device_name(device)


def test_plain_values_are_json() -> None:
    assert plain({1: (math.inf, [math.nan, 2.0]), "a": None}) == {"1": [None, [None, 2.0]], "a": None}
