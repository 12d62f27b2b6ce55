"""The YAML writer: readable text of plain data, which the strict reader in `yamlio` reads back equal."""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from searchspace.language.yamlio import resolve


def dump(data: Any) -> str:
    """Readable YAML of plain data (dicts with text keys, lists, text, finite numbers, booleans, None)."""
    return str(yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf))


class _Dumper(yaml.SafeDumper):
    """Block style; small leaf mappings and lists on one line; quotes wherever the reader would not see text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def serialize(self, node: yaml.Node) -> None:
        if isinstance(node, yaml.CollectionNode):
            node.flow_style = False  # the root never goes on one line
        super().serialize(node)


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    try:
        plain = isinstance(resolve(text), str) and not re.search("[\r\x85\u2028\u2029]", text)
    except ValueError:
        plain = False
    return yaml.ScalarNode("tag:yaml.org,2002:str", text, style=None if plain else '"')


def _number(dumper: _Dumper, number: float) -> yaml.Node:
    assert math.isfinite(number), f"{number} cannot be written"
    return dumper.represent_float(number)


def _list(dumper: _Dumper, items: list[Any]) -> yaml.Node:
    node = dumper.represent_list(items)
    node.flow_style = all(isinstance(item, yaml.ScalarNode) for item in node.value) and _is_short(items)
    return node


def _dict(dumper: _Dumper, entries: dict[str, Any]) -> yaml.Node:
    """On one line if it holds nothing but scalars and one-line lists."""
    assert all(type(key) is str for key in entries), f"keys must be text: {list(entries)!r}"
    node = dumper.represent_dict(entries)
    node.flow_style = _is_short(entries) and all(
        isinstance(value, yaml.ScalarNode) or (isinstance(value, yaml.SequenceNode) and value.flow_style)
        for _, value in node.value
    )
    return node


def _is_short(data: Any) -> bool:
    text = repr(data)
    return len(text) <= 90 and "\\n" not in text


_REPRESENTERS: dict[Any, Any] = {
    dict: _dict,
    list: _list,
    str: _text,
    float: _number,
    int: yaml.SafeDumper.represent_int,
    bool: yaml.SafeDumper.represent_bool,
    type(None): yaml.SafeDumper.represent_none,
    None: yaml.SafeDumper.represent_undefined,
}
_Dumper.yaml_representers = _REPRESENTERS  # no others: dates, bytes and sets are no plain data
