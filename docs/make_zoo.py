"""Write docs/zoo.md, the list of published networks, and its charts, from the zoo: `python docs/make_zoo.py`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charts import Axis, Point, scatter

from searchspace.language.units import fraction, human
from searchspace.zoo import files
from studies.commands.describing import zoo

FOLDER = Path(__file__).parent
Row = dict[str, Any]
NAMES = {"imagenet_top1": "ImageNet top-1", "imagenet_top5": "ImageNet top-5", "cifar10": "CIFAR-10", "mnist": "MNIST"}
TOP = """# The zoo

Published networks by name. `archstudy describe zoo` lists them in a terminal, `archstudy describe zoo:resnet50` shows
one, `blueprint: {zoo: resnet50}` takes one into a study ([how](networks.md#networks-of-the-zoo)). A family is one YAML
file in `searchspace/zoo/`. This page is made from these files (`python docs/make_zoo.py`); a test holds it up to date.

Parameters, multiply-adds (MACs) and receptive fields are counted at the input that stands beside them. Errors are
published ones, with their source. They were measured with other training, other crops and other test images, as the
notes below say, so a difference between two papers is not a difference between two networks alone.
"""
HISTORY = """## ImageNet, year by year

The best top-5 errors of the classification task on the test set; most entries were several networks together.

![Top-5 error in the ImageNet challenge, by year](pictures/imagenet-years.svg)
"""
COST = """## Error against cost

Networks of the zoo at 1000 classes. Points of one paper, measured in one way, are joined. Where names would overlap
some are left out; all stand in the table.

![ImageNet top-1 error against multiply-adds](pictures/imagenet-macs.svg)

The same on CIFAR-10, against parameters; a colour is a paper and its way of measuring.

![CIFAR-10 error against parameters](pictures/cifar10-params.svg)
"""


def page() -> str:
    """The whole page."""
    rows = zoo()
    return "\n".join([TOP, HISTORY, *_history(), "", COST, *_table(rows), "", *_notes(rows)]) + "\n"


def _history() -> Iterator[str]:
    found = files.history()
    yield "| year | entry | top-5 error | in the zoo | source |"
    yield "|---|---|---|---|---|"
    for one in found["entries"]:
        own = f"`{one['zoo']}`" if one["zoo"] else ""
        yield f"| {one['year']} | {one['name']} | {told(one['error'])} | {own} | {link(one['source'])} |"
    yield ""
    human_ = found["human"]
    yield f"One trained person had {told(human_['error'])} on 1,500 of the images ({link(human_['source'])})."
    for one in found["outside_data"]:
        yield f"With more training data, {one['name']}: {told(one['error'])} in {one['year']} ({link(one['source'])})."


def told(error: str | float) -> str:
    """An error as papers write it."""
    return f"{round(100 * fraction(error), 2):g} %"


def link(address: str) -> str:
    """A source, by the name of its site and its number."""
    short = address.split("//")[1].removeprefix("www.").removeprefix("doi.org/").replace("arxiv.org/abs/", "arXiv ")
    return f"[{short if len(short) < 30 else short.split('/')[0]}]({address})"


def _table(rows: list[Row]) -> Iterator[str]:
    yield f"## All {len(rows)} networks\n"
    yield "| network | year | input | params | MACs | field | published errors | source |"
    yield "|---|---|---|---:|---:|---:|---|---|"
    for row in rows:
        size = "x".join(map(str, row["input"]))
        errors = ", ".join(f"{NAMES[name]} {told(error)}" for name, error in row["errors"].items())
        params, macs = (human(row[cost]).replace(" ", "&nbsp;") for cost in ("params", "macs"))
        counts = f"{params} | {macs} | {row['field']:,}"
        yield f"| `{row['name']}` | {row['year']} | {size} | {counts} | {errors} | {link(row['source'])} |"


def _notes(rows: list[Row]) -> Iterator[str]:
    yield "## Notes\n"
    notes: dict[str, list[str]] = {}
    for row in rows:
        notes.setdefault(row["note"], []).append(f"`{row['name']}`")
    yield from (f"* {', '.join(names)}: {note}" for note, names in notes.items() if note)


def pictures() -> dict[str, str]:
    """The page's charts by file name."""
    rows = zoo()
    return {
        "imagenet-years.svg": years(),
        "imagenet-macs.svg": imagenet(rows),
        "cifar10-params.svg": cifar(rows),
    }


def years() -> str:
    """The challenge's errors over the years, and one person's."""
    found = files.history()
    points = [Point(one["year"], 100 * fraction(one["error"]), one["name"]) for one in found["entries"]]
    best = {one.x: one for one in sorted(points, key=lambda one: -one.y)}
    shown = [Point(one.x, one.y, one.name, "best" if one == best[one.x] else one.name) for one in points]
    x = Axis("year", 2009.7, 2017.8, [(year, str(year)) for year in range(2010, 2018)])
    y = Axis("top-5 error in %", 0, 30, [(value, str(value)) for value in range(0, 31, 5)])
    level = 100 * fraction(found["human"]["error"]), "one trained person"
    return scatter("Top-5 error in the ImageNet challenge, by year", shown, x, y, level)


def imagenet(rows: list[Row]) -> str:
    """Top-1 error against multiply-adds."""
    ticks = [(1e8, "100 M"), (2e8, "200 M"), (5e8, "500 M"), (1e9, "1 G"), (2e9, "2 G"), (5e9, "5 G"), (1e10, "10 G")]
    x = Axis("multiply-adds for one image", 3.5e7, 4e10, [(5e7, "50 M"), *ticks, (2e10, "20 G")], log=True)
    y = Axis("top-1 error in %", 18, 52, [(value, str(value)) for value in range(20, 51, 5)])
    return scatter("ImageNet top-1 error against multiply-adds", measured(rows, "imagenet_top1", "macs"), x, y)


def cifar(rows: list[Row]) -> str:
    """CIFAR-10 error against parameters."""
    ticks = [(5e5, "500 k"), (1e6, "1 M"), (2e6, "2 M"), (5e6, "5 M"), (1e7, "10 M"), (2e7, "20 M"), (5e7, "50 M")]
    x = Axis("parameters", 1.8e5, 1e8, [(2e5, "200 k"), *ticks], log=True)
    y = Axis("error in %", 3, 14, [(value, str(value)) for value in range(4, 15, 2)])
    return scatter("CIFAR-10 error against parameters", measured(rows, "cifar10", "params"), x, y, joined=False)


def measured(rows: list[Row], error: str, cost: str) -> list[Point]:
    """The networks with that published error, paper by paper, the cheapest first."""
    found = [row for row in rows if error in row["errors"]]
    found.sort(key=lambda row: (row["year"], row["about"], row["note"], row[cost]))
    return [Point(row[cost], 100 * row["errors"][error], row["name"], row["about"] + row["note"]) for row in found]


if __name__ == "__main__":
    (FOLDER / "zoo.md").write_text(page(), encoding="utf-8")
    for name, text in pictures().items():
        (FOLDER / "pictures" / name).write_text(text, encoding="utf-8")
    print("wrote zoo.md and its charts")
