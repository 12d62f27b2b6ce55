"""The JSON schema of a study file, for editors that complete and check as one types.

It refuses nothing that is sound. What only loading can tell it lets pass: whether a word is declared, a `$variable`
fits where it stands, a required field comes from `defaults:`. Every field says what it means.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, get_args

from pydantic import BaseModel

from searchspace.blueprint import FIELDS, WORDS, Blueprint
from searchspace.language.bundled import BESIDE
from searchspace.language.patterns import MAX_COUNT, RegNet
from searchspace.language.stages import NESTED
from searchspace.words.raw import AnyNode
from searchspace.zoo import files
from studies.meanings import meaning, models
from studies.spec import StudySpec
from worker.recipe import Recipe
from worker.recipe.named import NAMED

Schema = dict[str, Any]

_VARYING = {"$ref": "#/$defs/Varying"}
_STAGES = {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Stage"}, _VARYING]}}
_NEVER_DEFAULT = ("block", *NESTED)
"""The fields of a stage that `defaults:` cannot give; every other one may be missing."""
_TAGGED = {"block": "Stage", "node": "Node"}
"""The unions that stand in many places, by the field that tells their members apart."""


def study_schema() -> Schema:
    """StudySpec's schema, with what Blueprint and Recipe say of the two templates; any value may be a `$variable`."""
    schema, definitions = _of(StudySpec)
    for name, model in (("blueprint", Blueprint), ("recipe", Recipe)):
        part, more = _of(model)
        definitions |= {key: _open(one) for key, one in more.items()}
        schema["properties"][name] = _open(part) | {"description": meaning(StudySpec, name)}
    schema["properties"]["recipe"] |= _like(schema["properties"]["recipe"])
    family, _ = _of(RegNet)
    definitions |= {"RegNet": _open(family), "Variable": _VARIABLE, "Varying": _ANY_VARYING, "OwnWord": _OWN}
    definitions["Node"] = {"description": "a layer of the core", "anyOf": _refs(get_args(get_args(AnyNode)[0]))}
    _with_macros(schema["properties"], definitions)
    domains = {"anyOf": [{"$ref": "#/$defs/Variable"}, _SCALAR]}
    schema["properties"]["variables"] |= {"type": "object", "additionalProperties": domains}
    draft = "https://json-schema.org/draft/2020-12/schema"
    schema["required"].remove("blueprint")
    return {"$schema": draft, **schema, "oneOf": _ONE_QUESTION, "anyOf": _A_NETWORK, "$defs": definitions}


def _like(recipe: Schema) -> Schema:
    """The recipe that another one may be like, which then has the epochs too."""
    names = _varying({"enum": sorted(NAMED)}) | {"description": "a published recipe, for all that is not written here"}
    either = [{"required": [name]} for name in ("epochs", "like")]
    return {"properties": recipe["properties"] | {"like": names}, "required": [], "anyOf": either}


_ONE_QUESTION = [{"required": [name], "properties": {name: {"type": "object"}}} for name in ("design", "search")]
_A_NETWORK = [{"required": [name]} for name in ("blueprint", "evaluate")]
_NUMBERS = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
_VARIABLE = {
    "description": "a domain: {choice: [...]}, {int: [low, high], step, log} or {float: [low, high], log}",
    "type": "object",
    "properties": {
        "choice": {"description": "the options, of any type", "type": "array", "minItems": 1},
        "int": {"description": "both ends of a range of whole numbers", **_NUMBERS},
        "float": {"description": "both ends of a range of real numbers", **_NUMBERS},
        "step": {"description": "from one whole number to the next", "type": "integer", "minimum": 1},
        "log": {"description": "whether to sample evenly on a log scale", "type": "boolean"},
    },
    "oneOf": [{"required": [name]} for name in ("choice", "int", "float")],
    "additionalProperties": False,
}
_SCALAR = {"type": ["string", "number", "boolean", "null"], "description": "a constant, or an expression of variables"}
_ANY_VARYING = {
    "description": "an expression such as 2 * $width, or a domain in place",
    "anyOf": [{"type": "string", "pattern": r"\$[A-Za-z_]"}, {"$ref": "#/$defs/Variable"}],
}
_OF_NO_WORD = {"not": {"enum": sorted(FIELDS)}}
_OWN = {
    "description": "a word declared under blocks, or by a plug-in, with its parameters",
    "type": "object",
    "properties": {
        "block": {
            "description": "the word",
            "anyOf": [
                {"type": "string", **_OF_NO_WORD},
                {"type": "array", "contains": _OF_NO_WORD},
                {
                    "type": "object",
                    "properties": {"choice": {"type": "array", "contains": _OF_NO_WORD}},
                    "required": ["choice"],
                },
            ],
        }
    },
    "required": ["block"],
}
_BLOCKS = {
    "description": "words of this study: {name: {parameters: {...}, stages: [...]}}",
    "type": "object",
    "additionalProperties": {
        "type": "object",
        "properties": {
            "parameters": {"description": "names and their defaults; null: must be given", "type": "object"},
            "stages": {"description": "what the word stands for", "anyOf": [_STAGES, _VARYING]},
        },
        "required": ["stages"],
        "additionalProperties": False,
    },
}


def _of(model: type[BaseModel]) -> tuple[Schema, dict[str, Schema]]:
    """A model's schema and those that it refers to, with the meaning of every field instead of a title."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    known = {one.__name__: one for one in models()}
    for name, one in {**definitions, model.__name__: schema}.items():
        one["description"] = " ".join(one["description"].split())
        for field, value in one["properties"].items():
            value.pop("title", None)
            value["description"] = meaning(known[name], field)
    return schema, definitions


# --- macros -----------------------------------------------------------------------------------------------------------


def _with_macros(properties: Schema, definitions: Schema) -> None:
    """The blueprint's macros: `zoo`, `defaults`, `blocks`, and stages that stand for several or are its own words."""
    blueprint = properties["blueprint"]
    blueprint["properties"] |= {"defaults": _varying(_defaults()), "blocks": _BLOCKS}
    description = blueprint.pop("description")
    properties["blueprint"] = {
        "description": description,
        "anyOf": [blueprint, _zoo(blueprint), _bundle(blueprint), {"$ref": "#/$defs/Variable"}],
    }
    for word in WORDS:
        name = word.__name__
        stage = definitions[name]
        stage["required"] = [field for field in stage["required"] if field in _NEVER_DEFAULT]
        definitions[name] = {"description": stage.pop("description"), "anyOf": [stage, _pattern(name, stage)]}
    either = [*_refs(WORDS), {"$ref": "#/$defs/OwnWord"}]
    definitions["Stage"] = {"description": "a stage, or with count or family several", "anyOf": either}


def _refs(models: Iterable[type[BaseModel]]) -> list[Schema]:
    return [{"$ref": f"#/$defs/{model.__name__}"} for model in models]


def _field(word: str, name: str) -> Schema:
    """A reference to a field of a word, as it is in a single stage."""
    return {"$ref": f"#/$defs/{word}/anyOf/0/properties/{name}"}


def _pattern(word: str, stage: Schema) -> Schema:
    """A stage with `count` or `family`: any field may be a list with one value for each stage."""
    fields: Schema = {}
    for name, value in stage["properties"].items():
        one = _field(word, name)
        many = [] if name in NESTED else [{"type": "array", "items": _text(name, one)}]
        fields[name] = {"description": value["description"], "anyOf": [one, *many]}
    fields["count"] = _varying({"type": "integer", "minimum": 0, "maximum": MAX_COUNT}) | {
        "description": "how many stages this stands for; lists have one value for each"
    }
    fields["family"] = _varying({"$ref": "#/$defs/RegNet"}) | {"description": "a rule that computes widths and depths"}
    either = [{"required": ["count"]}, {"required": ["family"]}]
    return {
        "type": "object",
        "properties": fields,
        "required": stage["required"],
        "additionalProperties": False,
        "anyOf": either,
    }


def _text(name: str, one: Schema) -> Schema:
    """An item of a pattern's list; of words, one beside this one may be any other."""
    return {"type": "string"} if name == "block" else one


def _defaults() -> Schema:
    """Every field that some word has, as any of these words takes it."""
    takers: dict[str, list[Schema]] = {}
    for word in WORDS:
        for name in word.model_fields:
            if name not in _NEVER_DEFAULT:
                takers.setdefault(name, []).append(_field(word.__name__, name))
    told = {name: f"for every {name} that a stage does not write itself" for name in takers}
    return {
        "description": "values for the fields that stages leave out",
        "type": "object",
        "properties": {name: {"description": told[name], "anyOf": refs} for name, refs in takers.items()},
        "additionalProperties": False,
    }


def _bundle(stages: Schema) -> Schema:
    """The network of a bundle, and what may stand beside its folder."""
    fields: Schema = {"bundle": {"description": "the folder of an exported network", "type": "string"}}
    fields |= {name: stages["properties"][name] for name in BESIDE}
    return {"type": "object", "properties": fields, "required": ["bundle"], "additionalProperties": False}


def _zoo(stages: Schema) -> Schema:
    """A network of the zoo, and what may stand beside its name: some fields are as in a blueprint of `stages`."""
    names = files.names()
    own = sorted({name for network in names for name in files.entry(network).parameters})
    beside = {
        "zoo": ("a published network: archstudy describe zoo lists them", _varying({"enum": names})),
        "width": ("a factor for every number of channels", _varying({"type": "number", "exclusiveMinimum": 0})),
        "classes": ("how many outputs it is for", _varying({"type": ["integer", "null"], "minimum": 1})),
        "head": (meaning(Blueprint, "head"), stages["properties"]["head"]),
        "silence": (meaning(Blueprint, "silence"), stages["properties"]["silence"]),
        "strict_division": (meaning(Blueprint, "strict_division"), stages["properties"]["strict_division"]),
    }
    fields: Schema = {name: {"description": "a parameter of some networks"} for name in own}
    fields |= {name: {**schema, "description": told} for name, (told, schema) in beside.items()}
    return {"type": "object", "properties": fields, "required": ["zoo"], "additionalProperties": False}


# --- what may vary ----------------------------------------------------------------------------------------------------


def _open(schema: Any) -> Any:
    """The schema with every value inside it open to a reference or an inline domain as well.

    What `kind: $kind` will be is not known, so one of several models becomes any of them.
    """
    if isinstance(schema, list):
        return [_open(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if tag := _TAGGED.get(schema.get("discriminator", {}).get("propertyName", "")):
        return {"$ref": f"#/$defs/{tag}"}
    opened = {
        "anyOf" if key == "oneOf" else key: _INSIDE[key](one) if key in _INSIDE else _open(one)
        for key, one in schema.items()
        if key != "discriminator"
    }
    return opened | ({"additionalProperties": False} if "patternProperties" in schema else {})


def _varying(schema: Schema) -> Schema:
    """The schema, or whatever varies; what a screen shows of it stays outside."""
    shown: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    rest = {key: value for key, value in schema.items() if key not in shown}
    either = rest["anyOf"] if rest.keys() == {"anyOf"} else [rest]
    return {**shown, "anyOf": [*either, _VARYING]}


def _one(schema: Any) -> Any:
    """The one schema of all values, which `additionalProperties: false` is not."""
    return _varying(_open(schema)) if isinstance(schema, dict) else schema


def _by_name(schemas: dict[str, Schema]) -> dict[str, Schema]:
    return {name: _one(schema) for name, schema in schemas.items()}


def _in_order(schemas: list[Schema]) -> list[Schema]:
    return [_one(schema) for schema in schemas]


_INSIDE: dict[str, Callable[[Any], Any]] = {
    "properties": _by_name,
    "patternProperties": _by_name,
    "additionalProperties": _one,
    "items": _one,
    "prefixItems": _in_order,
}
"""What holds the values inside a value, each of which may vary."""
