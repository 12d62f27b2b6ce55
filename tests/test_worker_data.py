"""Data: facts without torch, refusals with a cure, a split that never moves, held and streamed the same."""

import hashlib
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from imagesets import folder, parquet
from pydantic import ValidationError
from sklearn.datasets import load_digits

from worker import data
from worker.datasource import DataSpec, describe, digest, identity, resolved
from worker.recipe.augmentation import Input
from worker.sources.split import cuts, recorded, rule, split

DIGITS = DataSpec(source="digits")
DIGITS_SPLIT = "997de50f4dab15e3"
"""The first digits of the SHA-256 of the three parts' indices: it may never change, or old results mean nothing."""


def saved(folder: Path, **arrays: Any) -> DataSpec:
    np.savez(folder / "set.npz", **arrays)
    return DataSpec(source=f"arrays:{folder / 'set.npz'}")


def labels(count: int, classes: int = 3) -> np.ndarray:
    return np.arange(count) % classes


def test_digits_facts_are_those_of_the_data() -> None:
    facts = describe(DIGITS, "classification")
    splits = data.load(DIGITS, "classification")
    assert (facts.shape, facts.outputs, facts.images, facts.labels) == ((1, 8, 8), 10, 1797, tuple("0123456789"))
    assert (facts.train, facts.validation, facts.test) == (1077, 360, 360)
    assert facts == splits.facts
    assert (len(splits.train), len(splits.validation)) == (1077, 360)
    assert splits.train.y.unique().tolist() == list(range(10))


@pytest.mark.parametrize(
    ("shape", "image", "expected"),
    [
        ((9, 20), None, (1, 20)),
        ((9, 6, 7), None, (1, 6, 7)),
        ((9, 6, 7), [6, 7], (7, 6)),
        ((9, 6, 7, 3), None, (3, 6, 7)),
        ((9, 6, 7, 3), [6, 7, 3, 1], (1, 6, 7, 3)),
        ((9, 4, 5, 6, 2), None, (2, 4, 5, 6)),
        ((9, 3, 6, 7), [3, 6, 7], (7, 3, 6)),
    ],
)
def test_shapes_of_arrays(tmp_path: Path, shape: tuple, image: list | None, expected: tuple) -> None:
    spec = saved(tmp_path, x=np.arange(np.prod(shape), dtype=np.uint8).reshape(shape), y=labels(9))
    spec = DataSpec.model_validate(spec.model_dump() | {"image": image})
    facts = describe(spec, "classification")
    assert (facts.shape, facts.outputs, facts.images, facts.labels) == (expected, 3, 9, ("0", "1", "2"))
    assert data.load(spec, "classification").train.shape == expected


def test_planning_without_the_file() -> None:
    spec = DataSpec.model_validate({"source": "arrays:later.npz", "image": [32, 32, 3], "classes": 10})
    facts = describe(spec, "classification")
    assert (facts.shape, facts.outputs, facts.images, facts.labels) == ((3, 32, 32), 10, 0, tuple("0123456789"))
    assert digest(spec) is None
    with pytest.raises(ValueError, match="there is no such file"):
        data.load(spec, "classification")


BARE = """
import sys
sys.modules |= dict.fromkeys(["torch", "PIL", "pyarrow", "sklearn", "huggingface_hub"])
from worker.datasource import DataSpec, describe, digest
for source in ("digits", "folder:FOLDER", "parquet:FOLDER/a.parquet", "hf:a/b"):
    told = {} if source == "digits" else {"image": (8, 8, 3), "classes": 3}
    facts = describe(DataSpec(source=source, **told), "classification")
    print(facts.shape, facts.outputs, facts.images)
    try:
        describe(DataSpec(source=source), "classification")
    except ValueError as error:
        print(error)
"""


def test_planning_with_the_base_install(tmp_path: Path) -> None:
    parquet(folder(tmp_path) / "a.parquet")
    script = BARE.replace("FOLDER", str(tmp_path))
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    cure = "pip install 'archstudy[worker]'"
    assert ended.stdout.splitlines() == [
        "(1, 8, 8) 10 1797",
        "(3, 8, 8) 3 30",
        f"{tmp_path}: reading it needs PIL; {cure}",
        "(3, 8, 8) 3 0",
        f"{tmp_path}/a.parquet: reading it needs pyarrow; {cure}",
        "(3, 8, 8) 3 0",
        f"hf:a/b: reading it needs huggingface_hub; {cure}",
    ]


X = np.zeros((6, 4, 4), np.uint8)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no y": ({"x": X}, "'y' is missing; save it with"),
    "lengths": ({"x": X, "y": labels(5)}, "differ in length; save one y for each x"),
    "empty": ({"x": X[:0], "y": labels(0)}, "0 examples cannot be split; save at least 5"),
    "empty axis": ({"x": X[:, :, :0], "y": labels(6)}, "has an empty axis"),
    "one class": ({"x": X, "y": np.zeros(6, int)}, "every label is 0; classification needs two classes"),
    "negative": ({"x": X, "y": labels(6) - 1}, "a label is -1; number the classes from 0"),
    "floats": ({"x": X, "y": labels(6) / 2}, "save x as numbers and y as integers"),
    "objects": ({"x": X.astype(object), "y": labels(6)}, "x of object"),
    "one-hot": ({"x": X, "y": np.eye(6, dtype=int)}, "is not one label for each example"),
    "scalars": ({"x": np.zeros(6), "y": labels(6)}, "save \\(N, \\*map size, channels\\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_arrays_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    arrays, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        describe(saved(tmp_path, **arrays), "classification")


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("x,y")
    with pytest.raises(ValueError, match="this is not an npz file"):
        describe(DataSpec(source=f"arrays:{tmp_path}/text.npz"), "classification")
    with pytest.raises(ValueError, match="this is not an npz file"):
        describe(DataSpec(source=f"arrays:{tmp_path}"), "classification")
    spec = saved(tmp_path, x=X, y=labels(6))
    with pytest.raises(ValueError, match="a label is 2, but classes: 2 allows 0 to 1"):
        describe(spec.model_copy(update={"classes": 2}), "classification")
    with pytest.raises(ValueError, match="holds no"):
        describe(spec.model_copy(update={"image": (5, 4, 1)}), "classification")
    spec = saved(tmp_path, x=np.zeros((6, 3, 8, 8)), y=labels(6))
    with pytest.raises(ValueError, match=r"as if its channels came first; .* or write data: .*image: \[3, 8, 8\]"):
        describe(spec, "classification")


@pytest.mark.parametrize("key", ["x", "y"])
def test_values_that_are_not_finite_are_found_before_a_trial(tmp_path: Path, key: str) -> None:
    arrays = {"x": np.zeros((6, 4, 4)), "y": np.zeros(6)}
    arrays[key].flat[-1] = np.nan
    with pytest.raises(ValueError, match=f"some values of {key} are not finite; remove or replace them"):
        describe(saved(tmp_path, **arrays), "regression")


def test_a_damaged_archive_is_found_before_a_trial(tmp_path: Path) -> None:
    spec = saved(tmp_path, x=np.zeros((100, 30, 30)), y=labels(100))
    file = tmp_path / "set.npz"
    content = bytearray(file.read_bytes())
    content[500_000] ^= 1
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"the file is damaged .*; save it again"):
        describe(spec, "classification")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("mnist", "unknown source 'mnist'; write digits, arrays:<file>.npz, folder:<path>"),
        ("arrays:", "unknown source"),
        ("zip:a.zip", "unknown source"),
        ("hf:a/b/c/d", "hf:a/b/c/d names no data set; write hf:owner/name"),
    ],
)
def test_sources_that_are_none(source: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSpec(source=source)


def test_digits_are_classes() -> None:
    with pytest.raises(ValueError, match="write task: classification"):
        describe(DIGITS, "regression")
    with pytest.raises(ValueError, match="remove image and classes"):
        describe(DataSpec(source="digits", classes=9), "classification")


def test_paths_start_at_the_study(tmp_path: Path) -> None:
    assert resolved(DataSpec(source="arrays:a/b.npz"), tmp_path).source == f"arrays:{tmp_path}/a/b.npz"
    assert resolved(DataSpec(source="arrays:/c.npz"), tmp_path).source == "arrays:/c.npz"
    assert resolved(DIGITS, tmp_path) == DIGITS


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "digits", "resize": "crop"}, "digits holds no image files; remove resize"),
        ({"source": "folder:a", "resize": "pad"}, "it needs a size to fit images to; write image"),
        ({"source": "folder:a", "image": [8, 8]}, r"image files become \[H, W, 1\] or \[H, W, 3\], not \[8, 8\]"),
        ({"source": "folder:a", "columns": {"image": "img"}}, "folder:a has none; remove columns"),
        ({"source": "digits", "memory": "lots"}, "'lots' is no count"),
        ({"source": "digits", "memory": "-2GB"}, "'-2GB' is no amount of memory; write a number of bytes"),
    ],
)
def test_fields_that_do_not_fit_the_source(fields: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSpec.model_validate(fields)


def test_memory_says_where_not_what(tmp_path: Path) -> None:
    spec = DataSpec(source="digits", memory="1.5GB")
    assert spec.memory == 1_500_000_000
    assert identity(spec.model_dump(exclude_none=True)) == identity(DIGITS.model_dump(exclude_none=True))


def test_the_split_of_digits_never_moves() -> None:
    y = load_digits().target
    parts = split(y, "classification")
    text = ";".join(f"{name}:{','.join(map(str, parts[name]))}" for name in ("train", "validation", "test"))
    assert {name: len(index) for name, index in parts.items()} == {"train": 1077, "validation": 360, "test": 360}
    assert sorted(np.concatenate(list(parts.values()))) == list(range(1797))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == DIGITS_SPLIT


@pytest.mark.parametrize("seed", range(20))
def test_splits_are_disjoint_whole_and_stratified(seed: int) -> None:
    random = np.random.default_rng(seed)
    y = random.integers(0, random.integers(2, 12), random.integers(5, 400))
    parts = split(y, "classification")
    assert sorted(np.concatenate(list(parts.values()))) == list(range(len(y)))
    for name, share in {"test": 0.2, "validation": 0.2, "train": 0.6}.items():
        for label in range(y.max() + 1):
            assert abs((y[parts[name]] == label).sum() - share * (y == label).sum()) < 2


@pytest.mark.parametrize("sizes", [(100,), (400, 60), (60_000, 500)])
def test_missing_parts_come_from_training(sizes: tuple[int, ...]) -> None:
    names = ["all"] if len(sizes) == 1 else ["train", "test"]
    given = {name: labels(size, 10) for name, size in zip(names, sizes, strict=True)}
    parts = cuts(given, "classification")
    wanted = min(-(-sizes[0] // 5), 10_000)
    assert len(parts["validation"].rows) == wanted
    assert len(parts["test"].rows) == (sizes[1] if len(sizes) > 1 else wanted)
    assert not set(parts["train"].rows) & set(parts["validation"].rows)
    counts = np.bincount(given[names[0]][parts["validation"].rows])
    assert counts.max() - counts.min() <= 1
    assert recorded(parts) == recorded(cuts(given, "classification"))


def test_parts_of_the_source_are_kept() -> None:
    given = {"train": labels(20), "validation": labels(7), "test": labels(6)}
    assert {name: len(part.rows) for name, part in cuts(given, "classification").items()} == {
        "train": 20,
        "validation": 7,
        "test": 6,
    }
    assert rule(given) == "training, validation and test parts as in the source"
    assert rule(["train", "validation"]).startswith("test: a fifth of the source's training part")


def test_statistics_are_of_the_training_part() -> None:
    splits = data.load(DIGITS, "classification")
    raw = data.raw_images(DIGITS, "classification", "train", 10_000)
    assert splits.transform.mean == pytest.approx([raw.mean()])
    assert splits.transform.std == pytest.approx([raw.std()])
    assert held(splits.train).mean().item() == pytest.approx(0, abs=1e-5)
    assert held(splits.train).std().item() == pytest.approx(1, abs=1e-3)
    assert abs(held(splits.validation).mean().item()) > 1e-5


def test_a_constant_channel_is_left_alone(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 255, (20, 4, 4, 2), dtype=np.uint8)
    x[..., 1] = 7
    splits = data.load(saved(tmp_path, x=x, y=labels(20)), "classification")
    assert splits.transform.std[1] == 1.0
    assert held(splits.train).isfinite().all()
    assert (held(splits.train)[:, 1] == 0).all()


def test_tensors_are_ready_to_train_on() -> None:
    splits = data.load(DIGITS, "classification")
    assert held(splits.train).dtype == torch.float32
    assert splits.train.y.dtype == torch.int64
    assert held(splits.train).is_contiguous(memory_format=torch.channels_last)
    assert data.load(DIGITS, "classification") is splits
    assert data.moved(splits, torch.device("cpu")).train is splits.train


def test_the_test_part_has_its_own_door() -> None:
    part, splits = data.open_test(DIGITS, "classification"), data.load(DIGITS, "classification")
    raw = data.raw_images(DIGITS, "classification", "test", 400)
    assert (part.shape, len(part)) == ((1, 8, 8), 360)
    assert torch.equal(held(part), splits.transform(torch.from_numpy(raw)))


@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_regression_targets_keep_their_unit(tmp_path: Path, shape: tuple) -> None:
    y = np.linspace(0, 100, int(np.prod(shape))).reshape(shape)
    spec = saved(tmp_path, x=np.zeros((20, 16)), y=y)
    facts, splits = describe(spec, "regression"), data.load(spec, "regression")
    assert (facts.outputs, facts.labels) == (shape[1] if len(shape) > 1 else 1, ())
    assert splits.train.y.shape == (12, facts.outputs)
    assert splits.train.y.dtype == torch.float32
    assert splits.train.y.max() > 50
    assert splits.target is not None
    standard = splits.target.standardize(splits.train.y)
    torch.testing.assert_close(standard.mean(0), torch.zeros(facts.outputs), atol=1e-5, rtol=0)
    torch.testing.assert_close(standard.std(0, correction=0), torch.ones(facts.outputs))
    torch.testing.assert_close(splits.target.restore(standard), splits.train.y)


KINDS = [np.uint8, np.uint16, np.int32, np.float32, np.float64, ">f4"]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("shape", [(40, 5, 6, 3), (40, 5, 6, 1), (40, 11, 2), (40, 3, 4, 5, 2)], ids=str)
def test_streamed_is_held_bit_for_bit(tmp_path: Path, shape: tuple, kind: type) -> None:
    x = np.random.default_rng(0).integers(0, 250, shape).astype(kind)
    fields = {"source": saved(tmp_path, x=x, y=labels(40)).source, "image": shape[1:]}
    one, other = (data.load(DataSpec(**fields, memory=memory), "classification") for memory in (1 << 30, 1))
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0)).split(7)
    for part in ("train", "validation"):
        first, second = getattr(one, part), getattr(other, part)
        assert (type(first), type(second)) == (data.Held, data.Streamed)
        assert (len(first), first.shape) == (len(second), second.shape)
        within = [index % len(first) for index in order]
        pairs = [*zip(first.batches(within), second.batches(within), strict=True)]
        pairs += [*zip(first.in_order(5), second.in_order(5), strict=True)]
        for (x1, y1), (x2, y2) in pairs:
            assert torch.equal(x1, x2)
            assert torch.equal(y1, y2)
            assert x1.stride() == x2.stride()
    assert one.transform.mean == other.transform.mean
    assert isinstance(data.open_test(DataSpec(**fields, memory=1), "classification"), data.Streamed)


def test_every_archive_holds_the_same(tmp_path: Path) -> None:
    x, y = np.random.default_rng(0).normal(size=(30, 4, 5)), labels(30)
    np.savez(tmp_path / "plain.npz", x=x, y=y)
    np.savez(tmp_path / "fortran.npz", x=np.asfortranarray(x), y=y)
    np.savez_compressed(tmp_path / "compressed.npz", x=x, y=y)
    specs = [DataSpec(source=f"arrays:{tmp_path}/{name}.npz") for name in ("plain", "fortran", "compressed")]
    plain, fortran, compressed = (held(data.load(spec, "classification").train) for spec in specs)
    assert torch.equal(plain, fortran)
    assert torch.equal(plain, compressed)
    part = split(y, "classification")["train"]
    assert np.array_equal(data.raw_images(specs[0], "classification", "train", 99)[..., 0], x[part])


def test_whitening_streams_to_rounding() -> None:
    spec = DataSpec(source="digits", memory=1)
    one, other = (data.load(one, "classification", Input(kind="zca")).train for one in (DIGITS, spec))
    order = torch.arange(200).split(64)
    for (x1, _), (x2, _) in zip(one.batches(order), other.batches(order), strict=True):
        torch.testing.assert_close(x1, x2, rtol=1e-5, atol=1e-5)


def test_what_is_held_may_stream_to_a_full_device() -> None:
    part = data.load(DIGITS, "classification").train
    order = torch.arange(100).split(30)
    streamed = part.streamed(torch.device("cpu"))
    for (x1, y1), (x2, y2) in zip(part.batches(order), streamed.batches(order), strict=True):
        assert torch.equal(x1, x2)
        assert torch.equal(y1, y2)


def test_a_readers_error_reaches_the_training() -> None:
    def take(index: torch.Tensor) -> torch.Tensor:
        if 7 in index:
            raise OSError("the disk is gone")
        return index[:, None]

    part = data.Streamed(take, torch.Tensor.float, torch.arange(10), (1,))
    seen = []
    with pytest.raises(OSError, match="the disk is gone"):
        seen.extend(x for x, _ in part.batches(torch.arange(10).split(2)))
    assert len(seen) == 3
    assert readers() == []


def test_leaving_early_ends_the_readers() -> None:
    asked: list[int] = []

    def take(index: torch.Tensor) -> torch.Tensor:
        asked.append(int(index[0]))
        return index[:, None]

    part = data.Streamed(take, torch.Tensor.float, torch.arange(1000), (1,))
    batches = part.batches(torch.arange(1000).split(1))
    assert [next(batches)[1].item() for _ in range(3)] == [0, 1, 2]
    assert readers() != []
    batches.close()
    assert readers() == []
    assert 3 <= len(asked) <= 3 + data.AHEAD


@pytest.mark.parametrize("seed", range(5))
def test_subsets_are_nested_and_stratified(seed: int) -> None:
    y = torch.randint(0, 5, (300,), generator=torch.Generator().manual_seed(seed))
    smaller: set[int] = set()
    for size in (10, 50, 0.5, 299, 1.0):
        index = data.subset(y, "classification", size)
        count = size if isinstance(size, int) else round(300 * size)
        assert len(index) == count
        assert smaller < set(index.tolist())
        smaller = set(index.tolist())
        for label in range(5):
            assert abs((y[index] == label).sum() - count * (y == label).sum() / 300) < 1.5
    with pytest.raises(ValueError, match=r"examples: 0.001 of 300 are 0, and training needs two; raise it"):
        data.subset(y, "classification", 0.001)
    with pytest.raises(ValueError, match="examples: 301 are asked for, the training part has 300; ask for fewer"):
        data.subset(y, "classification", 301)


def test_a_balanced_order_has_every_class_equally_often() -> None:
    y = torch.tensor([0] * 50 + [1] * 7 + [3] * 3)
    order = data.balanced_order(y, 62, torch.Generator().manual_seed(1))
    again = data.balanced_order(y, 62, torch.Generator().manual_seed(1))
    uses = torch.bincount(order, minlength=60)
    assert torch.equal(order, again)
    assert sorted(torch.bincount(y[order]).tolist()) == [0, 20, 21, 21]
    for label in (0, 1, 3):
        of_class = uses[y == label]
        assert of_class.max() - of_class.min() <= 1
    assert not torch.equal(order, data.balanced_order(y, 62, torch.Generator().manual_seed(2)))


def held(part: data.Part) -> torch.Tensor:
    assert isinstance(part, data.Held)
    return part.x


def readers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("archstudy-data")]
