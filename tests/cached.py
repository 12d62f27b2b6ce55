"""What the tests of the cache build, here and in other processes."""

from collections.abc import Iterator

import numpy as np

from worker.sources.images import Failure

ONE, COUNT = (4, 4, 1), 64


def chunks(seed: int = 0) -> Iterator[tuple[np.ndarray, list[Failure]]]:
    """63 random images in four chunks; the ninth of the second cannot be read."""
    images = np.random.default_rng(seed).integers(0, 256, (COUNT, *ONE), dtype=np.uint8)
    for start in range(0, COUNT, 16):
        chunk = images[start : start + 16]
        if start == 16:
            yield np.delete(chunk, 8, 0), [Failure(24, "bad.png", "torn")]
        else:
            yield chunk, []


EXPECTED = np.concatenate([images for images, _ in chunks()])
