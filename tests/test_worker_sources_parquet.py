"""Parquet files in the hub's layout, with real JPEG and PNG bytes: parts, columns, names, and what is refused."""

import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from imagesets import NAMES, encoded, parquet, picture
from PIL import Image

from worker import data
from worker.datasource import DataSpec, describe, digest


def spec(path: Path, **fields: object) -> DataSpec:
    return DataSpec.model_validate({"source": f"parquet:{path}", **fields})


def test_a_folder_of_parts(tmp_path: Path) -> None:
    contents = parquet(tmp_path / "train-00000-of-00002.parquet", kind="JPEG")
    contents += parquet(tmp_path / "train-00001-of-00002.parquet", first=100, kind="JPEG")
    parquet(tmp_path / "test-00000-of-00001.parquet", count=12, first=200, kind="JPEG")
    facts = describe(spec(tmp_path), "classification")
    assert (facts.shape, facts.labels) == ((3, 8, 8), NAMES)
    assert (facts.train, facts.validation, facts.test) == (48, 12, 12)
    raw = data.raw_images(spec(tmp_path), "classification", "train", 100)
    expected = {np.asarray(Image.open(io.BytesIO(content))).tobytes() for content in contents}
    assert len(expected & {image.tobytes() for image in raw}) == 48
    assert data.raw_images(spec(tmp_path), "classification", "test", 100).shape == (12, 8, 8, 3)


def test_every_row_keeps_its_label(tmp_path: Path) -> None:
    parquet(tmp_path / "set.parquet")
    splits = data.load(spec(tmp_path / "set.parquet"), "classification")
    raw = data.raw_images(spec(tmp_path / "set.parquet"), "classification", "train", 100)
    rows = {picture(row).tobytes(): row for row in range(30)}
    assert [rows[image.tobytes()] % 3 for image in raw] == splits.train.y.tolist()


@pytest.mark.parametrize("place", ["data/train-00000-of-00001.parquet", "train/0000.parquet", "plain/train.parquet"])
def test_where_the_hub_puts_files(tmp_path: Path, place: str) -> None:
    parquet(tmp_path / place)
    parquet(tmp_path / place.replace("train", "validation"), count=9, first=50)
    facts = describe(spec(tmp_path), "classification")
    assert (facts.train, facts.validation, facts.test) == (24, 9, 6)


def test_several_sets_are_not_guessed(tmp_path: Path) -> None:
    for name in ("fine", "coarse"):
        parquet(tmp_path / name / "train.parquet")
    with pytest.raises(ValueError, match=r"it holds several sets \(coarse, fine\); add one of these names"):
        describe(spec(tmp_path), "classification")
    assert describe(spec(tmp_path / "fine"), "classification").images == 30


def test_files_of_no_part_are_noted(tmp_path: Path) -> None:
    parquet(tmp_path / "train-0.parquet")
    parquet(tmp_path / "extra-0.parquet")
    (note,) = describe(spec(tmp_path), "classification").notes
    assert note == "1 files are of no part and left out, the first is extra-0.parquet"


def test_a_test_part_without_labels_is_none(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet")
    parquet(tmp_path / "test.parquet", label=[-1] * 30)
    facts = describe(spec(tmp_path), "classification")
    assert (facts.train, facts.validation, facts.test) == (18, 6, 6)


def test_columns_by_type_and_by_name(tmp_path: Path) -> None:
    file = tmp_path / "set.parquet"
    raw = [encoded(picture(row)) for row in range(30)]
    parquet(file, names=None, columns=("photo", "label"), photo=raw, number=list(range(30)))
    assert describe(spec(file), "classification").labels == ("0", "1", "2")
    parquet(file, names=None, columns=("photo", "species"), number=list(range(30)))
    with pytest.raises(ValueError, match=r"which column is the label\? it could be species or number; write columns"):
        describe(spec(file), "classification")
    named = spec(file, columns={"label": "species"})
    assert describe(named, "classification").outputs == 3
    with pytest.raises(ValueError, match="there is no column 'genus', there are photo, species, number"):
        describe(spec(file, columns={"label": "genus"}), "classification")


def test_labels_that_are_texts(tmp_path: Path) -> None:
    parquet(tmp_path / "set.parquet", names=None, label=[NAMES[-1 - row % 3] for row in range(30)])
    assert describe(spec(tmp_path / "set.parquet"), "classification").labels == NAMES
    assert data.load(spec(tmp_path / "set.parquet"), "classification").train.y.bincount().tolist() == [6, 6, 6]


def test_numbers_to_predict(tmp_path: Path) -> None:
    parquet(tmp_path / "set.parquet", names=None, label=[row / 3 for row in range(30)])
    splits = data.load(spec(tmp_path / "set.parquet"), "regression")
    assert (splits.facts.outputs, splits.train.y.shape, splits.train.y.dtype) == (1, (18, 1), torch.float32)
    with pytest.raises(ValueError, match="the column 'label' holds no labels; write task: regression"):
        describe(spec(tmp_path / "set.parquet"), "classification")


BAD = {
    "label out of range": ({"label": [7] + [row % 3 for row in range(29)]}, "is 7, but the 3 names allow 0 to 2"),
    "missing labels": ({"label": [None] + [0, 1] * 14 + [2]}, "some values of the column 'label' are missing"),
    "no images": ({"img": list(range(30))}, r"which column is the image\? none of img, label can be it"),
}


@pytest.mark.parametrize("case", BAD)
def test_files_that_cannot_be_used(tmp_path: Path, case: str) -> None:
    table, message = BAD[case]
    parquet(tmp_path / "set.parquet", names=NAMES if "range" in case else None, **table)
    with pytest.raises(ValueError, match=message):
        describe(spec(tmp_path / "set.parquet"), "classification")


def test_a_class_without_training_examples(tmp_path: Path) -> None:
    parquet(tmp_path / "train.parquet", label=[0, 1] * 15)
    parquet(tmp_path / "test.parquet")
    with pytest.raises(ValueError, match="class 'eel' has examples for test but none to train on; add some"):
        describe(spec(tmp_path), "classification")


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent: there is no such file or folder"):
        describe(spec(tmp_path / "absent"), "classification")
    with pytest.raises(ValueError, match=r"there are no \.parquet files in it"):
        describe(spec(tmp_path), "classification")
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"torn\.parquet: this is no parquet file .*; save it again"):
        describe(spec(tmp_path / "torn.parquet"), "classification")


def test_unreadable_rows_are_named(tmp_path: Path) -> None:
    contents = [encoded(picture(row)) for row in range(30)]
    contents[0] = contents[0][:-40]
    parquet(tmp_path / "train.parquet", img=[{"bytes": content, "path": None} for content in contents])
    parquet(tmp_path / "test.parquet", count=9)
    splits = data.load(spec(tmp_path), "classification")
    assert len(splits.train) + len(splits.validation) == 29
    assert f"the first is row 0 of {tmp_path}/train.parquet (" in splits.notes[0]


def test_the_digest_is_of_the_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        parquet(tmp_path / name / "train.parquet")
    assert digest(spec(tmp_path / "a")) == digest(spec(tmp_path / "b"))
    table = pq.read_table(tmp_path / "b" / "train.parquet")
    pq.write_table(pa.concat_tables([table, table]), tmp_path / "b" / "train.parquet")
    assert digest(spec(tmp_path / "a")) != digest(spec(tmp_path / "b"))


@pytest.mark.skipif("ARCHSTUDY_CIFAR10" not in os.environ, reason="ARCHSTUDY_CIFAR10 names no folder")
def test_cifar10() -> None:
    cifar = spec(Path(os.environ["ARCHSTUDY_CIFAR10"]))
    facts = describe(cifar, "classification")
    assert (facts.shape, facts.outputs, facts.labels[0]) == ((3, 32, 32), 10, "airplane")
    assert (facts.train, facts.validation, facts.test) == (40_000, 10_000, 10_000)
    splits = data.load(cifar, "classification")
    assert splits.train.y.bincount().tolist() == [4_000] * 10
    assert splits.transform.mean == pytest.approx([125.3, 122.9, 113.9], abs=0.2)
