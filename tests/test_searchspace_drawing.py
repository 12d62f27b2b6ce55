"""The block figure: every layer in it, repeats folded, nothing on top of anything else, no letter too small."""

import re
from itertools import combinations
from typing import get_args
from xml.etree import ElementTree

import networks
import pytest
from networks import CLASSICS, EVERY, WORDS, conv, head, row

from searchspace import core
from searchspace.core import Network, leaves
from searchspace.cost import Infeasible
from searchspace.drawing import svg
from searchspace.drawing.figure import ROOM
from searchspace.drawing.layout import rows
from searchspace.drawing.marks import LEAST, Block, Rect, Text, breadth
from searchspace.drawing.pieces import Piece, pieces, total

SVG = "{http://www.w3.org/2000/svg}"
every_network = pytest.mark.parametrize("net", EVERY.values(), ids=EVERY.keys())
Place = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def drawn(net: Network) -> Block:
    return rows(pieces(net), ROOM)


def texts(net: Network) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(svg(net)).iter(f"{SVG}text")]


def folds(net: Network, form: str = "fold") -> list[Piece]:
    return [piece for piece in pieces(net) if piece.form == form]


def place(mark: Rect | Text) -> Place:
    if isinstance(mark, Rect):
        return mark.x, mark.y, mark.x + mark.width, mark.y + mark.height
    wide = breadth(mark.text, mark.size, mark.weight > 500) * 0.95  # letters are estimated generously
    left = mark.x - wide * {"start": 0, "middle": 0.5, "end": 1}[mark.anchor]
    return left, mark.y - 0.75 * mark.size, left + wide, mark.y


def apart(one: Place, other: Place) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def inside(one: Place, other: Place) -> bool:
    return one[0] >= other[0] and one[1] >= other[1] and one[2] <= other[2] and one[3] <= other[3]


def test_every_word_of_the_core_is_drawn() -> None:
    assert set(WORDS) == set(get_args(core.Node))


@every_network
def test_it_is_valid_xml_with_a_title_and_a_description(net: Network) -> None:
    root = ElementTree.fromstring(svg(net))
    title, told = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert told is not None
    assert root.get("aria-labelledby") == f"{title.get('id')} {told.get('id')}"
    assert "MACs" in (title.text or "")
    assert len(told.text or "") > 20


@every_network
def test_every_layer_is_in_a_tooltip(net: Network) -> None:
    tips = " ".join(tip.text or "" for tip in ElementTree.fromstring(svg(net)).iter(f"{SVG}title"))
    shown = set(re.findall(r"[\w.]+", tips))
    assert {name for name, _ in leaves(net.root)} <= {one.rstrip(".") for one in shown}


@every_network
def test_boxes_do_not_overlap(net: Network) -> None:
    marks = [mark for mark in drawn(net).marks if isinstance(mark, Rect)]
    boxes = [place(mark) for mark in marks if not mark.frame and mark.fill != "none"]
    assert [pair for pair in combinations(boxes, 2) if not apart(*pair)] == []
    frames = [place(mark) for mark in marks if mark.frame]
    crossed = [(f, b) for f in frames for b in [*boxes, *frames] if not (apart(f, b) or inside(b, f) or inside(f, b))]
    assert crossed == []


@every_network
def test_words_do_not_overlap(net: Network) -> None:
    words = [mark for mark in drawn(net).marks if isinstance(mark, Text)]
    clashes = [(a.text, b.text) for a, b in combinations(words, 2) if not apart(place(a), place(b))]
    assert clashes == []
    boxes = [mark for mark in drawn(net).marks if isinstance(mark, Rect) and not mark.frame and mark.fill != "none"]
    crossed = [
        (a.text, b.tip) for a in words for b in boxes if not (apart(place(a), place(b)) or inside(place(a), place(b)))
    ]
    assert crossed == []


@every_network
def test_it_fits_a_laptop_and_no_letter_is_too_small(net: Network) -> None:
    root = ElementTree.fromstring(svg(net))
    width, height = (float(root.get(name, "0")) for name in ("width", "height"))
    assert width <= 1_260
    for text in root.iter(f"{SVG}text"):
        assert float(text.get("font-size", "0")) >= LEAST
        assert 0 <= float(text.get("y", "-1")) <= height
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(name, "0")) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert y >= 0
        assert x + w <= width
        assert y + h <= height


@every_network
def test_it_is_the_same_every_time(net: Network) -> None:
    assert svg(net) == svg(net)


def test_ids_differ_between_networks() -> None:
    ids = [one for net in EVERY.values() for one in re.findall(r' id="([^"]+)"', svg(net))]
    assert len(set(ids)) == len(ids) == 2 * len(EVERY)


def test_repeats_are_folded_and_their_costs_summed() -> None:
    same = Network((1, 8, 8), row(*(row(conv(8), networks.BATCH, networks.RELU) for _ in range(4)), head()))
    (_, fold, *_) = pieces(same)
    assert (fold.form, fold.count) == ("fold", 4)
    # The first convolution sees 1 map and the others 8; each has 8 biases and a norm of 16.
    assert fold.rows[0][0].params == 8 * 9 + 3 * 8 * 8 * 9 + 4 * (8 + 16)
    assert total(fold) == (1_896, 64 * (8 * 9 + 3 * 8 * 8 * 9))
    assert {"× 4", "1.90 k params"} <= set(texts(same))


def test_blocks_of_a_residual_stage_fold_behind_the_first() -> None:
    assert [fold.count for fold in folds(CLASSICS["resnet"])] == [2, 3, 5, 2]
    assert [len(fork.rows) for fork in folds(CLASSICS["resnet"], "fork")] == [2] * 4


def test_layers_of_a_dense_block_fold_though_their_widths_grow() -> None:
    net = CLASSICS["densenet"]
    assert [fold.count for fold in folds(net)] == [6, 12, 24, 16]
    assert {"64 → 256 maps", "64–224 maps", "96–256 maps"} <= set(texts(net))


def test_convolutions_of_different_widths_do_not_fold() -> None:
    grown = Network((1, 8, 8), row(conv(8), conv(16), conv(32)))
    assert folds(grown) == []
    assert {"8 maps", "16 maps", "32 maps"} <= set(texts(grown))


def test_branches_that_look_alike_are_drawn_once() -> None:
    (fork,) = folds(CLASSICS["lenet_table"], "fork")
    ((fold,),) = fork.rows
    assert (fold.label, fold.count) == ("16 branches", 16)
    assert {"3–5 maps", "16 branches", "16 maps"} <= set(texts(CLASSICS["lenet_table"]))


def test_what_differs_in_width_is_drawn_one_by_one() -> None:
    assert len(folds(CLASSICS["googlenet"], "fork")) == 9
    assert "auxiliary loss × 0.3" in texts(CLASSICS["googlenet"])


def test_unpooling_stands_beside_its_pool() -> None:
    (bridge,) = folds(CLASSICS["segnet"], "bridge")
    (pool,), _, (unpool,) = bridge.rows
    assert (pool.label, pool.shape) == ("max pool", (8, 32, 32))
    assert (unpool.label, unpool.shape) == ("max unpool", (8, 64, 64))


def test_a_deep_network_is_as_short_as_a_shallow_one() -> None:
    deep = Network((1, 8, 8), row(*(networks.bottleneck(4, 1, n == 0) for n in range(60))))
    assert svg(deep).count("<rect") < 20


def test_a_norm_behind_a_block_leaves_its_repeats_together() -> None:
    (fold,) = folds(Network((4, 8, 8), row(row(*(networks.dense_layer() for _ in range(5))), networks.BATCH)))
    assert fold.count == 5


@pytest.mark.parametrize("shape", [(3, 64), (3, 16, 12), (1, 8, 8, 8)])
def test_series_images_and_volumes(shape: tuple[int, ...]) -> None:
    axes = len(shape) - 1
    kernel, ones = (3,) * axes, (1,) * axes
    layer = core.Conv(8, kernel, ones, core.same_padding(kernel, ones), ones)
    said = texts(Network(shape, row(layer, core.GlobalPool("max"))))
    assert {f"conv {'×'.join('3' * axes)}", "×".join(map(str, shape[1:])), "8 maps", "8 features"} <= set(said)


def test_strides_groups_and_merges_are_written_and_explained() -> None:
    assert {"conv 3×3 /2 d2 g2", "/n stride n", "dn dilation n", "gn n groups"} <= set(texts(EVERY["Conv"]))
    assert {"concat", "BN ReLU", "BN batch norm", "14×14"} <= set(texts(CLASSICS["googlenet"]))
    assert "×" in texts(EVERY["Parallel"])


def test_pointwise_layers_join_the_box_before_them_from_a_sequence_of_their_own_too() -> None:
    (_, box) = pieces(Network((4, 8, 8), row(row(networks.POOL), row(networks.BATCH, networks.RELU))))
    assert (box.label, box.notes, box.names) == ("max pool", ("2×2", "BN", "ReLU"), ("0.0", "1.0", "1.1"))
    assert box.params == 8


def test_depthwise_convolutions_are_called_so() -> None:
    assert "depthwise 3×3" in texts(Network((4, 8, 8), row(conv(4, groups=4))))


def test_words_are_escaped() -> None:
    odd = Network((1, 8, 8), core.Sequence((("a<&>\"'b", core.Activation("relu")), ("fc", core.GlobalPool("max")))))
    root = ElementTree.fromstring(svg(odd))
    assert any("a<&>\"'b" in (tip.text or "") for tip in root.iter(f"{SVG}title"))


def test_a_network_that_cannot_be_is_not_drawn() -> None:
    with pytest.raises(Infeasible, match="does not fit"):
        svg(Network((1, 1, 1), row(networks.POOL)))
