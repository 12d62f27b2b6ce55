"""The verdict of a design study: sentences that the data support, what they cannot say, and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from searchspace.units import human
from studies.analysis import ALPHA, CellResult, Contrast, contrasts, image_error, seeds_needed, spread
from studies.spec import StudySpec

UNHELD = ("macs", "params", "activations")
NOTABLE_SPREAD = 1.25
"""A cost that is not held and varies by more than this factor is warned of."""


def verdict(spec: StudySpec, results: Sequence[CellResult], images: int) -> list[str]:
    """The verdict, one sentence a line; `images` is the size of the validation split."""
    assert spec.design is not None
    ran = [cell for cell in results if cell.values]
    if not ran:
        return ["No trial is complete yet, so nothing can be said."]
    found = contrasts(ran, spec.design.factors)
    return [
        _setting(spec, ran),
        *(_factor(spec, factor, [one for one in found if one.factor == factor]) for factor in spec.design.factors),
        *_limits(spec, ran, images),
        *_unheld(spec, ran),
        *_missing(results),
    ]


def _setting(spec: StudySpec, ran: Sequence[CellResult]) -> str:
    assert spec.design is not None
    held = spec.design.match
    seeds = sorted({len(cell.values) for cell in ran})
    many = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    equal = (
        "no cost is held" if held is None else f"{held.cost} held at {human(held.target)} within {held.tolerance:.0%}"
    )
    return f"{len(ran)} cells, {many} seeds each, {equal}; {spec.objective.target} of the last epoch."


def _factor(spec: StudySpec, factor: str, found: Sequence[Contrast]) -> str:
    told = [one for one in found if one.p is not None]
    if not told:
        return f"{factor}: one seed says nothing of the noise; raise design.replicates to 3 or more."
    clear = [one for one in told if one.p is not None and one.p < ALPHA]
    if clear:
        return f"{factor}: " + "; ".join(_clear(spec, one) for one in clear) + "."
    widest = max(told, key=lambda one: abs(one.difference.mean))
    shown = f"the largest is {_shown(spec, widest)}"
    return f"{factor}: no difference that these seeds can tell; {shown}. {_settle(spec, widest)}"


def _clear(spec: StudySpec, one: Contrast) -> str:
    better = (one.difference.mean > 0) == (spec.objective.direction == "maximize")
    return f"{one.high} is {'better' if better else 'worse'} than {one.low}, by {_shown(spec, one)}"


def _shown(spec: StudySpec, one: Contrast) -> str:
    scale, unit = _scale(spec)
    half = one.difference.half_width or 0.0
    low, high = (one.difference.mean - half) * scale, (one.difference.mean + half) * scale
    pair = f"{one.factor} {one.high} against {one.low}: "
    return f"{pair}{one.difference.mean * scale:+.2f}{unit} [{low:+.2f}, {high:+.2f}], n = {one.difference.n}"


def _settle(spec: StudySpec, one: Contrast) -> str:
    if not one.difference.deviation or not one.difference.mean:
        return "More seeds would tell."
    scale, unit = _scale(spec)
    size = abs(one.difference.mean)
    needed = seeds_needed(one.difference.deviation, size)
    return f"If a difference of {size * scale:.2f}{unit} is real, about {needed} seeds would show it (80 % power)."


def _scale(spec: StudySpec) -> tuple[float, str]:
    return (100.0, " points") if "accuracy" in spec.objective.target else (1.0, "")


def _limits(spec: StudySpec, ran: Sequence[CellResult], images: int) -> list[str]:
    """Seeds are not images: what the size of the validation split leaves open."""
    text = "Intervals cover the seeds, not the sampling of images, and hold for this data, recipe and range alone."
    if "accuracy" not in spec.objective.target:
        return [text]
    means = [cell.estimate.mean for cell in ran if cell.estimate]
    error = image_error(max(means), images)
    gap = max(means) - min(means)
    text += f" With {images} validation images an accuracy near {max(means):.1%} has a standard error of"
    text += f" {error * 100:.2f} points"
    if gap < 2 * error:
        return [text + f", and all cells lie within {gap * 100:.2f}: this data cannot rank them."]
    return [text + "."]


def _unheld(spec: StudySpec, ran: Sequence[CellResult]) -> list[str]:
    assert spec.design is not None
    held = spec.design.match.cost if spec.design.match else None
    wide = [
        f"{cost} by {spread(ran, cost):.2f}x" for cost in UNHELD if cost != held and spread(ran, cost) > NOTABLE_SPREAD
    ]
    return [f"Not held, and varying over the cells: {', '.join(wide)}."] if wide else []


def _missing(results: Sequence[CellResult]) -> list[str]:
    impossible = [f"{cell.name} ({cell.reason})" for cell in results if cell.reason]
    failed = [f"{cell.name} ({cell.failures})" for cell in results if cell.failures]
    told = [f"Cells that could not be: {'; '.join(impossible)}."] if impossible else []
    return told + ([f"Failed trials, which are not missing at random: {', '.join(failed)}."] if failed else [])


def as_text(value: Any, metric: str) -> str:
    """A metric's value on screens: accuracies in percent, others with four digits."""
    return f"{value * 100:.2f} %" if "accuracy" in metric else f"{value:.4g}"
