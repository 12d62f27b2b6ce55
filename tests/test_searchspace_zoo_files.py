"""The zoo's machinery: families' files, cards, parameters, and the width of a whole network."""

from pathlib import Path
from typing import Any

import pytest

from searchspace.cost import cost
from searchspace.language.problems import SpecError
from searchspace.language.scaling import divisible, scaled
from searchspace.language.yamlio import load
from searchspace.lower import checked, lower
from searchspace.zoo import files as zoo
from searchspace.zoo import networks


def tree_of(text: str) -> Any:
    return load(text).data


FAMILY = """\
about: A toy
authors: Nobody
year: 2020
source: https://example.org
input: [8, 8, 1]
classes: 10
divisor: 8
note: All of it.
parameters: {wide: 2 * $base, deep: 1}
networks:
  toy: {base: 32, errors: {digits: 1.5%}}
  toy_large: {base: 64, deep: 2, year: 2021, input: [16, 1], note: Only this., divisor: 1}
  toy_other: {base: 8, blueprint: {stages: [{block: pool, size: $base}]}}
blueprint:
  blocks: {unit: {parameters: {w: null}, stages: [{block: plain, width: $w}]}}
  stages:
    - {block: plain, width: $base, unscaled: true}
    - {block: unit, w: $wide, repeat: $deep}
  head: {hidden: [100]}
"""


def test_a_family_file(tmp_path: Path) -> None:
    file = tmp_path / "toy.yaml"
    file.write_text(FAMILY)
    found = zoo.read(file.read_text(), file.name)
    assert list(found) == ["toy", "toy_large", "toy_other"]
    assert found["toy"].card == zoo.Card(
        "toy", "A toy", "Nobody", 2020, "https://example.org", (1, 8, 8), 10, {"digits": 0.015}, "All of it."
    )
    large = found["toy_large"]
    assert (large.card.year, large.card.input, large.card.note, large.divisor) == (2021, (1, 16), "Only this.", 1)
    assert large.parameters == {"wide": "2 * $base", "deep": 2, "base": 64}
    assert found["toy_other"].template == {"stages": [{"block": "pool", "size": "$base"}]}


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("year: 2020", "yaer: 2020", "toy.yaml:3:1: yaer: unknown field 'yaer', did you mean 'year'?"),
        (
            "errors: {digits: 1.5%}",
            "errors: {digits: 150%}",
            "toy.yaml:11:36: networks.toy.errors.digits: '150%' is no",
        ),
        (FAMILY[FAMILY.index("blueprint:\n") :], "", "toy.yaml:11:8: networks.toy: neither the network nor its family"),
    ],
)
def test_a_family_file_with_a_mistake(old: str, new: str, line: str) -> None:
    with pytest.raises(SpecError, match=r"^toy\.yaml:") as caught:
        zoo.read(FAMILY.replace(old, new), "toy.yaml")
    assert str(caught.value).startswith(line)


def test_a_network_is_found_in_a_study_and_by_its_name() -> None:
    assert {"vgg11", "vgg19_bn"} <= set(zoo.names())
    assert zoo.card("vgg16").errors == {"imagenet_top1": 0.256, "imagenet_top5": 0.081}
    small = networks.tree("vgg11", width=0.5, repeats=[1, 1, 1, 1, 1], classes=10, head={"pool": "average"})
    assert small["head"] == {"pool": "average"}
    assert small["classes"] == 10
    assert [(stage["repeat"], stage["width"]) for stage in small["stages"]] == [
        (1, width) for width in (32, 64, 128, 256, 256)
    ]
    with pytest.raises(ValueError, match="the zoo has no network 'vgg16x', did you mean 'vgg16'"):
        zoo.card("vgg16x")


@pytest.mark.parametrize(
    ("name", "params"),
    [("vgg11", 132_863_336), ("vgg13_bn", 133_053_736), ("vgg16", 138_357_544), ("vgg19_bn", 143_678_248)],
)
def test_vgg_has_the_parameters_of_torchvision(name: str, params: int) -> None:
    blueprint = networks.blueprint(name)
    assert cost(checked(lower(blueprint, (3, 224, 224), 1000))).params == params


def test_widths_are_scaled_and_nothing_else() -> None:
    tree = tree_of(
        "{stages: [{width: 64, stride: 64, unscaled: true}, {growth: 33, inner: 3, branches: [[{width: 5}]]}, "
        "{nodes: [{out: 9}, {out: outputs}], flag: true}], head: {hidden: [10, 20]}}"
    )
    assert scaled(tree, 0.5, 1) == tree_of(
        "{stages: [{width: 64, stride: 64}, {growth: 16, inner: 2, branches: [[{width: 2}]]}, "
        "{nodes: [{out: 4}, {out: outputs}], flag: true}], head: {hidden: [5, 10]}}"
    )
    assert scaled(tree, 2, 1)["stages"][0]["width"] == 128
    assert scaled(tree, 1, 8)["stages"][1]["growth"] == 33


def test_widths_are_rounded_as_in_mobilenet() -> None:
    assert [divisible(32 * factor, 8) for factor in (0.1, 0.35, 0.5, 0.75, 1.4)] == [8, 16, 16, 24, 48]
    assert all(divisible(count, 8) >= 0.9 * count and divisible(count, 8) % 8 == 0 for count in range(1, 500))
