"""The headline: one sentence that answers the study's question."""

from __future__ import annotations

from dataclasses import dataclass

from studies.analysis.results import Contrast
from studies.verdict.case import Case
from studies.verdict.conduct import planned, progress
from studies.verdict.costs import opening
from studies.verdict.effects import OPEN, WITHHELD, Clause, clause
from studies.verdict.interplay import interaction
from studies.verdict.words import LONGEST, counted, listed

NOTHING = "No trial is complete yet, so nothing can be said."


@dataclass(frozen=True)
class Headline:
    """The sentence, and the contrasts that need not be told again."""

    text: str
    told: tuple[Contrast, ...] = ()


def head(case: Case) -> Headline:
    """Interactions first, then the factors that say the most; as many as one sentence holds."""
    if not case.ran:
        return Headline(_nothing(case))
    depends = [interaction(case, one) for one in case.depends]
    clauses = [clause(case, factor) for factor in case.design.factors if not case.partners(factor)]
    sure = sorted((one for one in clauses if one.rank <= WITHHELD), key=lambda one: one.rank)
    parts = [(text, ()) for text in depends] + [(f"{one.factor}: {one.text}", one.told) for one in sure]
    parts += _opened([one for one in clauses if one.rank == OPEN])
    parts += _untold([one for one in clauses if one.rank > OPEN])
    return _fitted(_before(case), parts)


def _nothing(case: Case) -> str:
    """Without a value: that none is there yet, or that none will be."""
    ended = sum(len(cell.failed) for cell in case.reading.cells)
    failed = f"{counted(ended, 'trial')} failed and none is complete"
    return f"{failed}, so nothing can be said." if ended else NOTHING


def _opened(clauses: list[Clause]) -> list[tuple[str, tuple[Contrast, ...]]]:
    """Of several factors that stay open only the names stand in a headline."""
    if len(clauses) > 1:
        return [(f"these seeds cannot tell any effect of {listed([one.factor for one in clauses], 'or')}", ())]
    return [(f"{one.factor}: {one.text}", one.told) for one in clauses]


def _untold(clauses: list[Clause]) -> list[tuple[str, tuple[Contrast, ...]]]:
    """Factors of which nothing can be said for the same reason share it."""
    by: dict[str, list[Clause]] = {}
    for one in clauses:
        by.setdefault(one.text, []).append(one)
    return [
        (f"{listed([one.factor for one in alike])}: {text}", tuple(two for one in alike for two in one.told))
        for text, alike in by.items()
    ]


def _before(case: Case) -> str:
    """`So far (4 of 18 trials), at equal macs (2 M within 4%), `."""
    complete, left = progress(case)
    held = opening(case)
    if case.uneven:  # no factor's effect is the same everywhere
        held = f"{held}on average over the other factors, " if held else "On average over the other factors, "
    if not left:
        return held
    return f"So far ({complete} of {planned(case)} trials), {held[:1].lower()}{held[1:]}"


def _fitted(before: str, parts: list[tuple[str, tuple[Contrast, ...]]]) -> Headline:
    kept = parts[:1]
    for part in parts[1:]:
        if sum(len(text.split()) for text, _ in [(before, ()), *kept, part]) > LONGEST:
            break
        kept.append(part)
    text = before + "; ".join(text for text, _ in kept)
    text = text[:1].upper() + text[1:] if text.startswith(("the effect of ", "these seeds ")) else text
    return Headline(f"{text}.", tuple(one for _, told in kept for one in told))
