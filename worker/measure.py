"""What is measured of a trial beside its epochs' metrics: the `measure:` section. No torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from searchspace.blueprint import Spec


class MeasureSpec(Spec):
    """What is cheap is always measured, at the end: fit on training examples as they are, confusion, time, memory.

    `watch`: gradient and weight norms and the share of dead units by layer, every so many epochs. `fit_every`: the fit
    (`fit_loss`, `fit_accuracy`: the training part without augmentation or dropout) at more than the last epoch.
    `shifts`: accuracy on validation images moved by 1 to so many pixels. `latency`: milliseconds at batch 1 and 128.
    `layers`: forward time by layer.
    """

    watch: Annotated[int, Field(ge=1)] | None = None
    fit_every: Annotated[int, Field(ge=1)] | None = None
    shifts: Annotated[int, Field(ge=1, le=32)] | None = None
    latency: bool = False
    layers: bool = False
