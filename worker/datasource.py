"""Where the data comes from, and what `plan` must know of it: shape, outputs, how many examples. No torch.

`digits` is scikit-learn's set of 1,797 handwritten digits of 8x8. `arrays:<file>.npz` holds `x`, channels last,
(N, *map size, C) or (N, *map size) for one channel, of integers or floats; and `y`, (N,) labels from 0 for
classification, (N,) or (N, outputs) numbers for regression. Without `image`, x of two axes is a set of series, of
three gray images, of four colour images, of five colour volumes; `image: [*map size, channels]` says otherwise.
`folder:`, `parquet:` and `hf:` hold image files; there `image: [H, W, C]` asks for a size and for gray or colour.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from searchspace.blueprint import Spec, as_tuple
from searchspace.language.units import quantity
from worker.sources import arrays, digits, folder, hf, parquet
from worker.sources.catalog import Catalog, checked_parts
from worker.sources.split import WHOLE, cuts, rule

PATHS = ("arrays:", "folder:", "parquet:")
IMAGES = ("folder:", "parquet:", "hf:")
SOURCES = "digits, arrays:<file>.npz, folder:<path>, parquet:<path> or hf:<dataset id>"

Extent = Annotated[int, Field(ge=1)]


def _bytes(value: Any) -> Any:
    """4GB and 4G are 4_000_000_000."""
    if value is None:
        return None
    number = quantity(value.strip().removesuffix("B") if isinstance(value, str) else value)
    if number < 1:
        raise ValueError(f"memory: {value!r} is no amount of memory; write a number of bytes, such as 4GB")
    return int(number)


class Columns(Spec):
    """The columns of a parquet source that hold the images and the labels, where their types and names do not say."""

    image: str | None = None
    label: str | None = None


class DataSpec(Spec):
    """The `data:` section. `image` is (*map size, channels); `classes` is needed only to plan without the file.

    Image files of another size than `image` are fitted to it: `crop` scales the short side and cuts the middle out,
    `pad` scales the long side and adds black, `stretch` scales both. Training and validation parts are held in memory
    up to `memory` bytes (half of what is free), and streamed beyond; the numbers are the same.

    `digest` names the content of a file. It is filled in when a study is loaded, so that a study never goes on with
    other data than it began with; written in the YAML, it pins the data.
    """

    source: str
    image: Annotated[tuple[Extent, ...], BeforeValidator(as_tuple), Field(min_length=2, max_length=4)] | None = None
    classes: Annotated[int, Field(ge=2)] | None = None
    resize: Literal["crop", "stretch", "pad"] | None = None
    columns: Columns | None = None
    memory: Annotated[int | str, BeforeValidator(_bytes)] | None = None
    digest: str | None = None

    @field_validator("source")
    @classmethod
    def _known(cls, source: str) -> str:
        kind, _, rest = source.partition(":")
        if source != "digits" and (f"{kind}:" not in (*PATHS, "hf:") or not rest):
            raise ValueError(f"unknown source {source!r}; write {SOURCES}")
        if kind == "hf":
            hf.checked(rest)
        return source

    @model_validator(mode="after")
    def _fitting(self) -> DataSpec:
        if not self.source.startswith(IMAGES):
            if self.resize:
                raise ValueError(f"resize: {self.source} holds no image files; remove resize")
        elif self.image and (len(self.image) != 3 or self.image[2] not in (1, 3)):
            raise ValueError(f"image: image files become [H, W, 1] or [H, W, 3], not {list(self.image)}; write one")
        elif self.resize and not self.image:
            raise ValueError("resize: it needs a size to fit images to; write image: [H, W, C] beside it")
        if self.columns and not self.source.startswith(("parquet:", "hf:")):
            raise ValueError(f"columns: {self.source} has none; remove columns")
        return self


@dataclass(frozen=True)
class DataFacts:
    """A data set from outside: `shape` is (channels, *map size) of one example; `labels` is empty for regression.

    `images` are the examples of all parts; it and the parts are 0 where the source is absent and `image` and `classes`
    stand in for it. `rule` says how the parts were made, `notes` what a person should know of the source.
    """

    shape: tuple[int, ...]
    outputs: int
    images: int
    labels: tuple[str, ...]
    train: int = 0
    validation: int = 0
    test: int = 0
    rule: str = ""
    notes: tuple[str, ...] = ()


def describe(spec: DataSpec, task: str) -> DataFacts:
    """The facts that a network is lowered with: from constants, headers and labels; no pixel is decoded."""
    if spec.source == "digits":
        return _digits(spec, task)
    if spec.image and (spec.classes or task == "regression") and not _present(spec):
        return _stand_in(spec, task)
    return facts_of(catalog(spec, task), task)


def facts_of(found: Catalog, task: str) -> DataFacts:
    """The facts of a catalog; a ValueError where it cannot be split."""
    parts = cuts(found.given, task)
    checked_parts(found, parts, task)
    sizes = {name: len(part.rows) for name, part in parts.items()}
    total = sum(sizes.values())
    return DataFacts(
        found.shape,
        found.outputs,
        total,
        found.labels,
        **sizes,
        rule=rule(found.given),
        notes=found.notes,
    )


def catalog(spec: DataSpec, task: str) -> Catalog:
    """What the source holds; a ValueError if it is not there, cannot be used, or is not what its digest says."""
    kind, path = spec.source.partition(":")[0], source_path(spec)
    if kind in ("digits", "folder") and task != "classification":
        raise ValueError(f"{spec.source}: its labels are classes, but the task is {task}; write task: classification")
    match kind:
        case "digits":
            _digits(spec, task)
            return digits.catalog()
        case "arrays":
            _pinned(spec, arrays.digest(path))
            return arrays.catalog(path, spec.image, spec.classes, task)
        case "folder":
            found = folder.catalog(path, spec.image, spec.classes)
        case _:
            columns = (spec.columns.image, spec.columns.label) if spec.columns else (None, None)
            found = parquet.catalog(path, spec.image, spec.classes, columns, task)
    _pinned(spec, found.digest)
    return found


def digest(spec: DataSpec) -> str | None:
    """The content of a source in 16 hexadecimal digits; None for `digits`, and for what is not there.

    A set of the hub whose image and classes are told is not fetched for it.
    """
    if spec.source == "digits" or (spec.source.startswith("hf:") and spec.image and not _present(spec)):
        return None
    try:
        path = source_path(spec)
    except ValueError:
        return None
    of = {"arrays": arrays.digest, "folder": folder.digest}.get(spec.source.partition(":")[0], parquet.digest)
    return of(path)


def identity(data: Mapping[str, Any]) -> dict[str, Any]:
    """What tells one data set from another: its content where a digest names it, wherever the file lies."""
    free = {"memory", "source"} if data.get("digest") else {"memory"}
    return {name: value for name, value in data.items() if name not in free}


def source_path(spec: DataSpec) -> Path:
    """The file or folder of a source; one from the hub is fetched if it is not there."""
    kind, _, rest = spec.source.partition(":")
    return hf.folder(rest) if kind == "hf" else Path(rest)


def resolved(spec: DataSpec, folder: Path) -> DataSpec:
    """The same source with its path made absolute; relative ones start at `folder`, where the study's YAML lies."""
    kind, _, path = spec.source.partition(":")
    if f"{kind}:" not in PATHS:
        return spec
    return spec.model_copy(update={"source": f"{kind}:{(folder / path).absolute()}"})


def _present(spec: DataSpec) -> bool:
    """Whether the source can be looked at here: it and the library that reads it are there; nothing is fetched."""
    kind, _, rest = spec.source.partition(":")
    try:
        if kind == "hf" and not hf.here(rest):
            return False
        path = source_path(spec)
        readable = not spec.source.startswith(("parquet:", "hf:")) or parquet.available()
        return path.exists() and readable
    except ValueError:
        return False


def _pinned(spec: DataSpec, found: str | None) -> None:
    if spec.digest and found and spec.digest != found:
        raise ValueError(
            f"{spec.source.partition(':')[2]}: its content is not what it was (digest {spec.digest}, now {found}); "
            "restore the file, or give a study of the new data another name"
        )


def _digits(spec: DataSpec, task: str) -> DataFacts:
    if task != "classification":
        raise ValueError(f"digits: its labels are classes, but the task is {task}; write task: classification")
    if spec.image not in (None, (8, 8, 1)) or spec.classes not in (None, 10):
        raise ValueError("digits: its images are [8, 8, 1] of 10 classes; remove image and classes from data")
    sizes = digits.PARTS
    return DataFacts(digits.SHAPE, 10, sum(sizes), digits.LABELS, *sizes, rule([WHOLE]))


def _stand_in(spec: DataSpec, task: str) -> DataFacts:
    assert spec.image is not None
    labels = tuple(map(str, range(spec.classes or 0))) if task == "classification" else ()
    return DataFacts((spec.image[-1], *spec.image[:-1]), len(labels) or spec.classes or 1, 0, labels)
