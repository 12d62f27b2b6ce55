"""The parts of a training: order, sums, stopping, split steps, and how it fails."""

import time
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from worker import checkpoint, data, tasks, trainer
from worker.job import EpochMetrics, Job, TrainingFailed
from worker.recipe import Recipe
from worker.recipe.spec import EarlyStopping
from worker.training import failures, order, steps, stopping
from worker.training.beginning import begun, rate
from worker.training.devices import precision_of
from worker.training.run import Run, prepared
from worker.training.tally import Tally

CPU = torch.device("cpu")
PLAIN = {"kind": "sgd", "lr": 0.1, "momentum": 0, "nesterov": False, "weight_decay": 0}
STAGES: list[dict[str, Any]] = [{"block": "plain", "width": 4, "pool": {"kind": "max", "size": 2}}]


def job(folder: Path, norm: str | None = None, **recipe: Any) -> Job:
    stages = [stage | {"norm": norm} for stage in STAGES]
    full = {"epochs": 2, "batch_size": 128, "schedule": {"kind": "constant"}, "optimizer": PLAIN} | recipe
    return Job(1, {"stages": stages}, full, {"source": "digits"}, "classification", 5, str(folder))


def made(one: Job) -> Run:
    return begun(trainer.network_of(one), trainer.loaded(one), one, None)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in run.model.state_dict().items()}


def histories(*losses: float) -> list[EpochMetrics]:
    return [EpochMetrics(n, {"val_loss": loss, "val_accuracy": -loss}, 1.0) for n, loss in enumerate(losses, 1)]


def test_every_example_is_seen_once_in_an_order_of_the_epochs_own(tmp_path: Path) -> None:
    run = made(job(tmp_path))
    first, again, second = (torch.cat(list(order.of_epoch(run, epoch))) for epoch in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, torch.arange(len(run.splits.train)))
    assert len(order.of_epoch(run, 1)) == run.steps == 9


def test_a_curriculum_keeps_the_steps_and_begins_with_the_easy(tmp_path: Path) -> None:
    run = made(job(tmp_path, curriculum={"first": 0.1, "over": 1.0, "epochs": 1}, epochs=10))
    assert torch.equal(run.pool.sort().values, torch.arange(1077))
    seen = [torch.cat(list(order.of_epoch(run, epoch))) for epoch in (1, 6, 10)]
    assert [len(one) for one in seen] == [1077] * 3
    assert [len(one.unique()) for one in seen] == [108, 593, 981]
    assert set(seen[0].tolist()) == set(run.pool[:108].tolist())


def test_balanced_order_and_fewer_examples(tmp_path: Path) -> None:
    run = made(job(tmp_path, examples=101, balanced=True))
    seen = torch.cat(list(order.of_epoch(run, 1)))
    assert len(seen) == 101
    assert set(seen.tolist()) <= set(run.pool.tolist())
    counts = torch.bincount(run.splits.train.y[seen])
    assert sorted(counts.tolist()) == [10] * 9 + [11]


def test_a_tally_is_the_mean_over_all_examples() -> None:
    torch.manual_seed(0)
    task, tally = tasks.task_of("classification", ["top2"]), Tally(tasks.task_of("classification", ["top2"]), CPU)
    outputs, targets = torch.randn(1000, 5), torch.randint(0, 5, (1000,))
    for z, t in zip(outputs.split(7), targets.split(7), strict=True):
        tally.add(torch.nn.functional.cross_entropy(z, t), z, t)
    loss = torch.nn.functional.cross_entropy(outputs, targets)
    expected = [loss.item(), *(float(measure(outputs, targets)) / 1000 for measure in task.metrics.values())]
    assert tally.means().tolist() == pytest.approx(expected, rel=1e-6)


def test_the_best_epoch_and_the_end() -> None:
    spec, recipe = EarlyStopping(patience=2, min_delta=0.1), Recipe(epochs=9, early_stopping=EarlyStopping(patience=2))
    assert [stopping.best_epoch(spec, histories(*losses)) for losses in ([], [3], [3, 2, 1.95, 2.5], [1, 2])] == [
        0,
        1,
        2,
        1,
    ]
    assert stopping.best_epoch(EarlyStopping(metric="val_accuracy"), histories(3, 1, 2)) == 2
    assert stopping.best_epoch(spec, histories(float("nan"), 2, 3)) == 2
    assert [stopping.over(recipe, histories(*losses)) for losses in ([3, 4], [3, 4, 5], [3, 4, 2, 5])] == [
        False,
        True,
        False,
    ]
    assert stopping.over(Recipe(epochs=2), histories(1, 1))
    with pytest.raises(TrainingFailed, match="early_stopping: 'val_mae' is not measured; known are val_loss, val_acc"):
        stopping.best_epoch(EarlyStopping(metric="val_mae"), histories(1))


def test_early_stopping_keeps_the_best_epochs_weights(tmp_path: Path) -> None:
    noisy = {"kind": "sgd", "lr": 1.5, "momentum": 0.9}
    one = job(tmp_path, epochs=30, optimizer=noisy, early_stopping={"patience": 3, "metric": "val_accuracy"})
    epochs = list(trainer.train(one))
    best = (epochs[-1].measured or {})["best_epoch"]
    assert best == len(epochs) - 3 < 27
    assert best == max(epochs, key=lambda told: (told.metrics["val_accuracy"], -told.epoch)).epoch
    assert trainer.validate(one)["val_accuracy"] == epochs[best - 1].metrics["val_accuracy"]
    assert trainer.validate(one)["val_accuracy"] != epochs[-1].metrics["val_accuracy"]


def test_an_average_is_what_is_validated_and_kept(tmp_path: Path) -> None:
    one = job(tmp_path, average={"kind": "ema", "decay": 0.99}, epochs=3)
    epochs = list(trainer.train(one))
    assert trainer.validate(one) == {name: value for name, value in epochs[-1].metrics.items() if "val" in name}
    plain = list(trainer.train(replace(one, recipe=one.recipe | {"average": None}, folder=str(tmp_path / "plain"))))
    assert [told.metrics["train_loss"] for told in plain] == [told.metrics["train_loss"] for told in epochs]
    assert plain[-1].metrics["val_loss"] != epochs[-1].metrics["val_loss"]


def test_the_plateau_lowers_the_rate_by_the_epochs_so_far(tmp_path: Path) -> None:
    run = made(job(tmp_path, schedule={"kind": "plateau", "patience": 1, "by": 0.5}, epochs=9))
    run.journal.history += histories(1.0, 2.0, 2.0)
    assert steps.rate(steps.begun(run, 4), 0) == pytest.approx(0.05)
    run.journal.history[:] = histories(1.0, 0.5, 0.25)
    assert steps.rate(steps.begun(run, 4), 0) == pytest.approx(0.1)


@pytest.mark.parametrize("parts", [2, 3, 5])
def test_a_split_step_is_the_whole_step(tmp_path: Path, parts: int) -> None:
    """In double precision, without a batch norm, whatever the parts' sizes: 1077 examples are no multiple of 2, 5."""
    common = {"precision": "float64", "epochs": 1, "label_smoothing": 0.1, "clip": {"norm": 1.0}}
    whole, split = (made(job(tmp_path, accumulate=k, **common)) for k in (None, parts))
    before = weights(whole)
    means = [steps.trained(run, 1).means() for run in (whole, split)]
    torch.testing.assert_close(means[0], means[1], rtol=1e-12, atol=1e-12)
    ours, theirs = weights(whole), weights(split)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-10, atol=1e-12)
        assert not torch.equal(value, before[name])
    assert split.journal.notes == []


def test_a_split_step_with_a_batch_norm_says_so(tmp_path: Path) -> None:
    epochs = list(trainer.train(job(tmp_path, norm="batch", accumulate=4)))
    assert (epochs[-1].measured or {})["notes"] == ["batch norms take their statistics over the 32 examples of a part"]


def test_a_regressions_metrics_are_in_the_unit_of_the_source(tmp_path: Path) -> None:
    """Targets around 1,000 with a deviation of 50: the loss is of standardized values, the error is not."""
    x = np.random.default_rng(0).random((100, 6, 6))
    np.savez(tmp_path / "set.npz", x=x, y=1000 + 200 * (x.mean((1, 2)) - 0.5) / x.mean((1, 2)).std())
    recipe = {"metrics": ["rmse"], "optimizer": {"kind": "adamw", "lr": 0.01}, "batch_size": 8, "epochs": 1}
    one = job(tmp_path, **recipe)
    run = made(replace(one, data={"source": f"arrays:{tmp_path}/set.npz"}, task="regression"))
    with torch.inference_mode():
        for parameter in run.model.parameters():
            parameter.zero_()
    found = tasks.named("val", steps.evaluated(run, run.splits.validation), run.task)
    errors = run.splits.validation.y.double() - torch.tensor(run.splits.target.mean)  # type: ignore[union-attr]
    assert found["val_mae"] == pytest.approx(float(errors.abs().mean()), rel=1e-5)
    assert found["val_rmse"] == pytest.approx(float(errors.square().mean().sqrt()), rel=1e-5)
    assert found["val_mae"] > 100
    assert 0.3 < found["val_loss"] < 3


def test_precision() -> None:
    assert precision_of("auto", CPU) == precision_of(None, CPU) == precision_of("float32", CPU)
    assert precision_of("bfloat16", CPU).computed == torch.bfloat16
    assert precision_of("float64", CPU).held == torch.float64
    with pytest.raises(TrainingFailed, match="precision: there is no 'int8'; write float32, bfloat16, float64 or auto"):
        precision_of("int8", CPU)


def test_the_first_step_that_diverged_is_told() -> None:
    losses = [torch.tensor(value) for value in (2.0, 3.0, float("inf"), float("nan"))]
    failure = failures.diverged(losses, 7, 0.5)
    assert (failure.kind, failure.reason) == (
        "diverged",
        "the training loss is inf at step 3 of epoch 7 (learning rate 0.5); lower optimizer.lr",
    )


def test_timeout(tmp_path: Path) -> None:
    match = r"the time of 0.2 seconds is over (at step \d+|in the validation) of epoch \d+; raise timeout_seconds"
    with pytest.raises(TrainingFailed, match=match) as failed:
        list(trainer.train(replace(job(tmp_path, epochs=10_000), timeout_seconds=0.2)))
    assert failed.value.kind == "timeout"


def test_time_runs_out_in_the_range_test_and_in_validation_too(tmp_path: Path) -> None:
    auto = job(tmp_path, optimizer=PLAIN | {"lr": "auto"})
    with pytest.raises(TrainingFailed, match="is over in the range test"):
        list(trainer.train(replace(auto, timeout_seconds=1e-9)))
    run = replace(made(job(tmp_path)), deadline=0.0)
    with pytest.raises(TrainingFailed, match="is over in the validation of epoch 1"):
        steps.evaluated(run, run.splits.validation)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("DefaultCPUAllocator: can't allocate memory: you tried to allocate 68719476736 bytes. Error code 12", 2**36),
        ("CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of 139.00 GiB", 3 * 2**29),
        ("CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 15.90 GiB total capacity)", 20 * 2**20),
        ("std::bad_alloc", None),
    ],
)
def test_what_the_allocators_say(text: str, size: int | None) -> None:
    assert failures.bytes_asked(text) == size
    assert failures.ran_out(RuntimeError(text))


def test_sizes_are_readable() -> None:
    sizes = {7: "7 bytes", 1_234: "1.23 kB", 999_900_000: "1 GB", 68_719_476_736: "68.7 GB", 2 * 10**15: "2 PB"}
    assert {size: failures.readable(size) for size in sizes} == sizes


def test_a_resumed_training_has_the_time_that_was_left(tmp_path: Path) -> None:
    one = replace(job(tmp_path, epochs=3), timeout_seconds=50.0, checkpoint_seconds=0.0)
    list(islice(trainer.train(one), 2))
    found = checkpoint.latest(tmp_path)
    assert found is not None
    slow = tuple(replace(told, train_seconds=20.0) for told in found.history)
    checkpoint.save(checkpoint.claim(tmp_path), replace(found, history=slow))
    assert begun(trainer.network_of(one), trainer.loaded(one), one, checkpoint.latest(tmp_path)).deadline == (
        pytest.approx(time.monotonic() + 10, abs=5)
    )
    slow = tuple(replace(told, train_seconds=30.0) for told in found.history)
    checkpoint.save(checkpoint.claim(tmp_path), replace(found, history=slow))
    with pytest.raises(TrainingFailed, match="the time of 50 seconds is over at step 1 of epoch 3"):
        list(trainer.train(one))


def test_an_average_that_keeps_the_first_weights_says_so(tmp_path: Path) -> None:
    slow = made(job(tmp_path, average={"kind": "ema", "decay": 0.999})).journal.notes
    assert slow == [
        "average: a decay of 0.999 is slow for 18 steps: 98% of it are the first weights; lower it, or train longer"
    ]
    assert made(job(tmp_path, average={"kind": "ema", "decay": 0.8})).journal.notes == []


def test_a_training_that_went_on_under_another_torch_says_so(tmp_path: Path) -> None:
    one = replace(job(tmp_path, epochs=3), checkpoint_seconds=0.0)
    list(islice(trainer.train(one), 2))
    found = checkpoint.latest(tmp_path)
    assert found is not None
    checkpoint.save(checkpoint.claim(tmp_path), replace(found, torch="1.0"))
    notes = (list(trainer.train(one))[-1].measured or {})["notes"]
    assert notes == [f"trained up to epoch 2 by torch 1.0, from there on by {torch.__version__}: {NO_ONE_VERSION}"]


NO_ONE_VERSION = "the numbers are those of no one version"


def test_weights_that_diverged_in_the_last_step_are_no_result(tmp_path: Path) -> None:
    """The training loss is of the weights before the step; only the validation part sees those after it."""
    one = job(tmp_path, epochs=1, batch_size="all", optimizer=PLAIN | {"lr": 1e30})
    match = r"the validation loss is (nan|inf) after epoch 1, whose weights count \(learning rate 1e\+30\); lower"
    with pytest.raises(TrainingFailed, match=match) as failed:
        list(trainer.train(one))
    assert failed.value.kind == "diverged"


def test_first_filters_are_of_the_examples_that_may_be_seen(tmp_path: Path) -> None:
    one = job(tmp_path, examples=0.3, initial={"first": {"kind": "pca"}})
    splits, pool = trainer.loaded(one), made(one).pool
    assert isinstance(splits.train, data.Held)
    x = torch.full_like(splits.train.x, 7.0)
    x[pool] = splits.train.x[pool]
    known = replace(splits, train=data.Held(x, splits.train.y))
    filters = [prepared(trainer.network_of(one), its, one).model.state_dict() for its in (splits, known)]
    assert all(torch.equal(filters[0][name], filters[1][name]) for name in filters[0])


def test_numbers_have_no_classes_to_balance(tmp_path: Path) -> None:
    np.savez(tmp_path / "set.npz", x=np.random.default_rng(0).random((20, 6)), y=np.arange(20.0))
    one = replace(job(tmp_path, balanced=True), data={"source": f"arrays:{tmp_path}/set.npz"}, task="regression")
    with pytest.raises(ValueError, match="balanced: draws every class equally often, but the task is regression"):
        made(replace(one, blueprint={"stages": [], "head": {"pool": None, "hidden": [4]}}))


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_a_target_that_is_constant_has_no_deviation_of_rounding(tmp_path: Path, kind: str) -> None:
    """The deviation of 180 times 0.1 is 2.8e-17 in float64."""
    y = np.stack([np.full(300, 0.1), np.full(300, 1e5 + 0.1), np.arange(300) % 2 * 1e-6], 1)
    np.savez(tmp_path / "set.npz", x=np.random.default_rng(0).random((300, 6)), y=y.astype(kind))
    target = trainer.loaded(
        replace(job(tmp_path), data={"source": f"arrays:{tmp_path}/set.npz"}, task="regression")
    ).target
    assert target is not None
    assert target.std == (1.0, 1.0, pytest.approx(5e-7, rel=0.01))


def test_the_range_test_clips_as_the_training_does(tmp_path: Path) -> None:
    """Clipped to a length of 1e-3, no step of any rate is long enough for the loss to fall."""
    free, wide = (rate(made(job(tmp_path, **recipe))) for recipe in ({}, {"clip": {"norm": 1e6}}))
    assert wide == free
    with pytest.raises(TrainingFailed, match="falls at no rate"):
        rate(made(job(tmp_path, clip={"norm": 1e-3})))
