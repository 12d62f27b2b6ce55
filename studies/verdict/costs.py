"""What is held equal, what holding it changes, and what is not held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from searchspace.language.units import human, percent
from studies.analysis.results import CellResult, Contrast, Flip
from studies.statistics import ALPHA
from studies.verdict.case import Case
from studies.verdict.interplay import everywhere
from studies.verdict.words import listed

UNHELD = ("macs", "params", "activations", "memory", "field")
NOTABLE_SPREAD = 1.25
"""A cost that is not held and varies by more than this factor is warned of."""
NAMES = {
    "macs": "MACs",
    "params": "parameters",
    "memory": "training memory",
    "train_macs": "training MACs",
    "field": "receptive field",
}
UNITS = {"memory": "B", "latency": " ms"}
"""What is written behind a cost's number."""


def equal(case: Case) -> str:
    """`equal macs and params`; nothing where no cost is held."""
    return f"equal {listed([_name(cost) for cost in case.design.match.targets])}" if case.design.match else ""


def opening(case: Case) -> str:
    """`At equal macs (2 M within 4%), `."""
    match = case.design.match
    if not match:
        return ""
    targets = [f"{_name(cost)} ({_value(cost, target)}" for cost, target in match.targets.items()]
    within = f" within {percent(float(match.tolerance))})"
    return f"At equal {listed([target + (within if len(targets) == 1 else ')') for target in targets])}, "


def held(case: Case) -> str:
    """`macs held at 2 M within 4%`."""
    match = case.design.match
    if not match:
        return "no cost is held"
    targets = [f"{_name(cost)} held at {_value(cost, target)}" for cost, target in match.targets.items()]
    return f"{listed(targets)} within {percent(float(match.tolerance))}"


def flips(case: Case) -> list[str]:
    """Unmatched effects beside the matched ones: those that turn or fade, then the largest of the others by factor."""
    told = [(_turned(case, one) or _faded(case, one), one) for one in case.reading.flips]
    strong = [text for text, _ in told if text]
    rest = [one for text, one in told if not text and case.standing(one.matched) in ("clear", "small")]
    beside = {one.matched.factor: one for one in sorted(rest, key=lambda one: abs(one.matched.difference.mean))}
    return [*strong[:4], *(_beside(case, one) for one in beside.values() if everywhere(case, one.matched))]


def unheld(case: Case) -> list[str]:
    """The costs that are not held and vary much over the cells that ran."""
    fixed = case.design.held
    found = {cost: spread(case.ran, cost) for cost in UNHELD if cost not in fixed}
    wide = [f"{_name(cost)} {times:.3g}-fold" for cost, times in found.items() if times > NOTABLE_SPREAD]
    return [f"Not held, so perhaps a part of any effect; over the cells vary {listed(wide)}."] if wide else []


def spread(results: Sequence[CellResult], cost: str) -> float:
    """By what factor a cost varies over the cells that ran: the largest over the smallest."""
    values = [value for cell in results if not cell.reason and (value := _number(cell.costs.get(cost)))]
    return max(values) / min(values) if values else 1.0


def _turned(case: Case, flip: Flip) -> str:
    """`kernel: 5 is better than 3 by 0.9 points [..] as they stand and worse by 0.4 points [..] at equal macs: ...`."""
    if not (flip.opposite and flip.clear and _raw_claim(case, flip.raw)):
        return ""
    if case.standing(flip.matched) not in ("clear", "small") or not everywhere(case, flip.matched):
        return ""
    better, worse = case.winner(flip.raw)
    sizes = case.scale.size(flip.raw.difference), case.scale.size(flip.matched.difference)
    why = "the raw gain was paid for" if _dearer(case, flip.raw) else "the sign turns"
    return (
        f"{flip.raw.factor}: {better} is better than {worse} by {sizes[0]} as they stand, "
        f"and worse by {sizes[1]} at {equal(case) or 'equal cost'}: {why}."
    )


def _faded(case: Case, flip: Flip) -> str:
    """A raw difference of which nothing can be told when the cost is equal."""
    if case.standing(flip.matched) not in ("open", "tied") or not _raw_claim(case, flip.raw):
        return ""
    better, worse = case.winner(flip.raw)
    left = "they tie" if case.standing(flip.matched) == "tied" else "this cannot be told"
    return (
        f"{flip.raw.factor}: {better} is better than {worse} by {case.scale.size(flip.raw.difference)} as they stand; "
        f"at {equal(case) or 'equal cost'} {left} ({case.scale.effect(flip.matched.difference)})."
    )


def _beside(case: Case, flip: Flip) -> str:
    one = flip.matched
    pair = f"{case.level(one.factor, one.high)} against {case.level(one.factor, one.low)}"
    raw, matched = (case.scale.effect(two.difference) for two in (flip.raw, one))
    return f"{one.factor}, {pair}: {raw} as they stand, {matched} at {equal(case) or 'equal cost'}."


def _raw_claim(case: Case, raw: Contrast) -> bool:
    """Whether the raw difference is clear, and no unmatched trial of its two levels failed."""
    lost = [cell for cell in case.reading.raw_cells if cell.failed and cell.levels[raw.factor] in (raw.low, raw.high)]
    return raw.p is not None and raw.p < ALPHA and not lost


def _dearer(case: Case, raw: Contrast) -> bool:
    """Whether the level that is better as it stands costs more there, in all that is held."""
    best, other = (raw.high, raw.low) if case.good(raw.difference.mean) else (raw.low, raw.high)
    costs = [cost for cost in case.design.held if cost in UNHELD]
    pairs = [[_mean(case.reading.raw_cells, raw.factor, level, cost) for level in (best, other)] for cost in costs]
    return bool(pairs) and all(more > less > 0 for more, less in pairs)


def _mean(cells: Sequence[CellResult], factor: str, level: Any, cost: str) -> float:
    values = [_number(cell.costs.get(cost)) for cell in cells if cell.levels[factor] == level and cell.values]
    return fmean(values) if values else 0.0


def _number(value: Any) -> float:
    """A cost as one number: the largest of one that goes by axis, 0 where it is not known."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return max((_number(one) for one in value), default=0.0)
    return float(value) if isinstance(value, int | float) else 0.0


def _name(cost: str) -> str:
    return NAMES.get(cost, cost)


def _value(cost: str, target: float) -> str:
    """`2 M`, `512`, `3 ms`: without the zeros that a table would have."""
    number, _, suffix = human(target).partition(" ")
    number = number.rstrip("0").rstrip(".") if "." in number else number
    unit = UNITS.get(cost, "")
    return f"{number} {suffix}{unit}" if suffix else f"{number}{unit if unit != 'B' else ' B'}"
