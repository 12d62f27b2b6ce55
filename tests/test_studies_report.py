"""A study as one offline file: what stands in it, that it is the same each time, that it asks nothing of anybody."""

import csv
import errno
import io
import json
import os
import random
import re
import shutil
from collections.abc import Callable, Iterator
from functools import partialmethod
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from studies.candidate import Study
from studies.cli import DONE, FAILED, NOT_FOUND, main
from studies.design.cells import every_cell, raw_cells
from studies.design.rows import trial_row
from studies.load import load
from studies.report.blocks import Document, Heading, numeric
from studies.report.content import curve_trials, report
from studies.report.figures import canvas, scale
from studies.report.html import html
from studies.report.markdown import markdown
from studies.report.spreadsheet import spreadsheet

Row = dict[str, Any]
DESIGN: Row = {
    "apiVersion": "archstudy/v1",
    "kind": "Study",
    "name": "tiny",
    "about": "Wider?",
    "data": {"source": "digits"},
    "variables": {"width": {"choice": [2, 3, 4]}, "kernel": {"choice": [1, 3]}},
    "blueprint": {"stages": [{"block": "plain", "width": "$width", "kernel": "$kernel", "pool": {"size": 2}}]},
    "design": {"factors": ["width", "kernel"], "replicates": 2},
    "recipe": {"epochs": 2, "batch_size": 256},
    "resources": {"checkpoint_seconds": 0},
    "seed": 7,
}


class Page(HTMLParser):
    """What a page loads, links to and says; and whether its tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.crossed: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.crossed.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def study_row(study: Study, **more: Any) -> Row:
    base = {"id": 1, "name": study.spec.name, "kind": "search" if study.spec.search else "design", "state": "complete"}
    base |= {"note": None, "metric": study.spec.objective.target, "direction": study.spec.objective.direction}
    base |= {"fingerprint": "abc123", "seed": 7, "conclusion": None, "baselines": None, "yaml": study.text}
    base |= {"created_at": 1e9, "started_at": 1e9, "finished_at": 1e9 + 60, "conductor_seconds": 60.0, "leased": False}
    return {**base, "provenance": {"versions": {"archstudy": "0.1.0"}, "python": "3.11", "machine": "x86_64"}, **more}


def ended(row: Row, number: int, value: float | None, **more: Any) -> Row:
    base: Row = {"id": number + 1, "number": number, "cell": None, "value": value, "repeat_of": None, "measured": None}
    base |= {"state": "complete" if value is not None else "queued", "test_metrics": None, "failure_kind": None}
    base |= {
        "reason": None,
        "place": {},
        "train_seconds": 1.5,
        "macs": 100,
        "params": 10,
        "activations": 5,
        "costs": {},
    }
    metrics = None if value is None else {"val_accuracy": value, "train_accuracy": min(value + 0.01, 1.0)}
    return {**base, "metrics": metrics, **row, **more}


def design_rows(study: Study, replicates: int = 3, noise: float = 0.004) -> list[Row]:
    """Complete trials with a clear effect of the first factor."""
    draw = random.Random(7)
    found: list[Row] = []
    for replicate in range(replicates):
        for at, cell in enumerate(every_cell(study)):
            value = 0.9 + 0.01 * (at % 3) + draw.gauss(0, noise)
            found.append(ended(trial_row(study, cell, replicate), len(found), min(value, 1.0)))
    return found


def epoch_rows(trials: list[Row]) -> list[Row]:
    return [
        {"trial_id": one["id"], "epoch": epoch, "metrics": {name: v * epoch / 3 for name, v in one["metrics"].items()}}
        for one in trials
        if one["metrics"]
        for epoch in (1, 2, 3)
    ]  # fmt: skip


def made(study: Study, trials: list[Row], curves: bool = False, **more: Any) -> Document:
    """The report, with learning curves where they matter: drawing is what takes time here."""
    return report(study, study_row(study, **more), trials, epoch_rows(trials) if curves else [])


def titles(document: Document) -> list[str]:
    return [one.text for one in document.blocks if isinstance(one, Heading)]


def names(document: Document) -> list[str]:
    return [one.name for one in document.pictures]


def factors(many: int, levels: int = 2) -> dict[str, Any]:
    """Sections of a design of so many factors."""
    variables = {
        "width": list(range(2, 2 + levels)),
        "kernel": [1, 3],
        "norm": ["none", "batch"],
        "act": ["relu", "elu"],
    }
    kept = dict(list(variables.items())[:many])
    stage: Row = {"block": "plain", "width": "$width", "pool": {"size": 2}}
    stage |= {"kernel": "$kernel"} if many > 1 else {}
    stage |= {"activation": "$act"} if many > 3 else {}
    if many > 2:
        variables["norm"] = kept["norm"] = [{"kind": "batch"}, {"kind": "layer"}]  # type: ignore[list-item]
        stage["norm"] = "$norm"
    return {
        "variables": {name: {"choice": one} for name, one in kept.items()},
        "blueprint": {"stages": [stage]},
        "design": {"factors": list(kept), "replicates": 3},
    }


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A design of 3 x 2 cells."""
    file = tmp_path_factory.mktemp("whole") / "study.yaml"
    file.write_text(json.dumps(DESIGN))
    return load(file)


@pytest.fixture(scope="module")
def document(design: Study) -> Document:
    """Its report after 3 seeds."""
    return made(design, design_rows(design), curves=True)


def test_a_design_study_has_all_its_sections(document: Document) -> None:
    wanted = ["Verdict", "How it was done", "Results", "Effects", "Cost and accuracy", "Learning"]
    ends = ["All trials", "Every setting", "Where the numbers come from", "Run it again"]
    assert titles(document)[:6] == wanted
    assert titles(document)[-4:] == ends
    kinds = ["facets", "interaction", "heat", "forest", "cost-macs", "cost-params", "curves-val-accuracy"]
    assert set(kinds) <= set(names(document))
    assert len(names(document)) == len(set(names(document)))


def test_the_page_is_whole_and_asks_nothing_of_anybody(document: Document) -> None:
    text = html(document)
    page = Page(text)
    assert not page.crossed
    assert not page.open
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "embed", "base", "form"}
    targets = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ("src", "href", "xlink:href")
    ]
    assert targets
    assert all(str(target).startswith("#") for target in targets)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {str(target)[1:] for target in targets} <= set(map(str, ids))
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == 1
    assert len(text) < 500_000


def test_every_picture_says_in_words_and_numbers_what_is_seen(document: Document) -> None:
    for picture in document.pictures:
        assert len(picture.told) > 40, picture.name
        assert re.search(r"[0-9]", picture.told), picture.name
    page = Page(html(document))
    drawings = page.all("svg")
    assert len(drawings) == len(document.pictures) == len(page.all("figcaption"))
    texts = {one["id"] for one in page.all("desc")} | {one["id"] for one in page.all("title") if "id" in one}
    assert all(one["role"] == "img" and {one["aria-labelledby"], one["aria-describedby"]} <= texts for one in drawings)
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))


def test_the_same_rows_give_the_same_bytes_and_change_no_setting_of_the_process(
    document: Document, design: Study
) -> None:
    from matplotlib import rcParams

    before = dict(rcParams)
    again = made(design, design_rows(design), curves=True)
    assert dict(rcParams) == before
    assert html(again) == html(document)
    assert markdown(again) == markdown(document)


def test_what_users_write_is_text(tiny: Callable[..., Study]) -> None:
    nasty = "<script>alert('x')</script> & \"quotes\" $\\frac$ `a|b`"
    study = tiny("design", about=nasty, variables={"width": {"choice": [2, 3]}, "kernel": {"choice": [1, 3]}})
    trials = design_rows(study)
    for trial in trials:
        level = "a<b & $c$ _d" if trial["assignment"]["kernel"] == 1 else "</svg><b>"
        trial["assignment"] = {**trial["assignment"], "kernel": level}
        trial["cell"] = f"width={trial['assignment']['width']}, kernel={level}"
    trials[0] |= {"state": "failed", "value": None, "metrics": None, "failure_kind": "error", "reason": "</td><i>&"}
    document = made(study, trials, curves=True)
    page = Page(html(document))
    assert not page.crossed
    assert not {"script", "b", "i"} & {tag for tag, _ in page.tags}
    said = "".join(page.words)
    assert nasty in said
    assert "a<b & $c$ _d" in said
    assert "</td><i>&" in said
    text, _ = markdown(document)
    assert "<script>" not in text.split("```")[0]


def test_markdown_has_its_pictures_beside_it(document: Document) -> None:
    text, files = markdown(document, "pictures")
    assert set(files) == {f"pictures/{one.name}.svg" for one in document.pictures}
    assert all(f"]({file})" in text for file in files)
    assert all(file.startswith("<?xml") and file.count("<svg") == 1 for file in files.values())
    assert text.startswith("# tiny\n")
    for lines in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines.splitlines()}
        assert len(columns) == 1, lines


@pytest.mark.parametrize(
    ("sections", "replicates", "pictures"),
    [
        pytest.param(factors(1, levels=1), 1, ["facets"], id="one cell, one seed"),
        pytest.param(factors(1, levels=3), 3, ["facets", "forest"], id="one factor"),
        pytest.param(factors(2, levels=1), 3, ["facets", "forest"], id="a factor of one level"),
        pytest.param(factors(3), 2, ["facets", "interaction", "heat", "forest"], id="three factors"),
        pytest.param(factors(4), 2, ["facets", "interaction", "heat", "forest"], id="four factors"),
        pytest.param(factors(2, levels=16), 2, ["facets", "interaction", "forest"], id="32 cells"),
    ],
)  # fmt: skip
def test_designs_of_every_size(tiny: Callable[..., Study], sections: Row, replicates: int, pictures: list[str]) -> None:
    study = tiny("design", **sections)
    trials = [row | {"metrics": {"val_accuracy": row["value"]}} for row in design_rows(study, replicates)]
    document = made(study, trials)
    assert [name for name in names(document) if name in ("facets", "interaction", "heat", "forest")] == pictures
    assert len(html(document)) < 2_000_000


def test_two_sections_of_one_word_are_two_levels_everywhere(tiny: Callable[..., Study]) -> None:
    groups: list[Row] = [{"kind": "group", "groups": 2}, {"kind": "group", "groups": 1}]
    stage = {"block": "plain", "width": 2, "kernel": "$kernel", "norm": "$norm", "pool": {"size": 2}}
    variables = {"norm": {"choice": groups}, "kernel": {"choice": [1, 3]}}
    design = {"factors": ["norm", "kernel"], "replicates": 3}
    study = tiny("design", variables=variables, blueprint={"stages": [stage]}, design=design)
    document = made(study, design_rows(study))
    assert {"facets", "interaction", "heat", "forest"} <= set(names(document))
    whole = [f"group, groups {one['groups']}" for one in groups]
    told = {one.name: one.told for one in document.pictures}
    assert all(f"norm {one}, kernel {size}: " in told["heat"] for one in whole for size in (1, 3))
    assert all(f"norm {one}: " in told["interaction"] for one in whole)
    assert "norm: group, groups 2 − group, groups 1 " in told["forest"]
    facets = next(one for one in document.pictures if one.name == "facets")
    assert all(one in "".join(Page(facets.svg).words) for one in whole)


def test_levels_that_round_to_one_text_are_two(tiny: Callable[..., Study]) -> None:
    stage = {"block": "plain", "width": 2, "pool": {"size": 2}}
    recipe = {"epochs": 2, "optimizer": {"kind": "sgd", "lr": "$lr"}}
    variables, design = {"lr": {"choice": [0.1001, 0.1004, 0.2]}}, {"factors": ["lr"], "replicates": 3}
    study = tiny("design", variables=variables, blueprint={"stages": [stage]}, design=design, recipe=recipe)
    document = made(study, design_rows(study))
    said = "".join(Page(html(document)).words)
    assert "Factor lr: 0.1001, 0.1004, 0.2." in said
    assert "lr: 0.1004 − 0.1001" in said


def test_before_the_first_trial_and_when_all_failed(tiny: Callable[..., Study]) -> None:
    study = tiny("design")
    assert titles(made(study, [], state="queued", started_at=None, finished_at=None))[0] == "Verdict"
    queued = [ended(trial_row(study, cell, 0), at, None) for at, cell in enumerate(every_cell(study))]
    assert not made(study, queued, state="running").pictures
    broken = {"state": "failed", "failure_kind": "out_of_memory", "reason": "12 GiB were asked for"}
    document = made(study, [row | broken for row in queued])
    assert "Failures" in titles(document)
    assert "12 GiB were asked for" in html(document)
    assert "facets" not in names(document)


def test_a_half_run_study_says_so(tiny: Callable[..., Study]) -> None:
    study = tiny("design", **factors(1, levels=3))
    trials = design_rows(study, 2)
    for trial in trials[len(trials) // 2 + 1 :]:
        trial |= {"state": "queued", "value": None, "metrics": None}
    document = made(study, trials, state="running", finished_at=None)
    assert document.facts.startswith("design study, interrupted; trials: ")
    assert "facets" in names(document)


def test_tuning_and_raw_cells_stand_beside_the_matched_ones(tiny: Callable[..., Study]) -> None:
    design = {"factors": ["kernel"], "match": {"macs": 1200, "by": "width", "tolerance": "40%"}, "raw": {"width": 3}}
    design |= {"tune": {"lr": [0.01, 0.1]}, "replicates": 3}
    variables = {"kernel": {"choice": [1, 3]}, "width": {"int": [2, 60]}}
    recipe = {"epochs": 2, "optimizer": {"kind": "sgd", "lr": "$lr"}}
    study = tiny("design", design=design, variables=variables, recipe=recipe)
    trials: list[Row] = []
    for cell in reversed((*every_cell(study), *raw_cells(study))):  # tuning runs in an order of chance
        for lr in (0.1, 0.01):
            row = trial_row(study, cell, 0, "tune") | {"assignment": {**cell.assignment, "lr": lr}}
            trials.append(ended(row, len(trials), 0.9 + lr / 10, phase="tune"))
        for replicate in range(3):
            value = 0.9 + 0.02 * cell.raw * cell.levels["kernel"] + 0.001 * replicate**2
            row = trial_row(study, cell, replicate) | {"assignment": {**cell.assignment, "lr": 0.1}}
            trials.append(ended(row, len(trials), value))
    document = made(study, trials)
    assert {"tuning", "forest"} <= set(names(document))
    forest = next(one for one in document.pictures if one.name == "forest")
    assert "raw, nothing held" in forest.told
    tuning = next(one for one in document.pictures if one.name == "tuning")
    assert "at lr 0.1" in tuning.told
    assert re.findall(r"(?:raw: )?kernel=\d", tuning.told) == [
        cell.name for cell in (*every_cell(study), *raw_cells(study))
    ]
    assert re.findall(r">(0\.1|0\.01)<", tuning.svg) == ["0.01", "0.1"], "settings stand as they are listed"
    assert "Held equal: MACs at 1.20 k within 40%, by width." in html(document)


def test_the_words_of_the_method_have_their_units_and_count_what_ran(tiny: Callable[..., Study]) -> None:
    design = {"factors": ["kernel"], "match": {"params": 300, "by": "width", "tolerance": "5%"}}
    design |= {"replicates": {"until": {"half_width": "0.3%"}, "at_least": 3, "at_most": 4}}
    variables = {"kernel": {"choice": [1, 3, 5]}, "width": {"int": [2, 16]}}
    study = tiny("design", design=design, variables=variables)
    cells = [cell for cell in every_cell(study) if not cell.reason]
    assert 1 < len(cells) < 3
    trials = [row | {"costs": {"field": 10 ** row["replicate"]}} for row in design_rows(study)]
    for row in trials:
        cell = next(one for one in every_cell(study) if one.name == row["cell"])
        row["costs"] = {"field": 700 if cell.reason else 2 + cell.levels["kernel"]}
        row |= {"state": "infeasible", "reason": "out of reach", "value": None, "metrics": None} if cell.reason else {}
    epochs = [row for row in epoch_rows(trials) if row["epoch"] == 1]
    document = report(study, study_row(study, conductor_seconds=1.2), trials, epochs)
    said = "".join(Page(html(document)).words)
    assert "until the 95 % interval of each cell's mean is within ±0.30 points" in said
    fields = [2 + cell.levels["kernel"] for cell in cells]
    assert f"receptive field {max(fields) / min(fields):.3g}-fold" in said
    assert "1 second of work" in said
    assert "+-" not in said
    assert not [name for name in names(document) if name.startswith("curves")], "one epoch is no curve"


def test_the_power_law_of_the_training_set(tiny: Callable[..., Study]) -> None:
    sizes = [50, 100, 200, 400, 800]
    design = {"factors": ["n"], "replicates": 3}
    recipe = {"epochs": 2, "examples": "$n"}
    blueprint = {"stages": [{"block": "plain", "width": 2, "pool": {"size": 2}}]}
    study = tiny("design", design=design, recipe=recipe, variables={"n": {"choice": sizes}}, blueprint=blueprint)
    draw = random.Random(1)
    trials: list[Row] = []
    for replicate in range(3):
        for cell in every_cell(study):
            error = 2 * cell.levels["n"] ** -0.6 + 0.02 + draw.gauss(0, 0.001)
            trials.append(ended(trial_row(study, cell, replicate), len(trials), 1 - error))
    document = made(study, trials)
    assert "More data" in titles(document)
    law = next(one for one in document.pictures if one.name == "power-law")
    assert "Forecast: 1,600 examples: " in law.told


def test_many_trials_are_not_all_listed(tiny: Callable[..., Study]) -> None:
    study = tiny("design", **factors(1, levels=3))
    trials = design_rows(study, 2)
    many = [{**trials[at % len(trials)], "number": at, "id": at + 1, "replicate": at // 3} for at in range(1_400)]
    text = html(made(study, many))
    assert "The first 300 of 1,400 trials" in text
    assert "the seeds are too many to be drawn" in text
    assert "--csv trials.csv" in text


def search_rows() -> list[Row]:
    draw = random.Random(3)
    found: list[Row] = []
    for at in range(12):
        row = {
            "phase": "search",
            "assignment": {"width": 2 + at % 7, "lr": 0.01 * (at + 1)},
            "seed": at,
            "replicate": 0,
        }
        row |= {"macs": 100 * (1 + at % 7), "params": 10 * (1 + at % 5), "recipe": {"epochs": 3}, "blueprint": {"a": 1}}
        found.append(ended(row, at, 0.99 - 0.3 * draw.random() ** 3, state="pruned" if at % 4 == 3 else "complete"))
    reason = "4.17 M macs is not <= 2.00 M"
    found.append(
        found[0] | {"id": 13, "number": 12, "state": "infeasible", "reason": reason, "value": None, "metrics": None}
    )
    for replicate in range(3):
        again = {
            "phase": "confirm",
            "cell": "2",
            "replicate": replicate,
            "assignment": {"width": 4},
            "seed": 90 + replicate,
        }
        found.append(ended(again, len(found), 0.95 + 0.01 * replicate, test_metrics={"test_accuracy": 0.94}))
    return found


WINNER = {
    "kind": "winner", "trial": 2, "assignment": {"width": 4, "lr": 0.03}, "metric": "val_accuracy",
    "search_value": 0.985,
    "fresh": {"n": 3, "mean": 0.96, "half_width": 0.0248}, "optimism": 0.025, "finalists": 1, "opened": 1,
    "test": {"test_accuracy": {"n": 3, "mean": 0.94, "half_width": 0.0}},
    "costs": {"params": 30, "macs": 300, "activations": 5},
}  # fmt: skip


def test_a_search_tells_its_winner_and_how_it_flattered_it(tiny: Callable[..., Study]) -> None:
    study = tiny()
    trials = search_rows()
    ids = curve_trials(study, trials)
    assert 0 < len(ids) <= 5
    epochs = [row for row in epoch_rows(trials) if row["trial_id"] in ids]
    document = report(study, study_row(study, conclusion=WINNER), trials, epochs)
    assert names(document) == ["fresh", "cost-macs", "cost-params", "progress", "curves-val-accuracy"]
    said = "".join(Page(html(document)).words)
    assert "the search was optimistic by 2.50 points" in said
    assert "test_accuracy: 94.00 % over 3 seeds (test split, read once)" in said
    assert "not trained: macs is not <= 2.00 M" in said
    early = report(study, study_row(study, state="running"), trials[:1], [])
    assert "There is no winner yet" in html(early)
    assert report(study, study_row(study), [], []).facts.startswith("search, complete; trials: none yet")


def test_every_trial_as_a_spreadsheet() -> None:
    trials = search_rows()
    trials[0]["assignment"] = {"width": 3, "seed": 5, "norm": {"kind": "batch"}}
    trials[0]["costs"] = {"depth": 3, "width": 8}
    lines = list(csv.DictReader(io.StringIO(spreadsheet(trials))))
    assert len(lines) == len(trials)
    assert lines[0]["variable.seed"] == "5"
    assert (lines[0]["width"], lines[0]["cost.width"], lines[0]["depth"]) == ("3", "8", "3")
    assert lines[0]["seed"] == "0"
    assert json.loads(lines[0]["norm"]) == {"kind": "batch"}
    assert float(lines[1]["val_accuracy"]) == trials[1]["value"]
    assert lines[-1]["test_accuracy"] == "0.94"
    assert lines[12]["state"] == "infeasible"
    assert lines[12]["value"] == ""


def test_levels_that_double_get_equal_steps() -> None:
    assert canvas.places([1, 2, 4]) == [0, 1, 2]
    assert canvas.places([3, 5, 7]) == [3, 5, 7]
    assert canvas.places(["a", "b"]) == [0, 1]
    assert canvas.places([True, False]) == [0, 1]
    assert canvas.doubling([0.001, 0.01, 0.1])
    assert not canvas.doubling([0, 1, 2])


def test_limits_hold_every_value_and_no_share_beyond_one() -> None:
    low, high = canvas.limits([0.9, 0.95], [(0.2, 1.6)], "val_accuracy")
    assert 0.8 < low < 0.9
    assert 0.95 < high < 1.0
    assert canvas.limits([0.9, 0.99], [(0.8, 1.6)], "val_accuracy")[1] < 1.02
    assert canvas.limits([3.0], [], "val_mae")[0] < 3.0 < canvas.limits([3.0], [], "val_mae")[1]


def test_errors_without_end_stand_on_the_floor_of_their_axis() -> None:
    wide = scale.scale([1.0, 0.99, 0.5], "val_accuracy")
    assert wide.logarithmic
    assert wide.floor
    assert wide.of(1.0) == pytest.approx(0.005)
    assert not scale.scale([0.9, 0.91], "val_accuracy").logarithmic
    assert scale.scale([0.2, -1.0], "val_mae").of(-1.0) == -1.0


def test_columns_of_numbers_stand_to_the_right() -> None:
    assert numeric(["+0.52 [0.1, 0.9]", "−1", "–", None])
    assert not numeric(["depth=2", 3])
    assert not numeric([None, ""])


# ---- the command, on a real store ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a small study, its results from a table, in a store of its own."""
    place = tmp_path_factory.mktemp("report")
    tree = {**DESIGN, "variables": {"width": {"choice": [2, 3]}, "kernel": {"choice": [1, 3]}}}
    lines = ["width,kernel,seed,epoch,val_accuracy"]
    for width, kernel, seed, epoch in product((2, 3), (1, 3), (0, 1), (1, 2)):
        lines.append(f"{width},{kernel},{seed},{epoch},{0.7 + 0.05 * width + 0.02 * kernel + 0.01 * seed * epoch}")
    (place / "results.csv").write_text("\n".join(lines))
    tree["evaluate"] = {"table": "results.csv"}
    (place / "study.yaml").write_text(json.dumps(tree))
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("ARCHSTUDY_STORE", f"sqlite:///{place}/store.db")
        assert main(["run", str(place / "study.yaml"), "--inline", "--quiet"]) == DONE
        yield place


def test_the_command_writes_the_same_file_twice(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page, text, table = folder / "r.html", folder / "r.md", folder / "r.csv"
    assert main(["report", "tiny", "--out", str(page), "--csv", str(table)]) == DONE
    first = page.read_bytes()
    assert main(["report", "tiny", "--out", str(page)]) == DONE
    assert page.read_bytes() == first
    assert main(["report", "tiny", "--out", str(text), "--json"]) == DONE
    files = json.loads(capsys.readouterr().out.split("\n", 3)[3])["files"]
    assert all(Path(file).is_file() for file in files)
    assert files[1].endswith("r-pictures/facets.svg")
    assert len(table.read_text().splitlines()) == 9
    assert b"curves-val-accuracy" in first


def test_a_file_that_cannot_be_written_is_one_sentence_and_what_stood_there_stays(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    table, full = folder / "kept.csv", folder / "full.csv"
    full.symlink_to("/dev/full")
    assert main(["report", "tiny", "--csv", str(full)]) == FAILED
    told = capsys.readouterr().err
    assert told == f"archstudy: {full} could not be written: no space left on device; make room, or give another path\n"
    table.write_text("before")
    monkeypatch.setattr(Path, "write_text", partialmethod(_torn, Path.write_text))
    assert main(["report", "tiny", "--csv", str(table)]) == FAILED
    monkeypatch.undo()
    assert table.read_text() == "before"
    assert not [*folder.glob(".kept*")]
    (folder / "d.csv").mkdir()
    assert main(["report", "tiny", "--csv", str(folder / "d.csv")]) == FAILED
    assert "d.csv could not be written: is a directory; " in capsys.readouterr().err


def _torn(self: Path, whole: Callable[..., int], text: str, *rest: Any, **more: Any) -> int:
    """Half of the text, and then the disk is full."""
    whole(self, text[: len(text) // 2], *rest, **more)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_the_command_says_what_it_cannot_do(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "tiny", "--out", "r.html", "--csv", "r.html"]) == FAILED
    assert "--out and --csv are both r.html; give the trials a file of their own" in capsys.readouterr().err
    assert main(["report", "tiny", "--csv", ""]) == FAILED
    assert "--csv names no file" in capsys.readouterr().err
    assert main(["report", "tiny", "--out", "r.docx"]) == FAILED
    assert "a report is written as .html or .md; end the name with one of them" in capsys.readouterr().err
    assert main(["report", "another"]) == NOT_FOUND
    assert "there is no study 'another' in the store; it holds: tiny" in capsys.readouterr().err


@pytest.mark.browser
def test_a_phone_does_not_scroll_sideways_and_nothing_is_asked_for(folder: Path) -> None:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        reason = "no Chromium on this machine (apt-get install chromium)"
        pytest.fail(reason) if os.environ.get("ARCHSTUDY_NEED_BROWSER") == "1" else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    page_file = folder / "r.html"
    if not page_file.exists():
        assert main(["report", "tiny", "--out", str(page_file)]) == DONE
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=found, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        page = browser.new_page(viewport={"width": 390, "height": 800})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(page_file.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        smallest = page.evaluate(
            "Math.min(...[...document.querySelectorAll('svg text')].map(one =>"
            " parseFloat(getComputedStyle(one).fontSize) * Math.hypot(one.getScreenCTM().a, one.getScreenCTM().b)))"
        )
        assert smallest >= 9
        assert asked == [page_file.as_uri()]
        browser.close()
