"""The figure of a network: valid XML, every layer in it, repeats folded, words escaped, ids that stay."""

import re
from xml.etree import ElementTree

import pytest

from searchspace import core
from searchspace.blueprint import Blueprint
from searchspace.core import Network, leaves
from searchspace.cost import Infeasible
from searchspace.draw import svg
from searchspace.lower import lower
from searchspace.pieces import Fold, Fork, pieces

NORM = {"kind": "batch", "place": "before_activation"}
AFTER = {"kind": "batch", "place": "after_activation"}
POOL = {"kind": "max", "size": 2}
STAGES = {
    "plain": [{"block": "plain", "repeat": 4, "width": 8, "norm": NORM, "pool": POOL}],
    "no_norm": [{"block": "plain", "repeat": 2, "width": 8}, {"block": "plain", "width": 16, "stride": 2}],
    "residual": [
        {"block": "residual", "repeat": 3, "width": w, "stride": s, "norm": NORM} for w, s in ((8, 1), (16, 2))
    ],
    "after": [{"block": "residual", "repeat": 2, "width": 8, "norm": AFTER, "pool": POOL}],
    "deep": [{"block": "residual", "repeat": 40, "width": 8, "norm": NORM}],
}
HEADS = [{"pool": "average"}, {"pool": None, "hidden": [32, 32], "dropout": 0.5}]
SVG = "{http://www.w3.org/2000/svg}"


def network(stages: str, head: int = 0, shape: tuple[int, ...] = (1, 8, 8)) -> Network:
    return lower(Blueprint.model_validate({"stages": STAGES[stages], "head": HEADS[head]}), shape, 10)


def inception() -> Network:
    """Branches that are concatenated, one inside another, and a product: none of them is a word yet."""
    conv = core.Conv(4, (1, 1), (1, 1), ((0, 0),) * 2, (1, 1))
    wide = core.Conv(4, (5, 5), (1, 1), ((4, 4),) * 2, (2, 2), groups=2)
    inner = core.Parallel((("left", conv), ("right", core.Identity())), "multiply")
    branches = (("one", conv), ("two", core.Sequence((("a", conv), ("b", wide)))), ("three", inner))
    block = core.Parallel(branches, "concat")
    items = (("stem", conv), ("first", block), ("norm", core.Norm("batch")), ("drop", core.Dropout(0.25)))
    return Network((4, 8, 8), core.Sequence((*items, ("pool", core.GlobalPool("max")), ("fc", core.Linear(3)))))


NETWORKS = [network(stages, head) for stages in STAGES for head in (0, 1)] + [inception()]
SHAPES = [(3, 64), (3, 16, 12), (1, 8, 8, 8)]


def texts(drawn: str) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(drawn).iter(f"{SVG}text")]


@pytest.mark.parametrize("net", NETWORKS)
def test_it_is_valid_xml_with_a_title_and_a_description(net: Network) -> None:
    root = ElementTree.fromstring(svg(net))
    title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert told is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    assert "MACs" in (title.text or "")
    assert len(told.text or "") > 20


@pytest.mark.parametrize("net", NETWORKS)
def test_every_layer_is_in_the_figure(net: Network) -> None:
    root = ElementTree.fromstring(svg(net))
    shown = {name for tip in root.iter(f"{SVG}title") for name in (tip.text or "").split(", ")}
    assert {name for name, _ in leaves(net.root)} <= shown


@pytest.mark.parametrize("net", NETWORKS)
def test_everything_lies_inside_the_figure(net: Network) -> None:
    root = ElementTree.fromstring(svg(net))
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height
    for text in root.iter(f"{SVG}text"):
        assert 0 <= float(text.get("y", "-1")) <= height


def test_repeats_are_folded_and_their_costs_summed() -> None:
    (_, fold, *_) = pieces(network("plain"))
    assert isinstance(fold, Fold)
    assert fold.count == 4
    # The first convolution sees 1 map and the others 8: 8 * 1 * 9 + 3 * 8 * 8 * 9 weights and four norms of 16.
    assert fold.body[0].params == 8 * 9 + 3 * 8 * 8 * 9 + 4 * 16  # type: ignore[union-attr]
    said = texts(svg(network("plain")))
    assert "× 4" in said
    assert "in all 1.86 k params" in said


def test_residual_blocks_fold_where_the_shape_stays() -> None:
    counts = [piece.count for piece in pieces(network("residual")) if isinstance(piece, Fold)]
    forks = [piece for piece in pieces(network("residual")) if isinstance(piece, Fork)]
    assert counts == [2, 2]
    assert [len(fork.branches) for fork in forks] == [2, 2]


def test_a_deep_network_is_as_short_as_a_shallow_one() -> None:
    assert svg(network("deep")).count("<rect") < 10


@pytest.mark.parametrize("shape", SHAPES)
def test_series_images_and_volumes(shape: tuple[int, ...]) -> None:
    said = texts(svg(network("plain", shape=shape)))
    assert f"8 maps of {'×'.join(map(str, shape[1:]))}" in said
    assert f"conv {'×'.join(['3'] * (len(shape) - 1))}" in said


def test_widths_map_sizes_and_merges_are_written() -> None:
    said = texts(svg(inception()))
    assert {"||", "×", "12 maps, batch norm, dropout 0.25", "conv 5×5 d2×2 g2", "identity", "3 features"} <= set(said)


def test_words_are_escaped() -> None:
    odd = Network((1, 8, 8), core.Sequence((("a<&>\"'b", core.Activation("relu")), ("fc", core.GlobalPool("max")))))
    root = ElementTree.fromstring(svg(odd))
    assert any("a<&>\"'b" in (tip.text or "") for tip in root.iter(f"{SVG}title"))


def test_ids_are_stable_and_differ_between_networks() -> None:
    ids = [re.findall(r' id="([^"]+)"', svg(net)) for net in NETWORKS]
    assert ids == [re.findall(r' id="([^"]+)"', svg(net)) for net in NETWORKS]
    assert len({one for pair in ids for one in pair}) == 2 * len(NETWORKS)


def test_a_network_that_cannot_be_is_not_drawn() -> None:
    shrunk = Network((1, 1, 1), network("plain").root)
    with pytest.raises(Infeasible, match="does not fit"):
        svg(shrunk)
