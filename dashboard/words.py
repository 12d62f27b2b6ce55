"""How values are worded on screens: percentages, spans of time, the color and the mark of each state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from searchspace.language.units import human
from studies.text import assignment
from studies.verdict import as_text
from worker.metrics import is_share

Row = Mapping[str, Any]
Color = Literal["blue", "gray", "green", "orange", "red", "violet"]

STATES: dict[str, tuple[Color, str]] = {
    "running": ("blue", ":material/play_arrow:"),
    "queued": ("gray", ":material/schedule:"),
    "complete": ("green", ":material/check:"),
    "paused": ("orange", ":material/pause:"),
    "interrupted": ("orange", ":material/power_off:"),
    "cancelled": ("gray", ":material/block:"),
    "failed": ("red", ":material/error:"),
}
"""The color and icon of a study's state; the word always stands beside them."""


def percent(metric: str) -> bool:
    """Whether a metric is a fraction that screens show in percent."""
    return is_share(metric)


def shown(value: float | None, metric: str) -> str:
    """A metric's value, or a dash where there is none."""
    return "–" if value is None else as_text(value, metric).replace(" %", "\u2009%")


def active(study: Row) -> bool:
    """Whether more rows may come by themselves."""
    return study["state"] in ("running", "queued")


def duration(seconds: float) -> str:
    """`4.2 s`, `42 s`, `3 min 05 s`, `2 h 10 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def ago(seconds: float) -> str:
    """`just now`, `5 min ago`, `3 days ago`."""
    for length, unit in ((86_400, "day"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' if unit == 'day' and number > 1 else ''} ago"
    return "just now" if seconds < 5 else f"{int(seconds)} s ago"


def plural(number: int, thing: str) -> str:
    """`1 trial`, `12 trials`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def literal(text: str) -> str:
    """Text of a user's that must not be read as Markdown."""
    return "".join(f"\\{letter}" if letter in r"\`*_{}[]()#+!|~$:<>" else letter for letter in text)


def settings(trial: Row) -> str:
    """What a trial is: its assignment, in words."""
    return assignment(trial["assignment"]) or "no variables"


def costs(values: Mapping[str, int]) -> str:
    """`2.00 M MACs, 23.4 k parameters, 4.1 k activations`."""
    names = {"macs": "MACs", "params": "parameters", "activations": "activations"}
    return ", ".join(f"{human(values[name])} {unit}" for name, unit in names.items() if values.get(name) is not None)
