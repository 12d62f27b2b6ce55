"""A design study's sections: the verdict, how it was done, what came out, and how far that can be trusted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from studies.analysis.results import Reading
from studies.candidate import Study
from studies.design.cells import settings
from studies.design.screens import tried
from studies.report import effects, method, words
from studies.report.blocks import Block, Bullets, Heading, Paragraph, Table, section
from studies.report.figures import curves, facets, forest, frontier, heat, interaction, law, parts
from studies.verdict.limits import over
from studies.verdict.words import counted

Row = Mapping[str, Any]


def blocks(
    study: Study, row: Row, trials: Sequence[Row], epochs: Sequence[Row], reading: Reading, sentences: Sequence[str]
) -> list[Block]:
    """All sections of a design study but the closing ones; a section with nothing to say is left out."""
    metric = row["metric"]
    return [
        Heading("Verdict"),
        Bullets(tuple(sentences), verdict=True),
        *method.blocks(study, reading),
        *_results(study, reading, metric),
        *_effects(study, reading, metric, row["direction"]),
        *_cost(study, reading, metric, row["direction"]),
        *_learning(study, trials, epochs, reading, metric),
        *_tuning(study, trials, reading, metric),
        *_variance(reading, metric),
        *_law(study, reading, metric),
        *_failures(trials, reading),
        *baselines(row),
    ]


def _results(study: Study, reading: Reading, metric: str) -> list[Block]:
    assert study.spec.design is not None
    factors = study.spec.design.factors
    return section(
        "Results",
        facets.facets(reading.cells, factors, metric),
        interaction.interaction(reading.cells, factors, metric),
        heat.heat(reading.cells, factors, metric),
        _cells(reading, metric),
        _best(reading),
    )


def _cells(reading: Reading, metric: str) -> Table | None:
    """Every cell, or the first of very many."""
    ran = [one for one in (*reading.cells, *reading.raw_cells) if one.values]
    shown = ran[: method.MOST_CELLS]
    rows = [
        (
            one.name,
            words.mean(one.estimate, metric),
            len(one.values),
            words.difference(one.estimate.deviation, metric, "")
            if one.estimate and one.estimate.deviation is not None
            else "–",
            "yes" if one.name in reading.best else "",
            len(one.failed) or None,
        )
        for one in shown
    ]
    caption = (
        f"{metric}: mean ± half-width of the 95 % interval over n seeds, and their standard "
        f"deviation{words.unit(metric) and ' in points'}."
    )
    caption += " The mark: not distinguishable from the best cell (95 %)." if reading.best else ""
    caption += f" The first {len(shown)} of {len(ran)} cells." if len(ran) > len(shown) else ""
    headers = ("cell", metric, "n", "deviation", "among the best", "failed")
    return effects.filled(headers, rows, caption) if rows else None


def _best(reading: Reading) -> Paragraph | None:
    ran = [one for one in reading.cells if one.values]
    if not reading.best or len(ran) < 2:
        return None
    names = words.listed(reading.best, 12, "more")
    return Paragraph(
        f"Cells that cannot be told apart from the best one: {names}. The set holds the truly best "
        "cell with 95 % confidence."
    )


def _effects(study: Study, reading: Reading, metric: str, direction: str) -> list[Block]:
    assert study.spec.design is not None
    return section(
        "Effects",
        forest.forest(reading, metric, direction, over(study.spec.design)),
        effects.contrasts(reading, metric),
        effects.interactions(reading, metric),
        effects.trends(reading, metric),
        effects.flips(reading, metric),
        effects.common(reading, metric),
    )


def _cost(study: Study, reading: Reading, metric: str, direction: str) -> list[Block]:
    assert study.spec.design is not None
    ran = [one for one in reading.cells if one.values]
    held = study.spec.design.held
    costs = sorted(frontier.drawn_costs(ran), key=lambda name: name in held)[:2]
    pictures = [frontier.of_cells(ran, study.spec.design.factors[0], metric, direction, cost) for cost in costs]
    return section("Cost and accuracy" if words.unit(metric) else "Cost and value", *pictures)


def curve_groups(trials: Sequence[Row]) -> tuple[dict[str, list[int]], int]:
    """(cell -> ids of its complete trials, how many cells are left out): the best, the worst, and some between."""
    found: dict[str, list[int]] = defaultdict(list)
    values: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        if trial["phase"] == "design" and trial["state"] == "complete" and trial["value"] is not None:
            found[trial["cell"]].append(trial["id"])
            values[trial["cell"]].append(trial["value"])
    if len(found) <= curves.MOST:
        return dict(found), 0
    ranked = sorted(found, key=lambda name: (sum(values[name]) / len(values[name]), name))
    kept = {ranked[round(at * (len(ranked) - 1) / (curves.MOST - 1))] for at in range(curves.MOST)}
    return {name: ids for name, ids in found.items() if name in kept}, len(found) - len(kept)


def _learning(study: Study, trials: Sequence[Row], epochs: Sequence[Row], reading: Reading, metric: str) -> list[Block]:
    chosen, left_out = curve_groups(trials)
    there = [one for one in reading.cells if one.name in chosen]
    brief = {words.short(one.name, one.levels): chosen[one.name] for one in there}
    groups = brief if len(brief) == len(there) else {one.name: chosen[one.name] for one in there}
    more = words.in_order(there[0].levels, groups) if there else ""
    more += f" {counted(left_out, 'cell')} more left out." if left_out else ""
    names = dict.fromkeys((metric, metric.replace("val_", "train_", 1)))
    pictures = [curves.curves(groups, epochs, name, f"Learning curves: {name}", more) for name in names]
    return section("Learning", *pictures, forest.split(reading, metric))


def _tuning(study: Study, trials: Sequence[Row], reading: Reading, metric: str) -> list[Block]:
    assert study.spec.design is not None
    if not study.spec.design.tune:
        return []
    told = (
        f"Each cell was first trained at the same settings of {', '.join(study.spec.design.tune)} on seeds of their "
        "own, and is compared at its best."
    )
    compared = {one.name: one.assignment for one in (*reading.cells, *reading.raw_cells)}
    return section("Tuning", Paragraph(told), parts.tuning(tried(study, trials), settings(study), compared, metric))


def _variance(reading: Reading, metric: str) -> list[Block]:
    rows = [(one.source, words.share(one.share), words.difference(one.deviation, metric, "")) for one in reading.shares]
    caption = f"Share of the variance, and the standard deviation of each source{words.unit(metric) and ' in points'}."
    table = Table(("source", "share", "deviation"), tuple(rows), caption) if rows else None
    return section("Where the differences come from", parts.shares(reading.shares), table)


def _law(study: Study, reading: Reading, metric: str) -> list[Block]:
    assert study.spec.design is not None
    factor = str(study.spec.recipe.get("examples", "")).strip("${}")
    if reading.law is None or factor not in study.spec.design.factors:
        return []
    a, b, c = reading.law.a, reading.law.b, reading.law.c
    told = (
        f"error = a n^−b + c with a = {a:.3g}, b = {b[0]:.3g} [{b[1]:.3g}, {b[2]:.3g}], c = {c[0]:.3g} "
        f"[{c[1]:.3g}, {c[2]:.3g}]."
    )
    picture = law.law(reading.law, [one for one in reading.cells if one.values], factor, metric)
    return section("More data", picture, Paragraph(f"{told} Regime: {reading.law.regime}."))


def _failures(trials: Sequence[Row], reading: Reading) -> list[Block]:
    reasons = Counter((t["failure_kind"], words.cut(t["reason"] or "", 140)) for t in trials if t["state"] == "failed")
    impossible = [f"{one.name}: {one.reason}" for one in (*reading.cells, *reading.raw_cells) if one.reason]
    if not reasons and not impossible:
        return []
    rows = [(kind, many, why) for (kind, why), many in reasons.most_common(12)]
    table = (
        Table(("kind", "trials", "reason"), tuple(rows), "Failed trials, which may not be missing at random.")
        if rows
        else None
    )
    cells = Bullets(tuple(impossible[:30])) if impossible else None
    lead = Paragraph(f"{counted(len(impossible), 'cell')} could not be:") if impossible else None
    tested = effects.failures(reading)
    return section("Failures", parts.failures(reading.failures), tested, table, lead, cells)


def baselines(row: Row) -> list[Block]:
    """What simple methods come to on the same data."""
    told = row["baselines"] or {}
    rows = [
        (name, words.value(one.get("metrics", {}).get(row["metric"]), row["metric"]), one.get("reason"))
        for name, one in told.items()
    ]
    return (
        section(
            "Baselines",
            effects.filled(
                ("baseline", row["metric"], "why not"), rows, "Simple methods on the same data, one fit each."
            ),
        )
        if rows
        else []
    )
