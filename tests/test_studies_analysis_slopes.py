"""Effects in a latin hypercube: against least squares and scipy, as claims, and as what a verdict says of them."""

import random
from math import log2
from typing import Any

import numpy as np
import pytest
from readings import rows, spec
from scipy import stats

from studies.analysis.failures import withheld
from studies.analysis.reading import read
from studies.analysis.results import Reading
from studies.analysis.slopes import effects, in_doublings, sloped
from studies.design.replicates import wanted
from studies.spec import StudySpec
from studies.statistics import holm
from studies.verdict import verdict

WIDTHS = (8, 11, 16, 23, 32, 45, 64, 90)
RATES = (0.5, 0.0, 0.3, 0.7, 0.1, 0.6, 0.2, 0.4)
KINDS = ("a", "b", "b", "a", "a", "b", "a", "b")
CELLS = {
    f"width={width}, rate={rate}, kind={kind}": {"width": width, "rate": rate, "kind": kind}
    for width, rate, kind in zip(WIDTHS, RATES, KINDS, strict=True)
}


def study(**more: Any) -> StudySpec:
    design = {"factors": ["width", "rate", "kind"], "layout": "latin_hypercube", "runs": 8, "replicates": 5, **more}
    return spec(design=design)


def trials(
    width: float,
    kind: float = 0.0,
    rate: float = 0.0,
    noise: float = 0.004,
    seeds: int = 5,
    lost: tuple[int, ...] = (),
    at: int = 90,
) -> list[Any]:
    """Accuracies that rise by `width` a doubling, with `rate` and with kind b; the width `at` fails on `lost`."""
    dice = random.Random(8)

    def value(levels: Any, seed: int) -> float | str:
        told = 0.7 + width * log2(levels["width"] / 8) + rate * levels["rate"] + kind * (levels["kind"] == "b")
        return "diverged" if levels["width"] == at and seed in lost else told + dice.gauss(0, noise)

    return rows(CELLS, seeds, value)


def said(reading: Reading, of: StudySpec) -> str:
    return "\n".join(verdict(of, reading, 0))


def test_slopes_are_those_of_each_seeds_least_squares_and_one_family() -> None:
    made = trials(0.02, 0.01)
    found = read(study(), made)
    x = [[1, log2(one["width"]), one["rate"], one["kind"] == "b"] for one in CELLS.values()]
    fits = []
    for seed in range(5):
        y = [row["value"] for cell in CELLS for row in made if (row["cell"], row["replicate"]) == (cell, seed)]
        fits.append(np.linalg.lstsq(np.asarray(x, float), np.asarray(y), rcond=None)[0][1:] * [1, 0.7, 1])
    raw = [float(stats.ttest_1samp(one, 0).pvalue) for one in np.transpose(fits)]
    assert [one.p for one in found.contrasts] == pytest.approx(holm(raw))
    assert found.claims == 3
    (trend,) = found.trends
    low, high = stats.t.interval(0.95, 4, loc=np.mean(fits, 0)[0], scale=stats.sem(fits)[0])
    assert (trend.per_doubling.low, trend.per_doubling.high, trend.p) == pytest.approx((low, high, holm(raw)[0]))
    assert [(one.factor, one.low, one.high) for one in found.contrasts] == [
        ("width", 8, 90), ("rate", 0.0, 0.7), ("kind", "a", "b"),
    ]  # fmt: skip
    assert found.contrasts[1].difference.mean == pytest.approx(np.mean(fits, 0)[1])


def test_too_few_cells_tell_nothing() -> None:
    few = [row for row in trials(0.02) if row["assignment"]["width"] < 20]
    found = read(study(), few)
    assert (found.contrasts, found.trends, found.claims, found.shares) == ((), (), 0, ())
    text = said(found, study())
    assert text.count("too few cells with common seeds to tell the factors' effects from each other") == 1
    assert "width, rate and kind: there are too few cells" in text
    assert "slopes of a model" not in text


def test_a_range_below_fourfold_or_with_zero_is_a_line() -> None:
    assert [in_doublings(one) for one in ([1, 3], [1, 4], [0, 8], [True, 8], ["a"], [2])] == [False, True] + 4 * [False]


def test_pairs_that_are_compared_are_fitted_differences() -> None:
    cells = read(study(), trials(0.02, 0.01)).cells
    assert [one[:3] for one in effects(cells, ["kind"], {"kind": [["b", "a"]]})] == [("kind", "b", "a")]
    (one,), _ = sloped(cells, ["kind"], {"kind": [["b", "a"]]})
    assert one.difference.mean == pytest.approx(-sloped(cells, ["kind"])[0][0].difference.mean)


def test_a_cell_that_mostly_failed_is_not_fitted() -> None:
    found = read(study(), trials(0.02, lost=(1, 2, 3)))
    assert {one.difference.n for one in found.contrasts} == {5}
    assert {one.difference.n for one in read(study(), trials(0.02, lost=(1,))).contrasts} == {4}


def test_failures_turn_a_slope_only_where_the_whole_fit_turns() -> None:
    """The cells at the ends of `rate` differ mostly by their width, which says nothing of the slope over `rate`."""
    found = read(study(), trials(0.02, rate=-0.02, noise=0.001, lost=(1,)))
    assert {one.factor: one.survives for one in found.failures} == {"width": True, "rate": True, "kind": True}
    assert "rate: from 0 to 0.7 val_accuracy changes by -1.3" in said(found, study())


@pytest.mark.parametrize("at", [45, 90])
def test_a_cell_that_is_lost_anywhere_withholds_the_slope_that_it_would_turn(at: int) -> None:
    of = study()
    found = read(of, trials(0.004, kind=0.1, rate=-0.02, noise=0.001, lost=(0, 1, 2, 3, 4), at=at))
    assert {one.factor: one.survives for one in found.failures}["width"] is False
    text = said(found, of)
    assert "width: each doubling changes" not in text.splitlines()[0]
    (width,) = (one for one in found.contrasts if one.factor == "width")
    assert withheld(found.failures, width)


def test_seeds_are_added_to_all_cells_since_each_effect_is_of_all() -> None:
    adaptive = {"until": {"half_width": "0.5%", "of": "effects"}, "at_least": 5, "at_most": 40}
    many = wanted(study(replicates=adaptive).design, trials(0.02))  # type: ignore[arg-type]
    assert len({*many.values()}) == 1
    assert min(many.values()) > 5


def test_a_verdict_tells_slopes_and_that_they_rest_on_a_model() -> None:
    text = said(read(study(), trials(0.02, 0.01)), study())
    assert text.startswith("width: each doubling changes val_accuracy by +1.97 points [+1.82, +2.12]; ")
    assert "kind: b is better than a by " in text
    assert "rate: 5 seeds cannot tell that it matters (from 0 to 0.7 val_accuracy changes by " in text
    assert "by a line over each factor's numbers, all factors at once" in text
    assert "Effects are slopes of a model in which they are straight and add up" in text
    assert "Of the variance" not in text, "whose it is cannot be told"


def test_a_line_within_the_margin_is_told_over_the_whole_range() -> None:
    text = said(read(study(replicates=20), trials(0.0, noise=0.001, seeds=20)), study(replicates=20))
    assert "width: from 8 to 90 val_accuracy changes by " in text
    assert "within 0.5 points" in text
    assert " 90 and 8 tie" not in text
