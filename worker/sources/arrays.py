"""`arrays:<file>.npz` with `x`, channels last, and `y`. An archive that is not compressed is read where it lies.

`x` is (N, *map size, C), or (N, *map size) for one channel, of integers or floats; `y` is (N,) labels from 0, or (N,)
or (N, outputs) numbers for regression.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from worker.sources import memo
from worker.sources.catalog import Array, Catalog, checked_labels
from worker.sources.split import LEAST_IMAGES, WHOLE

Image = tuple[int, ...]
BLOCK = 1 << 24
LOCAL_HEADER = 30
"""Bytes of a zip archive's record before a member's name (APPNOTE 4.3.7); two lengths end it."""


def catalog(path: Path, image: Image | None, classes: int | None, task: str) -> Catalog:
    """What the file holds; a ValueError where it cannot be used."""
    shape = _shape(path, image, task)
    _finite(path)
    with np.load(path, allow_pickle=False) as file:
        y = file["y"]
    if task == "classification":
        if y.ndim != 1:
            raise ValueError(f"{path}: y of {y.shape} is not one label for each example; save labels of shape (N,)")
        labels = tuple(map(str, range(checked_labels(str(path), y, classes))))
        y = y.astype(np.int64)
    else:
        labels, y = (), y.reshape(len(y), -1)
    channels, *size = shape
    return Catalog(
        str(path), {WHOLE: y}, shape, labels, digest(path), lambda _: inputs(path).reshape(-1, *size, channels)
    )


def digest(path: Path) -> str | None:
    """The content of the file in 16 hexadecimal digits: the checksums that its archive keeps of x and y."""
    if not path.exists():
        return None
    headers(path)
    with zipfile.ZipFile(path) as archive:
        return "".join(f"{archive.getinfo(f'{key}.npy').CRC:08x}" for key in ("x", "y"))


def headers(path: Path) -> tuple[tuple[tuple[int, ...], np.dtype[Any]], ...]:
    """Shape and type of x and y, without reading their values."""
    if not path.exists():
        raise ValueError(f"{path}: there is no such file; write the path from the study's folder, or an absolute one")
    try:
        with zipfile.ZipFile(path) as archive:
            for key in ("x", "y"):
                if f"{key}.npy" not in archive.namelist():
                    raise ValueError(f"{path}: {key!r} is missing; save it with numpy.savez(path, x=..., y=...)")
            return tuple(_header(archive, key)[:2] for key in ("x", "y"))
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{path}: this is not an npz file ({error}); save it with numpy.savez") from None


def inputs(path: Path) -> Array:
    """x, mapped from the file where the archive holds it as it is, else in memory."""
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("x.npy")
        shape, kind, start, fortran = _header(archive, "x")
        if member.compress_type != zipfile.ZIP_STORED or fortran:
            with np.load(path, allow_pickle=False) as file:
                return np.ascontiguousarray(file["x"])
    with path.open("rb") as raw:
        raw.seek(member.header_offset + LOCAL_HEADER - 4)
        lengths = np.frombuffer(raw.read(4), "<u2")
    return np.memmap(path, kind, "r", member.header_offset + LOCAL_HEADER + int(lengths.sum()) + start, shape)


def _header(archive: zipfile.ZipFile, key: str) -> tuple[tuple[int, ...], np.dtype[Any], int, bool]:
    """Shape, type, where the values start, and whether the first axis runs fastest."""
    with archive.open(f"{key}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(file)
        return shape, kind, file.tell(), fortran


def _shape(path: Path, given: Image | None, task: str) -> tuple[int, ...]:
    """(channels, *map size) of one example."""
    (x_shape, x_type), (y_shape, y_type) = headers(path)
    if not x_shape or not y_shape or x_shape[0] != y_shape[0]:
        raise ValueError(f"{path}: x of {x_shape} and y of {y_shape} differ in length; save one y for each x")
    if x_shape[0] < LEAST_IMAGES:
        raise ValueError(f"{path}: {x_shape[0]} examples cannot be split; save at least {LEAST_IMAGES}")
    if x_type.kind not in "uif" or y_type.kind not in ("ui" if task == "classification" else "uif"):
        cure = "integers" if task == "classification" else "numbers"
        raise ValueError(f"{path}: x of {x_type} and y of {y_type} cannot be used; save x as numbers and y as {cure}")
    *size, channels = _image(path, x_shape, given)
    return (channels, *size)


def _image(path: Path, shape: tuple[int, ...], given: Image | None) -> Image:
    """(*map size, channels) of one example: as given, or by the number of axes."""
    one = shape[1:]
    image = given or (one if len(one) in (3, 4) else (*one, 1))
    if not 2 <= len(image) <= 4 or (one != image and (*one, 1) != image):
        raise ValueError(f"{path}: x of {shape} holds no {list(image)}; save (N, *map size, channels)")
    if not given and len(image) > 2 and image[0] in (1, 3) and min(image[1:]) > 4:
        meant = f"move its axis 1 to the end, or write data: {{..., image: {list(image)}}} if it is meant so"
        raise ValueError(f"{path}: x of {shape} looks as if its channels came first; {meant}")
    if 0 in image:
        raise ValueError(f"{path}: x of {shape} has an empty axis; save at least one value along each")
    return image


def _finite(path: Path) -> None:
    """A ValueError if a value is NaN or infinite or the file is damaged; read through once and remembered."""
    facts, name = path.stat(), str(path.absolute())
    state: list[Any] = [facts.st_size, facts.st_mtime_ns]
    if memo.recall(name).get("") == state:
        return
    try:
        with zipfile.ZipFile(path) as archive:
            for key in ("x", "y"):
                if not _all_finite(archive, key):
                    raise ValueError(f"{path}: some values of {key} are not finite; remove or replace them")
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path}: the file is damaged ({error}); save it again") from None
    memo.remember(name, {"": state})


def _all_finite(archive: zipfile.ZipFile, key: str) -> bool:
    """Reading a member to its end compares its checksum, whatever its type."""
    _, kind, start, _ = _header(archive, key)
    finite = True
    with archive.open(f"{key}.npy") as file:
        file.read(start)
        while block := file.read(BLOCK):
            finite = finite and (kind.kind != "f" or bool(np.isfinite(np.frombuffer(block, kind)).all()))
    return finite
