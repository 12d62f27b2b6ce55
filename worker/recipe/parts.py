"""The kinds of number that a recipe is made of."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[Finite, Field(gt=0.0)]
NotNegative = Annotated[Finite, Field(ge=0.0)]
Fraction = Annotated[Finite, Field(ge=0.0, lt=1.0)]
Share = Annotated[Finite, Field(gt=0.0, le=1.0)]
Probability = Annotated[Finite, Field(ge=0.0, le=1.0)]
Rate = Positive | Literal["auto"]
"""A learning rate, or `auto`: a range test finds it (`worker.training.lr_range`)."""
