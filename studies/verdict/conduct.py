"""How the study went: failures, nuisance settings, added seeds, what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from studies.analysis.results import Contrast, FailureTable
from studies.design.spec import Adaptive
from studies.design.tuning import at_the_end
from studies.statistics import ALPHA
from studies.verdict.case import Case
from studies.verdict.words import counted, listed, sentences, some

KINDS = {"out_of_memory": "out of memory", "worker_lost": "worker lost"}


def failures(case: Case) -> list[str]:
    """Failures that go with a factor or put a claim in doubt, then all of them by cell."""
    tables = [one for one in case.reading.failures if any(failed for failed, _ in one.counts.values())]
    telling = [one for one in tables if one.p < ALPHA or not one.survives]
    return [*(_table(case, one) for one in telling), *(_by_cell(case) if len(telling) != 1 else [])]


def _table(case: Case, one: FailureTable) -> str:
    """`3 of 5 trials at depth 8 failed (diverged), none elsewhere: what is left are survivors. ...`."""
    at = [
        f"{failed} of {counted(ended, 'trial')} at {one.factor} {case.level(one.factor, level)}"
        for level, (failed, ended) in one.counts.items()
        if failed
    ]
    elsewhere = ", none elsewhere" if len(at) < len(one.counts) else ""
    kinds = listed([KINDS.get(kind, kind) for kind in one.kinds]) or "failed"
    told = f"{some(at)} failed ({kinds}){elsewhere}: what is left are survivors."
    if not one.survives:
        return f"{told} Counted as the worst value seen they would turn what the rest show, so they make no claim."
    stands = f" What is said of {one.factor} stands even if they count as the worst value seen."
    return told + (stands if case.claims(one.factor) else "")


def _by_cell(case: Case) -> list[str]:
    failed = [
        f"{cell.name} ({len(cell.failed)}: {listed([KINDS.get(kind, kind) for kind in Counter(cell.failed.values())])})"
        for cell in (*case.reading.cells, *case.reading.raw_cells)
        if cell.failed and not cell.reason
    ]
    return [f"Failed trials, which may not be missing at random: {some(failed, join='; ')}."] if failed else []


def tuned(case: Case, leads: Sequence[Contrast]) -> list[str]:
    """That each cell stands at its own best setting, and what the one common setting would have said."""
    tune = case.design.tune
    if not tune:
        return []
    many = prod(len(options) for options in tune.values())
    told = f"Each cell stands at its own best {listed(list(tune))}, found with the same effort"
    return [f"{told} ({counted(many, 'setting')}).", *_common(case, leads), *_ends(case, tune)]


def untuned(case: Case) -> list[str]:
    """The tuning trials that failed, and that a setting was out of reach by it."""
    lost = case.reading.untuned
    if not lost:
        return []
    many = sum(sum(one.kinds.values()) for one in lost)
    at = [
        f"{one.cell} at {listed([f'{name}={case.level(name, value)}' for name, value in one.setting.items()])} "
        f"({listed([KINDS.get(kind, kind) for kind in one.kinds])})"
        for one in lost
    ]
    return [
        f"{counted(many, 'tuning trial')} failed, so a cell could not be had at that setting: {some(at, join='; ')}."
    ]


def _common(case: Case, leads: Sequence[Contrast]) -> list[str]:
    """The leading contrasts at the common setting; signs only, since these are not the study's claims."""
    if not case.reading.common_setting:
        return []
    setting = listed([f"{name}={case.level(name, value)}" for name, value in case.reading.common_setting.items()])
    pairs = [(one, case.same(one, case.reading.common)) for one in leads]
    parts = [
        f"{one.factor}, {case.level(one.factor, one.high)} against {case.level(one.factor, one.low)}, "
        f"{case.scale.effect(other.difference)}{_contrary(one, other)}"
        for one, other in pairs
        if other
    ]
    seeds = max((other.difference.n for _, other in pairs if other), default=0)
    on = f" on {seeds} tuning seeds" if seeds > 1 else ""
    return [sentences(f"At one common {setting} the effect{on} would read", parts)] if parts else []


def _contrary(one: Contrast, other: Contrast) -> str:
    return " (the other way round)" if one.difference.mean * other.difference.mean < 0 else ""


def _ends(case: Case, tune: Mapping[str, Sequence[Any]]) -> list[str]:
    """Cells whose best setting is the first or last tried."""
    chosen = [at_the_end(dict(cell.assignment), tune) for cell in case.ran if set(tune) <= set(cell.assignment)]
    found = Counter(name for names in chosen for name in names)
    return [
        f"In {many} of {counted(len(chosen), 'cell')} the best {name} is at an end of its range and may lie beyond."
        for name, many in found.items()
        if len(tune[name]) > 2
    ]


def added(case: Case) -> list[str]:
    """How seeds were added, and where the wanted interval was not reached; nothing during the first stage."""
    adaptive = case.design.replicates
    if not isinstance(adaptive, Adaptive) or progress(case)[1]:
        return []
    wanted = float(adaptive.until.half_width)
    seeds = sorted(len(cell.values) for cell in case.ran)
    between = f"{seeds[0]}" if seeds[0] == seeds[-1] else f"{seeds[0]} to {seeds[-1]}"
    wide = _wide(case, wanted, adaptive.until.of)
    aim = f"+-{case.scale.amount(wanted)}"
    of = "effect" if adaptive.until.of == "effects" else "mean"
    reached = f"not reached in {some(wide, 3, '; ')}" if wide else "reached everywhere"
    start = "Seeds were" if seeds[-1] > adaptive.at_least else "No seed was"
    return [f"{start} added by their spread (Stein), {between} a cell; {aim} of each {of} was {reached}."]


def _wide(case: Case, wanted: float, of: str) -> list[str]:
    """The means or differences whose half-width is above the wanted one, with it."""
    means = {cell.name: cell.estimate for cell in case.ran}
    if of == "effects":
        means = {
            f"{one.factor} {case.level(one.factor, one.high)} against {case.level(one.factor, one.low)}": one.difference
            for one in case.reading.contrasts
        }
    return [
        f"{name} (+-{case.scale.bare(one.half_width)})"
        for name, one in means.items()
        if one and one.half_width is not None and one.half_width > wanted * (1 + 1e-9)
    ]


def missing(case: Case) -> list[str]:
    """What is not there: impossible cells, and trials still to come."""
    impossible = [f"{cell.name} ({cell.reason})" for cell in case.reading.cells if cell.reason]
    told = [f"Cells that could not be: {some(impossible, 3, '; ')}."] if impossible else []
    complete, open_ = progress(case)
    if complete and open_:
        told.append(
            f"{complete} of {planned(case)} trials are complete and {open_} to come; "
            "contrasts use the seeds and cells that both levels have. Error rates are those of one look, at the end."
        )
    return told


def progress(case: Case) -> tuple[int, int]:
    """How many of the trials that the cells get are complete, and how many are neither complete nor failed."""
    possible = [cell for cell in case.reading.cells if not cell.reason]
    complete = sum(min(len(cell.values), case.seeds[cell.name]) for cell in possible)
    ended = sum(min(len({*cell.values, *cell.failed}), case.seeds[cell.name]) for cell in possible)
    return complete, planned(case) - ended


def planned(case: Case) -> int:
    """The trials that are wanted of every cell that can be."""
    return sum(case.seeds[cell.name] for cell in case.reading.cells if not cell.reason)
