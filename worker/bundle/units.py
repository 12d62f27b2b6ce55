"""A regression learns standardized targets; what is exported gives numbers in the unit of the source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from searchspace import core
from searchspace.core import Network
from searchspace.cost import trace
from worker.data import Scale

THROUGH = core.Flatten | core.Identity | core.Dropout | core.GlobalPool
"""What a scale (above 0) and a shift pass unchanged."""


def fold(weights: dict[str, Tensor], network: Network, unit: Scale) -> bool:
    """Make the last layer's weights give outputs in the unit: W' = std W, b' = std b + mean; whether it can be done."""
    name = _last(network)
    if name is None:
        return False
    mean, std = (torch.tensor(values, dtype=torch.float32) for values in (unit.mean, unit.std))
    weight, bias = f"{name}.weight", f"{name}.bias"
    weights[weight] = weights[weight] * std.reshape(-1, *[1] * (weights[weight].dim() - 1))
    weights[bias] = weights[bias] * std + mean
    return True


def _last(network: Network) -> str | None:
    """The name of the linear or convolutional layer whose outputs are the network's."""
    rows = [row for row in trace(network) if not row.side and not isinstance(row.node, THROUGH | core.Auxiliary)]
    last = rows[-1] if rows else None
    fits = last is not None and isinstance(last.node, core.Linear | core.Conv) and last.node.bias
    return last.name if fits and last is not None else None


def restored(outputs: Tensor, told: Mapping[str, Any]) -> Tensor:
    """Outputs in the unit of the source, where `told` (preprocess.json) says that this is still to be done."""
    if not told["unit"]:
        return outputs
    mean, std = (torch.tensor(told["unit"][name], dtype=torch.float32) for name in ("mean", "std"))
    return outputs * std + mean
