"""How training images are changed from epoch to epoch, step by step in the order written. No torch.

All work on a batch on the device, with a draw of its own for each image; `worker.training.augment` does it. Lengths
are in pixels. Where an image has one channel, what concerns colours alone does nothing.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from searchspace.blueprint import Spec, as_tuple
from worker.recipe.parts import Positive, Probability, Share

Pixels = Annotated[int, Field(ge=1)]


class Flip(Spec):
    """Mirror along the last spatial axis (left and right of an image)."""

    kind: Literal["flip"]
    probability: Probability = 0.5


class Crop(Spec):
    """Pad by `padding` on every side and cut a window of the old size at random: a shift of up to `padding` pixels.

    `fill` is what is padded: `zero` (of the prepared input, so the mean) or `reflect`, the mirrored border.
    """

    kind: Literal["crop"]
    padding: Pixels = 4
    fill: Literal["zero", "reflect"] = "zero"


class Cutout(Spec):
    """A square of `size`, centred anywhere in the image, becomes zero (DeVries & Taylor 2017)."""

    kind: Literal["cutout"]
    size: Pixels = 8


class ColorJitter(Spec):
    """Brightness, contrast and saturation multiplied by a factor from [1 - x, 1 + x], each image with its own."""

    kind: Literal["color_jitter"]
    brightness: Probability = 0.4
    contrast: Probability = 0.4
    saturation: Probability = 0.4


class Lighting(Spec):
    """AlexNet's shift of colours along the principal components of the training pixels (Krizhevsky et al. 2012).

    Adds sum_i a_i l_i p_i to every pixel, with a_i normal of deviation `std`, l_i and p_i the eigenvalues and
    eigenvectors of the covariance of the training part's channel values.
    """

    kind: Literal["lighting"]
    std: Positive = 0.1


class Mixup(Spec):
    """Inputs and targets mixed with those of another example, l ~ Beta(alpha, alpha) (Zhang et al. 2018)."""

    kind: Literal["mixup"]
    alpha: Positive = 0.2


class CutMix(Spec):
    """A box from another example pasted in, targets mixed by its area, l ~ Beta(alpha, alpha) (Yun et al. 2019)."""

    kind: Literal["cutmix"]
    alpha: Positive = 1.0
    probability: Probability = 1.0


class Noise(Spec):
    """Normal noise of deviation `std`, in units of the prepared input: for series and volumes too."""

    kind: Literal["noise"]
    std: Positive = 0.1


Augmentation = Annotated[
    Flip | Crop | Cutout | ColorJitter | Lighting | Mixup | CutMix | Noise, Field(discriminator="kind")
]


class TestAugmentation(Spec):
    """Test-time averaging: the mean of the outputs over the image, its mirror image, and shifts by `shift` pixels.

    It counts in validation and test alike, and costs as many passes as there are views.
    """

    __test__ = False
    flip: bool = False
    shift: Annotated[int, Field(ge=0)] = 0


class Curriculum(Spec):
    """Easy examples first: epoch e of the first `over` share trains on the easiest part, growing to all.

    Examples are ranked by their loss under a network that `epochs` of plain training gave (Hacohen & Weinshall 2019);
    the part grows in a straight line from `first` to 1. `order: hardest` and `order: random` are its controls.
    """

    order: Literal["easiest", "hardest", "random"] = "easiest"
    first: Share = 0.3
    over: Share = 0.5
    epochs: Annotated[int, Field(ge=1)] = 2


class Input(Spec):
    """How raw values become what the network reads; fitted on the training part alone.

    `standardized`: per channel, minus the mean, over the deviation. `raw`: as they are, uint8 over 255. `pca`, `zca`:
    whitened over all values of an example, (x - mean) U diag(1 / sqrt(l + eps)) [U'] with the eigenvectors U and
    eigenvalues l of their covariance, of values over 255 (Krizhevsky 2009, app. A); pca keeps the example's shape.
    `permute` puts the positions in a fixed random order, which takes what is local away.
    """

    kind: Literal["standardized", "raw", "pca", "zca"] = "standardized"
    eps: Positive = 1e-2
    permute: bool = False


Steps = Annotated[tuple[Augmentation, ...], BeforeValidator(as_tuple)]
