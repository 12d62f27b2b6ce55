"""How a training ends without a result: a kind, and one sentence that says what, where and the cure."""

from __future__ import annotations

import gc
import re
import resource
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from worker.job import TrainingFailed

UNITS = {"bytes": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
ASKED = re.compile(r"[Tt]ried to allocate ([\d.]+) (bytes|KiB|MiB|GiB|TiB)")
TEXTS = (
    "DefaultCPUAllocator",
    "not enough memory",
    "CUDA out of memory",
    "could not create a memory object",
    "could not create a primitive",
    "std::bad_alloc",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
"""What torch, oneDNN and cuBLAS say when memory ran out: most of it is a plain RuntimeError."""


class OutOfMemory(TrainingFailed):
    """Memory ran out; a training that may split its steps tries again with smaller parts."""

    def __init__(self, reason: str) -> None:
        super().__init__("out_of_memory", reason)


def diverged(losses: Sequence[torch.Tensor], epoch: int, rate: float) -> TrainingFailed:
    """By the losses of the epoch's steps; steps count from 1."""
    stacked = torch.stack(list(losses))
    step = int(stacked.isfinite().logical_not().nonzero()[0])
    where = f"at step {step + 1} of epoch {epoch} (learning rate {rate:g})"
    return TrainingFailed("diverged", f"the training loss is {stacked[step].item()} {where}; lower optimizer.lr")


def unusable(loss: float, epoch: int, rate: float) -> TrainingFailed:
    """Of weights that gave finite training losses, and then none that is on the validation part."""
    where = f"after epoch {epoch}, whose weights count (learning rate {rate:g})"
    return TrainingFailed("diverged", f"the validation loss is {loss} {where}; lower optimizer.lr")


def timed_out(seconds: float, where: str) -> TrainingFailed:
    cure = "raise timeout_seconds, or lower epochs or the widths"
    return TrainingFailed("timeout", f"the time of {seconds:g} seconds is over {where}; {cure}")


@contextmanager
def named() -> Iterator[None]:
    """Running out of memory as `OutOfMemory`. All that the failed work held is let go, so that the next one has it."""
    try:
        yield
        return
    except (MemoryError, RuntimeError) as error:
        if not ran_out(error):
            raise
        failure = error if isinstance(error, OutOfMemory) else out_of_memory(error)
        traceback.clear_frames(error.__traceback__)  # whose locals are the model and all of its activations
        error.__traceback__ = None
    released()
    raise failure from None


def ran_out(error: BaseException) -> bool:
    known = isinstance(error, MemoryError | torch.OutOfMemoryError | OutOfMemory)
    return known or (isinstance(error, RuntimeError) and any(text in str(error) for text in TEXTS))


def out_of_memory(error: BaseException) -> OutOfMemory:
    """With the bytes that were asked for, where the allocator tells, and those that were free."""
    on_gpu = isinstance(error, torch.OutOfMemoryError)
    asked, free = bytes_asked(str(error)), bytes_free(torch.device("cuda" if on_gpu else "cpu"))
    told = f"{readable(asked)} asked" if asked is not None else "it does not say how much was asked"
    cure = "lower batch_size or the widths, or set accumulate: auto"
    return OutOfMemory(f"memory ran out: {told}, {readable(free)} free; {cure}")


def bytes_asked(text: str) -> int | None:
    """From what the allocator of the CPU or of CUDA says."""
    found = ASKED.search(text)
    return round(float(found[1]) * UNITS[found[2]]) if found else None


def bytes_free(device: torch.device) -> int:
    """What the device has left; on the host, within the process's limit on its address space."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    facts = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    machine = int(facts["MemAvailable"].split()[0]) * 1024
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return machine if limit == resource.RLIM_INFINITY else max(0, min(machine, limit - pages * resource.getpagesize()))


def readable(size: int) -> str:
    """1,234,567 as 1.23 MB."""
    value, unit = float(size), "bytes"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.3g} {unit}"


def released() -> None:
    """Give back what nothing refers to any more: cycles, and the blocks that torch keeps for later."""
    gc.collect()
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.empty_cache()
