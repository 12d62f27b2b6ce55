"""`$name`: where a study says that something varies. A closed arithmetic over numbers and variables; no eval.

    sum     = product {("+" | "-") product}
    product = signed {("*" | "/" | "//" | "%") signed}
    signed  = ("+" | "-") signed | power
    power   = atom ["**" signed]
    atom    = number | $name | ["round"] "(" sum ")"

As in Python, `/` gives a float and `//` of two ints an int; ints stay ints, and floats stay floats even where whole.
`round(...)` gives the nearest whole number, of two equally near the even one.
"""

from __future__ import annotations

import difflib
import graphlib
import math
import operator
import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from numbers import Real
from typing import Any, cast

from searchspace.language.problems import UNKNOWN, Path, Problem

MAX_LENGTH = 200
MAX_DEPTH = 20
LONGEST = 100
"""The deepest place that an option of a choice is filled in at; only one that refers to itself gets there."""
LARGEST = 10**18
"""No number on the way may be larger; enough for any count of a network, too small to stall on."""
STAGE = "stage"
"""`$stage` is the number, from 0, of a stage in its pattern, or else in its list; no variable may be called so."""
DECLARE = "declare it under 'variables'"
"""The cure of a name that nobody declared."""

_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_TOKEN = re.compile(
    rf"\s*((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|{_NAME.pattern}|round(?![A-Za-z0-9_])|\*\*|//|[-+*/%()])"
)
_BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "**": operator.pow,
}


class UndefinedVariable(ValueError):
    """An expression refers to a variable that nobody declared."""

    def __init__(self, name: str, known: Collection[str]) -> None:
        super().__init__(name, tuple(known))
        self.name = name
        self.known = tuple(known)

    def __str__(self) -> str:
        if self.name == STAGE:
            return "$stage is defined inside a list of stages only, whose items it counts from 0; write a number here"
        close = difflib.get_close_matches(self.name, self.known, 1)
        hint = f"did you mean ${close[0]}" if close else DECLARE
        return f"${self.name} is not defined; {hint} (defined: {', '.join(self.known) or 'none'})"


class Circle(ValueError):
    """Derived variables that refer to each other in a circle."""

    def __init__(self, members: Collection[str]) -> None:
        super().__init__(tuple(members))
        self.members = tuple(members)

    def __str__(self) -> str:
        return f"variables go in a circle: {' -> '.join(self.members)}; give one of them a domain or a number"


def names(value: object) -> set[str]:
    """The variables that `value` refers to; only text refers to any."""
    return set(_NAME.findall(value)) if isinstance(value, str) else set()


def lone(text: str) -> str | None:
    """The variable that a text is nothing but a reference to."""
    alone = _NAME.fullmatch(text.strip())
    return alone[1] if alone else None


def evaluate(text: str, values: Mapping[str, Any]) -> Any:
    """What `text` is worth: a lone `$name` the variable's value of whatever type, anything else a number."""
    if alone := _NAME.fullmatch(text.strip()):
        return _lookup(alone[1], values)
    if len(text) > MAX_LENGTH:
        raise ValueError(f"an expression of {len(text)} characters; write at most {MAX_LENGTH}, or derive a variable")
    return _Parser(text, values).whole()


def fill(tree: Any, values: Mapping[str, Any], where: Path, problems: list[Problem]) -> Any:
    """`tree` (nested dicts and lists) with every text that has a `$` evaluated.

    Mistakes are added to `problems` and leave UNKNOWN; what refers to UNKNOWN is UNKNOWN too.
    """
    if isinstance(tree, dict):
        return {key: fill(item, values, (*where, key), problems) for key, item in tree.items()}
    if isinstance(tree, list):
        return [fill(item, values, (*where, index), problems) for index, item in enumerate(tree)]
    if not isinstance(tree, str) or "$" not in tree:
        return tree
    try:
        found = evaluate(tree, values)
        if not isinstance(found, dict | list):
            return found
        # An option of a choice, which may refer to what stands around it.
        if len(where) > LONGEST:
            raise ValueError(f"{tree} refers to itself; give one of the variables in that circle a value")
        return fill(found, values, where, problems)
    except ValueError as error:
        if not any(values.get(name) is UNKNOWN for name in names(tree)):
            problems.append(Problem(where, str(error)))
        return UNKNOWN


def order(derived: Mapping[str, str], free: Collection[str]) -> list[str]:
    """The derived variables, each after those it refers to."""
    known = [*free, *derived]
    for text in derived.values():
        for name in sorted(names(text).difference(known)):
            raise UndefinedVariable(name, known)
    graph = {name: sorted(names(text) & derived.keys()) for name, text in derived.items()}
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        raise Circle(error.args[1][::-1]) from None


def _lookup(name: str, values: Mapping[str, Any]) -> Any:
    if name not in values:
        raise UndefinedVariable(name, list(values))
    return values[name]


class _Parser:
    """Precedence climbing that computes as it reads."""

    def __init__(self, text: str, values: Mapping[str, Any]) -> None:
        self.text = text
        self.values = values
        self.tokens = list(_split(text))
        self.depth = 0

    def whole(self) -> int | float:
        result = self.sum()
        if self.tokens:
            raise self.error(f"{self.tokens[0]!r} is unexpected")
        return result

    def sum(self) -> int | float:
        return self._chain(self.product, "+", "-")

    def product(self) -> int | float:
        return self._chain(self.signed, "*", "/", "//", "%")

    def signed(self) -> int | float:
        """Every recursion comes through here, so this bounds its depth."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"nested more than {MAX_DEPTH} deep")
        sign = self.take() if self.peek() in ("+", "-") else ""
        number = self.signed() if sign else self.power()
        self.depth -= 1
        return -number if sign == "-" else number

    def power(self) -> int | float:
        base = self.atom()
        if self.peek() != "**":
            return base
        return self.apply(self.take(), base, self.signed())

    def atom(self) -> int | float:
        token = self.take()
        if token == "(":
            inner = self.sum()
            if self.take() != ")":
                raise self.error("a ')' is missing")
            return inner
        if token == "round":
            if self.peek() != "(":
                raise self.error("a '(' is missing after round")
            return round(self.atom())
        if token.startswith("$"):
            return self.variable(token[1:])
        if token and token[0] in "0123456789.":
            return self.checked(int(token) if token.isdigit() else float(token))
        raise self.error(f"{token!r} is unexpected" if token else "it ends too early")

    def variable(self, name: str) -> int | float:
        value = _lookup(name, self.values)
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(f"cannot compute {self.text!r}: ${name} is {value!r}; only numbers can be computed with")
        return self.checked(cast(float, value))

    def apply(self, sign: str, left: float, right: float) -> int | float:
        if (right == 0 and sign in ("/", "//", "%")) or (sign == "**" and left == 0 and right < 0):
            raise ValueError(f"cannot compute {self.text!r}: it divides by zero; change it or the variable's domain")
        if sign == "**" and left < 0 and right != int(right):
            raise ValueError(f"cannot compute {self.text!r}: a root of a negative number; change the exponent")
        if sign == "**" and left and right * math.log2(abs(left)) > LARGEST.bit_length():
            return self.checked(math.inf)
        return self.checked(_BINARY[sign](left, right))

    def checked(self, number: int | float) -> int | float:
        if not abs(number) <= LARGEST:
            raise ValueError(f"cannot compute {self.text!r}: a number on the way is beyond 1e18; make it smaller")
        return number

    def error(self, what: str) -> ValueError:
        return _unreadable(self.text, what)

    def peek(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self) -> str:
        return self.tokens.pop(0) if self.tokens else ""

    def _chain(self, operand: Callable[[], int | float], *signs: str) -> int | float:
        """Operands joined by `signs`, from the left."""
        left = operand()
        while self.peek() in signs:
            left = self.apply(self.take(), left, operand())
        return left


@lru_cache(maxsize=4_096)
def _split(text: str) -> tuple[str, ...]:
    """The tokens of an expression."""
    tokens, end = [], 0
    stripped = text.rstrip()
    while end < len(stripped):
        match = _TOKEN.match(stripped, end)
        if not match:
            raise _unreadable(text, f"{stripped[end:].strip()!r} is unexpected")
        tokens.append(match[1])
        end = match.end()
    return tuple(tokens)


def _unreadable(text: str, what: str) -> ValueError:
    return ValueError(f"cannot read {text!r}: {what}; write numbers, $name, + - * / // % ** and parentheses")
