"""The brain: Optuna in memory, told everything from our rows. The only home of optuna.

Each ask uses a sampler seeded from (study seed, number of the ask), so a study that is rebuilt from its rows proposes
what it would have proposed. Proposals that break a constraint are told as such, never as failures: told as failures
they would teach the sampler nothing, and it would go on proposing them. The first objective alone steers: told of
the others too, TPE spends the budget along the whole frontier, and on the digits its best network was worse than
random sampling's. The frontier is read from the rows all the same.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from searchspace.language.space import Assignment, SearchSpace
from searchspace.language.variables import Choice, Domain, IntRange
from studies.seeds import derive
from studies.spec import SearchSpec
from studies.starts import assigned

Outcome = Literal["complete", "pruned", "failed", "infeasible", "running"]
_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "infeasible": TrialState.PRUNED,
    "running": TrialState.RUNNING,
}


class Brain:
    """Asks and tells for one study. Handles are Optuna's trial numbers: the order of asking."""

    def __init__(self, space: SearchSpace, search: SearchSpec, seed: int) -> None:
        optuna.logging.set_verbosity(logging.WARNING)
        self._space = space
        self._sampler = search.sampler
        self._start = [assigned(space, one) for one in search.start or []]
        self._seed = seed
        self._live: dict[int, optuna.Trial] = {}
        self._distributions = {one.name: _distribution(one.domain) for one in space.variables}
        self._study = optuna.create_study(
            direction=search.objectives[0].direction,
            sampler=optuna.samplers.RandomSampler(seed=0),
            pruner=optuna.pruners.NopPruner(),
        )

    def recall(self, assignment: Assignment, outcome: Outcome, value: float | None, excess: Mapping[str, float]) -> int:
        """Take in the next trial of an earlier run, in the order in which they were asked; its handle."""
        self._study.add_trial(
            create_trial(
                state=_STATES[outcome],
                value=value if outcome == "complete" else None,
                params={name: self._inward(name, value) for name, value in assignment.items()},
                distributions={name: self._distributions[name] for name in assignment},
                constraints=dict(excess),
            )
        )
        return len(self._study.get_trials(deepcopy=False)) - 1

    def ask(self) -> tuple[int, Assignment]:
        """The next proposal and its handle: the assignments that the study starts with, then the sampler's."""
        number = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = self._seeded(number)
        if number < len(self._start):
            fixed = {name: self._inward(name, value) for name, value in self._start[number].items()}
            self._study.enqueue_trial(fixed)
        trial = self._study.ask()
        self._live[trial.number] = trial
        assignment: Assignment = {}
        for variable in self._space.variables:
            if self._space.exists(variable, assignment):
                inward = _suggested(trial, variable.name, self._distributions[variable.name])
                assignment[variable.name] = self._outward(variable.name, inward)
        return trial.number, assignment

    def tell(self, handle: int, outcome: Outcome, value: float | None = None, excess: Mapping[str, float] = {}) -> None:
        """How a proposal ended: the first objective's value when complete, the broken constraints when infeasible."""
        trial = self._live.pop(handle, None) or self._running(handle)
        for name, over in excess.items():
            trial.set_constraint(name, over)
        self._study.tell(
            handle, value if outcome == "complete" else None, state=_STATES[outcome], skip_if_finished=True
        )

    def _running(self, handle: int) -> optuna.trial.Trial:
        """One that an earlier run asked for."""
        return optuna.trial.Trial(self._study, self._study.get_trials(deepcopy=False)[handle]._trial_id)

    def _seeded(self, number: int) -> optuna.samplers.BaseSampler:
        seed = derive(self._seed, "ask", number)
        if self._sampler == "random":
            return optuna.samplers.RandomSampler(seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)

    def _inward(self, name: str, value: Any) -> Any:
        """An option of a choice by its position, which Optuna can hold whatever the option is."""
        domain = self._space[name].domain
        return domain.options.index(value) if isinstance(domain, Choice) else value

    def _outward(self, name: str, value: Any) -> Any:
        domain = self._space[name].domain
        return domain.options[value] if isinstance(domain, Choice) else value


def _suggested(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(
            name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
        )
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)


def _distribution(domain: Domain) -> BaseDistribution:
    """Numbers that rise are sampled by their order (learned faster than as categories), other options freely."""
    if isinstance(domain, Choice):
        last = len(domain.options) - 1
        return IntDistribution(0, last) if domain.ordered else CategoricalDistribution(range(last + 1))
    if isinstance(domain, IntRange):
        high = domain.values()[-1]
        return IntDistribution(domain.low, high, log=domain.log, step=domain.step)
    return FloatDistribution(domain.low, domain.high, log=domain.log)
