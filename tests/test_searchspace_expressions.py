"""The arithmetic over `$name`: worth what Python says, bounded, and clear about what it cannot do."""

import pickle
import random

import pytest

from searchspace.language.expressions import UndefinedVariable, evaluate, fill, names, order
from searchspace.language.problems import UNKNOWN, Problem

VALUES = {"depth": 4, "width": 24, "rate": 0.5, "zero": 0, "block": "plain", "norm": {"kind": "batch"}, "log": True}

WORTH = [
    ("$block", "plain"), ("  $norm ", {"kind": "batch"}), ("$log", True), ("2 * $width", 48), ("$width/2", 12.0),
    ("$width // 5", 4), ("$width % 5", 4), ("-$depth ** 2", -16), ("2 ** -1 * $depth", 2.0), ("2 ** 3 ** 2", 512),
    ("$depth - 1 - 1", 2), ("-(1 - $depth)", 3), ("1e-3 * $depth", 0.004), ("$rate * 2", 1.0), ("--$depth", 4),
    ("$depth + 2 * 3", 10), ("($depth + 2) * 3", 18), (".5*$depth", 2.0), ("2. * $depth", 8.0), ("-7 // 2", -4),
    ("1 * $zero", 0), ("$depth**2**0", 4), ("\t2\n*  $width", 48), ("+$depth", 4), ("10 ** 18", 10**18), ("0 ** 0", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "worth"), WORTH, ids=[text for text, _ in WORTH])
def test_evaluate(text: str, worth: object) -> None:
    got = evaluate(text, VALUES)
    assert (got, type(got)) == (worth, type(worth))


REFUSED = {
    "$depth / $zero": "cannot compute .* it divides by zero; change",
    "$depth // 0": "divides by zero",
    "$depth % 0.0": "divides by zero",
    "0 ** -$depth": "divides by zero",
    "(0 - $depth) ** $rate": "a root of a negative number; change",
    "9 ** 9 ** 9 ** $depth": "a number on the way is beyond 1e18; make it smaller",
    "10 ** 18 + $depth": "beyond 1e18",
    "1e999 * $zero": "beyond 1e18",
    "$rate ** (0 - 10 ** 17)": "beyond 1e18",
    "2 * $block": r"cannot compute '2 \* \$block': \$block is 'plain'; only numbers",
    "2 * $log": r"\$log is True; only numbers",
    "2 * $norm": r"\$norm is \{'kind': 'batch'\}; only numbers",
    "": "cannot read '': it ends too early; write numbers",
    "$depth +": "it ends too early; write",
    "($depth": r"a '\)' is missing; write",
    "$depth)": r"'\)' is unexpected; write",
    "2 $depth": r"'\$depth' is unexpected; write",
    "2 * / $depth": "'/' is unexpected",
    "2M * $depth": r"'M \* \$depth' is unexpected",
    "${depth} + 1": r"'\$\{depth\} \+ 1' is unexpected",
    "$depth.real": "'.real' is unexpected",
    "__import__('os')": "is unexpected",
    "$depth if 1": "'if 1' is unexpected",
    "1j * $depth": r"'j \* \$depth' is unexpected",
    "$": r"'\$' is unexpected",
    "(" * 50 + "$depth" + ")" * 50: "nested more than 20 deep; write",
    "-" * 100 + "$depth": "nested more than 20 deep",
    "1" + "**1" * 60: "nested more than 20 deep",
    "$depth" + " + 1" * 60: "an expression of 246 characters; write at most 200",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[text[:24] for text in REFUSED])
def test_evaluate_refuses(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(text, VALUES)


def test_an_undefined_variable_says_what_is_near() -> None:
    message = r"^\$widht is not defined; did you mean \$width \(defined: depth, width\)$"
    with pytest.raises(UndefinedVariable, match=message) as caught:
        evaluate("2 * $widht", {"depth": 1, "width": 2})
    assert caught.value.name == "widht"
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.name) == (str(caught.value), "widht")


def test_an_undefined_variable_among_none() -> None:
    with pytest.raises(UndefinedVariable, match=r"declare it under 'variables' \(defined: none\)"):
        evaluate("$a", {})


@pytest.mark.parametrize(
    ("value", "found"),
    [("2 * $a + $b_2", {"a", "b_2"}), ("$a*$a", {"a"}), ("plain", set()), ("$5", set()), (3, set()), (["$a"], set())],
    ids=lambda value: repr(sorted(value) if isinstance(value, set) else value),
)
def test_names(value: object, found: set[str]) -> None:
    assert names(value) == found


def test_fill() -> None:
    tree = {"stages": [{"block": "$block", "width": "2 * $width", "note": "2 * 3"}], "norm": "$norm", "lr": 0.1}
    problems: list[Problem] = []
    assert fill(tree, VALUES, (), problems) == {
        "stages": [{"block": "plain", "width": 48, "note": "2 * 3"}],
        "norm": {"kind": "batch"},
        "lr": 0.1,
    }
    assert not problems
    assert tree["norm"] == "$norm"


def test_fill_tells_every_mistake_with_its_path() -> None:
    problems: list[Problem] = []
    tree = {"stages": [{"width": "$widht"}, {"width": "$width / 0"}], "lr": 0.1}
    assert fill(tree, VALUES, (), problems) == {"stages": [{"width": UNKNOWN}, {"width": UNKNOWN}], "lr": 0.1}
    assert [problem.where for problem in problems] == [("stages", 0, "width"), ("stages", 1, "width")]
    assert "not defined" in problems[0].message


def test_order_puts_each_after_what_it_needs() -> None:
    derived = {"huge": "2 * $wide", "wide": "2 * $width", "both": "$huge + $wide", "one": "1"}
    found = order(derived, ["width"])
    assert sorted(found) == sorted(derived)
    assert found.index("wide") < found.index("huge") < found.index("both")


@pytest.mark.parametrize(
    ("derived", "message"),
    [
        ({"a": "$b", "b": "2 * $a"}, r"variables go in a circle: (a -> b -> a|b -> a -> b); give"),
        ({"a": "$b + $x", "b": "$c", "c": "$a"}, "a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"),
        ({"a": "$a"}, "circle: a -> a; give"),
        ({"a": "$widht"}, r"\$widht is not defined; did you mean \$width"),
    ],
    ids=["two", "three", "itself", "undefined"],
)
def test_order_refuses(derived: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        order(derived, ["width", "x"])


def random_expression(dice: random.Random, depth: int = 0) -> str:
    if depth > 3 or dice.random() < 0.25:
        return dice.choice(["1", "2", "7", "0.5", "1e-3", "$depth", "$rate", "$zero", "-3", "- $width"])
    left, right = random_expression(dice, depth + 1), random_expression(dice, depth + 1)
    space = dice.choice(["", " "])
    inner = f"{left}{space}{dice.choice(['+', '-', '*', '/', '//', '%', '**'])}{space}{right}"
    return dice.choice([inner, f"({inner})", f"-({inner})"])


def test_expressions_are_worth_what_python_says() -> None:
    dice, agreed = random.Random(2), 0
    for _ in range(3000):
        text = random_expression(dice)
        try:
            got = evaluate(text, VALUES)
        except ValueError:
            continue
        worth = eval(text.replace("$", ""), {}, VALUES)
        assert (got, type(got)) == (worth, type(worth)), text
        agreed += 1
    assert agreed > 1500


def test_nothing_but_a_value_error_comes_out_of_noise() -> None:
    dice, refused = random.Random(4), []
    for _ in range(5000):
        text = "".join(dice.choice("$ab() +-*/%.e0123 9\n") for _ in range(dice.randrange(30)))
        try:
            evaluate(text, {"a": 2, "b": 0.5})
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 1000
    assert all(refused)
