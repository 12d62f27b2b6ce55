"""The feature maps in perspective, the figure in a terminal, the layer table and the page that holds them all."""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from xml.etree import ElementTree

import networks
import pytest
from networks import CLASSICS, EVERY, row

from searchspace.core import Network, leaves
from searchspace.cost import Infeasible, cost, trace
from searchspace.drawing import html, layer_lines, layer_rows, svg, terminal, volumes
from searchspace.drawing.marks import LEAST
from searchspace.drawing.pieces import pieces
from searchspace.drawing.volumes import HIGHEST, Station, _solid, stations

SVG = "{http://www.w3.org/2000/svg}"
every_network = pytest.mark.parametrize("net", EVERY.values(), ids=EVERY.keys())


class Tags(HTMLParser):
    """Which elements a page opens, and those that it leaves open."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def sizes(net: Network) -> list[str]:
    """The bold texts of the volumes view: the sizes of the maps."""
    texts = ElementTree.fromstring(volumes(net)).iter(f"{SVG}text")
    return [text.text or "" for text in texts if text.get("font-weight") == "600"]


def shown(net: Network) -> list[str]:
    return [text.text or "" for text in ElementTree.fromstring(volumes(net)).iter(f"{SVG}text")]


@every_network
def test_volumes_are_valid_and_fit_a_laptop(net: Network) -> None:
    root = ElementTree.fromstring(volumes(net))
    assert float(root.get("width", "0")) <= 1_260
    assert len(root.findtext(f"{SVG}desc") or "") > 10
    for text in root.iter(f"{SVG}text"):
        assert float(text.get("font-size", "0")) >= LEAST
        assert 0 < float(text.get("y", "0")) < float(root.get("height", "0"))
    corners = [
        tuple(map(float, pair.split(",")))
        for one in root.iter(f"{SVG}polygon")
        for pair in one.get("points", "").split()
    ]
    assert all(0 <= x <= float(root.get("width", "0")) and y >= 0 for x, y in corners)


def test_volumes_show_the_main_line_of_vgg() -> None:
    vgg = ["224×224×3", "224×224×64", "112×112×64", "112×112×128", "56×56×128", "56×56×256", "28×28×256"]
    assert sizes(CLASSICS["vgg"]) == [*vgg, "28×28×512", "14×14×512", "4096", "1000"]
    assert {"2 × conv 3×3", "max pool 2×2", "linear"} <= set(shown(CLASSICS["vgg"]))


def test_volumes_of_branches_are_those_of_their_merges() -> None:
    assert sizes(CLASSICS["resnet"])[3:7] == ["56×56×256", "28×28×512", "14×14×1024", "7×7×2048"]
    assert [station.operations for station in stations(pieces(CLASSICS["resnet"]))][4] == ((4, "3 convs, add"),)
    assert sizes(CLASSICS["densenet"])[3:6] == ["56×56×256", "56×56×128", "28×28×128"]


def test_volumes_go_down_and_up_again() -> None:
    for name in ("unet", "segnet"):
        edges = [int(size.split("×")[0]) for size in sizes(CLASSICS[name])]
        lowest = edges.index(min(edges))
        assert min(edges) == 8
        assert edges[: lowest + 1] == sorted(edges[: lowest + 1], reverse=True)
        assert edges[lowest:] == sorted(edges[lowest:])


def test_larger_maps_are_drawn_higher_and_more_channels_thicker() -> None:
    small, large, thick = (Station(shape, (), "conv", ()) for shape in ((8, 14, 14), (8, 56, 56), (64, 56, 56)))
    drawn = [_solid(station, 56) for station in (small, large, thick)]
    heights = [faces[0].points[2][1] - faces[0].points[1][1] for faces, *_ in drawn]
    widths = [faces[0].points[1][0] for faces, *_ in drawn]
    assert heights[0] < heights[1] == heights[2] == HIGHEST
    assert widths[0] == widths[1] < widths[2]


@every_network
@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_terminal_lines_fit(net: Network, width: int) -> None:
    lines = terminal(net, width)
    assert max(map(len, lines)) <= width
    assert "MACs" in " ".join(lines[:4])


@every_network
def test_terminal_frames_close(net: Network) -> None:
    text = "\n".join(terminal(net, 240))
    assert text.count("┌") == text.count("└")
    assert text.count("┐") == text.count("┘")
    assert "…" not in text


def test_terminal_stands_branches_side_by_side_and_folds_repeats() -> None:
    assert (
        terminal(CLASSICS["resnet"], 80)[8:24]
        == """\
                         ┌────────────┴────────────┐
            conv 1×1, 64 maps, BN ReLU  conv 1×1, 256 maps, BN
            conv 3×3, 64 maps, BN ReLU             │
              conv 1×1, 256 maps, BN               │
                         └────────────┬────────────┘
                                  add ReLU
                                      │
                ┌───────────────────────── × 2 ─┐
                │              ┌──────┴───────┐ │
                │ conv 1×1, 64 maps, BN ReLU  │ │
                │ conv 3×3, 64 maps, BN ReLU  │ │
                │   conv 1×1, 256 maps, BN    │ │
                │              └──────┬───────┘ │
                │                 add ReLU      │
                └───────────────────────────────┘
                                      │
""".splitlines()
    )


def test_terminal_stacks_branches_where_it_is_narrow() -> None:
    text = "\n".join(terminal(CLASSICS["googlenet"], 40))
    assert text.count("├─ ") == 9 * 4
    assert "    ├─ conv 1×1, 64 maps, BN ReLU\n" in text


def test_the_table_has_a_row_for_each_layer_and_the_whole_cost() -> None:
    rows = layer_rows(CLASSICS["lenet"])
    assert [row.name for row in rows] == [layer.name for layer in trace(CLASSICS["lenet"])]
    assert rows[0] == ("0", "conv 5×5", "28×28×6", 156, 117_600, "5×5", "1×1")
    assert rows[2][1:] == ("average pool 2×2", "14×14×6", 0, 0, "6×6", "2×2")
    assert (sum(row.params for row in rows), sum(row.macs for row in rows)) == (61_706, 416_520)
    assert [row.layer for row in layer_rows(CLASSICS["googlenet"]) if row.layer.endswith("(auxiliary)")][-1:] == [
        "linear (auxiliary)"
    ]


def test_the_table_is_aligned_in_a_terminal() -> None:
    lines = layer_lines([("name", "params"), ("a", 5), ("longer", 1_234)])
    assert lines == ["name    params", "a            5", "longer   1,234"]


@every_network
def test_the_page_is_whole_and_needs_nothing_else(net: Network) -> None:
    page = html(net, "One & <two>")
    tags = Tags(page.partition("\n")[2])
    assert tags.open == []
    assert "<h1>One &amp; &lt;two&gt;</h1>" in page
    assert not [
        attrs for tag, attrs in tags.seen if tag in ("script", "link", "img") or "src" in attrs or "href" in attrs
    ]
    assert svg(net) in page
    assert volumes(net) in page
    assert f"<dd>{cost(net).params:,}</dd>" in page
    cells = set(re.findall(r"<td>([^<]*)</td>", page))
    assert {name for name, _ in leaves(net.root)} <= cells


def test_the_page_scrolls_inside_and_knows_light_and_dark() -> None:
    page = html(CLASSICS["vgg"], "vgg")
    assert page.count('<div class="scroll" tabindex="0" role="region" aria-label=') == 3
    assert "@media (prefers-color-scheme: dark)" in page
    assert 'name="viewport"' in page


@pytest.mark.parametrize("view", [volumes, terminal, layer_rows, lambda net: html(net, "x")])
def test_a_network_that_cannot_be_has_no_view(view: Callable[[Network], object]) -> None:
    with pytest.raises(Infeasible, match="does not fit"):
        view(Network((1, 1, 1), row(networks.POOL)))
