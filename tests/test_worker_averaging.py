"""Averages of weights: against torch's AveragedModel and update_bn, in and out of the model, and through a file."""

from collections.abc import Iterator

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn, get_swa_multi_avg_fn, update_bn

from worker.layers import Auxiliary, Dropout
from worker.recipe.spec import Ema, Swa
from worker.training.averaging import Average, renew_statistics

EMA, SWA = Ema(kind="ema", decay=0.8), Swa(kind="swa", start=0.5)


def network() -> nn.Module:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.BatchNorm2d(3))
    model = nn.Sequential(body, nn.Flatten(), nn.Linear(3 * 16, 5), nn.BatchNorm1d(5))
    return model.double().to(memory_format=torch.channels_last)


def inputs() -> Iterator[Tensor]:
    source = torch.Generator().manual_seed(5)
    for size in (8, 8, 5):
        yield torch.randn(size, 2, 8, 8, generator=source, dtype=torch.float64)


def changed(model: nn.Module, step: int) -> None:
    """What a training step does to weights and statistics, without the training."""
    source = torch.Generator().manual_seed(step)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape, generator=source, dtype=tensor.dtype))
            else:
                tensor.add_(1)


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_ema_is_torchs() -> None:
    model = network()
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.8), use_buffers=True)
    ours = Average(model, EMA)
    for step in range(7):
        changed(model, step)
        ours.after_step()
        theirs.update_parameters(model)
    kept = copied(model)
    with ours.weights(model, inputs):
        for name, tensor in theirs.module.state_dict().items():
            if tensor.is_floating_point():
                assert torch.equal(model.state_dict()[name], tensor), name
    assert same(copied(model), kept)


def test_swa_is_torchs() -> None:
    """To 1e-6, as torch has its 1 / (n + 1) in float32; the next test is exact."""
    model = network()
    theirs = AveragedModel(model, multi_avg_fn=get_swa_multi_avg_fn())
    ours = Average(model, SWA)
    for epoch in range(1, 9):
        changed(model, epoch)
        ours.after_step()
        ours.after_epoch(epoch, 8)
        if epoch > 4:
            theirs.update_parameters(model)
    assert ours.updates == theirs.n_averaged == 4
    update_bn(inputs(), theirs.module)
    kept = copied(model)
    with ours.weights(model, inputs):
        for name, tensor in theirs.module.state_dict().items():
            torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-6, atol=1e-12)
    assert same(copied(model), kept)


def test_swa_is_the_equal_mean() -> None:
    model, seen = network(), []
    average = Average(model, Swa(kind="swa", start=0.0))
    for epoch in range(1, 6):
        changed(model, epoch)
        seen.append(model[2].weight.detach().clone())
        average.after_epoch(epoch, 5)
    torch.testing.assert_close(average.mean["2.weight"], torch.stack(seen).mean(0), rtol=1e-12, atol=0)


def test_the_weights_come_back_after_an_error() -> None:
    model = network()
    average = Average(model, SWA)
    changed(model, 1)
    average.after_epoch(8, 8)
    changed(model, 2)
    kept = copied(model)
    wrong = [torch.zeros(1, 1, 8, 8, dtype=torch.float64)]
    with pytest.raises(RuntimeError, match="to have 2 channels"), average.weights(model, lambda: wrong):
        pass
    assert same(copied(model), kept)
    assert {norm.momentum for norm in model.modules() if isinstance(norm, nn.BatchNorm2d)} == {0.1}
    with pytest.raises(ZeroDivisionError, match="zero"), average.weights(model, inputs):
        _ = 1 / 0
    assert same(copied(model), kept)


def test_before_the_first_update_the_weights_are_their_own() -> None:
    model = network()
    average = Average(model, SWA)
    average.after_epoch(4, 8)
    average.after_step()
    assert average.state() == {}
    kept = copied(model)
    with average.weights(model, inputs):
        assert same(copied(model), kept)


@pytest.mark.parametrize("spec", [EMA, SWA], ids=["ema", "swa"])
def test_a_restored_average_goes_on_to_the_same_numbers(spec: Ema | Swa) -> None:
    whole, second = network(), network()
    one = Average(whole, spec)
    for step in range(1, 7):
        changed(whole, step)
        one.after_step()
        one.after_epoch(step, 6)
        if step == 4:
            content = {name: tensor.clone() for name, tensor in one.state().items()}
            weights = copied(whole)
    second.load_state_dict(weights)
    resumed = Average(second, spec)
    file = safetensors.torch.save({name: tensor.contiguous() for name, tensor in content.items()})
    resumed.restore(safetensors.torch.load(file))
    for step in range(5, 7):
        changed(second, step)
        resumed.after_step()
        resumed.after_epoch(step, 6)
    assert same(resumed.state(), one.state())
    assert all(mean.stride() == resumed.live[name].stride() for name, mean in resumed.mean.items())


def test_an_average_of_nothing_is_restored_as_such() -> None:
    model = network()
    average = Average(model, EMA)
    average.after_step()
    average.restore({})
    assert average.updates == 0


def test_statistics_without_dropout_and_side_outputs() -> None:
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4)).double()
    side = Auxiliary(0.3, body=nn.Sequential(nn.Flatten(), nn.Linear(2 * 64, 3), nn.BatchNorm1d(3)))
    dropping = nn.Sequential(side, Dropout(0.5), *plain).double().eval()
    update_bn(inputs(), plain)
    renew_statistics(dropping, inputs())
    assert torch.equal(dropping[3].running_var, plain[1].running_var)
    assert int(side.body[2].num_batches_tracked) == 3
    assert side.output is None
    assert not any(layer.training for layer in dropping.modules())


def test_a_network_without_batch_norms_reads_no_inputs() -> None:
    def refused() -> Iterator[Tensor]:
        raise AssertionError("read")
        yield

    model = nn.Linear(2, 2)
    renew_statistics(model, refused())
    assert model.training
