"""Memory that is too small: told, outlived, and under `accumulate: auto` made do with."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from test_worker_training import job, made

from worker import data, trainer
from worker.training.beginning import losses, rate
from worker.training.fitting import that_fits


@pytest.mark.parametrize("recipe", [{"accumulate": 3}, {"accumulate": "auto"}], ids=str)
def test_the_range_test_splits_its_steps_too(tmp_path: Path, recipe: dict[str, Any]) -> None:
    """Where no more than 100 of 256 examples fit; the copies that it trains keep the hook."""
    run = made(job(tmp_path, batch_size=256, **recipe))
    whole = rate(run)
    next(run.model.children()).register_forward_pre_hook(at_most_100)
    found = that_fits(run, "in the range test", lambda: rate(run))
    assert found.lr == pytest.approx(whole.lr)
    assert run.journal.parts == (3 if recipe["accumulate"] == 3 else 4)
    assert [point.loss for point in found.curve] == pytest.approx([point.loss for point in whole.curve], rel=1e-3)


def test_examples_are_ranked_in_parts_too(tmp_path: Path) -> None:
    """Where no more than 100 of 1,077 examples fit."""
    run = made(job(tmp_path, batch_size="all", accumulate="auto"))
    whole = losses(run)
    next(run.model.children()).register_forward_pre_hook(at_most_100)
    torch.testing.assert_close(that_fits(run, "in ranking the examples", lambda: losses(run)), whole)
    assert run.journal.parts == 16


def at_most_100(layer: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
    if len(inputs[0]) > 100:
        raise MemoryError


def test_an_epoch_that_is_done_again_is_watched_once(tmp_path: Path) -> None:
    """Memory that runs out in the validation, after all steps of the epoch."""
    one = replace(job(tmp_path, accumulate="auto"), measure={"watch": 1})
    run = made(one)
    validation = run.splits.validation
    assert isinstance(validation, data.Held)
    run = replace(run, splits=replace(run.splits, validation=OnceTooLarge(validation.x, validation.y)))
    told = that_fits(run, "at epoch 1", lambda: trainer.one_epoch(run, 1))
    assert told.metrics == pytest.approx(trainer.one_epoch(made(replace(one, measure={})), 1).metrics, rel=1e-5)
    assert [row["epoch"] for row in run.journal.watched] == [1]
    assert run.journal.parts == 2


class OnceTooLarge(data.Held):
    """A part that there is no memory for at its first reading."""

    asked: ClassVar[list[int]] = []

    def in_order(self, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        self.asked.append(size)
        if len(self.asked) == 1:
            raise MemoryError
        return super().in_order(size)


LIMITED = """
import json, resource, sys
from pathlib import Path
from worker import trainer
from worker.job import Job, TrainingFailed

def train(name, **recipe):
    one = json.loads(sys.argv[1])
    job = Job(**one | {"recipe": one["recipe"] | recipe, "folder": f"{one['folder']}/{name}"})
    try:
        epochs = list(trainer.train(job))
        return [told.metrics for told in epochs], epochs[-1].measured.get("notes")
    except TrainingFailed as failed:
        return failed.kind, failed.reason

small = {"batch_size": 64, "epochs": 1}
found = {"before": train("before", **small)}
pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + 50_000_000
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
found |= {"failed": train("failed"), "after": train("after", **small), "split": train("split", accumulate="auto")}
print(json.dumps(found))
"""


def test_out_of_memory_is_told_and_outlived(tmp_path: Path) -> None:
    """With a limit on its address space a process runs out for real; the next trial, or a split one, trains as ever."""
    stages = [{"block": "plain", "width": 32, "kernel": 1, "repeat": 6, "norm": None}]
    one = replace(job(tmp_path, batch_size="all", epochs=1), blueprint={"stages": stages})
    command = [sys.executable, "-c", LIMITED, json.dumps(asdict(one))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    kind, reason = found["failed"]
    assert kind == "out_of_memory"
    assert re.fullmatch(r"memory ran out: [\d.]+ MB asked, [\d.]+ MB free; .* or set accumulate: auto", reason)
    assert found["after"] == found["before"]
    split, notes = found["split"]
    assert re.fullmatch(r"at epoch 1 memory ran out: .* computed in \d+ parts of \d+ examples", notes[-1])
    for mine, its in zip(split, trainer.train(replace(one, folder=str(tmp_path / "free"))), strict=True):
        assert mine == pytest.approx(its.metrics, rel=1e-5)
