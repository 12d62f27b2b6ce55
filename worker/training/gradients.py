"""What may happen to gradients between backward and step: clipping and noise. Nothing here waits for the device."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from worker.recipe.spec import Clip, GradientNoise


def clip(parameters: Iterable[nn.Parameter], spec: Clip) -> None:
    """All gradients times min(1, norm / (|g| + 1e-6)) with g all in one vector (Pascanu et al. 2013), or each cut.

    A gradient that is not finite makes all of them so, and the loss after it: the trainer reports that as diverged.
    """
    if spec.norm is not None:
        nn.utils.clip_grad_norm_(parameters, spec.norm, error_if_nonfinite=False, foreach=True)
    if spec.value is not None:
        nn.utils.clip_grad_value_(parameters, spec.value, foreach=True)


def add_noise(parameters: Iterable[nn.Parameter], spec: GradientNoise, step: int, generator: torch.Generator) -> None:
    """Normal noise of variance eta / (1 + t)^gamma on every gradient, t = `step` from 0 (Neelakantan et al. 2015)."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    torch._foreach_add_(gradients, noise(gradients, generator), alpha=deviation(spec, step))


def deviation(spec: GradientNoise, step: int) -> float:
    """The square root of the variance at a step."""
    return float((spec.eta / (1 + step) ** spec.gamma) ** 0.5)


def noise(like: Sequence[Tensor], generator: torch.Generator) -> list[Tensor]:
    """Standard normal tensors of the shapes of `like`, cut in their order from a single draw."""
    sizes = [tensor.numel() for tensor in like]
    drawn = torch.randn(sum(sizes), generator=generator, dtype=like[0].dtype, device=like[0].device)
    return [part.view(tensor.shape) for part, tensor in zip(torch.split(drawn, sizes), like, strict=True)]
