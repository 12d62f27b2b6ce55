"""A study and its data: it never goes on with other data than it began with, and may move with them."""

from pathlib import Path

import numpy as np
import pytest
from imagesets import encoded, folder, parquet, picture

from searchspace.language.problems import SpecError
from studies import planning, screens, store
from studies.errors import Conflict
from studies.fingerprint import fingerprint
from studies.load import from_tree, load
from studies.run import enrol

TEXT = """apiVersion: archstudy/v1
kind: Study
name: mine
data: {source: "arrays:mine.npz"}
variables: {width: {choice: [2, 4]}}
blueprint: {stages: [{block: plain, width: $width}]}
design: {factors: [width], replicates: 2}
recipe: {epochs: 1}
"""


def save(folder: Path, seed: int, labels: tuple[int, ...] = (0, 1)) -> Path:
    """The study's file beside 20 random images."""
    folder.mkdir(exist_ok=True)
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 255, (20, 6, 6), dtype=np.uint8)
    np.savez(folder / "mine.npz", x=x, y=np.resize(np.array(labels), 20))
    file = folder / "mine.yaml"
    file.write_text(TEXT)
    return file


def test_changed_data_are_another_study(tmp_path: Path) -> None:
    engine = store.connect(f"sqlite:///{tmp_path}/a.db")
    first = load(save(tmp_path / "data", seed=0))
    enrol(first, engine)
    second = load(save(tmp_path / "data", seed=1))
    with pytest.raises(Conflict, match=r"data\.digest: \"[0-9a-f]{16}\" -> \"[0-9a-f]{16}\""):
        enrol(second, engine)
    engine.dispose()
    with pytest.raises(ValueError, match=r"its content is not what it was .*; restore the file"):
        from_tree(first.tree, first.text)


def test_a_plan_tells_what_is_left_out(tmp_path: Path) -> None:
    (folder(tmp_path / "set") / "dog" / "list.txt").write_text("a list")
    (tmp_path / "mine.yaml").write_text(TEXT.replace("arrays:mine.npz", "folder:set"))
    study = load(tmp_path / "mine.yaml")
    (told,) = [line for line in screens.plan(study, planning.plan(study)) if line.startswith("note: ")]
    assert told == "note: 1 files are no images by their names and left out, the first is dog/list.txt"


def test_a_study_moves_with_its_data(tmp_path: Path) -> None:
    here, there = (load(save(tmp_path / name, seed=0)) for name in ("here", "there"))
    assert here.tree["data"]["source"] != there.tree["data"]["source"]
    assert fingerprint(here.tree) == fingerprint(there.tree)


def test_data_can_be_pinned(tmp_path: Path) -> None:
    file = save(tmp_path / "data", seed=0)
    file.write_text(TEXT.replace('npz"', 'npz", digest: "0123456789abcdef"'))
    with pytest.raises(SpecError, match=r"mine\.yaml:4:.*its content is not what it was"):
        load(file)


def test_labels_with_gaps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="2 labels occur, but they run up to 90000; number the classes from 0"):
        load(save(tmp_path / "data", seed=0, labels=(0, 90000)))


def study_of(place: Path, data: str) -> Path:
    file = place / "mine.yaml"
    file.write_text(TEXT.replace('{source: "arrays:mine.npz"}', data))
    return file


def test_a_folder_is_known_by_its_images(tmp_path: Path) -> None:
    engine = store.connect(f"sqlite:///{tmp_path}/a.db")
    folder(tmp_path / "set")
    first = load(study_of(tmp_path, "{source: 'folder:set'}"))
    assert first.tree["data"]["source"] == f"folder:{tmp_path}/set"
    assert first.facts.train == 18
    enrol(first, engine)
    (tmp_path / "set" / "cat" / "more.png").write_bytes(encoded(picture(9)))
    with pytest.raises(Conflict, match=r"data\.digest: \"[0-9a-f]{16}\" -> \"[0-9a-f]{16}\""):
        enrol(load(tmp_path / "mine.yaml"), engine)
    engine.dispose()


def test_how_much_is_held_is_no_other_study(tmp_path: Path) -> None:
    parquet(tmp_path / "set.parquet")
    texts = ("{source: 'parquet:set.parquet'}", "{source: 'parquet:set.parquet', memory: 2GB}")
    first, second = (load(study_of(tmp_path, text)) for text in texts)
    assert second.tree["data"]["memory"] == 2_000_000_000
    assert fingerprint(first.tree) == fingerprint(second.tree)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            "{source: 'folder:none'}",
            r"mine\.yaml:4:\d+: data\.source: .*/none: there is no such folder; write the path",
        ),
        ("{source: 'folder:a', image: [8, 8]}", r"mine\.yaml:4:\d+: .*image files become \[H, W, 1\] or \[H, W, 3\]"),
        ("{source: 'folder:a', resize: zoom}", r"mine\.yaml:4:\d+: data\.resize: .*zoom"),
    ],
)
def test_mistakes_are_found_in_the_file(tmp_path: Path, data: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        load(study_of(tmp_path, data))
