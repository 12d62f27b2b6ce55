"""Which combinations of levels a design holds: all, a fraction of them, one factor at a time, spread out, or listed."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from itertools import combinations as subsets
from itertools import product

from searchspace.language.space import Assignment, SearchSpace
from searchspace.language.variables import Choice, Domain, IntRange, first, levels
from studies.design.spec import DesignSpec
from studies.seeds import derive


def combinations(design: DesignSpec, space: SearchSpace, seed: int) -> tuple[Assignment, ...]:
    """The combinations in the order of the factors' levels, each once; `seed` places a latin hypercube's."""
    if design.cells is not None:
        return tuple({name: cell[name] for name in design.factors} for cell in design.cells)
    if design.layout == "latin_hypercube":
        assert design.runs is not None
        return tuple(_once(_hypercube(design.factors, space, design.runs, seed)))
    of = {name: levels(space[name].domain) for name in design.factors}
    if design.layout == "one_at_a_time":
        return tuple(_one_at_a_time(of, baseline(design, space)))
    if design.layout == "fractional":
        assert design.runs is not None
        return tuple(
            {name: of[name][high] for name, high in zip(of, run, strict=True)}
            for run in fraction(len(of), int(math.log2(design.runs)))
        )
    return tuple(dict(zip(of, one, strict=True)) for one in product(*of.values()))


def baseline(design: DesignSpec, space: SearchSpace) -> Assignment:
    """The combination about which one factor at a time is changed: as written, else every factor's first level."""
    given = design.baseline or {}
    return {name: given[name] if name in given else first(space[name].domain) for name in design.factors}


def _one_at_a_time(of: dict[str, tuple[object, ...]], base: Assignment) -> Iterator[Assignment]:
    yield base
    for name, options in of.items():
        yield from ({**base, name: option} for option in options if option != base[name])


def _once(found: Iterator[Assignment]) -> Iterator[Assignment]:
    seen: list[Assignment] = []
    for one in found:
        if one not in seen:
            seen.append(one)
            yield one


# ---- two-level fractions ---------------------------------------------------------------------------------------------


def fraction(factors: int, base: int) -> list[tuple[int, ...]]:
    """The runs of a regular 2^(factors - p) fraction in 2^base runs, as levels 0 and 1 of each factor.

    The first `base` factors are free; each other one is the product of some of them (Box & Hunter 1961).
    """
    words = generators(factors, base)
    runs = []
    for free in product((0, 1), repeat=base):
        signs = [2 * level - 1 for level in free]
        rest = (math.prod(signs[place] for place in word) for word in words)
        runs.append((*free, *((sign + 1) // 2 for sign in rest)))
    return runs


def generators(factors: int, base: int) -> list[tuple[int, ...]]:
    """For each factor beyond the free ones the free ones that it is the product of, for the highest resolution."""
    if factors == base:
        return []
    options = [word for size in range(base, 1, -1) for word in subsets(range(base), size)]
    for least in range(base + 1, 2, -1):
        if found := _chosen([word for word in options if len(word) + 1 >= least], factors - base, base, least):
            return found
    raise AssertionError("checked before: there are no more factors than runs - 1")


def _chosen(options: Sequence[tuple[int, ...]], many: int, base: int, least: int) -> list[tuple[int, ...]]:
    """So many words of which no product is shorter than `least`, by going on and back; none if none were found."""
    tried = 0

    def further(chosen: list[int], relation: list[int], start: int) -> list[int] | None:
        nonlocal tried
        if len(chosen) == many:
            return chosen
        for at in range(start, len(options)):
            tried += 1
            if tried > TRIED:
                return None
            word = _mask(options[at]) | 1 << (base + len(chosen))
            grown = [word, *(word ^ one for one in relation)]
            if all(one.bit_count() >= least for one in grown):
                found = further([*chosen, at], relation + grown, at + 1)
                if found is not None:
                    return found
        return None

    return [options[at] for at in further([], [], 0) or ()]


def _mask(word: Sequence[int]) -> int:
    return sum(1 << place for place in word)


TRIED = 100_000
"""Words that are tried for a resolution before the next lower one is taken: a fraction of a second."""


def resolution(factors: int, base: int) -> int | None:
    """The length of the shortest word of the defining relation; None for a full factorial.

    3: main effects are mixed with two-factor interactions; 4: those with each other; 5: neither.
    """
    relation: list[int] = []
    for number, word in enumerate(generators(factors, base)):
        mask = _mask(word) | 1 << (base + number)
        relation += [mask, *(mask ^ one for one in relation)]
    return min((one.bit_count() for one in relation), default=None)


# ---- latin hypercube -------------------------------------------------------------------------------------------------


def _hypercube(factors: Sequence[str], space: SearchSpace, runs: int, seed: int) -> Iterator[Assignment]:
    """McKay, Beckman & Conover (1979): each factor's range in `runs` equal strata, each met once, shuffled apart."""
    columns = []
    for name in factors:
        strata = list(range(runs))
        generator = random.Random(derive(seed, "hypercube", name))
        generator.shuffle(strata)
        columns.append([_within(space[name].domain, (stratum + 0.5) / runs) for stratum in strata])
    for one in zip(*columns, strict=True):
        yield dict(zip(factors, one, strict=True))


def _within(domain: Domain, share: float) -> object:
    """The value at a share of a domain, on its scale."""
    if isinstance(domain, Choice):
        return domain.options[int(share * len(domain.options))]
    low, high = float(domain.low), float(domain.high)
    value = math.exp(math.log(low) + share * math.log(high / low)) if domain.log else low + share * (high - low)
    if isinstance(domain, IntRange):
        return domain.low + round((value - domain.low) / domain.step) * domain.step
    return float(f"{value:.4g}")
