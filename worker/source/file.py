"""A network as plain PyTorch source: one file, model.py, that needs nothing of ours, with the same parameter names."""

from __future__ import annotations

import ast
import inspect
from dataclasses import replace
from functools import cache
from typing import Any

from searchspace.core import Network
from searchspace.cost import Layer, trace
from worker import layers
from worker.calls import Call, calls
from worker.inputs import Transform
from worker.source.blocks import blocks
from worker.source.calltree import children
from worker.source.emit import definition, expression, listed, literal

HEADER = '''"""{about}

    model = load("weights.safetensors")
    outputs = model(preprocess(images))  # images: raw values, {raw}

This file needs torch and safetensors only. Inputs of the network are {input}.
"""
'''
PREPROCESS = '''
def preprocess(images: Any) -> torch.Tensor:
    """Raw images, {raw}, to the network's inputs, {input}."""
    x = torch.as_tensor(images, dtype=torch.float32)
{checked}
    x = (x - torch.tensor(MEAN)) / torch.tensor(STD)
{more}    return x.movedim(-1, 1)
'''
FIXED = """    if tuple(x.shape[1:]) not in {accepted}:
        raise ValueError(f"expected images of shape {raw}, got {{tuple(x.shape)}}")
    x = x.reshape(-1, {last})"""
SLIDES = """    window, got = INPUT_SHAPE[1:], tuple(x.shape[1:-1])
    if len(got) != len(window) or x.shape[-1] != {channels} or any(n < k for n, k in zip(got, window)):
        raise ValueError(f"expected images of shape {raw} or larger, got {{tuple(x.shape)}}")"""
FITTED = """    fitted = load_file(Path(__file__).with_name("preprocess.safetensors"))
"""
WHITENED = """    x = ((x.flatten(1) - fitted["mean_values"]) @ fitted["matrix"]).reshape(x.shape)
"""
PERMUTED = """    x = x.flatten(1, -2)[:, fitted["order"]].reshape(x.shape)
"""
LOAD = '''
def load(weights: str | Path = "weights.safetensors") -> nn.Module:
    """The network with its trained weights, ready to be used."""
    model = build()
    model.load_state_dict(load_file(weights))
    return model.eval()
'''
NETWORK = {("torch", "nn")}
FILE = NETWORK | {("torch", ""), ("pathlib", "Path"), ("typing", "Any"), ("safetensors.torch", "load_file")}
"""What is always imported: by a network alone, and by the file of a bundle."""
RESERVED = {"Path", "Any", "OrderedDict", "build", "load", "preprocess", "load_file", "nn", "torch", "reduce", "pad"}


def source(network: Network, transform: Transform, labels: tuple[str, ...], about: str, slides: bool = False) -> str:
    """The text of model.py. `about` is its first sentences: what the network is, what it costs.

    With `slides` the network also takes larger inputs than its own.
    """
    definitions = _definitions(network)
    parts = [
        HEADER.format(about=_quoted(about), **_shapes(network)),
        _imports("\n".join(definitions), FILE),
        _constants(network, transform, labels),
        *(f"\n{text}" for text in definitions),
        _preprocess(network, transform, slides),
        LOAD,
    ]
    return "\n".join(parts)


def _preprocess(network: Network, transform: Transform, slides: bool) -> str:
    """The function from raw images to inputs; what is large stands in preprocess.safetensors."""
    shapes = _shapes(network)
    whitened, permuted = transform.matrix is not None, transform.order is not None
    more = FITTED * (whitened or permuted) + WHITENED * whitened + PERMUTED * permuted
    return PREPROCESS.format(**shapes, checked=(SLIDES if slides else FIXED).format(**shapes), more=more)


def network_source(network: Network, about: str) -> str:
    """The text of a file with the network alone: its classes, and `build()`. It needs torch only."""
    definitions = _definitions(network)
    text = f'"""{_quoted(about)}\n\nInputs are {_shapes(network)["input"]}.\n"""\n'
    imports = _imports("\n".join(definitions), NETWORK)
    return "\n".join([text, imports, *(f"\n{text}" for text in definitions)])


def _quoted(about: str) -> str:
    return about.replace("\\", "\\\\").replace('"""', "'''")


def _definitions(network: Network) -> list[str]:
    """The helpers that the network needs, its classes, and `build`."""
    ours = {name for statement in _statements() for name in _defined(statement)}
    tree, found = blocks(_spread(calls(network), "", trace(network)), RESERVED | ours)
    named = {block.name: block for block in found}
    classes = [definition(block, named) for block in reversed(found)]
    root = expression(tree, named, "    ", "return ", tail=0)
    build = f'def build() -> nn.Module:\n    """The network with fresh weights."""\n    {root}\n'
    return [*_helpers("\n".join([*classes, build])), *classes, build]


def _spread(call: Call, name: str, rows: tuple[Layer, ...]) -> Call:
    """The same, where a concatenation with branches of unlike map sizes is marked as one that spreads them."""
    inner = {key: _spread(child, f"{name}.{key}" if name else key, rows) for key, child in children(call)}
    options = {key: inner.get(key, value) for key, value in call.options.items()}
    fresh = iter(inner.values())
    arguments = tuple(next(fresh) if isinstance(value, Call) else value for value in call.arguments)
    if call.name == "Parallel" and call.arguments == ("concat",):
        before = next(row.in_shape for row in rows if row.name == name)
        ends = {key: [row.out_shape for row in rows if f"{row.name}.".startswith(f"{name}.{key}.")] for key in inner}
        if len({(shapes[-1] if shapes else before)[1:] for shapes in ends.values()}) > 1:
            arguments = ("spread",)
    return replace(call, arguments=arguments, options=options)


def _helpers(text: str) -> list[str]:
    """What of `worker.layers` the text uses, and what that uses, in the order in which it stands there."""
    statements = {name: statement for statement in _statements() for name in _defined(statement)}
    wanted: list[str] = []
    new = _mentioned(text) & set(statements)
    while new:
        wanted += sorted(new)
        new = {name for one in new for name in _mentioned(_text(statements[one]))} & set(statements) - set(wanted)
    return [_text(statement) + "\n" for statement in _statements() if set(_defined(statement)) & set(wanted)]


@cache
def _statements() -> tuple[ast.stmt, ...]:
    """The classes, functions and constants of `worker.layers`."""
    kinds = ast.ClassDef | ast.FunctionDef | ast.Assign | ast.AnnAssign
    return tuple(one for one in ast.parse(inspect.getsource(layers)).body if isinstance(one, kinds))


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.ClassDef | ast.FunctionDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text(statement: ast.stmt) -> str:
    lines = inspect.getsource(layers).splitlines()
    first = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", []))])
    return "\n".join(lines[first - 1 : statement.end_lineno])


def _mentioned(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _imports(text: str, always: set[tuple[str, str]]) -> str:
    """What is always imported, and what of the imports of `worker.layers` the text uses, as ruff sorts them."""
    used = _mentioned(text)
    known = {
        (one.module or "", alias.name)
        for one in ast.parse(inspect.getsource(layers)).body
        if isinstance(one, ast.ImportFrom)
        for alias in one.names
    }
    wanted = always | {(module, name) for module, name in known | {("collections", "OrderedDict")} if name in used}
    wanted |= {("torch", "")} if "torch" in used else set()
    outer = {pair for pair in wanted if pair[0].split(".")[0] in {"torch", "safetensors"}}
    parts = ["from __future__ import annotations\n", _sorted(wanted - outer), _sorted(outer)]
    return "\n".join(part for part in parts if part)


def _sorted(pairs: set[tuple[str, str]]) -> str:
    whole = [f"import {module}\n" for module, name in sorted(pairs) if not name]
    modules = sorted({module for module, name in pairs if name})
    names = {module: ", ".join(sorted(name for home, name in pairs if home == module and name)) for module in modules}
    return "".join(whole + [f"from {module} import {names[module]}\n" for module in modules])


def _constants(network: Network, transform: Transform, labels: tuple[str, ...]) -> str:
    values = {
        "INPUT_SHAPE": network.input,
        "MEAN": transform.mean,
        "STD": transform.std,
        "CLASSES": labels,
    }
    return "\n".join(_tuple(f"{name} = (", value) for name, value in values.items()) + "\n"


def _tuple(before: str, values: tuple[Any, ...]) -> str:
    """One line if it fits, else one value a line, as ruff would have it."""
    items = [literal(value) for value in values]
    return f"{before}{items[0]},)" if len(items) == 1 else listed(before, items, ")", "")


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
        "channels": str(channels),
    }
