"""The study as the user writes it: one frozen model per section, every field named. Templates stay open here.

`blueprint` and `recipe` may hold `$variables`, so they are plain trees in this model; they become a Blueprint and a
Recipe each time that a cell or a proposal fills them in.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from searchspace.blueprint import Spec
from searchspace.language.problems import FieldError
from studies.design.spec import DesignSpec
from studies.fields import Bound, Name
from worker.datasource import DataSpec
from worker.measure import MeasureSpec


def _version(version: Any) -> Any:
    if isinstance(version, str) and re.fullmatch(r"archstudy/v[0-9]+", version) and version not in VERSIONS:
        known = " and ".join(VERSIONS)
        raise ValueError(f"this archstudy reads {known}; install a newer one for {version}, or write {VERSIONS[-1]}")
    return version


_Version = Literal["archstudy/v1"]
VERSIONS: tuple[str, ...] = get_args(_Version)
"""The versions of the language that are read, the newest last.

Within one, sound files stay sound and keep their meaning and fingerprint; docs/spec.md has the rule.
"""
Version = Annotated[_Version, BeforeValidator(_version)]
TEMPLATES = ("blueprint", "recipe")
"""The sections that may hold `$variables`."""

BaselineName = Literal["majority", "logistic", "mlp", "hog_svm"]


class Objective(Spec):
    """`{maximize: val_accuracy}` or `{minimize: macs}`: a metric of the task or a counted cost."""

    maximize: str | None = None
    minimize: str | None = None

    @model_validator(mode="after")
    def _one(self) -> Objective:
        if (self.maximize is None) == (self.minimize is None):
            raise ValueError("an objective names one thing; write {maximize: val_accuracy} or {minimize: macs}")
        return self

    @property
    def target(self) -> str:
        """The metric's or cost's name."""
        return self.maximize or self.minimize or ""

    @property
    def direction(self) -> Literal["maximize", "minimize"]:
        """Which way is better."""
        return "maximize" if self.maximize else "minimize"


class AshaPruner(Spec):
    """Asynchronous successive halving (Li et al. 2020): at epochs min, min * eta, ... only the best 1/eta go on."""

    kind: Literal["asha"]
    min_epochs: Annotated[int, Field(ge=1)] = 1
    eta: Annotated[int, Field(ge=2)] = 3


class NoPruner(Spec):
    """Every trial runs to its last epoch."""

    kind: Literal["none"] = "none"


class SearchSpec(Spec):
    """How to look for the best network. `start` lists assignments that are tried first (warm starts).

    An assignment need not name every variable; the sampler chooses the others.
    """

    sampler: Literal["tpe", "random"] = "tpe"
    objectives: Annotated[list[Objective], Field(min_length=1, max_length=3)] = [Objective(maximize="val_accuracy")]
    constraints: dict[str, Bound] = {}
    pruner: Annotated[AshaPruner | NoPruner, Field(discriminator="kind")] = NoPruner()
    start: Annotated[list[dict[str, Any]], Field(max_length=1_000)] | None = None


class BudgetSpec(Spec):
    """`trials` counts trained trials; `hours` is the conductor's time summed over its runs.

    `parallel` is how many trials run at a time: by default one in a search, so that it can be repeated, and as many
    as there is room for in a design study, whose trials do not depend on each other.
    """

    trials: Annotated[int, Field(ge=1)] = 50
    hours: Annotated[float, Field(gt=0)] | None = None
    parallel: Annotated[int, Field(ge=1)] | None = None
    max_failed: Annotated[int, Field(ge=0)] | None = None


class ConfirmSpec(Spec):
    """The best `top` of a search are trained again, on `replicates` fresh seeds each."""

    top: Annotated[int, Field(ge=1)] = 3
    replicates: Annotated[int, Field(ge=2)] = 3


class ResourcesSpec(Spec):
    """What one trial takes, and the least seconds between two of its checkpoints.

    `together` allows so many replicates of a network to be trained in the same steps, where a short calibration finds
    that faster; their numbers then agree with those of single training to rounding.
    """

    cpus: Annotated[int, Field(ge=1)] = 1
    gpus: Annotated[float, Field(ge=0)] = 0.0
    checkpoint_seconds: Annotated[float, Field(ge=0)] = 2.0
    timeout_seconds: Annotated[float, Field(gt=0)] | None = None
    together: Annotated[int, Field(ge=1, le=64)] = 1


class EvaluateSpec(Spec):
    """Where results come from, instead of training: a table (CSV or parquet) of variables, seeds and metrics.

    One line for each assignment and seed, or for each of their epochs where there is a column `epoch`.
    """

    table: str
    digest: str | None = None


def one_question(design: Any, search: Any) -> None:
    """A FieldError unless exactly one of the two sections is there."""
    if design is not None and search is not None:
        raise FieldError("search", "a study has either design: or search:, and this one has both; make two files of it")
    if design is None and search is None:
        raise FieldError("design", "a study needs design: (a comparison) or search: (for the best network); add one")


class StudySpec(Spec):
    """A whole study file."""

    apiVersion: Version  # noqa: N815 (as the file spells it)
    kind: Literal["Study"]
    name: Name
    about: str = ""
    data: DataSpec
    task: Literal["classification", "regression"] = "classification"
    variables: dict[str, Any] = {}
    blueprint: dict[str, Any]
    design: DesignSpec | None = None
    search: SearchSpec | None = None
    budget: BudgetSpec = BudgetSpec()
    confirm: ConfirmSpec = ConfirmSpec()
    recipe: dict[str, Any] = {}
    resources: ResourcesSpec = ResourcesSpec()
    measure: MeasureSpec = MeasureSpec()
    baselines: list[BaselineName] = []
    evaluate: EvaluateSpec | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    @model_validator(mode="after")
    def _one_question(self) -> StudySpec:
        one_question(self.design, self.search)
        return self

    @property
    def declared(self) -> dict[str, Any]:
        """The variables, with those that `design.tune` alone declares by listing their settings."""
        tuned = (self.design and self.design.tune) or {}
        return {
            **self.variables,
            **{name: {"choice": one} for name, one in tuned.items() if name not in self.variables},
        }

    @property
    def objective(self) -> Objective:
        """The first objective: it ranks, prunes and picks the winner. A design study's is the task's own metric."""
        return self.search.objectives[0] if self.search else self.usual

    @property
    def usual(self) -> Objective:
        """The task's own metric on the validation part."""
        return Objective(maximize="val_accuracy") if self.task == "classification" else Objective(minimize="val_mae")
