"""From an assignment to a network whose cost is known: the step that every cell and every proposal takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from searchspace.blueprint import Blueprint
from searchspace.canonical import fingerprint
from searchspace.core import Network
from searchspace.cost import Cost, Infeasible
from searchspace.language.constraints import Violation, parse, violations
from searchspace.language.origins import Expanded
from searchspace.language.problems import Path, Problem, SpecError
from searchspace.language.sentences import problems
from searchspace.language.space import Assignment, SearchSpace
from searchspace.lower import Realized, counted
from studies import tabular
from studies.fingerprint import digest
from studies.recipes import recipe_problems
from studies.spec import StudySpec
from worker import datasource
from worker.datasource import DataFacts
from worker.recipe import Recipe

Filled = TypeVar("Filled", Blueprint, Recipe)


@dataclass(frozen=True)
class Study:
    """A study that was read and found sound: its spec, its space, what is known of its data, and the file's text.

    `memo` keeps what is computed from these once, such as the cells of a design.
    """

    spec: StudySpec
    space: SearchSpace
    facts: DataFacts
    tree: Mapping[str, Any]
    text: str
    memo: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True)
class Candidate:
    """One filled-in blueprint and recipe. `network` and `cost` are None where no such network can exist.

    `excess` says by how much each constraint is broken (see `searchspace.language.constraints`); 1.0 for a network that
    cannot exist. Empty means feasible.
    """

    assignment: Assignment
    blueprint: dict[str, Any]
    recipe: dict[str, Any]
    network: Network | None
    cost: Cost | None
    violations: tuple[Violation, ...]

    @property
    def excess(self) -> dict[str, float]:
        """Each violated place or cost with its excess."""
        return {violation.where: violation.excess for violation in self.violations}

    @property
    def reason(self) -> str | None:
        """All violations in one line, or None."""
        return "; ".join(violation.message for violation in self.violations) or None


class Impossible(Infeasible):
    """A network that cannot exist, and the place in the study's file that is to blame.

    `told` is the reason at that place: it names the node where the file has no such stage.
    """

    def __init__(self, error: Infeasible, blueprint: Expanded) -> None:
        origin = blueprint.origin(_path(error))
        super().__init__(error.where, error.reason + origin.note)
        self.place: Path = ("blueprint", *origin.path)
        self.told = self.reason if origin.path == _path(error) else str(self)


def filled(
    space: SearchSpace, assignment: Assignment, task: str, facts: DataFacts | None = None
) -> tuple[Blueprint, Recipe]:
    """The blueprint and the recipe of an assignment for a task; a SpecError lists what is wrong with either.

    With `facts`, also what does not suit the data.
    """
    return _filled(space, assignment, task, facts)[:2]


def _filled(
    space: SearchSpace, assignment: Assignment, task: str, facts: DataFacts | None = None
) -> tuple[Blueprint, Recipe, Expanded]:
    """As `filled`, with where the blueprint's pieces come from."""
    resolved, found = space.attempt(assignment)
    blueprint = _validated(Blueprint, resolved["blueprint"], "blueprint", found)
    recipe = _validated(Recipe, resolved["recipe"], "recipe", found)
    found += recipe_problems(recipe, task, facts) if recipe else []
    if found or blueprint is None or recipe is None:
        raise SpecError(found)
    return blueprint, recipe, resolved["blueprint"]


def _validated(model: type[Filled], section: Expanded, name: str, found: list[Problem]) -> Filled | None:
    try:
        return model.model_validate(section.tree)
    except ValidationError as error:
        found += _in_file(section.told(problems(error, section.tree, model)), name)
        return None


def _in_file(found: list[Problem], section: str) -> list[Problem]:
    return [replace(one, where=(section, *one.where)) for one in found]


def network_of(study: Study, assignment: Assignment) -> Network:
    """The network of an assignment; `Impossible` if it cannot exist."""
    return counted_of(study, assignment)[0]


def counted_of(study: Study, assignment: Assignment) -> tuple[Network, Cost, Recipe]:
    """The network of an assignment, what it costs and how it is trained; `Impossible` if it cannot exist."""
    found, recipe = realized_of(study, assignment)
    return found.network, found.cost, recipe


def realized_of(study: Study, assignment: Assignment) -> tuple[Realized, Recipe]:
    """The network of an assignment with its layers and cost, and how it is trained."""
    blueprint, recipe, expanded = _filled(study.space, assignment, study.spec.task)
    return realized_at(study, blueprint, expanded), recipe


def realized_at(study: Study, blueprint: Blueprint, expanded: Expanded) -> Realized:
    """The network of a blueprint, its layers and cost; `Impossible` says where in the file, by its expansion."""
    try:
        return counted(blueprint, study.facts.shape, study.facts.outputs)
    except Infeasible as error:
        raise Impossible(error, expanded) from None


def _path(error: Infeasible) -> Path:
    """The path in the expanded blueprint of the node that cannot be: `stages.0.pool`."""
    return tuple(int(part) if part.isdigit() else part for part in error.where.split("."))


def place(error: Infeasible) -> Path:
    """Where in the study's file the node stands that cannot be: `stages.0.pool` is at `blueprint.stages.0.pool`."""
    return error.place if isinstance(error, Impossible) else ("blueprint", *_path(error))


def candidate(study: Study, assignment: Assignment) -> Candidate:
    """The candidate of an assignment, feasible or with the reasons why not."""
    blueprint, recipe = filled(study.space, assignment, study.spec.task)
    plain = (blueprint.model_dump(mode="json"), recipe.model_dump(mode="json", exclude_none=True))
    try:
        network, _, total = counted(blueprint, study.facts.shape, study.facts.outputs)
        total = tabular.costed(study.spec, study.space, assignment, total)
    except Infeasible as error:
        return Candidate(assignment, *plain, None, None, (Violation(error.where, str(error), 1.0),))
    rules = parse(study.spec.search.constraints) if study.spec.search else ()
    missing = tabular.absent(study.spec, study.space, assignment)
    return Candidate(assignment, *plain, network, total, (*violations(total, rules), *missing))


def key(study: Study, candidate: Candidate, seed: int) -> str:
    """The identity of a training: same network, recipe, data, task and seed, same result."""
    data = datasource.identity(study.tree["data"])
    network = fingerprint(candidate.network) if candidate.network else candidate.blueprint
    parts: list[Any] = [network, candidate.recipe, data, study.spec.task, seed]
    if study.spec.evaluate:  # where variables matter that the network may know nothing of
        parts += [study.spec.evaluate.digest, candidate.assignment]
    return digest(parts)


FURTHER = ("field", "depth", "train_macs", "units")
"""The costs that have no column of their own."""


def described(proposal: Candidate) -> dict[str, Any]:
    """The columns of a trial's row that say what it is and costs."""
    cost = proposal.cost
    return {
        "assignment": proposal.assignment,
        "blueprint": proposal.blueprint,
        "recipe": proposal.recipe,
        "params": cost and cost.params,
        "macs": cost and cost.macs,
        "activations": cost and cost.activations,
        "costs": cost and {name: getattr(cost, name) for name in FURTHER},
    }
