"""The honest winner: the best few of a search again on fresh seeds, the best mean wins, the test split is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from studies.seeds import derive
from studies.statistics import estimate

Row = dict[str, Any]


def finalists(rows: Sequence[Row], top: int, direction: str) -> list[Row]:
    """The best complete trials by their value, each network once; of equal values the cheaper, then the earlier."""
    sign = -1 if direction == "maximize" else 1
    complete = [row for row in rows if row["state"] == "complete" and row["repeat_of"] is None]
    return sorted(complete, key=lambda row: (sign * row["value"], row["macs"], row["number"]))[:top]


def replicates(finalist: Row, count: int, seed: int, first: int = 0) -> list[Row]:
    """New rows that train a finalist again, on seeds that no search trial has seen, the same for every finalist."""
    kept = ("assignment", "blueprint", "recipe", "params", "macs", "activations", "costs")
    base = {name: finalist[name] for name in kept} | {"phase": "confirm", "cell": str(finalist["number"])}
    numbers = range(first, count)
    return [base | {"replicate": number, "seed": derive(seed, "confirm", number)} for number in numbers]


def winner(finalists: Sequence[Row], rows: Sequence[Row], direction: str) -> Row | None:
    """The finalist with the best mean over its complete replicates, if any completed; of equal ones the cheaper."""
    sign = -1 if direction == "maximize" else 1
    ranked = []
    for finalist in finalists:
        values = [row["value"] for row in of(finalist, rows)]
        if values:  # rounded, so that the order in which equal values were added decides nothing
            ranked.append((round(sign * fmean(values), 12), finalist["macs"], finalist["number"], finalist))
    return min(ranked, key=lambda one: one[:3])[-1] if ranked else None


def of(finalist: Row, rows: Sequence[Row]) -> list[Row]:
    """A finalist's complete replicates among the confirming rows."""
    return [row for row in rows if row["cell"] == str(finalist["number"]) and row["state"] == "complete"]


def median(rows: Sequence[Row]) -> Row:
    """The replicate with the median value (the lower of two middle ones): the one whose weights are exported."""
    ordered = sorted(rows, key=lambda row: (row["value"], row["replicate"]))
    return ordered[(len(ordered) - 1) // 2]


def conclusion(finalist: Row, rows: Sequence[Row], metric: str) -> Mapping[str, Any]:
    """What is kept of a winner: its fresh score with interval, the optimism of the search, the test score, costs.

    `opened` counts the networks of this study that the test split was read with: more than one where the study went on
    after it had a winner. `finalists` counts those that the winner is the best of, and so a little too good.
    """
    confirmed = of(finalist, rows)
    fresh = estimate([row["value"] for row in confirmed])
    tests = sorted({name for row in confirmed for name in row["test_metrics"] or {}})
    return {
        "kind": "winner",
        "trial": finalist["number"],
        "assignment": finalist["assignment"],
        "metric": metric,
        "search_value": finalist["value"],
        "fresh": _plain(fresh),
        "optimism": finalist["value"] - fresh.mean,
        "test": {name: _plain(estimate(_of_test(confirmed, name))) for name in tests},
        "finalists": len({row["cell"] for row in rows if row["state"] == "complete"}),
        "opened": len({row["cell"] for row in rows if row["test_metrics"]}),
        "replicates": [row["number"] for row in confirmed],
        "exported": median(confirmed)["number"],
        "costs": {name: finalist[name] for name in ("params", "macs", "activations")},
    }


def _of_test(rows: Sequence[Row], name: str) -> list[float]:
    """The values of those that have one: a table may lack some."""
    return [row["test_metrics"][name] for row in rows if name in (row["test_metrics"] or {})]


def _plain(estimated: Any) -> dict[str, Any]:
    return {"n": estimated.n, "mean": estimated.mean, "half_width": estimated.half_width}
