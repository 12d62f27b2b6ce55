"""What commands print of a design study: its plan, and what its trials say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from searchspace.language.units import human, percent
from studies.analysis.cells import levels_of
from studies.analysis.reading import read
from studies.analysis.results import CellResult
from studies.candidate import Study
from studies.design.cells import names, settings
from studies.design.spec import MatchTo
from studies.design.tuning import at_the_end, chosen, means
from studies.text import assignment, count, filled, interval, setting, table
from studies.verdict import as_text, verdict
from studies.verdict.costs import NAMES, NOTABLE_SPREAD
from studies.verdict.words import Scale
from worker.metrics import is_share

Row = Mapping[str, Any]
COSTS = ("macs", "params", "activations")


def plan(study: Study, facts: Row) -> list[str]:
    """A design's plan in words: what is held, the trials, the cells, and what differences it will tell."""
    design = study.spec.design
    assert design is not None
    lines = [_held(design.match), *_layout(facts), _trials(facts)]
    turned = design.turned
    held = {name: target for name, target in design.held.items() if name not in (*COSTS, "field")}
    rows = [_cell(cell, turned, held) for cell in (*facts["cells"], *facts["raw"])]
    cells = table(*filled(["cell", *turned, *COSTS, "field", *held, "off target", ""], rows))
    cells += _unheld(facts["cells"], design.held)
    reasons = [f"{cell['cell']}: {cell['reason']}" for cell in (*facts["cells"], *facts["raw"]) if cell["reason"]]
    return [*lines, "", *cells, *([""] if reasons else []), *reasons, "", *_power(study, facts), *_time(facts)]


def _unheld(cells: Sequence[Row], held: Mapping[str, float]) -> list[str]:
    """The costs that nothing holds and that vary much over the cells that can be."""
    told = []
    for name in (*COSTS, "field"):
        values = [cell[name] for cell in cells if not cell["reason"] and cell[name]]
        if name not in held and values and (times := max(values) / min(values)) > NOTABLE_SPREAD:
            told.append(f"{NAMES.get(name, name)} {human(min(values))} to {human(max(values))} ({times:.3g}-fold)")
    return ["", f"not held, so perhaps a part of any effect: {', '.join(told)}"] if told else []


def _held(match: MatchTo | None) -> str:
    if match is None:
        return "no cost is held"
    held = " and ".join(f"{name} at {human(target)}" for name, target in match.targets.items())
    by = f", by {' and '.join(match.turned)}" if match.turned else ", as the cells are"
    return f"held: {held} within {percent(float(match.tolerance))}{by}"


def _layout(facts: Row) -> list[str]:
    told = {
        "one_at_a_time": "one factor at a time about the baseline: interactions cannot be seen",
        "latin_hypercube": "a latin hypercube: trends over each factor, no pairs of levels",
        "fractional": f"a fraction of all combinations, of resolution {facts['resolution']}: {_mixed(facts)}"
        if facts["resolution"]
        else "all combinations, since there are as many runs",
    }
    return [told[facts["layout"]]] if facts["layout"] in told else []


def _mixed(facts: Row) -> str:
    """What cannot be told apart at the fraction's resolution."""
    told = {
        3: "main effects are mixed with interactions of two factors",
        4: "main effects are free of interactions of two factors, which are mixed with each other",
    }
    return told.get(facts["resolution"], "main effects and interactions of two factors are free of each other")


def _trials(facts: Row) -> str:
    cells = sum(not cell["reason"] for cell in facts["cells"])
    raw = sum(not cell["reason"] for cell in facts["raw"])
    unmatched = f" and {raw} as they stand" if raw else ""
    tuning = f", after {facts['tuning']} to tune" if facts["tuning"] else ""
    many = facts["trials"] - facts["tuning"]
    total = f" = {many} trials{tuning}"
    if facts["at_most"] > facts["replicates"]:
        most = f"{facts['at_most']} replicates, {facts['trials_at_most']} trials"
        total += f"; where the spread calls for more, at most {most}"
    return f"{cells} cell{'s' * (cells != 1)}{unmatched} x {facts['replicates']} replicates{total}"


def _cell(cell: Row, turned: Sequence[str], held: Mapping[str, float]) -> list[Any]:
    there = [cell["errors"].get(name) for name in held]
    values = [
        None if one is None else count(target * (1 + one)) for one, target in zip(there, held.values(), strict=True)
    ]
    off = "" if cell["error"] is None else f"{cell['error']:+.1%}"
    solved = [cell["assignment"].get(name) for name in turned]
    return [
        cell["cell"],
        *solved,
        *(count(cell[name]) for name in COSTS),
        cell["field"] or None,
        *values,
        off,
        cell["reason"] and "impossible",
    ]


def _power(study: Study, facts: Row) -> list[str]:
    """The smallest difference that the study can tell, and the seeds for one that matters."""
    scale, told = Scale(is_share(study.spec.objective.target)), facts["power"]
    if told is None:
        return [
            "how small a difference this can tell is not known before a seed's noise is: `archstudy run --pilot` "
            "trains a few of these trials, or write design.noise"
        ]
    noise = f"one seed's deviation {scale.amount(told['deviation'])} ({told['source']})"
    if told["smallest"] is None:
        return [f"one replicate tells no noise, so no difference; {noise}"]
    tests = f", one of {told['tests']} claims" if told["tests"] > 1 else ""
    least = f"a difference of {scale.amount(told['smallest'])} between two levels"
    if scale.share and told["smallest"] > 1:
        least = f"no difference that {study.spec.objective.target} can have between two levels"
    lines = [f"with {told['seeds']} seeds {least} would show (80 % power{tests}); {noise}"]
    if told["margin"] is None:
        return lines
    wanted, needed = scale.amount(told["margin"]), told["seeds_for_margin"]
    return [
        *lines,
        f"to show {wanted}, the smallest that matters, takes {f'{needed:,}' if needed else 'over 10,000'} seeds",
    ]


def _time(facts: Row) -> list[str]:
    told = facts["time"]
    if not told or not told["seconds_at_most"]:
        return []
    least, most = duration(told["seconds"]), duration(told["seconds_at_most"])
    span = least if least == most else f"{least} to {most}"
    return [f"about {span} of training one after the other, at the speed of {told['source']}"]


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def results(study: Study, trials: Sequence[Row]) -> list[str]:
    """A design study: the tables of cells, what tuning chose, the verdict."""
    design = study.spec.design
    assert design is not None
    factors, metric = design.factors, study.spec.objective.target
    reading = read(study.spec, [dict(trial) for trial in trials], study.facts.train)
    turned = design.turned
    grid = _grid(reading.cells, factors, metric) if len(factors) == 2 else []
    rows = [_result(one, metric, turned) for one in (*reading.cells, *reading.raw_cells)]
    return [
        f"{metric} of the last epoch: mean and 95 % interval over the seeds",
        "",
        *grid,
        *([""] if grid else []),
        *table(*filled(["cell", *turned, metric, "n", *COSTS], rows)),
        "",
        *_tuned(study, trials),
        *verdict(study.spec, reading, study.facts.validation),
    ]


def sentences(study: Study, trials: Sequence[Row]) -> list[str]:
    """The verdict alone."""
    reading = read(study.spec, [dict(trial) for trial in trials], study.facts.train)
    return verdict(study.spec, reading, study.facts.validation)


def _grid(results: Sequence[CellResult], factors: Sequence[str], metric: str) -> list[str]:
    """First factor down, second across."""
    down, across = (levels_of(results, name) for name in factors)
    at = {(repr(one.levels[factors[0]]), repr(one.levels[factors[1]])): one for one in results}
    rows = [
        [f"{factors[0]} {setting(one)}", *(_mean(at.get((repr(one), repr(two))), metric) for two in across)]
        for one in down
    ]
    return table(["", *(f"{factors[1]} {setting(two)}" for two in across)], rows)


def _mean(result: CellResult | None, metric: str) -> str:
    told = result and result.estimate
    return interval(told.mean, told.half_width, metric, told.n) if told else "-"


def _result(result: CellResult, metric: str, turned: Sequence[str]) -> list[Any]:
    solved = [result.assignment.get(name) for name in turned]
    return [
        result.name,
        *solved,
        _mean(result, metric),
        len(result.values),
        *(count(result.costs[name]) for name in COSTS),
    ]


@dataclass(frozen=True)
class Tried:
    """A cell at each nuisance setting: (the setting in words, its mean or None, whether it is the best one)."""

    cell: str
    at: tuple[tuple[str, float | None, bool], ...]
    best: Row | None


def tried(study: Study, trials: Sequence[Row]) -> list[Tried]:
    """What tuning found, cell by cell in the order of the design, whatever the order in which the trials ran."""
    design = study.spec.design
    assert design is not None
    rows = [trial for trial in trials if trial["phase"] == "tune"]
    if not design.tune or not rows:
        return []
    there, options = {row["cell"] for row in rows}, settings(study)
    found = []
    for name in (name for name in names(study) if name in there):
        best = chosen(rows, name, options, study.spec.objective.direction)
        at = zip(options, means(rows, name, options), strict=True)
        found.append(Tried(name, tuple((assignment(one), mean, one == best) for one, mean in at), best))
    return found


def beyond(study: Study, found: Sequence[Tried]) -> list[str]:
    """A sentence on the best settings that stand at an end of their list, if there are any."""
    design = study.spec.design
    assert design is not None
    ends: dict[str, list[str]] = {}
    for one in found:
        for name in at_the_end(one.best, design.tune or {}) if one.best else ():
            ends.setdefault(f"{name} = {setting(one.best[name])}", []).append(one.cell)  # type: ignore[index]
    told = [
        f"{end} ({'; '.join(cells[:2])}{f'; and {len(cells) - 2} more' if cells[2:] else ''})"
        for end, cells in ends.items()
    ]
    return [f"The best setting may lie beyond what was tried: {', '.join(told)}."] if told else []


def _tuned(study: Study, trials: Sequence[Row]) -> list[str]:
    """What each cell came to at each nuisance setting, its best one marked; and where the best may lie beyond."""
    found, metric = tried(study, trials), study.spec.objective.target
    if not found:
        return []
    lines = [[one.cell, *(_setting(mean, best, metric) for _, mean, best in one.at)] for one in found]
    ends = beyond(study, found)
    return [*table(["tuning", *(name for name, _, _ in found[0].at)], lines), "", *ends, *([""] if ends else [])]


def _setting(mean: float | None, best: bool, metric: str) -> str:
    return "-" if mean is None else f"{as_text(mean, metric)}{' *' if best else '  '}"
