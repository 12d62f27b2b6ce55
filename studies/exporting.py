"""From a trial to a bundle: which weights, what the card says of them, and what is said when it is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from searchspace.blueprint import Blueprint
from searchspace.cost import cost
from searchspace.language.yamldump import dump
from searchspace.lower import lower
from studies import screens
from studies.candidate import Study
from studies.errors import NotFound
from studies.jobs import job_of
from studies.load import from_tree
from studies.store import Engine, query

Row = dict[str, Any]


def export(engine: Engine, row: Row, number: int | None, out: Path, files: Path) -> dict[str, Any]:
    """Write the bundle of a study's winner (the replicate with the median score) or of one trial; what it holds."""
    from worker import bundle  # torch

    study = from_tree(row["spec"], row["yaml"])
    trial = _trial(engine, row, number)
    network = lower(Blueprint.model_validate(trial["blueprint"]), study.facts.shape, study.facts.outputs)
    parts = bundle.Parts(
        job=job_of(study, trial, files, "train"),
        metrics=trial["metrics"],
        blueprint=_blueprint(row, trial),
        card=card(study, row, trial),
        about=_about(row, trial),
    )
    folder = bundle.write(out.absolute(), parts)
    return {
        "folder": str(folder),
        "study": row["name"],
        "trial": trial["number"],
        "params": cost(network).params,
        "macs": cost(network).macs,
        "files": sorted(path.name for path in folder.iterdir()),
    }


def told(facts: dict[str, Any]) -> list[str]:
    """What `export` prints."""
    return [
        f"bundle: {facts['folder']} (trial {facts['trial']} of {facts['study']}): {', '.join(facts['files'])}",
        "checked: model.py with its weights gives the same outputs as the trained network",
    ]


def _trial(engine: Engine, row: Row, number: int | None) -> Row:
    if number is None:
        if not row["conclusion"] or "exported" not in row["conclusion"]:
            raise NotFound(f"{row['name']!r} has no winner to export; name a trial with --trial N")
        number = int(row["conclusion"]["exported"])
    trial = query.trial(engine, row["id"], number)
    if trial is None:
        raise NotFound(f"{row['name']!r} has no trial {number}; `archstudy show {row['name']}` lists them")
    if trial["repeat_of"] is not None:
        return _trial(engine, row, trial["repeat_of"])
    if trial["state"] != "complete":
        raise NotFound(
            f"trial {number} of {row['name']!r} is {trial['state']}, so it has no weights; choose a complete one"
        )
    return trial


def _blueprint(row: Row, trial: Row) -> str:
    header = f"# trial {trial['number']} of the study {row['name']} (fingerprint {row['fingerprint']})\n"
    blueprint = Blueprint.model_validate(trial["blueprint"])
    return header + dump(blueprint.model_dump(mode="json", exclude_defaults=True))


def _about(row: Row, trial: Row) -> str:
    return f"Trial {trial['number']} of the study {row['name']}: {screens.assignment(trial['assignment'])}."


def card(study: Study, row: Row, trial: Row) -> str:
    """The card of an exported network, in Markdown: what it is, how well it does, what it costs, where it is from."""
    sections = [
        [f"# {row['name']}, trial {trial['number']}", "", study.spec.about],
        ["## Results", "", *(f"* {line.strip()}" for line in _results(row, trial))],
        ["## Cost for one input", "", *_costs(trial)],
        ["## Data", "", *_data(study)],
        ["## Training", "", "```yaml", dump(trial["recipe"]).rstrip(), "```"],
        ["## Use", "", "```python", _USE, "```", "", "`model.py` needs torch and safetensors, nothing else."],
        ["## Provenance", "", *_provenance(row, trial)],
    ]
    return "\n\n".join("\n".join(section) for section in sections) + "\n"


_USE = """import model

network = model.load("weights.safetensors").eval()
logits = network(model.preprocess(images))  # images as the data set has them, channels last"""


def _results(row: Row, trial: Row) -> list[str]:
    own = [f"{name}: {screens.metric(value, name)} (these weights)" for name, value in sorted(trial["metrics"].items())]
    test = [
        f"{name}: {screens.metric(value, name)} (these weights)"
        for name, value in (trial["test_metrics"] or {}).items()
    ]
    told = row["conclusion"] or {}
    return [*own, *test, *(screens.winner(row) if trial["number"] in told.get("replicates", ()) else [])]


def _costs(trial: Row) -> list[str]:
    return [f"* {name}: {trial[name]:,}" for name in ("params", "macs", "activations")] + [
        f"* receptive field: {trial['costs']['field']} pixels",
    ]


def _data(study: Study) -> list[str]:
    facts = study.facts
    shape = "x".join(map(str, facts.shape))
    return [
        f"* source: `{study.spec.data.source}`, {facts.images} examples of {shape} (channels x map)",
        f"* {facts.outputs} outputs: {', '.join(facts.labels) or 'numbers'}",
        "* a fifth is the test split and a fifth the validation split, one split for the data set, stratified by class",
        "* inputs are standardized with the training part's mean and deviation, which stand in `model.py`",
    ]


def _provenance(row: Row, trial: Row) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in row["provenance"]["versions"].items())
    place = trial["place"] or {}
    return [
        f"* study `{row['name']}`, fingerprint `{row['fingerprint']}`, trial {trial['number']}, seed {trial['seed']}",
        f"* made with {versions}, Python {row['provenance']['python']}, on {place.get('device', 'cpu')}",
    ]
