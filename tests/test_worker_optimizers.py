"""Optimizers: torch's numbers, what is decayed, and a resume that is bit for bit the uninterrupted training."""

import itertools
from typing import Any

import pytest
import safetensors.torch
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn
from torch.nn import functional

from worker.layers import Local
from worker.recipe.optimizers import Lbfgs, Optimizer, Sgd
from worker.recipe.spec import Clip, GradientNoise
from worker.training import gradients, optimizers

WRITTEN: dict[str, dict[str, Any]] = {
    "sgd": {"kind": "sgd", "momentum": 0.0, "nesterov": False},
    "momentum": {"kind": "sgd", "momentum": 0.9, "nesterov": False},
    "nesterov": {"kind": "sgd", "decayed": "weights"},
    "adagrad": {"kind": "adagrad", "weight_decay": 1e-3},
    "adadelta": {"kind": "adadelta", "weight_decay": 1e-3},
    "rmsprop": {"kind": "rmsprop", "momentum": 0.5, "weight_decay": 1e-3},
    "adam": {"kind": "adam", "weight_decay": 1e-3},
    "adamw": {"kind": "adamw", "decayed": "weights"},
    "lbfgs": {"kind": "lbfgs", "iterations": 4, "history": 3},
}


def spec_of(name: str) -> Optimizer:
    spec: Optimizer = TypeAdapter(Optimizer).validate_python(WRITTEN[name])
    return spec


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    """Every layout of weights that there is: plain, grouped, pointwise, transposed, unshared, vectors, a matrix."""
    torch.manual_seed(0)
    layers = [
        nn.Conv2d(3, 6, 3, padding=1, bias=False),
        nn.BatchNorm2d(6),
        nn.PReLU(),
        nn.Conv2d(6, 6, 3, groups=6),
        nn.Conv2d(6, 5, 1),
        nn.ConvTranspose2d(5, 4, 3, stride=2),
        nn.Tanh(),
        Local(4, 3, (3, 3), (11, 11)),
        nn.Flatten(),
        nn.Linear(3 * 11 * 11, 4),
    ]
    model = nn.Sequential(*layers)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.1)
    return model.to(dtype=dtype, memory_format=torch.channels_last)


def loss_of(model: nn.Module, step: int) -> Tensor:
    source = torch.Generator().manual_seed(step)
    x = torch.randn(7, 3, 8, 8, generator=source).to(next(model.parameters()).dtype)
    y = torch.randint(4, (7,), generator=source)
    return functional.cross_entropy(model(x.contiguous(memory_format=torch.channels_last)), y)


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, steps: range) -> None:
    full = isinstance(optimizer, torch.optim.LBFGS)
    for number in steps:
        batch = 0 if full else number

        def closure(batch: int = batch) -> Tensor:
            optimizer.zero_grad()
            loss = loss_of(model, batch)
            loss.backward()
            return loss

        optimizers.set_rate(optimizer, 1.0 if full else 0.02 / (1 + number))
        optimizers.step(optimizer, closure)


def through_a_file(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """As `worker.checkpoint` writes: contiguous, so that a channels_last layout is lost on the way."""
    content = safetensors.torch.save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
    return safetensors.torch.load(content)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("fused", [False, True], ids=["foreach", "fused"])
@pytest.mark.parametrize("name", WRITTEN)
def test_resumed_is_uninterrupted(name: str, fused: bool, dtype: torch.dtype) -> None:
    spec, whole, first, second = spec_of(name), network(dtype), network(dtype), network(dtype)
    one = optimizers.make(whole, spec, 0.1, fused)
    trained(whole, one, range(6))

    interrupted = optimizers.make(first, spec, 0.1, fused)
    trained(first, interrupted, range(3))
    weights, tensors = through_a_file(first.state_dict()), through_a_file(optimizers.state(first, interrupted))

    nn.init.ones_(second[0].weight)
    second.load_state_dict(weights)
    resumed = optimizers.make(second, spec, 0.1, fused)
    optimizers.restore(second, resumed, tensors)
    assert optimizers.laid_out(resumed)
    trained(second, resumed, range(3, 6))
    assert optimizers.laid_out(one)
    assert optimizers.laid_out(resumed)

    for ours, theirs in zip(second.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)
    ours, theirs = optimizers.state(second, resumed), optimizers.state(whole, one)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize("name", [name for name in WRITTEN if isinstance(spec_of(name), optimizers.FUSED)])
def test_fused_steps_are_the_plain_ones(name: str) -> None:
    plain, fused = network(torch.float64), network(torch.float64)
    trained(plain, optimizers.make(plain, spec_of(name), 0.1), range(10))
    optimizer = optimizers.make(fused, spec_of(name), 0.1, fused=True)
    trained(fused, optimizer, range(10))
    assert all(group["fused"] for group in optimizer.param_groups)
    for ours, theirs in zip(fused.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-13)


def test_a_state_in_another_layout_is_seen() -> None:
    model = network()
    optimizer = optimizers.make(model, Sgd(), 0.1, fused=True)
    trained(model, optimizer, range(1))
    weight = model[0].weight
    assert optimizers.laid_out(optimizer)
    optimizer.state[weight]["momentum_buffer"] = optimizer.state[weight]["momentum_buffer"].contiguous()
    assert not optimizers.laid_out(optimizer)


def classes_of_torch() -> dict[str, tuple[type, dict[str, Any]]]:
    return {
        "sgd": (torch.optim.SGD, {"weight_decay": 5e-4}),
        "momentum": (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 5e-4}),
        "adagrad": (torch.optim.Adagrad, {"weight_decay": 1e-3}),
        "adadelta": (torch.optim.Adadelta, {"weight_decay": 1e-3}),
        "rmsprop": (torch.optim.RMSprop, {"momentum": 0.5, "weight_decay": 1e-3}),
        "adam": (torch.optim.Adam, {"weight_decay": 1e-3}),
    }


@pytest.mark.parametrize("name", classes_of_torch())
def test_defaults_are_torchs(name: str) -> None:
    kind, options = classes_of_torch()[name]
    ours, theirs = network(torch.float64), network(torch.float64)
    trained(ours, optimizers.make(ours, spec_of(name), 0.1), range(5))
    trained(theirs, kind(theirs.parameters(), lr=0.1, foreach=False, **options), range(5))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


def test_lbfgs_is_torchs_and_minimizes() -> None:
    ours, theirs = network(torch.float64), network(torch.float64).to(memory_format=torch.contiguous_format)
    options = {"max_iter": 4, "history_size": 3, "line_search_fn": "strong_wolfe"}
    before = loss_of(ours, 0).item()
    trained(ours, optimizers.make(ours, spec_of("lbfgs"), 1.0), range(5))
    trained(theirs, torch.optim.LBFGS(theirs.parameters(), **options), range(5))
    for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-8)
    assert loss_of(ours, 0).item() < 0.5 * before


def test_a_step_returns_the_loss_before_it() -> None:
    for name, rate in (("adam", 1e-4), ("lbfgs", 1.0)):
        model = network()
        expected = loss_of(model, 0).item()
        optimizer = optimizers.make(model, spec_of(name), rate)

        def closure(model: nn.Module = model, optimizer: torch.optim.Optimizer = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = loss_of(model, 0)
            loss.backward()
            return loss

        loss = optimizers.step(optimizer, closure)
        assert loss.item() == pytest.approx(expected, rel=1e-6)
        assert not loss.requires_grad
        assert loss_of(model, 0).item() < expected


def test_only_weights_are_decayed() -> None:
    model = network()
    decayed, others = optimizers.make(model, spec_of("nesterov"), 0.1).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (5e-4, 0.0)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert [names[id(p)] for p in decayed["params"]] == [
        "0.weight", "3.weight", "4.weight", "5.weight", "7.weight", "9.weight",
    ]  # fmt: skip
    assert "7.bias" in {names[id(p)] for p in others["params"] if p.dim() > 1}
    assert len(decayed["params"]) + len(others["params"]) == len(names)


def test_one_group_where_nothing_differs() -> None:
    model = network()
    undecayed = Sgd(decayed="weights", weight_decay=0.0)
    for spec in (Sgd(), undecayed, Lbfgs(kind="lbfgs")):
        assert len(optimizers.groups(model, spec)) == 1
    assert len(optimizers.groups(nn.Linear(3, 2, bias=False), Sgd(decayed="weights"))) == 1


def test_frozen_parameters_are_left_alone() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    frozen = model[0].weight.clone()
    optimizer = optimizers.make(model, spec_of("adamw"), 0.1)
    trained(model, optimizer, range(2))
    assert torch.equal(model[0].weight, frozen)
    assert "0.weight/exp_avg" not in optimizers.state(model, optimizer)


def test_a_rate_in_a_tensor_is_set_in_place() -> None:
    rate = torch.tensor(0.1)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate, foreach=False)
    optimizers.set_rate(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.5


def test_the_state_before_the_first_step_can_be_restored() -> None:
    for name in WRITTEN:
        model = network()
        optimizer = optimizers.make(model, spec_of(name), 0.1)
        optimizers.restore(model, optimizer, through_a_file(optimizers.state(model, optimizer)))
        trained(model, optimizer, range(1))
        assert all(bool(p.isfinite().all()) for p in model.parameters())


def with_gradients(dtype: torch.dtype = torch.float32) -> nn.Module:
    model = network(dtype)
    loss_of(model, 0).backward()
    return model


def test_clip_by_norm() -> None:
    model, untouched = with_gradients(torch.float64), with_gradients(torch.float64)
    norm = torch.cat([p.grad.reshape(-1) for p in untouched.parameters()]).norm().item()
    gradients.clip(model.parameters(), Clip(norm=norm / 4))
    for clipped, whole in zip(model.parameters(), untouched.parameters(), strict=True):
        torch.testing.assert_close(clipped.grad, whole.grad / 4, rtol=1e-5, atol=0)
        assert clipped.grad.stride() == whole.grad.stride()
    gradients.clip(untouched.parameters(), Clip(norm=2 * norm))
    total = torch.cat([p.grad.reshape(-1) for p in untouched.parameters()]).norm().item()
    assert total == pytest.approx(norm, rel=1e-12)


def test_clip_by_value() -> None:
    model, untouched = with_gradients(), with_gradients()
    gradients.clip(model.parameters(), Clip(value=1e-3))
    for clipped, whole in zip(model.parameters(), untouched.parameters(), strict=True):
        assert torch.equal(clipped.grad, whole.grad.clamp(-1e-3, 1e-3))


@pytest.mark.parametrize(("step", "gamma"), [(0, 0.55), (99, 0.55), (99, 0.0)])
def test_noise_has_the_papers_variance(step: int, gamma: float) -> None:
    weight = nn.Parameter(torch.zeros(200, 100))
    weight.grad = torch.ones_like(weight)
    gradients.add_noise([weight], GradientNoise(eta=0.3, gamma=gamma), step, torch.Generator().manual_seed(1))
    noise = weight.grad - 1
    assert noise.var().item() == pytest.approx(0.3 / (1 + step) ** gamma, rel=0.03)
    assert abs(noise.mean().item()) < 4 * (0.3 / 20_000) ** 0.5


def test_noise_is_the_generators_and_keeps_the_layout() -> None:
    one, same, other = with_gradients(), with_gradients(), with_gradients()
    for model, seed in ((one, 1), (same, 1), (other, 2)):
        gradients.add_noise(model.parameters(), GradientNoise(), 3, torch.Generator().manual_seed(seed))
    pairs = itertools.combinations([[p.grad for p in model.parameters()] for model in (one, same, other)], 2)
    equal = [all(torch.equal(a, b) for a, b in zip(first, second, strict=True)) for first, second in pairs]
    assert equal == [True, False, False]
    assert all(p.grad.stride() == p.stride() for p in one.parameters())


def test_noise_does_not_depend_on_the_layout() -> None:
    one, other = with_gradients(torch.float64), with_gradients(torch.float64)
    for parameter in other.parameters():
        parameter.grad = parameter.grad.contiguous()
    for model in (one, other):
        gradients.add_noise(model.parameters(), GradientNoise(), 3, torch.Generator().manual_seed(1))
    assert all(torch.equal(a.grad, b.grad) for a, b in zip(one.parameters(), other.parameters(), strict=True))
