"""The cache of decoded images: shared and read-only, never torn, whoever writes, dies, or finds the disk full."""

import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cached import COUNT, EXPECTED, ONE, chunks
from imagesets import folder

from worker import data
from worker.datasource import DataSpec
from worker.sources import cache, machine
from worker.sources.images import Failure

ROOT = Path(__file__).parents[1]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own; where its images will be."""
    monkeypatch.setenv("ARCHSTUDY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def never() -> cache.Chunks:
    pytest.fail("it is built again")


def in_a_process(script: str, folder: Path, **environment: str) -> subprocess.Popen[str]:
    """The script in another Python, with this test's cache."""
    environment = {**os.environ, "ARCHSTUDY_CACHE": str(folder), "PYTHONPATH": f"{ROOT}:{ROOT}/tests", **environment}
    command = [sys.executable, "-W", "error", "-c", script]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_what_was_built_is_mapped_read_only(here: Path) -> None:
    first = cache.kept("k", COUNT, ONE, chunks)
    second = cache.kept("k", COUNT, ONE, never)
    assert np.array_equal(first.images, EXPECTED)
    assert isinstance(second.images, np.memmap)
    assert not second.images.flags.writeable
    assert second.failures == (Failure(24, "bad.png", "torn"),)
    assert np.array_equal(np.load(here / "k.npy"), EXPECTED)
    assert not list(here.glob(".*"))


@pytest.mark.parametrize(
    "damage", ["torn", "longer", "empty", "no facts", "half facts", "other facts", "foreign", "gone"]
)
def test_damaged_and_foreign_files_are_built_again(here: Path, damage: str) -> None:
    cache.kept("k", COUNT, ONE, chunks)
    images, facts = here / "k.npy", here / "k.json"
    match damage:
        case "torn":
            os.truncate(images, 500)
        case "longer":
            images.write_bytes(images.read_bytes() + b"0")
        case "empty":
            images.write_bytes(b"")
        case "half facts":
            facts.write_text(facts.read_text()[:20])
        case "other facts":
            facts.write_text(json.dumps({**json.loads(facts.read_text()), "failures": []}))
        case "foreign":
            np.save(images, np.zeros((COUNT - 1, 4, 4, 1), np.int8))
        case _:
            (facts if damage == "no facts" else images).unlink()
    assert np.array_equal(cache.kept("k", COUNT, ONE, chunks).images, EXPECTED)
    assert np.array_equal(cache.kept("k", COUNT, ONE, never).images, EXPECTED)


BUILD = """
import sys, time
from cached import COUNT, ONE, chunks
from worker.sources import cache, machine
def slow():
    print("built", flush=True)
    for chunk in chunks():
        time.sleep(0.1)
        yield chunk
kept = cache.kept("k", COUNT, ONE, slow)
print(int(kept.images.astype(int).sum()))
"""


def test_one_of_two_processes_builds(here: Path) -> None:
    processes = [in_a_process(BUILD, here.parent) for _ in range(2)]
    told = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    lines = "".join(out for out, _ in told).split()
    assert sorted(lines) == sorted(["built", *2 * [str(EXPECTED.astype(int).sum())]])


def test_two_builders_without_a_lock(here: Path) -> None:
    unlocked = BUILD.replace("kept = ", "import fcntl\nfcntl.LOCK_EX = 0\nkept = ")  # no such lock: flock fails
    processes = [in_a_process(unlocked, here.parent) for _ in range(2)]
    told = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    assert "".join(out for out, _ in told).split().count("built") == 2
    assert np.array_equal(cache.kept("k", COUNT, ONE, never).images, EXPECTED)
    assert not list(here.glob(".*"))


KILLED = """
import itertools
from cached import COUNT, ONE, chunks
from worker.sources import cache, machine
print("ready", flush=True)
for number in itertools.count():
    cache.kept(str(number % 5), COUNT, ONE, chunks)
    (cache.memo.cache_folder() / "images" / f"{number % 5}.json").unlink()
"""


def test_a_killed_builder_leaves_nothing_that_is_believed(here: Path) -> None:
    moments = random.Random(0)
    for _ in range(6):
        process = in_a_process(KILLED, here.parent)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate(timeout=60)
        for key in "01234":
            found = cache._opened(here / f"{key}.npy", COUNT, ONE)
            assert found is None or np.array_equal(found.images, EXPECTED)
    for key in "01234":
        assert np.array_equal(cache.kept(key, COUNT, ONE, chunks).images, EXPECTED)
    for left in here.glob(".*.tmp"):
        os.utime(left, (0, 0))
    cache.kept("another", COUNT, ONE, chunks)
    assert not list(here.glob(".*.tmp"))


def test_a_disk_that_is_too_small_is_not_filled(here: Path) -> None:
    with pytest.raises(OSError, match=r"they take 16\.0 TB, [0-9.]+ [kMGT]?B are free"):
        cache.kept("k", 10**12, ONE, never)
    assert [path.name for path in here.iterdir()] == ["k.lock"]


def test_free_memory_is_some_of_the_machines() -> None:
    assert 0 < machine.free_memory() < os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


FULL = """
import hashlib, logging, resource, sys
import numpy as np
from worker.datasource import DataSpec, catalog
from worker.sources.rows import opened
from worker.sources.split import cuts
logging.basicConfig(format="%(message)s")
if sys.argv[-1] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))
found = catalog(DataSpec(source="folder:SOURCE"), "classification")
parts = cuts(found.given, "classification")
for name in ("train", "validation"):
    rows = opened(found, parts[name], "crop", MOST)
    print(len(rows), hashlib.sha256(rows.take(np.arange(len(rows))[::-1]).tobytes()).hexdigest())
"""


@pytest.mark.parametrize(("limit", "told"), [(10**9, "they are decoded at every start"), (1, "do not fit in memory")])
def test_a_full_disk_costs_time_and_a_warning(tmp_path: Path, here: Path, limit: int, told: str) -> None:
    folder(tmp_path / "set", size=(16, 16))
    (tmp_path / "set" / "cat" / "001.png").write_bytes(b"\x89PNG torn")
    script = FULL.replace("SOURCE", str(tmp_path / "set")).replace("MOST", str(limit))
    results = []
    for disk in ("full", "free"):
        process = in_a_process(f"import sys; sys.argv.append({disk!r})\n{script}", here.parent)
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        results.append(out)
        assert error.count(told) == (1 if disk == "full" else 0)
        assert len(list(here.glob("*.npy"))) == (0 if disk == "full" else 2)
        assert not list(here.glob(".*.tmp"))
    assert results[0] == results[1]


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ARCHSTUDY_CACHE", str(tmp_path / "file"))
    spec = DataSpec(source=f"folder:{folder(tmp_path / 'set')}")
    held, streamed = (data.load(one, "classification").train for one in (spec, spec.model_copy(update={"memory": 1})))
    assert (type(held), type(streamed)) == (data.Held, data.Streamed)
    for (x1, y1), (x2, y2) in zip(held.in_order(5), streamed.in_order(5), strict=True):
        assert x1.equal(x2)
        assert y1.equal(y2)


def test_the_key_is_of_all_that_decides_the_pixels(tmp_path: Path, here: Path) -> None:
    source = f"folder:{folder(tmp_path / 'set')}"
    for fields in ({}, {"image": (8, 8, 1)}, {"image": (6, 6, 3)}, {"image": (6, 6, 3), "resize": "pad"}):
        before = len(list(here.glob("*.npy")))
        for _ in range(2):
            data.raw_images(DataSpec(source=source, **fields), "classification", "train", 5)
        assert len(list(here.glob("*.npy"))) == before + 1


def test_a_moved_source_finds_its_cache(tmp_path: Path, here: Path) -> None:
    first, second = folder(tmp_path / "a"), folder(tmp_path / "b")
    digests = []
    for source in (first, second):
        raw = data.raw_images(DataSpec(source=f"folder:{source}"), "classification", "train", 99)
        digests.append(hashlib.sha256(raw.tobytes()).hexdigest())
    assert digests[0] == digests[1]
    assert len(list(here.glob("*.npy"))) == 1
