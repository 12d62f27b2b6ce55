"""The driver with Ray Tune: trials on every core, GPU and machine of a Ray cluster. The only home of ray here.

Tune places trials, keeps their processes alive for the next ones and tells of lost ones; what to train and when to
stop is the conductor's. `suggest` hands Tune the conductor's jobs, the scheduler hands the conductor what came back.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections import deque
from contextlib import redirect_stdout
from dataclasses import asdict
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from studies.conductor import Conductor, Pause
from worker.job import EpochMetrics, Job
from worker.trainable import Trial

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "1000000000",
    "TUNE_RESULT_BUFFER_LENGTH": "0",
    "TUNE_WARN_THRESHOLD_S": "1000000000",
    "RAY_AIR_NEW_OUTPUT": "0",
}
"""Read by Ray in this process and in the local one: no usage reports, no change of folder, no files of Tune's."""
QUIET = logging.CRITICAL
"""Tune logs the traceback of every lost worker as an error; the trial's row says it in a sentence."""


class _Bridge:
    """What the searcher and the scheduler share: the conductor, and which job each of Tune's trials is."""

    def __init__(self, conductor: Conductor, slots: int, config: dict[str, Any]) -> None:
        self.conductor, self.slots, self.config = conductor, slots, config
        self.jobs: dict[str, Job] = {}
        self.error: Exception | None = None

    def next(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of Tune's next trial, None to wait, or Tune's word for the end."""
        if self.error:
            return str(Searcher.FINISHED)
        if self.conductor.busy >= self.slots:
            return None
        job = self.conductor.next()
        if not isinstance(job, Job):
            return None if job is Pause.WAIT else str(Searcher.FINISHED)
        self.jobs[trial_id] = job
        return {"job": asdict(job), **self.config}

    def result(self, trial_id: str, told: dict[str, Any]) -> str:
        """Hand one result (flat, as Tune has it) to the conductor; whether the trial goes on."""
        job = self.jobs[trial_id]
        if "epoch" in told:
            measured = json.loads(told["measured"]) if "measured" in told else None
            metrics, seconds = _under("metrics", told), told["train_seconds"]
            epoch = EpochMetrics(told["epoch"], metrics, seconds, told.get("trial"), measured)
            place = {name: told[name] for name in ("host", "pid", "device")} if "device" in told else None
            going = self.conductor.report(job, epoch, place)
            return TrialScheduler.CONTINUE if going else TrialScheduler.STOP
        if "lost" in told:
            self.conductor.failed(job, told["kind"], told["reason"], trial=told["lost"])
        elif tested := _under("test_metrics", told):
            self.conductor.tested(job, tested)
        elif "failure" in told:
            self.conductor.failed(job, told["failure"], told["reason"], told.get("traceback"))
        elif told.get("finished"):
            self.conductor.finished(job)
        return TrialScheduler.CONTINUE

    def lost(self, trial_id: str) -> None:
        """The process of a trial is gone."""
        self.conductor.failed(self.jobs[trial_id], "worker_lost", "its worker process ended without a word")


def _under(name: str, flat: dict[str, Any]) -> dict[str, Any]:
    """What stands under `name/` in a flat result."""
    return {key.removeprefix(f"{name}/"): value for key, value in flat.items() if key.startswith(f"{name}/")}


def _kept(method: Any) -> Any:
    """An error of the conductor must end the run and reach its caller: Tune would wrap or swallow it."""

    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            return method(self, *arguments, **named)
        except Exception as error:
            self.bridge.error = self.bridge.error or error
            return Searcher.FINISHED if method.__name__ == "suggest" else TrialScheduler.STOP

    return wrapped


class _Searcher(Searcher):
    """Asks the conductor. Tune pickles searchers to save them: there is nothing of ours to save."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()
        self.bridge = bridge

    @_kept
    def suggest(self, trial_id: str) -> Any:
        return self.bridge.next(trial_id)

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        """The scheduler has heard of it already."""

    def save(self, checkpoint_path: str) -> None:
        """Nothing: SQL is the memory."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: SQL is the memory."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Scheduler(FIFOScheduler):
    """Tells the conductor. A last result (`done`) reaches `on_trial_complete` alone."""

    def __init__(self, bridge: _Bridge) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bridge = bridge
        self._new: deque[Any] = deque()

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        self._new.append(trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """A new trial takes a free process. Given to one that waits for its own to start, it would end that one."""
        return self._new.popleft() if self._new else None

    @_kept
    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return self.bridge.result(trial.trial_id, result)

    @_kept
    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        if "epoch" not in result:  # one that was stopped comes with its last epoch again
            self.bridge.result(trial.trial_id, result)

    @_kept
    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        self.bridge.lost(trial.trial_id)

    def __getstate__(self) -> dict[str, Any]:
        return {}


def drive(conductor: Conductor, **config: Any) -> None:
    """Run the study to its end on the cluster of RAY_ADDRESS, or on a local Ray that ends with it.

    `config` goes to the trainable beside the job (`trainer`, `evaluator`: dotted names, for tests and benchmarks).
    """
    os.environ.update({name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()})
    logging.getLogger("ray").setLevel(QUIET)
    ours = not ray.is_initialized()
    with redirect_stdout(sys.stderr):  # Ray prints what its raylet says; stdout is for the result
        if ours:
            _start()
        try:
            _tune(conductor, config)
        finally:
            if ours:
                ray.shutdown()


def _start() -> None:
    """Join the cluster of RAY_ADDRESS, or start one on this machine that only this process uses."""
    before = signal.getsignal(signal.SIGTERM)
    _init()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)  # Ray has put its own in the place of ours


def _init() -> None:
    if os.environ.get("RAY_ADDRESS"):
        ray.init(log_to_driver=False, logging_level=QUIET)
        return
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    ray.init(
        address="local",
        include_dashboard=False,
        log_to_driver=False,
        logging_level=QUIET,
        object_store_memory=100 * 1024 * 1024,
    )


def _tune(conductor: Conductor, config: dict[str, Any]) -> None:
    resources = conductor.study.spec.resources
    slots = _slots(conductor)
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(slots)
    bridge = _Bridge(conductor, slots, config)
    scratch = conductor.files / "scratch" / str(conductor.study_id)
    shutil.rmtree(scratch, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(Trial, {"cpu": resources.cpus, "gpu": resources.gpus}),
        tune_config=tune.TuneConfig(
            search_alg=_Searcher(bridge),
            scheduler=_Scheduler(bridge),
            num_samples=-1,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: str(trial.trial_id),
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(scratch),
            verbose=0,
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    if bridge.error:
        raise bridge.error


def _slots(conductor: Conductor) -> int:
    """How many trials at a time: `budget.parallel`; without it one for a search (so that it can be repeated) and as
    many as the cluster holds for a design, whose trials do not depend on each other.
    """
    resources, cluster = conductor.study.spec.resources, ray.cluster_resources()  # type: ignore[no-untyped-call]
    for name, wanted in (("CPU", resources.cpus), ("GPU", resources.gpus)):
        if wanted > cluster.get(name, 0):
            raise ValueError(
                f"a trial asks for {wanted:g} {name}s and this Ray has {cluster.get(name, 0):g}; "
                f"lower resources.{name.lower()}s"
            )
    asked = conductor.study.spec.budget.parallel
    if asked or conductor.study.spec.search:
        return asked or 1
    return max(1, int(cluster["CPU"] // resources.cpus))
