"""scikit-learn's 1,797 handwritten digits of 8x8, values from 0 to 16."""

from __future__ import annotations

import numpy as np

from worker.sources.catalog import Catalog
from worker.sources.split import WHOLE

SHAPE = (1, 8, 8)
LABELS = tuple(map(str, range(10)))
PARTS = (1077, 360, 360)
"""Of training, validation and test. Known without scikit-learn, so that a study can be planned without it."""


def catalog() -> Catalog:
    """The digits, as floats of (8, 8, 1)."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images, y = digits.images[..., None], digits.target.astype(np.int64)
    return Catalog("digits", {WHOLE: y}, SHAPE, LABELS, None, lambda _: images)
