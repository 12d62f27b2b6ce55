"""Verdicts on built data with known truth, all the way: rows, reading, sentences."""

import random
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from readings import BASE, MATCH, crossed, rows, spec

from studies.analysis.reading import read
from studies.verdict import headline, verdict

STUDIES = 10
"""Each truth is drawn so many times; the verdict must be right every time."""


def noise(seed: int, deviation: float = 0.002) -> Callable[[], float]:
    dice = random.Random(seed)
    return lambda: dice.gauss(0, deviation)


def told(
    effect: Callable[[Mapping[str, Any], int], float | str],
    seeds: int,
    factors: Mapping[str, Any],
    at: int = 0,
    **more: Any,
) -> str:
    """The verdict of a study whose values are `effect` and noise of 0.2 points."""
    deviation = more.pop("deviation", 0.002)
    draw = noise(at, deviation)

    def value(levels: Mapping[str, Any], seed: int) -> float | str:
        base = effect(levels, seed)
        return base if isinstance(base, str) else base + draw()

    raw = more.pop("raw", None)
    every = rows(crossed(**factors), seeds, value)
    if raw:
        unmatched = {f"raw: {name}": levels for name, levels in crossed(**factors).items()}
        every += rows(unmatched, seeds, lambda levels, _: raw(levels) + draw(), phase="raw")
        for row in every:
            row["macs"] = 100 * row["assignment"]["kernel"] if row["phase"] == "raw" else 100
    design = {**BASE["design"], "factors": list(factors), "replicates": seeds, **more}
    study = spec(design=design)
    lines = verdict(study, read(study, every), 360)
    assert headline(study, read(study, every)) == lines[0]
    return "\n".join(lines)


@pytest.mark.parametrize("at", range(STUDIES))
def test_a_pure_effect(at: int) -> None:
    text = told(lambda cell, _: 0.9 + 0.005 * cell["depth"], 5, {"depth": [1, 4], "kernel": [3, 5]}, at, match=MATCH)
    assert re.match(r"At equal MACs \(2 M within 4%\), depth: 4 is better than 1 by 1\.\d+ points \[", text)
    assert "worse" not in text
    assert "depends on" not in text
    assert "5 is better" not in text
    assert "3 is better" not in text


@pytest.mark.parametrize("at", range(STUDIES))
def test_an_interaction_is_told_and_no_effect_as_if_it_held_everywhere(at: int) -> None:
    def effect(cell: Mapping[str, Any], _: int) -> float:
        return 0.9 + (0.015 if cell["kernel"] == 3 else -0.015) * (cell["depth"] == 4)

    text = told(effect, 5, {"depth": [1, 4], "kernel": [3, 5]}, at)
    found = re.match(
        r"The effect of depth depends on kernel: 4 against 1 is \+1\.\d+ points \[.*\] at 3 and -1\.\d+ points", text
    )
    assert found, text
    assert "1 is better than 4" not in text
    assert "4 is better than 1" not in text


@pytest.mark.parametrize("at", range(STUDIES))
def test_a_sign_that_flips_when_costs_are_equal(at: int) -> None:
    text = told(
        lambda cell, _: 0.9 - 0.004 * (cell["kernel"] == 5),
        8,
        {"kernel": [3, 5]},
        at,
        deviation=0.001,
        match=MATCH,
        raw=lambda cell: 0.9 + 0.009 * (cell["kernel"] == 5),
    )
    assert re.search(
        r"kernel: 5 is better than 3 by 0\.\d+ points \[.*\] as they stand, and worse by 0\.\d+ points \[.*\] at equal "
        r"MACs: the raw gain was paid for\.",
        text,
    )
    assert text.startswith("At equal MACs (2 M within 4%), kernel: 3 is better than 5 by 0.")


@pytest.mark.parametrize("at", range(STUDIES))
def test_a_plateau(at: int) -> None:
    mean = {1: 0.88, 2: 0.9, 4: 0.93, 8: 0.93, 16: 0.93}
    text = told(lambda cell, _: mean[cell["depth"]], 20, {"depth": list(mean)}, at)
    assert "From 4 on depth pays no more: 4, 8 and 16 tie within 0.5 points; " in text
    assert re.search(r"the best depth is .*(4|8|16).* \(95 % set\)\.|any depth", text)
    assert "degrades" not in text
    assert re.match(
        r"depth: 4 is better than 1 by [45]\.\d+ points \[.*\], and beyond 4 less than 0\.5 points is gained\.", text
    )


@pytest.mark.parametrize("at", range(STUDIES))
def test_degradation(at: int) -> None:
    mean = {1: 0.9, 4: 0.93, 8: 0.91}
    text = told(lambda cell, _: mean[cell["depth"]], 5, {"depth": list(mean)}, at)
    assert re.match(r"depth: 4 is better than 1 by \d.*\], and than 8 by \d.*\]\.", text)
    assert "Beyond 4 depth degrades.\nThe best depth is 4 (95 % set)." in text
    assert "Each doubling" not in text


@pytest.mark.parametrize("at", range(STUDIES))
def test_no_effect_with_few_seeds_cannot_be_told(at: int) -> None:
    text = told(lambda *_: 0.9, 3, {"depth": [1, 4]}, at, deviation=0.01)
    assert re.match(r"depth: 3 seeds cannot tell 4 from 1 \([-+]?\d", text)
    assert re.search(
        r"3 seeds can see differences from [\d.]+ points on \(80 % power\), so this shows no equality", text
    )
    assert "the 0.5 points that matter would take" in text
    assert not re.search("better|worse| tie ", text)


def test_a_true_tie_is_shown() -> None:
    """Always within the margin; at 5 % chance shows a difference too, which is then said to be too small to matter."""
    texts = [told(lambda *_: 0.9, 15, {"depth": [1, 4]}, at) for at in range(100)]
    tie = r"depth: 1 and 4 tie within 0\.5 points \([-+]?0\.\d+ points \["
    tied = [text for text in texts if re.match(tie, text)]
    assert not [text for text in tied if re.search("better|worse|cannot tell", text)]
    rest = [text for text in texts if text not in tied]
    assert all(re.match(r"depth: \d is better than \d by .*, less than the 0\.5 that matters\.", text) for text in rest)
    assert len(rest) <= 5 + 2 * (100 * 0.05 * 0.95) ** 0.5


@pytest.mark.parametrize("at", range(STUDIES))
def test_survivors_make_no_claim(at: int) -> None:
    """Six of ten trials of depth 8 diverge; the four that are left look better."""

    def effect(cell: Mapping[str, Any], seed: int) -> float | str:
        if cell["depth"] == 8 and seed >= 4:
            return "diverged"
        return 0.935 if cell["depth"] == 8 else 0.93 - 0.006 * (seed % 5 == 4)

    text = told(effect, 10, {"depth": [1, 8]}, at, deviation=0.0003)
    assert "6 of 10 trials at depth 8 failed (diverged), none elsewhere: what is left are survivors. " in text
    assert "Counted as the worst value seen they would turn what the rest show" in text
    assert text.startswith("depth: nothing can be claimed, because failed trials could turn it (8 against 1 among")
    assert not re.search(r"better|worse (than|by)| tie ", text)


def test_one_common_setting_is_told_beside_each_cells_own_best() -> None:
    draw, cells = noise(1), crossed(depth=[1, 4])
    every = rows(cells, 5, lambda cell, _: 0.9 + 0.005 * cell["depth"] + draw(), assignment={"depth": 1, "lr": 0.1})
    for row in every:
        row["assignment"] = {**cells[row["cell"]], "lr": 0.1 if row["cell"] == "depth=1" else 0.2}
    for rate in (0.05, 0.1, 0.2):
        worth = {1: {0.05: 0.88, 0.1: 0.9, 0.2: 0.85}, 4: {0.05: 0.86, 0.1: 0.88, 0.2: 0.9}}
        tried = rows(
            cells, 2, lambda cell, _, rate=rate, worth=worth: worth[cell["depth"]][rate] + draw(), phase="tune"
        )
        every += [{**row, "assignment": {**row["assignment"], "lr": rate}} for row in tried]
    study = spec(design={**BASE["design"], "replicates": 5, "tune": {"lr": [0.05, 0.1, 0.2]}, "tune_replicates": 2})
    text = "\n".join(verdict(study, read(study, every), 0))
    assert "Each cell stands at its own best lr, found with the same effort (3 settings)." in text
    assert re.search(
        r"At one common lr=0\.1 the effect on 2 tuning seeds would read: depth, 4 against 1, -.* \(the other way"
        r" round\)\.",
        text,
    )
    assert "In 1 of 2 cells the best lr is at an end of its range and may lie beyond." in text


def test_a_power_law_is_told_with_its_forecast() -> None:
    draw = noise(2, 0.0005)
    sizes = crossed(examples=[250, 500, 1000, 2000, 4000])
    every = rows(sizes, 5, lambda cell, _: 1 - (2 * cell["examples"] ** -0.5 + 0.02) + draw())
    study = spec(design={**BASE["design"], "factors": ["examples"], "replicates": 5}, recipe={"examples": "$examples"})
    text = "\n".join(verdict(study, read(study, every), 0))
    assert re.search(r"Error falls as [12]\.\d+ n\^-b \+ c: b = 0\.[45]\d* \[.*\], c = \d.* points \[.*\];", text)
    assert re.search(
        r"At 8,000 examples the forecast is an error of 4\.\d+ points \[.*\], 0\.\d+ points less than", text
    )


@pytest.mark.parametrize("at", range(STUDIES))
def test_three_factors_that_act_on_each_other_do_not_tie(at: int) -> None:
    """On average over the others no factor does anything, and in every cell each changes two points."""
    text = told(lambda cell, _: 0.9 + 0.01 * (-1) ** sum(cell.values()), 5, {"a": [0, 1], "b": [0, 1], "c": [0, 1]}, at)
    assert text.startswith("On average over the other factors, ")
    assert re.search(r"Three factors or more act on each other: cells are off .* by 0?\.?\d+\.?\d* points? ", text)
    assert "effects add up is not shown" not in text
