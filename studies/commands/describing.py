"""`archstudy describe`: a network in a figure, a table, its costs and what could be better; and the whole zoo."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from searchspace import drawing
from searchspace.advice import Advice, of_trace
from searchspace.canonical import fingerprint
from searchspace.core import Combinator
from searchspace.cost import Cost, Layer, cost, traced
from searchspace.language.units import human, percent
from searchspace.memory import Memory, memory
from searchspace.zoo import files, networks
from searchspace.zoo.files import Card
from studies import screens, text
from studies.cli import DONE
from studies.commands.subject import Subject, refuse, subject

Row = dict[str, Any]
BATCH = 32
"""The batch for which training memory is told where no recipe says one."""
SHORT = 40
"""A network of at most so many layers is listed without being asked."""
HEADERS = ("name", "layer", "output", "params", "MACs", "field", "stride")
"""Of the list of layers."""


def describe(arguments: argparse.Namespace) -> int:
    """Print what the command line names; `params` and `macs` stand at the top of the JSON."""
    if arguments.what == "zoo":
        refuse(arguments, "zoo", "trial", "set", "input", "outputs", "batch", "svg", "volumes", "html", "source")
        return _list_zoo(arguments)
    asked = subject(arguments)
    written = _files(asked, arguments)
    if arguments.json:
        print(json.dumps(facts(asked), indent=2, default=str))
    elif written:
        print("\n".join(f"wrote {path}" for path in written))
    else:
        print("\n".join(lines(asked, arguments.layers)))
    return DONE


def _files(asked: Subject, arguments: argparse.Namespace) -> list[Path]:
    """The files that were asked for, written."""
    makers: dict[str, Callable[[], str]] = {
        "svg": lambda: drawing.svg(asked.network),
        "volumes": lambda: drawing.volumes(asked.network),
        "html": lambda: drawing.html(asked.network, asked.title),
        "source": lambda: _source(asked),
    }
    written = []
    for name, make in makers.items():
        if target := getattr(arguments, name):
            written.append(_written(name, Path(target), make()))
    return written


def _written(option: str, path: Path, text: str) -> Path:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        cure = f"make the folder {path.parent} first" if not path.parent.is_dir() else "give another file"
        raise ValueError(f"--{option} {path} cannot be written ({error.strerror}); {cure}") from None
    return path


def _source(asked: Subject) -> str:
    """The network as plain PyTorch; the only part that needs torch."""
    from worker.source import network_source

    return network_source(asked.network, f"{asked.title}, as plain PyTorch.")


# --- one network ------------------------------------------------------------------------------------------------------


def facts(asked: Subject) -> Row:
    """Everything about a network as plain data."""
    layers, total = traced(asked.network)
    held = memory(asked.network, asked.batch or BATCH)
    card = {"card": asdict(asked.card)} if asked.card else {}
    return {
        **{name: _plain(value) for name, value in asdict(total).items()},
        "input": asked.network.input,
        "fingerprint": fingerprint(asked.network),
        "trainable": asked.refused is None,
        "refused": asked.refused,
        "memory": _memory(asked, held),
        **card,
        "advice": [asdict(one) for one in _advice(asked, layers, total)],
        "layers": [_layer(one) for one in layers],
    }


def _plain(value: Any) -> Any:
    """A stride that is a fraction (after upsampling) as a number of JSON."""
    return value if isinstance(value, int) else float(value)


def _memory(asked: Subject, held: Memory) -> Row:
    """Bytes: to infer one example, and to train a batch with momentum in 4-byte numbers."""
    return {
        "batch": asked.batch or BATCH,
        "train_bytes": held.train_bytes,
        "train_peak": held.train_peak,
        "infer_bytes": memory(asked.network, 1).infer_bytes,
        "weights": held.weights,
        "gradients": held.gradients,
        "optimizer_state": held.optimizer_state,
        "saved_activations": held.saved_activations,
        "pooling_indices": held.pooling_indices,
    }


def _layer(one: Layer) -> Row:
    kind = type(one.node).__name__
    return {
        "name": one.name,
        "kind": kind,
        "in": one.in_shape,
        "out": one.out_shape,
        "params": one.params,
        "macs": one.macs,
        "train_macs": one.train_macs,
        "activations": one.activations,
        "units": one.units,
        "connections": one.connections,
        "indices": one.indices,
        "field": one.field,
        "stride": [_plain(value) for value in one.stride],
        "padding": [_plain(value) for value in one.padding],
        "side": one.side,
    }


def _advice(asked: Subject, layers: tuple[Layer, ...], total: Cost) -> tuple[Advice, ...]:
    return of_trace(asked.network, layers, total, batch=asked.batch, silence=asked.blueprint.silence)


def lines(asked: Subject, every_layer: bool = False) -> list[str]:
    """The figure, the layers, the totals, the advice."""
    layers, total = traced(asked.network)
    width = min(shutil.get_terminal_size((100, 24)).columns, 140)
    told = [*_head(asked), "", *drawing.terminal(asked.network, width), ""]
    own = [one for one in layers if not isinstance(one.node, Combinator)]
    if every_layer or len(own) <= SHORT:
        told += [*drawing.layer_lines([HEADERS, *drawing.layer_rows(asked.network)]), ""]
    else:
        told += [f"{len(own)} layers: --layers lists them, --html writes a page with them", ""]
    rows = [asdict(one) for one in _advice(asked, layers, total)]
    refused = [f"a study would refuse it: {asked.refused}"] if asked.refused else []
    return [*told, *totals(asked, total), *refused, *screens.advice(rows, width)]


def _head(asked: Subject) -> list[str]:
    card = asked.card
    if card is None:
        return [asked.title]
    errors = [", ".join(f"{name} {percent(error)}" for name, error in card.errors.items())] if card.errors else []
    return [
        f"{asked.title}: {card.about} ({card.authors}, {card.year})",
        card.source,
        *(f"published errors: {one}" for one in errors),
        *([card.note] if card.note else []),
    ]


def totals(asked: Subject, total: Cost) -> list[str]:
    """A network's costs in words."""
    batch = asked.batch or BATCH
    train, infer = memory(asked.network, batch).train_peak, memory(asked.network, 1).infer_bytes
    stride, padding = f"{float(total.stride):g}", f"{float(total.padding):g}"
    return [
        f"{total.params:,} params, {total.macs:,} MACs ({human(total.train_macs)} in a training step), "
        f"{total.activations:,} activations, {total.units:,} units",
        f"receptive field {total.field}, effective stride {stride} and padding {padding}, depth {total.depth}",
        f"memory about {human(infer)}B for one example, {human(train)}B to train on {batch} (momentum, float32)",
        f"fingerprint {fingerprint(asked.network)}",
    ]


# --- the zoo ----------------------------------------------------------------------------------------------------------


def _list_zoo(arguments: argparse.Namespace) -> int:
    rows, history = zoo(), files.history()
    if arguments.json:
        print(json.dumps({"networks": rows, "imagenet": history}, indent=2))
        return DONE
    headers = ["network", "year", "input", "params", "MACs", "published errors"]
    table = [
        [
            row["name"],
            row["year"],
            "x".join(map(str, row["input"])),
            human(row["params"]),
            human(row["macs"]),
            ", ".join(f"{name} {percent(error)}" for name, error in row["errors"].items()),
        ]
        for row in rows
    ]
    best = [[one["year"], one["name"], percent(one["error"]), one["zoo"]] for one in history["entries"]]
    told = [
        *text.table(headers, table),
        "",
        f"ImageNet challenge, top-5 error on the test set (one person: {percent(history['human']['error'])})",
        *text.table(["year", "entry", "error", "in the zoo"], best),
        "",
        "archstudy describe zoo:NAME shows one of them",
    ]
    print("\n".join(told))
    return DONE


def zoo() -> list[Row]:
    """Every network of the zoo with its card and cost, the oldest first."""
    rows = [_published(files.card(name)) for name in files.names()]
    return sorted(rows, key=lambda row: (row["year"], row["name"]))


def _published(card: Card) -> Row:
    counted = cost(networks.network(card.name))
    return {**asdict(card), "params": counted.params, "macs": counted.macs, "field": counted.field}
