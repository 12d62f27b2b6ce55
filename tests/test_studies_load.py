"""Broken studies: every mistake of a file as `file:line:column: where: what, cure`, at once and quickly."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from effort import calls

from searchspace.language.problems import SpecError
from studies.errors import NotFound
from studies.load import from_tree, load

DESIGN = """\
apiVersion: archstudy/v1
kind: Study
name: broken
data: {source: digits}
variables:
  depth: {choice: [1, 2]}
  width: {int: [4, 64]}
blueprint:
  stages:
    - {block: plain, repeat: $depth, width: $width, kernel: 3, pool: {size: 2}}
  head: {pool: average}
design:
  factors: [depth]
  match: {macs: 100k, by: width}
  replicates: 2
recipe: {epochs: 2, optimizer: {kind: sgd, lr: 1e-3}}
"""
_ASKED = "design:\n  factors: [depth]\n  match: {macs: 100k, by: width}\n  replicates: 2\n"
SEARCH = DESIGN.replace(_ASKED, "search: {objectives: [{maximize: val_accuracy}]}\n")
OPTIONS = """\
apiVersion: archstudy/v1
kind: Study
name: options
data: {source: digits}
recipe: {epochs: 1}
blueprint:
  stages:
    - choice:
      - {block: plain, width: {choice: [8, 16]}, kernal: 3}
      - {block: residual, width: 8, repeat: {int: [1, 3]}}
search: {WITHIN}
"""
_AT = "blueprint_stages_0"
STARTS = f"start: [{{{_AT}: residual, {_AT}_residual_repeat: 2}}, {{{_AT}_residual_repeat: 2}}, "
STARTS += f"{{{_AT}: residual, {_AT}_plain_width: 8}}, {{{_AT}: rezidual}}, {{q: 3}}, {{}}, {{{_AT}: plain}}]"
_SLOPES = "{choice: [{kind: leaky_relu, slope: {choice: [0.1, -1.0]}}, {kind: relu}]}"
DEEP = f"{{choice: [{{block: plain, width: 4}}, {{block: plain, width: 4, activation: {_SLOPES}}}]}}"
FREE = ("  width:", "  lr: {float: [1e-3, 1e-1]}\n  width:"), ("lr: 1e-3", "lr: $lr")
"""A real number among the variables, in line 7."""


def but(*changes: tuple[str, str], of: str = DESIGN) -> str:
    """The sound study with some of its text replaced."""
    for old, new in changes:
        assert old in of, old
        of = of.replace(old, new, 1)
    return of


def broken(tmp_path: Path, text: str | bytes) -> list[str]:
    """The lines that a file gives, without the folder."""
    file = tmp_path / "s.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(SpecError, match=r"s\.yaml:\d+:\d+: ") as caught:
        load(file)
    return [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]


FOURTEEN: dict[str, tuple[str | bytes, list[str]]] = {
    "a typo in a key": (
        but(("replicates", "replicats")),
        [r"s.yaml:15:3: design.replicats: unknown field 'replicats', did you mean 'replicates'\?"],
    ),
    "an unknown block": (
        but(("block: plain", "block: attention")),
        ["s.yaml:10:15: blueprint.stages.0.block: unknown block 'attention'; known here: plain, residual.*"],
    ),
    "a pool that does not fit": (
        but(("size: 2", "size: 9")),
        [
            r"s.yaml:10:70: blueprint.stages.0.pool: no cell is possible: a 9x9 window does not fit a 8x8 map; "
            r"remove a pool or enlarge the input \(needs 9x9, has 8x8\)"
        ],
    ),
    "a match that no cell can reach": (
        but(("100k", "100M")),
        [
            r"s.yaml:14:10: design.match: no cell is possible, the nearest is depth=2: 100 M macs are out of reach "
            r"within 5%: the nearest is width = 64 with 2.40 M \(-97.6%\); let width go beyond 64: 416 would reach "
            "it, or change the target"
        ],
    ),
    "a duplicate key": (
        but(("replicates: 2", "replicates: 2\n  replicates: 3")),
        ["s.yaml:16:3: design.replicates: this key stands twice, first in line 15; remove one of the two"],
    ),
    "an alias bomb": (
        "a: &a [x, x]\nb: [*a, *a]\n",
        [
            "s.yaml:1:4: a: anchors such as &a are not read; remove it",
            r"s.yaml:2:5: b.0: aliases such as \*a are not read; write the value out",
            r"s.yaml:2:9: b.1: aliases such as \*a are not read; write the value out",
        ],
    ),
    "a wrong unit": (
        but(("100k", "100kB")),
        ["s.yaml:14:17: design.match.macs: '100kB' is no count: write a number with k, M, G or T, such as 2M"],
    ),
    "an undefined variable": (
        but(("width: $width", "width: $widht")),
        [r"s.yaml:10:45: blueprint.stages.0.width: \$widht is not defined; did you mean \$width .*"],
    ),
    "circular variables": (
        but(("  width:", "  a: $b + 1\n  b: $a + 1\n  width:"), ("kernel: 3", "kernel: $b")),
        [r"s.yaml:7:6: variables.a: variables go in a circle: (a -> b -> a|b -> a -> b); give one of them a domain.*"],
    ),
    "an empty file": ("", ["s.yaml:1:1: the file is empty; write at least one 'key: value' line"]),
    "a binary file": (
        b"\x89PNG\0\1",
        [r"s.yaml:1:1: this is a binary file \(it has a NUL byte\); save it as UTF-8 text"],
    ),
    "a negative width": (
        but(("width: $width", "width: -4"), of=SEARCH.replace("  width: {int: [4, 64]}\n", "")),
        ["s.yaml:9:45: blueprint.stages.0.width: got -4; write at least 1"],
    ),
    "no data": (but(("data: {source: digits}\n", "")), ["s.yaml:1:1: 'data' is missing; add it"]),
    "a data file that is not there": (
        but(("source: digits", 'source: "arrays:none.npz"')),
        ["s.yaml:4:16: data.source: .*none.npz: there is no such file; write the path from the study's folder.*"],
    ),
    "both design and search": (
        but(("recipe:", "search: {}\nrecipe:")),
        ["s.yaml:16:9: search: a study has either design: or search:, and this one has both; make two files of it"],
    ),
    "neither design nor search": (
        but((_ASKED, "")),
        [r"s.yaml:1:1: a study needs design: \(a comparison\) or search: \(for the best network\); add one"],
    ),
}
"""Those of the issue: (text, the lines as patterns)."""

VARIABLES: dict[str, tuple[str | bytes, list[str]]] = {
    "a bad option": (
        but(("[1, 2]", "[1, two, -1]")),
        [
            r"s.yaml:6:23: variables.depth.choice.1: got 'two'; write a whole number \(for blueprint.stages.0.repeat\)",
            r"s.yaml:6:28: variables.depth.choice.2: got -1; write at least 1 \(for blueprint.stages.0.repeat\)",
        ],
    ),
    "a bad end": (
        but(("[4, 64]", "[0, 64]")),
        [r"s.yaml:7:17: variables.width.int.0: got 0; write at least 1 \(for blueprint.stages.0.width\)"],
    ),
    "a bad option of an inline domain": (
        but(("kernel: 3", "kernel: {choice: [3, x]}"), of=SEARCH),
        ["s.yaml:10:74: blueprint.stages.0.kernel.choice.1: got 'x'; write a whole number"],
    ),
    "a variable that fits nowhere": (
        but(("kernel: 3", "activation: $depth"), of=SEARCH),
        [r"s.yaml:10:65: blueprint.stages.0.activation: got 1; write 'relu' or another kind, .* \(with depth = 1\)"],
    ),
    "a mistake that one choice brings": (
        but(
            ("kind: sgd, lr: 1e-3", "kind: $opt, momentum: 0.9"),
            ("  width:", "  opt: {choice: [sgd, adam]}\n  width:"),
            of=SEARCH,
        ),
        [r"s.yaml:14:45: recipe.optimizer.momentum: unknown field 'momentum'; known here: .* \(with opt = 'adam'\)"],
    ),
    "a mistake that two choices bring together": (
        but(
            ("lr: 1e-3", "nesterov: $n, momentum: $m"),
            ("  width:", "  n: {choice: [false, true]}\n  m: {choice: [0.9, 0.0]}\n  width:"),
            of=SEARCH,
        ),
        [r"s.yaml:15:32: recipe.optimizer: nesterov needs a momentum above 0; .* \(with n = True, m = 0.0\)"],
    ),
    "a division by zero": (
        but(("width: $width", "width: $width // ($depth - 1)")),
        [r"s.yaml:10:45: .*: cannot compute .*: it divides by zero; change it .* \(with depth = 1\)"],
    ),
    "arithmetic with text": (
        but(("width: $width", "width: $width * $depth"), ("[1, 2]", "[a, b]"), of=SEARCH),
        [
            r"s.yaml:10:30: blueprint.stages.0.repeat: got 'a'; write a whole number \(with depth = 'a'\)",
            r"s.yaml:10:45: .*width: cannot compute .*: \$depth is 'a'; only numbers can be computed with",
        ],
    ),
    "a mistake within an option": (
        but(
            ("kernel: 3", "activation: {choice: [{kind: relu}, {kind: leaky_relu, slope: {choice: [0.1, -1.0]}}]}"),
            of=SEARCH,
        ),
        [r"s.yaml:10:\d+: blueprint.stages.0.activation.choice.1.slope.choice.1: got -1.0; write at least 0.0"],
    ),
    "a start outside": (
        but(("search: {", "search: {start: [{widht: 4}, {width: 5000, lr: 3}], "), of=SEARCH),
        [
            r"s.yaml:\d+:\d+: search.start.0.widht: 'widht' is no variable that is sampled, did you mean 'width'\?",
            r"s.yaml:\d+:\d+: search.start.1.width: 5000 is not among the values of 'width'; write a whole .*",
            r"s.yaml:\d+:\d+: search.start.1.lr: 'lr' is no variable that is sampled.*",
        ],
    ),
    "typos within the options of a choice": (
        OPTIONS.replace("WITHIN", "").replace("width: 8, repeat", "widht: 8, repeat"),
        [
            r"s.yaml:9:50: blueprint.stages.0.choice.0.kernal: unknown field 'kernal', did you mean 'kernel'\?",
            r"s.yaml:10:27: blueprint.stages.0.choice.1.widht: unknown field 'widht', did you mean 'width'\?",
        ],
    ),
    "a typo within an option of a declared choice": (
        but(
            ("  width:", "  b: {choice: [{block: plain, width: 4}, {block: plain, widht: 4}]}\n  width:"),
            ("  stages:", "  stages:\n    - $b"),
            of=SEARCH,
        ),
        [
            r"s.yaml:7:57: variables.b.choice.1.widht: unknown field 'widht', did you mean 'width'\? "
            r"\(for blueprint.stages.0.widht\)"
        ],
    ),
    "a bad value deep within two options": (
        but(("  stages:", f"  stages:\n    - {DEEP}"), of=SEARCH),
        [
            r"s.yaml:10:\d+: blueprint.stages.0.choice.1.activation.choice.0.slope.choice.1: "
            "got -1.0; write at least 0.0"
        ],
    ),
    "starts by the names of options": (
        OPTIONS.replace(", kernal: 3", "").replace("WITHIN", STARTS),
        [
            "s.yaml:11:126: search.start.1.blueprint_stages_0_residual_repeat: 'blueprint_stages_0_residual_repeat' "
            "exists only with blueprint_stages_0: residual; say that beside it",
            r"s.yaml:11:\d+: search.start.2.*_plain_width: 'blueprint_stages_0_plain_width' exists only with "
            "blueprint_stages_0: plain; say that beside it",
            r"s.yaml:11:\d+: search.start.3.blueprint_stages_0: 'rezidual' is not among the values of "
            "'blueprint_stages_0'; write one of plain, residual",
            r"s.yaml:11:\d+: search.start.4.q: 'q' is no variable that is sampled; known here: blueprint_stages_0, .*",
        ],
    ),
    "half a channel": (
        but(("width: $width", "width: $width / 2"), of=SEARCH),
        [r"s.yaml:10:45: blueprint.stages.0.width: got 2.0; write a whole number \(with width = 4\)"],
    ),
    "no options": (
        but(("choice: [1, 2]", "choice: []")),
        ["s.yaml:6:10: variables.depth: a choice is a list .*; mend it"],
    ),
    "a range the wrong way": (
        but(("[4, 64]", "[64, 4]")),
        [r"s.yaml:7:10: variables.width: the range \[64, 4\] holds nothing; write the lower end first"],
    ),
    "a typo in a domain": (
        but(("choice:", "chioce:")),
        [r"s.yaml:6:11: variables.depth.chioce: unknown field 'chioce', did you mean 'choice'\?"],
    ),
    "a list in the place of a domain": (
        but(("{choice: [1, 2]}", "[1, 2]")),
        [r"s.yaml:6:10: variables.depth: a list is no domain; write \{choice: \[1, 2\]\}"],
    ),
    "nothing in the place of a domain": (
        but(("depth: {choice: [1, 2]}", "depth:"), of=SEARCH),
        ["s.yaml:10:30: blueprint.stages.0.repeat: got nothing; write a whole number"],
    ),
    "a variable that nothing uses": (
        but(("  width:", "  spare: {int: [1, 3]}\n  width:")),
        [r"s.yaml:7:10: variables.spare: nothing refers to 'spare'; write \$spare somewhere or remove it"],
    ),
    "variables that are no mapping": (
        but(("variables:\n  depth: {choice: [1, 2]}\n  width: {int: [4, 64]}\n", "variables: [1]\n")),
        [r"s.yaml:5:12: variables: got \[1\]; write a mapping"],
    ),
    "a number beyond reach": (
        but(("[4, 64]", "[1, 1" + "0" * 300 + "]")),
        ["s.yaml:7:10: variables.width: the range .* goes beyond 1e18; make it smaller"],
    ),
}

DESIGNS: dict[str, tuple[str | bytes, list[str]]] = {
    "a factor that is no variable": (
        but(("factors: [depth]", "factors: [dept]")),
        [r"s.yaml:13:13: design.factors.0: unknown variable 'dept', did you mean 'depth'\?"],
    ),
    "a factor twice": (
        but(("factors: [depth]", "factors: [depth, depth]")),
        ["s.yaml:13:12: design.factors: a factor is named twice; name each once"],
    ),
    "a factor of real numbers": (
        but(("[depth]", "[depth, lr]"), *FREE),
        [r"s.yaml:14:20: design.factors.1: 'lr' is a range of real numbers; list its levels with \{choice: .*"],
    ),
    "a derived factor": (
        but(("[depth]", "[depth, x]"), ("  width:", "  x: 2 * $depth\n  width:"), ("kernel: 3", "kernel: $x")),
        ["s.yaml:14:20: design.factors.1: 'x' is computed from others and has no levels; name a variable with .*"],
    ),
    "a match by a real number": (
        but(("by: width", "by: lr"), *FREE),
        [
            "s.yaml:8:10: variables.width: 'width' is neither a factor nor matched; name it in design.match.by or "
            "design.factors, or give it one value"
        ],
    ),
    "a match by a factor": (
        but(("[depth]", "[depth, width]")),
        ["s.yaml:14:27: design.match.by: 'width' is a factor; name another variable, or take it out of the factors"],
    ),
    "a match by nothing": (
        but((", by: width", "")),
        [
            "s.yaml:7:10: variables.width: 'width' is neither a factor nor matched; name it in design.match.by or "
            "design.factors, or give it one value"
        ],
    ),
    "a match by a word": (
        but(("by: width", "by: kind"), ("  width:", "  kind: {choice: [max, average]}\n  width:")),
        [
            "s.yaml:7:9: variables.kind: nothing refers to 'kind'; .*",
            r"s.yaml:15:27: design.match.by: a match turns numbers; declare 'kind' as \{int: \[low, high\]\}",
        ],
    ),
    "a match of two costs that no width reaches": (
        but(("macs: 100k", "macs: 100k, params: 1k")),
        [
            r"s.yaml:14:10: design.match: no cell is possible, the nearest is depth=2: 100 k macs and 1.00 k params "
            r"are out of reach within 5%: the nearest is width = 11 with 76.1 k macs \(-23.9%\) and 1.33 k "
            r"params \(\+33.0%\)"
            "; turn as many variables as costs are held, or change the target"
        ],
    ),
    "raw cells without a match": (
        but(("  match: {macs: 100k, by: width}\n", "  raw: {width: 8}\n"), ("{int: [4, 64]}", "{choice: [8]}")),
        ["s.yaml:14:8: design.raw: nothing is matched, so all cells stand as they are; remove it or add match:"],
    ),
    "raw cells at nothing": (
        but(("  replicates: 2", "  raw: {depth: 2}\n  replicates: 2")),
        ["s.yaml:15:16: design.raw.depth: the match does not turn 'depth'.*"],
    ),
    "raw cells beside a match that turns nothing": (
        but((", by: width", ""), ("  replicates: 2", "  raw: {width: 8}\n  replicates: 2"), ("{int: [4, 64]}", "4")),
        ["s.yaml:15:8: design.raw: the match turns no variable, so no cell is changed by it; remove it or add by:"],
    ),
    "raw cells beside a misspelt variable": (
        but(("by: width", "by: widht"), ("  replicates: 2", "  raw: {width: 8}\n  replicates: 2")),
        [r"s.yaml:14:27: design.match.by: unknown variable 'widht', did you mean 'width'\?"],
    ),
    "a match that cannot be solved": (
        but(("macs: 100k", "latency: 1, params: 1k")),
        [r"s.yaml:14:10: design.match: no cell is possible: a latency is held alone, since it is measured; .*"],
    ),
    "a tuned variable that nothing reads": (
        but(("  replicates: 2", "  tune: {rate: [1, 2]}\n  replicates: 2")),
        [r"s.yaml:15:16: design.tune.rate: nothing refers to 'rate'; write \$rate somewhere or remove it"],
    ),
    "a pair that is compared twice": (
        but(("  replicates: 2", "  compare: {depth: [[1, 2], [2, 1]]}\n  replicates: 2")),
        ["s.yaml:15:29: design.compare.depth.1: these two are compared already; list each pair once"],
    ),
    "a comparison of what no cell has": (
        but(("  replicates: 2", "  cells: [{depth: 1}]\n  compare: {depth: [[1, 2]]}\n  replicates: 2")),
        ["s.yaml:16:21: design.compare.depth.0: no cell has depth at 2; compare two that cells have"],
    ),
    "a misspelt factor in a cell": (
        but(("  replicates: 2", "  cells: [{dept: 1}, {depth: 2}]\n  replicates: 2")),
        [r"s.yaml:15:18: design.cells.0.dept: 'dept' is no factor, did you mean 'depth'\?"],
    ),
    "a tuned factor": (
        but(("  replicates: 2", "  tune: {depth: [1, 2]}\n  replicates: 2")),
        ["s.yaml:15:17: design.tune.depth: 'depth' is a factor or matched already; tune another variable"],
    ),
    "a baseline beside all combinations": (
        but(("  replicates: 2", "  baseline: {depth: 1}\n  replicates: 2")),
        ["s.yaml:15:13: design.baseline: it goes with layout: one_at_a_time; remove it"],
    ),
    "a fraction of three levels": (
        but(
            ("  replicates: 2", "  layout: fractional\n  runs: 4\n  replicates: 2"),
            ("depth: {choice: [1, 2]}", "depth: {choice: [1, 2, 4]}"),
        ),
        [".*design.layout: a fraction is of two levels each, and 'depth' has 3; list two"],
    ),
    "cells of no level": (
        but(("  replicates: 2", "  cells: [{depth: 3}, {}]\n  replicates: 2")),
        [
            "s.yaml:15:19: design.cells.0.depth: 3 is no level of 'depth'; choose one of its domain",
            "s.yaml:15:23: design.cells.1: it leaves 'depth' open; name a level of every factor",
        ],
    ),
    "a comparison of nothing": (
        but(("  replicates: 2", "  compare: {depth: [[1, 1]]}\n  replicates: 2")),
        ["s.yaml:15:21: design.compare.depth.0: 1 is compared with itself; name two levels"],
    ),
    "a wanted interval of nothing": (
        but(("replicates: 2", "replicates: {until: {half_width: 0}}")),
        ["s.yaml:15:36: design.replicates.until.half_width: 0 is no size: write a number above 0 or a percentage, .*"],
    ),
    "fewer seeds at most than at least": (
        but(("replicates: 2", "replicates: {until: {half_width: 1%}, at_least: 8, at_most: 4}")),
        [".*design.replicates.at_most: got 4, which is below at_least .8.; raise it"],
    ),
    "seeds by spread without an aim": (
        but(("replicates: 2", "replicates: {at_least: 4}")),
        ["s.yaml:15:15: design.replicates: 'until' is missing; add it"],
    ),
    "a margin of fifty points": (
        but(("  replicates: 2", "  margin: 0.5\n  replicates: 2")),
        ["s.yaml:15:11: design.margin: got 0.5, which is 50 points of val_accuracy; write 0.5% for half a point"],
    ),
    "an empty list of comparisons": (
        but(("  replicates: 2", "  compare: {depth: []}\n  replicates: 2")),
        ["s.yaml:15:20: design.compare.depth: it lists no pair; list one as .*, or remove it .*"],
    ),
    "a match to nothing": (
        but(("100k", "0")),
        ["s.yaml:14:17: design.match.macs: a match needs a cost above 0, got 0; write one, such as 2M"],
    ),
    "a tolerance in words": (
        but(("by: width", "by: width, tolerance: 4 percent")),
        ["s.yaml:14:45: design.match.tolerance: '4 percent' is no fraction: write a number from 0 to 1 or .*"],
    ),
    "an open variable": (
        but(("  match: {macs: 100k, by: width}\n", "")),
        ["s.yaml:7:10: variables.width: 'width' is neither a factor nor matched; add it to design.factors, or give .*"],
    ),
    "an open inline domain": (
        but(("kernel: 3", "kernel: {choice: [3, 5]}")),
        ["s.yaml:10:61: blueprint.stages.0.kernel: 'blueprint_stages_0_kernel' is neither a factor nor matched; .*"],
    ),
    "a match by a name near one that is broken": (
        but(("[4, 64]", "[64, 4]"), ("by: width", "by: widht")),
        [
            "s.yaml:7:10: variables.width: the range .* holds nothing; write the lower end first",
            r"s.yaml:14:27: design.match.by: unknown variable 'widht', did you mean 'width'\?",
        ],
    ),
    "a factor near one that is broken": (
        but(("choice: [1, 2]", "choice: []"), ("factors: [depth]", "factors: [dept]")),
        ["s.yaml:6:10: .*", r"s.yaml:13:13: .*: unknown variable 'dept', did you mean 'depth'\?"],
    ),
    "too many cells": (
        but(("choice: [1, 2]", "int: [1, 5000]")),
        ["s.yaml:6:20: .*int.1: got 5000; write at most 1000.*", "s.yaml:13:12: design.factors: 5,000 cells, .*"],
    ),
    "no replicates": (
        but(("replicates: 2", "replicates: 0")),
        ["s.yaml:15:15: design.replicates: got 0; write at least 1"],
    ),
}

SEARCHES: dict[str, tuple[str | bytes, list[str]]] = {
    "an unknown objective": (
        but(("val_accuracy", "val_acuracy"), of=SEARCH),
        [r"s.yaml:12:23: search.objectives.0: unknown objective 'val_acuracy', did you mean 'val_accuracy'\?"],
    ),
    "a cost first": (
        but(("maximize: val_accuracy", "minimize: macs"), of=SEARCH),
        ["s.yaml:12:23: .*: the first objective ranks and prunes, so it cannot be a cost; put {maximize: val_acc.*"],
    ),
    "the wrong way": (
        but(("maximize: val_accuracy", "minimize: val_accuracy"), of=SEARCH),
        ["s.yaml:12:23: .*: this looks for the worst val_accuracy; write {maximize: val_accuracy}"],
    ),
    "the same twice": (
        but(("[{maximize: val_accuracy}]", "[{maximize: val_accuracy}, {maximize: val_accuracy}]"), of=SEARCH),
        ["s.yaml:12:49: search.objectives.1: 'val_accuracy' is an objective twice; name it once"],
    ),
    "two in one": (
        but(("{maximize: val_accuracy}", "{maximize: val_accuracy, minimize: macs}"), of=SEARCH),
        ["s.yaml:12:23: .*: an objective names one thing; write {maximize: val_accuracy} or {minimize: macs}"],
    ),
    "a constraint on what is not counted": (
        but(("}]}", '}], constraints: {flops: "<= 2M"}}'), of=SEARCH),
        ["s.yaml:12:71: search.constraints.flops: 'flops' is no cost that is counted; known here: params, macs, .*"],
    ),
    "a bound that is none": (
        but(("}]}", "}], constraints: {macs: 2000}}"), of=SEARCH),
        ["s.yaml:12:70: search.constraints.macs: 2000 is no bound: write <= or >= and a number, such as '<= 60k'"],
    ),
    "an unknown pruner": (
        but(("}]}", "}], pruner: {kind: ahsa}}"), of=SEARCH),
        [r"s.yaml:12:65: search.pruner.kind: unknown kind 'ahsa', did you mean 'asha'\?"],
    ),
    "nothing at a time": (
        but(("recipe:", "budget: {parallel: 0}\nrecipe:"), of=SEARCH),
        ["s.yaml:13:20: budget.parallel: got 0; write at least 1"],
    ),
    "no network at all": (
        but(("size: 2", "size: 9"), of=SEARCH),
        ["s.yaml:10:70: blueprint.stages.0.pool: no network of this space can exist: a 9x9 window .* has 8x8.*"],
    ),
}

OTHERS: dict[str, tuple[str | bytes, list[str]]] = {
    "a loss for another task": (
        but(("epochs: 2", "epochs: 2, loss: mse, label_smoothing: 0.1")),
        ["s.yaml:16:49: recipe.label_smoothing: only the cross_entropy loss has it, not mse; set label_smoothing: 0"],
    ),
    "text for a number": (
        but(("lr: 1e-3", "lr: fast")),
        ["s.yaml:16:48: recipe.optimizer.lr: got 'fast'; write a number"],
    ),
    "a number in quotes": (
        but(("epochs: 2", 'epochs: "2"')),
        ["s.yaml:16:18: recipe.epochs: got '2'; remove the quotes, so that it is a number"],
    ),
    "an unknown optimizer and its rate": (
        but(("kind: sgd, lr: 1e-3", "kind: sdg, lr: -1")),
        [
            r"s.yaml:16:39: recipe.optimizer.kind: unknown kind 'sdg', did you mean 'sgd'\?",
            "s.yaml:16:48: recipe.optimizer.lr: got -1; .*",
        ],
    ),
    "an unknown block and a misspelt field": (
        but(("block: plain", "block: residul"), ("kernel: 3", "kernle: 3")),
        [
            r"s.yaml:10:15: blueprint.stages.0.block: unknown block 'residul', did you mean 'residual'\?",
            r"s.yaml:10:55: blueprint.stages.0.kernle: unknown field 'kernle', did you mean 'kernel'\?",
        ],
    ),
    "no recipe": (
        but(("recipe: {epochs: 2, optimizer: {kind: sgd, lr: 1e-3}}\n", "")),
        ["s.yaml:1:1: recipe: 'epochs' is missing; add it"],
    ),
    "no such norm": (
        but(("kernel: 3", "norm: bacth")),
        ["s.yaml:10:59: blueprint.stages.0.norm: got 'bacth'; write 'batch', 'layer', .* or 'local_response'"],
    ),
    "a number for a mapping": (
        but(("kernel: 3", "norm: 3")),
        ["s.yaml:10:59: blueprint.stages.0.norm: got 3; write 'batch' or another kind, or a mapping with kind.*"],
    ),
    "stages misspelt": (
        but(("stages:", "stage:")),
        [r"s.yaml:9:3: blueprint.stage: unknown field 'stage', did you mean 'stages'\?"],
    ),
    "another version": (
        but(("/v1", "/v2")),
        [
            "s.yaml:1:13: apiVersion: this archstudy reads archstudy/v1; install a newer one for archstudy/v2, "
            "or write archstudy/v1"
        ],
    ),
    "no version": (but(("archstudy/v1", "v1")), ["s.yaml:1:13: apiVersion: got 'v1'; write 'archstudy/v1'"]),
    "a name with spaces": (
        but(("name: broken", "name: my study")),
        ["s.yaml:3:7: name: got 'my study'; write 1 to 100 of a-z, A-Z, 0-9, .*, a letter or digit first"],
    ),
    "deep nesting": (
        but(("kernel: 3", "kernel: " + "[" * 40)),
        ["s.yaml:10:90: more than 32 levels of nesting; flatten it"],
    ),
    "unicode": (
        but(("name: broken", "name: süß"), ("replicates", "réplicates")),
        ["s.yaml:3:7: name: got 'süß'; .*", r"s.yaml:15:3: .*unknown field 'réplicates', did you mean 'replicates'\?"],
    ),
    "lines that end in CRLF": (
        but(("replicates", "replicats")).replace("\n", "\r\n"),
        [r"s.yaml:15:3: design.replicats: .*"],
    ),
    "a byte order mark": (
        "\ufeff" + but(("kind: Study", "kind: Studie")),
        ["s.yaml:2:7: kind: got 'Studie'; write 'Study'"],
    ),
    "tabs": (but(("  replicates", "\treplicates")), ["s.yaml:15:1: a tab cannot indent; use spaces"]),
    "a list": ("- a\n", ["s.yaml:1:1: a study is a mapping; start with apiVersion: archstudy/v1"]),
    "a kernel of three axes": (
        but(("kernel: 3", "kernel: [3, 3, 3]")),
        [r"s.yaml:10:7: .*: no cell is possible: \[3, 3, 3\] is for 3 axes, the map has 2; give one number or 2"],
    ),
}

EVERY = {**FOURTEEN, **VARIABLES, **DESIGNS, **SEARCHES, **OTHERS}


@pytest.mark.parametrize(("text", "lines"), EVERY.values(), ids=EVERY)
def test_every_mistake_has_its_place_and_cure(text: str | bytes, lines: list[str], tmp_path: Path) -> None:
    found = broken(tmp_path, text)
    assert len(found) == len(lines), found
    assert all(re.fullmatch(pattern, line) for pattern, line in zip(lines, found, strict=True)), found


SEVEN = but(
    ("name: broken", "name: a b"),
    ("source: digits", "source: digts"),
    ("choice: [1, 2]", "choice: 1"),
    ("block: plain", "block: plian"),
    ("replicates: 2", "replicates: 0"),
    ("recipe:", "budget: {trails: 3}\nrecipe:"),
    ("epochs: 2", "epochs: zwei"),
)


def test_seven_mistakes_in_seven_sections_are_seven_lines(tmp_path: Path) -> None:
    starts = ["3:7: name: ", "4:16: data.source: ", "6:10: variables.depth: ", "10:15: blueprint.stages.0.block: "]
    starts += ["15:15: design.replicates: ", "16:10: budget.trails: ", "17:18: recipe.epochs: "]
    found = broken(tmp_path, SEVEN)
    assert [line.startswith(f"s.yaml:{start}") for line, start in zip(found, starts, strict=True)] == [True] * 7


def test_a_wrong_section_hides_no_other(tmp_path: Path) -> None:
    text = but(
        ("by: width", "by: widht"), ("{source: digits}", "{source: 3}"), ("lr: 1e-3", "rl: 1"), ("name: ", "nam: ")
    )
    found = broken(tmp_path, text)
    assert [line.split(": ")[1] for line in found] == ["nam", "data.source", "design.match.by", "recipe.optimizer.rl"]


def test_a_loss_that_does_not_fit_the_task(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((9, 8, 8)), y=np.zeros(9))
    text = but(
        ("source: digits", "source: arrays:d.npz"),
        ("kind: Study", "kind: Study\ntask: regression"),
        ("epochs: 2", "epochs: 2, loss: cross_entropy"),
    )
    sentence = "recipe.loss: cross_entropy needs classes, but the task is regression; write mse"
    assert broken(tmp_path, text) == [f"s.yaml:17:27: {sentence}"]


def sound(tmp_path: Path, text: str) -> Any:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    return load(file)


@pytest.mark.parametrize("number", ["1e-3", "0.001", "1E-3", ".001"])
def test_a_plain_number_is_a_number(number: str, tmp_path: Path) -> None:
    study = sound(tmp_path, but(("1e-3", number)))
    assert study.spec.recipe["optimizer"]["lr"] == 0.001


def test_a_sound_study_is_kept_whole(tmp_path: Path) -> None:
    study = sound(tmp_path, DESIGN)
    assert (study.text, study.tree["design"]["match"]["macs"], study.facts.outputs) == (DESIGN, 100_000, 10)
    again = from_tree(study.tree, study.text)
    assert (again.spec, again.space, again.facts) == (study.spec, study.space, study.facts)


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((20, 8, 8)), y=np.arange(20) % 2)
    study = sound(tmp_path, but(("source: digits", "source: arrays:d.npz")))
    assert study.spec.data.source == f"arrays:{tmp_path}/d.npz"
    assert study.facts.images == 20


def test_first_filters_lie_beside_the_file_too(tmp_path: Path) -> None:
    first = "recipe: {initial: {first: {kind: file, path: filters/w.npz}}, epochs"
    study = sound(tmp_path, but(("recipe: {epochs", first)))
    assert study.spec.recipe["initial"]["first"]["path"] == f"{tmp_path}/filters/w.npz"


def test_some_cells_out_of_reach_are_no_mistake(tmp_path: Path) -> None:
    assert sound(tmp_path, but(("100k", "30k"))).spec.design


def test_what_is_tuned_is_known_though_the_design_is_wrong(tmp_path: Path) -> None:
    text = but(("lr: 1e-3", "lr: $lr"))
    assert "$lr is not defined" in "".join(broken(tmp_path, text))
    tuned = text.replace("design:", "design:\n  tune: {lr: [0.1, 0.2]}\n  replicats: 3", 1)
    assert [line.split(": ")[1] for line in broken(tmp_path, tuned)] == ["design.replicats"]


def test_a_wide_range_to_match_stays_quick(tmp_path: Path) -> None:
    assert calls(lambda: sound(tmp_path, but(("[4, 64]", "[4, 2000]")))) < 70_000


def test_there_must_be_a_file(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"there is no file .*none.yaml; give the path"):
        load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "path", sorted((Path(__file__).parents[1] / "studies/examples").glob("*.yaml")), ids=lambda p: p.name
)
def test_the_examples_are_sound(path: Path) -> None:
    assert load(path).spec.name == path.stem


def test_the_starts_of_the_docs_are_sound(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs/search.md").read_text(encoding="utf-8")
    snippet = page[page.index("```yaml\nvariables:") :].removeprefix("```yaml\n").partition("```")[0]
    head = OPTIONS.partition("blueprint:")[0]
    study = sound(tmp_path, f"{head}blueprint: {{stages: [$stem]}}\n{snippet}")
    assert [*study.space.names] == ["stem", "stem_plain_width", "stem_residual_repeat"]
    assert len(study.spec.search.start) == 2
