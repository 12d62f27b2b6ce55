"""What stands at the end of every report: all trials, every setting, the numbers' origin, how to run it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from studies.candidate import Study
from studies.report import words
from studies.report.blocks import Block, Bullets, Code, Details, Heading, Paragraph, Table
from studies.report.effects import filled
from studies.verdict.words import counted

Row = Mapping[str, Any]
MOST_TRIALS = 300
UNSET = ("apiVersion", "kind", "name", "about", "blueprint")
"""Parts of a spec that are no settings, or are shown as they were run."""


def blocks(study: Study, row: Row, trials: Sequence[Row]) -> list[Block]:
    """The closing sections."""
    return [*_trials(row, trials), *_settings(study, trials), *_provenance(study, row, trials), *_again(study, row)]


def _trials(row: Row, trials: Sequence[Row]) -> list[Block]:
    """All of them, or, where they are many, the first and where the rest is to be had."""
    if not trials:
        return [Heading("All trials"), Paragraph("There is none yet.")]
    shown = trials[:MOST_TRIALS]
    listing = f"archstudy report {row['name']} --csv trials.csv writes every trial with all its metrics."
    table = _table(shown, row["metric"])
    summary = f"All {counted(len(trials), 'trial')}, in the order in which they were made"
    if len(shown) < len(trials):
        summary = f"The first {len(shown)} of {len(trials):,} trials"
    return [Heading("All trials"), Paragraph(listing, soft=True), Details(summary, (table,), printed=len(trials) <= 60)]


def _table(trials: Sequence[Row], metric: str) -> Table:
    rows = [
        (
            trial["number"], trial["phase"], _what(trial), trial["seed"], trial["state"],
            words.value(trial["value"], metric), words.count(trial["macs"]), words.count(trial["params"]),
            f"{trial['train_seconds']:.1f}", _failure(trial),
        )
        for trial in trials
    ]  # fmt: skip
    headers = ("trial", "phase", "variables", "seed", "state", metric, "MACs", "params", "seconds", "why")
    return filled(headers, rows, "")


def _what(trial: Row) -> str:
    again = f"trial {trial['cell']} again: " if trial["phase"] == "confirm" else ""
    return again + words.levels(trial["assignment"])


def _failure(trial: Row) -> str:
    kind = f"{trial['failure_kind']}: " if trial["failure_kind"] else ""
    return words.cut(f"{kind}{trial['reason'] or ''}", 160)


def _settings(study: Study, trials: Sequence[Row]) -> list[Block]:
    """Every section of the spec with its defaults filled in, and a trial's blueprint and recipe as they were run."""
    spec = study.spec.model_dump(mode="json", exclude_none=True)
    rows = [(name, text) for part in spec if part not in UNSET for name, text in _flat(part, spec[part])]
    table = Table(("setting", "value"), tuple(rows), "Every setting, with defaults filled in; $names are variables.")
    found: list[Block] = [Heading("Every setting"), Details(f"{len(rows)} settings", (table,))]
    ran = next((trial for trial in trials if trial.get("blueprint")), None)
    if ran:
        for part in ("blueprint", "recipe"):
            text = json.dumps(ran[part], indent=2, ensure_ascii=False)
            found.append(
                Details(f"The {part} of trial {ran['number']} as it was run", (Code(text, "json"),), printed=False)
            )
    return found


def _flat(name: str, value: Any) -> list[tuple[str, str]]:
    """`recipe.optimizer.lr`, `0.1`: leaves with their places; short lists stay whole."""
    if isinstance(value, Mapping) and value:
        return [pair for key, one in value.items() for pair in _flat(f"{name}.{key}", one)]
    if isinstance(value, list) and any(isinstance(one, Mapping) for one in value):
        return [pair for at, one in enumerate(value) for pair in _flat(f"{name}[{at}]", one)]
    if isinstance(value, Mapping | list):
        return [(name, json.dumps(value, ensure_ascii=False))] if value else []
    return [(name, json.dumps(value, ensure_ascii=False).strip('"'))]


def _provenance(study: Study, row: Row, trials: Sequence[Row]) -> list[Block]:
    made = row["provenance"]
    versions = ", ".join(f"{name} {number}" for name, number in made["versions"].items())
    devices = sorted({str(place["device"]) for trial in trials if (place := trial.get("place")) and "device" in place})
    items = [
        (
            f"study {row['name']}, fingerprint {row['fingerprint']} (of data, task, variables, blueprint, "
            "design or search, recipe, seed)"
        ),
        f"seed {row['seed']}, from which every trial's seed is derived",
        f"data: {study.spec.data.source}" + (f", digest {study.spec.data.digest}" if study.spec.data.digest else ""),
        f"made with {versions}, Python {made['python']} on {made['machine']}"
        + (f"; devices: {', '.join(devices)}" if devices else ""),
        (
            f"{sum(trial['train_seconds'] for trial in trials):,.0f} seconds of training in "
            f"{counted(len(trials), 'trial')}"
        ),
    ]
    if study.spec.evaluate:
        items[-1] = f"results: the table {study.spec.evaluate.table}, digest {study.spec.evaluate.digest}"
    facts = study.facts
    if facts.images:
        parts = f"{facts.train:,} to train, {facts.validation:,} to validate, {facts.test:,} to test"
        items.insert(
            3, "; ".join([f"{facts.images:,} examples: {parts}", *([facts.rule] if facts.rule else []), *facts.notes])
        )
    return [Heading("Where the numbers come from"), Bullets(tuple(items))]


def _again(study: Study, row: Row) -> list[Block]:
    told = "Save this as study.yaml; the same versions on a CPU give the same numbers."
    if study.spec.evaluate:
        told = "Save this as study.yaml, where it finds its table; that gives the same numbers."
    return [
        Heading("Run it again"),
        Paragraph(told),
        Code(
            "archstudy plan study.yaml\narchstudy run study.yaml\narchstudy report "
            + row["name"]
            + " --out report.html",
            "sh",
        ),
        Code(row["yaml"], "yaml"),
    ]
