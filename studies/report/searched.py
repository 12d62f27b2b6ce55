"""A search's sections: the winner on fresh seeds, how much the search flattered it, the frontier, the way there."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from searchspace.cost import COUNTED
from searchspace.language.units import human
from studies.candidate import Study
from studies.report import words
from studies.report.blocks import Block, Bullets, Heading, Paragraph, Table, section
from studies.report.designed import baselines
from studies.report.figures import curves, frontier, searches
from studies.statistics import estimate
from studies.verdict.words import counted

Row = Mapping[str, Any]
LEADERS = 5
COSTS = ("macs", "params")


def blocks(study: Study, row: Row, trials: Sequence[Row], epochs: Sequence[Row]) -> list[Block]:
    """All sections of a search but the closing ones."""
    metric, direction = row["metric"], row["direction"]
    found = searching(trials)
    pictures = (
        [frontier.of_trials(found, metric, direction, cost, row["conclusion"]) for cost in COSTS]
        if _trained(metric)
        else []
    )
    groups = curve_groups(study, trials)
    way = [
        searches.progress(found, metric, direction),
        curves.curves(groups, epochs, metric, f"Learning curves of the best {len(groups)} trials"),
    ]
    return [
        Heading("Winner"),
        Bullets(tuple(_winner(row)), verdict=True),
        *_method(study),
        *_fresh(row, trials),
        *section("Cost and value", *pictures),
        *section("The way there", *way, _leaders(found, metric, direction)),
        *_outcomes(trials),
        *baselines(row),
    ]


def searching(trials: Sequence[Row]) -> list[Row]:
    """The trials of the search itself, without those that repeat another's network and seed."""
    return [trial for trial in trials if trial["phase"] == "search" and trial["repeat_of"] is None]


def curve_groups(study: Study, trials: Sequence[Row]) -> dict[str, list[int]]:
    """The best trials of the search."""
    best = _ranked(searching(trials), study.spec.objective.direction)[:LEADERS]
    return {f"trial {trial['number']}": [trial["id"]] for trial in best}


def _trained(metric: str) -> bool:
    return metric not in COUNTED


def _ranked(trials: Sequence[Row], direction: str) -> list[Row]:
    sign = -1 if direction == "maximize" else 1
    known = [one for one in trials if one["state"] == "complete" and one["value"] is not None]
    return sorted(known, key=lambda one: (sign * one["value"], one["macs"] or 0, one["number"]))


def _winner(row: Row) -> list[str]:
    told = row["conclusion"]
    if not told:
        return ["There is no winner yet: the search, or the training of its best on fresh seeds, has not ended."]
    metric, fresh = told["metric"], told["fresh"]
    costs = ", ".join(f"{human(value)} {name}" for name, value in told["costs"].items() if value is not None)
    lines = [f"Trial {told['trial']} wins: {words.levels(told['assignment'])}; {costs}."]
    chosen = (
        f", the best of {told['finalists']} networks and so itself a little too good" if told["finalists"] > 1 else ""
    )
    lines.append(
        f"On {counted(fresh['n'], 'fresh seed')}: {metric} {_interval(fresh, metric)} (95 % interval{chosen})."
    )
    lines.append(
        f"In the search it had {words.value(told['search_value'], metric)}: {_optimism(told, row['direction'])}."
    )
    opened = (
        "read once" if told["opened"] == 1 else f"read with {told['opened']} networks of this study, so no longer fresh"
    )
    lines += [
        f"{name}: {_interval(one, name)} over {counted(one['n'], 'seed')} (test split, {opened})."
        for name, one in told["test"].items()
    ]
    return [*lines, "Intervals cover the seeds, not the sampling of images."]


def _interval(told: Row, metric: str) -> str:
    half = f" ± {words.difference(told['half_width'], metric, '')}" if told["half_width"] else ""
    return words.value(told["mean"], metric) + half


def _optimism(told: Row, direction: str) -> str:
    value = told["optimism"] if direction == "maximize" else -told["optimism"]
    size = words.size(abs(value), told["metric"])
    return (
        f"the search was {'optimistic' if value > 0 else 'pessimistic'} by {size}" if value else "the search was exact"
    )


def _method(study: Study) -> list[Block]:
    search = study.spec.search
    assert search is not None
    goals = ", then ".join(f"{one.direction} {one.target}" for one in search.objectives)
    items = [f"Sampler {search.sampler}; {goals}; pruner {search.pruner.kind}."]
    if search.constraints:
        bounds = ", ".join(f"{name} {bound}" for name, bound in study.tree["search"]["constraints"].items())
        items.append(f"Only networks with {bounds} are trained.")
    hours = f", or {study.spec.budget.hours:g} h" if study.spec.budget.hours else ""
    confirm = study.spec.confirm
    items.append(f"Budget: {counted(study.spec.budget.trials, 'trained trial')}{hours}.")
    items.append(
        f"The best {confirm.top} are trained again on {confirm.replicates} fresh seeds each; the best "
        "mean wins; the test split is read for the winner alone."
    )
    return [Heading("How it was done"), Bullets(tuple(items))]


def _fresh(row: Row, trials: Sequence[Row]) -> list[Block]:
    """The finalists: what the search said of them, and what fresh seeds say."""
    metric = row["metric"]
    numbers = {str(trial["number"]): trial for trial in trials if trial["phase"] == "search"}
    values: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        if trial["phase"] == "confirm" and trial["state"] == "complete" and trial["value"] is not None:
            values[trial["cell"]].append(trial["value"])
    pairs = [(f"trial {cell}", numbers[cell]["value"], found) for cell, found in values.items() if cell in numbers]
    if not pairs:
        return []
    sign = -1 if row["direction"] == "maximize" else 1
    pairs.sort(key=lambda pair: (sign * sum(pair[2]) / len(pair[2]), pair[0]))
    rows = [
        (name, words.value(value, metric), words.mean(estimate(found), metric), len(found))
        for name, value, found in pairs
    ]
    table = Table(("finalist", "in the search", "on fresh seeds", "n"), tuple(rows), f"{metric}, with 95 % intervals.")
    return [Heading("Search against fresh seeds"), *[one for one in (searches.fresh(pairs, metric), table) if one]]


def _leaders(found: Sequence[Row], metric: str, direction: str) -> Table | None:
    rows = [
        (
            trial["number"],
            words.value(trial["value"], metric),
            words.count(trial["macs"]),
            words.count(trial["params"]),
            words.levels(trial["assignment"]),
        )
        for trial in _ranked(found, direction)[:10]
    ]
    return (
        Table(("trial", metric, "MACs", "params", "variables"), tuple(rows), "The best trials of the search.")
        if rows
        else None
    )


def _outcomes(trials: Sequence[Row]) -> list[Block]:
    """What did not complete, and why."""
    there = searching(trials)
    states = Counter(trial["state"] for trial in there)
    why = Counter(_why(trial) for trial in there if trial["state"] in ("failed", "infeasible") and trial["reason"])
    if not why:
        return []
    told = ", ".join(f"{many:,} {state}" for state, many in states.most_common())
    rows = tuple((many, reason) for reason, many in why.most_common(12))
    return [
        Heading("Failures"),
        Paragraph(f"Trials of the search: {told}."),
        Table(("trials", "reason"), rows, "The commonest reasons."),
    ]


def _why(trial: Row) -> str:
    """The reason without what differs from trial to trial, so that equal ones can be counted."""
    kind = f"{trial['failure_kind']}: " if trial["failure_kind"] else "not trained: "
    reason = trial["reason"].split(" (see ")[0]
    return words.cut(kind + re.sub(r"[0-9.]+(?: [kMGT])? (\w+ is not [<>]=)", r"\1", reason), 140)
