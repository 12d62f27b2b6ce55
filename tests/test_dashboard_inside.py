"""Charts of the inside of a training: every number that was measured is there, and nothing else."""

from typing import Any

import pytest

pytest.importorskip("altair", reason="altair is not installed")

from dashboard import inside

WATCHED = [
    {
        "epoch": epoch,
        "layers": [
            {"name": "conv1", "weight_norm": 4.0, "gradient_norm": 0.1 * epoch, "dead_units": None},
            {"name": "act1", "weight_norm": None, "gradient_norm": None, "dead_units": 0.25},
        ],
    }
    for epoch in (1, 2)
]


def values(layer: dict[str, Any]) -> list[dict[str, Any]]:
    return list(layer["data"]["values"])


def test_a_range_test_marks_the_rate_that_was_taken() -> None:
    curve = [[1e-6, 2.4], [1e-3, 2.0], [1.0, float("inf")], [10.0, None]]
    line, mark = inside.rates(curve, 1e-2).to_dict()["layer"]
    assert values(line) == [{"rate": 1e-6, "loss": 2.4}, {"rate": 1e-3, "loss": 2.0}]
    assert values(mark) == [{"rate": 1e-2}]
    assert line["encoding"]["x"]["scale"]["type"] == "log"


@pytest.mark.parametrize(
    ("name", "layer", "found"),
    [("gradient_norm", "conv1", [0.1, 0.2]), ("weight_norm", "conv1", [4.0, 4.0]), ("dead_units", "act1", [0.25] * 2)],
)
def test_a_row_for_each_layer_that_has_it(name: str, layer: str, found: list[float]) -> None:
    told = inside.by_layer(WATCHED, name).to_dict()
    assert [(row["layer"], row["epoch"], row["value"]) for row in values(told)] == [
        (layer, 1, found[0]),
        (layer, 2, found[1]),
    ]
    assert told["encoding"]["y"]["sort"] == [layer]
