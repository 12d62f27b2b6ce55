"""What is said of a cell that is not within its tolerance: by how much, and what would reach the target."""

from __future__ import annotations

import math
from collections.abc import Mapping

from searchspace.language.units import human, percent
from searchspace.match import Match
from studies.design.spec import MatchTo

WORDS = {"memory": "bytes to train", "train_macs": "MACs of training", "field": "pixels of field", "latency": "ms"}


FAR = 0.25
"""Costs that are farther apart than this are not equal at any tolerance worth writing."""


def missed(match: MatchTo, best: Match, beyond: Match | None) -> str:
    """The nearest miss; `beyond` is the nearest point outside of the range, where it ends too early."""
    at = " and ".join(f"{name} = {_shown(value)}" for name, value in best.values.items())
    got = _listed(dict(zip(match.targets, best.costs, strict=True)), dict(zip(match.targets, best.errors, strict=True)))
    told = f"{_targets(match)} are out of reach within {_tolerance(match)}: the nearest is {at} with {got}"
    return f"{told}; {either(_second(match), _cure(match, best, beyond))}"


def unmatched(match: MatchTo, errors: Mapping[str, float], costs: Mapping[str, float]) -> str:
    """A cell as it stands, where nothing is turned."""
    worst = max(map(abs, errors.values()))
    told = f"it has {_listed(costs, errors)} where {_targets(match)} are held within {_tolerance(match)}"
    return f"{told}; {either('turn a variable with by:', raised(worst))}"


def _second(match: MatchTo) -> str:
    """One variable can hold one cost."""
    return "turn as many variables as costs are held" if len(match.targets) > len(match.turned) else ""


def either(*cures: str) -> str:
    """`raise the tolerance to 8%, or change the target`."""
    kept = [*filter(None, cures)]
    return f"{', '.join(kept)}, or change the target" if kept else "change the target or the levels"


def raised(error: float) -> str:
    """`raise the tolerance to 8%`; nothing where costs so far apart would no longer be equal."""
    return f"raise the tolerance to {enough(error)}" if abs(error) <= FAR else ""


def _cure(match: MatchTo, best: Match, beyond: Match | None) -> str:
    if beyond and abs(beyond.error) < abs(best.error):
        name, value = next(iter(beyond.values.items()))
        go = f"let {name} go beyond {_shown(best.values[name])}"
        if abs(beyond.error) <= float(match.tolerance):
            return f"{go}: {_shown(value)} would reach it"
        more = raised(best.error)
        return f"{go} ({_shown(value)} comes to {beyond.error:+.1%}){more and f' or {more}'}"
    return raised(best.error)


def _targets(match: MatchTo) -> str:
    return " and ".join(f"{human(target)} {_word(name)}" for name, target in match.targets.items())


def _listed(costs: Mapping[str, float], errors: Mapping[str, float]) -> str:
    if len(costs) == 1:
        return " and ".join(f"{human(cost)} ({errors[name]:+.1%})" for name, cost in costs.items())
    return " and ".join(f"{human(cost)} {_word(name)} ({errors[name]:+.1%})" for name, cost in costs.items())


def _word(name: str) -> str:
    return WORDS.get(name, name)


def _tolerance(match: MatchTo) -> str:
    return percent(float(match.tolerance))


def enough(error: float) -> str:
    """A tolerance with which an error passes, rounded up."""
    digits = 1 if abs(error) < 0.1 else 0
    return f"{math.ceil(100 * abs(error) * 10**digits) / 10**digits:g}%"


def _shown(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
