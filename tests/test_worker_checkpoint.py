"""Checkpoints: whole or not at all, exact to the bit, one attempt per worker, damage is stepped over."""

import json
import math
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from worker import checkpoint
from worker.checkpoint import Checkpoint
from worker.job import EpochMetrics


def at(epoch: int, identity: str = "a") -> Checkpoint:
    history = tuple(EpochMetrics(n, {"val_loss": 0.1 * n / 3}, n / 7) for n in range(1, epoch + 1))
    weights = {"weights/conv.weight": torch.full((2, 3), float(epoch)), "weights/norm.seen": torch.tensor(epoch)}
    tensors = weights | {"optimizer/conv.weight/momentum_buffer": torch.randn(2, 3), "average/updates": torch.tensor(7)}
    return Checkpoint(epoch, identity, tensors, history, {"lr": 0.1 + 0.2, "notes": ["one"]}, final=epoch == 3)


def epochs(attempt: Path) -> list[str]:
    return sorted(path.name for path in attempt.iterdir())


def found(folder: Path, identity: str | None = None) -> int | None:
    newest = checkpoint.latest(folder, identity)
    return newest.epoch if newest else None


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    one = at(3)
    back = checkpoint.load(checkpoint.save(checkpoint.claim(tmp_path), one))
    assert (back.epoch, back.identity, back.history) == (one.epoch, one.identity, one.history)
    assert (back.facts, back.final) == (one.facts, True)
    mine, other = back.tensors, one.tensors
    assert mine.keys() == other.keys()
    assert all(torch.equal(mine[key], other[key]) and mine[key].dtype == other[key].dtype for key in mine)
    assert sorted(back.weights) == ["conv.weight", "norm.seen"]


def test_channels_last_tensors_keep_their_values(tmp_path: Path) -> None:
    weight = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    path = checkpoint.save(checkpoint.claim(tmp_path), replace(at(1), tensors={"weights/w": weight}))
    assert torch.equal(checkpoint.load(path).weights["w"], weight)


def test_metrics_that_are_not_finite(tmp_path: Path) -> None:
    metrics = {"a": math.inf, "b": -math.inf, "c": math.nan, "d": 0.1 + 0.2, "e": 5e-324}
    path = checkpoint.save(
        checkpoint.claim(tmp_path), replace(at(1), history=(EpochMetrics(1, metrics, 0.5, measured={"best_epoch": 1}),))
    )
    told = checkpoint.load(path).history[0]
    assert told.measured == {"best_epoch": 1}
    back = told.metrics
    assert math.isnan(back.pop("c"))
    assert back == {key: value for key, value in metrics.items() if key != "c"}
    json.loads((path / checkpoint.FACTS).read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    attempt = checkpoint.claim(tmp_path)
    for epoch in (1, 2, 9, 10):
        checkpoint.save(attempt, at(epoch))
    assert epochs(attempt) == ["epoch-0009", "epoch-0010"]


def test_the_newest_of_all_attempts(tmp_path: Path) -> None:
    assert found(tmp_path) is None
    assert found(tmp_path / "absent") is None
    first, second = checkpoint.claim(tmp_path), checkpoint.claim(tmp_path)
    checkpoint.save(first, at(9))
    checkpoint.save(second, at(10_000))
    checkpoint.save(second, at(4))
    assert found(tmp_path) == 10_000


@pytest.mark.parametrize("damage", ["flip", "tear", "no state", "no facts", "half facts", "temporary"])
def test_damage_is_stepped_over(tmp_path: Path, damage: str) -> None:
    attempt = checkpoint.claim(tmp_path)
    checkpoint.save(attempt, at(4))
    newest = checkpoint.save(attempt, at(5))
    state, facts = newest / checkpoint.STATE, newest / checkpoint.FACTS
    match damage:
        case "flip":
            state.write_bytes(state.read_bytes()[:-1] + b"\x01")
        case "tear":
            state.write_bytes(state.read_bytes()[:20])
        case "half facts":
            facts.write_text(facts.read_text()[:30])
        case "temporary":
            newest.rename(attempt / ".epoch-0005")
        case _:
            (state if damage == "no state" else facts).unlink()
    assert found(tmp_path) == 4
    if damage != "temporary":
        with pytest.raises(ValueError, match=r"the checkpoint cannot be used .*; delete it"):
            checkpoint.load(newest)


def test_another_studys_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    attempt = checkpoint.claim(tmp_path)
    checkpoint.save(attempt, at(4, "mine"))
    checkpoint.save(attempt, at(5, "other"))
    assert (found(tmp_path, "mine"), found(tmp_path, "other"), found(tmp_path, "third")) == (4, 5, None)


def test_no_two_claims_share_a_folder(tmp_path: Path) -> None:
    (tmp_path / "trial" / "notes").mkdir(parents=True)
    with ThreadPoolExecutor(8) as pool:
        claimed = list(pool.map(lambda _: checkpoint.claim(tmp_path / "trial"), range(64)))
    assert sorted(int(path.name) for path in claimed) == list(range(1, 65))


def test_a_save_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    attempt = checkpoint.claim(tmp_path)
    (attempt / "epoch-0005").write_text("in the way")
    checkpoint.save(attempt, at(4))
    with pytest.raises(OSError, match="epoch-0005"):
        checkpoint.save(attempt, at(5))
    assert epochs(attempt) == ["epoch-0004", "epoch-0005"]
    assert found(tmp_path) == 4


def write_for_ever(folder: Path, acknowledge: int) -> None:
    """In a child: an attempt of its own that goes on from the newest checkpoint, saves without end and tells each."""
    try:
        attempt, epoch = checkpoint.claim(folder), found(folder) or 0
        while True:
            epoch += 1
            checkpoint.save(attempt, Checkpoint(epoch, "a", {"weights/w": torch.full((100_000,), float(epoch))}, ()))
            os.write(acknowledge, epoch.to_bytes(4, "big"))
    finally:
        os._exit(1)


def test_killed_a_hundred_times(tmp_path: Path) -> None:
    """Whenever a writer dies, the newest checkpoint is whole, and no older than the last that it told of."""
    moments, there, between = random.Random(0), 0, 0
    for _ in range(100):
        reads, writes = os.pipe()
        child = os.fork()
        if child == 0:
            write_for_ever(tmp_path, writes)
        os.close(writes)
        with os.fdopen(reads, "rb", buffering=0) as pipe:
            told = b"".join(pipe.read(4) for _ in range(moments.randrange(2)))
            time.sleep(moments.uniform(0, 0.02))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            told += pipe.read()
        last = int.from_bytes(told[-4:], "big") or there
        newest = checkpoint.latest(tmp_path, "a")
        there = newest.epoch if newest else 0
        assert there in (last, last + 1)  # it may die after the rename, before it tells
        assert newest is None or bool((newest.weights["w"] == there).all())
        between += any(tmp_path.glob("*/.epoch-*"))
    assert there > 20
    assert between > 10
