"""Advice on the networks of a study, before any of them is trained: each kind once, with how many it concerns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from typing import Any

from searchspace.advice import advice
from searchspace.language.space import Assignment
from studies.candidate import Study, filled, network_of

LOOKED_AT = 60
"""At most so many networks are looked at; one takes about a millisecond."""


def advised(study: Study, assignments: Iterable[Assignment]) -> list[dict[str, Any]]:
    """A row for each kind: its first sentence and the assignment there, and `networks` of the `of` looked at."""
    found: dict[str, dict[str, Any]] = {}
    # A match turns widths to any number on purpose.
    matched = {"odd_width"} if study.spec.design and study.spec.design.match else set()
    looked_at = 0
    for assignment in islice(assignments, LOOKED_AT):
        looked_at += 1
        blueprint, recipe = filled(study.space, assignment, study.spec.task)
        network = network_of(study, assignment)
        kinds = set()
        for one in advice(network, batch=recipe.batch(study.facts.train), silence={*blueprint.silence, *matched}):
            row = found.setdefault(
                one.kind, {**asdict(one), "where": list(one.where), "assignment": assignment, "networks": 0}
            )
            row["networks"] += one.kind not in kinds
            kinds.add(one.kind)
    return [row | {"of": looked_at} for row in found.values()]
