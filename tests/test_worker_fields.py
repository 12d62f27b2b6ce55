"""The receptive field that is counted is the one that torch's gradient reaches."""

from typing import Any

import pytest
import torch

from searchspace.blueprint import Blueprint
from searchspace.cost import cost, trace
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


UP = {"block": "upsample", "scale": 2}
POOL = {"block": "pool", **AVERAGE}
DEEPER = [POOL, PLAIN, UP | {"kind": "linear"}]
ENLARGED: dict[str, tuple[list[dict[str, Any]], int]] = {
    "repeated": ([PLAIN | {"kernel": 4, "stride": 4, "padding": "valid"}, UP | {"scale": 4}, PLAIN], 8),
    "interpolated": (
        [PLAIN | {"kernel": 4, "stride": 4, "padding": "valid"}, UP | {"scale": 4, "kind": "linear"}, PLAIN],
        12,
    ),
    "twice down, twice up": ([PLAIN, POOL, PLAIN, POOL, PLAIN, UP, PLAIN, UP, PLAIN], 26),
    "transposed without overlap": (
        [POOL, POOL, PLAIN | {"convolution": "transposed", "kernel": 4, "stride": 4}, PLAIN],
        8,
    ),
    "transposed with overlap": (
        [POOL, POOL, PLAIN | {"convolution": "transposed", "kernel": 8, "stride": 4}, PLAIN],
        12,
    ),
    "transposed, then even": (
        [PLAIN | {"convolution": "transposed", "kernel": 3, "stride": 2}, PLAIN | {"kernel": 2}],
        2,
    ),
    "a U": ([PLAIN, {"block": "parallel", "branches": [[], DEEPER]}, PLAIN], 12),
    "branches that begin elsewhere": (
        [
            {
                "block": "parallel",
                "branches": [
                    [PLAIN | {"kernel": 2, "padding": [[0, 1]]}],
                    [PLAIN | {"kernel": 2, "padding": [[1, 0]]}],
                ],
            }
        ],
        3,
    ),
}


@pytest.mark.parametrize(("stages", "field"), ENLARGED.values(), ids=ENLARGED)
def test_the_field_behind_enlargements_is_the_most_that_any_position_sees(
    stages: list[dict[str, Any]], field: int
) -> None:
    network = lower(Blueprint.model_validate({"stages": stages, "head": {"kind": "none"}}), (1, 96), 2)
    model = build.module(network).double()
    for parameter in model.parameters():
        parameter.data.fill_(0.5)
    x = torch.zeros(1, 1, 96, dtype=torch.float64, requires_grad=True)
    y = model(x)
    seen = []
    for position in range(y.shape[2] // 2 - 12, y.shape[2] // 2 + 12):
        (reached,) = torch.autograd.grad(y[0, :, position].sum(), x, retain_graph=True)
        places = reached[0, 0].nonzero()
        seen.append(int(places.max() - places.min()) + 1)
    assert max(seen) == trace(network)[-1].field[0] == field


def test_unpooling_sees_what_repeating_sees() -> None:
    inner = [PLAIN, {"block": "within", "stages": [PLAIN]}, PLAIN]
    outer = {"block": "within", "stages": inner[:2]}
    plain = [PLAIN, POOL, PLAIN, POOL, PLAIN, UP, UP, PLAIN]
    fields = []
    for stages in ([PLAIN, outer, PLAIN], plain):
        network = lower(Blueprint.model_validate({"stages": stages, "head": {"kind": "none"}}), (1, 96), 2)
        fields.append(trace(network)[-1].field)
    assert fields[0] == fields[1]


def test_a_gate_does_not_widen_the_field() -> None:
    stage = {"block": "inverted_residual", "width": 4, "repeat": 3}
    fields = []
    for gate in (None, 4):
        stages = [stage | {"squeeze_excite": gate}]
        fields.append(cost(lower(Blueprint.model_validate({"stages": stages}), (4, 32, 32), 2)).field)
    assert fields == [7, 7]
