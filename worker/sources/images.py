"""Image files to uint8 arrays of one size: (H, W, C), gray or RGB, upright.

Transparent images are laid on white, palettes become colours, 16-bit gray keeps its upper byte. Of an animation the
first frame counts. A photograph that says how it was held (EXIF) is turned upright.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np

from worker.sources.catalog import Array, Encoded, extra
from worker.sources.machine import ahead, cores

Resize = Literal["crop", "stretch", "pad"]
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
GRAY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N"})
EXIF = frozenset({"JPEG", "MPO", "WEBP"})
"""Formats whose note on how to hold an image is read here; Pillow follows that of TIFF itself."""
ORIENTATION = 0x0112
CHUNK = 64
"""Images that a thread decodes at a time."""
SHOWN = 4
"""Sizes that a message lists."""


@dataclass(frozen=True)
class Form:
    """What every image becomes: `size` (H, W), channels (1 or 3), and how another size is fitted."""

    size: tuple[int, int]
    channels: int
    resize: Resize = "crop"

    def __str__(self) -> str:
        return f"{self.size[0]}x{self.size[1]}x{self.channels} {self.resize}"


@dataclass(frozen=True)
class Look:
    """What the head of an image file says: height and width as it is held, and whether it is gray; 0 if unreadable."""

    height: int
    width: int
    gray: bool


UNREADABLE = Look(0, 0, True)


def look(data: bytes) -> Look:
    """The head of an image file; its pixels are not decoded."""
    from PIL import Image

    try:
        with Image.open(BytesIO(data)) as image:
            width, height = image.size
            turned = image.format in EXIF and image.getexif().get(ORIENTATION, 1) >= 5
            return Look(*((width, height) if turned else (height, width)), image.mode in GRAY)
    except Exception:  # whatever Pillow's many decoders raise at a damaged file, it is unreadable
        return UNREADABLE


def shape_of(where: str, looks: Counter[Look]) -> tuple[int, ...]:
    """(channels, H, W) that all images have; a ValueError with the sizes found where they differ."""
    sizes: Counter[tuple[int, int]] = Counter()
    for one, count in looks.items():
        if one != UNREADABLE:
            sizes[one.height, one.width] += count
    if not sizes:
        raise ValueError(f"{where}: no image can be read; correct the path or the files")
    channels = 1 if all(one.gray for one in looks) else 3
    if len(sizes) == 1:
        return channels, *next(iter(sizes))
    found = ", ".join(f"{count:,} of {height}x{width}" for (height, width), count in sizes.most_common(SHOWN))
    more = f" and {len(sizes) - SHOWN} more sizes" if len(sizes) > SHOWN else ""
    height, width = _usual(sizes)
    raise ValueError(
        f"{where}: the images differ in size ({found}{more}); "
        f"say what they shall be: data: {{..., image: [{height}, {width}, {channels}]}}"
    )


def _usual(sizes: Counter[tuple[int, int]]) -> tuple[int, int]:
    """The size that half of the images have, or else the middle one of the heights and of the widths."""
    (size, count), total = sizes.most_common(1)[0], sizes.total()
    if 2 * count >= total:
        return size
    heights, widths = (sorted(n[axis] for n in sizes.elements()) for axis in (0, 1))
    return heights[total // 2], widths[total // 2]


def decode(data: bytes, form: Form) -> Array:
    """(H, W, C) uint8 of an image file."""
    from PIL import Image, ImageOps

    with Image.open(BytesIO(data)) as opened:
        turned = opened.format in EXIF and opened.getexif().get(ORIENTATION, 1) != 1
        image = _plain(ImageOps.exif_transpose(opened) if turned else opened, form.channels)
    if image.size != (form.size[1], form.size[0]):
        image = _fitted(image, form)
    return np.asarray(image).reshape(*form.size, form.channels)


def _plain(image: Any, channels: int) -> Any:
    """Mode L or RGB."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("an image of floats has no agreed range; save it as an npz")
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        return image.convert(mode)
    image.load()
    return image


def _fitted(image: Any, form: Form) -> Any:
    """The image at the form's size, bilinear over all pixels that fall into one (no aliasing where it shrinks)."""
    from PIL import Image

    (height, width), how = form.size, Image.Resampling.BILINEAR
    if form.resize == "stretch":
        return image.resize((width, height), how)
    fit = max if form.resize == "crop" else min
    scale = fit(width / image.width, height / image.height)
    if form.resize == "crop":
        across, down = width / scale, height / scale
        left, top = (image.width - across) / 2, (image.height - down) / 2
        box = (max(left, 0.0), max(top, 0.0), min(left + across, image.width), min(top + down, image.height))
        return image.resize((width, height), how, box)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner, how), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


@dataclass(frozen=True)
class Failure:
    """An image that could not be read."""

    row: int
    name: str
    reason: str


def decoded(encoded: Encoded, rows: Array, form: Form) -> Iterator[tuple[Array, list[Failure]]]:
    """The images of some rows in their order, a chunk at a time, (n, H, W, C), without those that cannot be read."""
    extra("PIL.Image", encoded.name(0) if encoded.count else "images")
    chunks = (rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK))
    yield from ahead(lambda chunk: _chunk(encoded, chunk, form), chunks, cores())


def _chunk(encoded: Encoded, rows: Array, form: Form) -> tuple[Array, list[Failure]]:
    images, failures = np.empty((len(rows), *form.size, form.channels), np.uint8), []
    count = 0
    for row, data in zip(rows.tolist(), encoded.take(rows), strict=True):
        try:
            images[count] = decode(data, form)
            count += 1
        except Exception as error:  # as in `look`: one bad file may not end the reading of all others
            reason = str(error).partition("<_io")[0].strip() or type(error).__name__
            failures.append(Failure(row, encoded.name(row), reason))
    return images[:count], failures


def version() -> str:
    """Of the decoder: another one may give other pixels."""
    from PIL import __version__, features

    libraries = ",".join(f"{name}={features.version(name)}" for name in ("jpg", "webp", "libtiff"))
    return f"pillow={__version__},{libraries}"


def key(*what: object) -> str:
    """32 hexadecimal digits of what decides the pixels."""
    return hashlib.blake2b("\0".join(map(str, what)).encode(), digest_size=16).hexdigest()
