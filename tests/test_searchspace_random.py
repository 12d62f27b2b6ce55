"""What holds of every blueprint: 2,000 random ones over the whole vocabulary."""

import copy
import random
import re
from typing import Any

import pytest
from blueprints import Dice, Tree

from searchspace.blueprint import FIELDS, Blueprint
from searchspace.canonical import fingerprint
from searchspace.core import Network
from searchspace.cost import Infeasible, cost
from searchspace.lower import realized

BLUEPRINTS = 2_000
GROUPS = 20  # tests, of a hundred blueprints each


def network(tree: Tree, shape: tuple[int, ...]) -> Network | None:
    """The network, or None where it cannot exist; anything but `Infeasible` in one sentence is a failure."""
    reason = "no reason"
    try:
        return realized(Blueprint.model_validate(tree), shape, 3)
    except Infeasible as error:
        reason = str(error)
    assert re.fullmatch(r"[a-z][\w.]*: [^\n;]{10,}; [^\n]{5,}", reason), f"not where, what and cure: {reason}"
    return None


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_blueprint_becomes_a_network_or_one_sentence_and_survives_json(group: int) -> None:
    possible = 0
    for seed in range(group, BLUEPRINTS, GROUPS):
        dice = Dice(seed)
        tree, shape = dice.blueprint(), dice.shape()
        blueprint = Blueprint.model_validate(tree)
        assert Blueprint.model_validate_json(blueprint.model_dump_json()) == blueprint
        assert Blueprint.model_validate(blueprint.model_dump(mode="json", exclude_defaults=True)) == blueprint
        if (net := network(tree, shape)) is not None:
            possible += 1
            assert cost(net).params >= 0
            assert fingerprint(net) == fingerprint(realized(blueprint, shape, 3))
    assert possible > 60


def grown(tree: Tree, change: Any) -> Tree:
    """The tree with a change made to every stage, nested ones too."""
    copied = copy.deepcopy(tree)
    pending = list(copied["stages"])
    while pending:
        stage = pending.pop()
        pending += stage.get("stages", [])
        branches = stage.get("branches", [])
        pending += [one for branch in (branches.values() if isinstance(branches, dict) else branches) for one in branch]
        change(stage)
    return copied


def wider(stage: Tree) -> None:
    for field in ("width", "growth"):
        if field in stage:
            stage[field] *= 2


def deeper(stage: Tree) -> None:
    if "repeat" in FIELDS[stage["block"]] and stage["block"] != "sequence":
        stage["repeat"] = stage.get("repeat", 1) + 1


def calm(stage: Tree) -> None:
    """Padding that keeps the maps, so that a deeper stage does not shrink what follows it."""
    if stage["block"] == "plain":
        stage["padding"], stage["output_padding"] = "same", 0


@pytest.mark.parametrize("change", [wider, deeper], ids=["width", "depth"])
def test_cost_grows_with_width_and_with_depth(change: Any) -> None:
    compared = 0
    for seed in range(400):
        dice = Dice(10_000 + seed)
        tree, shape = grown(dice.blueprint(), calm), dice.shape()
        small, large = network(tree, shape), network(grown(tree, change), shape)
        if small is None or large is None or grown(tree, change) == tree:
            continue
        before, after = cost(small), cost(large)
        compared += 1
        assert after.macs >= before.macs, seed
        assert after.params >= before.params, seed
        assert after.depth >= before.depth, seed
        assert (after.params, after.macs) != (before.params, before.macs), seed
    assert compared > 150


# --- one fingerprint, however it was declared -------------------------------------------------------------------------


def plain(**fields: Any) -> Tree:
    return {"block": "plain", "width": 8, "norm": "batch", **fields}


CONV = {"node": "conv", "out": 8, "kernel": 3, "padding": 1, "bias": False}
UNIT = [CONV, {"node": "norm"}, {"node": "activation", "kind": "relu"}]
RESIDUAL = {
    "node": "parallel",
    "merge": "add",
    "branches": {"skip": [{"node": "identity"}], "main": [*UNIT, CONV, {"node": "norm"}]},
}
SAME: dict[str, tuple[list[Tree], list[Tree]]] = {
    "repeated or written out": ([plain(repeat=2)], [plain(), plain()]),
    "nested": ([plain(), plain()], [{"block": "sequence", "repeat": 2, "stages": [plain()]}]),
    "a word or the core": ([plain()], [{"block": "raw", "nodes": UNIT}]),
    "named or not": (
        [{"block": "raw", "nodes": UNIT}],
        [{"block": "raw", "nodes": [{**node, "name": f"n{number}"} for number, node in enumerate(UNIT)]}],
    ),
    "no dropout": ([plain(dropout=0.0)], [plain()]),
    "the order of what is added": (
        [plain(), {"block": "residual", "width": 8, "norm": "batch"}],
        [plain(), {"block": "raw", "nodes": [RESIDUAL, {"node": "activation", "kind": "relu"}]}],
    ),
    "one branch": ([plain()], [{"block": "parallel", "branches": [[plain()]]}]),
    "one number or one per axis": ([plain(kernel=5)], [plain(kernel=[5, 5], padding=[2, [2, 2]])]),
    "a dilated window of one": ([plain(kernel=1, dilation=2)], [plain(kernel=1)]),
    "a line of a spatial one": (
        [plain(convolution="spatial", dilation=2)],
        [
            plain(kernel=[3, 1], dilation=[2, 1], norm=None, activation=None, bias=False),
            plain(kernel=[1, 3], dilation=[1, 2]),
        ],
    ),
    "padding that is not there": (
        [plain(pool={"kind": "average", "count_padding": True})],
        [plain(pool="average")],
    ),
    "a pool of one": ([plain(pool={"size": 1})], [plain()]),
    "a step over positions": (
        [plain(pool={"kind": "max", "size": 1, "stride": 2})],
        [plain(pool={"kind": "average", "size": 1, "stride": 2})],
    ),
    "not larger": ([plain(), {"block": "upsample", "scale": 1}], [plain()]),
    "a leak of nothing": ([plain(activation={"kind": "leaky_relu", "slope": 0.0})], [plain()]),
    "branches of branches": (
        [{"block": "parallel", "branches": [[plain()], [{"block": "parallel", "branches": [[], [plain(kernel=5)]]}]]}],
        [{"block": "parallel", "branches": [[plain()], [], [plain(kernel=5)]]}],
    ),
    "the default written out": ([plain()], [plain(norm={"kind": "batch", "place": "before_activation"}, bias=None)]),
}


def mark(stages: list[Tree]) -> str:
    return fingerprint(realized(Blueprint.model_validate({"stages": stages}), (8, 9, 9), 4))


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_same_network_declared_in_two_ways_has_one_fingerprint(one: list[Tree], other: list[Tree]) -> None:
    assert mark(one) == mark(other)


def test_other_networks_have_other_fingerprints() -> None:
    changes = [
        {},
        {"width": 16},
        {"kernel": 5},
        {"stride": 2},
        {"dilation": 2},
        {"groups": 2},
        {"bias": True},
        {"norm": "layer"},
        {"norm": {"kind": "batch", "place": "after_activation"}},
        {"norm": {"kind": "batch", "eps": 1e-3}},
        {"activation": "elu"},
        {"dropout": 0.1},
        {"pool": "max"},
        {"pool": "average"},
        {"convolution": "local", "norm": None},
        {"convolution": "spatial"},
    ]
    marks = [mark([plain(**change)]) for change in changes]
    assert len(set(marks)) == len(marks)


def test_key_order_and_json_do_not_change_a_fingerprint() -> None:
    dice = random.Random(7)
    for seed in range(50):
        throw = Dice(seed)
        tree, shape = throw.blueprint(), throw.shape()
        net = network(tree, shape)
        shuffled = dict(dice.sample(list(tree.items()), len(tree)))
        shuffled["stages"] = [dict(dice.sample(list(stage.items()), len(stage))) for stage in tree["stages"]]
        again = network(shuffled, shape)
        assert (net and fingerprint(net)) == (again and fingerprint(again))
