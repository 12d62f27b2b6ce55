"""The card of an exported network, in Markdown: what it is, how well it does, what it costs, where it comes from.

Every sentence is made of facts: rows of the store, and the evidence that the export itself found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING, Any

from searchspace.drawing import confusion
from searchspace.language.units import human
from searchspace.language.yamldump import dump
from studies import screens, text
from studies.candidate import Study
from studies.statistics import estimate
from worker.datasource import IMAGES

if TYPE_CHECKING:
    from worker.bundle import Evidence

Row = dict[str, Any]
Z = 1.959964
"""Of a 95 % interval."""
MOST = 100
"""Classes that a table lists one by one."""
CARD, CONFUSION = "card.md", "confusion.svg"


@dataclass(frozen=True)
class Origin:
    """How a trial came to be exported: its `mates` are the same network on other seeds, itself included.

    `among` counts the trials that it was chosen from as the best; 1 where it was named.
    """

    mates: Sequence[Row] = ()
    among: int = 1


def texts(study: Study, row: Row, trial: Row, origin: Origin, evidence: Evidence) -> dict[str, str]:
    """The card and, of a classifier, the picture of its confusions."""
    labels = study.facts.labels
    pictures = {CONFUSION: confusion(evidence.confusion, labels)} if evidence.confusion else {}
    return {CARD: card(study, row, trial, origin, evidence), **pictures}


def card(study: Study, row: Row, trial: Row, origin: Origin, evidence: Evidence) -> str:
    """The whole page."""
    sections = [
        [f"# {row['name']}, trial {trial['number']}", "", *([study.spec.about, ""] if study.spec.about else [])]
        + [_what(study, trial)],
        ["## Results", "", *(f"* {line.strip()}" for line in _results(row, trial, origin, evidence))],
        *_by_class(study, evidence),
        ["## Cost for one input", "", *_costs(trial), *_speed(trial)],
        ["## Data", "", *_data(study, trial)],
        ["## Use", "", *_use(study, evidence)],
        ["## Intended use and limits", "", *_limits(study, evidence)],
        [
            "## Training",
            "",
            "```yaml",
            dump({key: value for key, value in trial["recipe"].items() if value is not None}).rstrip(),
            "```",
        ],
        ["## How it was checked", "", *_checked(trial, evidence)],
        ["## Provenance", "", *_provenance(study, row, trial)],
    ]
    return "\n\n".join("\n".join(section).rstrip() for section in sections) + "\n"


def _what(study: Study, trial: Row) -> str:
    facts, shape = study.facts, "x".join(map(str, study.facts.shape))
    said = f"one of {facts.outputs} classes" if facts.labels else f"{facts.outputs} number(s)"
    chosen = text.assignment(trial["assignment"])
    return f"A network from inputs of {shape} (channels x map) to {said}" + (f", with {chosen}." if chosen else ".")


# --- how well it does -------------------------------------------------------------------------------------------------


def _cell(text: str) -> str:
    """A label as a table of Markdown shows it: no column ends and no tag begins in it."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def share(value: float, digits: int = 2) -> str:
    """A share in percent."""
    return f"{100 * value:.{digits}f} %"


def wilson(right: int, seen: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927): it stays within 0 and 1, and holds at 100 % too."""
    part, z2 = right / seen, Z * Z
    middle = (part + z2 / (2 * seen)) / (1 + z2 / seen)
    half = Z * sqrt(part * (1 - part) / seen + z2 / (4 * seen * seen)) / (1 + z2 / seen)
    return max(0.0, middle - half), min(1.0, middle + half)


def _results(row: Row, trial: Row, origin: Origin, evidence: Evidence) -> list[str]:
    told = row["conclusion"] or {}
    own = [f"{name}: {text.metric(value, name)} ({_when(name)})" for name, value in sorted(trial["metrics"].items())]
    test = [
        f"{name}: {text.metric(value, name)} (these weights)" for name, value in (trial["test_metrics"] or {}).items()
    ]
    won = screens.winner(row) if trial["number"] in told.get("replicates", ()) else []
    return [
        *_headline(trial, evidence),
        *_over_seeds(row, origin.mates),
        *_selected(row, origin.among),
        *own,
        *test,
        *won,
    ]


def _when(name: str) -> str:
    """What `train_` measures is the mean over an epoch's steps, each before it changed the weights."""
    return "while training, over the epoch's steps" if name.startswith("train_") else "these weights"


def _headline(trial: Row, evidence: Evidence) -> list[str]:
    """The accuracy as the exported files have it, with the interval that the number of examples allows."""
    if not evidence.confusion:
        return [
            f"{name}: {text.metric(value, name)}, measured by the export" for name, value in evidence.metrics.items()
        ]
    right = sum(counts[n] for n, counts in enumerate(evidence.confusion))
    low, high = wilson(right, evidence.examples)
    views = (
        " (one look at each image; the metrics below average several)" if trial["recipe"].get("test_augment") else ""
    )
    return [
        f"**accuracy {share(right / evidence.examples)}**: {right} of {evidence.examples} validation examples{views}, "
        f"95 % interval {share(low)} to {share(high)} "
        "(Wilson: what the number of examples leaves open, for these weights)"
    ]


def _over_seeds(row: Row, mates: Sequence[Row]) -> list[str]:
    """What training the same network again gives."""
    values = [mate["value"] for mate in mates if mate["value"] is not None]
    if len(values) < 2:
        return []
    told = estimate(values)
    mean = text.interval(told.mean, told.half_width, row["metric"], told.n)
    means = "95 %, Student: what another training run would give" if told.half_width else "which tells no spread"
    return [f"{row['metric']} over {told.n} seeds: {mean} ({means})"]


def _selected(row: Row, among: int) -> list[str]:
    """The best of several looks better than it is."""
    if among < 2:
        return []
    return [f"chosen by {row['metric']} as the best of {among} trials, so that value is itself a little too good"]


def _by_class(study: Study, evidence: Evidence) -> list[list[str]]:
    if evidence.errors:
        rows = [f"| {n} | {a:.4g} | {b:.4g} | {c:.4g} |" for n, (a, b, c) in enumerate(evidence.errors, 1)]
        head = [
            "| output | mean absolute error | root mean square error | deviation of the targets |",
            "|--:|--:|--:|--:|",
        ]
        return [["## By output", "", *head, *rows]]
    counts, labels = evidence.confusion, study.facts.labels
    if not counts:
        return []
    head = ["| class | examples | found | right when said | most often taken for |", "|:--|--:|--:|--:|:--|"]
    order = sorted(range(len(counts)), key=lambda n: counts[n][n] / max(1, sum(counts[n])))[:MOST]
    shown = sorted(order)
    short = [f"The {MOST} classes that are found least, of {len(counts)}.", ""] if len(shown) < len(counts) else []
    table = [*short, *head, *(_class(n, counts, labels) for n in shown)]
    return [["## By class", "", *table, "", f"![what is taken for what]({CONFUSION})"]]


def _class(n: int, counts: Sequence[Sequence[int]], labels: Sequence[str]) -> str:
    """A class's recall, its precision, and its most frequent confusion."""
    seen, said, right = sum(counts[n]), sum(row[n] for row in counts), counts[n][n]
    others = [(count, -j) for j, count in enumerate(counts[n]) if j != n and count]
    worst = f"{_cell(labels[-max(others)[1]])} ({max(others)[0]})" if others else ""
    found, precise = (share(right / total, 1) if total else "-" for total in (seen, said))
    return f"| {_cell(labels[n])} | {seen} | {found} | {precise} | {worst} |"


# --- what it costs and needs ------------------------------------------------------------------------------------------


def _costs(trial: Row) -> list[str]:
    return [f"* {name}: {trial[name]:,}" for name in ("params", "macs", "activations")] + [
        f"* receptive field: {trial['costs']['field']} positions of the input",
    ]


def _speed(trial: Row) -> list[str]:
    """Latency where the study measured it."""
    told = (trial.get("measured") or {}).get("latency")
    if not isinstance(told, Mapping):
        return []
    sizes = {key.removeprefix("batch_"): value for key, value in told.items() if key.startswith("batch_")}
    where = f" on {told['device']}" if told.get("device") else ""
    return [f"* latency, batch {size}: {_median(value):.3g} ms{where}" for size, value in sizes.items()]


def _median(value: Any) -> float:
    return float(value["median"] if isinstance(value, Mapping) else value)


def _data(study: Study, trial: Row) -> list[str]:
    facts, spec = study.facts, study.spec.data
    shape = "x".join(map(str, facts.shape))
    digest = f", digest `{spec.digest}`" if spec.digest else ""
    sized = spec.image and spec.source.startswith(IMAGES)
    rule = (
        getattr(facts, "rule", "") or "a fifth is the test split and a fifth the validation split, stratified by class"
    )
    return [
        f"* source: `{spec.source}`, {facts.images} examples of {shape} (channels x map){digest}",
        f"* {facts.outputs} outputs: {', '.join(facts.labels[:MOST]) or 'numbers'}",
        f"* split: {rule}",
        *([f"* images of another size were fitted by `{spec.resize or 'crop'}`"] if sized else []),
        *(f"* {note}" for note in (trial.get("measured") or {}).get("notes") or facts.notes),
        "* how raw values become inputs stands in `preprocess.json`, fitted on the training part alone",
    ]


def _use(study: Study, evidence: Evidence) -> list[str]:
    what = "image.png" if len(study.facts.shape) == 3 else "examples.npy"
    both = "onnx" not in evidence.without
    lines = ["```sh", f"python predict.py {what}           # torch and safetensors"]
    lines += [f"python predict.py {what} --onnx    # numpy and onnxruntime, no torch"] if both else []
    code = ["import model", "", 'network = model.load("weights.safetensors")', _CALL]
    onnx = "" if not both else " `model.onnx` is of opset 20"
    pt2 = "" if "pt2" in evidence.without else " `model.pt2` is for `torch.export.load`"
    dynamic = f"{onnx},{pt2};" if onnx and pt2 else f"{onnx}{pt2};" if onnx or pt2 else ""
    said = f"{dynamic} the batch is free in every form.".strip()
    return [*lines, "```", "", "```python", *code, "```", "", said[0].upper() + said[1:], *_sliding(evidence)]


_CALL = "outputs = network(model.preprocess(images))  # images as the data set has them, channels last"


def _sliding(evidence: Evidence) -> list[str]:
    if evidence.sliding is None:
        return []
    window, step = ("x".join(map(str, one)) for one in evidence.sliding[:2])
    exact = "Each equals cropping that window and classifying it."
    near = (
        "The network pads its maps, so inside of a larger input a window sees what lies around it, where the crop sees "
        "zeros: predictions differ from those of crops, in small windows often in their label. At the trained size "
        "they are equal."
    )
    how = exact if evidence.sliding.exact else near
    return [
        "",
        f"The network is in its dense form: it takes inputs of {window} or larger and gives a map of predictions, one "
        f"for each window of {window}, {step} pixels apart. {how} Its weights are those of `blueprint.yaml` in other "
        "shapes.",
    ]


def _limits(study: Study, evidence: Evidence) -> list[str]:
    """Plain sentences that follow from the facts, and nothing else."""
    facts = study.facts
    size, channels = "x".join(map(str, facts.shape[1:])), facts.shape[0]
    lines = [
        f"* It was trained for inputs like those of `{study.spec.data.source}`: {channels} channel(s), {size}. "
        "Nothing was measured on other inputs.",
    ]
    if facts.labels:
        lines += [
            f"* It always answers with one of its {facts.outputs} classes, also for an input that is none of them.",
            "* Its scores were not calibrated: a score of .9 need not be right nine times in ten.",
        ]
        lines += _weakest(evidence, facts.labels)
    else:
        lines += ["* It always answers with a number, also for inputs unlike all that it was trained on."]
    return [*lines, "* The numbers above are of the data set's own split; examples from elsewhere may do worse."]


def _weakest(evidence: Evidence, labels: Sequence[str]) -> list[str]:
    found = [(row[n] / sum(row), n) for n, row in enumerate(evidence.confusion) if sum(row)]
    least, n = min(found)
    seen = sum(evidence.confusion[n])
    if least == 1:
        return []
    return [f"* It is weakest on class {labels[n]}: {share(least, 0)} of {seen} validation examples are found."]


def _checked(trial: Row, evidence: Evidence) -> list[str]:
    """What the export compared before it wrote anything."""
    lines = [
        f"* {name}: largest difference {value:.1e} of the largest value" for name, value in evidence.differences.items()
    ]
    again = "" if trial["recipe"].get("test_augment") else ", and the trial's row is reproduced to the last example"
    first = (
        f"Each form was run on all {evidence.examples} validation examples and compared with the trained module{again}:"
    )
    left = [f"* left out on request: {', '.join(evidence.without)}"] if evidence.without else []
    return [first, "", *lines, *left]


def _provenance(study: Study, row: Row, trial: Row) -> list[str]:
    versions = ", ".join(f"{name} {number}" for name, number in row["provenance"]["versions"].items())
    place = trial["place"] or {}
    digest = study.spec.data.digest or f"constant data ({study.spec.data.source})"
    return [
        f"* study `{row['name']}`, fingerprint `{row['fingerprint']}`, trial {trial['number']}, seed {trial['seed']}",
        f"* data: {digest}",
        f"* made with {versions}, Python {row['provenance']['python']}, on {place.get('device', 'cpu')}",
        f"* {human(trial['train_seconds'])} s of training",
    ]
