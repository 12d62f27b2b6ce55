"""How far a verdict goes: what was compared, what the layout cannot see, and what the validation images leave open."""

from __future__ import annotations

from studies.design.spec import DesignSpec
from studies.statistics import image_error
from studies.verdict.case import Case
from studies.verdict.costs import held
from studies.verdict.words import counted

OVER = {
    "factorial": ", averaged over the other factors",
    "fractional": ", averaged over the other factors",
    "one_at_a_time": ", with the other factors at the baseline",
    "cells": ", among cells that differ in one factor alone",
    "latin_hypercube": ", by a line over each factor's numbers, all factors at once",
}
"""What a contrast is of."""
BLIND = {
    "one_at_a_time": "Each factor is varied about the baseline alone, so effects elsewhere cannot be told.",
    "fractional": "With a fraction of all combinations effects cannot be told from the interactions mixed with them.",
    "latin_hypercube": "Effects are slopes of a model in which they are straight and add up; that they do cannot be "
    "told from so few cells, and the intervals do not cover it.",
    "cells": "Cells were chosen by hand, so whether effects depend on each other cannot be told.",
}


def over(design: DesignSpec) -> str:
    """`, averaged over the other factors`: what a contrast of several factors' study is of."""
    told = OVER.get(design.arrangement, "") if len(design.factors) > 1 else ""
    return told.replace("other factors", "other factor") if len(design.factors) == 2 else told


def setting(case: Case) -> str:
    """What was compared, on how many seeds, with what held."""
    seeds = sorted({len(cell.values) for cell in case.ran})
    many = counted(seeds[0], "seed") if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds"
    less = " (less is better)" if case.spec.objective.direction == "minimize" else ""
    compared = f"Compared is {case.metric}{less} of the last epoch, seed by seed{over(case.design)}"
    holm = f", and claims hold after Holm's correction for {case.reading.claims}" if case.reading.claims > 1 else ""
    brackets = "; in brackets 95 % intervals" if case.reading.claims else ""
    return f"{counted(len(case.ran), 'cell')} of {many}, {held(case)}. {compared}{brackets}{holm}."


def layout(case: Case) -> list[str]:
    """What the arrangement of cells cannot say of several factors."""
    several = len(case.design.factors) > 1 and case.reading.contrasts and not case.reading.interactions
    return [BLIND[case.design.arrangement]] if several and case.design.arrangement in BLIND else []


def images(case: Case, many: int) -> list[str]:
    """Seeds are not images: what the size of the validation split leaves open."""
    text = "Intervals cover the seeds, not the sampling of images, and hold for this data, recipe and range alone."
    if not case.scale.share or not many:
        return [text]
    means = [cell.estimate.mean for cell in case.ran if cell.estimate]
    error, gap = image_error(max(means), many), max(means) - min(means)
    text += f" With {many:,} validation images an accuracy of {max(means):.1%} has a standard error of"
    text += f" {error * 100:.2f} points"
    if len(means) > 1 and gap < 2 * error:
        text += f", and the cells' means lie within {gap * 100:.2f}: other images could rank them otherwise"
    return [text + "."]
