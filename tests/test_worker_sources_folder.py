"""Folders of real PNG files: classes, parts, gray and colour, what is counted and what is refused."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from imagesets import NAMES, encoded, folder, picture

from worker import data, trainer
from worker.datasource import DataSpec, describe, digest, resolved
from worker.job import Job


def spec(path: Path, **fields: object) -> DataSpec:
    return DataSpec.model_validate({"source": f"folder:{path}", **fields})


def test_a_folder_per_class(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / "cat" / ".thumb.png").write_bytes(b"x")
    facts = describe(spec(tmp_path), "classification")
    assert (facts.shape, facts.labels, facts.images) == ((3, 8, 8), NAMES, 30)
    assert (facts.train, facts.validation, facts.test, facts.notes) == (18, 6, 6, ())
    splits = data.load(spec(tmp_path), "classification")
    assert torch.bincount(splits.train.y).tolist() == [6, 6, 6]


def test_every_pixel_arrives_with_its_label(tmp_path: Path) -> None:
    folder(tmp_path)
    found: dict[int, set[bytes]] = {0: set(), 1: set(), 2: set()}
    for part in ("train", "validation", "test"):
        raw = data.raw_images(spec(tmp_path), "classification", part, 100)
        opened = data.load(spec(tmp_path), "classification")
        y = data.open_test(spec(tmp_path), "classification").y if part == "test" else getattr(opened, part).y
        for image, label in zip(raw, y.tolist(), strict=True):
            found[label].add(image.tobytes())
    for label in range(3):
        assert found[label] == {picture(1000 * label + index).tobytes() for index in range(10)}


def test_a_folder_per_part(tmp_path: Path) -> None:
    for number, part in enumerate(("train", "val", "test")):
        folder(tmp_path, count=4 - number, part=part, first=100 * number)
    facts = describe(spec(tmp_path), "classification")
    assert (facts.train, facts.validation, facts.test) == (12, 9, 6)
    raw = data.raw_images(spec(tmp_path), "classification", "test", 1)
    assert np.array_equal(raw[0], picture(200))


def test_a_missing_part_is_taken_from_training(tmp_path: Path) -> None:
    folder(tmp_path, count=10, part="train")
    folder(tmp_path, count=2, part="test")
    facts = describe(spec(tmp_path), "classification")
    assert (facts.train, facts.validation, facts.test) == (24, 6, 6)


def test_gray_where_all_are_gray(tmp_path: Path) -> None:
    folder(tmp_path, channels=1)
    assert describe(spec(tmp_path), "classification").shape == (1, 8, 8)
    assert data.raw_images(spec(tmp_path), "classification", "train", 2).shape == (2, 8, 8, 1)
    (tmp_path / "cat" / "colour.png").write_bytes(encoded(picture(5)))
    assert describe(spec(tmp_path), "classification").shape == (3, 8, 8)


def test_a_size_that_is_asked_for(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "cat" / "large.jpg").write_bytes(encoded(picture(5, (20, 30)), "JPEG"))
    with pytest.raises(ValueError, match=r"differ in size \(30 of 8x8, 1 of 20x30\); .*image: \[8, 8, 3\]"):
        describe(spec(tmp_path), "classification")
    asked = spec(tmp_path, image=[6, 5, 1], resize="pad")
    assert describe(asked, "classification").shape == (1, 6, 5)
    assert data.load(asked, "classification").train.shape == (1, 6, 5)


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    first, second = (folder(tmp_path / name) for name in ("a", "b"))
    assert digest(spec(first)) == digest(spec(second)) == digest(spec(first))
    before = digest(spec(first))
    (first / "cat" / "000.png").write_bytes(encoded(picture(77)))
    changed = digest(spec(first))
    assert changed != before
    (second / "cat" / "000.png").rename(second / "cat" / "zzz.png")
    assert digest(spec(second)) not in (before, changed)
    with pytest.raises(ValueError, match=r"its content is not what it was .*; restore the file"):
        describe(spec(first, digest=before), "classification")


def test_one_unreadable_image_is_counted(tmp_path: Path) -> None:
    file = folder(tmp_path) / "eel" / "004.png"
    file.write_bytes(file.read_bytes()[:100])
    splits = data.load(spec(tmp_path), "classification")
    assert (len(splits.train), len(splits.validation), splits.facts.train) == (17, 6, 18)
    (note,) = splits.notes
    assert note.startswith(f"1 of 18 images could not be read and are left out, the first is {file} (")
    assert len(data.raw_images(spec(tmp_path), "classification", "train", 100)) == 17


def test_many_unreadable_images_are_an_error(tmp_path: Path) -> None:
    folder(tmp_path)
    for file in sorted((tmp_path / "cat").iterdir())[:9]:
        file.write_bytes(b"\x89PNG torn")
    with pytest.raises(ValueError, match=r"[456] of 18 images cannot be read, the first is .*cat/00.*; correct"):
        data.load(spec(tmp_path), "classification")


def test_loading_never_opens_a_test_image(tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        folder(tmp_path, count=5, part=part)
    for file in (tmp_path / "test").rglob("*.png"):
        file.write_bytes(b"\x89PNG torn")
    assert describe(spec(tmp_path), "classification").test == 15
    assert len(data.load(spec(tmp_path), "classification").train) == 15
    with pytest.raises(ValueError, match="15 of 15 images cannot be read"):
        data.open_test(spec(tmp_path), "classification")


def test_a_study_is_planned_without_the_folder(tmp_path: Path) -> None:
    absent = spec(tmp_path / "later", image=[32, 32, 3], classes=4)
    facts = describe(absent, "classification")
    assert (facts.shape, facts.outputs, facts.images) == ((3, 32, 32), 4, 0)
    assert digest(absent) is None


def test_paths_start_at_the_study(tmp_path: Path) -> None:
    for kind in ("folder", "parquet"):
        assert resolved(DataSpec(source=f"{kind}:a/b"), tmp_path).source == f"{kind}:{tmp_path}/a/b"
    assert resolved(DataSpec(source="hf:a/b"), tmp_path).source == "hf:a/b"


def test_other_files_are_noted(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "dog" / "list.txt").write_text("a list")
    (note,) = describe(spec(tmp_path), "classification").notes
    assert note == "1 files are no images by their names and left out, the first is dog/list.txt"


def test_folders_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="absent: there is no such folder; write the path"):
        describe(spec(tmp_path / "absent"), "classification")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty: no folder in it holds images; give a folder of a folder"):
        describe(spec(tmp_path / "empty"), "classification")
    folder(tmp_path / "full")
    with pytest.raises(ValueError, match="its labels are classes, but the task is regression"):
        describe(spec(tmp_path / "full"), "regression")
    with pytest.raises(ValueError, match="it has 3 classes, but classes: 7 is written; remove classes"):
        describe(spec(tmp_path / "full", classes=7), "classification")
    (tmp_path / "full" / "fox").mkdir()
    with pytest.raises(ValueError, match="class 'fox' has no images; add some, or remove its folder"):
        describe(spec(tmp_path / "full"), "classification")


def test_one_class_is_none(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    for index in range(6):
        (tmp_path / "cat" / f"{index}.png").write_bytes(encoded(picture(index)))
    with pytest.raises(ValueError, match="the only class is 'cat'; classification needs two classes"):
        describe(spec(tmp_path), "classification")


def test_too_few_to_split(tmp_path: Path) -> None:
    folder(tmp_path, count=1)
    with pytest.raises(ValueError, match="3 examples cannot be split; save at least 5"):
        describe(spec(tmp_path), "classification")


def test_parts_that_do_not_agree(tmp_path: Path) -> None:
    folder(tmp_path / "a", part="train")
    folder(tmp_path / "a", part="test")
    (tmp_path / "a" / "test" / "cat").rename(tmp_path / "a" / "test" / "cow")
    with pytest.raises(ValueError, match="test has a class 'cow', train has none; add it, or remove it"):
        describe(spec(tmp_path / "a"), "classification")
    folder(tmp_path / "b", part="val")
    folder(tmp_path / "b", part="test")
    with pytest.raises(ValueError, match="its parts are test, val; there must be one train"):
        describe(spec(tmp_path / "b"), "classification")
    folder(tmp_path / "c", part="train")
    folder(tmp_path / "c", part="extra")
    with pytest.raises(ValueError, match="'extra' stands beside 'train' and is no part; move it elsewhere"):
        describe(spec(tmp_path / "c"), "classification")


def test_a_streamed_folder_trains_to_the_same_numbers(tmp_path: Path) -> None:
    """And what was left out is told with them."""
    folder(tmp_path / "set", size=(10, 9))
    (tmp_path / "set" / "dog" / "list.txt").write_text("a list")
    ended = []
    for memory in (10**9, 1):
        fields = {"source": f"folder:{tmp_path / 'set'}", "image": [8, 8, 3], "memory": memory}
        blueprint, recipe = {"stages": [{"block": "plain", "width": 4}]}, {"epochs": 2, "batch_size": 7}
        job = Job(1, blueprint, recipe, fields, "classification", 0, str(tmp_path / f"trial-{memory}"))
        rows = list(trainer.train(job))
        ended.append([row.metrics for row in rows])
        assert "the first is dog/list.txt" in (rows[-1].measured or {})["notes"][0]
    assert len(ended[0]) == 2
    assert ended[0] == ended[1]


def test_a_link_back_is_one_sentence(tmp_path: Path) -> None:
    """Other links are followed."""
    folder(tmp_path / "set")
    (tmp_path / "set" / "dog" / "more").symlink_to(folder(tmp_path / "elsewhere") / "dog")
    assert describe(spec(tmp_path / "set"), "classification").images == 40
    (tmp_path / "set" / "cat" / "loop").symlink_to("..")
    with pytest.raises(ValueError, match="cat/loop: this link leads back to a folder that it lies in; remove it"):
        describe(spec(tmp_path / "set"), "classification")


def test_names_that_are_no_text_can_be_told(tmp_path: Path) -> None:
    """File names are bytes; what is said of them can be written anywhere."""
    odd = os.fsdecode(b"\xff.png")
    (folder(tmp_path / "set") / "cat" / odd).write_bytes(encoded(picture(5)))
    (tmp_path / "set" / "cat" / f"{odd}.txt").write_text("a list")
    facts = describe(spec(tmp_path / "set"), "classification")
    assert facts.images == 31
    assert facts.notes[0].encode().decode().endswith("the first is cat/\ufffd.png.txt")
    (tmp_path / "set" / odd).mkdir()
    shutil.copy(tmp_path / "set" / "cat" / "000.png", tmp_path / "set" / odd)
    with pytest.raises(ValueError, match="a class's folder is called '\ufffd\\.png', which is no UTF-8; rename it"):
        describe(spec(tmp_path / "set"), "classification")
