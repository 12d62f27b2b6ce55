"""Pydantic's findings in our words: where, what it got, and the cure."""

from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, ValidationError, model_validator

from searchspace.blueprint import Blueprint, Spec
from searchspace.language.problems import UNKNOWN, FieldError, nearest, shown
from searchspace.language.sentences import problems


class Cat(Spec):
    kind: Literal["cat"]
    lives: Annotated[int, Field(ge=1, le=9)] = 9


class Dog(Spec):
    kind: Literal["dog"]
    tricks: list[str] = []
    age: Annotated[float, Field(gt=0)] = 1.0


class House(Spec):
    name: str
    open: bool = True
    pets: Annotated[list[Annotated[Cat | Dog, Field(discriminator="kind")]], Field(max_length=2)] = []
    color: Literal["red", "blue"] = "red"
    cat: Cat | None = None
    rooms: dict[str, Cat] = {}
    code: Annotated[str, Field(pattern="^[0-9]+$")] = "1"

    also: ClassVar[tuple[str, ...]] = ("garden",)

    @model_validator(mode="after")
    def _blue(self) -> "House":
        if self.color == "blue" and not self.open:
            raise FieldError("open", "a blue house is open; write open: true")
        return self


def told(tree: Any, model: type[Spec] = House) -> list[str]:
    with pytest.raises(ValidationError, match="validation error") as caught:
        model.model_validate(tree)
    return [f"{'.'.join(map(str, one.where))}: {one.message}" for one in problems(caught.value, tree, model, ("h",))]


SENTENCES: dict[str, tuple[Any, list[str]]] = {
    "missing": ({}, ["h: 'name' is missing; add it"]),
    "typo": ({"name": "x", "pet": []}, ["h.pet: unknown field 'pet', did you mean 'pets'?"]),
    "typo of what is missing": ({"nam": "x"}, ["h.nam: unknown field 'nam', did you mean 'name'?"]),
    "nothing near": (
        {"name": "x", "q": 1},
        ["h.q: unknown field 'q'; known here: name, open, pets, color, cat, rooms, code, garden"],
    ),
    "text": ({"name": 3}, ["h.name: got 3; write text, in quotes where it looks like a number"]),
    "bool": ({"name": "x", "open": "yes"}, ["h.open: got 'yes'; write true or false"]),
    "literal": ({"name": "x", "color": "bleu"}, ["h.color: got 'bleu'; write 'red' or 'blue'"]),
    "nothing": ({"name": None}, ["h.name: got nothing; write text, in quotes where it looks like a number"]),
    "list": ({"name": "x", "pets": "cat"}, ["h.pets: got 'cat'; write a list [a, b]"]),
    "too many": ({"name": "x", "pets": [{"kind": "cat"}] * 3}, ["write at most 2"]),
    "mapping": ({"name": "x", "cat": "tom"}, ["h.cat: got 'tom'; write a mapping with kind, lives"]),
    "tag": (
        {"name": "x", "pets": [{"kind": "dgo"}]},
        ["h.pets.0.kind: unknown kind 'dgo', did you mean 'dog'?"],
    ),
    "a tag and more": (
        {"name": "x", "pets": [{"kind": "dgo", "age": 0, "trick": []}]},
        ["unknown kind 'dgo', did", "h.pets.0.age: got 0; write a number above 0", "'trick', did you mean 'tricks'?"],
    ),
    "a tag like none, and what no tag allows": (
        {"name": "x", "pets": [{"kind": "q", "lives": 3, "wings": 2}]},
        ["unknown kind 'q'; known here: cat, dog", "h.pets.0.wings: unknown field 'wings'"],
    ),
    "a tag under a misspelt key": ({"name": "x", "pets": [{"kidn": "cat"}]}, ["0.kidn: unknown field 'kidn', did you"]),
    "what else is wrong there": (
        {"name": "x", "pets": [{"kidn": "cat", "lifes": 3}, {"kidn": "cow"}]},
        [
            "h.pets.0.kidn: unknown field 'kidn', did you mean 'kind'?",
            "h.pets.1.kidn: unknown field 'kidn', did you mean 'kind'?",
            "h.pets.0.lifes: unknown field 'lifes', did you mean 'lives'?",
            "h.pets.1.kind: unknown kind 'cow'; known here: cat, dog",
        ],
    ),
    "a tag that is no text": (
        {"name": "x", "pets": [{"kind": None}]},
        ["got nothing, which is no kind; known here: cat"],
    ),
    "in a mapping": (
        {"name": "x", "rooms": {"hall": {"kind": "cat", "lifes": 3}}},
        ["h.rooms.hall.lifes: unknown field 'lifes', did you mean 'lives'?"],
    ),
    "a pattern": ({"name": "x", "code": "ab"}, ["h.code: got 'ab'; write text that fits ^[0-9]+$"]),
    "what may stand beside the fields": ({"name": "x", "gardn": 1}, ["unknown field 'gardn', did you mean 'garden'?"]),
    "no tag": ({"name": "x", "pets": [{}]}, ["h.pets.0: 'kind' is missing; add it"]),
    "in a tagged one": (
        {"name": "x", "pets": [{"kind": "cat", "lifes": 3}, {"kind": "dog", "lifes": 3}]},
        [
            "h.pets.0.lifes: unknown field 'lifes', did you mean 'lives'?",
            "unknown field 'lifes'; known here: kind, tricks",
        ],
    ),
    "limits": (
        {"name": "x", "cat": {"kind": "cat", "lives": 10}, "pets": [{"kind": "cat", "lives": 0}]},
        ["h.pets.0.lives: got 0; write at least 1", "h.cat.lives: got 10; write at most 9"],
    ),
    "above": ({"name": "x", "pets": [{"kind": "dog", "age": 0}]}, ["got 0; write a number above 0"]),
    "whole": ({"name": "x", "cat": {"kind": "cat", "lives": 2.5}}, ["got 2.5; write a whole number"]),
    "quoted": ({"name": "x", "cat": {"kind": "cat", "lives": "2"}}, ["got '2'; remove the quotes, so that it is a"]),
    "at a field": ({"name": "x", "open": False, "color": "blue"}, ["h.open: a blue house is open; write open: true"]),
    "long": ({"name": ["x" * 99]}, ["xxx...; write text"]),
}


@pytest.mark.parametrize(("tree", "lines"), SENTENCES.values(), ids=SENTENCES)
def test_sentences(tree: Any, lines: list[str]) -> None:
    found = told(tree)
    assert len(found) == len(lines), found
    assert all(part in line for line, part in zip(found, lines, strict=True)), found


def stages(**fields: Any) -> dict[str, Any]:
    return {"stages": [{"block": "plain", "width": 4, **fields}]}


def test_the_branch_that_looked_deeper_tells() -> None:
    assert told(stages(kernel=[3, "x"]), Blueprint) == ["h.stages.0.kernel.1: got 'x'; write a whole number"]
    assert told(stages(kernel="x"), Blueprint) == ["h.stages.0.kernel: got 'x'; write a whole number"]
    assert told(stages(padding=-1), Blueprint) == ["h.stages.0.padding: got -1; write at least 0"]
    assert told(stages(padding=[[-1, 0], 0]), Blueprint) == ["h.stages.0.padding.0.0: got -1; write at least 0"]


def test_what_is_unknown_is_no_mistake() -> None:
    assert told(stages(width=UNKNOWN, kernel=0), Blueprint) == ["h.stages.0.kernel: got 0; write at least 1"]
    assert told({"stages": [{"block": UNKNOWN, "width": 4}]}, Blueprint) == []


def test_nearest_and_shown() -> None:
    assert nearest("trails", ["trials", "hours"]) == ", did you mean 'trials'?"
    assert nearest("x", []) == "; known here: none"
    assert [shown(value) for value in (None, True, "a", [1])] == ["nothing", "true", "'a'", "[1]"]
    assert len(shown("a" * 1000)) == 60
