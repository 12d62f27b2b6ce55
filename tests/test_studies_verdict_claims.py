"""Over random studies: no sentence claims more than its test shows, nothing contradicts, and no sentence is long."""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from readings import BASE, MATCH, crossed, rows, spec

from studies.analysis.reading import read
from studies.analysis.results import Contrast, Reading
from studies.spec import StudySpec
from studies.verdict import headline, verdict

LEVELS: dict[str, list[Any]] = {"depth": [1, 2, 4, 8], "kernel": [3, 5, 7], "norm": ["none", "batch"]}
BETTER = re.compile(r"(\w+) is better than (\w+) by [^\[]+\[[^\]]+\](?:, and than (\w+) by| (as they stand))?")
WORSE = re.compile(r"(\w+) is worse than (\w+) (?:by|mostly|because)")
TIE = re.compile(r"((?:\w+, )*\w+) and (\w+) tie within")


def drawn(dice: random.Random) -> tuple[StudySpec, Reading]:
    """A random study: effects, an interaction, failures, unmatched cells, gaps, all of random size."""
    factors = {
        name: LEVELS[name][: dice.randint(2, 4)] for name in dice.sample(list(LEVELS), dice.choice((1, 2, 2, 3)))
    }
    seeds, deviation, size = dice.choice((2, 3, 5, 12)), dice.choice((0.001, 0.005)), dice.choice((0, 0.002, 0.01))
    effect = {(name, str(level)): dice.gauss(0, size) for name, levels in factors.items() for level in levels}
    crossing = {cell: dice.gauss(0, dice.choice((0, 0.01))) for cell in crossed(**factors)}
    fails, kind = dice.choice((0, 0, 0.1, 0.4)), dice.choice(("diverged", "out_of_memory", "worker_lost"))

    def value(levels: Mapping[str, Any], _: int) -> float | str:
        deep = levels.get("depth", 0) >= 4
        if dice.random() < fails * (1 if deep else 0.2):
            return kind
        name = next(name for name, one in crossed(**factors).items() if one == levels)
        return 0.9 + sum(effect[at, str(to)] for at, to in levels.items()) + crossing[name] + dice.gauss(0, deviation)

    every = rows(crossed(**factors), seeds, value)
    raw = {"width": 24} if dice.random() < 0.4 else None
    if raw:
        every += rows({f"raw: {name}": one for name, one in crossed(**factors).items()}, seeds, value, phase="raw")
    if dice.random() < 0.3:
        every = every[: len(every) * 2 // 3]
    study = spec(design={**BASE["design"], "factors": list(factors), "replicates": seeds, "match": MATCH, "raw": raw})
    return study, read(study, every)


def shaken(reading: Reading, dice: random.Random) -> Reading:
    """The same with other p-values, wherever an interval leaves zero out or not: any that correction could give."""

    def other(one: Contrast) -> Contrast:
        low, high = one.difference.low, one.difference.high
        clear = low is not None and high is not None and low * high > 0
        p = one.p if one.p is None else dice.choice((0.001, 0.049, 0.051, 1.0) if clear else (0.06, 0.5))
        return replace(one, p=p, tie=None if one.p is None else dice.choice((0.001, 0.049, 0.051, 0.9)))

    tables = tuple(replace(one, survives=dice.random() < 0.5) for one in reading.failures)
    return replace(reading, contrasts=tuple(map(other, reading.contrasts)), failures=tables)


def shown(reading: Reading, contrasts: Sequence[Contrast], better: str, worse: str, matched: bool = True) -> bool:
    """Whether a claim is there: different at 5 %, in this direction, and not turned by failures."""
    for one in contrasts:
        right = (str(one.high), str(one.low)) if one.difference.mean > 0 else (str(one.low), str(one.high))
        if right == (better, worse) and one.p is not None and one.p < 0.05:
            return not matched or stands(reading, one)
    return False


def stands(reading: Reading, one: Contrast) -> bool:
    table = next((table for table in reading.failures if table.factor == one.factor), None)
    return table is None or table.survives or not any(table.counts[level][0] for level in (one.low, one.high))


def claimed(text: str) -> list[tuple[str, str, bool]]:
    """(better, worse, whether at equal cost) of every claim in a text."""
    found = []
    for better, worse, also, raw in BETTER.findall(text):
        found.append((better, worse, not raw))
        found += [(better, also, True)] if also else []
    return found + [(better, worse, True) for worse, better in WORSE.findall(text)]


def tied(text: str) -> set[frozenset[str]]:
    groups = [[*first.split(", "), last] for first, last in TIE.findall(text)]
    return {frozenset((one, two)) for group in groups for one in group for two in group if one != two}


def check(study: StudySpec, reading: Reading) -> int:
    """Every claim and tie of a verdict; gives how many there were."""
    text = "\n".join(verdict(study, reading, 500))
    assert verdict(study, reading, 500)[0] == headline(study, reading)
    claims, ties = claimed(text), tied(text)
    assert text.count(" better than ") + text.count(" worse than ") <= len(claims), text
    for better, worse, matched in claims:
        assert shown(reading, reading.contrasts if matched else reading.raw, better, worse, matched), (
            better,
            worse,
            text,
        )
    pairs = {frozenset((str(one.low), str(one.high))): one for one in reading.contrasts}
    assert all((pairs[pair].tie or 0) < 0.05 <= (pairs[pair].p or 0) for pair in ties), text
    assert not ties & {frozenset(claim[:2]) for claim in claims if claim[2]}, text
    assert not ties & {frozenset(reversed(found)) for found in re.findall(r"cannot tell (\w+) from (\w+)", text)}, text
    for sentence in re.split(r"\.\s|\n", text):
        assert len(sentence.split()) <= 45, sentence
    assert not re.search(r"significan|\bp ?[<=]|\bNone\b|\bnan\b|\binf\b|\{|: \.|;;|  ", text), text
    return len(claims) + len(ties)


@pytest.mark.parametrize("part", range(4))
def test_no_verdict_claims_more_than_is_shown(part: int) -> None:
    dice, told = random.Random(part), 0
    for _ in range(40):
        study, reading = drawn(dice)
        told += check(study, reading) + check(study, shaken(reading, dice))
    assert told > 40


def test_pure_noise_is_rarely_called_an_effect() -> None:
    """Holm keeps the share of verdicts with any false claim at 5 %; 80 studies of two factors."""
    dice, false = random.Random(1), 0
    factors = crossed(depth=[1, 2, 4], kernel=[3, 5])
    study = spec(design={**BASE["design"], "factors": ["depth", "kernel"]})
    for _ in range(80):
        every = rows(factors, 3, lambda *_: dice.gauss(0.9, 0.01))
        text = "\n".join(verdict(study, read(study, every), 360))
        false += "better" in text or "depends on" in text or "worse" in text
    assert false <= 0.05 * 80 + 2 * (80 * 0.05 * 0.95) ** 0.5


def test_as_many_seeds_as_have_just_failed_are_never_named() -> None:
    dice, named = random.Random(3), 0
    for _ in range(25):
        every = rows(crossed(depth=[1, 2, 4]), 3, lambda cell, _: dice.gauss(0.9 + cell["depth"] / 500, 0.003))
        text = "\n".join(verdict(spec(), read(spec(), every), 360))
        for many in re.findall(r"about (\d+) seeds", text):
            assert int(many) > 3, text
            named += 1
    assert named
