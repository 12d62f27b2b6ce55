"""From a trial to a bundle: which trial, what goes with its weights, and what is said when it is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from searchspace.blueprint import Blueprint
from searchspace.cost import cost
from searchspace.language.problems import nearest
from searchspace.language.units import human, quantity
from searchspace.language.yamldump import dump
from searchspace.lower import lower
from studies import card, text
from studies.errors import NotFound
from studies.jobs import job_of
from studies.load import from_tree
from studies.store import Engine, query
from worker.job import TrainingFailed

Row = dict[str, Any]
COSTS = ("params", "macs", "activations")
ROUNDING = {"cpu": 1e-6}
"""How far numbers may be off that were measured there; on a GPU with bfloat16 or TF32, a hundredth."""


@dataclass(frozen=True)
class Wanted:
    """Which trial to export and how: a `trial`'s number, the `best`, the best `under` costs, or (none) the winner."""

    trial: int | None = None
    best: bool = False
    under: Mapping[str, float] | None = None
    dense: bool = False
    without: frozenset[str] = frozenset()


def limits(text: str) -> dict[str, float]:
    """`macs=2M,params=60k` as numbers; a ValueError says what is wrong."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, amount = part.strip().partition("=")
        if name not in COSTS or not equals:
            raise ValueError(
                f"--under {text!r}: {part!r} is no limit{nearest(name, COSTS)}; write macs=2M or macs=2M,params=60k"
            )
        if name in found:
            raise ValueError(f"--under {text!r}: {name} stands twice; write it once")
        found[name] = quantity(amount)
    return found


def export(engine: Engine, row: Row, wanted: Wanted, out: Path, files: Path) -> dict[str, Any]:
    """Write the bundle of the wanted trial; what it holds."""
    if row["spec"].get("evaluate"):
        told = f"the results of {row['name']!r} come from a table and nothing was trained, so there are no weights"
        raise NotFound(f"{told}; export from a study without evaluate")
    from worker import bundle  # torch

    study = from_tree(row["spec"], row["yaml"])
    trial, among = chosen(engine, row, wanted)
    origin = card.Origin(_mates(engine, row, trial), among)
    network = lower(Blueprint.model_validate(trial["blueprint"]), study.facts.shape, study.facts.outputs)
    parts = bundle.Parts(
        job=job_of(study, trial, files, "train"),
        metrics=trial["metrics"],
        blueprint=_blueprint(row, trial),
        about=_about(row, trial),
        texts=partial(card.texts, study, row, trial, origin),
        dense=wanted.dense,
        without=wanted.without,
        rounding=ROUNDING.get((trial["place"] or {}).get("device", "cpu"), 1e-2),
    )
    try:
        folder, evidence = bundle.write(out.absolute(), parts)
    except TrainingFailed as error:
        raise ValueError(f"trial {trial['number']} of {row['name']!r}: {error.reason}") from None
    except OSError as error:
        raise ValueError(f"--out {out}: {error.strerror or error}; free space, or choose another folder") from None
    return {
        "folder": str(folder),
        "study": row["name"],
        "trial": trial["number"],
        "params": cost(network).params,
        "macs": cost(network).macs,
        "files": sorted(path.name for path in folder.iterdir()),
        "examples": evidence.examples,
        "metrics": dict(evidence.metrics),
        "differences": dict(evidence.differences),
        "without": list(evidence.without),
    }


def told(facts: dict[str, Any]) -> list[str]:
    """What `export` prints."""
    forms = [name for name in facts["files"] if name in facts["differences"]]
    metrics = ", ".join(f"{name} {text.metric(value, name)}" for name, value in facts["metrics"].items())
    return [
        f"bundle: {facts['folder']} (trial {facts['trial']} of {facts['study']}): {', '.join(facts['files'])}",
        f"checked on all {facts['examples']} validation examples: {', '.join(forms)} agree with the trained network "
        f"(to {max(facts['differences'].values()):.1e}); {metrics}",
    ]


# --- which trial ------------------------------------------------------------------------------------------------------


def chosen(engine: Engine, row: Row, wanted: Wanted) -> tuple[Row, int]:
    """The trial to export, whole, and from how many it was chosen as the best; NotFound where there is none such."""
    winner = (row["conclusion"] or {}).get("exported")
    if wanted.trial is not None:
        return _numbered(engine, row, wanted.trial), 1
    if wanted.under is None and winner is not None:
        return _numbered(engine, row, int(winner)), 1
    if wanted.under is None and not wanted.best:
        raise NotFound(f"{row['name']!r} has no winner to export; name a trial with --trial N, or write --best")
    trials = _fitting(row, _complete(engine, row), wanted.under or {})
    sign = -1 if row["direction"] == "maximize" else 1
    best = min(trials, key=lambda trial: (sign * trial["value"], trial["macs"], trial["number"]))
    return _numbered(engine, row, best["number"]), len(trials)


def _complete(engine: Engine, row: Row) -> list[Row]:
    columns = ("number", "phase", "value", "repeat_of", *COSTS)
    found = query.trials(engine, row["id"], states=("complete",), columns=columns)
    trials = [trial for trial in found if trial["phase"] != "confirm" and trial["repeat_of"] is None]
    if not trials:
        raise NotFound(f"{row['name']!r} has no complete trial yet; `archstudy show {row['name']}` says how far it is")
    return trials


def _fitting(row: Row, trials: Sequence[Row], under: Mapping[str, float]) -> list[Row]:
    """Those that cost no more; NotFound with the nearest where there are none."""
    fitting = [trial for trial in trials if all(trial[name] <= limit for name, limit in under.items())]
    if not fitting:
        least = min(trials, key=lambda trial: max(trial[name] / max(limit, 1) for name, limit in under.items()))
        costs = ", ".join(f"{human(least[name])} {name}" for name in under)
        asked = ", ".join(f"{name}={human(limit).replace(' ', '')}" for name, limit in under.items())
        raise NotFound(
            f"no complete trial of {row['name']!r} fits {asked}; the nearest is trial {least['number']} with {costs}"
        )
    return fitting


def _numbered(engine: Engine, row: Row, number: int) -> Row:
    trial = query.trial(engine, row["id"], number)
    if trial is None:
        raise NotFound(f"{row['name']!r} has no trial {number}; `archstudy show {row['name']}` lists them")
    if trial["repeat_of"] is not None:
        return _numbered(engine, row, trial["repeat_of"])
    if trial["state"] != "complete":
        raise NotFound(
            f"trial {number} of {row['name']!r} is {trial['state']}, so it has no weights; choose a complete one"
        )
    return trial


def _mates(engine: Engine, row: Row, trial: Row) -> list[Row]:
    """The same network on other seeds: a design's replicates, or those that confirmed a finalist, not the search's."""
    searched = trial["phase"] == "search"
    phase, cell = ("confirm", str(trial["number"])) if searched else (trial["phase"], trial["cell"])
    columns = ("number", "cell", "value")
    found = query.trials(engine, row["id"], phase=phase, states=("complete",), columns=columns)
    return [mate for mate in found if mate["cell"] == cell]


# --- texts ------------------------------------------------------------------------------------------------------------


def _blueprint(row: Row, trial: Row) -> str:
    header = f"# trial {trial['number']} of the study {row['name']} (fingerprint {row['fingerprint']})\n"
    blueprint = Blueprint.model_validate(trial["blueprint"])
    return header + dump(blueprint.model_dump(mode="json", exclude_defaults=True))


def _about(row: Row, trial: Row) -> str:
    return f"Trial {trial['number']} of the study {row['name']}: {text.assignment(trial['assignment'])}."
