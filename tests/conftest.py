"""What many tests share: one thread per process, one local Ray for the session, a store, tiny studies to run in it."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from studies.candidate import Study
from studies.load import load
from studies.store import Engine, connect, query

sys.path.insert(0, str(Path(__file__).parent))  # for `trainers`, which the workers of Ray import too

# Before torch and Ray are imported: both read these once. Child processes inherit them.
os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
os.environ |= {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
os.environ.pop("RAY_ADDRESS", None)

SEARCH: dict[str, Any] = {
    "apiVersion": "archstudy/v1",
    "kind": "Study",
    "name": "tiny",
    "data": {"source": "digits"},
    "variables": {
        "width": {"int": [2, 9]},
        "kernel": {"choice": [1, 3]},
        "lr": {"float": [0.01, 0.3], "log": True},
    },
    "blueprint": {"stages": [{"block": "plain", "width": "$width", "kernel": "$kernel", "pool": {"size": 2}}]},
    "search": {"sampler": "random"},
    "budget": {"trials": 4},
    "confirm": {"top": 2, "replicates": 2},
    "recipe": {"epochs": 2, "batch_size": 256, "optimizer": {"kind": "sgd", "lr": "$lr"}},
    "resources": {"checkpoint_seconds": 0},
    "seed": 7,
}
DESIGN: dict[str, Any] = {
    **{name: section for name, section in SEARCH.items() if name not in ("search", "confirm", "budget")},
    "variables": {"width": {"choice": [2, 3, 4]}, "kernel": {"choice": [1, 3]}},
    "design": {"factors": ["width", "kernel"], "replicates": 2},
    "recipe": {"epochs": 2, "batch_size": 256},
}

LASTING = ("number", "phase", "state", "cell", "replicate", "seed", "assignment", "blueprint", "recipe", "key")
LASTING += ("repeat_of", "params", "macs", "activations", "costs", "value", "metrics", "test_metrics")
LASTING += ("failure_kind", "reason", "brain")
EPOCH = ("number", "epoch", "value", "metrics")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What is remembered and decoded of data stays out of the home of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("ARCHSTUDY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., Study]:
    """Builds a small study on the digits, through its file; whole sections may be replaced (None leaves one out)."""

    def build(kind: str = "search", **sections: Any) -> Study:
        tree = {**(SEARCH if kind == "search" else DESIGN), **sections}
        file = tmp_path / "study.yaml"
        file.write_text(json.dumps({name: section for name, section in tree.items() if section is not None}))
        return load(file)

    return build


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Engine]:
    """An empty SQLite store."""
    engine = connect(f"sqlite:///{tmp_path}/store.db")
    yield engine
    engine.dispose()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes in this thread alone, so that its sums have one order."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    """A Ray of two CPUs in this process, whose workers can import the modules of this folder by their bare names."""
    import ray

    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=100 * 1024 * 1024,
    )
    yield
    ray.shutdown()
    monkeypatch.undo()


@pytest.fixture(scope="session")
def outcome() -> Callable[[Engine], dict[str, Any]]:
    """Reads all that must be the same however often a study was interrupted: not times, attempts and places."""

    def read(engine: Engine, name: str = "tiny") -> dict[str, Any]:
        study = query.find_study(engine, name)
        assert study is not None
        trials = query.trials(engine, study["id"], columns=LASTING)
        epochs = [[row[part] for part in EPOCH] for row in query.epochs(engine, study["id"])]
        ended = {part: study[part] for part in ("state", "note", "conclusion")}
        return {**ended, "trials": trials, "epochs": epochs}

    return read
