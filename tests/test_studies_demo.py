"""The README's first command, from nothing to an exported network, as it stands."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.ray
def test_the_demo_ends_with_a_winner_and_its_bundle(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ARCHSTUDY", "RAY_"))}
    command = [sys.executable, "-m", "studies.cli", "demo", "--folder", str(tmp_path / "demo")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("winner: trial ")
    assert "next:" in done.stdout
    bundle = {path.name for path in (tmp_path / "demo" / "bundle").iterdir()}
    assert {"model.py", "weights.safetensors", "blueprint.yaml", "card.md"} <= bundle
