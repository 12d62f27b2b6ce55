"""What a factor comes to: what is better, what ties, what cannot be told and what would settle it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studies.analysis.cells import key, rank
from studies.analysis.power import seeds_for, smallest_difference
from studies.analysis.results import Contrast
from studies.statistics import quantile
from studies.verdict.case import Case
from studies.verdict.interplay import everywhere
from studies.verdict.shape import degradation, plateau, upper
from studies.verdict.words import counted, listed, sentences

MANY_SEEDS = 100
"""From here on the number of seeds that a difference needs is not told: nobody would train them."""
MOST = 5
"""Of one factor no more claims than this are told beside the headline; a table has them all."""
PLACES = 3
"""Of the combinations that a contrast goes without so many are named."""
CLEAR, TIED, WITHHELD, OPEN, UNTOLD = range(5)
"""How much a clause says, the most first."""


@dataclass(frozen=True)
class Clause:
    """What a factor comes to in a few words, how much that is, and which contrasts it tells."""

    factor: str
    text: str
    rank: int
    told: tuple[Contrast, ...] = ()


def clause(case: Case, factor: str) -> Clause:
    """The one thing to know of a factor: its largest clear difference, else its ties, else what stays open."""
    found = case.of(factor)
    if not found:
        text = "no two complete cells with a common seed differ in it alone, so nothing can be compared"
        if len({key(cell.levels[factor]) for cell in case.reading.cells}) == 1:
            text = "it has one level in this study, so nothing can be compared"
        elif case.design.arrangement == "latin_hypercube":
            text = "there are too few cells with common seeds to tell the factors' effects from each other; raise runs"
        return Clause(factor, text, UNTOLD)
    if case.claims(factor):
        return _claimed(case, factor)
    if tied := case.standings(factor, "tied"):
        return Clause(factor, ", and ".join(ties(case, tied)), TIED, tuple(tied))
    if lost := case.standings(factor, "withheld"):
        return Clause(factor, _withheld(case, lost), WITHHELD, tuple(lost))
    if opened := case.standings(factor, "open"):
        return Clause(factor, _open(case, opened), OPEN, tuple(opened))
    text = "one seed says nothing of the noise, so nothing can be told; raise design.replicates to 3 or more"
    return Clause(factor, text, UNTOLD, tuple(found))


def _claimed(case: Case, factor: str) -> Clause:
    """The largest claim; where the factor has a peak or a plateau, what that is better than."""
    claims = case.claims(factor)
    start, flat = plateau(case, factor)
    peak, worse = degradation(case, factor)
    if flat:
        first = next(one for one in claims if upper(case, one) == start)
        more = f"beyond {case.level(factor, start)} less than {case.scale.amount(case.reading.margin or 0.0)} is gained"
        return Clause(factor, f"{claim(case, first)}, and {more}", CLEAR, (first,))
    below = [one for one in claims if worse and upper(case, one) == peak and one not in worse]
    if below:
        loser, size = case.winner(worse[0])[1], case.scale.size(worse[0].difference)
        return Clause(factor, f"{claim(case, below[0])}, and than {loser} by {size}", CLEAR, (below[0], worse[0]))
    return Clause(factor, claim(case, claims[0]), CLEAR, (claims[0],))


def claim(case: Case, one: Contrast) -> str:
    """`4 is better than 1 by 1.5 points [1.2, 1.8]`; the interval leaves zero out, or Holm would not let it pass."""
    better, worse = case.winner(one)
    text = f"{better} is better than {worse} by {case.scale.size(one.difference)}"
    text = line(case, one, whole=case.standing(one) == "small") if case.slope(one) else text
    if case.standing(one) == "small" and case.reading.margin:
        text += f", less than the {case.scale.bare(case.reading.margin)} that matters"
    return text


def line(case: Case, one: Contrast, whole: bool = False) -> str:
    """`each doubling changes val_accuracy by +2.0 points [..]`; by the whole range if asked or not in doublings."""
    trend = case.trend(one.factor)
    if trend and not whole:
        return f"each doubling changes {case.metric} by {case.scale.effect(trend.per_doubling)}"
    ends = f"from {case.level(one.factor, one.low)} to {case.level(one.factor, one.high)}"
    return f"{ends} {case.metric} changes by {case.scale.effect(one.difference)}"


def ties(case: Case, tied: Sequence[Contrast]) -> list[str]:
    """`3 and 5 tie within 0.5 points (+0.1 points [-0.1, +0.3])`, for each group of which all pairs do."""
    margin = case.scale.amount(case.reading.margin or 0.0)
    if tied and case.slope(tied[0]):
        return [f"{line(case, one, whole=True)}, within {margin}" for one in tied]
    seen = f" ({_within(case, tied[0])})" if len(tied) == 1 else ""
    return [f"{listed(group)} tie within {margin}{seen}" for group in groups(case, tied)]


def _within(case: Case, one: Contrast) -> str:
    """The effect; by the 90 % interval, which is what two one-sided tests at 5 % look at, where 95 % reach farther."""
    told, margin = one.difference, case.reading.margin or 0.0
    if max(abs(told.low or 0.0), abs(told.high or 0.0)) <= margin:
        return case.scale.effect(told)
    ratio = quantile(told.freedom, 0.9) / quantile(told.freedom)
    return f"{case.scale.effect(replace(told, half_width=(told.half_width or 0.0) * ratio))}, 90 %"


def groups(case: Case, found: Sequence[Contrast]) -> list[list[str]]:
    """Levels of which every two stand in `found`: each pair is in a group, and no group could be larger."""
    pairs = [frozenset((case.level(one.factor, one.low), case.level(one.factor, one.high))) for one in found]
    order = _ordered(case, found)
    ranks = {case.level(one.factor, end): rank(end) for one in found for end in (one.low, one.high)}
    rising = sorted(order, key=lambda level: ranks[level])
    grown: list[list[str]] = []
    for pair in pairs:
        if not any(pair <= set(group) for group in grown):
            group = set(pair)
            for level in order:
                if level not in group and all(frozenset((level, other)) in pairs for other in group):
                    group.add(level)
            grown.append([level for level in (order if len(group) == 2 else rising) if level in group])
    return grown


def factor_lines(case: Case, factor: str, told: Sequence[Contrast]) -> list[str]:
    """What is left to say of a factor after `told`: its other contrasts, then what would settle the open ones."""
    partners = case.partners(factor)
    lead = f"{factor}, on average over {listed(partners)}" if partners else factor
    parts = _others(case, factor, told)
    first = clause(case, factor)
    if first.rank == UNTOLD and not any(one in told for one in first.told):
        parts = [first.text]
    first_part = sentences(lead, parts)
    settled = _settle(case, factor)
    if settled and not first_part:
        settled = f"{lead}: {settled[:1].lower()}{settled[1:]}"
    text = " ".join([part for part in (first_part, settled, _left_out(case, factor)) if part])
    return [text] if text else []


def _others(case: Case, factor: str, told: Sequence[Contrast]) -> list[str]:
    """Where an effect depends on another factor, its average is told only if it goes the same way everywhere."""

    def rest(found: Sequence[Contrast]) -> list[Contrast]:
        return [one for one in found if not any(one is other for other in told) and everywhere(case, one)]

    margin_ties = ties(case, rest(case.standings(factor, "tied")))
    opened = _cannot(case, rest(case.standings(factor, "open")))
    lost = [
        f"nothing is claimed of {case.level(factor, one.high)} against {case.level(factor, one.low)}"
        for one in rest(case.standings(factor, "withheld"))
    ]
    claims = [claim(case, one) for one in rest(case.claims(factor))]
    more = [f"and {counted(len(claims) - MOST, 'more clear difference')}"] if len(claims) > MOST else []
    return claims[:MOST] + more + _few(margin_ties) + _few(opened) + _few(lost)


def _few(parts: list[str]) -> list[str]:
    """A table has the others."""
    return [*parts[:MOST], f"and {len(parts) - MOST} more such"] if len(parts) > MOST else parts


def _cannot(case: Case, opened: Sequence[Contrast]) -> list[str]:
    """`cannot tell 4 from 2 (+0.3 points [-1.6, +2.2])`; of more levels than two the largest difference."""
    if opened and case.slope(opened[0]):
        return [f"cannot tell that it matters ({line(case, one, whole=True)}{case.held_back(one)})" for one in opened]
    found = []
    for group in groups(case, opened):
        inside = [one for one in opened if {case.level(one.factor, end) for end in (one.low, one.high)} <= {*group}]
        widest = max(inside, key=lambda one: abs(one.difference.mean))
        found.append(f"cannot tell {_apart(group)} ({_pair(case, widest, len(inside))}{case.held_back(widest)})")
    return found


def _pair(case: Case, one: Contrast, among: int) -> str:
    """The effect, and of which two levels where they have not been named."""
    which = f"{case.level(one.factor, one.high)} against {case.level(one.factor, one.low)}: " if among > 1 else ""
    return which + case.scale.effect(one.difference)


def _open(case: Case, opened: Sequence[Contrast]) -> str:
    """`3 seeds cannot tell 2 from 1 (+0.3 points [-1.6, +2.2])`; of more than two levels the largest difference."""
    widest = max(opened, key=lambda one: abs(one.difference.mean))
    many = counted(widest.difference.n, "seed")
    if case.slope(widest):
        return f"{many} cannot tell that it matters ({line(case, widest, whole=True)}{case.held_back(widest)})"
    if not any(one.difference.deviation for one in opened):
        return f"all {many} give the same ({_pair(case, widest, 2)}), so nothing can be told beside their noise"
    apart = listed(_few([_apart(group) for group in groups(case, opened)]), "or")
    return f"{many} cannot tell {apart} ({_pair(case, widest, len(opened))}{case.held_back(widest)})"


def _withheld(case: Case, lost: Sequence[Contrast]) -> str:
    """What the survivors show, and that it is no claim."""
    one = max(lost, key=lambda one: abs(one.difference.mean))
    pair = f"{case.level(one.factor, one.high)} against {case.level(one.factor, one.low)}"
    seen = f"{pair} among those that ran: {case.scale.effect(one.difference)}"
    return f"nothing can be claimed, because failed trials could turn it ({seen})"


def _apart(group: Sequence[str]) -> str:
    return f"{group[1]} from {group[0]}" if len(group) == 2 else f"{listed(group)} apart"


def _settle(case: Case, factor: str) -> str:
    """The smallest difference that these seeds can see, and how many would see what matters."""
    opened = [one for one in case.standings(factor, "open") if everywhere(case, one)]
    if not opened:
        return ""
    widest = max(opened, key=lambda one: one.difference.deviation or 0.0)
    deviation, many = widest.difference.deviation or 0.0, widest.difference.n
    if deviation <= 1e-12 * abs(widest.difference.mean):
        return "The seeds agree to the last digit, so their noise cannot be judged; add seeds."
    tests = max(case.reading.claims, 1)
    least = case.scale.amount(smallest_difference(deviation, many, tests, freedom=widest.difference.freedom))
    seen = f"{counted(many, 'seed')} can see differences from {least} on (80 % power)"
    return f"{seen}, so this shows no equality; {_needed(case, widest, tests)}."


def _needed(case: Case, one: Contrast, tests: int) -> str:
    """Never as few seeds as those that have just not done."""
    matters = case.reading.margin
    wanted, many = matters or abs(one.difference.mean), one.difference.n
    if not wanted:
        return "more seeds narrow it"
    staged = one.difference.freedom if one.difference.freedom < many - 1 else None
    needed = _seeds(wanted, one.difference.deviation or 0.0, tests, staged)
    which = (
        f"the {case.scale.amount(wanted)} that matter{'' if case.scale.plural(wanted) else 's'}"
        if matters
        else case.scale.amount(wanted)
    )
    if needed > MANY_SEEDS:
        return f"{which} would take more than {MANY_SEEDS} seeds"
    if needed > many:
        return f"{which} would take about {needed} seeds"
    if matters:
        return f"it would mostly have shown {which}, and more seeds would tell whether this is a tie"
    return f"{which} would take more than {many} seeds"


def _seeds(wanted: float, deviation: float, tests: int, staged: int | None) -> int:
    """More than anyone would train where no number of seeds does."""
    try:
        return seeds_for(wanted, deviation, tests, freedom=staged)
    except ValueError:
        return MANY_SEEDS + 1


def _left_out(case: Case, factor: str) -> str:
    """Which combinations of the other factors a contrast goes without, because their cells share too few seeds."""
    told = [
        f"{case.level(factor, one.high)} against {case.level(factor, one.low)} at {_places(one.left_out)}"
        for one in case.of(factor)
        if one.left_out
    ]
    return sentences(f"Left out of {factor}, because the two cells share too few seeds or one could not be", _few(told))


def _places(names: Sequence[str]) -> str:
    """`kernel=3 and at kernel=5 and 4 more`."""
    more = f" and {len(names) - PLACES} more" if len(names) > PLACES else ""
    return " and at ".join(names[:PLACES]) + more


def _ordered(case: Case, found: Sequence[Contrast]) -> list[str]:
    """The levels in the order of the contrasts: those that are somewhere the low one of a pair come before its high."""
    levels: list[str] = []
    for one in found:
        low, high = case.level(one.factor, one.low), case.level(one.factor, one.high)
        if low not in levels:
            levels.insert(levels.index(high) if high in levels else len(levels), low)
        if high not in levels:
            levels.append(high)
    return levels
