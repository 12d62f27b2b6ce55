"""What happens inside a network while it trains: sizes of gradients and weights, and units that died."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from worker.measuring.quality import BATCH, Examples, Outputs, every, spread

MOST_WATCHED = 1_000
"""Validation examples for which a unit must be silent to count as dead."""
SILENT = (nn.ReLU, nn.ReLU6)
"""Activations that are exactly 0 on a whole half line, where no gradient passes."""


def seen(outputs: Outputs, model: nn.Module, part: Examples) -> dict[str, Any]:
    """The norm of all gradients that the last step left, and each layer's norms and share of dead units.

    A layer is what has parameters of its own, its biases among them, or an activation that can be silent; the others
    have None. Nothing that the training depends on changes: no generator, no statistic of a norm, no gradient.
    """
    total, weights, gradients = norms(model)
    shares = dead(outputs, model, part)
    rows = [
        {
            "name": name,
            "weight_norm": weights.get(name),
            "gradient_norm": gradients.get(name),
            "dead_units": shares.get(name),
        }
        for name, _ in model.named_modules()
        if name in weights or name in shares
    ]
    return {"gradient_norm": total, "layers": rows}


def norms(model: nn.Module) -> tuple[float | None, dict[str, float], dict[str, float]]:
    """The norm of all gradients, and by layer that of its weights and of its gradients, where there are any."""
    parameters = {name: list(layer.parameters(recurse=False)) for name, layer in model.named_modules()}
    weights = {name: _norm(own) for name, own in parameters.items() if own}
    slopes = {name: [p.grad for p in own if p.grad is not None] for name, own in parameters.items()}
    gradients = {name: _norm(own) for name, own in slopes.items() if own}
    found = _read(weights)
    by_layer = _read(gradients)
    return (sum(value**2 for value in by_layer.values()) ** 0.5 if by_layer else None), found, by_layer


@torch.inference_mode()
def dead(outputs: Outputs, model: nn.Module, part: Examples) -> dict[str, float]:
    """The share of channels whose ReLU is 0 everywhere, for every one of up to 1,000 examples, by activation."""
    alive: dict[str, Tensor] = {}

    def look(name: str) -> Callable[..., None]:
        def hook(module: nn.Module, inputs: Any, output: Tensor) -> None:
            fires = output.movedim(1, 0).flatten(1).ne(0).any(1)
            alive[name] = alive[name] | fires if name in alive else fires

        return hook

    hooks = [m.register_forward_hook(look(name)) for name, m in model.named_modules() if isinstance(m, SILENT)]
    try:
        with evaluating(model):
            for x, _ in part.batches(torch.split(spread(every(part), MOST_WATCHED), BATCH)):
                outputs(x)
    finally:
        for hook in hooks:
            hook.remove()
    return _read({name: fires.logical_not().double().mean() for name, fires in alive.items()})


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode, and afterwards each module in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    """The Euclidean norm of all their values together, in float64."""
    each = torch.stack([torch.linalg.vector_norm(tensor.detach()) for tensor in tensors])
    total: Tensor = torch.linalg.vector_norm(each.double())
    return total


def _read(values: dict[str, Tensor]) -> dict[str, float]:
    """All at once: the device is waited for one time."""
    return dict(zip(values, torch.stack(list(values.values())).tolist(), strict=True)) if values else {}
