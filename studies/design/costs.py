"""What a design can hold: counted costs of a network, and those that its recipe has a part in."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from searchspace.blueprint import Blueprint
from searchspace.core import Network
from searchspace.cost import Cost, Infeasible
from searchspace.language.origins import Expanded
from searchspace.language.problems import SpecError, dotted
from searchspace.language.space import BLUEPRINT, Assignment
from searchspace.lower import Realized
from searchspace.memory import memory, remembered
from studies.candidate import Study, realized_at, realized_of
from worker.recipe import Recipe

OF_NETWORK = ("macs", "params", "activations", "field")
OF_TRAINING = ("memory", "train_macs")
"""What the recipe has a part in: its batch and optimizer, its epochs and examples."""
MEASURED = ("latency",)


class Counted(NamedTuple):
    """A network with its cost and the values of the costs that were asked for, by name."""

    network: Network
    cost: Cost
    held: dict[str, float]


def counted(study: Study, assignment: Assignment, names: Collection[str]) -> Counted:
    """The counted costs of these names; `Infeasible` where no such network can exist or be trained so."""
    try:
        made, recipe = _made(study, assignment, names)
    except SpecError as error:
        first = error.problems[0]
        raise Infeasible(dotted(first.where[1:] or first.where), first.message) from None
    return Counted(made.network, made.cost, {name: _value(study, name, made, recipe) for name in names})


def _made(study: Study, assignment: Assignment, names: Collection[str]) -> tuple[Realized, Recipe | None]:
    """The recipe is read only where a cost needs it: that takes as long as all the rest."""
    if set(names) & set(OF_TRAINING) or not names:
        return realized_of(study, assignment)
    expanded = blueprint_at(study, assignment)
    try:
        blueprint = Blueprint.model_validate(expanded.tree)
    except ValueError:
        return realized_of(study, assignment)  # which says what is wrong
    return realized_at(study, blueprint, expanded), None


def blueprint_at(study: Study, assignment: Assignment) -> Expanded:
    """The blueprint's template with the assignment filled in; a SpecError where it cannot be."""
    sections, found = study.space.attempt(assignment, (BLUEPRINT,))
    if found:
        raise SpecError(found)
    return sections[BLUEPRINT]


def _value(study: Study, name: str, made: Realized, recipe: Recipe | None) -> float:
    if recipe is None or name in OF_NETWORK:
        return float(getattr(made.cost, name))
    if name == "train_macs":
        return float(made.cost.train_macs * _examples(study, recipe) * recipe.epochs)
    kind = remembered(recipe.optimizer.kind, getattr(recipe.optimizer, "momentum", 0.0))
    if kind is None:
        cure = "hold another cost or choose another optimizer"
        raise Infeasible("match", f"the memory that {recipe.optimizer.kind} needs is not counted; {cure}")
    parts = recipe.accumulate if isinstance(recipe.accumulate, int) else 1
    return float(memory(made.network, _batch(study, recipe), kind, parts=parts, layers=made.layers).train_peak)


def _batch(study: Study, recipe: Recipe) -> int:
    """The examples of a step: no more than there are, where that is known."""
    if recipe.batch_size == "all":
        return _examples(study, recipe)
    return min(recipe.batch_size, _examples(study, recipe)) if study.facts.train else recipe.batch_size


def _examples(study: Study, recipe: Recipe) -> int:
    """How many examples the recipe trains on."""
    whole = study.facts.train
    if isinstance(recipe.examples, int):
        return recipe.examples
    if not whole:
        raise Infeasible("match", "how many examples there are to train on is not known here; write recipe.examples")
    return whole if recipe.examples is None else max(1, round(recipe.examples * whole))
