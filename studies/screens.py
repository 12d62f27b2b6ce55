"""What commands print: pure functions from rows to lines of text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from textwrap import wrap
from typing import Any

from searchspace.language.units import human
from studies.candidate import Study
from studies.design import screens as design
from studies.findings import findings
from studies.text import assignment, count, filled, interval, metric, table
from studies.verdict.words import as_text, counted
from worker.metrics import direction, is_share

Row = Mapping[str, Any]


def plan(study: Study, facts: Row) -> list[str]:
    """A plan in words."""
    data = facts["data"]
    shape = "x".join(map(str, data["input"]))
    lines = [f"{facts['name']}: {facts['about']}".rstrip(": "), ""]
    images = f"{data['images']:,}" if data["images"] else "an unknown number of"
    lines.append(f"data: {data['source']}, {images} examples of {shape}, {counted(data['outputs'], 'output')}")
    lines += [f"note: {note}" for note in data["notes"]]
    lines += design.plan(study, facts) if facts["kind"] == "design" else _search_plan(facts)
    return lines + advice(facts["advice"])


def advice(rows: Sequence[Row], width: int = 110) -> list[str]:
    """Pieces of advice as a wrapped list; where several networks were looked at, how many each concerns."""
    if not rows:
        return []
    told = ["", "Advice (`silence: [kind]` in the blueprint turns a kind off):"]
    for row in rows:
        which = ""
        if row.get("of", 1) > 1:
            where = f"with {assignment(row['assignment'])}; " if row["assignment"] else ""
            which = f" ({where}{row['networks']} of {row['of']} networks)"
        text = f"{row['kind']}: {row['message']}{which}; {row['cure']}. {row['reason']} [{row['source']}]"
        told += wrap(text, width, initial_indent="* ", subsequent_indent="  ", break_on_hyphens=False)
    return told


def _search_plan(facts: Row) -> list[str]:
    size = "infinitely many (a variable is a real number)" if facts["size"] is None else f"{facts['size']:,}"
    share = facts["feasible"] / facts["drawn"]
    lines = [
        f"assignments: {size}; of {facts['drawn']} drawn at random {facts['feasible']} ({share:.0%}) may be trained"
    ]
    lines += [f"  not: {count} because of {reason}" for reason, count in facts["reasons"].items()]
    for name, values in facts["costs"].items() if facts["feasible"] else ():
        lines.append(f"{name} of those (least, quartiles, most): {', '.join(human(value) for value in values)}")
    trials = f"{facts['trials']} trials, {facts['parallel']} at a time, then {facts['confirming']} to confirm the best"
    return [*lines, trials]


def studies(rows: Sequence[Row]) -> list[str]:
    """The list of all studies."""
    if not rows:
        return ["the store holds no study yet; `archstudy run STUDY.yaml` makes one"]
    headers = ["study", "kind", "state", "trials", "best", "metric", "last activity"]
    return table(headers, [_study_row(row) for row in rows])


def state(row: Row) -> str:
    """A study's state as it is: one whose conductor has gone without an end is `interrupted`."""
    return "interrupted" if row["state"] == "running" and not row["leased"] else str(row["state"])


def _study_row(row: Row) -> list[Any]:
    best = None if row["best"] is None else as_text(row["best"], row["metric"])
    when = datetime.fromtimestamp(row["last_activity"]).strftime("%Y-%m-%d %H:%M:%S")
    return [row["name"], row["kind"], state(row), row["counted"], best, row["metric"], when]


def study(studied: Study, row: Row, trials: Sequence[Row]) -> list[str]:
    """One study: what it is, its trials, and what they say."""
    lines = [f"{row['name']} ({row['kind']}, {state(row)})", *([row["note"]] if row["note"] else [])]
    if studied.spec.about:
        lines.append(studied.spec.about)
    lines += ["", *_trial_table(row, trials), ""]
    lines += winner(row) if row["kind"] == "search" else design.results(studied, trials)
    return lines + baselines(row)


def baselines(row: Row) -> list[str]:
    """What simple methods come to on the same data: one line, and one for each that could not be fitted."""
    told = row["baselines"] or {}
    name = row["metric"]
    values = [(one, found["metrics"].get(name)) for one, found in told.items() if "metrics" in found]
    lines = [f"{one}: {found['reason']}" for one, found in told.items() if "reason" in found]
    if values:
        listed = ", ".join(f"{one} {metric(value, name) or 'has none'}" for one, value in values)
        lines = [f"baselines, one fit each: {listed} {name}", *lines]
    return ["", *lines] if lines else []


def _trial_table(row: Row, trials: Sequence[Row]) -> list[str]:
    repeats = [trial for trial in trials if trial["repeat_of"] is not None]
    ran = [trial for trial in trials if trial["state"] != "infeasible" and trial["repeat_of"] is None]
    rows = [
        [
            trial["number"],
            trial["phase"],
            trial["state"],
            None if trial["value"] is None else as_text(trial["value"], row["metric"]),
        ]
        + [count(trial["macs"]), count(trial["params"]), f"{trial['train_seconds']:.1f} s", _named(trial)]
        for trial in ran
    ]
    headers = ["trial", "phase", "state", row["metric"], "macs", "params", "time", "what"]
    lines = table(*filled(headers, rows)) if rows else []
    skipped = len(trials) - len(ran) - len(repeats)
    lines += [f"and {skipped} that were counted and not trained"] if skipped else []
    return lines + ([f"and {len(repeats)} that took the result of a trial of the same network"] if repeats else [])


def _named(trial: Row) -> str:
    if trial["failure_kind"]:
        return f"{trial['failure_kind']}: {trial['reason']}"
    again = f"trial {trial['cell']} again, " if trial["phase"] == "confirm" else ""
    return f"{again}{assignment(trial['assignment'])} seed {trial['seed']}"


def winner(row: Row) -> list[str]:
    """The winner of a search, as honest as we can be about it."""
    told = row["conclusion"]
    if not told:
        return ["no winner yet"]
    metric, fresh = told["metric"], told["fresh"]
    costs = ", ".join(f"{human(value)} {name}" for name, value in told["costs"].items())
    lines = [
        f"winner: trial {told['trial']}: {assignment(told['assignment'])}".removesuffix(": "),
        f"  on fresh seeds: {interval(fresh['mean'], fresh['half_width'], metric, fresh['n'])} {metric} "
        f"(95 %, n = {fresh['n']}{_selected(told)})",
        f"  in the search:  {as_text(told['search_value'], metric)}, so the search was {_optimism(told)}",
    ]
    for name, test in told["test"].items():
        score = interval(test["mean"], test["half_width"], name, test["n"])
        lines.append(f"  {name}: {score} ({opened(told)}, n = {test['n']} seeds)")
    return [*lines, f"  cost: {costs} for one input"]


def _selected(told: Row) -> str:
    """The winner was chosen by its fresh score, so that score is the best of a few itself."""
    return f"; the best of {told['finalists']} networks, so itself a little too good" if told["finalists"] > 1 else ""


def opened(told: Row) -> str:
    """How often the test split was read in this study: once, unless it went on after it had a winner."""
    networks = told["opened"]
    return "read once" if networks == 1 else f"read with {networks} networks of this study, so no longer fresh"


def _optimism(told: Row) -> str:
    value, metric = told["optimism"], told["metric"]
    amount = f"{abs(value) * 100:.2f} points" if is_share(metric) else f"{abs(value):.3g}"
    better = (value > 0) == (direction(metric) == "maximize")
    return f"optimistic by {amount}" if better and value else f"pessimistic by {amount}" if value else "exact"


def trial(studied: Study, row: Row, one: Row, epochs: Sequence[Row]) -> list[str]:
    """One trial: what it is, how it went, epoch by epoch."""
    lines = [f"trial {one['number']} of {row['name']} ({one['phase']}, {one['state']}, attempts: {one['attempts']})"]
    lines += [one["reason"]] if one["reason"] else []
    lines += [f"{assignment(one['assignment'])} seed {one['seed']}", ""]
    found = findings(one["measured"], one["metrics"] or {}, row["metric"], studied.facts.labels)
    lines += [*found, ""] if found else []
    names = sorted({name for epoch in epochs for name in epoch["metrics"]})
    rows = [[epoch["epoch"], *(metric(epoch["metrics"].get(name), name) for name in names)] for epoch in epochs]
    return [*lines, *(table(["epoch", *names], rows) if rows else ["no epoch yet"])]
