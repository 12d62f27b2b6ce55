"""The conductor: one per study. It hands out jobs, takes in epochs, decides, and writes every step down first.

It knows nothing of processes: a driver (`inline`, `tune`) asks `next` for a job, reports its epochs and its end.
Whatever it holds can be rebuilt from the rows, so that any run may end anywhere.
"""

from __future__ import annotations

import math
import shutil
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from studies.candidate import Study
from studies.design.rows import new_rows
from studies.jobs import baseline_job, folder_of, job_of, mates_of, written
from studies.pruner import goes_on, is_rung
from studies.search import OUT_OF_MEMORY, Row, Search
from studies.spec import AshaPruner
from studies.store import Engine, Writer, query
from worker.job import EpochMetrics, FailureKind, Job

ATTEMPTS = 3
"""How often a run starts a trial before the loss of its worker counts as its failure."""


class Pause(Enum):
    """What `next` answers when there is no job: ask again after the next report, or never again."""

    WAIT = "wait"
    DONE = "done"


class Conductor:
    """Hands out jobs and decides, for one run of one study. `on_change` is called after every step."""

    def __init__(
        self,
        study: Study,
        writer: Writer,
        files: Path,
        on_change: Callable[[], None] = lambda: None,
        pilot: bool = False,
    ) -> None:
        self.study, self._writer, self.files, self.on_change, self._pilot = study, writer, files, on_change, pilot
        row = query.find_study(writer.engine, study.spec.name)
        assert row is not None
        self._began, self._spent = time.monotonic(), row["conductor_seconds"]
        self._search = Search(study, writer) if study.spec.search else None
        self._live: dict[int, Row] = {}
        self._fitting: set[int] = set()  # the numbers of baselines under way
        self._baselines = deque(name for name in study.spec.baselines if name not in (row["baselines"] or {}))
        self._jobs: dict[int, Job] = {}
        self._last: dict[int, EpochMetrics] = {}
        self._notes: dict[int, str] = {}
        self._standing: dict[int, int] = {}  # trial -> its first epoch on which nobody has decided yet
        self._losses: Counter[int] = Counter()  # of workers, in this run: when the conductor dies, no trial is to blame
        self.failed_trials = 0
        self.stopped: str | None = None
        self.paused = False
        self.outcome: Mapping[str, Any] | None = None
        self._queue: deque[Row] = deque()
        self._take_up()

    # ---- handing out -------------------------------------------------------------------------------------------

    def next(self) -> Job | Pause:
        """The next job; WAIT while only reports can bring one; DONE when the study is at its end or must stop."""
        self._check_limits()
        if self._baselines and not self.stopped:
            job = baseline_job(self.study, self._baselines.popleft(), self.files)
            self._fitting.add(job.trial)
            return job
        row = None if self.stopped else self._next_row()
        if row is None:
            return Pause.WAIT if self.busy else Pause.DONE
        mates = [] if _for_test(row) else mates_of(row, self._queue, self.study.spec.resources.together)
        for one in (row, *mates):
            self._live[one["id"]] = one
            if not _for_test(one):
                one["attempts"] = self._writer.start_trial(one["id"], {})
                one["state"] = "running"
        self.on_change()
        job = job_of(self.study, row, self.files, "test" if _for_test(row) else "train", mates)
        self._jobs[job.trial] = job
        return job

    def _next_row(self) -> Row | None:
        if self._queue:
            return self._queue.popleft()
        if self._search and (row := self._search.propose()):
            return row
        if self._live or self._fitting:
            return None
        self._queue.extend(self._search.confirmation() if self._search else self._new_design_rows())
        if self._queue:
            return self._queue.popleft()
        self._conclude()
        return None

    def _take_up(self) -> None:
        """Everything that an earlier run left waiting or under way is queued again, in its old order."""
        engine, study_id = self._writer.engine, self._writer.study_id
        rows = query.trials(engine, study_id, states=("queued", "running"))
        self._writer.requeue(row["id"] for row in rows if row["state"] == "running")
        epochs = query.epochs(engine, study_id, [row["id"] for row in rows])
        self._standing = {one["trial_id"]: one["epoch"] for one in epochs}
        self._queue.extend(row for row in rows if row["repeat_of"] is None)
        ended = query.trials(engine, study_id, states=("pruned", "failed"), columns=("id", "state", "repeat_of"))
        self.failed_trials = sum(row["state"] == "failed" and row["repeat_of"] is None for row in ended)
        for row in ended:
            shutil.rmtree(folder_of(self.files, row["id"]), ignore_errors=True)
        self._writer.set_study_state("running")

    def _check_limits(self) -> None:
        budget = self.study.spec.budget
        if budget.max_failed is not None and self.failed_trials > budget.max_failed:
            self.stopped = f"{self.failed_trials} trials failed and budget.max_failed is {budget.max_failed}"
        if budget.hours is not None and self.seconds() > 3600 * budget.hours:
            self.paused = True
            spent = f"the budget of {budget.hours:g} hours is spent; raise budget.hours and run it again to go on"
            if self._search:
                self._search.ended = self._search.ended or spent  # what was found so far is confirmed all the same
            else:
                self.stopped = spent

    def seconds(self) -> float:
        """The conductor's time over all runs of this study."""
        return float(self._spent) + time.monotonic() - self._began

    def run_seconds(self) -> float:
        """The conductor's time in this run."""
        return time.monotonic() - self._began

    # ---- taking in ---------------------------------------------------------------------------------------------

    def report(self, job: Job, told: EpochMetrics, place: Mapping[str, Any] | None = None) -> bool:
        """Write an epoch down, then decide whether its trial goes on."""
        if job.mode == "baseline":
            self._fitted(job, told)
            return True
        row = self._live[_trial(job, told)]
        value = self._value(told.metrics)
        with self._writer.begin() as connection:
            if place:
                for trial in (job.trial, *(mate.trial for mate in job.mates)):
                    self._writer.set_place(trial, place, connection=connection)
            written = (row["id"], told.epoch, told.metrics, value, told.train_seconds, row["attempts"])
            wrote = self._writer.write_epoch(*written, connection=connection)
            if wrote == "different":
                self._writer.replace_epochs(row["id"], told.epoch, connection=connection)
                self._writer.write_epoch(*written, connection=connection)
                self._standing.pop(row["id"], None)
                self._notes[row["id"]] = f"its epochs from {told.epoch} on came out otherwise when it went on"
        self._last[row["id"]] = told
        self.on_change()
        if told.epoch < self._standing.get(row["id"], 0) or self._passes(row, told.epoch, value):
            return True
        self._end(row, "pruned")
        del self._jobs[job.trial]
        return False

    def _fitted(self, job: Job, told: EpochMetrics) -> None:
        """A baseline came to its end: it stands in the study's row."""
        seconds = {"train_seconds": told.train_seconds}
        self._writer.set_baseline(job.recipe["baseline"], {"metrics": told.metrics, **seconds, **(told.measured or {})})

    def _passes(self, row: Row, epoch: int, value: float | None) -> bool:
        pruner = self.study.spec.search.pruner if self.study.spec.search else None
        if row["phase"] != "search" or not isinstance(pruner, AshaPruner) or value is None:
            return True
        if not is_rung(pruner, epoch, row["recipe"]["epochs"]):
            return True
        rung = query.rung(self._writer.engine, self._writer.study_id, epoch)
        return goes_on(value, rung, pruner.eta, self.study.spec.objective.direction)

    def finished(self, job: Job) -> None:
        """A job's trials came to the end of their recipe (nothing happens for those that ended before)."""
        for row in self._ended(job):
            last = self._last.get(row["id"])
            if last and self._value(last.metrics) is not None:
                self._end(row, "complete")
                continue
            metric = self.study.spec.objective.target
            self._failed(row, "diverged", f"{metric} is no finite number after the last epoch; lower optimizer.lr")

    def failed(
        self, job: Job, kind: FailureKind, reason: str, details: str | None = None, trial: int | None = None
    ) -> None:
        """A job ended without a result, or (`trial`) one of its replicates did while its mates go on.

        `details` (a traceback) is too long for a row: it becomes a file that the reason names.
        """
        if job.mode == "baseline":
            self._fitting.discard(job.trial)
            self._writer.set_baseline(job.recipe["baseline"], {"reason": reason})
            return
        for row in [self._live[trial]] if trial is not None else self._ended(job):
            self._failed(row, kind, reason, details)

    def _ended(self, job: Job) -> list[Row]:
        """The trials of a job that is over which have not ended yet."""
        self._fitting.discard(job.trial)
        self._jobs.pop(job.trial, None)
        trials = (job.trial, *(mate.trial for mate in job.mates))
        return [self._live[trial] for trial in trials if trial in self._live]

    def _failed(self, row: Row, kind: FailureKind, reason: str, details: str | None = None) -> None:
        """A lost worker's trial starts again from its checkpoint; one that memory is too small for is infeasible."""
        self._losses[row["id"]] += kind == "worker_lost"
        if kind == "worker_lost" and self._losses[row["id"]] < ATTEMPTS:
            self._writer.requeue([row["id"]])
            del self._live[row["id"]]
            if last := self._last.get(row["id"]):
                self._standing[row["id"]] = max(self._standing.get(row["id"], 0), last.epoch + 1)
            self._queue.append(row)
            return
        if _for_test(row):
            self.stopped = f"the test split could not be read with trial {row['number']}: {reason}"
            del self._live[row["id"]]
            return
        if details:
            reason += f" (see {written(self.files, self.study.spec.name, row['number'], details)})"
        if kind == "out_of_memory":
            self._end(row, "infeasible", kind, reason)
            return
        self.failed_trials += 1
        self._end(row, "failed", kind, reason)

    def tested(self, job: Job, metrics: Mapping[str, float]) -> None:
        """The test split was read with a trial's weights."""
        row = self._live.pop(job.trial)
        self._jobs.pop(job.trial, None)
        self._writer.set_test_metrics(job.trial, metrics)
        row["test_metrics"] = dict(metrics)
        self.on_change()

    def _end(self, row: Row, state: str, kind: str | None = None, reason: str | None = None) -> None:
        last = self._last.pop(row["id"], None)
        metrics, measured = self._counting(row, last)
        reason = reason or self._notes.pop(row["id"], None)
        ended: Row = {"value": self._value(metrics or {}), "metrics": metrics, "failure_kind": kind, "reason": reason}
        brain = {"excess": OUT_OF_MEMORY} if state == "infeasible" else None
        self._writer.finish_trial(row["id"], state, brain=brain, measured=measured, **ended)
        row.update(ended, state=state)
        del self._live[row["id"]]
        if self._search and row["phase"] == "search":
            self._search.finished(row)
        if state != "complete":
            shutil.rmtree(folder_of(self.files, row["id"]), ignore_errors=True)
        self.on_change()

    def _counting(self, row: Row, last: EpochMetrics | None) -> tuple[Row | None, Row | None]:
        """The metrics that stand for a trial, its last epoch's or (under early stopping) its best one's; and the rest.

        The weights that are kept are those of the same epoch.
        """
        if last is None:
            return None, None
        best = (last.measured or {}).get("best_epoch", last.epoch)
        if best == last.epoch:
            return dict(last.metrics), last.measured
        epochs = query.epochs(self.engine, self.study_id, [row["id"]])
        return next(one["metrics"] for one in epochs if one["epoch"] == best), last.measured

    def _value(self, metrics: Mapping[str, float]) -> float | None:
        value = metrics.get(self.study.spec.objective.target)
        return value if value is not None and math.isfinite(value) else None

    # ---- what comes after --------------------------------------------------------------------------------------

    def _new_design_rows(self) -> list[Row]:
        """The rows that come next: tuning, then every (cell, replicate), then what their spread calls for."""
        while new := new_rows(self.study, query.analysed(self.engine, self.study_id), self._pilot):
            if queued := [row for row in self._writer.add_trials(new) if row["state"] == "queued"]:
                return queued
        return []

    def _conclude(self) -> None:
        if self._pilot:
            self.paused = True
            self.stopped = "the pilot is done: `archstudy plan` says what it tells, and running the study goes on"
            return
        if self._search is None:
            if query.trials(self.engine, self.study_id, "design", ("complete",), ("id",)):
                self.outcome = {"kind": "design"}
            else:
                self.stopped = f"no trial was completed, so there is nothing to compare{self._why()}"
            return
        self.outcome = self._search.conclusion()
        if self.outcome is None:
            self.stopped = f"no trial was completed, so there is no winner{self._why()}"

    def _why(self) -> str:
        """The commonest reason of trials without a result, else why the search gave up."""
        told = query.commonest_failure(self.engine, self.study_id) or (self._search and self._search.ended)
        return f": {told}" if told else ""

    @property
    def note(self) -> str | None:
        """Why the study ended as it did, where that needs saying."""
        return self.stopped or (self._search.ended if self._search else None)

    # ---- looking on --------------------------------------------------------------------------------------------

    @property
    def engine(self) -> Engine:
        """The store."""
        return self._writer.engine

    @property
    def study_id(self) -> int:
        """The study's row."""
        return self._writer.study_id

    @property
    def live(self) -> list[Row]:
        """The trials under way."""
        return list(self._live.values())

    @property
    def busy(self) -> int:
        """How many jobs are under way."""
        return len(self._jobs) + len(self._fitting)


def _trial(job: Job, told: EpochMetrics) -> int:
    """Whose epoch it is."""
    return job.trial if told.trial is None else told.trial


def _for_test(row: Row) -> bool:
    return bool(row["state"] == "complete")
