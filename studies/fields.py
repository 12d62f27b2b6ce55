"""The kinds of values that a study's fields take, as people write them: `2M`, `4%`, `<= 60k`."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from searchspace.language.problems import shown
from searchspace.language.units import amount, bound, fraction, milliseconds, quantity

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"


def _name(text: str) -> str:
    if not re.fullmatch(_NAME, text):
        raise ValueError(
            f"got {shown(text)}; write 1 to 100 of a-z, A-Z, 0-9, '.', '_' and '-', a letter or digit first"
        )
    return text


def _bound(text: Any) -> Any:
    bound(text)
    return text


Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": _NAME})]
Quantity = Annotated[int | float | str, BeforeValidator(quantity)]
Fraction = Annotated[int | float | str, BeforeValidator(fraction)]
Amount = Annotated[int | float | str, BeforeValidator(amount)]
"""A size in a metric's own unit: `0.3%` of an accuracy is 0.003, `2` of degrees is 2."""
Milliseconds = Annotated[int | float | str, BeforeValidator(milliseconds)]
Bound = Annotated[str, BeforeValidator(_bound)]
