"""Why an effect is there and how it goes on: training against overfitting, the power law, shares of variance."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from studies.analysis.results import Contrast, Errors, PowerLaw
from studies.statistics import Estimate, quantile
from studies.verdict.case import Case
from studies.verdict.words import Scale, between, counted, listed
from worker.metrics import is_share

REGIMES = {
    "power law": "data still pay at this rate",
    "near its floor": "more than half of what is left would stay with any number of examples",
}
UNSETTLED, FLAT = "cannot tell", "small data"
MOSTLY = 2 / 3
"""An effect is put down mostly to one error that makes up this share of it, surely more than the other."""


def causes(case: Case, leads: Sequence[Contrast]) -> list[str]:
    """For each claim that leads: whether it trains differently or carries over differently."""
    found = [(one, _errors(case, one)) for one in leads if case.standing(one) in ("clear", "small")]
    return [text for one, split in found if split and (text := _cause(case, one, split))]


def _errors(case: Case, one: Contrast) -> Errors | None:
    key = (one.factor, repr(one.low), repr(one.high))
    return next((each for each in case.reading.errors if (each.factor, repr(each.low), repr(each.high)) == key), None)


def _cause(case: Case, one: Contrast, split: Errors) -> str:
    """`4 is worse than 1 mostly because it trains worse: training error +1.4 of +1.5 points`."""
    whole, scale = split.validation, Scale(is_share(split.source))
    why = _why(split) if _sure(whole) else ""
    if not why:
        return ""
    better, worse = case.winner(one)
    sign = 1 if worse == case.level(one.factor, one.high) else -1
    if whole.mean * sign <= 0:
        return ""
    parts = [f"{name} {scale.part(sign * part.mean, whole)}" for name, part in _split(split)]
    total = scale.unit(scale.part(sign * whole.mean, whole))
    return f"{one.factor}: {worse} is worse than {better} {why}: {' and '.join(parts)} of {total} ({split.source})."


def _why(split: Errors) -> str:
    """Which part makes up most of the whole; both where each surely has a share."""
    training, gap = (part.mean / split.validation.mean for part in (split.training, split.gap))
    sure, apart = (_sure(split.training), _sure(split.gap)), _sure(_apart(split))
    if sure[0] and apart and training >= MOSTLY:
        return "mostly because it trains worse"
    if sure[1] and apart and gap >= MOSTLY:
        though = ", though it trains better" if sure[0] and training < 0 else ""
        return f"{'' if though else 'mostly '}because it carries over worse to new examples{though}"
    return "because it trains worse and carries over worse" if all(sure) and min(training, gap) > 0 else ""


def _apart(split: Errors) -> Estimate:
    """Training minus gap, seed by seed: var(t - g) = 2 var(t) + 2 var(g) - var(t + g), and t + g is the whole."""
    parts = (split.training, split.gap, split.validation)
    two, three, whole = ((one.deviation or 0.0) ** 2 for one in parts)
    deviation = sqrt(max(0.0, 2 * two + 2 * three - whole))
    half_width = quantile(split.validation.freedom) * deviation / sqrt(split.validation.n)
    mean, freedom = split.training.mean - split.gap.mean, split.validation.freedom
    return Estimate(split.validation.n, mean, deviation, half_width, freedom)


def _split(split: Errors) -> list[tuple[str, Estimate]]:
    return [("training error", split.training), ("gap to it", split.gap)]


def _sure(one: Estimate) -> bool:
    return one.low is not None and one.high is not None and one.low * one.high > 0


def law(case: Case) -> list[str]:
    """The power law's terms, and what more examples would bring."""
    found = case.reading.law
    if found is None or not case.ran:
        return []
    scale = case.scale
    if found.regime == UNSETTLED:
        many = counted(len(found.sizes), "size")
        return [f"How the error goes with more examples is not settled by {many}; more of them, or more seeds, may."]
    if found.regime == FLAT:
        return ["At the smallest sizes the error hardly falls yet, so no power law is told; leave them out of it."]
    fit = f"Error falls as {found.a:.3g} n^-b + c: b = {' '.join(between(*found.b))}, c = {_error(scale, found.c)}"
    return [f"{fit}; {REGIMES.get(found.regime, found.regime)}.", *_forecast(scale, found)]


def _forecast(scale: Scale, found: PowerLaw) -> list[str]:
    """`At 2,000 examples the forecast is an error of 5.1 points [4.7, 5.5], 0.8 points less than at 1,000.`"""
    largest = max(found.sizes)
    now = found.a * largest ** -found.b[0] + found.c[0]
    return [
        f"At {size:,} examples the forecast is an error of {_error(scale, (mean, *ends))}, "
        f"{scale.amount(max(now - mean, 0.0))} less than at {largest:,}."
        for size, mean, *ends in found.forecast[:1]
    ]


def _error(scale: Scale, values: Sequence[float]) -> str:
    """`5.1 points [4.7, 5.5]`."""
    mean, low, high = (value * (100 if scale.share else 1) for value in values)
    number, ends = between(mean, low, high)
    return f"{scale.unit(number)} {ends}"


def shares(case: Case) -> list[str]:
    """What part of the variance each source explains, from 1 % on."""
    found = sorted((one for one in case.reading.shares if one.share >= 0.01), key=lambda one: -one.share)
    if len(found) < 2 or all(len(cell.values) < 2 for cell in case.ran):  # one seed does not show its noise
        return []
    parts = [
        f"{one.share:.0%} {'goes ' if not at else ''}with {_source(one.source)}" for at, one in enumerate(found[:5])
    ]
    return [f"Of the variance of single trials {listed(parts)}."]


def _source(name: str) -> str:
    return {"seed": "the seed", "rest": "the rest"}.get(name, name)
