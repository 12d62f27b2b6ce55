"""Broken study files: nothing but spec errors comes out, and each has its line and column.

As a script, `python tests/test_studies_fuzz.py --files 20000`, it does the same for as many files.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

import pytest

from searchspace.language.problems import SpecError
from studies.load import load

EXAMPLES = sorted((Path(__file__).parents[1] / "studies/examples").glob("*.yaml"))
MACROS = """apiVersion: archstudy/v1
kind: Study
name: macros
data: {source: digits}
variables:
  width: {int: [8, 32], step: 8}
blueprint:
  defaults: {norm: batch, bias: false}
  blocks:
    fire:
      parameters: {squeeze: 4, expand: 4 * $squeeze}
      stages:
        - {block: plain, width: $squeeze, kernel: 1}
        - block: parallel
          branches:
            small: [{block: plain, width: $expand, kernel: 1}]
            large: [{block: plain, width: $expand}]
  stages:
    - {count: 2, block: residual, repeat: [1, 2], width: $width * 2 ** $stage, kernels: [[3, 3], [1, 3, 1]]}
    - {block: fire, squeeze: $width}
    - {block: raw, nodes: [{node: conv, out: 8, kernel: 1}, {node: activation, kind: relu}]}
  head: {pool: average, hidden: [16], dropout: 0.1}
search: {constraints: {macs: <= 10M}}
budget: {trials: 4}
recipe: {epochs: 1}
"""
ZOO = """apiVersion: archstudy/v1
kind: Study
name: zoo
data: {source: digits}
variables: {width: {choice: [0.25, 0.5]}}
blueprint: {zoo: resnet20_cifar, width: $width, classes: 10}
design: {factors: [width], replicates: 2}
recipe: {epochs: 1}
"""
VALUES = [
    *("null", "true", "-1", "0", "1e9", "1e-3", "nan", "3%", "2M", "[]", "{}", "[1, 2, 3]", "'x'", ":", "?", "|", ">"),
    *("$width", "$nope", "$stage", "2 * $width", "relu", "batch", "residual", "fire", "zoo", "&a", "*a", "!t", "-"),
    *("{choice: [1, 2]}", "{int: [1, 4]}", "{kind: max}", "{zoo: vgg11}", "{count: 2}"),
]
CHARACTERS = "abz09:-{}[],#'\" \n\t$*&!|>%@`\\\u00e9\x00"


def texts() -> list[str]:
    """The sound files that are broken."""
    return [*(path.read_text() for path in EXAMPLES), MACROS, ZOO]


def mutated(text: str, dice: random.Random) -> str:
    """One to four changes: of a character, of a line, of a value."""
    for _ in range(dice.choice([1, 1, 1, 2, 4])):
        lines = text.split("\n")
        one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
        match dice.randrange(8):
            case 0:
                at = dice.randrange(len(text) + 1)
                text = text[:at] + text[at + 1 :]
                continue
            case 1:
                at = dice.randrange(len(text) + 1)
                text = text[:at] + dice.choice(CHARACTERS) + text[at:]
                continue
            case 2:
                del lines[one]
            case 3:
                lines.insert(one, lines[other])
            case 4:
                lines[one], lines[other] = lines[other], lines[one]
            case 5:
                lines[one] = " " * dice.randrange(9) + lines[one].strip()
            case _:
                key, colon, _ = lines[one].rpartition(":" if dice.random() < 0.5 else ": ")
                lines[one] = f"{key}{colon} {dice.choice(VALUES)}"
        text = "\n".join(lines) or "\n"
    return text


def broken(seed: int, file: Path) -> bool:
    """Whether the file that `seed` makes is refused; anything but a placed SpecError gets out."""
    dice = random.Random(seed)
    file.write_text(mutated(dice.choice(texts()), dice), encoding="utf-8")
    try:
        load(file)
    except SpecError as error:
        unplaced = [str(one) for one in error.problems if not (one.line and one.column and one.message)]
        if unplaced or not error.problems:
            raise ValueError(f"seed {seed}: no line and column: {unplaced}") from None
        return True
    return False


def test_the_files_are_sound_before_they_are_broken(tmp_path: Path) -> None:
    for number, text in enumerate(texts()):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text, encoding="utf-8")
        assert load(file).spec.name


@pytest.mark.parametrize("part", range(4))
def test_a_broken_file_is_a_placed_mistake_and_nothing_else(part: int, tmp_path: Path) -> None:
    refused = sum(broken(seed, tmp_path / "s.yaml") for seed in range(part * 250, part * 250 + 250))
    assert refused > 150


def main() -> None:
    """As many files as asked for."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=20_000)
    count = parser.parse_args().files
    refused = 0
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(count):
            refused += broken(seed, Path(folder) / "s.yaml")
    print(f"{count:,} files, {refused:,} refused, each with lines and columns")


if __name__ == "__main__":
    main()
