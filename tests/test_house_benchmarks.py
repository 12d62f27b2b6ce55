"""The benchmarks still run: each on a few examples for a moment. What they then say means nothing, and is not read."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OFFLINE = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
PYTHON = sys.executable


def ran(command: list[str], folder: Path) -> str:
    """What it printed; an AssertionError with its complaints if it failed."""
    environment = {key: value for key, value in os.environ.items() if key != "ARCHSTUDY_CIFAR10"} | OFFLINE
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


def test_without_a_gpu_its_benchmark_says_so(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert "not measured: no GPU" in ran([PYTHON, str(ROOT / "benchmarks/gpu.py")], tmp_path)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (["gpu.py", "--device", "cpu", "--tiny"], ["== loop", "== recipe", "== packed", "== replicas", "hand, fused"]),
        (["training.py", "--tiny", "--only", "8x8"], ["8x8 digits", "hand, foreach", "loader"]),
        (["matching.py", "--rounds", "1", "--cells", "2"], ["macs by width", "real multiplier", "every width"]),
        (["calibration.py", "--tiny"], ["coverage of 95 %", "any false claim", "at the margin", "stated 80.00%"]),
        (
            ["verdicts.py", "--tiny", "--only", "2 x 2, 3 seeds"],
            ["stated for the effect: 80.0%", "false claim", "of 5"],
        ),
    ],
    ids=["gpu", "training", "matching", "calibration", "verdicts"],
)
def test_benchmarks_run(script: list[str], says: list[str], tmp_path: Path) -> None:
    told = ran([PYTHON, str(ROOT / "benchmarks" / script[0]), *script[1:]], tmp_path)
    missing = [text for text in says if text not in told]
    assert not missing, told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "says"),
    [
        (["training.py", "--tiny", "--only", "32x32"], "32x32 synthetic pictures"),
        (["profile_step.py", "--tiny", "--epochs", "1"], "bookkeeping"),
        (["learning.py", "--tiny"], "not measured, no folder is given"),
    ],
    ids=["training", "profile_step", "learning"],
)
def test_long_benchmarks_run(script: list[str], says: str, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    if "slow" not in pytestconfig.getoption("-m"):
        pytest.skip("a minute each: ask with `-m slow`")
    assert says in ran([PYTHON, str(ROOT / "benchmarks" / script[0]), *script[1:]], tmp_path)


CLAIMS = {
    "from 0 to 0.7 val_accuracy changes by -2.08 points [-2.24, -1.92].": True,
    "width: each doubling changes val_accuracy by +1.0 points [+0.8, +1.2].": True,
    "At equal MACs, kind: b is better than a by 2.0 points [1.8, 2.2].": True,
    "kind: a and b tie within 2 points (+0.1 points [-0.2, +0.4]).": False,
    "these seeds cannot tell rate (from 0 to 0.7 val_accuracy changes by -0.1 points [-0.4, +0.2]).": False,
    "from 0 to 0.7 val_accuracy changes by -0.1 points [-0.2, -0.0], within the 2 that matter.": False,
}


@pytest.mark.parametrize("text", CLAIMS)
def test_the_simulation_sees_every_kind_of_claim(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    claimed = runpy.run_path(str(ROOT / "benchmarks/verdicts.py"))["claimed"]
    assert claimed(text) is CLAIMS[text]
