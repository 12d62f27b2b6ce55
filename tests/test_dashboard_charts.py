"""Charts as functions of rows: the right fields and axes, intervals, the frontier with its ties, and no rows at all."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("altair", reason="altair is not installed")

from dashboard import charts
from studies.analysis.results import CellResult
from studies.store import Engine, Writer, acquire, connect, create_study, query, release


def spec(chart: Any) -> dict[str, Any]:
    """What the browser gets; Altair checks it against Vega-Lite's schema."""
    found: dict[str, Any] = chart.to_dict()
    return found


def encodings(chart: Any, channel: str) -> list[dict[str, Any]]:
    return [layer["encoding"][channel] for layer in spec(chart)["layer"] if channel in layer.get("encoding", {})]


def values(layer: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    data = layer.get("data") or whole["data"]
    found = data["values"] if "values" in data else whole["datasets"][data["name"]]
    return list(found)


def point(number: int, macs: int | None, value: float | None, **more: Any) -> dict[str, Any]:
    row = {"number": number, "macs": macs, "params": macs, "value": value, "phase": "search", "state": "complete"}
    return row | {"assignment": {"depth": 2, "lr": 0.1}} | more


def cell(levels: dict[str, Any], *seeds: float, reason: str | None = None) -> CellResult:
    costs = {"macs": 100, "params": 10, "activations": 1}
    return CellResult(str(levels), levels, levels, costs, dict(enumerate(seeds)), 0, reason)


WINNER = {"fresh": {"n": 3, "mean": 0.97, "half_width": 0.01}, "costs": {"macs": 200}}


# ---- error against cost ----------------------------------------------------------------------------------------------


def test_error_is_one_minus_accuracy_and_other_metrics_stay() -> None:
    assert charts.error(0.75, "val_accuracy") == 0.25
    assert charts.error(0.75, "val_mae") == 0.75


def test_each_trial_is_a_point_at_its_cost_and_error() -> None:
    rows = [point(0, 100, 0.5), point(1, 1_000, 0.99, state="pruned"), point(2, 1_000, 0.9, phase="confirm")]
    chart = charts.error_against_cost([*rows, point(3, None, 0.9), point(4, 10, None)], [], "val_accuracy")
    whole = spec(chart)
    drawn = values(whole["layer"][0], whole)
    assert [(row["cost"], row["outcome"]) for row in drawn] == [
        (100, "complete"),
        (1_000, "pruned"),
        (1_000, "confirming"),
    ]
    assert drawn[0]["error"] == 0.5
    assert {one["scale"]["type"] for one in encodings(chart, "x")} == {"log"}
    assert {one["scale"]["type"] for one in encodings(chart, "y")} == {"log"}
    assert "MACs" in encodings(chart, "x")[0]["title"]
    (color,), (shape,) = encodings(chart, "color"), encodings(chart, "shape")
    assert color["scale"]["domain"] == shape["scale"]["domain"] == ["complete", "pruned", "confirming"]


def test_an_error_of_zero_is_on_a_linear_axis() -> None:
    chart = charts.error_against_cost([point(0, 100, 0.5), point(1, 200, 1.0)], [], "val_accuracy", winner=WINNER)
    assert {one["scale"]["type"] for one in encodings(chart, "y")} == {"linear"}


def test_a_metric_that_is_no_accuracy_has_no_percent() -> None:
    chart = charts.error_against_cost([point(0, 100, 3.0), point(1, 200, 2.0)], [], "val_mae")
    (y,) = encodings(chart, "y")
    assert y["title"] == "val_mae"
    assert "%" not in y["axis"]["format"]


def test_all_layers_share_one_axis() -> None:
    frontier = [{"number": 0, "macs": 100, "value": 0.5}]
    chart = charts.error_against_cost(
        [point(0, 100, 0.5), point(1, 900, 0.99)], frontier, "val_accuracy", winner=WINNER
    )
    axes = encodings(chart, "y")
    assert len(axes) == 5
    assert len({one["title"] for one in axes}) == 1
    assert len({str(one["scale"]) for one in axes}) == 1


def test_the_winner_is_its_fresh_mean_with_its_interval() -> None:
    chart = charts.error_against_cost([point(0, 100, 0.5), point(1, 900, 0.99)], [], "val_accuracy", winner=WINNER)
    whole = spec(chart)
    (row,) = values(whole["layer"][-1], whole)
    assert [row[name] for name in ("cost", "error", "low", "high")] == pytest.approx([200, 0.03, 0.02, 0.04])
    alone = {**WINNER, "fresh": {"n": 1, "mean": 0.97, "half_width": None}}
    assert spec(charts.error_against_cost([point(0, 100, 0.5)], [], "val_accuracy", winner=alone))


def test_no_rows_is_an_empty_chart() -> None:
    assert spec(charts.error_against_cost([], [], "val_accuracy"))
    assert spec(charts.learning([], "val_accuracy"))
    assert charts.panels([], ["depth"], "val_accuracy") == []
    assert charts.steps([], "val_accuracy", "macs", 10) == []


def test_the_frontier_goes_to_the_right_end() -> None:
    frontier = [{"number": 3, "macs": 10, "value": 0.8}, {"number": 5, "macs": 20, "value": 0.9}]
    corners = charts.steps(frontier, "val_accuracy", "macs", 50)
    assert [corner["cost"] for corner in corners] == [10, 20, 50]
    assert [corner["error"] for corner in corners] == pytest.approx([0.2, 0.1, 0.1])


# ---- the frontier, in SQL --------------------------------------------------------------------------------------------


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = connect(f"sqlite:///{tmp_path}/store.db")
    yield opened
    opened.dispose()


def stored(engine: Engine, direction: str, trials: list[tuple[int, float]], **fields: Any) -> int:
    study = {"kind": "search", "spec": {}, "yaml": "", "fingerprint": "f", "seed": 1, "provenance": {}}
    study_id = create_study(engine, name=f"{direction}{len(trials)}", metric="m", direction=direction, **study)
    writer = Writer(engine, study_id, acquire(engine, study_id))
    row = {"phase": "search", "seed": 1, "assignment": {}, "blueprint": {}, "recipe": {"epochs": 1}} | fields
    for trial, (_, value) in zip(writer.add_trials([{**row, "macs": macs} for macs, _ in trials]), trials, strict=True):
        writer.finish_trial(trial["id"], "complete", value=value)
    release(engine, study_id, writer.token)
    return study_id


def pareto(trials: list[tuple[int, float]], direction: str) -> list[tuple[int, float]]:
    """By its definition: points that no other beats in one and equals in the other; of equal points one."""
    sign = 1 if direction == "maximize" else -1
    beaten = {
        one for one in trials for two in trials if two != one and two[0] <= one[0] and sign * two[1] >= sign * one[1]
    }
    return sorted(set(trials) - beaten)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_the_frontier_is_the_definition_also_with_ties(engine: Engine, direction: str) -> None:
    generator = random.Random(7)
    for many in (1, 5, 60):
        trials = [(generator.randrange(1, 12), generator.randrange(12) / 4) for _ in range(many)]
        study_id = stored(engine, direction, trials)
        found = [(row["macs"], row["value"]) for row in query.frontier(engine, study_id, "macs", direction)]
        assert found == pareto(trials, direction)


def test_many_points_are_thinned_out_and_the_best_stay(engine: Engine) -> None:
    trials = [(10 + number, float(number)) for number in range(300)]
    study_id = stored(engine, "maximize", trials)
    assert len(query.points(engine, study_id, 1_000)) == 300
    few = query.points(engine, study_id, 50)
    assert 25 < len(few) <= 50
    assert {row["many"] for row in few} == {300}
    assert {row["value"] for row in few} >= {float(number) for number in range(275, 300)}


def test_bands_are_quantiles_of_each_epoch(engine: Engine) -> None:
    study_id = stored(engine, "maximize", [])
    writer = Writer(engine, study_id, acquire(engine, study_id))
    row = {"phase": "search", "seed": 1, "assignment": {}, "blueprint": {}, "recipe": {"epochs": 2}}
    for number, trial in enumerate(writer.add_trials([row] * 10), start=1):
        writer.start_trial(trial["id"], {})
        writer.write_epoch(trial["id"], 1, {"loss": float(number), "odd": float("nan")}, None, 1.0, 1)
    (band,) = query.bands(engine, study_id, "loss")
    assert band == {"epoch": 1, "trials": 10, "low": 1.0, "middle": 5.0, "high": 9.0}
    assert query.bands(engine, study_id, "odd") == []
    assert query.curves(engine, study_id, "odd") == []
    assert [row["value"] for row in query.curves(engine, study_id, "loss", [1, 2])] == [1.0, 2.0]
    assert [(row["epoch"], row["epochs"]) for row in query.live(engine, study_id, 2)] == [(1, 2), (1, 2)]
    assert query.train_seconds(engine, study_id) == 10.0


# ---- learning curves -------------------------------------------------------------------------------------------------


def test_the_best_curve_is_drawn_last_and_thickest() -> None:
    rows = [
        {"number": number, "epoch": epoch, "value": epoch / 10, "role": role}
        for number, role in enumerate(("other", "best", "running"))
        for epoch in (1, 2)
    ]
    whole = spec(charts.learning(rows, "val_accuracy"))
    lines = [layer["mark"] for layer in whole["layer"] if layer["mark"]["type"] == "line"]
    assert lines[-1]["strokeWidth"] == max(line["strokeWidth"] for line in lines)
    assert lines[-1]["color"] == charts.BLUE
    assert "%" in whole["layer"][0]["encoding"]["y"]["axis"]["format"]
    assert values(whole["layer"][0], whole)[0]["shown"] == "10.00\u2009%"


def test_bands_stand_behind_the_lines() -> None:
    bands = [{"epoch": 1, "trials": 70, "low": 0.1, "middle": 0.2, "high": 0.3}]
    whole = spec(charts.learning([], "val_loss", bands))
    assert whole["layer"][0]["mark"]["type"] == "area"
    assert whole["layer"][0]["encoding"]["y2"]["field"] == "high"


def test_a_trials_parts_are_told_apart_without_color() -> None:
    rows = [{"epoch": 1, "metrics": {"train_loss": 1.0, "val_loss": None}}]
    whole = spec(charts.parts(rows, ["train_loss", "val_loss"], "loss"))
    dash = whole["layer"][0]["encoding"]["strokeDash"]["scale"]
    assert dash["domain"] == ["train_loss", "val_loss"]
    assert dash["range"][0] != dash["range"][1]


# ---- design studies --------------------------------------------------------------------------------------------------


def test_a_cell_has_its_mean_interval_and_seeds() -> None:
    results = [cell({"depth": 1}, 0.90, 0.92, 0.94), cell({"depth": 2}, 0.95), cell({"depth": 4}, reason="too deep")]
    first, alone = charts.cell_rows(results, "val_accuracy")
    assert first["mean"] == pytest.approx(0.92)
    assert first["high"] - first["mean"] == pytest.approx(4.3027 * 0.02 / 3**0.5, rel=1e-4)
    assert (alone["low"], alone["high"], alone["n"]) == (None, None, 1)
    assert [row["seed"] for row in charts.seed_rows(results, "val_accuracy")] == [0, 1, 2, 0]


def test_panels_are_the_second_factors_levels_and_share_a_range() -> None:
    results = [
        cell({"depth": depth, "kernel": kernel}, 0.9 + depth / 100, 0.91 + depth / 100)
        for depth in (1, 2, 4)
        for kernel in (3, 5)
    ]
    found = charts.panels(results, ["depth", "kernel"], "val_accuracy")
    assert [title for title, _ in found] == ["kernel = 3", "kernel = 5"]
    ranges = {str(encodings(chart, "y")[0]["scale"]["domain"]) for _, chart in found}
    assert len(ranges) == 1
    assert {one["type"] for one in encodings(found[0][1], "x")} == {"quantitative"}
    whole = spec(found[0][1])
    assert [layer["mark"]["type"] for layer in whole["layer"]] == ["area", "line", "point", "point"]
    assert len(values(whole["layer"][2], whole)) == 6


def test_factors_that_are_words_stand_on_an_ordinal_axis_in_their_order() -> None:
    results = [cell({"block": name}, 0.9, 0.91) for name in ("residual", "plain")]
    ((title, chart),) = charts.panels(results, ["block"], "val_accuracy")
    assert title == ""
    (x, *_) = encodings(chart, "x")
    assert (x["type"], x["sort"]) == ("ordinal", None)
    assert spec(chart)["layer"][0]["mark"]["type"] == "rule"


def test_a_third_factor_is_the_color() -> None:
    results = [cell({"d": d, "k": k, "norm": n}, 0.9) for d in (1, 2) for k in (3, 5) for n in ("batch", "none", True)]
    found = charts.panels(results, ["d", "k", "norm"], "val_accuracy")
    color = encodings(found[0][1], "color")[0]
    assert color["scale"]["domain"] == ["batch", "none", True]
    assert color["legend"]["title"] == "norm"


def test_the_range_holds_every_seed_and_no_more_than_all() -> None:
    cells = [{"mean": 0.99, "low": 0.95, "high": 1.03}]
    assert charts.domain(cells, [{"value": 0.9}, {"value": 1.0}], "val_accuracy")[1] == 1.0
    assert charts.domain(cells, [{"value": 0.9}], "val_mae")[1] > 1.03
    low, high = charts.domain([{"mean": 2.0, "low": None, "high": None}], [{"value": 2.0}], "val_mae")
    assert low < 2.0 < high


@pytest.mark.parametrize(("levels", "yes"), [([1, 2.5], True), (["a", 1], False), ([True, False], False)])
def test_only_numbers_are_measured(levels: list[Any], yes: bool) -> None:
    assert charts.numeric(levels) is yes


def test_a_frontier_is_told_of_only_where_it_can_be_seen() -> None:
    one, two = point(0, 100, 0.9), point(1, 200, 0.8)
    assert charts.stepped([one], [one, two], "macs")
    assert not charts.stepped([one], [one], "macs")
    assert not charts.stepped([two], [one, two], "macs")
    assert not charts.stepped([], [one], "macs")


def test_an_interval_beyond_100_percent_is_cut() -> None:
    assert charts.cut([cell({"depth": 1}, 0.9, 0.99)], "val_accuracy")
    assert not charts.cut([cell({"depth": 1}, 0.9, 0.901)], "val_accuracy")
    assert not charts.cut([cell({"depth": 1}, 0.9, 0.99)], "val_mae")
    assert not charts.cut([], "val_accuracy")


def test_seeds_that_agree_have_no_interval() -> None:
    (row,) = charts.cell_rows([cell({"depth": 1}, 0.9, 0.9)], "val_accuracy")
    assert row["text"].endswith(" (all 2 seeds agree)")


def test_panels_share_their_horizontal_range_and_a_lone_level_keeps_its_interval() -> None:
    def cell(**levels: int) -> CellResult:
        return CellResult(str(levels), levels, levels, {}, {0: 0.9, 1: 0.91 + levels["d"] / 1000})

    three = [cell(d=2, k=1), cell(d=8, k=1), cell(d=2, k=3)]
    found = [one.to_dict() for _, one in charts.panels(three, ["d", "k"], "val_accuracy")]
    assert [one["layer"][0]["encoding"]["x"]["scale"]["domain"] for one in found] == [[2, 8], [2, 8]]
    assert [one["layer"][0]["mark"]["type"] for one in found] == ["area", "rule"]
    ((_, alone),) = charts.panels([cell(d=2)], ["d"], "val_accuracy")
    drawn = alone.to_dict()["layer"][0]
    assert drawn["mark"]["type"] == "rule"
    assert drawn["encoding"]["x"]["type"] == "ordinal", "a lone number needs no measured axis"
