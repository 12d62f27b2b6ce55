"""What `archstudy describe` is asked of: a network of the zoo, of a YAML file, or of a stored study."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import Infeasible
from searchspace.language import yamlio
from searchspace.language.expand import attempt
from searchspace.language.problems import Problem, SpecError, nearest
from searchspace.language.sentences import at_keys, problems
from searchspace.language.space import Assignment, SearchSpace, label
from searchspace.language.variables import Choice
from searchspace.lower import checked, lower
from searchspace.zoo import files
from searchspace.zoo.files import Card
from studies import store
from studies.candidate import Impossible, Study, filled, network_of
from studies.commands.reading import found, found_trial, open_store
from studies.errors import NotFound
from studies.load import from_tree, load

ZOO = "zoo:"
INPUT, OUTPUTS = (1, 8, 8), 10
"""The input and the outputs of a blueprint on its own, where the command line says nothing: the digits'."""


@dataclass(frozen=True)
class Subject:
    """A network to be described, with what is known beside it; `batch` is that of its recipe."""

    title: str
    network: Network
    blueprint: Blueprint
    card: Card | None = None
    batch: int | None = None


def subject(arguments: argparse.Namespace) -> Subject:
    """The network that the command line names."""
    what: str = arguments.what
    if what.startswith(ZOO):
        return _published(what.removeprefix(ZOO), arguments)
    path = Path(what)
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        return _stored(arguments)
    if not path.exists():
        raise NotFound(f"there is no file {path}; give the path of a study's or a blueprint's YAML file")
    document = yamlio.read(path)
    if isinstance(document.data, dict) and {"stages", "zoo"} & {*document.data}:
        return _declared(document, document.data, arguments, _card(document.data))
    return _of_study(path, load(path), arguments.set)


def _card(tree: dict[str, Any]) -> Card | None:
    """The card of the network that a blueprint takes from the zoo, for its input and classes."""
    try:
        return files.card(tree["zoo"]) if isinstance(tree.get("zoo"), str) else None
    except ValueError:
        return None


def _published(name: str, arguments: argparse.Namespace) -> Subject:
    """A network of the zoo, with its parameters as `--set` says."""
    try:
        card = files.card(name)
    except ValueError as error:
        raise NotFound(str(error)) from None
    tree = {"zoo": name} | {key: yamlio.resolve(value) for key, value in map(_setting, arguments.set)}
    document = yamlio.Document(tree, {}, {}, f"{ZOO}{name}")
    return _declared(document, tree, arguments, card)


def _setting(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    if not name or not value:
        raise ValueError(f"--set {text!r} sets nothing; write NAME=VALUE")
    return name, value


def _declared(document: yamlio.Document, tree: Any, arguments: argparse.Namespace, card: Card | None) -> Subject:
    """A blueprint on its own, for the input and outputs of the command line, else those it was published for."""
    expanded, mistakes = attempt(tree, {})
    try:
        blueprint = Blueprint.model_validate(expanded.tree)
    except ValidationError as error:
        mistakes += expanded.told(problems(error, expanded.tree, Blueprint))
    if mistakes:
        raise yamlio.placed(document, mistakes, at_keys(mistakes))
    shape = _shape(arguments.input) if arguments.input else card.input if card else INPUT
    outputs = arguments.outputs or blueprint.classes or (card.classes if card else OUTPUTS)
    try:
        network = checked(lower(blueprint, shape, outputs), blueprint.strict_division)
    except Infeasible as error:
        impossible = Impossible(error, expanded)
        raise yamlio.placed(document, [Problem(impossible.place[1:], impossible.told)]) from None
    return Subject(document.file, network, blueprint, card, arguments.batch)


def _shape(text: str) -> tuple[int, ...]:
    try:
        shape = tuple(int(part) for part in text.split("x"))
        if not 2 <= len(shape) <= 4 or min(shape) < 1:
            raise ValueError
    except ValueError:
        raise ValueError(f"--input {text!r} is no shape; write channels x sizes, such as 3x32x32") from None
    return shape


def _stored(arguments: argparse.Namespace) -> Subject:
    engine: store.Engine = open_store()
    row = found(engine, arguments.what)
    number = arguments.trial if arguments.trial is not None else (row["conclusion"] or {}).get("trial", 0)
    trial = found_trial(engine, row, number)
    study = from_tree(row["spec"], row["yaml"])
    blueprint = Blueprint.model_validate(trial["blueprint"])
    network = lower(blueprint, study.facts.shape, study.facts.outputs)
    batch = arguments.batch or trial["recipe"].get("batch_size")
    return Subject(f"{row['name']}, trial {number}", network, blueprint, None, batch)


def _assigned(space: SearchSpace, settings: list[str]) -> Assignment:
    """The first value of every domain, or what is set; an option that is a section is named by its word or kind."""
    given: Assignment = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in space.names or not text:
            raise ValueError(f"--set {setting!r} sets no variable; write NAME=VALUE{nearest(name, space.names)}")
        domain = space[name].domain
        options = domain.options if isinstance(domain, Choice) else ()
        given[name] = next((one for one in options if label(one) == text), yamlio.resolve(text))
    assignment = space.completed(given)
    if unused := sorted(given.keys() - assignment.keys()):
        raise ValueError(
            f"--set {unused[0]} has no effect: it stands within an option that is not chosen; set that too"
        )
    return assignment


def _of_study(path: Path, study: Study, settings: list[str]) -> Subject:
    """The network of a study file with its variables at `--set`, or else at the first value of their domains."""
    assignment = _assigned(study.space, settings)
    try:
        network = network_of(study, assignment)
    except Impossible as error:
        raise SpecError([Problem(error.place, error.told)], str(path)) from None
    blueprint, recipe = filled(study.space, assignment, study.spec.task)
    return Subject(str(path), network, blueprint, None, recipe.batch_size)
