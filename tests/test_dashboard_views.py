"""Every page runs on a real SQLite store: studies under way, finished, empty, regressions, and names that are wrong."""

import math
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("streamlit", reason="streamlit is not installed")
from streamlit.testing.v1 import AppTest

from dashboard import data, parts, words
from dashboard.views import design as design_view
from dashboard.views import network as network_view
from dashboard.views import studies as studies_view
from dashboard.views import study as study_view
from studies import confirm, inline
from studies.analysis.cells import cells
from studies.candidate import candidate
from studies.load import from_tree, load
from studies.progress import silent
from studies.run import run
from studies.store import Engine, Writer, acquire, connect, create_study, query, release
from worker import table

ROOT = Path(__file__).parents[1]
APP = str(ROOT / "dashboard" / "app.py")
EXAMPLES = ROOT / "studies" / "examples"
ASSIGNMENTS = [
    {"block": block, "depth": depth, "width": width, "kernel": 3, "place": "before_activation", "lr": 0.1}
    for block, depth, width in (("plain", 1, 8), ("residual", 2, 16), ("plain", 3, 24))
]


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    found = f"sqlite:///{tmp_path}/archstudy.db"
    monkeypatch.setenv("ARCHSTUDY_STORE", found)
    return found


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    opened = connect(url)
    yield opened
    opened.dispose()


def new(engine: Engine, name: str, tree: Any, kind: str, metric: str, direction: str, state: str = "running") -> Writer:
    tree = {**tree, "name": name}
    fields = {"spec": tree, "yaml": "", "fingerprint": name, "seed": 7, "provenance": {}, "kind": kind}
    study_id = create_study(engine, name=name, metric=metric, direction=direction, state=state, **fields)
    return Writer(engine, study_id, acquire(engine, study_id))


def tree_of(example: str) -> Any:
    return deepcopy(load(EXAMPLES / example).tree)


def row_of(tree: Any, assignment: Any, **fields: Any) -> dict[str, Any]:
    made = candidate(from_tree(tree, ""), assignment)
    assert made.cost is not None
    costs = {name: getattr(made.cost, name) for name in ("params", "macs", "activations")}
    row = {"assignment": assignment, "blueprint": made.blueprint, "recipe": made.recipe, "seed": 1, "phase": "search"}
    return {**row, **costs, **fields}


def train(writer: Writer, rows: list[Any], values: list[float], metric: str, state: str = "complete") -> list[Any]:
    added = writer.add_trials(rows)
    for trial, last in zip(added, values, strict=True):
        attempt = writer.start_trial(trial["id"], {})
        for epoch in (1, 2, 3):
            metrics = {metric: last * epoch / 3, "train_loss": 1 / epoch, "val_loss": 1.1 / epoch}
            writer.write_epoch(trial["id"], epoch, metrics, metrics[metric], 0.5, attempt)
        if state != "running":
            writer.finish_trial(trial["id"], state, value=last, metrics={metric: last})
    return added


def search(engine: Engine, name: str = "search-digits") -> Writer:
    """Three search trials, one infeasible, one failed, one running with three of eight epochs."""
    tree = tree_of("search-digits.yaml")
    writer = new(engine, name, tree, "search", "val_accuracy", "maximize")
    train(writer, [row_of(tree, one) for one in ASSIGNMENTS], [0.9, 0.98, 0.97], "val_accuracy")
    writer.add_trials([row_of(tree, ASSIGNMENTS[0], state="infeasible", reason="params 70 k > 60 k *really*")])
    (failed,) = writer.add_trials([row_of(tree, ASSIGNMENTS[0])])
    writer.finish_trial(failed["id"], "failed", failure_kind="diverged", reason="the loss is not finite <b>")
    train(writer, [row_of(tree, ASSIGNMENTS[1])], [0.6], "val_accuracy", "running")
    return writer


def finish(writer: Writer, **told: Any) -> None:
    writer.finish_study("complete", told.get("conclusion"), told.get("note"))
    release(writer.engine, writer.study_id, writer.token)


def won(engine: Engine) -> Writer:
    """A search with its confirmation and its winner."""
    tree = tree_of("search-digits.yaml")
    writer = new(engine, "search-won", tree, "search", "val_accuracy", "maximize")
    found = train(writer, [row_of(tree, one) for one in ASSIGNMENTS], [0.9, 0.98, 0.97], "val_accuracy")
    again = [row_of(tree, ASSIGNMENTS[1], phase="confirm", cell="1", replicate=n) for n in range(3)]
    for row, score in zip(train(writer, again, [0.96, 0.97, 0.98], "val_accuracy"), (0.95, 0.96, 0.97), strict=True):
        writer.set_test_metrics(row["id"], {"test_accuracy": score})
    rows = query.trials(engine, writer.study_id, phase="confirm")
    finalist = query.trial(engine, writer.study_id, found[1]["number"])
    assert finalist is not None
    finish(writer, conclusion=confirm.conclusion(finalist, rows, "val_accuracy"))
    return writer


def design(
    engine: Engine, name: str, factors: dict[str, list[Any]], metric: str = "val_accuracy", **tree: Any
) -> Writer:
    """Every cell of the factors with two seeds; the levels stand in assignments only."""
    whole = tree_of("depth-width-filter.yaml") | tree
    whole["design"] = {**whole["design"], "factors": list(factors), "replicates": 2}
    direction = "maximize" if "accuracy" in metric else "minimize"
    writer = new(engine, name, whole, "design", metric, direction)
    cells: list[dict[str, Any]] = [{}]
    for factor, levels in factors.items():
        cells = [{**cell, factor: level} for cell in cells for level in levels]
    base = row_of(tree_of("depth-width-filter.yaml"), {"depth": 1, "kernel": 3, "width": 8}, phase="design")
    rows = [
        {**base, "assignment": {**cell, "width": 8}, "cell": str(cell), "replicate": seed}
        for seed in (0, 1)
        for cell in cells
    ]
    train(writer, rows, [0.9 + 0.001 * number for number in range(len(rows))], metric)
    finish(writer)
    return writer


def opened(page: str, **query_params: str) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=20)
    for name, value in query_params.items():
        app.query_params[name] = value
    app.switch_page(f"views/{page}.py")
    return app.run()


def words_of(app: AppTest) -> str:
    """Everything that a page says."""
    assert not app.exception, app.exception[0].stack_trace
    kinds = ("title", "subheader", "markdown", "caption", "info", "warning", "code", "metric")
    return "\n".join(f"{getattr(one, 'label', '')} {one.value}" for kind in kinds for one in getattr(app, kind))


def charts_of(app: AppTest) -> int:
    return len(app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart"))


def test_a_store_that_is_not_there_says_what_to_type(url: str) -> None:
    text = words_of(opened("studies"))
    assert "No store at" in text
    assert "archstudy run STUDY.yaml" in text
    assert not Path(url.removeprefix("sqlite:///")).exists(), "looking creates nothing"


def test_an_empty_store_says_what_to_type(engine: Engine) -> None:
    text = words_of(opened("studies"))
    assert "holds no study yet" in text
    assert "archstudy run STUDY.yaml" in text


@pytest.mark.parametrize("page", ["study", "design", "network"])
def test_a_wrong_name_gets_one_sentence_and_the_names_that_are_there(engine: Engine, page: str) -> None:
    search(engine)
    text = words_of(opened(page, study="no*such*study"))
    assert "There is no study named" in text
    assert r"no\*such\*study" in text, "it is not read as Markdown"


@pytest.mark.parametrize("page", ["study", "design", "network"])
def test_no_name_gets_one_sentence(engine: Engine, page: str) -> None:
    assert "names no study" in words_of(opened(page))


def test_the_studies_page_lists_them_with_state_progress_and_best(engine: Engine) -> None:
    search(engine)
    won(engine)
    app = opened("studies")
    text = words_of(app)
    assert "98.00" in text
    assert "running" in text
    assert "complete" in text
    assert [one.proto.text for one in app.get("progress")] == ["6 of 49 trials", "4 of 49 trials, 1 failed"]


def test_many_studies_can_be_searched(engine: Engine) -> None:
    for number in range(8):
        new(engine, f"study-{number}", tree_of("search-digits.yaml"), "search", "val_accuracy", "maximize", "queued")
    app = opened("studies")
    assert len(app.get("progress")) == 8
    app.text_input[0].input("study-3").run()
    assert len(app.get("progress")) == 1
    app.text_input[0].input("nothing").run()
    assert "No study" in words_of(app)


def test_a_running_study_shows_its_trials_under_way(engine: Engine) -> None:
    search(engine)
    app = opened("study", study="search-digits")
    text = words_of(app)
    assert "Trained trials 4 of 49" in text
    assert "Running now 1" in text
    assert "Failed 1" in text
    assert "epoch 3 of 8" in app.get("progress")[0].proto.text
    assert charts_of(app) == 2
    assert "Thick blue: the best trial. Orange: running now." in text


def test_captions_name_only_what_is_drawn(engine: Engine) -> None:
    won(engine)
    text = words_of(opened("study", study="search-won"))
    assert "Thick blue: the best trial." in text
    assert "Orange" not in text


def test_the_url_names_the_metric_of_the_curves(engine: Engine) -> None:
    search(engine)
    app = opened("study", study="search-digits", metric="train_loss")
    assert app.selectbox[0].value == "train_loss"
    app.selectbox[0].select("val_loss").run()
    assert not app.exception
    assert app.selectbox[0].value == "val_loss"
    assert opened("study", study="search-digits", metric="nonsense").selectbox[0].value == "val_accuracy"


def test_an_interrupted_study_says_how_to_go_on(engine: Engine) -> None:
    writer = search(engine)
    release(engine, writer.study_id, writer.token)
    text = words_of(opened("study", study="search-digits"))
    assert "interrupted" in text
    assert "Run the same command again" in text


def test_a_winner_is_shown_with_its_interval_its_test_score_and_its_optimism(engine: Engine) -> None:
    won(engine)
    text = words_of(opened("study", study="search-won"))
    assert "Winner: trial 1" in text
    assert "97.00\u2009% ± 2.48" in text
    assert "test_accuracy 96.00\u2009% ± 2.48" in text
    assert "+1.00 points" in text
    assert "archstudy export search-won" in text


def test_a_study_without_any_trial_has_a_page(engine: Engine) -> None:
    new(engine, "queued", tree_of("search-digits.yaml"), "search", "val_accuracy", "maximize", "queued")
    text = words_of(opened("study", study="queued"))
    assert "No epoch is finished yet" in text
    assert "no trial" in words_of(opened("network", study="queued"))


def test_more_trials_than_lines_are_drawn_as_a_band(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = tree_of("search-digits.yaml")
    writer = new(engine, "many", tree, "search", "val_accuracy", "maximize")
    row = row_of(tree, ASSIGNMENTS[0])
    train(writer, [row] * 70, [0.5 + 0.001 * number for number in range(70)], "val_accuracy")
    assert "the band holds 80" in words_of(opened("study", study="many"))


@pytest.mark.parametrize(
    ("factors", "charts"),
    [
        ({"depth": [1, 2, 4]}, 1),
        ({"depth": [1, 2, 4], "kernel": [3, 5]}, 2),
        ({"block": ["plain", "residual"], "kernel": [3, 5]}, 2),
        ({"depth": [1, 2], "kernel": [3, 5, 7], "block": ["plain", "residual"]}, 3),
    ],
    ids=["one", "two", "words", "three"],
)
def test_a_design_study_has_a_panel_for_each_level_of_its_second_factor(
    engine: Engine, factors: dict[str, list[Any]], charts: int
) -> None:
    declared = tree_of("depth-width-filter.yaml")["variables"]
    variables = declared | {name: {"choice": levels} for name, levels in factors.items()}
    design(engine, "factors", factors, variables=variables)
    app = opened("design", study="factors")
    text = words_of(app)
    assert charts_of(app) == charts + 1, "the panels, and the forest of effects"
    assert "What these data say" in text
    shown = next(one.value for one in app.dataframe if "mean" in one.value)
    assert len(shown) == len(cells(query.trials(engine, 1), list(factors)))


def test_a_band_that_is_cut_is_told(engine: Engine) -> None:
    declared = tree_of("depth-width-filter.yaml")["variables"]
    variables = declared | {"depth": {"choice": [1, 2]}}
    design(engine, "low", {"depth": [1, 2]}, variables=variables)
    assert "over the seeds." in words_of(opened("design", study="low"))
    design(engine, "high", {"depth": list(range(1, 50))}, variables=variables | {"depth": {"int": [1, 49]}})
    assert "over the seeds; bands are cut at 100 %." in words_of(opened("design", study="high"))


def test_a_regression_is_shown_in_its_own_unit(engine: Engine) -> None:
    data = {"source": "arrays:/nowhere/series.npz", "image": [8, 8, 1]}
    factors = {"depth": [1, 2], "kernel": [3, 5]}
    design(engine, "regression", factors, "val_mae", task="regression", data=data)
    for page in ("design", "study", "network"):
        app = opened(page, study="regression")
        assert "%" not in " ".join(str(one.value) for one in app.metric)
    assert r"val\_mae over depth" in words_of(opened("design", study="regression"))
    assert charts_of(opened("design", study="regression")) == 3


def test_a_study_whose_data_are_gone_has_its_verdict(engine: Engine) -> None:
    design(engine, "gone", {"depth": [1, 2], "kernel": [3, 5]}, data={"source": "arrays:/nowhere/images.npz"})
    assert "Intervals cover the seeds" in words_of(opened("design", study="gone"))
    assert "The network cannot be drawn" in words_of(opened("network", study="gone", trial="0"))


TABLED = """
apiVersion: archstudy/v1
kind: Study
name: tabled
data: {source: digits}
variables: {depth: {choice: [1, 2]}, kernel: {choice: [1, 3]}, width: {int: [1, 64]}}
blueprint: {stages: [{block: plain, repeat: $depth, kernel: $kernel, width: $width}]}
design:
  factors: [depth, kernel]
  match: {activations: 1k, by: width}
  raw: {width: 24}
  tune: {lr: [0.03, 0.1]}
  replicates: {until: {half_width: 1%}, at_least: 3, at_most: 6}
recipe: {epochs: 1, optimizer: {kind: sgd, lr: $lr}}
evaluate: {table: results.csv}
"""


def tabled(folder: Path, engine: Engine) -> None:
    """A tuned, raw and adaptive study from a table; one tuning trial failed."""
    lines = ["depth,kernel,width,lr,seed,val_accuracy,failure"]
    for depth, kernel, width, lr, seed in product((1, 2), (1, 3), (8, 15, 24), (0.03, 0.1), range(9)):
        value = 0.9 + 0.02 * depth + 0.001 * kernel + 0.0001 * width + 0.01 * lr + 0.004 * math.sin(seed * width)
        failed = "diverged" if (depth, kernel, width, lr) == (2, 3, 24, 0.1) else ""
        lines.append(f"{depth},{kernel},{width},{lr},{seed},{value:.4f},{failed}")
    (folder / "results.csv").write_text("\n".join(lines))
    (folder / "s.yaml").write_text(TABLED)
    drive = partial(inline.drive, train=table.answers, evaluate=table.tested)
    run(load(folder / "s.yaml"), engine, folder / "files", drive, silent)


def test_the_design_page_leads_with_the_answer_and_shows_effects_tuning_raw_and_failures(
    engine: Engine, tmp_path: Path
) -> None:
    tabled(tmp_path, engine)
    app = opened("design", study="tabled")
    text = words_of(app)
    assert next(one.value for one in app.markdown if one.value[:1] == "#").startswith("#### At equal activations")
    assert [one.value for one in app.subheader] == [
        "Effects", r"val\_accuracy over depth, kernel", "What these data say, and what they do not", "Cells",
        "At equal cost, and as it stands", "Tuning", "What failed",
    ]  # fmt: skip
    assert r"1 trial\: diverged" in text
    tables = [one.value for one in app.dataframe]
    cell = next(one for one in tables if "mean" in one)
    assert [*cell["depth"]] == [1, 1, 2, 2], "the levels of the factor, not the layers that are counted"
    tuned = next(one for one in tables if "lr=0.1" in one)
    assert [*tuned["cell"]][:4] == ["depth=1, kernel=1", "depth=1, kernel=3", "depth=2, kernel=1", "depth=2, kernel=3"]
    assert [("★" in one, other) for one, other in zip(tuned["lr=0.03"], tuned["lr=0.1"], strict=True)][-1] == (
        True, "–",
    )  # fmt: skip


def test_the_report_is_made_when_it_is_asked_for(engine: Engine, url: str, tmp_path: Path) -> None:
    tabled(tmp_path, engine)
    assert any(one.label == "Download the report" for one in opened("design", study="tabled").get("download_button"))
    found = data.offline(url, "tabled")
    assert found.startswith("<!doctype html>")
    assert "At equal activations" in found


def test_a_page_is_drawn_without_matplotlib() -> None:
    code = "import sys, dashboard.views.design; print('matplotlib' in sys.modules or 'torch' in sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "False"


def test_a_search_has_no_design_page(engine: Engine) -> None:
    search(engine)
    assert "no factors to compare" in words_of(opened("design", study="search-digits"))


def test_a_trial_has_its_network_layers_epochs_and_settings(engine: Engine) -> None:
    search(engine)
    app = opened("network", study="search-digits", trial="1")
    text = words_of(app)
    assert "trial 1" in text
    assert "Layers" in text
    assert charts_of(app) == 2
    assert len(app.dataframe[0].value) > 10
    assert any("data:image/svg+xml" in one.proto.body for one in app.get("html"))


def test_a_failed_trial_says_why(engine: Engine) -> None:
    search(engine)
    text = words_of(opened("network", study="search-digits", trial="4"))
    assert r"the loss is not finite \<b\>" in text


@pytest.mark.parametrize("trial", ["99", "x", "-1", "1" * 30])
def test_a_wrong_trial_gets_one_sentence(engine: Engine, trial: str) -> None:
    search(engine)
    assert "has no trial" in words_of(opened("network", study="search-digits", trial=trial))


def test_without_a_trial_the_winner_is_shown(engine: Engine) -> None:
    won(engine)
    assert "trial 1" in words_of(opened("network", study="search-won"))


def test_a_clicked_cell_is_the_trial_of_its_row() -> None:
    rows = [{"number": 7}, {"number": 5}]
    assert study_view.picked_trial(rows, {"selection": {"cells": [(1, "state")]}}) == 5
    assert study_view.picked_trial(rows, {"selection": {"cells": []}}) is None
    assert study_view.picked_trial(rows, {"selection": {"cells": [(9, "state")]}}) is None


def test_the_words_of_time_and_number() -> None:
    assert [words.duration(seconds) for seconds in (4.44, 42, 65, 3_600, 7_800)] == [
        "4.4 s",
        "42 s",
        "1 min 05 s",
        "1 h 00 min",
        "2 h 10 min",
    ]
    assert [words.ago(seconds) for seconds in (0, 59, 61, 7_200, 90_000, 200_000)] == [
        "just now",
        "59 s ago",
        "1 min ago",
        "2 h ago",
        "1 day ago",
        "2 days ago",
    ]
    assert words.shown(None, "val_accuracy") == "–"
    assert words.shown(0.5, "val_mae") == "0.5"
    assert study_view.optimism(-0.01, "val_accuracy") == "−1.00 points"


def test_progress_in_words() -> None:
    row = {"counted": 3, "total": 12, "state": "running", "counts": {"failed": 1}}
    assert studies_view.told(row) == (0.25, "3 of 12 trials, 1 failed")
    assert studies_view.told({**row, "state": "complete"})[0] == 1.0
    assert studies_view.told({**row, "total": None}) == (0.0, "3 trials, 1 failed")


def test_the_pages_that_links_name_exist() -> None:
    pages = {path.stem for path in (ROOT / "dashboard" / "views").glob("*.py")} - {"__init__"}
    assert pages == {"studies", "study", "design", "network"}
    assert all(callable(view.show) for view in (studies_view, study_view, design_view, network_view))
    assert parts.EVERY > 0
