"""What a study will do, before it does it: how many networks, how many impossible and why, what they cost."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from studies.advising import advised
from studies.candidate import Candidate, Study, candidate
from studies.design.cells import every_cell
from studies.design.plan import facts as design_facts
from studies.noise import UNKNOWN, Known
from studies.seeds import derive

DRAWN = 500
"""Random proposals that stand for a space too large to be counted whole."""


def plan(study: Study, known: Known = UNKNOWN) -> dict[str, Any]:
    """Plain facts; `archstudy plan --json` prints them and `screens.plan` words them.

    `known` is what earlier trials tell of noise and time.
    """
    facts = {
        "name": study.spec.name,
        "about": study.spec.about,
        "data": {
            "source": study.spec.data.source,
            "input": list(study.facts.shape),
            "outputs": study.facts.outputs,
            "images": study.facts.images,
            "notes": list(study.facts.notes),
        },
        "objective": study.spec.objective.target,
    }
    return facts | (_search(study) if study.spec.search else _design(study, known))


def _design(study: Study, known: Known) -> dict[str, Any]:
    possible = (cell.assignment for cell in every_cell(study) if not cell.reason)
    return design_facts(study, known) | {"advice": advised(study, possible)}


def _search(study: Study) -> dict[str, Any]:
    drawn = _draw(study)
    feasible = [one for one in drawn if not one.violations]
    reasons = Counter(violation.where for one in drawn for violation in one.violations)
    confirm = study.spec.confirm
    return {
        "kind": "search",
        "size": study.space.size,
        "drawn": len(drawn),
        "feasible": len(feasible),
        "reasons": dict(reasons.most_common()),
        "costs": {name: _quartiles(feasible, name) for name in ("macs", "params")},
        "trials": study.spec.budget.trials,
        "confirming": confirm.top * confirm.replicates,
        "parallel": study.spec.budget.parallel or 1,
        "advice": advised(study, (one.assignment for one in feasible)),
    }


def _draw(study: Study) -> list[Candidate]:
    generator = random.Random(derive(study.spec.seed, "plan"))
    return [candidate(study, study.space.sample(generator)) for _ in range(DRAWN)]


def _quartiles(feasible: list[Candidate], name: str) -> list[int]:
    """Least, quartiles and most of a cost over the feasible proposals."""
    values = sorted(getattr(one.cost, name) for one in feasible)
    return [values[round(part * (len(values) - 1) / 4)] for part in range(5)] if values else []
