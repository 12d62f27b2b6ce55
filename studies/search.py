"""The search: proposals from the brain, each counted before it may be trained, and what the brain is told of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from studies import confirm
from studies.brain import Brain, Outcome
from studies.candidate import Candidate, Study, candidate, described, key
from studies.fingerprint import digest
from studies.seeds import derive
from studies.store import Writer, query

IDLE_PER_TRIAL = 50
"""Proposals that cannot be trained, for each trial of the budget, after which the search gives up."""
REPEATS_IN_A_ROW = 200
"""Repeats after which the space counts as exhausted."""

OUT_OF_MEMORY = {"memory_bytes": 1.0}
"""What is told of a network that did not fit into memory: a broken constraint, as far off as can be."""

Row = dict[str, Any]


class Search:
    """Proposes trials until the budget is spent, and keeps the brain informed. All it holds stands in the rows too.

    `trained` counts what `budget.trials` counts, trials under way included; `ended` says why it gave up, if it did.
    """

    def __init__(self, study: Study, writer: Writer) -> None:
        assert study.spec.search is not None
        self._study, self._writer = study, writer
        self._brain = Brain(study.space, study.spec.search, study.spec.seed)
        self._handles: dict[int, int] = {}  # trial id -> the brain's handle
        self._first: dict[str, Row] = {}  # identity -> the trial that is or was trained for it
        self._waiting: dict[int, list[Row]] = {}  # number of a trial under way -> its repeats
        self._seen: set[str] = set()  # assignments that were asked for
        self._idle = self._repeats = self.trained = 0
        self.ended: str | None = None
        rows = query.trials(writer.engine, writer.study_id, phase="search")
        by_number = {row["number"]: row for row in rows}
        for row in rows:
            self._recall(row, by_number)

    def propose(self) -> Row | None:
        """The next row to train, queued in the store; None when the budget is spent or nothing new can be found."""
        while self.ended is None and self.trained < self._study.spec.budget.trials:
            row = self._try()
            if row is not None:
                return row
            self.ended = self._why_give_up()
        return None

    def confirmation(self) -> list[Row]:
        """The finalists' replicates that are missing; once all have ended, the winner's, to read the test split."""
        spec, rows, new = self._study.spec, self._rows("confirm"), []
        for finalist in self._finalists():
            have = sum(row["cell"] == str(finalist["number"]) for row in rows)
            new += confirm.replicates(finalist, spec.confirm.replicates, spec.seed, have)
        if new:
            return self._writer.add_trials(new)
        won = confirm.winner(self._finalists(), rows, spec.objective.direction)
        return [row for row in confirm.of(won, rows) if row["test_metrics"] is None] if won else []

    def conclusion(self) -> Mapping[str, Any] | None:
        """The winner and what is known of it; None where no finalist completed a replicate."""
        confirmed, objective = self._rows("confirm"), self._study.spec.objective
        won = confirm.winner(self._finalists(), confirmed, objective.direction)
        return confirm.conclusion(won, confirmed, objective.target) if won else None

    def _finalists(self) -> list[Row]:
        spec = self._study.spec
        return confirm.finalists(self._rows("search"), spec.confirm.top, spec.objective.direction)

    def _rows(self, phase: str) -> list[Row]:
        return query.trials(self._writer.engine, self._writer.study_id, phase=phase)

    def finished(self, row: Row) -> None:
        """A trained trial has ended, and its row says how: tell the brain, and end its repeats with it.

        One that memory was too small for counts as one that could not be trained.
        """
        if row["state"] == "infeasible":
            self.trained, self._idle = self.trained - 1, self._idle + 1
        self._tell(row["id"], row)
        self._first[row["key"]] = row
        for repeat in self._waiting.pop(row["number"], []):
            self._end_repeat(repeat, row)

    def _try(self) -> Row | None:
        handle, assignment = self._brain.ask()
        self._seen.add(digest(assignment))
        proposal = candidate(self._study, assignment)
        fields = {**described(proposal), "phase": "search"}
        if proposal.violations:
            self._infeasible(handle, fields, proposal)
            return None
        seed = derive(self._study.spec.seed, "replicate", 0)
        fields |= {"seed": seed, "key": key(self._study, proposal, seed)}
        known = self._first.get(fields["key"])
        row = self._writer.add_trials([fields | {"repeat_of": known and known["number"]}])[0]
        self._handles[row["id"]] = handle
        if known is not None:
            self._repeats += 1
            self._repeat(row, known)
            return None
        self._first[row["key"]] = row
        self._repeats, self.trained = 0, self.trained + 1
        return row

    def _infeasible(self, handle: int, fields: Row, proposal: Candidate) -> None:
        told = {"brain": {"excess": proposal.excess}, "reason": proposal.reason}
        self._writer.add_trials([{**fields, **told, "seed": 0, "state": "infeasible", "finished_at": time.time()}])
        self._brain.tell(handle, "infeasible", excess=proposal.excess)
        self._idle += 1

    def _repeat(self, row: Row, known: Row) -> None:
        """The same network and seed again is not trained: it ends as the first did, at once or together with it."""
        if known["state"] in ("queued", "running"):
            self._waiting.setdefault(known["number"], []).append(row)
        else:
            self._end_repeat(row, known)

    def _end_repeat(self, row: Row, known: Row) -> None:
        told = {name: known[name] for name in ("value", "metrics", "failure_kind")}
        reason = f"the same network and seed as trial {known['number']}, whose result it takes"
        if known["state"] == "infeasible":
            told["brain"] = {"excess": OUT_OF_MEMORY}
        self._writer.finish_trial(row["id"], known["state"], reason=reason, repeat_of=known["number"], **told)
        self._tell(row["id"], known)

    def _tell(self, trial_id: int, ended: Row) -> None:
        excess = OUT_OF_MEMORY if ended["state"] == "infeasible" else {}
        self._brain.tell(self._handles.pop(trial_id), ended["state"], ended["value"], excess)

    def _recall(self, row: Row, by_number: dict[int, Row]) -> None:
        """Take in a row of an earlier run, in the order of asking."""
        self._seen.add(digest(row["assignment"]))
        under_way = row["state"] in ("queued", "running")
        state: Outcome = "running" if under_way else row["state"]
        excess = (row["brain"] or {}).get("excess", {})
        handle = self._brain.recall(row["assignment"], state, row["value"], excess)
        if under_way:
            self._handles[row["id"]] = handle
        if state == "infeasible":
            self._idle += 1
        elif row["repeat_of"] is not None:
            self._repeats += 1
        else:
            self._repeats, self.trained = 0, self.trained + 1
            self._first[row["key"]] = row
        if under_way and row["repeat_of"] is not None:
            self._repeat(row, by_number[row["repeat_of"]])

    def _why_give_up(self) -> str | None:
        exhausted = self._repeats >= REPEATS_IN_A_ROW or len(self._seen) == self._study.space.size
        if exhausted and self.trained:
            return f"the space holds no more than the {self.trained} networks that were found; widen a variable"
        if not exhausted and self._idle < IDLE_PER_TRIAL * self._study.spec.budget.trials:
            return None
        nearest = self._nearest_miss()
        return f"{self._idle} proposals could not be trained{nearest}; loosen a constraint or widen a variable"

    def _nearest_miss(self) -> str:
        rows = query.trials(
            self._writer.engine, self._writer.study_id, states=("infeasible",), columns=("number", "reason", "brain")
        )
        if not rows:
            return ""
        best = min(rows, key=lambda row: sum(row["brain"]["excess"].values()))
        return f", the nearest (trial {best['number']}) because {best['reason']}"
