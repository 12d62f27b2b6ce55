"""Torch's optimizers as a recipe names them, and their whole state as named tensors, so that a resume is bit-exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from worker.recipe.optimizers import Adadelta, Adagrad, Adam, AdamW, Lbfgs, Optimizer, RmsProp, Sgd

FUSED = (Sgd, Adagrad, Adam, AdamW)
"""Those of which torch has one kernel for the whole step."""
HISTORIES = ("old_dirs", "old_stps", "ro")
"""What L-BFGS keeps as lists: differences of gradients, of weights, and 1 / their products, oldest first."""
NUMBERS = ("func_evals", "n_iter", "t", "prev_loss", "H_diag")
"""What L-BFGS keeps as plain numbers or as tensors of none of Python's two types, as it goes."""
SCRATCH = "al"


class FullBatch(torch.optim.LBFGS):
    """Torch's L-BFGS for any memory layout: torch's own reads gradients by `view`, which channels_last refuses."""

    def _gather_flat_grad(self) -> Tensor:
        parameters: list[Tensor] = self.param_groups[0]["params"]
        return torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).reshape(-1) for p in parameters])

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy: torch's own forgets which parameters it has."""
        super().__setstate__(state)
        self._params = self.param_groups[0]["params"]
        self._numel_cache = None


def make(model: nn.Module, spec: Optimizer, lr: float, fused: bool = False) -> torch.optim.Optimizer:
    """The optimizer at the rate `lr`, for a model that is already where it stays and in its memory layout.

    `foreach` kernels, or with `fused` those of one launch where torch has them. Fused kernels walk memory, not
    indices: each gradient and state must have its parameter's strides, which autograd and `restore` see to.
    """
    if isinstance(spec, Lbfgs):
        return FullBatch(
            _trained(model),
            lr,
            max_iter=spec.iterations,
            history_size=spec.history,
            line_search_fn="strong_wolfe",
        )
    how = {"fused": True} if fused and isinstance(spec, FUSED) else {"foreach": True}
    return _first_order(groups(model, spec), spec, lr, how)


def groups(model: nn.Module, spec: Optimizer) -> list[dict[str, Any]]:
    """Parameter groups: one, or with `decayed: weights` the weights decayed and the rest not (He et al. 2019, 3.1).

    Weights have two axes or more; biases, the scales of norms and the slopes of PReLU have one, but for the biases of
    unshared convolutions, which are known by their name.
    """
    if isinstance(spec, Lbfgs) or spec.decayed == "all" or not spec.weight_decay:
        return [{"params": _trained(model)}]
    named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    weights = [parameter for name, parameter in named if _is_weight(name, parameter)]
    others = [parameter for name, parameter in named if not _is_weight(name, parameter)]
    found: list[dict[str, Any]] = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return [group for group in found if group["params"]]


def set_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """The learning rate of the next step; one held in a tensor (a captured graph reads it) is filled in place."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr


def step(optimizer: torch.optim.Optimizer, closure: Callable[[], Tensor]) -> Tensor:
    """One step on `closure`, which clears the gradients, computes the loss and its gradients, and returns the loss.

    L-BFGS calls it some times in its line search (iterations * 5 / 4 at most) and needs the same function each time:
    draw masks and noise from generators that the closure seeds anew. Returned is the loss before the step, detached.
    """
    if isinstance(optimizer, torch.optim.LBFGS):
        loss: Tensor = optimizer.step(closure)  # type: ignore[no-untyped-call]
        return loss.detach()
    loss = closure()
    optimizer.step()
    return loss.detach()


def state(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All that the next step depends on beside weights and gradients: `<parameter>/<key>` -> tensor.

    Empty before the first step of most. L-BFGS has its state under its first parameter. Nothing is copied.
    """
    return {
        f"{name}/{key}": _written(value)
        for name, parameter in model.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
        if key != SCRATCH and value is not None
    }


def restore(model: nn.Module, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """What `state` gave, into an optimizer that `make` made; copies, each in the memory layout of its parameter."""
    parameters = dict(model.named_parameters())
    fused = {id(p) for group in optimizer.param_groups if group.get("fused") for p in group["params"]}
    for path, value in tensors.items():
        name, _, key = path.rpartition("/")
        parameter = parameters[name]
        optimizer.state[parameter][key] = _read(key, value, parameter, fused=id(parameter) in fused)


def laid_out(optimizer: torch.optim.Optimizer) -> bool:
    """Whether each gradient and state lies in memory as its parameter does, without which a fused step is wrong.

    Torch 2.13 does not check it. True of gradients that `backward` made and of states that `step` or `restore` made.
    """
    return all(
        _order(tensor) == _order(parameter)
        for group in optimizer.param_groups
        for parameter in group["params"]
        for tensor in (parameter.grad, *optimizer.state.get(parameter, {}).values())
        if isinstance(tensor, Tensor) and tensor.shape == parameter.shape
    )


def _order(tensor: Tensor) -> list[int]:
    """The strides of the axes along which there is more than one value; those of the others say nothing."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]


def _trained(model: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def _is_weight(name: str, parameter: Tensor) -> bool:
    return parameter.dim() > 1 and name.rpartition(".")[2] != "bias"


def _first_order(
    parameters: list[dict[str, Any]], spec: Optimizer, lr: float, how: dict[str, bool]
) -> torch.optim.Optimizer:
    options: dict[str, Any] = spec.model_dump(exclude={"kind", "lr", "decayed"}) | how
    match spec:
        case Sgd():
            return torch.optim.SGD(parameters, lr, **options)
        case Adagrad():
            return torch.optim.Adagrad(parameters, lr, **options)
        case Adadelta():
            return torch.optim.Adadelta(parameters, lr, **options)
        case RmsProp():
            return torch.optim.RMSprop(parameters, lr, **options)
        case Adam():
            return torch.optim.Adam(parameters, lr, **options)
        case AdamW():
            return torch.optim.AdamW(parameters, lr, **options)
    raise AssertionError(f"no optimizer for {spec!r}")


def _written(value: Any) -> Tensor:
    """A list as the rows of one tensor, a whole number as int64, another number as float64."""
    if isinstance(value, list):
        return torch.stack(value) if value else torch.empty(0)
    return value if isinstance(value, Tensor) else torch.tensor(value, dtype=_number_type(value))


def _number_type(value: float) -> torch.dtype:
    return torch.int64 if isinstance(value, int) else torch.float64


def _read(key: str, value: Tensor, parameter: Tensor, fused: bool) -> Any:
    """The inverse of `_written`. Rows are copied one by one: sums may depend on how memory is aligned."""
    if key in HISTORIES:
        return [row.to(parameter.device, copy=True) for row in value]
    if key in NUMBERS and value.dtype in (torch.int64, torch.float64):
        return value.item()
    if key == "step":
        return value.to(parameter.device if fused else "cpu", copy=True)
    if value.shape == parameter.shape:
        return torch.empty_like(parameter, requires_grad=False).copy_(value)
    return value.to(parameter.device, copy=True)
