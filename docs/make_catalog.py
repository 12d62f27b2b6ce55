"""Write docs/catalog.md, what the studies of the catalogue ask and plan, from them: `python docs/make_catalog.py`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from searchspace.language.units import human
from studies.candidate import Study
from studies.catalogue import Entry, catalogue
from studies.design.plan import facts
from studies.load import load
from studies.noise import UNKNOWN

FOLDER = Path(__file__).parent
Facts = dict[str, Any]
TOP = """# The catalogue

Studies to start from, each a question of the literature in one file: `archstudy init --list` names them and
`archstudy init --from NAME` writes one, to run as it is or to change. This page is made from the files in
`studies/catalog/` (`python docs/make_catalog.py`); a test holds it up to date.

They are small, so that they can be run without a machine of one's own for weeks: what they find is found of small
networks on few images, and need not hold for large ones. All costs are counted before anything is trained;
`archstudy plan` shows each cell's.
"""


def page() -> str:
    """The whole page."""
    found = [(one, *planned(one)) for one in catalogue()]
    parts = [TOP, *_table(found), ""]
    for one, study, told in found:
        parts += [*_section(one, study, told), ""]
    return "\n".join(parts)


def planned(one: Entry) -> tuple[Study, Facts | None]:
    """The study as it is loaded, and its plan's facts; None for a search."""
    with as_file(files("studies").joinpath("catalog", f"{one.name}.yaml")) as path:
        study = load(path)
    return study, facts(study, UNKNOWN) if study.spec.design else None


def _table(found: list[tuple[Entry, Study, Facts | None]]) -> Iterator[str]:
    yield f"## All {len(found)} studies\n"
    yield "| study | asks | cells | held | trials |"
    yield "|---|---|---:|---|---:|"
    for one, study, told in found:
        row = [f"[{one.name}](#{one.name})", one.about, cells(told), held(study), trials(told)]
        yield f"| {' | '.join(row)} |"


def cells(told: Facts | None) -> str:
    """How many networks are compared."""
    return str(len(told["cells"])) if told else "a search"


def held(study: Study) -> str:
    """`macs 2.55 M, by width`; nothing where cells stand as they are at different costs."""
    match = study.spec.design and study.spec.design.match
    if not match:
        return ""
    costs = " and ".join(f"{name} {human(int(value))}".replace(" ", "&nbsp;") for name, value in match.targets.items())
    return f"{costs}, by {' and '.join(match.turned)}" if match.turned else costs


def trials(told: Facts | None) -> str:
    """All trainings, those that tune the rate among them."""
    if told is None:
        return ""
    most = f" to {told['trials_at_most']}" if told["trials_at_most"] > told["trials"] else ""
    return f"{told['trials']}{most}"


def _section(one: Entry, study: Study, told: Facts | None) -> Iterator[str]:
    yield f"## {one.name}\n"
    for label, text in one.told.items():
        prose, _, code = text.partition("\n")
        yield f"**{label}.** {prose[0].upper()}{prose[1:]}\n".replace("  ", " ")
        if code:
            yield f"```text\n{_unindented(code)}\n```\n"
    yield f"**Plan.** {_plan(study, told)} [The file](../studies/catalog/{one.name}.yaml)."


def _unindented(code: str) -> str:
    return "\n".join(line.strip() for line in code.splitlines())


def _plan(study: Study, told: Facts | None) -> str:
    """The cells, the seeds and the data, as the file names it."""
    kind, _, path = study.spec.data.source.partition(":")
    data = f"`{kind}:{path if kind == 'hf' else Path(path).name}`" if path else f"`{kind}`"
    if told is None:
        return f"A search on {data}."
    design = study.spec.design
    assert design is not None
    unmatched = f", and {len(told['raw'])} as they stand" if told["raw"] else ""
    tuned = f"; {told['tuning']} trials tune {' and '.join(design.tune)}" if design.tune else ""
    seeds = f"{design.least} to {design.most}" if design.most > design.least else str(design.least)
    factors = ", ".join(f"`{name}`" for name in design.factors)
    return f"{len(told['cells'])} cells over {factors}{unmatched}, {seeds} seeds each, on {data}{tuned}."


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"  # what is planned here needs no data
    (FOLDER / "catalog.md").write_text(page(), encoding="utf-8")
    print("wrote catalog.md")
