"""The strict YAML reader: what it reads, where it says things are, and one clear sentence per mistake."""

import pathlib
import random
import re

import pytest

from searchspace.language import yamlio
from searchspace.language.problems import Problem, SpecError
from searchspace.language.yamldump import dump
from searchspace.language.yamlio import load, locate, placed, read

EXAMPLES = sorted((pathlib.Path(__file__).parent.parent / "studies" / "examples").glob("*.yaml"))

SCALARS = {
    "1e-3": 0.001, "-1.5E+2": -150.0, "5e-4": 0.0005, ".5": 0.5, "3.": 3.0, "0.0": 0.0, "12": 12, "-7": -7, "+7": 7,
    "012": 12, "0o17": 15, "0x1f": 31, "true": True, "False": False, "null": None, "~": None, "": None,
    "NO": "NO", "off": "off", "yes": "yes", "y": "y", "tRUE": "tRUE", "1_000": "1_000", "12:30:45": "12:30:45",
    "2001-01-01": "2001-01-01", "0b1": "0b1", "0o8": "0o8", "1e": "1e", "1e-3x": "1e-3x", "=": "=", "'1e-3'": "1e-3",
    '"NO"': "NO", "''": "", "2 * $width": "2 * $width", "<= 60k": "<= 60k", "2M": "2M", "4%": "4%", "٣": "٣",
}  # fmt: skip


@pytest.mark.parametrize("text", SCALARS, ids=[repr(text) for text in SCALARS])
def test_scalars_are_those_of_yaml_1_2(text: str) -> None:
    got = load(f"x: {text}\n").data["x"]
    assert (got, type(got)) == (SCALARS[text], type(SCALARS[text]))


def test_keys_are_text() -> None:
    assert load("1: a\nyes: b\n1e-3: c\n'': d\n").data == {"1": "a", "yes": "b", "1e-3": "c", "": "d"}


TEXT = """\
name: é x
stages:
  - {block: plain, width: 2 * $w}
  - block: dense
    repeat:
"""


def test_every_key_and_value_has_its_place() -> None:
    document = load(TEXT)
    assert document.data == {
        "name": "é x",
        "stages": [{"block": "plain", "width": "2 * $w"}, {"block": "dense", "repeat": None}],
    }
    assert document.values[()] == (1, 1)
    assert document.keys[("stages",)] == (2, 1)
    assert document.values[("stages",)] == (3, 3)
    assert document.keys[("stages", 0)] == document.values[("stages", 0)] == (3, 5)
    assert document.keys[("stages", 0, "width")] == (3, 20)
    assert document.values[("stages", 0, "width")] == (3, 27)
    assert document.values[("stages", 1, "repeat")][0] == 5


@pytest.mark.parametrize(
    ("where", "key", "place"),
    [
        (("stages", 0, "width"), False, (3, 27)),
        (("stages", 0, "width"), True, (3, 20)),
        (("stages", 1, "kernel", "size"), True, (4, 5)),
        (("stages",), True, (2, 1)),
        (("stages", 7), False, (3, 3)),
        (("nothing",), True, (1, 1)),
    ],
    ids=str,
)
def test_locate_finds_the_nearest_that_exists(where: tuple[str | int, ...], key: bool, place: tuple[int, int]) -> None:
    assert locate(load(TEXT), where, key) == place


def test_placed_sorts_by_place_and_keeps_known_places() -> None:
    width = ("stages", 0, "width")
    problems = [Problem(("stages", 1, "block"), "third"), Problem(width, "second"), Problem((), "first", 2, 9)]
    error = placed(load(TEXT, "s.yaml"), problems, at_key=[width])
    assert str(error).splitlines() == [
        "s.yaml:2:9: first",
        "s.yaml:3:20: stages.0.width: second",
        "s.yaml:4:12: stages.1.block: third",
    ]


MISTAKES = {
    "empty": ("", 1, 1, "the file is empty; write"),
    "only a comment": ("# nothing\n", 1, 1, "the file is empty; write"),
    "binary": (b"a: 1\nb: \x00\n", 2, 1, "binary file .* save it as UTF-8"),
    "not UTF-8": ("a: 1\nb: é\n".encode("latin-1"), 2, 1, "byte 0xe9 is not UTF-8; save"),
    "control character": ("a: 1\nb: x\x1b[0m\n", 2, 5, r"'\\x1b' is no text; delete"),
    "escaped control character": ('a: "x\\0"\n', 1, 4, r"a: the text has '\\x00' in it.* remove"),
    "lone surrogate": ("a: \ud800\n", 1, 1, "byte 0xed is not UTF-8"),
    "escaped surrogate": ('a: "\\ud800"\n', 1, 7, "escape is no character; write"),
    "tab": ("a:\n\tb: 1\n", 2, 1, "a tab cannot indent; use spaces"),
    "tab under a value": ("a: 1\n\tb: 2\n", 2, 1, "a tab cannot indent; use spaces"),
    "open [": ("a: [1, 2\n", 2, 1, r"the '\[' of line 1 is not closed here; add"),
    "open {": ("a: {x: 1\nb: 3\n", 2, 2, "the '{' of line 1 is not closed here; add"),
    "wrong bracket": ("a: [1, 2}\n", 1, 9, r"the '\[' of line 1 is not closed"),
    "bracket too many": ("a: [1]]\n", 1, 7, "does not fit the lines above; mend"),
    "open quote": ("a: 'x\nb: 2\n", 3, 1, "the quote opened in line 1 is not closed; close it"),
    "quote inside": ("a: 'it's'\n", 1, 8, "does not fit .* put text with quotes .* in quotes"),
    "no value": ("a: [1, , 2]\n", 1, 8, "a value is missing here; write"),
    "bound without quotes": ("a:\n  b: >= 0.9\n", 2, 7, "text that begins with '>' .* must be in quotes"),
    "list in a line": ("a: - 1\n", 1, 4, "a list cannot begin here; put each"),
    "colon in brackets": ("a: [b:]\n", None, None, "a ':' too many; put"),
    "two colons": ("a: b: c\n", 1, 5, "a ':' too many; put"),
    "no colon": ("a: 1\nb\nc: 2\n", 3, 1, "no ':' after its key; write"),
    "indentation": ("a:\n  b: 1\n c: 2\n", 3, 2, "does not fit the lines above; mend its indentation"),
    "list then key": ("- a\nb: 1\n", 2, 1, "does not belong to the list of line 1; begin"),
    "bad escape": ('a: "\\q"\n', 1, 5, "a backslash is special in double quotes; use single"),
    "at sign": ("a: @x\n", 1, 4, "a value cannot begin with '@'; put"),
    "alias": ("a: *x\n", 1, 4, r"a: aliases such as \*x are not read; write"),
    "anchor": ("a: &x 1\n", 1, 4, "a: anchors such as &x are not read; remove"),
    "star": ("a: *\n", 1, 5, "anchors and aliases are not read; write"),
    "tag": ("a: !!python/name:os.system x\n", 1, 4, "a: tags such as .*os.system are not read; remove"),
    "second document": ("a: 1\n---\nb: 2\n", 2, 1, "a second document begins here; .*split"),
    "text after the end": ("a: 1\n...\nb: 2\n", 3, 1, "after the end of the document; remove"),
    "list as key": ("[a]: 1\n", 1, 1, "a key must be text, not a mapping or list; write"),
    "no key": ("? \n: 2\n", 1, 2, "there is no key here; write"),
    "infinite": ("a: -.inf\n", 1, 4, "a: -.inf is not a finite number; write"),
    "not a number": ("a: .NaN\n", 1, 4, "a: .NaN is not a finite number; write"),
    "beyond floats": ("a: 1e999\n", 1, 4, "a: 1e999 is not a finite number"),
    "long number": (f"a: {'9' * 5000}\n", 1, 4, "a: a number of 5000 characters; write at most 400"),
    "long hexadecimal": (f"a: 0x{'f' * 5000}\n", 1, 4, "a: a number of 5002 characters"),
    "depth": ("a: " + "[" * 5000, 1, 36, "more than 32 levels of nesting; flatten"),
    "nodes": ("a: [" + "1, " * 20_000 + "]", 1, None, "more than 20000 values; shorten"),
    "size": ("#" * 300_000, 0, 0, "larger than 256 kB; move"),
    "directive": ("%YAML 3.0\n---\na: 1\n", 1, 1, r"this is not YAML \(.*incompatible.*\); mend"),
}


@pytest.mark.parametrize(("text", "line", "column", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_sentence_with_its_place(text: bytes | str, line: int, column: int, message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        load(text, "s.yaml")
    (problem,) = caught.value.problems
    assert line in (None, problem.line)
    assert column in (None, problem.column)
    assert "\n" not in problem.message


def test_every_recoverable_mistake_at_once() -> None:
    text = "a: 1\na: {b: 1, b: !x 2}\nc: .inf\n[d]: 1\na: [1\n"
    with pytest.raises(SpecError, match="stands twice") as caught:
        load(text, "s.yaml")
    assert [re.sub(";.*", "", line) for line in str(caught.value).splitlines()] == [
        "s.yaml:2:1: a: this key stands twice, first in line 1",
        "s.yaml:2:11: a.b: this key stands twice, first in line 2",
        "s.yaml:2:14: a.b: tags such as !x are not read",
        "s.yaml:3:4: c: .inf is not a finite number",
        "s.yaml:4:1: a key must be text, not a mapping or list",
        "s.yaml:5:1: a: this key stands twice, first in line 1",
        "s.yaml:6:1: the '[' of line 5 is not closed here",
    ]


def test_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert (read(path).data, read(path).file, read(path).keys[("b",)]) == ({"a": 1, "b": 2}, str(path), (2, 1))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.yaml", r"none.yaml: cannot be read \(No such file .*\); give"),
        (".", "Is a directory"),
        ("\0", "null byte"),
    ],
    ids=["missing", "folder", "NUL"],
)
def test_read_says_why_a_file_cannot_be_read(tmp_path: pathlib.Path, name: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        read(tmp_path / name)


SNIPPETS = (
    "\t [ ] { } : , - ? & * ! | > ' \" % @ ` # ~ << --- ... \\ \0 \x85 \u2028 \ufeff é \\UFFFFFFFF !!x 1e999 .inf"
)


def mutated(content: bytes, dice: random.Random) -> bytes:
    """`content` with one to eight small accidents: a piece deleted, doubled, moved, or replaced."""
    data = bytearray(content)
    for _ in range(dice.randint(1, 8)):
        start = dice.randrange(len(data) + 1)
        end = min(len(data), start + dice.choice([0, 1, 1, 3, 20]))
        piece = [bytes(data[start:end]) * 2, b"", b"\n", dice.randbytes(2), dice.choice(SNIPPETS.split(" ")).encode()]
        data[start:end] = dice.choice(piece)
    return bytes(data)


@pytest.mark.parametrize("parser", ["CSafeLoader", "SafeLoader"])
def test_nothing_but_a_spec_error_comes_out(parser: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlio, "_PARSER", getattr(yamlio.yaml, parser))
    contents, dice = [path.read_bytes() for path in EXAMPLES], random.Random(5)
    problems: list[Problem] = []
    rounds = 3000 if parser == "CSafeLoader" else 150
    for _ in range(rounds):
        try:
            data = load(mutated(dice.choice(contents), dice)).data
        except SpecError as error:
            problems += error.problems
        else:
            assert load(dump(data)).data == data
    assert len(problems) > rounds / 4
    assert all(problem.line and problem.column and "\n" not in problem.message for problem in problems)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_survive_a_dump(path: pathlib.Path) -> None:
    data = read(path).data
    assert load(dump(data)).data == data


def test_dump_is_readable() -> None:
    optimizer = {"kind": "sgd", "lr": 1e-3, "betas": [0.9, 0.99], "name": "1e-3"}
    data = {"on": "NO", "recipe": {"epochs": 3, "optimizer": optimizer}, "stages": [{"block": "plain"}], "tags": []}
    assert dump(data) == (
        "'on': 'NO'\n"
        "recipe:\n"
        "  epochs: 3\n"
        '  optimizer: {kind: sgd, lr: 0.001, betas: [0.9, 0.99], name: "1e-3"}\n'
        "stages:\n"
        "- {block: plain}\n"
        "tags: []\n"
    )


def random_tree(dice: random.Random, depth: int = 0) -> object:
    kind = dice.randrange(7 if depth < 4 else 5)
    if kind == 5:
        return [random_tree(dice, depth + 1) for _ in range(dice.randrange(4))]
    if kind == 6:
        return {random_text(dice): random_tree(dice, depth + 1) for _ in range(dice.randrange(4))}
    leaf = [random_text(dice), dice.randint(-(10**20), 10**20), dice.gauss(0, 1) * 10.0 ** dice.randint(-300, 300)]
    return [*leaf, dice.choice([True, False, None, 0.0, -0.0, 1e16]), random_text(dice)][kind]


def random_text(dice: random.Random) -> str:
    if dice.random() < 0.5:
        return dice.choice(
            [*SCALARS, "<<", ".inf", "9" * 500, "a: b", "- a", "#x", "a #x", ">= 1", "x\ny\n", "\n x", "a\tb "]
        )
    return "".join(dice.choice(" abé:-#\n\t'\"[]{},&*!|>%@?=~\x85\u2028😀01.e") for _ in range(dice.randrange(8)))


def test_whatever_is_dumped_loads_back_equal() -> None:
    dice = random.Random(11)
    for _ in range(500):
        data = {"x": random_tree(dice)}
        assert repr(load(dump(data)).data) == repr(data)
