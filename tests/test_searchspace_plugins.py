"""Words from other packages: the example of the docs, really installed, and plug-ins that are broken."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from searchspace.language.plugins import find, plug_in

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "plugin-example"

BLUEPRINT = "stages:\n  - {block: plain, width: 16}\n  - {%s}\nhead: {pool: average}\n"
STUDY = """\
apiVersion: archstudy/v1
kind: Study
name: plugged
data: {source: digits}
variables:
  width: {choice: [16, 32]}
blueprint:
  stages:
    - {block: bowtie, width: $width, repeat: 2}
design: {factors: [width]}
recipe: {epochs: 1}
"""

BROKEN = '''
"""Words that cannot be used."""


def fails(width):
    raise ZeroDivisionError("no width")


def leaves():
    raise SystemExit("no licence")


def talks():
    raise ValueError("first line\\n\\n  second line " + "and so on " * 40)


def number():
    return 3


def again():
    return [{"block": "again"}]


def wide(**fields):
    return [{"block": "plain", **fields}]
'''


WORDS = ("fails", "leaves", "talks", "number", "again", "wide", "absent")


def install(source: Path, target: Path) -> None:
    """Install a package as a user would; its build leaves files beside the source, so a copy is built."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    command += ["--disable-pip-version-check", "--root-user-action=ignore", "--target", str(target), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example, and with a package of words that are broken."""
    folder = tmp_path_factory.mktemp("plugins")
    shutil.copytree(EXAMPLE, folder / "example")
    install(folder / "example", folder / "site")
    (folder / "broken").mkdir()
    (folder / "broken" / "broken_words.py").write_text(BROKEN)
    words = "".join(f'{word} = "broken_words:{word}"\n' for word in WORDS)
    text = (EXAMPLE / "pyproject.toml").read_text().replace("archstudy-bowtie", "archstudy-broken")
    text = text.replace('bowtie = "bowtie:bowtie"\n', words).replace('["bowtie"]', '["broken_words"]')
    (folder / "broken" / "pyproject.toml").write_text(text)
    install(folder / "broken", folder / "site")
    return folder / "site"


@pytest.fixture
def archstudy(installed: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs the command line in a process that has the plug-ins on its path."""

    def run(*arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        command = [sys.executable, *(["-c", code] if code else ["-m", "studies.cli"]), *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=60, check=False, env=environment, cwd=tmp_path
        )

    return run


Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_example_is_short() -> None:
    for name in ("pyproject.toml", "bowtie.py"):
        assert len((EXAMPLE / name).read_text().splitlines()) <= 14


def test_a_study_uses_the_example(archstudy: Run, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    done = archstudy("validate", "study.yaml")
    assert (done.returncode, done.stdout) == (0, "plugged: a sound design study\n"), done.stderr


def test_a_word_of_a_package_equals_its_stages(archstudy: Run, tmp_path: Path) -> None:
    units = [f"{{block: plain, width: {width}, kernel: {kernel}, norm: batch}}" for width, kernel in ((4, 1), (4, 5))]
    body = f"block: sequence, stages: [{', '.join(units)}, {{block: plain, width: 32, kernel: 1, norm: batch}}]"
    (tmp_path / "plugged.yaml").write_text(BLUEPRINT % "block: bowtie, width: 32, narrow: 8, kernel: 5")
    (tmp_path / "written.yaml").write_text(BLUEPRINT % body)
    costs = []
    for name in ("plugged.yaml", "written.yaml"):
        done = archstudy("describe", name, "--json")
        assert done.returncode == 0, done.stderr
        costs.append({key: json.loads(done.stdout)[key] for key in ("params", "macs")})
    assert costs[0] == costs[1]


MISTAKES: dict[str, tuple[str, str]] = {
    "a typo in a word": (
        "block: bowtei",
        "s.yaml:3:13: stages.1.block: unknown block 'bowtei', did you mean 'bowtie'?",
    ),
    "a typo in a field": (
        "block: bowtie, width: 8, narow: 2",
        "s.yaml:3:31: stages.1.narow: unknown field 'narow', did you mean 'narrow'?",
    ),
    "a parameter that is missing": (
        "block: bowtie",
        "s.yaml:3:5: stages.1: block 'bowtie' needs 'width'; add it",
    ),
    "a bad value of a built-in word inside": (
        "block: bowtie, width: 8, kernel: 0",
        "s.yaml:3:5: stages.1: stages.1.stages.1.kernel: got 0; write at least 1 (in plug-in 'bowtie')",
    ),
    "a function that raises": (
        "block: fails, width: 3",
        "s.yaml:3:5: stages.1: the plug-in 'fails' failed with ZeroDivisionError: no width; mend it, or its parameters",
    ),
    "a function that ends the program": (
        "block: leaves",
        "s.yaml:3:5: stages.1: the plug-in 'leaves' failed with SystemExit: no licence; mend it, or its parameters",
    ),
    "a function that raises a long story": (
        "block: talks",
        "s.yaml:3:5: stages.1: the plug-in 'talks' failed with ValueError: first line second line and so on and so on",
    ),
    "a function that returns no stages": (
        "block: number",
        "s.yaml:3:5: stages.1: the plug-in 'number' returned 3; it must return a list of stages (mappings)",
    ),
    "a function that is not there": (
        "block: absent",
        "s.yaml:3:5: stages.1: the plug-in 'absent' (broken_words:absent) cannot be loaded, AttributeError: module "
        "'broken_words' has no attribute 'absent'; mend or remove it",
    ),
    "a circle": (
        "block: again",
        "s.yaml:3:5: stages.1: blocks go in a circle: again -> again; take one out of the other (in plug-in 'again')",
    ),
    "any field goes, but the word inside knows better": (
        "block: wide, width: 8, colour: 3",
        "s.yaml:3:5: stages.1: stages.1.stages.0.colour: unknown field 'colour'",
    ),
}


def test_mistakes(archstudy: Run, tmp_path: Path) -> None:
    for number, (stage, _) in enumerate(MISTAKES.values()):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "s.yaml").write_text(BLUEPRINT % stage)
    code = "import os; from studies.cli import main\n"
    code += f"for n in range({len(MISTAKES)}): os.chdir({str(tmp_path)!r} + f'/{{n}}'); main(['describe', 's.yaml'])"
    told = archstudy(code=code).stderr.splitlines()
    assert len(told) == len(MISTAKES)
    for line, (kind, (_, wanted)) in zip(told, MISTAKES.items(), strict=True):
        assert line.startswith(wanted), kind


def test_no_plug_in() -> None:
    assert find("nobody_has_this_word") is None


def test_parameters_come_from_the_signature() -> None:
    def word(width: int, *, narrow: int = 4) -> list[Any]:
        return [{"width": width // narrow}]

    found = plug_in("word", word)
    assert (found.required, found.parameters["narrow"], found.open) == (["width"], 4, False)
    assert found.stages({"width": 8}) == [{"width": 2}]
    with pytest.raises(TypeError, match="parameters are given by name, and it has some that cannot be"):
        plug_in("sum", sum)
