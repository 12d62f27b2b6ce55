"""Every field of a study file says what it means, in few words; and the reference has a place for every section."""

import re

import pytest
from pydantic import BaseModel

from studies.meanings import BLUEPRINT, MEANINGS, NODES, QUESTIONS, SECTIONS, STUDY, TRAINING, key, meaning, models

MODELS = models()
FIELDS = [(model, field) for model in MODELS for field in model.model_fields]
every_field = pytest.mark.parametrize(
    ("model", "field"), FIELDS, ids=[f"{one.__name__}.{name}" for one, name in FIELDS]
)


@every_field
def test_every_field_says_what_it_means(model: type[BaseModel], field: str) -> None:
    told = meaning(model, field)
    assert 1 < len(told.split()) <= 12, told
    assert field.lower() not in re.findall(r"[a-z_0-9]+", told.lower()), "it explains the name by the name"
    assert told[-1] not in ".;,"


def test_no_meaning_is_unused_and_none_hides_another() -> None:
    assert {key(model, field) for model, field in FIELDS} == set(MEANINGS)
    assert len(MEANINGS) == sum(map(len, (STUDY, QUESTIONS, BLUEPRINT, SECTIONS, NODES, TRAINING)))


def test_a_field_is_known_by_its_model_first() -> None:
    by_name = {model.__name__: model for model in MODELS}
    assert key(by_name["RawPool"], "kind") == "PoolSpec.kind"
    assert key(by_name["RawConv"], "kernel") == "kernel"
    assert meaning(by_name["PlainStage"], "repeat") != meaning(by_name["DenseStage"], "repeat")
