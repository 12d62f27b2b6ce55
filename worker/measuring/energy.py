"""The energy that a GPU has used, from its own counter: NVIDIA's management library, called without a package."""

from __future__ import annotations

import ctypes

import torch

LIBRARY = "libnvidia-ml.so.1"


def counter(device: torch.device) -> float | None:
    """Joules of the whole GPU since its driver was loaded (`nvmlDeviceGetTotalEnergyConsumption`, Volta and later).

    None where no counter can be read.
    """
    if device.type != "cuda":
        return None
    try:
        return _joules(ctypes.CDLL(LIBRARY), str(torch.cuda.get_device_properties(device).uuid))
    except (OSError, AttributeError, RuntimeError, AssertionError):  # no driver, an old one, a torch without CUDA
        return None


def _joules(library: ctypes.CDLL, uuid: str) -> float | None:
    handle, millijoules = ctypes.c_void_p(), ctypes.c_ulonglong()
    if library.nvmlInit_v2():
        return None
    try:
        name = uuid if uuid.startswith("GPU-") else f"GPU-{uuid}"
        if library.nvmlDeviceGetHandleByUUID(name.encode(), ctypes.byref(handle)):
            return None
        wrong = library.nvmlDeviceGetTotalEnergyConsumption(handle, ctypes.byref(millijoules))
        return None if wrong else millijoules.value / 1e3
    finally:
        library.nvmlShutdown()
