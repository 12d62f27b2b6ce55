"""Image files to arrays: every format and mode, resizing against its definition, what cannot be read."""

import io
from collections import Counter

import numpy as np
import pytest
from imagesets import encoded, picture
from PIL import Image

from worker.sources.images import UNREADABLE, Form, Look, decode, look, shape_of


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "WEBP"])
def test_formats_without_loss_give_the_very_pixels(kind: str) -> None:
    pixels = picture(1, (6, 9))
    data = encoded(pixels, kind, **({"lossless": True} if kind == "WEBP" else {}))
    assert look(data) == Look(6, 9, False)
    assert np.array_equal(decode(data, Form((6, 9), 3)), pixels)


def test_jpeg_is_as_pillow_reads_it() -> None:
    data = encoded(picture(2, (16, 16)), "JPEG")
    assert np.array_equal(decode(data, Form((16, 16), 3)), np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM", "JPEG"])
def test_gray_files_are_gray(kind: str) -> None:
    data = encoded(np.full((5, 4), 77, np.uint8), kind)
    assert look(data) == Look(5, 4, True)
    assert (decode(data, Form((5, 4), 1)) == 77).all()
    assert decode(data, Form((5, 4), 3)).shape == (5, 4, 3)


def test_sixteen_bits_keep_the_upper_byte() -> None:
    wide = np.arange(0, 65536, 4096, dtype=np.uint16).reshape(4, 4)
    data = encoded(wide)
    assert look(data).gray
    assert np.array_equal(decode(data, Form((4, 4), 1))[..., 0], wide >> 8)


def test_one_bit_is_black_and_white() -> None:
    data = saved(Image.fromarray(np.eye(8, dtype=bool)), "PNG")
    assert look(data) == Look(8, 8, True)
    assert np.array_equal(decode(data, Form((8, 8), 1))[..., 0], 255 * np.eye(8, dtype=np.uint8))


def test_the_first_frame_of_an_animation() -> None:
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 200)]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (decode(data, Form((4, 4), 1)) == 10).all()


def test_palettes_become_colours() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    pixels[:2] = (255, 0, 0)
    data = saved(Image.fromarray(pixels).convert("P"), "PNG")
    assert look(data) == Look(4, 4, False)
    assert np.array_equal(decode(data, Form((4, 4), 3)), pixels)


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1)])
def test_what_is_transparent_lies_on_white(mode: str, channels: int) -> None:
    image = Image.new(mode, (2, 1), (0,) * len(mode))
    image.putpixel((0, 0), (0,) * (len(mode) - 1) + (255,))
    assert decode(saved(image, "PNG"), Form((1, 2), channels)).mean(-1).tolist() == [[0, 255]]


def test_colours_become_gray_by_luminance() -> None:
    data = encoded(np.full((3, 3, 3), (255, 0, 0), np.uint8))
    assert (decode(data, Form((3, 3), 1)) == 76).all()


@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP"])
def test_photographs_are_turned_upright(kind: str) -> None:
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is on the right of what is stored
    data = encoded(pixels, kind, exif=exif)
    assert look(data) == Look(24, 16, False)
    upright = decode(data, Form((24, 16), 3))
    assert upright[:, 8:].min() > 250
    assert upright[:, :8].max() < 5


def test_shrinking_is_the_mean_of_what_falls_together() -> None:
    """No aliasing: a checkerboard becomes flat gray, at half its size and however it is fitted."""
    board = np.indices((32, 32)).sum(0) % 2 * np.uint8(255)
    for resize in ("crop", "stretch", "pad"):
        small = decode(encoded(board.astype(np.uint8)), Form((8, 8), 1, resize))
        assert np.ptp(small[1:-1, 1:-1]) <= 2
        assert abs(small.mean() - 127.5) < 2


def test_three_ways_to_fit_a_wide_image() -> None:
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = 200
    data = encoded(wide)
    crop, stretch, pad = (decode(data, Form((8, 8), 1, how))[..., 0] for how in ("crop", "stretch", "pad"))
    assert (crop == 200).all()
    assert (stretch[:, 0].max(), stretch[:, 4].min()) == (0, 200)
    assert (pad[:2].max(), pad[-2:].max()) == (0, 0)
    assert pad[4, 4] == 200
    assert pad[4, 0] == 0


def test_sizes_that_differ_are_listed_with_the_cure() -> None:
    looks = Counter({Look(8, 8, True): 5, Look(9, 8, False): 2, UNREADABLE: 1})
    with pytest.raises(ValueError, match=r"differ in size \(5 of 8x8, 2 of 9x8\); .* image: \[8, 8, 3\]"):
        shape_of("here", looks)
    scattered = Counter({Look(90, 20, True): 2, Look(30, 50, True): 1, Look(40, 60, True): 1, Look(50, 70, True): 1})
    with pytest.raises(ValueError, match=r"image: \[50, 50, 1\]"):
        shape_of("here", scattered)
    with pytest.raises(ValueError, match="here: no image can be read"):
        shape_of("here", Counter({UNREADABLE: 3}))
    assert shape_of("here", Counter({Look(8, 8, True): 5, UNREADABLE: 1})) == (1, 8, 8)


@pytest.mark.parametrize("data", [b"", b"no image", encoded(picture(0))[:20]])
def test_damaged_heads_are_unreadable(data: bytes) -> None:
    assert look(data) == UNREADABLE
