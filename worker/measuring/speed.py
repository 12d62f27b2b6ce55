"""How long a network takes on the device where it was trained: in all, and layer by layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median, quantiles
from typing import Any

import torch
from torch import Tensor, nn

from searchspace.core import Combinator
from searchspace.cost import Layer
from worker.measuring.quality import Outputs

BATCHES = (1, 128)
WARM_UP = 3
ROUNDS = (7, 60)
"""At least and at most so many rounds are timed, until `SECONDS` are spent."""
SECONDS = 1.5


@torch.inference_mode()
def latency(outputs: Outputs, examples: Tensor, device: torch.device) -> dict[str, Any]:
    """Milliseconds from having a batch on the device to having its outputs there: median and quartiles.

    Batches of each size take turns, so that what disturbs the machine disturbs them alike. `examples` are (n, C, ...),
    used again where a batch needs more.
    """
    batches = [laid_out(examples[torch.arange(size, device=examples.device) % len(examples)]) for size in BATCHES]
    timed = _rounds([partial(_seconds, outputs, x, device) for x in batches])
    found = {f"batch_{len(x)}": _quartiles(times) for x, times in zip(batches, zip(*timed, strict=True), strict=True)}
    return found | {"unit": "ms", "rounds": len(timed), **where(device)}


@torch.inference_mode()
def layers(
    outputs: Outputs, model: nn.Module, rows: Sequence[Layer], x: Tensor, device: torch.device
) -> dict[str, Any]:
    """Milliseconds of each layer in a forward pass of `x`, and its MACs a second: medians over several passes.

    What no layer has (`between`: merges of branches, the network's own bookkeeping, and looking at the clock twice a
    layer) is told too, so that it all sums to the medians' total.
    """
    known = {row.name: row for row in rows if not isinstance(row.node, Combinator) and not row.side}
    x, marks = laid_out(x), dict[str, list[Any]]()
    hooks = _hooked(model, known, marks, device)
    try:
        timed = _rounds([partial(_by_layer, outputs, x, marks, device)])
    finally:
        for hook in hooks:
            hook.remove()
    names = [name for name in known if all(name in times for (times,) in timed)]
    ms = {name: 1e3 * median(times[name] for (times,) in timed) for name in names}
    between = 1e3 * median(times[""] - sum(times[name] for name in names) for (times,) in timed)
    told = [_layer(known[name], ms[name], len(x)) for name in names]
    return {"batch": len(x), "between_ms": between, "layers": told, "rounds": len(timed), **where(device)}


def images_per_second(seconds: Sequence[float], images: Sequence[int]) -> float | None:
    """Training examples a second: the median over epochs, without the first where there are more (it warms up)."""
    rates = [count / time for count, time in zip(images, seconds, strict=True) if time > 0]
    return median(rates[1:] or rates) if rates else None


def laid_out(x: Tensor) -> Tensor:
    """Images channels last in memory, as they are trained."""
    return x.contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x.contiguous()


def where(device: torch.device) -> dict[str, Any]:
    """What a time holds for."""
    if device.type == "cuda":
        return {"device": torch.cuda.get_device_name(device), "threads": torch.get_num_threads()}
    return {"device": device.type, "threads": torch.get_num_threads()}


def _layer(row: Layer, ms: float, examples: int) -> dict[str, Any]:
    macs = row.macs * examples
    return {"name": row.name, "ms": ms, "macs_per_second": macs / ms * 1e3 if macs and ms > 0 else None}


def _rounds(sides: Sequence[Callable[[], Any]]) -> list[tuple[Any, ...]]:
    """What each side returns, round by round, after some rounds to warm up."""
    for _ in range(WARM_UP):
        for side in sides:
            side()
    start, found = time.perf_counter(), list[tuple[Any, ...]]()
    while len(found) < ROUNDS[0] or (len(found) < ROUNDS[1] and time.perf_counter() - start < SECONDS):
        found.append(tuple(side() for side in sides))
    return found


def _seconds(outputs: Outputs, x: Tensor, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    outputs(x)
    _wait(device)
    return time.perf_counter() - start


def _by_layer(outputs: Outputs, x: Tensor, marks: dict[str, list[Any]], device: torch.device) -> dict[str, float]:
    """Seconds of one pass: of each layer that was called, and under "" of the whole."""
    marks.clear()
    _wait(device)
    start = _now(device)
    outputs(x)
    end = _now(device)
    _wait(device)
    spans = {name: sum(map(_between, times[::2], times[1::2])) for name, times in marks.items()}
    return spans | {"": _between(start, end)}


def _hooked(
    model: nn.Module, known: Mapping[str, Layer], marks: dict[str, list[Any]], device: torch.device
) -> list[Any]:
    """Hooks that put the time down before and after each known layer."""

    def mark(name: str) -> Callable[..., None]:
        return lambda *_: marks.setdefault(name, []).append(_now(device))

    found = [(name, module) for name, module in model.named_modules() if name in known]
    before = [module.register_forward_pre_hook(mark(name)) for name, module in found]
    return before + [module.register_forward_hook(mark(name)) for name, module in found]


def _now(device: torch.device) -> Any:
    """A moment on the device's own clock; on a GPU an event, which does not hold it up."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _between(start: Any, end: Any) -> float:
    return float(end - start) if isinstance(start, float) else float(start.elapsed_time(end)) / 1e3


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _quartiles(seconds: Sequence[float]) -> dict[str, Any]:
    lower, middle, upper = quantiles([1e3 * value for value in seconds], n=4)
    return {"median": middle, "quartiles": [lower, upper]}
