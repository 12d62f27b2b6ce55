"""How training images are changed from epoch to epoch, step by step in the order written. No torch.

All work on a batch on the device, with a draw of its own for each image; `worker.training.augment` does it. Lengths
are in pixels. Where an image has one channel, what concerns colours alone does nothing. What a step needs of the data
is said by `check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
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
    """A square of `size`, centred anywhere in the image and cut off at its edge, is zeroed (DeVries & Taylor 2017)."""

    kind: Literal["cutout"]
    size: Pixels = 8


class ColorJitter(Spec):
    """Brightness, contrast and saturation multiplied by a factor from [1 - x, 1 + x], each image with its own.

    In this order, in raw values: b r; c r + (1 - c) times the mean gray of the image; s r + (1 - s) times the pixel's
    gray. Gray is .299 R + .587 G + .114 B, of other numbers of channels the mean. Nothing is clipped.
    """

    kind: Literal["color_jitter"]
    brightness: Probability = 0.4
    contrast: Probability = 0.4
    saturation: Probability = 0.4


class Lighting(Spec):
    """AlexNet's shift of colours along the principal components of the training pixels (Krizhevsky et al. 2012).

    Adds sum_i a_i l_i p_i to every pixel, with a_i normal of deviation `std`, l_i and p_i the eigenvalues and
    eigenvectors of the covariance of the training part's channel values, bytes over 255.
    """

    kind: Literal["lighting"]
    std: Positive = 0.1


class Mixup(Spec):
    """Inputs and targets mixed with those of another example, l ~ Beta(alpha, alpha) (Zhang et al. 2018)."""

    kind: Literal["mixup"]
    alpha: Positive = 0.2


class CutMix(Spec):
    """A box from another example pasted in, targets mixed by its area, l ~ Beta(alpha, alpha) (Yun et al. 2019).

    The box has sqrt(1 - l) of the image's sides and is centred anywhere; what lies outside is cut off and not counted.
    """

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

    Shifts go both ways along each axis, zeros move in, and each has its mirror image: 10 views of an image with both.
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
    """How raw values become what the network reads; fitted on the training part alone, all of it under `examples` too.

    `standardized`: per channel, minus the mean, over the deviation. `raw`: as they are, uint8 over 255. `pca`, `zca`:
    whitened over all values of an example, (x - mean) U diag(1 / sqrt(l + eps)) [U'] with the eigenvectors U and
    eigenvalues l of their covariance, of values over 255 (Krizhevsky 2009, app. A); pca keeps the example's shape.
    `eps` is a variance of such values: where floats range far beyond [0, 1], it should grow with their square.
    `permute` puts the positions in a fixed random order, which takes what is local away.
    """

    kind: Literal["standardized", "raw", "pca", "zca"] = "standardized"
    eps: Positive = 1e-2
    permute: bool = False


Steps = Annotated[tuple[Augmentation, ...], BeforeValidator(as_tuple)]


def check(
    steps: Sequence[Augmentation],
    shape: tuple[int, ...],
    given: Input | None = None,
    task: str = "classification",
    views: TestAugmentation | None = None,
) -> None:
    """A ValueError where a step or view cannot be done to prepared examples of `shape`, (C, *map size)."""
    given = given or Input()
    check_input(given, shape)
    for number, step in enumerate(steps):
        if wrong := _wrong(step, shape, given, task):
            raise ValueError(f"augment.{number}: {step.kind} {wrong}")
    if views and (views.flip or views.shift) and _scattered(given):
        raise ValueError(f"test_augment: views need neighbouring pixels, but {_scattered(given)}; leave it out")
    if views and views.shift >= min(shape[1:]):
        raise ValueError(f"test_augment: shift: {views.shift} leaves nothing of a map of {_by(shape)}; lower it")


WHITENED_VALUES = 4_096
"""An example may have so many values to be whitened: their covariance has the square of it."""


def check_input(given: Input, shape: tuple[int, ...]) -> None:
    """A ValueError where examples of `shape` are too large to be whitened."""
    values = prod(shape)
    if given.kind in ("pca", "zca") and values > WHITENED_VALUES:
        raise ValueError(
            f"input: {given.kind} whitens at most {WHITENED_VALUES:,} values an example, "
            f"but {list(shape)} has {values:,}; write kind: standardized, or make the images smaller"
        )


IMAGES_ONLY = Cutout, CutMix, ColorJitter, Lighting
SPATIAL = Flip, Crop, Cutout, CutMix
COLORS = ColorJitter, Lighting
MANY_CHANNELS = 64
"""More channels than that are no colours, and their covariance is not kept."""


def _wrong(step: Augmentation, shape: tuple[int, ...], given: Input, task: str) -> str | None:
    """What is wrong, and the cure."""
    smallest = min(shape[1:])
    if isinstance(step, IMAGES_ONLY) and len(shape) != 3:
        return f"works on images, but the examples are of {_by(shape)}; leave it out"
    if isinstance(step, SPATIAL) and _scattered(given):
        return f"needs neighbouring pixels, but {_scattered(given)}; leave it out"
    if isinstance(step, COLORS) and given.kind in ("pca", "zca"):
        return f"changes raw colours, but input: {given.kind} mixes them with all other values; leave it out"
    if isinstance(step, Lighting) and shape[0] > MANY_CHANNELS:
        return f"is for up to {MANY_CHANNELS} channels, but there are {shape[0]}; leave it out"
    if isinstance(step, CutMix) and task != "classification":
        return f"mixes classes by area, but the task is {task}; write mixup"
    if isinstance(step, Crop) and step.padding >= smallest:
        return f"with padding: {step.padding} can miss all of a map of {_by(shape)}; write at most {smallest - 1}"
    if isinstance(step, Cutout) and step.size > smallest:
        return f"with size: {step.size} is larger than a map of {_by(shape)}; write at most {smallest}"
    return None


def _scattered(given: Input) -> str:
    """Why neighbouring inputs are no neighbouring pixels, or nothing."""
    return "input: permute scatters them" if given.permute else "input: pca mixes them" if given.kind == "pca" else ""


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape[1:]))
