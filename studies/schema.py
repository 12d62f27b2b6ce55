"""The JSON schema of a study file, for editors that complete and check as one types."""

from __future__ import annotations

from typing import Any

from searchspace.blueprint import FIELDS, WORDS, Blueprint
from searchspace.language.patterns import RegNet
from studies.spec import StudySpec
from worker.recipe import Recipe

Schema = dict[str, Any]


def study_schema() -> Schema:
    """StudySpec's schema, with what Blueprint and Recipe say of the two templates; any value may be a `$variable`."""
    schema = StudySpec.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    for name, model in (("blueprint", Blueprint), ("recipe", Recipe)):
        part = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= {key: _open(one) for key, one in part.pop("$defs", {}).items()}
        schema["properties"][name] = _open(part)
    definitions["Variable"] = _VARIABLE
    _with_macros(schema["properties"], definitions)
    schema["properties"]["variables"] = {"type": "object", "additionalProperties": {"anyOf": [_VARIABLE, _SCALAR]}}
    one_question = [{"required": [name], "not": {"required": [other]}} for name, other in _QUESTIONS]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "oneOf": one_question}


_QUESTIONS = (("design", "search"), ("search", "design"))
_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_VARIABLE = {
    "description": "a domain: {choice: [...]}, {int: [low, high], step, log} or {float: [low, high], log}",
    "type": "object",
    "properties": {
        "choice": {"type": "array", "minItems": 1},
        "int": _PAIR,
        "float": _PAIR,
        "step": {"type": "integer", "minimum": 1},
        "log": {"type": "boolean"},
    },
    "additionalProperties": False,
}
_SCALAR = {"type": ["string", "number", "boolean", "null"], "description": "a constant, or an expression of variables"}
_REFERENCE = {"type": "string", "pattern": r"\$[A-Za-z_]", "description": "an expression such as 2 * $width"}
_ZOO = {
    "description": "a published network: archstudy describe zoo lists them",
    "type": "object",
    "properties": {
        "zoo": {"type": "string", "description": "its name, such as resnet18"},
        "width": {"description": "a factor for every number of channels"},
        "classes": {"description": "how many outputs it is for"},
    },
    "required": ["zoo"],
}
_OWN = {
    "description": "a word declared under blocks, or by a plug-in",
    "type": "object",
    "properties": {"block": {"type": "string", "not": {"enum": sorted(FIELDS)}}},
    "required": ["block"],
}
_BLOCKS = {
    "description": "words of this study: {name: {parameters: {...}, stages: [...]}}",
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {"parameters": {"type": "object"}, "stages": {"type": "array"}},
        "required": ["stages"],
        "additionalProperties": False,
    },
}


def _with_macros(properties: Schema, definitions: Schema) -> None:
    """The blueprint's macros: `zoo`, `defaults`, `blocks`, and stages that stand for several."""
    blueprint = properties["blueprint"]
    blueprint["properties"] |= {"defaults": {"type": "object"}, "blocks": _BLOCKS}
    properties["blueprint"] = {"anyOf": [blueprint, _ZOO]}
    names = [word.__name__ for word in WORDS]
    for name in names:
        stage = definitions[name]
        definitions[name] = {"description": stage.pop("description"), "anyOf": [stage, _pattern(stage)]}
    # Wherever a stage may stand, so may this one: with it, words that the schema cannot know.
    definitions[names[0]]["anyOf"].append(_OWN)
    definitions["RegNet"] = _open(RegNet.model_json_schema())


def _pattern(stage: Schema) -> Schema:
    """A stage with `count` or `family`: any field may be a list with one value for each stage."""
    fields = {
        name: one if name == "block" else {"anyOf": [one, {"type": "array", "items": one}]}
        for name, one in stage["properties"].items()
    }
    more = {"count": _varying({"type": "integer", "minimum": 0}), "family": {"$ref": "#/$defs/RegNet"}}
    either = [{"required": ["count"]}, {"required": ["family"]}]
    return {"type": "object", "properties": fields | more, "additionalProperties": False, "anyOf": either}


def _open(schema: Any) -> Any:
    """The schema with every property and item open to a reference or an inline domain as well.

    What `block: $block` will be is not known, so one of several models becomes any of them.
    """
    if isinstance(schema, list):
        return [_open(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    opened = {("anyOf" if key == "oneOf" else key): _open(one) for key, one in schema.items() if key != "discriminator"}
    if isinstance(schema.get("properties"), dict):
        opened["properties"] = {name: _varying(_open(one)) for name, one in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        opened["items"] = _varying(_open(schema["items"]))
    return opened


def _varying(schema: Schema) -> Schema:
    return {"anyOf": [schema, _REFERENCE, {"$ref": "#/$defs/Variable"}]}
