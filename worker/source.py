"""A network as plain PyTorch source: one file, model.py, that needs nothing of ours, with the same parameter names."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from dataclasses import replace
from keyword import iskeyword
from typing import Any

from searchspace.core import Network
from worker import layers
from worker.build import Call, calls
from worker.data import Statistics

WIDTH = 120
HEADER = '''"""{about}

    model = load("weights.safetensors")
    outputs = model(preprocess(images))  # images: raw values, {raw}

This file needs torch and safetensors only. Inputs of the network are {input}.
"""
'''
FOOT = '''
def preprocess(images: Any) -> torch.Tensor:
    """Raw images, {raw}, to the network's inputs, {input}."""
    x = torch.as_tensor(images, dtype=torch.float32)
    if tuple(x.shape[1:]) not in {accepted}:
        raise ValueError(f"expected images of shape {raw}, got {{tuple(x.shape)}}")
    x = x.reshape(-1, {last})
    return ((x - torch.tensor(MEAN)) / torch.tensor(STD)).movedim(-1, 1)


def load(weights: str | Path = "weights.safetensors") -> nn.Module:
    """The network with its trained weights, ready to be used."""
    model = build()
    model.load_state_dict(load_file(weights))
    return model.eval()
'''


def source(network: Network, statistics: Statistics, labels: tuple[str, ...], about: str) -> str:
    """The text of model.py. `about` is its first sentences: what the network is, what it costs."""
    tree = _plain(calls(network))
    parts = [
        HEADER.format(about=about.replace("\\", "\\\\").replace('"""', "'''"), **_shapes(network)),
        _imports(tree),
        _constants(network, statistics, labels),
        *(f"\n{inspect.getsource(helper)}" for helper in _helpers(tree)),
        f'\ndef build() -> nn.Module:\n    """The network with fresh weights."""\n    return {_text(tree, 4, 11)}\n',
        FOOT.format(**_shapes(network)),
    ]
    return "\n".join(parts)


def _plain(call: Call) -> Call:
    """The same with torch's own dropout: the seeded one is for training here."""
    arguments = tuple(_plain(value) if isinstance(value, Call) else value for value in call.arguments)
    options = {key: _plain(value) if isinstance(value, Call) else value for key, value in call.options.items()}
    name = "nn.Dropout" if call.name == "Dropout" else call.name
    return replace(call, name=name, arguments=arguments, options=options)


def _walk(call: Call) -> Iterator[Call]:
    yield call
    for value in (*call.arguments, *call.options.values()):
        if isinstance(value, Call):
            yield from _walk(value)


def _helpers(tree: Call) -> list[Any]:
    """The classes and functions of `worker.layers` that the tree calls, in their order there."""
    used = {call.name for call in _walk(tree)}
    found = [value for name, value in vars(layers).items() if name in used]
    return sorted(found, key=lambda value: inspect.getsourcelines(value)[1])


def _imports(tree: Call) -> str:
    text = "".join(inspect.getsource(helper) for helper in _helpers(tree))
    wanted = {
        "from collections import OrderedDict": "OrderedDict(" in text,
        "from functools import reduce": "reduce(" in text,
        "from pathlib import Path\nfrom typing import Any\n": True,
        "import torch\nfrom safetensors.torch import load_file\nfrom torch import nn": True,
        "from torch.nn.functional import pad": " pad(" in text or "(pad(" in text,
    }
    return "from __future__ import annotations\n\n" + "".join(f"{line}\n" for line, use in wanted.items() if use)


def _constants(network: Network, statistics: Statistics, labels: tuple[str, ...]) -> str:
    values = {
        "INPUT_SHAPE": network.input,
        "MEAN": statistics.mean,
        "STD": statistics.std,
        "CLASSES": labels,
    }
    return "\n".join(f"{name} = {_tuple(name, value)}" for name, value in values.items()) + "\n"


def _tuple(name: str, values: tuple[Any, ...]) -> str:
    """One line if it fits, else one value a line, as ruff would have it."""
    items = [_literal(value) for value in values]
    line = f"({', '.join(items)}{',' * (len(items) == 1)})"
    if len(name) + 3 + len(line) <= WIDTH:
        return line
    return "(\n" + "".join(f"    {item},\n" for item in items) + ")"


def _text(value: Any, indent: int, lead: int) -> str:
    """A call, or a literal, as source: on one line if it fits after `lead` characters, unless it holds calls."""
    if not isinstance(value, Call):
        return _literal(value)
    arguments = [*((None, one) for one in value.arguments), *value.options.items()]
    line = f"{value.name}({', '.join(_argument(key, one, 0) for key, one in arguments)})"
    if lead + len(line) < WIDTH and not any(isinstance(one, Call) for _, one in arguments):
        return line
    if not all(key is None or _is_name(key) for key, _ in arguments):
        return _with_odd_names(value, indent)
    rows = "".join(f"{' ' * (indent + 4)}{_argument(key, one, indent + 4)},\n" for key, one in arguments)
    return f"{value.name}(\n{rows}{' ' * indent})"


def _with_odd_names(call: Call, indent: int) -> str:
    """Children whose names are no Python names (`1x1`, or numbers among words) go in as a dictionary."""
    margin, inner = " " * (indent + 4), " " * (indent + 8)
    plain = "".join(f"{margin}{_argument(None, one, indent + 4)},\n" for one in call.arguments)
    items = {_literal(key): one for key, one in call.options.items()}
    rows = "".join(f"{inner}{key}: {_text(one, indent + 8, indent + 10 + len(key))},\n" for key, one in items.items())
    return f"{call.name}(\n{plain}{margin}**{{\n{rows}{margin}}},\n{' ' * indent})"


def _argument(key: str | None, value: Any, indent: int) -> str:
    before = "" if key is None else f"{key}="
    return before + _text(value, indent, indent + len(before))


def _is_name(key: str) -> bool:
    return key.isidentifier() and not iskeyword(key)


def _literal(value: Any) -> str:
    """As `repr`, but strings in the double quotes that ruff wants."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _shapes(network: Network) -> dict[str, str]:
    """The shapes that the text mentions: of the inputs (channels first), and of the raw images (channels last)."""
    channels, *size = network.input
    sizes = ", ".join(map(str, size))
    with_channels = f"({sizes}, {channels})"
    accepted = f"({with_channels},)" if channels > 1 else f"({with_channels}, ({sizes}{',' * (len(size) == 1)}))"
    return {
        "raw": f"(N, {sizes}, {channels})",
        "input": f"(N, {channels}, {sizes})",
        "accepted": accepted,
        "last": f"{sizes}, {channels}",
    }
