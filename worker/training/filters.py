"""The first convolution's filters from the data itself, or from a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from worker.recipe.initial import FirstFilters

ROUNDS = 10
"""Rounds of k-means; Coates & Ng see no gain after ten."""
CONTRAST, SMOOTHING = 0.05, 0.05
"""What is added to a patch's variance, and to the eigenvalues of normalized patches, both of variance about 1."""


def found(
    spec: FirstFilters,
    shape: torch.Size,
    name: str,
    images: Callable[[], Tensor] | None,
    source: torch.Generator,
) -> Tensor:
    """At most shape[0] filters for the convolution `name` with weights of `shape`, (out, C, *kernel).

    Those of the data have a mean square of 1. `images` gives (n, C, *map size), prepared.
    """
    if spec.kind == "file":
        return _from_file(Path(spec.path or ""), shape, name)
    if images is None:
        raise ValueError(f"initial.first: {spec.kind} needs training images, and there are none here; leave first out")
    some = patches(images(), shape, spec.patches, name, source).flatten(1).double()
    rows = principal(some) if spec.kind == "pca" else centroids(some, shape[0], source)
    filters: Tensor = rows[: shape[0]] * shape[1:].numel() ** 0.5
    return filters.reshape(-1, *shape[1:]).float()


def patches(images: Tensor, shape: torch.Size, count: int, name: str, source: torch.Generator) -> Tensor:
    """So many windows of the kernel's size, (count, C, *kernel), from anywhere inside any of the images."""
    channels, kernel, size = shape[1], shape[2:], images.shape[2:]
    if images.shape[1] != channels:
        cure = "it must read the images themselves, ungrouped; leave first out"
        raise ValueError(f"initial.first: {name} reads {channels} channels, the images have {images.shape[1]}; {cure}")
    if any(k > n for k, n in zip(kernel, size, strict=True)):
        raise ValueError(f"initial.first: windows of {_by(kernel)} ({name}) do not fit {_by(size)}; leave first out")
    which = torch.randint(len(images), (count,), generator=source)
    places = [torch.randint(n - k + 1, (count,), generator=source) for k, n in zip(kernel, size, strict=True)]
    windows = images
    for axis, length in enumerate(kernel, 2):
        windows = windows.unfold(axis, length, 1)  # (n, C, *places, *kernel) in the end
    windows = windows.movedim(1, 1 + len(kernel))
    return windows[tuple(index.to(images.device) for index in (which, *places))].cpu()


def principal(rows: Tensor) -> Tensor:
    """The principal components of (n, d) rows, unit vectors at right angles, the one that varies most first."""
    _, vectors = torch.linalg.eigh(torch.cov(rows.T, correction=0).reshape(rows.shape[1], -1))
    components: Tensor = vectors.T.flip(0)
    largest = components.gather(1, components.abs().argmax(1, keepdim=True))
    return components * largest.sign()


def centroids(rows: Tensor, count: int, source: torch.Generator) -> Tensor:
    """Filters of unit length that answer as k-means' centroids of normalized, whitened rows do (Coates & Ng 2012).

    Rows lose their mean and are divided by sqrt(variance + .05), then ZCA-whitened, z = W (x - m). Centroids are unit
    vectors d; each round every z goes to the d with the largest |d'z| and adds d'z z to it. The filter is W d.
    """
    rows = rows - rows.mean(1, keepdim=True)
    rows = rows / (rows.var(1, correction=0, keepdim=True) + CONTRAST).sqrt()
    rows = rows - rows.mean(0)
    values, vectors = torch.linalg.eigh(torch.cov(rows.T, correction=0).reshape(rows.shape[1], -1))
    whitening = vectors / (values.clamp(min=0) + SMOOTHING).sqrt() @ vectors.T
    white = rows @ whitening
    middles = _unit(torch.empty(count, rows.shape[1], dtype=rows.dtype).normal_(generator=source))
    for _ in range(ROUNDS):
        answers = white @ middles.T
        nearest = answers.abs().argmax(1, keepdim=True)
        weights = torch.zeros_like(answers).scatter_(1, nearest, answers.gather(1, nearest))
        middles = _unit(weights.T @ white + middles)
    return _unit(middles @ whitening)


def _unit(rows: Tensor) -> Tensor:
    return torch.nn.functional.normalize(rows, dim=1)


def _from_file(path: Path, shape: torch.Size, name: str) -> Tensor:
    weight = _read(path)
    if weight.dim() != len(shape) or weight.shape[1:] != shape[1:] or not 0 < len(weight) <= shape[0]:
        got = f"{path}: weight is {_by(weight.shape)}, but {name} has {_by(shape)}"
        raise ValueError(f"initial.first: {got}; save at most {shape[0]} filters of {_by(shape[1:])}")
    if not weight.isfinite().all():
        raise ValueError(f"initial.first: {path}: some weights are not finite; replace them")
    return weight


def _read(path: Path) -> Tensor:
    cure = "save a .npz or .safetensors file with an array named weight"
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            stored: Tensor = load_file(path)["weight"]
            return stored.float()
        with np.load(path, allow_pickle=False) as file:
            return torch.from_numpy(file["weight"].astype(np.float32))
    except FileNotFoundError:
        raise ValueError(f"initial.first: there is no file {path}; write its path from the study's folder") from None
    except KeyError:
        raise ValueError(f"initial.first: {path}: there is no array weight in it; {cure}") from None
    except Exception as error:
        raise ValueError(f"initial.first: {path} cannot be read ({error}); {cure}") from None


def _by(shape: torch.Size) -> str:
    return "x".join(map(str, shape))
