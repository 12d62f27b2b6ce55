"""The forest of effects: every contrast with its meaning, in points, its raw twin below it, on one range."""

from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("altair", reason="altair is not installed")
from dashboard import effects
from studies.analysis.results import Contrast, FailureTable, Reading
from studies.statistics import Estimate


def contrast(high: Any, mean: float, half: float | None, p: float | None, tie: float | None = None) -> Contrast:
    return Contrast("depth", 1, high, Estimate(5, mean, 0.01, half, 4), p, (), tie)


READING = Reading(
    cells=(), raw_cells=(), common=(), common_setting={}, interactions=(), trends=(), flips=(), best=(), failures=(),
    shares=(), errors=(), law=None, margin=0.005, claims=3,
    contrasts=(
        contrast(2, 0.02, 0.01, 0.01), contrast(4, 0.001, 0.002, 0.6, 0.01), contrast("o'x\\", -0.004, None, None)
    ),
    raw=(contrast(2, 0.03, 0.02, 0.02),),
)  # fmt: skip


def test_each_line_has_its_meaning_and_its_numbers_in_points() -> None:
    rows = effects.rows(READING, "val_accuracy")
    assert [one["kind"] for one in rows] == [effects.SIGNS[name][0] for name in ("clear", "raw", "tie", "open")]
    assert [(one["mean"], one["low"], one["high"]) for one in rows[:1]] == [(2.0, 1.0, 3.0)]
    assert rows[-1]["low"] is None, "one seed gives no interval"
    assert effects.rows(READING, "val_loss")[0]["mean"] == 0.02
    assert "depth: 2 − 1 +2.00 [+1.00, +3.00], clear" in effects.told(READING, "val_accuracy")


def test_what_failures_keep_from_being_told_is_neither_clear_nor_a_tie() -> None:
    """As the verdict has it."""
    lost = FailureTable("depth", {1: (0, 5), 2: (3, 5), 4: (1, 5)}, 0.2, {"diverged": 4}, survives=False)
    rows = effects.rows(replace(READING, failures=(lost,)), "val_accuracy")
    withheld, _, tie, open_ = (one["kind"] for one in rows)
    assert withheld == tie == effects.SIGNS["withheld"][0]
    assert open_ == effects.SIGNS["open"][0]


def test_colors_and_shapes_differ_and_the_legend_has_what_is_there() -> None:
    assert len({one[1] for one in effects.SIGNS.values()}) == len({one[2] for one in effects.SIGNS.values()}) == 5
    drawn = effects.forest(READING, "val_accuracy", "maximize").to_dict()
    scale = drawn["layer"][-1]["encoding"]["shape"]["scale"]
    assert scale["domain"] == [one[0] for name, one in effects.SIGNS.items() if name != "withheld"]
    clear = replace(READING, contrasts=READING.contrasts[:1], raw=())
    one = effects.forest(clear, "val_accuracy", "maximize").to_dict()["layer"][-1]["encoding"]
    assert one["shape"]["scale"]["domain"] == ["clear"]
    assert one["x"]["title"] == ["difference in val_accuracy", "points, right is better"]


def test_a_name_cannot_leave_its_expression() -> None:
    drawn = effects.forest(READING, "val_loss", "minimize").to_dict()["layer"][-1]["encoding"]
    assert "o\\u0027x\\u005c" in drawn["y"]["axis"]["labelExpr"]
    assert drawn["y"]["axis"]["labelExpr"].count("''") == 1, "the raw twin has no name"
    assert "left is better" in drawn["x"]["title"][1]


def test_an_endless_interval_leaves_the_others_readable() -> None:
    wide = replace(READING, contrasts=(*READING.contrasts, contrast(8, 0.0, 9.0, 0.9)))
    low, high = effects.forest(wide, "val_accuracy", "maximize").to_dict()["layer"][-1]["encoding"]["x"]["scale"][
        "domain"
    ]
    assert -20 < low < high < 20


def test_nothing_compared_is_nothing_drawn() -> None:
    assert effects.forest(replace(READING, contrasts=(), raw=()), "val_accuracy", "maximize") is None
