"""The receptive field that is counted is the one that torch's gradient reaches."""

from typing import Any

import pytest
import torch

from searchspace.blueprint import Blueprint
from searchspace.cost import trace
from searchspace.lower import lower
from worker import build

PLAIN: dict[str, Any] = {"block": "plain", "width": 2, "activation": None}
AVERAGE = {"kind": "average", "size": 2}
STAGES: dict[str, list[dict[str, Any]]] = {
    "three 3x3": [PLAIN | {"repeat": 3}],
    "even": [PLAIN | {"repeat": 4, "kernel": 2}],
    "strides and pools": [PLAIN | {"kernel": 5, "stride": 2, "pool": AVERAGE}, PLAIN | {"repeat": 2}],
    "overlapping": [PLAIN | {"pool": {"kind": "average", "size": 3, "stride": 2}}, PLAIN],
    "dilated": [PLAIN | {"dilation": 1}, PLAIN | {"dilation": 2}, PLAIN | {"dilation": 3, "stride": 2}, PLAIN],
    "separable": [PLAIN | {"convolution": "separable", "repeat": 2, "stride": 2}],
    "branches": [{"block": "parallel", "branches": [[PLAIN], [PLAIN | {"repeat": 2}], []]}, PLAIN | {"stride": 2}],
    "residual": [{"block": "residual", "width": 2, "repeat": 2, "stride": 2, "activation": None}],
    "valid": [PLAIN | {"padding": "valid", "stride": 3}, PLAIN | {"padding": "valid"}],
}


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("stages", STAGES.values(), ids=STAGES)
def test_the_gradient_reaches_the_field_and_no_further(stages: list[dict[str, Any]], axes: int) -> None:
    """Position q of the last map sees the pixels from s q - p on, r of them: effective stride, padding and field."""
    shape = (1, *(96, 90)[:axes])
    network = lower(Blueprint.model_validate({"stages": stages, "head": {"kind": "none"}}), shape, 2)
    model, last = build.module(network).double(), trace(network)[-1]
    for parameter in model.parameters():
        parameter.data.fill_(0.5)  # nothing cancels
    x = torch.zeros(1, *shape, dtype=torch.float64, requires_grad=True)
    y = model(x)
    middle = [size // 2 for size in y.shape[2:]]
    (reached,) = torch.autograd.grad(y[(0, 0, *middle)], x)
    seen = [(int(axis.min()), int(axis.max()) + 1) for axis in reached[0, 0].nonzero().T]
    starts = [int(q * s - p) for q, s, p in zip(middle, last.stride, last.padding, strict=True)]
    assert seen == [(start, start + r) for start, r in zip(starts, last.field, strict=True)]
