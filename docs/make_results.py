"""Write docs/results.md, what the studies that were run for these pages found: `python docs/make_results.py`.

It reads docs/results/*.csv, every trial of each study, and the study files; so the page can be made without training.
`python docs/make_results.py STORE...` first writes the CSV and the offline report of every study in those stores.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from searchspace.language import yamlio
from studies.analysis.reading import read
from studies.spec import StudySpec
from studies.verdict import verdict

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results"
CIFAR10 = (40_000, 10_000)
IMAGES = {"digits": (1_077, 360), "hf:uoft-cs/cifar10": CIFAR10}
"""Examples that train and that validate."""
FOUND = {
    "he-sun-depth-filter": "He & Sun (A to E): with the width kept, deeper with smaller filters is better.",
    "he-sun-depth-width": "He & Sun (A to F, C to H, D to I): with the filter kept, deeper beats wider, until it stops "
    "paying (F to G).",
    "he-sun-depth-width-long": "As above; theirs trained until the error stood, these for 24 epochs instead of 8.",
    "he-sun-width-filter": "He & Sun (B against F, E against I): with the depth kept, width against filter is a tie.",
    "wide-deep-digits": "He & Sun's three questions in one factorial, on handwritten digits: each network also as it "
    "stands, at one width.",
    "mlp-local-convolutional": "LeCun 1989, on 16x16 digits: fully connected 87 %, local 88.5 %, shared 94 to 98.4 %.",
    "norm-placement": "Ioffe & Szegedy 2015 put it before the activation; Mishkin et al. 2017 found it slightly better "
    "after; He et al. 2016 put it before the convolution.",
}
TOP = """# Studies that were run

Studies of [the catalogue](catalog.md), run for this page on 2 cores of an AMD EPYC (Python 3.11.7, torch 2.13.0, CPU,
one thread a trial, 2026-11-21). Those of He & Sun and of the norm's place: CIFAR-10 from its JPEG copy, 10,000 of its
training images, 2.5 million multiply-adds a network, five seeds a cell, the learning rate tuned for each cell alike.
Every trial is in a CSV and every setting in an offline report (save it and open it in a browser). This page is made
from the CSVs (`python docs/make_results.py`); a test holds it.

**Read them for what they are.** The networks are a three-hundredth of He & Sun's, have batch norm where theirs have
none, see 10,000 images of 32x32 for 8 or 24 epochs where theirs see 1.2 million of 224x224, and 2x2 filters here pad
always on the same side, so that six of them shift the map by three positions. A machine of 2 cores could not train
them to the end: the split of the error says each time that the worse network *trains* worse. Where a verdict differs
from the paper's, it is one about networks that are trained briefly, and no refutation; with three times the epochs
(he-sun-depth-width-long) the difference shrank and kept its sign.
"""


def page() -> str:
    """The whole page."""
    names = [name for name in FOUND if (RESULTS / f"{name}.csv").exists()]
    return "\n".join([TOP, *(line for name in names for line in section(name))])


def section(name: str) -> Iterator[str]:
    """One study: what it asks, what others found, what these data say."""
    spec = specification(name)
    training, validation = IMAGES.get(spec.data.source, CIFAR10)
    reading = read(spec, rows(name, spec), images=training)
    yield f"## {name}\n"
    yield f"{spec.about}\n"
    yield f"*Found by others:* {FOUND[name]}\n"
    yield "*Found here:*\n"
    yield from (f"* {line}" for line in verdict(spec, reading, validation))
    links = f"[every trial](results/{name}.csv), [the report](results/{name}.html), [the study]({_study(name)})"
    yield f"\n{links}\n"


def _study(name: str) -> str:
    return f"../studies/catalog/{name}.yaml"


def specification(name: str) -> StudySpec:
    """The study as its file says it."""
    return StudySpec.model_validate(yamlio.read(FOLDER / _study(name)).data)


def rows(name: str, spec: StudySpec) -> list[dict[str, Any]]:
    """The trials as the analysis reads them, from the CSV."""
    design = spec.design
    assert design is not None
    variables = {*design.factors, *(design.tune or ()), *design.turned}
    with (RESULTS / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return [_row(line, variables) for line in csv.DictReader(file)]


def _row(line: dict[str, str], variables: set[str]) -> dict[str, Any]:
    told = {name: _value(text) for name, text in line.items()}
    plain = {
        name: told[name] for name in ("phase", "cell", "replicate", "state", "value", "params", "macs", "activations")
    }
    metrics = {name: value for name, value in told.items() if re.match(r"(train|val|fit)_(loss|accuracy)$", name)}
    assignment = {name: told.get(f"variable.{name}", told.get(name)) for name in variables}
    costs = {"field": told["field"], "depth": told.get("cost.depth", told.get("depth"))}
    ending = {"failure_kind": told["failure_kind"], "reason": told["reason"]}
    return {**plain, "assignment": assignment, "metrics": metrics, "costs": costs, **ending}


def _value(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text or None
    return int(number) if re.fullmatch(r"-?\d+", text) else number


def written(store: str) -> None:
    """The CSV and the report of every design study in a store; the folder of the data is this machine's own affair."""
    from studies.report.content import of_store
    from studies.report.html import html
    from studies.report.spreadsheet import spreadsheet
    from studies.store import connect, query

    engine = connect(store, create=False)
    for one in query.studies(engine):
        row = query.find_study(engine, one["name"])
        assert row is not None
        trials = query.trials(engine, row["id"])
        text = re.sub(r"parquet:/[\w/.-]*/", "parquet:", html(of_store(engine, row, trials)))
        (RESULTS / f"{row['name']}.csv").write_text(spreadsheet(trials), encoding="utf-8")
        (RESULTS / f"{row['name']}.html").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    RESULTS.mkdir(exist_ok=True)
    for url in sys.argv[1:]:
        written(url)
    (FOLDER / "results.md").write_text(page(), encoding="utf-8")
    print("wrote results.md")
