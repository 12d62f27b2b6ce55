"""What `archstudy describe` is asked of: a network of the zoo, of a YAML file, or of a stored study."""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import Infeasible
from searchspace.language import yamlio
from searchspace.language.bundled import unpacked
from searchspace.language.expand import attempt
from searchspace.language.problems import Problem, SpecError, nearest
from searchspace.language.sentences import at_keys, problems
from searchspace.language.space import Assignment, SearchSpace
from searchspace.language.variables import holds
from searchspace.lower import checked, lower, realized
from searchspace.zoo import files
from searchspace.zoo.files import Card
from studies import store
from studies.candidate import Impossible, Study, filled, network_of
from studies.commands.reading import found, found_trial, open_store
from studies.errors import NotFound
from studies.load import from_tree, load
from studies.starts import condition, meant, outside

ZOO = "zoo:"
INPUT, OUTPUTS = (1, 8, 8), 10
"""The input and the outputs of a blueprint on its own, where the command line says nothing: the digits'."""


STUDY_KEYS = {"apiVersion", "kind", "data", "blueprint", "search", "design", "recipe"}
"""What tells a study's file from a blueprint's."""
TAKES = {
    "zoo": "the list of the zoo takes only --json; write zoo:NAME for one of its networks",
    "network": "a network of the zoo is no trial; give the name of a study in the store",
    "blueprint": "a blueprint on its own has no variables and no trials; write the value into the file",
    "bundle": "a bundle holds one network without variables; leave it out",
    "study": "a study's file has its data's input and outputs, and no trials yet; leave it out",
    "stored": "a trial in the store has its values and its data's input and outputs; leave it out, or write --trial",
}
"""Why an option does not go with what is described."""


@dataclass(frozen=True)
class Subject:
    """A network to be described, with what is known beside it; `batch` is that of its recipe.

    `refused` says why a study would not train it, though it exists and can be counted.
    """

    title: str
    network: Network
    blueprint: Blueprint
    card: Card | None = None
    batch: int | None = None
    refused: str | None = None


def subject(arguments: argparse.Namespace) -> Subject:
    """The network that the command line names."""
    what: str = arguments.what
    named = [setting.partition("=")[0] for setting in arguments.set]
    if twice := [name for name in named if named.count(name) > 1]:
        raise ValueError(f"--set {twice[0]} stands twice; write it once")
    if what.startswith(ZOO):
        refuse(arguments, "network", "trial")
        return _published(what.removeprefix(ZOO), arguments)
    path = Path(what)
    if (path / "blueprint.yaml").is_file():
        refuse(arguments, "bundle", "trial", "set")
        return _bundled(path, arguments)
    if not path.exists() and path.suffix not in (".yaml", ".yml"):
        refuse(arguments, "stored", "set", "input", "outputs")
        return _stored(arguments)
    if not path.exists():
        raise NotFound(f"there is no file {path}; give the path of a study's or a blueprint's YAML file")
    document = yamlio.read(path)
    if isinstance(document.data, dict) and _is_blueprint({*document.data}):
        refuse(arguments, "blueprint", "trial", "set")
        return _declared(document, document.data, arguments, _card(document.data))
    refuse(arguments, "study", "trial", "input", "outputs")
    return _of_study(path, load(path), arguments)


def _bundled(folder: Path, arguments: argparse.Namespace) -> Subject:
    """The network of an exported bundle, for the input and outputs that its preprocess.json names."""
    document = yamlio.read(folder / "blueprint.yaml")
    told = folder / "preprocess.json"
    facts: dict[str, Any] = {}
    if told.is_file():
        try:
            facts = json.loads(told.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{told}: this is not JSON ({error}); export the network again") from None
    shape, outputs = facts.get("input", INPUT), facts.get("outputs", OUTPUTS)
    known = argparse.Namespace(**vars(arguments))
    known.input, known.outputs = arguments.input or "x".join(map(str, shape)), arguments.outputs or outputs
    found = _declared(document, document.data, known, None)
    return replace(found, title=str(folder))


def _is_blueprint(keys: set[str]) -> bool:
    """Whether a file is a blueprint on its own, also where one of its keys is misspelt."""
    return not keys & STUDY_KEYS or bool(keys & {"stages", "zoo"} and "apiVersion" not in keys)


def refuse(arguments: argparse.Namespace, what: str, *names: str) -> None:
    """A ValueError for an option that would do nothing."""
    for name in names:
        if getattr(arguments, name) not in (None, []):
            raise ValueError(f"--{name} does nothing here: {TAKES[what]}")


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
    parameters = dict(map(_setting, arguments.set))
    if "zoo" in parameters:
        raise ValueError(f"--set zoo={parameters['zoo']} is another network; write describe zoo:{parameters['zoo']}")
    tree = {"zoo": name} | parameters
    document = yamlio.Document(tree, {}, {}, f"{ZOO}{name}")
    return _declared(document, tree, arguments, card)


def _setting(setting: str) -> tuple[str, Any]:
    name, _, text = setting.partition("=")
    if not name or not text:
        raise ValueError(f"--set {setting!r} sets nothing; write NAME=VALUE")
    return name, _value(setting, text)


def _value(setting: str, text: str) -> Any:
    try:
        return yamlio.resolve(text)
    except ValueError as error:
        raise ValueError(f"--set {setting}: {error}") from None


def _declared(document: yamlio.Document, tree: Any, arguments: argparse.Namespace, card: Card | None) -> Subject:
    """A blueprint on its own, for the input and outputs of the command line, else those it was published for."""
    tree, unread = unpacked(tree, Path(document.file).resolve().parent)
    expanded, mistakes = attempt(tree, {})
    mistakes += unread
    try:
        blueprint = Blueprint.model_validate(expanded.tree)
    except ValidationError as error:
        mistakes += expanded.told(problems(error, expanded.tree, Blueprint))
    if mistakes:
        raise yamlio.placed(document, mistakes, at_keys(mistakes))
    shape = _shape(arguments.input) if arguments.input else card.input if card else INPUT
    outputs = arguments.outputs or blueprint.classes or (card.classes if card else OUTPUTS)
    try:
        network, refused = _counted(blueprint, shape, outputs)
    except Infeasible as error:
        impossible = Impossible(error, expanded)
        raise yamlio.placed(document, [Problem(impossible.place[1:], impossible.told)]) from None
    return Subject(document.file, network, blueprint, card, arguments.batch, refused)


def _counted(blueprint: Blueprint, shape: tuple[int, ...], outputs: int) -> tuple[Network, str | None]:
    """The network, which must exist, and why a study would refuse it: it may end in a map."""
    try:
        return realized(blueprint, shape, outputs), None
    except Infeasible as error:
        if error.where == "classes":
            raise
        network = checked(lower(blueprint, shape, outputs), blueprint.strict_division)
        return network, error.reason if error.where == "head" else str(error)


def _shape(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"[0-9]{1,9}(x[0-9]{1,9}){1,3}", text) or 0 in (shape := tuple(map(int, text.split("x")))):
        raise ValueError(f"--input {text!r} is no shape; write channels x sizes, such as 3x32x32")
    return shape


def _stored(arguments: argparse.Namespace) -> Subject:
    try:
        engine: store.Engine = open_store()
        row = found(engine, arguments.what)
    except (store.StoreError, NotFound):
        if _card({"zoo": arguments.what}) is None:
            raise
        raise NotFound(f"there is no study {arguments.what!r}, did you mean zoo:{arguments.what}?") from None
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
        named = meant(domain, text)
        given[name] = named if named is not text else meant(domain, _value(setting, text))
        if not holds(domain, given[name]):
            raise ValueError(f"--set {setting}: {outside(space[name], given[name])}")
    assignment = space.completed(given)
    for name in sorted(given.keys() - assignment.keys()):
        raise ValueError(f"--set {name} has no effect: it exists only with {condition(space, space[name])}; set that")
    return assignment


def _of_study(path: Path, study: Study, arguments: argparse.Namespace) -> Subject:
    """The network of a study file with its variables at `--set`, or else at the first value of their domains."""
    assignment = _assigned(study.space, arguments.set)
    try:
        network = network_of(study, assignment)
    except Impossible as error:
        raise SpecError([Problem(error.place, error.told)], str(path)) from None
    blueprint, recipe = filled(study.space, assignment, study.spec.task)
    return Subject(str(path), network, blueprint, None, arguments.batch or recipe.batch(study.facts.train))
