"""Published recipes by name: what a paper says of its training, as far as this language has words for it."""

from __future__ import annotations

from typing import Any

from searchspace.language.problems import nearest

NAMED: dict[str, dict[str, Any]] = {}


def merged(data: Any) -> Any:
    """A recipe's tree with the values of the recipe that it is `like` wherever it says nothing itself."""
    if not isinstance(data, dict) or "like" not in data:
        return data
    own = {key: value for key, value in data.items() if key != "like"}
    name = data["like"]
    if name not in NAMED:
        raise ValueError(f"like: there is no recipe {name!r}{nearest(str(name), NAMED)}")
    return NAMED[name] | own
