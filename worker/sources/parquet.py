"""`parquet:<path>` in the layout of the Hugging Face hub: a file, or a folder with train-*.parquet, test-*.parquet.

Images are bytes, or a struct with `bytes`, in one column; labels are whole numbers, or texts, in another. The classes'
names stand in the schema's metadata under `huggingface`, where it has them.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections import Counter, OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from worker.sources import images, memo
from worker.sources.catalog import Array, Catalog, Encoded, checked_labels, checked_names, extra
from worker.sources.images import Look
from worker.sources.machine import ahead, cores
from worker.sources.split import NAMES, WHOLE

IMAGE_NAMES = ("image", "img", "images", "picture")
LABEL_NAMES = ("label", "labels", "target", "class", "y")
UNLABELLED = -1
KEPT_GROUPS = 2
"""Row groups of encoded images held in memory while reading."""
Columns = tuple[str | None, str | None]
"""The columns of images and of labels, where they are named."""


@dataclass(frozen=True)
class Layout:
    """The files of each part; `left` are files of no part. `image` and `label` name the columns."""

    parts: dict[str, list[Path]]
    left: tuple[str, ...]
    image: str
    label: str
    names: tuple[str, ...]


def catalog(path: Path, image: tuple[int, ...] | None, classes: int | None, columns: Columns, task: str) -> Catalog:
    """What the files hold; a ValueError where they cannot be used."""
    extra("pyarrow.parquet", str(path))
    if image is None:
        extra("PIL.Image", str(path))
    where, layout = str(path), _layout(path, columns)
    raw = {part: _labels(where, files, layout.label) for part, files in layout.parts.items()}
    given, labels = _targets(where, raw, layout, classes) if task == "classification" else (_numbers(where, raw), ())
    shape = (image[-1], *image[:-1]) if image else images.shape_of(where, _looks(path, layout))
    note = f"{len(layout.left)} files are of no part and left out, the first is {layout.left[0]}" if layout.left else ""
    return Catalog(
        where,
        given,
        shape,
        labels,
        digest(path),
        lambda part: _encoded(layout.parts[part], layout.image),
        (note,) if note else (),
    )


def available() -> bool:
    """Whether the library is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def digest(path: Path) -> str | None:
    """The content of the files that are used, with their names where it is a folder."""
    if not path.exists():
        return None
    parts, _ = _files(path)
    files = [file for part in parts.values() for file in part]
    return memo.joined({file.relative_to(path).as_posix(): _facts(file)[2] for file in files})


def _files(path: Path) -> tuple[dict[str, list[Path]], tuple[str, ...]]:
    """The files of each part by their names or their folders', and those of no part."""
    if not path.exists():
        raise ValueError(f"{path}: there is no such file or folder; write the path from the study's folder")
    if path.is_file():
        return {WHOLE: [path]}, ()
    found = sorted(file for file in path.rglob("*.parquet") if not file.name.startswith("."))
    if not found:
        raise ValueError(f"{path}: there are no .parquet files in it; correct the path")
    groups = sorted({_configuration(file.relative_to(path)) for file in found})
    if len(groups) > 1:
        names = ", ".join(groups[:8])
        raise ValueError(f"{path}: it holds several sets ({names}); add one of these names to the path")
    parts: dict[str, list[Path]] = {}
    for file in found:
        parts.setdefault(_part(file.relative_to(path)) or "", []).append(file)
    left = parts.pop("", [])
    if not parts:
        return {WHOLE: left}, ()
    if "train" not in parts:
        raise ValueError(f"{path}: there is no train-*.parquet among {', '.join(sorted(parts))}; name one so")
    return parts, tuple(file.name for file in left)


def _part(file: Path) -> str | None:
    """`train` of train-00000-of-00001.parquet, or of train/0000.parquet."""
    for name in (re.split(r"[-_.]", file.name)[0], file.parent.name):
        if name in NAMES:
            return NAMES[name]
    return None


def _configuration(file: Path) -> str:
    """The folders of a file without its part's and without the hub's `data`."""
    folders = [name for name in file.parts[:-1] if name not in NAMES and name != "data"]
    return "/".join(folders) or "."


def _layout(path: Path, columns: Columns) -> Layout:
    parts, left = _files(path)
    schema = _schema(next(iter(parts.values()))[0])
    for files in parts.values():
        for file in files:
            if _schema(file).names != schema.names:
                raise ValueError(f"{file}: its columns are not those of the other files; give each set its own folder")
    features = _features(schema)
    image = columns[0] or _one(path, "image", _image_columns(schema, features), IMAGE_NAMES, schema)
    label = columns[1] or _one(path, "label", _label_columns(schema, features), LABEL_NAMES, schema)
    for name in (image, label):
        if name not in schema.names:
            raise ValueError(f"{path}: there is no column {name!r}, there are {', '.join(schema.names)}; correct it")
    return Layout(parts, left, image, label, tuple(features.get(label, {}).get("names", ())))


def _schema(file: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(file)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file}: this is no parquet file ({str(error).splitlines()[0]}); save it again") from None


def _features(schema: Any) -> dict[str, dict[str, Any]]:
    """What the hub's metadata say of each column; class labels may be a list of names or a map from numbers."""
    try:
        found = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return {name: one for name, one in found.items() if isinstance(one, dict)}
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


def _image_columns(schema: Any, features: dict[str, dict[str, Any]]) -> list[str]:
    import pyarrow as pa

    named = [name for name in schema.names if features.get(name, {}).get("_type") == "Image"]
    binary = (pa.types.is_binary, pa.types.is_large_binary)
    of_bytes = [
        one.name
        for one in schema
        if any(test(one.type) for test in binary)
        or (pa.types.is_struct(one.type) and one.type.get_field_index("bytes") >= 0)
    ]
    return named or of_bytes


def _label_columns(schema: Any, features: dict[str, dict[str, Any]]) -> list[str]:
    import pyarrow as pa

    named = [name for name in schema.names if features.get(name, {}).get("_type") == "ClassLabel"]
    tests = (pa.types.is_integer, pa.types.is_floating, pa.types.is_string, pa.types.is_large_string)
    return named or [one.name for one in schema if any(test(one.type) for test in tests)]


def _one(path: Path, what: str, found: list[str], usual: tuple[str, ...], schema: Any) -> str:
    """The column of images or labels: the only one that can be, or one with the usual name."""
    likely = found if len(found) == 1 else [name for name in usual if name in found][:1]
    if likely:
        return likely[0]
    among = f"it could be {' or '.join(found)}" if found else f"none of {', '.join(schema.names)} can be it"
    raise ValueError(f"{path}: which column is the {what}? {among}; write columns: {{{what}: its name}} under data")


def _labels(where: str, files: list[Path], column: str) -> Array:
    import pyarrow.parquet as pq

    found = [pq.read_table(file, columns=[column]).column(column) for file in files]
    if any(one.null_count for one in found):
        raise ValueError(f"{where}: some values of the column {column!r} are missing; fill them in, or drop the rows")
    return np.concatenate([np.asarray(one.to_numpy()) for one in found])


def _targets(
    where: str, raw: dict[str, Array], layout: Layout, classes: int | None
) -> tuple[dict[str, Array], tuple[str, ...]]:
    """Labels as numbers, and their names. A test part without labels, all -1, is none."""
    given = {part: y for part, y in raw.items() if part != "test" or y.dtype.kind != "i" or (y != UNLABELLED).any()}
    kinds = {y.dtype.kind for y in given.values()}
    if kinds <= set("OUT"):
        names = sorted({str(name) for y in given.values() for name in y.tolist()})
        numbers = {name: index for index, name in enumerate(names)}
        given = {part: np.array([numbers[str(name)] for name in y.tolist()], np.int64) for part, y in given.items()}
    elif kinds <= set("iub"):
        given = {part: y.astype(np.int64) for part, y in given.items()}
        names = list(layout.names)
    else:
        raise ValueError(f"{where}: the column {layout.label!r} holds no labels; write task: regression, or columns")
    if not all(map(len, given.values())):
        raise ValueError(f"{where}: a part has no rows; remove its file, or fill it")
    if not names:
        names = list(map(str, range(checked_labels(where, np.concatenate(list(given.values())), classes))))
    checked_names(where, given, names, classes)
    return given, tuple(names)


def _numbers(where: str, raw: dict[str, Array]) -> dict[str, Array]:
    for y in raw.values():
        if y.dtype.kind not in "iuf" or not np.isfinite(y).all():
            raise ValueError(f"{where}: the label column is no column of finite numbers; correct it, or write columns")
    return {part: y.reshape(len(y), -1) for part, y in raw.items()}


def _looks(path: Path, layout: Layout) -> Counter[Look]:
    """How many images have which head; read through once and remembered."""
    total: Counter[Look] = Counter()
    for files in layout.parts.values():
        for file in files:
            for height, width, gray, count in _facts(file, layout.image)[3]:
                total[Look(height, width, gray)] += count
    return total


def _facts(file: Path, image: str | None = None) -> list[Any]:
    """[bytes, time, digest, heads or None]; heads are [height, width, gray, count] and need the images' column."""
    stat, name = file.stat(), f"{file.absolute()}#{image or ''}"
    state = [stat.st_size, stat.st_mtime_ns]
    known = memo.recall(name).get("")
    if known is None or known[:2] != state:
        known = [*state, memo.file_digest(file), _heads(file, image) if image else None]
        memo.remember(name, {"": known})
    return known


def _heads(file: Path, image: str) -> list[list[Any]]:
    encoded = _encoded([file], image)
    counts: Counter[Look] = Counter()
    chunks = np.array_split(np.arange(encoded.count), max(1, encoded.count // images.CHUNK))
    for looks in ahead(lambda rows: Counter(map(images.look, encoded.take(rows))), chunks, cores()):
        counts.update(looks)
    return [[one.height, one.width, one.gray, count] for one, count in counts.items()]


@dataclass
class _Groups:
    """The row groups of some files; the last few that were asked for are in memory, encoded as they are."""

    files: list[Path]
    column: str
    ends: Array
    places: list[tuple[Path, int]]
    held: OrderedDict[int, Any] = field(default_factory=OrderedDict)
    lock: Lock = field(default_factory=Lock)

    def take(self, rows: Array) -> list[bytes]:
        groups = np.searchsorted(self.ends, rows, side="right")
        found: dict[int, bytes] = {}
        for group in np.unique(groups).tolist():
            start = int(self.ends[group - 1]) if group else 0
            inside = rows[groups == group]
            values = self._group(group).take(inside - start).to_pylist()
            found |= zip(inside.tolist(), values, strict=True)
        return [found[row] or b"" for row in rows.tolist()]

    def _group(self, group: int) -> Any:
        import pyarrow.parquet as pq

        with self.lock:
            if group not in self.held:
                file, number = self.places[group]
                with pq.ParquetFile(file) as opened:
                    column = opened.read_row_group(number, columns=[self.column]).column(self.column).combine_chunks()
                self.held[group] = column.field("bytes") if hasattr(column, "field") else column
                while len(self.held) > KEPT_GROUPS:
                    self.held.popitem(last=False)
            self.held.move_to_end(group)
            return self.held[group]


def _encoded(files: list[Path], column: str) -> Encoded:
    import pyarrow.parquet as pq

    places, sizes, names = [], [], []
    for file in files:
        facts = pq.read_metadata(file)
        for group in range(facts.num_row_groups):
            places.append((file, group))
            sizes.append(facts.row_group(group).num_rows)
        names.append((file, facts.num_rows))
    groups = _Groups(files, column, np.cumsum(sizes, dtype=np.int64), places)
    return Encoded(int(sum(sizes)), groups.take, lambda row: _row_name(names, row))


def _row_name(files: list[tuple[Path, int]], row: int) -> str:
    for file, count in files:
        if row < count:
            return f"row {row} of {file}"
        row -= count
    raise IndexError(row)
