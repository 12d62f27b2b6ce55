"""Every cell's mean with its interval and its seeds: first factor along, second as series, the others as panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.analysis.results import CellResult
from studies.report import words
from studies.report.blocks import Picture
from studies.report.figures import canvas, grid
from studies.verdict.words import counted

NOTE = "Filled signs are means over the seeds, bars their 95 % intervals"


def facets(cells: Sequence[CellResult], factors: Sequence[str], metric: str) -> Picture | None:
    """None where nothing is complete."""
    ran = [one for one in cells if one.values]
    if not ran:
        return None
    if grid.sparse(ran, factors):
        return _by_factor(ran, factors, metric)
    along, series, rest = factors[0], factors[1:2], factors[2:]
    panels = grid.combinations(ran, rest) if rest else [{}]
    shown = panels[: grid.MOST_PANELS]
    groups = grid.combinations(ran, series) if series else [{}]

    def draw(figure: Figure) -> None:
        axes = _panels(figure, len(shown))
        span = _span(ran, metric)
        for at, (panel, given) in enumerate(zip(axes, shown, strict=True)):
            _panel(panel, ran, along, groups, given)
            panel.set_ylim(*span)
            _titled(panel, grid.texts(ran, given), at, len(shown), metric)
        _legend(figure, groups, series)

    left_out = len(panels) - len(shown)
    note = f"{_note(ran)} {_beyond(ran, metric)}"
    note += f" {counted(left_out, 'panel')} of {len(panels)} left out; the table has every cell." if left_out else ""
    title = f"{metric} of every cell: {' × '.join(factors)}"
    return canvas.picture("facets", title, told(ran, metric), draw, _height(len(shown)), note.strip())


def told(cells: Sequence[CellResult], metric: str, most: int = 24) -> str:
    """The cells in words, the best and the worst first."""
    means = [(one.estimate.mean, one) for one in cells if one.estimate]
    low, high = min(means, key=lambda pair: pair[0]), max(means, key=lambda pair: pair[0])
    texts = (
        f"{one.name}: {words.mean(one.estimate, metric)} over {counted(len(one.values), 'seed')}" for _, one in means
    )
    ends = (
        f"highest {high[1].name} with {words.value(high[0], metric)}, lowest {low[1].name} with "
        f"{words.value(low[0], metric)}"
    )
    head = f"{counted(len(means), 'cell')}; {ends}. " if len(means) > 1 else ""
    return f"{metric}, mean and half-width of the 95 % interval. {head}{words.listed(texts, most, 'cells more')}."


def _panels(figure: Figure, many: int) -> list[Axes]:
    """Panels in at most two columns with one y axis; those that are not needed are not there."""
    columns = 1 if many == 1 else 2
    axes = figure.subplots(ceil(many / columns), columns, sharey=True, squeeze=False).ravel()
    for spare in axes[many:]:
        spare.remove()
    return list(axes[:many])


def _height(many: int) -> float:
    return 3.5 if many == 1 else 0.5 + 2.4 * ceil(many / 2)


def _titled(panel: Axes, title: str, at: int, many: int, metric: str) -> None:
    canvas.value_axis(panel, metric)
    if title:
        panel.set_title(words.cut(title, 32 if many > 1 else 60), loc="left")
    if many > 1 and at % 2:
        panel.set_ylabel("")


def _panel(
    panel: Axes, cells: Sequence[CellResult], along: str, groups: Sequence[dict[str, Any]], given: Mapping[str, Any]
) -> None:
    every, rings = grid.levels(cells, along), grid.few_seeds(cells)
    positions = canvas.places(every)
    gap = 0.5 * canvas.step(positions) / max(len(groups), 3)
    for at, group in enumerate(groups):
        here = [
            (x, one)
            for x, level in zip(positions, every, strict=True)
            for one in grid.where(cells, {**group, **given, along: level})
        ]
        _series(panel, [(x + gap * (at - (len(groups) - 1) / 2), one) for x, one in here], at, rings)
    canvas.level_axis(panel, along, every, positions)


def _series(panel: Axes, points: Sequence[tuple[float, CellResult]], at: int, rings: bool) -> None:
    """One line of means; every seed as a ring; intervals as bars."""
    color, marker, dash = canvas.COLORS[at % 6], canvas.MARKERS[at % 6], canvas.DASHES[at % 6]
    known = [(x, one.estimate, one) for x, one in points if one.estimate]
    for x, _, one in known if rings else ():
        seeds = list(one.values.values())
        panel.plot([x] * len(seeds), seeds, "o", mfc="none", mec=color, ms=4, mew=0.9, alpha=0.75, zorder=3)
    panel.plot(
        [x for x, *_ in known], [e.mean for _, e, _ in known], linestyle=dash, color=color, alpha=0.7, lw=1.3, zorder=2
    )
    for x, told, _ in known:
        panel.errorbar(
            x, told.mean, yerr=told.half_width or None, color=color, marker=marker, ms=6.5, mec="white", mew=0.7,
            capsize=3, elinewidth=1.5, zorder=4,
        )  # fmt: skip


def _legend(figure: Figure, groups: Sequence[dict[str, Any]], series: Sequence[str]) -> None:
    if series:
        handles = [canvas.sign(at, text) for at, text in enumerate(words.apart([one[series[0]] for one in groups], 40))]
        canvas.key(figure, handles, words.cut(series[0], 40))


def _span(cells: Sequence[CellResult], metric: str) -> tuple[float, float]:
    values = [value for one in cells for value in one.values.values()]
    return canvas.limits(values, _intervals(cells), metric)


def _intervals(cells: Sequence[CellResult]) -> list[tuple[float, float]]:
    told = [one.estimate for one in cells if one.estimate]
    return [(one.low, one.high) for one in told if one.low is not None and one.high is not None]


def _note(cells: Sequence[CellResult]) -> str:
    return NOTE + (
        ", small rings the single seeds." if grid.few_seeds(cells) else "; the seeds are too many to be drawn."
    )


def _beyond(cells: Sequence[CellResult], metric: str) -> str:
    """A sentence where an interval leaves the picture."""
    low, high = _span(cells, metric)
    beyond = any(one < low or other > high for one, other in _intervals(cells))
    return "Bars without an end at the edge go on: few seeds give wide intervals." if beyond else ""


def _by_factor(cells: Sequence[CellResult], factors: Sequence[str], metric: str) -> Picture:
    """Many factors and few of their combinations: each cell's mean over every factor, one panel a factor."""
    shown = factors[: grid.MOST_PANELS]

    def draw(figure: Figure) -> None:
        axes = _panels(figure, len(shown))
        for at, (panel, factor) in enumerate(zip(axes, shown, strict=True)):
            every = grid.levels(cells, factor)
            positions = canvas.places(every)
            for x, level in zip(positions, every, strict=True):
                _series(panel, [(x, one) for one in grid.where(cells, {factor: level})], 0, grid.few_seeds(cells))
            canvas.level_axis(panel, factor, every, positions)
            panel.set_ylim(*_span(cells, metric))
            _titled(panel, "", at, len(shown), metric)

    note = f"Each panel shows all cells over one factor; the others differ too. {_note(cells)} {_beyond(cells, metric)}"
    return canvas.picture(
        "facets",
        f"{metric} of every cell over each factor",
        told(cells, metric),
        draw,
        _height(len(shown)),
        note.strip(),
    )
