"""Where the data comes from, and what `plan` must know of it: shape, outputs, number of images. No torch, no sklearn.

`digits` is scikit-learn's set of 1,797 handwritten digits of 8x8. `arrays:<file>.npz` holds `x`, channels last,
(N, *map size, C) or (N, *map size) for one channel, of integers or floats; and `y`, (N,) labels from 0 for
classification, (N,) or (N, outputs) numbers for regression. Without `image`, x of two axes is a set of series, of
three gray images, of four colour images, of five colour volumes; `image: [*map size, channels]` says otherwise.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from searchspace.blueprint import Spec, as_tuple

KNOWN = ("digits", "arrays:")
PLANNED = ("hf:", "parquet:", "folder:")
PARTS = 5
"""One fifth of the data is the test part, one fifth the validation part."""
LEAST_IMAGES = 5
"""So that training, validation and test parts each have one."""


Extent = Annotated[int, Field(ge=1)]


class DataSpec(Spec):
    """The `data:` section. `image` is (*map size, channels); `classes` is needed only to plan without the file.

    `digest` names the content of a file. It is filled in when a study is loaded, so that a study never goes on with
    other data than it began with; written in the YAML, it pins the data.
    """

    source: str
    image: Annotated[tuple[Extent, ...], BeforeValidator(as_tuple), Field(min_length=2, max_length=4)] | None = None
    classes: Annotated[int, Field(ge=2)] | None = None
    digest: str | None = None

    @field_validator("source")
    @classmethod
    def _known(cls, source: str) -> str:
        if source == "digits" or (source.startswith("arrays:") and source != "arrays:"):
            return source
        if source.startswith(PLANNED):
            raise ValueError(f"this version reads digits and arrays:<file>.npz only, not {source!r}; save it as an npz")
        raise ValueError(f"unknown source {source!r}; write digits or arrays:<file>.npz")


@dataclass(frozen=True)
class DataFacts:
    """A data set from outside: `shape` is (channels, *map size) of one example; `labels` is empty for regression.

    `images` is 0 where the file is absent and `image` and `classes` stand in for it.
    """

    shape: tuple[int, ...]
    outputs: int
    images: int
    labels: tuple[str, ...]

    @property
    def validation(self) -> int:
        """Examples in the validation part: one in five, as in the test part."""
        return -(-self.images // PARTS)


def describe(spec: DataSpec, task: str) -> DataFacts:
    """The facts that a network is lowered with, from constants or from the headers inside the file."""
    if spec.source == "digits":
        return _digits(spec, task)
    path, found = arrays_path(spec), digest(spec)
    if spec.digest and found and spec.digest != found:
        raise ValueError(
            f"{path}: its content is not what it was (digest {spec.digest}, now {found}); "
            "restore the file, or give a study of the new data another name"
        )
    if not path.exists() and spec.image and (spec.classes or task == "regression"):
        return _facts(_channels_first(spec.image), spec.classes or 1, 0, task)
    return _arrays(path, spec, task)


def digest(spec: DataSpec) -> str | None:
    """The content of an `arrays:` file in 16 hexadecimal digits: the checksums that its archive keeps of x and y.

    None for `digits`, which never change, and for a file that is not there.
    """
    path = arrays_path(spec)
    if spec.source == "digits" or not path.exists():
        return None
    headers(path)
    with zipfile.ZipFile(path) as archive:
        return "".join(f"{archive.getinfo(f'{key}.npy').CRC:08x}" for key in ("x", "y"))


def identity(data: Mapping[str, Any]) -> dict[str, Any]:
    """What tells one data set from another: its content where a digest names it, wherever the file lies."""
    return {name: value for name, value in data.items() if name != "source" or not data.get("digest")}


def arrays_path(spec: DataSpec) -> Path:
    """The file of an `arrays:` source."""
    return Path(spec.source.removeprefix("arrays:"))


def resolved(spec: DataSpec, folder: Path) -> DataSpec:
    """The same source with its path made absolute; relative ones start at `folder`, where the study's YAML lies."""
    if spec.source == "digits":
        return spec
    return spec.model_copy(update={"source": f"arrays:{(folder / arrays_path(spec)).absolute()}"})


def _digits(spec: DataSpec, task: str) -> DataFacts:
    if task != "classification":
        raise ValueError(f"digits: its labels are classes, but the task is {task}; write task: classification")
    if spec.image not in (None, (8, 8, 1)) or spec.classes not in (None, 10):
        raise ValueError("digits: its images are [8, 8, 1] of 10 classes; remove image and classes from data")
    return _facts((1, 8, 8), 10, 1797, task)


def _facts(shape: tuple[int, ...], outputs: int, images: int, task: str) -> DataFacts:
    labels = tuple(map(str, range(outputs))) if task == "classification" else ()
    return DataFacts(shape, outputs, images, labels)


def _arrays(path: Path, spec: DataSpec, task: str) -> DataFacts:
    (x_shape, x_type), (y_shape, y_type) = headers(path)
    if not x_shape or not y_shape or x_shape[0] != y_shape[0]:
        raise ValueError(f"{path}: x of {x_shape} and y of {y_shape} differ in length; save one y for each x")
    if x_shape[0] < LEAST_IMAGES:
        raise ValueError(f"{path}: {x_shape[0]} examples cannot be split; save at least {LEAST_IMAGES}")
    if x_type.kind not in "uif" or y_type.kind not in ("ui" if task == "classification" else "uif"):
        cure = "integers" if task == "classification" else "numbers"
        raise ValueError(f"{path}: x of {x_type} and y of {y_type} cannot be used; save x as numbers and y as {cure}")
    shape = _channels_first(_image(path, x_shape, spec))
    outputs = _classes(path, y_shape, spec) if task == "classification" else int(np.prod(y_shape[1:]))
    return _facts(shape, outputs, x_shape[0], task)


def headers(path: Path) -> tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]:
    """Shape and type of x and y, without reading their values."""
    if not path.exists():
        raise ValueError(f"{path}: there is no such file; write the path from the study's folder, or an absolute one")
    try:
        with zipfile.ZipFile(path) as archive:
            for key in ("x", "y"):
                if f"{key}.npy" not in archive.namelist():
                    raise ValueError(f"{path}: {key!r} is missing; save it with numpy.savez(path, x=..., y=...)")
            return tuple(_header(archive, key) for key in ("x", "y"))
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path}: this is not an npz file ({error}); save it with numpy.savez") from None


def _header(archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    with archive.open(f"{key}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, kind = read(file)
    return shape, kind


def _image(path: Path, shape: tuple[int, ...], spec: DataSpec) -> tuple[int, ...]:
    """(*map size, channels) of one example: by `image`, or by the number of axes."""
    one = shape[1:]
    image = spec.image or (one if len(one) in (3, 4) else (*one, 1))
    if not 2 <= len(image) <= 4 or (one != image and (*one, 1) != image):
        raise ValueError(f"{path}: x of {shape} holds no {list(image)}; save (N, *map size, channels)")
    if 0 in image:
        raise ValueError(f"{path}: x of {shape} has an empty axis; save at least one value along each")
    return image


def _classes(path: Path, shape: tuple[int, ...], spec: DataSpec) -> int:
    if len(shape) != 1:
        raise ValueError(f"{path}: y of {shape} is not one label for each example; save labels of shape (N,)")
    with np.load(path, allow_pickle=False) as file:
        labels = file["y"]
    low, high = int(labels.min()), int(labels.max())
    if low < 0:
        raise ValueError(f"{path}: a label is {low}; number the classes from 0")
    if low == high:
        raise ValueError(f"{path}: every label is {low}; classification needs two classes or more")
    if spec.classes and high >= spec.classes:
        raise ValueError(f"{path}: a label is {high}, but classes: {spec.classes} allows 0 to {spec.classes - 1}")
    if not spec.classes and len(np.unique(labels)) < high + 1:
        raise ValueError(
            f"{path}: {len(np.unique(labels))} labels occur, but they run up to {high}; "
            f"number the classes from 0 without gaps, or write classes: {high + 1}"
        )
    return spec.classes or high + 1


def _channels_first(image: tuple[int, ...]) -> tuple[int, ...]:
    return (image[-1], *image[:-1])
