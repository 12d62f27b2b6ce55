"""The JSON schema of a study file, for editors that complete and check as one types."""

from __future__ import annotations

from typing import Any

from searchspace.blueprint import Blueprint
from studies.spec import StudySpec
from worker.recipe import Recipe


def study_schema() -> dict[str, Any]:
    """StudySpec's schema, with what Blueprint and Recipe say of the two templates; any value may be a `$variable`."""
    schema = StudySpec.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    for name, model in (("blueprint", Blueprint), ("recipe", Recipe)):
        part = model.model_json_schema(ref_template="#/$defs/{model}")
        definitions |= {key: _open(one) for key, one in part.pop("$defs", {}).items()}
        schema["properties"][name] = _open(part)
    definitions["Variable"] = _VARIABLE
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


def _varying(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, _REFERENCE, {"$ref": "#/$defs/Variable"}]}
