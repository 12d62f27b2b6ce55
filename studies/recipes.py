"""What is wrong with a recipe that is sound by itself: it does not suit the task, or the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from searchspace.language.problems import Problem
from worker import metrics
from worker.datasource import DataFacts
from worker.recipe import Recipe, augmentation, check_balance, loss_name, metrics_of, stopping_metric


def recipe_problems(recipe: Recipe, task: str, facts: DataFacts | None = None) -> list[Problem]:
    """Each at the field that its sentence names first; `facts` are of the data, where they are known."""
    found = []
    for check in _checks(recipe, task, facts):
        try:
            check()
        except ValueError as error:
            field, _, sentence = str(error).partition(": ")
            path = (int(part) if part.isdigit() else part for part in field.split("."))
            found.append(Problem(("recipe", *path), sentence))
    return found


def _checks(recipe: Recipe, task: str, facts: DataFacts | None) -> Iterator[Callable[[], object]]:
    yield lambda: loss_name(recipe, task)
    yield lambda: check_balance(recipe, task)
    yield lambda: metrics_of(recipe, task)
    yield lambda: stopping_metric(recipe, task)
    if facts is None:
        return
    yield lambda: augmentation.check(recipe.augment or (), facts.shape, recipe.input, task, recipe.test_augment)
    yield lambda: _enough(recipe, facts)
    if task == "classification":
        yield lambda: metrics.check(task, recipe.metrics, facts.outputs)


def _enough(recipe: Recipe, facts: DataFacts) -> None:
    wanted = recipe.examples
    if isinstance(wanted, int) and facts.images and wanted > facts.train:
        raise ValueError(f"examples: {wanted:,} are wanted and the training part has {facts.train:,}; lower it")
    if isinstance(wanted, float) and facts.images and round(wanted * facts.train) < 2:
        raise ValueError(f"examples: {wanted:g} of {facts.train:,} are fewer than two; raise it")
