"""Every trial as a line of a CSV: what it was, how it ended, all its metrics and costs."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

from searchspace.cost import COUNTED

Row = Mapping[str, Any]
BEFORE = ("number", "phase", "cell")
AFTER = ("replicate", "seed", "state", "value")
LAST = ("train_seconds", "failure_kind", "reason")


def spreadsheet(trials: Sequence[Row]) -> str:
    """The CSV's text; a variable that has the name of a fixed column stands as `variable.NAME`.

    A counted cost that has the name of a variable (depth, say) stands as `cost.NAME`.
    """
    metrics = _names(trials, "metrics")
    tests = [name for name in _names(trials, "test_metrics") if name not in metrics]
    costs = [name for name in _names(trials, "costs") if name not in COUNTED]
    taken = {*BEFORE, *AFTER, *COUNTED, *LAST, *metrics, *tests}
    variables = {name: f"variable.{name}" if name in taken else name for name in _names(trials, "assignment")}
    counted = [f"cost.{name}" if name in variables else name for name in costs]
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*BEFORE, *variables.values(), *AFTER, *metrics, *tests, *COUNTED, *counted, *LAST])
    for one in trials:
        named = [(one["assignment"], variables), (one, AFTER), (one["metrics"], metrics), (one["test_metrics"], tests)]
        named += [(one, COUNTED), (one["costs"], costs), (one, LAST)]
        writer.writerow(
            [*(one[name] for name in BEFORE), *(_cell((of or {}).get(name)) for of, names in named for name in names)]
        )
    return text.getvalue()


def _names(trials: Sequence[Row], part: str) -> list[str]:
    return list(dict.fromkeys(name for trial in trials for name in trial[part] or {}))


def _cell(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, Mapping | list | bool) else value
