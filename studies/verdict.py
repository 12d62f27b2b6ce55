"""The verdict of a design study: sentences that the data support, what they cannot say, and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from searchspace.language.units import human, percent
from studies.analysis import ALPHA, CellResult, Contrast, contrasts, image_error, seeds_needed, spread
from studies.spec import StudySpec
from worker.metrics import is_share

UNHELD = ("macs", "params", "activations")
NOTABLE_SPREAD = 1.25
"""A cost that is not held and varies by more than this factor is warned of."""
MANY_SEEDS = 100
"""From here on the number of seeds that a difference needs is not told: nobody would train them."""


def verdict(spec: StudySpec, results: Sequence[CellResult], images: int) -> list[str]:
    """The verdict, one sentence or two a line; `images` is the size of the validation split, 0 if it is not known."""
    assert spec.design is not None
    ran = [cell for cell in results if cell.values]
    if not ran:
        return ["No trial is complete yet, so nothing can be said.", *_missing(spec, results)]
    found = contrasts(ran, spec.design.factors)
    return [
        _setting(spec, ran),
        *(_factor(spec, factor, found) for factor in spec.design.factors),
        *_limits(spec, ran, images),
        *_unheld(spec, ran),
        *_missing(spec, results),
    ]


def _setting(spec: StudySpec, ran: Sequence[CellResult]) -> str:
    assert spec.design is not None
    held = spec.design.match
    seeds = sorted({len(cell.values) for cell in ran})
    many = _counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    equal = (
        f"{held.cost} held at {human(held.target)} within {percent(float(held.tolerance))}"
        if held
        else "no cost is held"
    )
    over = ", averaged over the other factors" if len(spec.design.factors) > 1 else ""
    compared = f"Compared is {spec.objective.target} of the last epoch, seed by seed{over}"
    return f"{_counted(len(ran), 'cell')} of {many}, {equal}. {compared}; in brackets 95 % intervals."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _factor(spec: StudySpec, factor: str, every: Sequence[Contrast]) -> str:
    """What is said of one factor; `every` holds the contrasts of all, over which Holm's correction was made."""
    found = [one for one in every if one.factor == factor]
    told = [one for one in found if one.p is not None]
    if not found:
        return f"{factor}: no two complete cells with a common seed differ in it alone, so nothing can be compared."
    left_out = _left_out(found)
    if not told:
        return f"{factor}: one seed says nothing of the noise; raise design.replicates to 3 or more.{left_out}"
    clear = [one for one in told if one.p is not None and one.p < ALPHA]
    if not clear:
        return _nothing(spec, factor, told, sum(one.p is not None for one in every)) + left_out
    rest = [f"{one.high} and {one.low} are not told apart" for one in told if one not in clear]
    return f"{factor}: {'; '.join([_clear(spec, one) for one in clear] + rest)}.{left_out}"


def _left_out(found: Sequence[Contrast]) -> str:
    """Which combinations of the other factors a contrast goes without, because their cells share too few seeds."""
    told = [f"{one.high} against {one.low} at {' and at '.join(one.left_out)}" for one in found if one.left_out]
    return f" Left out, because the two cells share too few seeds: {'; '.join(told)}." if told else ""


def _clear(spec: StudySpec, one: Contrast) -> str:
    """`4 is better than 1 by 1.52 points [1.40, 1.64]`; the interval leaves zero out, or Holm would not let it pass."""
    better = (one.difference.mean > 0) == (spec.objective.direction == "maximize")
    size, *ends = (abs(value or 0.0) for value in (one.difference.mean, one.difference.low, one.difference.high))
    low, high = (_number(spec, end) for end in sorted(ends))
    word = "better" if better else "worse"
    return f"{one.high} is {word} than {one.low} by {_number(spec, size)}{_unit(spec)} [{low}, {high}]"


def _nothing(spec: StudySpec, factor: str, told: Sequence[Contrast], tests: int) -> str:
    widest = max(told, key=lambda one: abs(one.difference.mean))
    mean, low, high = (
        _number(spec, value or 0.0, "+")
        for value in (widest.difference.mean, widest.difference.low, widest.difference.high)
    )
    largest = f"{widest.high} against {widest.low}, {mean}{_unit(spec)} [{low}, {high}]"
    beside = (widest.difference.low or 0.0) * (widest.difference.high or 0.0) > 0 and widest.difference.deviation
    corrected = f" (which leaves zero out, but not after Holm's correction for {tests} contrasts)" if beside else ""
    which = "the largest contrast is " if len(told) > 1 else ""
    none = (
        f"no difference that {_counted(widest.difference.n, 'seed')} can tell, which does not show that there is none"
    )
    return f"{factor}: {none}; {which}{largest}{corrected}. {_settle(spec, widest, tests)}"


def _settle(spec: StudySpec, one: Contrast, tests: int) -> str:
    """How many seeds would do: never as few as those that have just not done."""
    size, deviation = abs(one.difference.mean), one.difference.deviation or 0.0
    if deviation <= 1e-12 * size:
        return "The seeds agree to the last digit, so their noise cannot be judged; add seeds."
    needed = seeds_needed(deviation, size, tests) if size else MANY_SEEDS
    if needed >= MANY_SEEDS:
        return f"More than {MANY_SEEDS} seeds would be needed to show a difference so small."
    shown, many = f"{_number(spec, size)}{_unit(spec)}", one.difference.n
    seeds = f"about {needed}" if needed > many else f"more than {many}"
    return f"If {shown} is the true difference, {seeds} seeds would show it (80 % power, at the spread seen here)."


def _number(spec: StudySpec, value: float, sign: str = "") -> str:
    """Points of accuracy with two decimals, anything else with three digits."""
    return f"{value * 100:{sign}.2f}" if _unit(spec) else f"{value:{sign}.3g}"


def _unit(spec: StudySpec) -> str:
    return " points" if is_share(spec.objective.target) else ""


def _limits(spec: StudySpec, ran: Sequence[CellResult], images: int) -> list[str]:
    """Seeds are not images: what the size of the validation split leaves open."""
    text = "Intervals cover the seeds, not the sampling of images, and hold for this data, recipe and range alone."
    if not _unit(spec) or not images:
        return [text]
    means = [cell.estimate.mean for cell in ran if cell.estimate]
    error, gap = image_error(max(means), images), max(means) - min(means)
    text += f" With {images} validation images an accuracy of {max(means):.1%} has a standard error of"
    text += f" {error * 100:.2f} points"
    if len(means) > 1 and gap < 2 * error:
        text += f", and the cells' means lie within {gap * 100:.2f}: other images could rank them otherwise"
    return [text + "."]


def _unheld(spec: StudySpec, ran: Sequence[CellResult]) -> list[str]:
    assert spec.design is not None
    held = spec.design.match.cost if spec.design.match else None
    wide = [
        f"{cost} {spread(ran, cost):.2f}-fold" for cost in UNHELD if cost != held and spread(ran, cost) > NOTABLE_SPREAD
    ]
    return [f"Not held, so perhaps a part of any effect; over the cells vary {', '.join(wide)}."] if wide else []


def _missing(spec: StudySpec, results: Sequence[CellResult]) -> list[str]:
    """What is not there: impossible cells, failed trials, and trials still to come."""
    assert spec.design is not None
    possible = [cell for cell in results if not cell.reason]
    impossible = [f"{cell.name} ({cell.reason})" for cell in results if cell.reason]
    failed = [f"{cell.name} ({cell.failures})" for cell in possible if cell.failures]
    complete, wanted = sum(len(cell.values) for cell in possible), len(possible) * spec.design.replicates
    told = [f"Cells that could not be: {'; '.join(impossible)}."] if impossible else []
    told += [f"Failed trials, which are not missing at random: {', '.join(failed)}."] if failed else []
    if 0 < complete < wanted:
        told.append(
            f"{complete} of {wanted} trials are complete; contrasts use the seeds and cells that both levels have."
        )
    return told


def as_text(value: Any, metric: str) -> str:
    """A metric's value on screens: accuracies in percent, others with four digits."""
    return f"{value * 100:.2f} %" if is_share(metric) else f"{value:.4g}"
