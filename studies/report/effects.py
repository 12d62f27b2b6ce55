"""Tables of what was compared: contrasts, interactions, trends, raw beside matched, failures by level."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.analysis.results import Contrast, Reading
from studies.report import lines, words
from studies.report.blocks import Table
from studies.report.figures.grid import text
from studies.statistics import ALPHA
from studies.text import filled as columns
from studies.text import setting
from studies.verdict.words import counted

MOST = 60
MEANINGS = {"clear": "clear", "tie": "tie", "open": "cannot tell", "withheld": "not claimed, for failures"}


def filled(headers: Sequence[str], rows: Sequence[Sequence[Any]], caption: str) -> Table:
    """A table without the columns in which nothing stands."""
    kept, cells = columns(headers, rows)
    return Table(tuple(kept), tuple(map(tuple, cells)), caption)


def contrasts(reading: Reading, metric: str) -> Table | None:
    """Every contrast of the cells as they are compared."""
    shown = lines.foremost(reading, MOST)[:MOST]
    rows = [(*_contrast(one, reading, metric), words.listed(one.left_out, 4, "more") or None) for one in shown]
    if not rows:
        return None
    points = ", in points," if words.unit(metric) else ""
    caption = (
        f"Differences in {metric}{points} high minus low, with 95 % intervals; p corrected by Holm over "
        f"{counted(reading.claims, 'claim')}."
    )
    if reading.margin:
        caption += (
            f" A tie is proved where both one-sided tests against ±{words.size(reading.margin, metric)} "
            "pass (TOST, corrected)."
        )
    more = len(reading.contrasts) - len(rows)
    caption += f" {more} more are left out." if more else ""
    return filled(("contrast", "difference", "seeds", "p", "p of a tie", "reading", "left out"), rows, caption)


def _contrast(one: Contrast, reading: Reading, metric: str) -> tuple[Any, ...]:
    verdict = MEANINGS[lines.kind(one, reading)]
    tie = words.probability(one.tie) if one.tie is not None else None
    return (
        lines.name(one, reading),
        words.ends(one.difference, metric),
        one.difference.n,
        words.probability(one.p),
        tie,
        verdict,
    )


def interactions(reading: Reading, metric: str) -> Table | None:
    """How contrasts change with another factor."""
    rows = []
    for one in reading.interactions[:MOST]:
        (first, low, high), (second, less, more) = one.first, one.second
        change = f"{first}: {text(reading.cells, first, high)} − {text(reading.cells, first, low)}"
        where = f"{second}: {text(reading.cells, second, less)} → {text(reading.cells, second, more)}"
        reads = MEANINGS[lines.kind(one, reading)]
        rows.append(
            (change, where, words.ends(one.difference, metric), one.difference.n, words.probability(one.p), reads)
        )
    caption = "Interactions: by how much the contrast grows from the one level of the other factor to the next."
    return filled(("contrast", "from → to", "change", "seeds", "p", "reading"), rows, caption) if rows else None


def trends(reading: Reading, metric: str) -> Table | None:
    """Factors of numbers: the effect of a doubling, and where the best level lies."""
    rows = [
        (
            one.factor,
            words.ends(one.per_doubling, metric),
            setting(one.peak) if one.best else None,
            ", ".join(map(setting, one.best)),
        )
        for one in reading.trends
    ]
    caption = "Factors of numbers: the effect per doubling"
    if any(one.best for one in reading.trends):
        caption += ", the level of the best mean, and the levels that cannot be told from it"
    caption += " (95 %)."
    return filled(("factor", "per doubling", "best mean at", "not told from the best"), rows, caption) if rows else None


def flips(reading: Reading, metric: str) -> Table | None:
    """Raw effects beside matched ones."""
    rows = [
        (
            lines.name(one.matched, reading),
            words.ends(one.matched.difference, metric),
            words.ends(one.raw.difference, metric),
            ("the sign flips, both clear" if one.clear else "other signs, not both clear")
            if one.opposite
            else "same sign",
        )
        for one in reading.flips[:MOST]
    ]
    caption = "At equal cost and raw: what a change brings when it must be paid for, and when it comes on top."
    return filled(("contrast", "at equal cost", "raw", "reading"), rows, caption) if rows else None


def common(reading: Reading, metric: str) -> Table | None:
    """The contrasts at one nuisance setting for all cells, beside those at each cell's own best."""
    own = {lines.pair(one): one.difference for one in reading.contrasts}
    rows = [
        (lines.name(one, reading), words.ends(own[lines.pair(one)], metric), words.ends(one.difference, metric))
        for one in reading.common[:MOST]
        if lines.pair(one) in own
    ]
    together = words.levels(reading.common_setting)
    caption = (
        f"Each cell at its own best setting, and all at the one that is best on average ({together}; from "
        "the tuning trials)."
    )
    return filled(("contrast", "each at its best", "all at one setting"), rows, caption) if rows else None


def failures(reading: Reading) -> Table | None:
    """Whether failures depend on a factor, and whether a claim hangs on them."""
    claimed = {one.factor for one in reading.contrasts if one.p is not None and one.p < ALPHA}
    rows = [
        (
            one.factor,
            ", ".join(f"{setting(level)}: {failed} of {ended}" for level, (failed, ended) in one.counts.items()),
            words.probability(one.p),
            ("yes" if one.survives else "no") if one.factor in claimed else "none made",
        )
        for one in reading.failures
    ]
    caption = (
        "Failures by level; p of Fisher's exact test that they do not depend on it; whether every claim "
        "of this factor would stand if failed trials counted as the worst value seen."
    )
    return Table(("factor", "failed", "p", "claims stand"), tuple(rows), caption) if rows else None
