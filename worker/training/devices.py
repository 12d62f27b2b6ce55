"""What a training computes on, and in which precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from worker.job import Job, TrainingFailed


@dataclass(frozen=True)
class Precision:
    """`held`: the type of weights and data. `computed`: that of convolutions and products, where it is another."""

    held: torch.dtype = torch.float32
    computed: torch.dtype | None = None

    def __call__(self, device: torch.device) -> AbstractContextManager[object]:
        """What a forward pass runs in."""
        return torch.autocast(device.type, self.computed) if self.computed else nullcontext()


FLOAT32, FLOAT64 = Precision(), Precision(torch.float64)
BFLOAT16 = Precision(computed=torch.bfloat16)


def device_of(job: Job) -> torch.device:
    """CUDA if the job has a share of a GPU and there is one; its memory is capped at that share.

    Several trials on one GPU do not guard each other's memory: the cap does. Convolutions are cuDNN's deterministic
    ones; what still adds in no fixed order on a GPU agrees to rounding only.
    """
    torch.set_num_threads(job.threads)
    if job.gpus <= 0 or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.cuda.set_per_process_memory_fraction(min(1.0, job.gpus))
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch.device("cuda")


def precision_of(name: str | None, device: torch.device) -> Precision:
    """`auto` computes in bfloat16 on a GPU that has it (compute capability 8 and up), otherwise in float32."""
    if name == "auto":
        able = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return BFLOAT16 if able else FLOAT32
    known = {None: FLOAT32, "float32": FLOAT32, "float64": FLOAT64, "bfloat16": BFLOAT16}
    if name not in known:
        raise TrainingFailed("error", f"precision: there is no {name!r}; write float32, bfloat16, float64 or auto")
    return known[name]
