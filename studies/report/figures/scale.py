"""How values of a metric are drawn: as they are, or as errors on a logarithmic axis where these span much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from studies.report.figures import canvas
from worker.metrics import as_error, is_share

SPAN = 8


@dataclass(frozen=True)
class Scale:
    """`low` and `high` are the least and the largest error; with a `floor`, no error at all is drawn at `low`."""

    metric: str
    logarithmic: bool
    low: float
    high: float
    floor: bool = False

    def of(self, value: float) -> float:
        """Where a value is drawn."""
        return max(as_error(value, self.metric), self.low) if self.logarithmic else value

    def axis(self, axes: Axes) -> None:
        """The y axis; on a logarithmic one with ticks at 1, 2, 5."""
        if not self.logarithmic:
            canvas.value_axis(axes, self.metric)
            return
        axes.set_yscale("log")
        axes.set_ylim(self.low / 1.2, self.high * 1.2)
        ticks = [digit * 10.0**power for power in range(-6, 7) for digit in (1, 2, 5)]
        axes.yaxis.set_major_locator(FixedLocator([one for one in ticks if self.low / 1.2 <= one <= self.high * 1.2]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: canvas.in_short(y, self.metric, axes.get_ylim())))
        axes.set_ylabel(f"error, % (1 − {self.metric}, log)" if is_share(self.metric) else f"{self.metric} (log)")


def scale(values: Sequence[float], metric: str) -> Scale:
    """The scale of these values; an error of nothing stands at half of the least that is more."""
    errors = [as_error(value, metric) for value in values]
    positive = [one for one in errors if one > 1e-9]
    if not positive or min(errors) < -1e-9 or max(positive) / min(positive) <= SPAN:
        return Scale(metric, False, min(values), max(values))
    none = len(positive) < len(errors)
    return Scale(metric, True, min(positive) / (2 if none else 1), max(positive), none)
