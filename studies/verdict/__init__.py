"""The verdict of a design study: sentences that the data support, what they cannot say, and what would settle it.

A claim (better, worse, tie) is made only where its test, corrected for all claims of the study, allows it, and where it
would stand if failed trials counted as the worst value seen. Each contrast is told as one thing only.
"""

from __future__ import annotations

from collections.abc import Sequence

from studies.analysis.results import Contrast, Reading
from studies.spec import StudySpec
from studies.verdict import conduct, costs, deeper, limits
from studies.verdict.case import Case
from studies.verdict.effects import factor_lines
from studies.verdict.interplay import higher, interaction, unclear
from studies.verdict.opening import head
from studies.verdict.shape import best_cells, shape
from studies.verdict.words import as_text

__all__ = ["as_text", "headline", "verdict"]


def headline(spec: StudySpec, reading: Reading) -> str:
    """One sentence for lists, dashboards and reports."""
    return head(Case(spec, reading)).text


def verdict(spec: StudySpec, reading: Reading, images: int) -> list[str]:
    """The verdict, one sentence or a few a line, the most important first.

    `images` is the size of the validation split, 0 if it is not known.
    """
    case = Case(spec, reading)
    first = head(case)
    if not case.ran:
        return [first.text, *conduct.failures(case), *conduct.untuned(case), *conduct.missing(case)]
    leads = _leads(case)
    return [
        first.text,
        limits.setting(case),
        *costs.flips(case),
        *higher(case),
        *_effects(case, first.text, first.told),
        *conduct.failures(case),
        *conduct.tuned(case, leads),
        *conduct.untuned(case),
        *conduct.added(case),
        *best_cells(case),
        *deeper.causes(case, leads),
        *deeper.law(case),
        *deeper.shares(case),
        *limits.layout(case),
        *limits.images(case, images),
        *costs.unheld(case),
        *conduct.missing(case),
    ]


def _effects(case: Case, first: str, told: Sequence[Contrast]) -> list[str]:
    """Interactions that the headline had no room for, then each factor: its shape, and its other contrasts."""
    lines = [
        f"{text[:1].upper()}{text[1:]}." for one in case.depends if (text := interaction(case, one))[1:] not in first
    ]
    for factor in case.design.factors:
        shaped, also = shape(case, factor, told)
        rest = factor_lines(case, factor, [*told, *also])
        lines += [*shaped, *(one for one in rest if one.partition(": ")[2].rstrip(".") not in first)]
    return [*lines, *unclear(case)]


def _leads(case: Case) -> list[Contrast]:
    """Of each factor the contrast that stands for it: its largest claim, else its largest difference."""
    found = [case.claims(factor) or _largest(case.of(factor)) for factor in case.design.factors]
    return [one[0] for one in found if one]


def _largest(found: Sequence[Contrast]) -> list[Contrast]:
    return sorted(found, key=lambda one: -abs(one.difference.mean))
