"""Cells at equal cost through whole studies: He & Sun's nets, several holds, real multipliers, what would reach."""

import random
from itertools import product
from typing import Any

import pytest

from searchspace.cost import Infeasible
from searchspace.language.space import search_space
from studies.candidate import Study
from studies.design.cells import every_cell, sketched
from studies.design.costs import counted
from studies.design.matching import Solved, _Problem, solve_cell
from studies.spec import StudySpec
from worker.datasource import DataSpec, describe

FACTS = describe(DataSpec(source="digits"), "classification")


def built(**sections: Any) -> Study:
    """A study as it is written, not asked whether its cells are possible."""
    tree = {"apiVersion": "archstudy/v1", "kind": "Study", "name": "tiny", "data": {"source": "digits"}, **sections}
    spec = StudySpec.model_validate({"recipe": {"epochs": 2, "batch_size": 256}, **tree})
    space = search_space(spec.declared, {"blueprint": spec.blueprint, "recipe": spec.recipe})
    return Study(spec, space, FACTS, tree, "")


def study(match: dict[str, Any], width: Any, stages: Any = None, **more: Any) -> Study:
    blueprint = {"stages": stages or [{"block": "plain", "width": "$width", "kernel": "$kernel", "repeat": 2}]}
    variables = {"kernel": {"choice": [1, 3]}, "width": width, **more.pop("variables", {})}
    design = {"factors": ["kernel"], "match": {"tolerance": 1, **match}, "replicates": 1}
    return built(blueprint=more.pop("blueprint", blueprint), variables=variables, design=design, **more)


def both(one: Study) -> list[Solved]:
    return [solve_cell(one, {"kernel": kernel}) for kernel in (1, 3)]


@pytest.mark.parametrize(("layers", "width"), [(5, 160), (8, 128)])
def test_he_and_suns_nets_are_found_in_a_whole_study(layers: int, width: int) -> None:
    """(3,256)x3 at 128 channels, replaced by `layers` of 2 x 2 filters and width w, and a last one of width 256."""
    stages = [
        {"block": "plain", "width": 128, "kernel": 1},
        {"block": "plain", "width": "$width", "kernel": 2, "repeat": "$layers", "bias": False},
        {"block": "plain", "width": 256, "kernel": 2, "bias": False},
    ]
    held = 64 * (128 + 4 * 163_840) + 256 * 10
    variables = {"layers": {"choice": [5, 8]}, "width": {"int": [16, 512]}}
    design = {"factors": ["layers"], "match": {"macs": held, "by": "width", "tolerance": 0}, "replicates": 1}
    found = solve_cell(built(blueprint={"stages": stages}, variables=variables, design=design), {"layers": layers})
    assert (found.assignment["width"], found.error, found.reason) == (width, 0.0, None)
    assert found.cost.macs == held


@pytest.mark.parametrize("name", ["macs", "params", "activations", "memory", "train_macs"])
def test_every_counted_cost_can_be_held(name: str) -> None:
    target = {"macs": 60_000, "params": 900, "activations": 1_500, "memory": 2_000_000, "train_macs": "400M"}[name]
    one = study({name: target, "by": "width"}, {"int": [2, 60]})
    for found in both(one):
        reached = []
        for width in range(2, 61):
            cost = counted(one, {**found.assignment, "width": width}, (name,)).held[name]
            goal = one.spec.design.match.targets[name]  # type: ignore[union-attr]
            reached.append(((abs(cost - goal)) / goal, cost, width))
        assert (abs(found.error), min(reached)[1], found.assignment["width"]) == min(reached)
        assert counted(one, found.assignment, (name,)).held[name] == min(reached)[1]


def test_training_macs_are_held_by_the_epochs() -> None:
    recipe = {"epochs": "$width", "batch_size": 256}
    stages = [{"block": "plain", "width": 8, "kernel": "$kernel"}]
    one = study({"train_macs": "1G", "by": "width", "tolerance": "5%"}, {"int": [1, 1000]}, stages, recipe=recipe)
    small, large = both(one)
    per = [found.cost.train_macs * one.facts.train for found in (small, large)]
    assert [found.assignment["width"] for found in (small, large)] == [round(1e9 / cost) for cost in per]
    assert small.reason is None
    assert large.reason is None


def test_two_costs_are_held_by_two_variables() -> None:
    stages = [
        {"block": "plain", "width": "$width", "kernel": "$kernel", "pool": "max"},
        {"block": "plain", "width": "$last", "kernel": "$kernel"},
    ]
    match = {"macs": 100_000, "params": 3_000, "by": ["width", "last"]}
    one = study(match, {"int": [1, 40]}, stages, variables={"last": {"int": [1, 40]}})
    for found in both(one):
        ranks = []
        for width, last in product(range(1, 41), repeat=2):
            costs = counted(one, {**found.assignment, "width": width, "last": last}, ("macs", "params")).held
            worst = max(abs(costs["macs"] - 1e5) / 1e5, abs(costs["params"] - 3e3) / 3e3)
            ranks.append((worst, costs["macs"], costs["params"], width, last))
        assert min(ranks)[0] == abs(found.error) == max(map(abs, found.errors.values()))
        assert min(ranks)[3:] == (found.assignment["width"], found.assignment["last"])


def test_a_real_multiplier_rounds_each_stage_by_itself() -> None:
    stages = [
        {"block": "plain", "width": "round(6 * $scale)", "kernel": "$kernel"},
        {"block": "plain", "width": "round(11 * $scale)", "kernel": "$kernel"},
    ]
    one = study(
        {"params": 700, "by": "scale"}, {"choice": [1]}, stages, variables={"scale": {"float": [0.2, 5.0]}, "width": 1}
    )
    for found in both(one):
        scales = [0.2 + 4.8 * step / 4_000 for step in range(4_001)]
        costs = {counted(one, {**found.assignment, "scale": scale}, ("params",)).held["params"] for scale in scales}
        assert abs(found.error) == min(abs(cost - 700) / 700 for cost in costs)
        assert len(str(found.assignment["scale"])) <= 6


def test_a_real_multiplier_of_a_whole_network() -> None:
    blueprint = {"zoo": "resnet20_cifar", "width": "$scale"}
    variables = {"scale": {"float": [0.25, 4.0]}, "epochs": {"choice": [1, 2]}}
    design = {"factors": ["epochs"], "match": {"params": "400k", "by": "scale", "tolerance": "2%"}, "replicates": 1}
    recipe = {"epochs": "$epochs", "batch_size": 64}
    one = built(blueprint=blueprint, variables=variables, design=design, recipe=recipe)
    found = solve_cell(one, {"epochs": 1})
    assert found.reason is None
    assert abs(found.error) < 0.02


def test_a_real_number_whose_effect_is_not_known_is_refused() -> None:
    stages = [{"block": "plain", "width": "40 - round($scale)", "kernel": "$kernel"}]
    variables = {"scale": {"float": [1, 30]}, "width": 1}
    one = study({"params": 300, "by": "scale", "tolerance": 1}, 1, stages, variables=variables)
    with pytest.raises(
        Infeasible, match="it is not known that params rise with scale, a real number; turn it in widths"
    ):
        solve_cell(one, {"kernel": 1})


def test_a_miss_says_what_would_reach() -> None:
    one = study({"params": 5_000, "by": "width", "tolerance": "4%"}, {"int": [2, 40]})
    small, large = both(one)
    wide = [counted(one, {**small.assignment, "width": width}, ("params",)).held["params"] for width in range(41, 99)]
    best = min(range(41, 99), key=lambda width: abs(wide[width - 41] - 5_000))
    assert small.reason is not None
    assert small.reason.startswith("5.00 k params are out of reach within 4%: the nearest is width = 40 with")
    assert small.reason.endswith(f"let width go beyond 40: {best} would reach it, or change the target")
    assert large.reason is None


def test_a_miss_within_the_range_says_which_tolerance_would_do() -> None:
    one = study({"params": 300, "by": "width", "tolerance": "0.1%"}, {"int": [2, 40]})
    found = solve_cell(one, {"kernel": 3})
    assert found.reason is not None
    assert 0.01 < abs(found.error) < 0.3
    assert "raise the tolerance to " in found.reason
    share = float(found.reason.split("raise the tolerance to ")[1].split("%")[0]) / 100
    assert abs(found.error) <= share <= abs(found.error) + 0.01


def test_without_a_variable_a_cell_is_only_checked() -> None:
    stages = [{"block": "plain", "width": 8, "kernel": "$kernel"}]
    one = study({"params": 180, "tolerance": "10%"}, 1, stages, variables={"width": 1})
    small, large = both(one)
    assert [bool(found.reason) for found in (small, large)] == [small.cost.params < 162, large.cost.params > 198]
    reasons = [found.reason for found in (small, large) if found.reason]
    assert all("where 180 params are held within 10%; turn a variable with by:" in reason for reason in reasons)


def random_match(dice: random.Random) -> tuple[Study, list[range]]:
    """A study of random stages that one or two whole numbers turn, in ways that rise and ways that do not."""
    texts = [
        "$width",
        "2 * $width",
        "$width + $other",
        "4 * round($width / 4 + 1)",
        "30 - $width",
        "$width % 7 + 1",
        "6",
    ]
    stages: list[dict[str, Any]] = []
    for _ in range(dice.randint(1, 3)):
        word = dice.choice(["plain", "plain", "residual"])
        stage: dict[str, Any] = {"block": word, "width": dice.choice(texts)}
        stage["repeat"] = dice.choice([1, 1, 2, "$other"])
        stages.append(stage | ({"groups": 2} if word == "plain" and stages and dice.random() < 0.3 else {}))
    stages[0]["width"] = dice.choice(texts[:4])
    stages[-1]["kernel"] = "$kernel"
    stages.append({"block": "plain", "width": "$other"})
    values = [range(1, dice.randint(4, 25)), range(1, dice.randint(2, 6))]
    names = dice.sample(["macs", "params", "activations", "field"], dice.choice([1, 1, 2]))
    scales = {"macs": 300_000, "params": 6_000, "activations": 4_000, "field": 9}
    match = {name: dice.randint(1, scales[name]) for name in names} | {"by": ["width", "other"]}
    variables = {"other": {"int": [1, values[1][-1]]}}
    return study(match, {"int": [1, values[0][-1]]}, stages, variables=variables), values


def agreed(dice: random.Random) -> tuple[bool, bool]:
    """Whether there is a network at all, and whether all costs were known to rise; the solution is the best of all."""
    one, values = random_match(dice)
    match = one.spec.design.match  # type: ignore[union-attr]
    assert match is not None
    names, ranks = tuple(match.targets), []
    for width, other in product(*values):
        try:
            held = counted(one, {"kernel": 3, "width": width, "other": other}, names).held
        except Infeasible:
            continue
        costs = tuple(held.values())
        ranks.append(
            (max(abs(c - t) / t for c, t in zip(costs, match.targets.values(), strict=True)), costs, width, other)
        )
    if not ranks:
        return False, False
    found = solve_cell(one, {"kernel": 3})
    best = min(ranks)
    assert (abs(found.error), found.assignment["width"], found.assignment["other"]) == (best[0], *best[2:])
    return True, all(axis.rises for axis in _Problem(one, match, {"kernel": 3}).axes())


def test_random_studies_against_brute_force() -> None:
    dice = random.Random(11)
    found = [agreed(dice) for _ in range(25)]
    assert sum(possible for possible, _ in found) > 20
    assert 3 < sum(known for _, known in found) < 25


def test_a_latency_is_held_by_measuring() -> None:
    one = study({"latency": 1e-6, "by": "width", "tolerance": "5%"}, {"int": [2, 12]})
    found = solve_cell(one, {"kernel": 1})
    assert found.assignment["width"] in range(2, 13)
    assert found.reason is not None
    assert "ms are out of reach within 5%: the nearest is width = " in found.reason
    near = 10 * (1 + found.error) * 1e-6
    again = study({"latency": near, "by": "width", "tolerance": 1}, {"int": [2, 12]})
    assert solve_cell(again, {"kernel": 1}).reason is None


def test_a_latency_that_was_measured_once_is_not_measured_again() -> None:
    one = study({"latency": "250us", "by": "width", "tolerance": 1}, {"int": [2, 12]})
    first = [cell.name for cell in sketched(one)]
    rows = [
        {"cell": name, "assignment": {"kernel": 1, "width": 3 + at}, "state": "complete", "reason": None}
        for at, name in enumerate(first)
    ]
    rows[-1] |= {"state": "infeasible", "reason": "out of reach"}
    found = every_cell(one, {row["cell"]: row for row in rows})
    assert [cell.assignment["width"] for cell in found] == [3 + at for at in range(len(first))]
    assert [cell.reason for cell in found] == [None] * (len(first) - 1) + ["out of reach"]
    assert all(cell.errors == {} for cell in found), "nothing is measured"


def test_a_latency_is_not_measured_to_see_whether_a_file_is_sound() -> None:
    one = study({"latency": 1e-6, "by": "width", "tolerance": "5%"}, {"int": [2, 12]})
    assert {cell.assignment["width"] for cell in sketched(one)} == {2}
    assert not any(cell.reason or cell.errors for cell in sketched(one))
    assert "cells" not in one.memo
