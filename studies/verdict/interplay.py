"""Effects that depend on another factor: the simple effects at each of its levels, from the cells."""

from __future__ import annotations

from studies.analysis.cells import levels_of
from studies.analysis.results import Contrast, Interaction
from studies.statistics import Estimate
from studies.verdict.case import Case


def interaction(case: Case, one: Interaction) -> str:
    """`the effect of depth depends on kernel: 4 against 1 is +1.2 points [..] at 3 and -0.3 points [..] at 5`."""
    (first, low, high), (second, *ends) = one.first, one.second
    pair = f"{case.level(first, high)} against {case.level(first, low)}"
    simple = [case.simple(one.first, second, level) for level in ends]
    at = [case.level(second, level) for level in ends]
    start = f"the effect of {first} depends on {second}"
    if None in simple:
        changed = case.scale.effect(one.difference)
        return f"{start}: {pair} changes by {changed} from {at[0]} to {at[1]}"
    told = [f"{case.scale.effect(effect)} at {where}" for effect, where in zip(simple, at, strict=True) if effect]
    return f"{start}: {pair} is {' and '.join(told)}"


def unclear(case: Case) -> list[str]:
    """Where no interaction is clear, the largest one: that none is seen does not show that effects add up."""
    tested = [one for one in case.reading.interactions if one.p is not None]
    if not tested or case.depends:
        return []
    widest = max(tested, key=lambda one: abs(one.difference.mean))
    (first, low, high), (second, less, more) = widest.first, widest.second
    sides = [
        f"{case.level(name, to)} against {case.level(name, at)}"
        for name, at, to in ((first, low, high), (second, less, more))
    ]
    size = case.scale.effect(widest.difference)
    which = f"the largest, {first} ({sides[0]}) by {second} ({sides[1]}), is {size}{case.held_back(widest)}"
    of = " of two factors" if len(case.design.factors) > 2 else ""
    shown = "" if case.uneven else ", and that effects add up is not shown"
    return [f"No interaction{of} can be told; {which}{shown}."]


def higher(case: Case) -> list[str]:
    """That three factors or more act on each other, so that an average over the others may hold in no cell."""
    if not case.uneven or case.reading.beyond is None:
        return []
    off = case.scale.amount(case.reading.beyond.deviation)
    return [
        f"Three factors or more act on each other: cells are off what effects and two-factor interactions add up to "
        f"by {off} (standard deviation), more than seeds explain (F test at 1 %). An average over the other factors, "
        "even a tie, need not hold in any one cell."
    ]


def everywhere(case: Case, one: Contrast) -> bool:
    """Whether a contrast goes the same way at every level of the factors on which its effect depends."""
    return all(
        effect is not None and effect.mean * one.difference.mean > 0
        for second in case.partners(one.factor)
        for effect in simple_effects(case, one, second)
    )


def simple_effects(case: Case, one: Contrast, second: str) -> list[Estimate | None]:
    """A contrast at each level of a second factor that has cells."""
    return [case.simple((one.factor, one.low, one.high), second, at) for at in levels_of(case.ran, second)]
