"""Every field of a study file says what it means, in few words; and the reference has a place for every section."""

import re
from pathlib import Path

import jsonschema
import pytest
from pydantic import BaseModel

from searchspace.advice import KINDS
from searchspace.blueprint import FIELDS as WORDS
from searchspace.cost import COUNTED
from searchspace.language import yamlio
from searchspace.language.yamldump import dump
from studies.load import load
from studies.meanings import BLUEPRINT, MEANINGS, NODES, QUESTIONS, SECTIONS, STUDY, TRAINING, key, meaning, models
from studies.schema import study_schema
from studies.spec import StudySpec

ROOT = Path(__file__).parents[1]
ANY = """apiVersion: archstudy/v1
kind: Study
name: any
data: {source: digits}
blueprint: {stages: [{block: plain, width: 8}]}
search: {}
recipe: {epochs: 1}
"""
SPEC = (ROOT / "docs/spec.md").read_text(encoding="utf-8")
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


def anchors() -> list[str]:
    """The names of the headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", SPEC, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles]


def test_every_link_inside_the_reference_leads_to_one_heading() -> None:
    links = set(re.findall(r"\]\(#([^)]+)\)", SPEC))
    assert len(links) > 50
    assert {link: anchors().count(link) for link in links if anchors().count(link) != 1} == {}


@pytest.mark.parametrize("name", [*KINDS, *WORDS, "apiVersion", "$stage", *COUNTED])
def test_the_reference_has_every_word_every_advice_and_every_cost(name: str) -> None:
    assert f"`{name}`" in SPEC


@pytest.mark.parametrize("text", re.findall(r"^```yaml\n(.*?)^```$", SPEC, re.MULTILINE | re.DOTALL))
def test_the_examples_of_the_reference_are_sound(text: str, tmp_path: Path) -> None:
    """Each is one or more sections of a study, or what may stand under `blueprint`."""
    given = yamlio.load(text, "spec.md").data
    sections = given if given.keys() <= StudySpec.model_fields.keys() else {"blueprint": {"stages": [], **given}}
    study = yamlio.load(ANY, "any.yaml").data | sections
    jsonschema.validate(study, study_schema())
    file = tmp_path / "study.yaml"
    file.write_text(dump(study), encoding="utf-8")
    assert load(file).spec.name == "any"
