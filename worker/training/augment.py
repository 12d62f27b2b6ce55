"""Training images changed at random, whole batches at once on their device, each image with draws of its own.

A step is a function (x, targets, generator) -> (x, targets) of prepared inputs (n, C, *map size). Nothing waits for the
device, nothing is written to the tensors that come in, and all that is random comes from the generator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import torch
from torch import Tensor
from torch.nn import functional

from worker.inputs import Transform
from worker.recipe.augmentation import (
    Augmentation,
    ColorJitter,
    Crop,
    CutMix,
    Cutout,
    Flip,
    Lighting,
    Mixup,
    Noise,
    TestAugmentation,
)

Step = Callable[[Tensor, Tensor, torch.Generator], tuple[Tensor, Tensor]]
Change = Callable[[Tensor, torch.Generator], Tensor]
GRAY = (0.299, 0.587, 0.114)
"""Red, green and blue in a gray value (ITU-R BT.601)."""


def augmenter(steps: Sequence[Augmentation], transform: Transform, classes: int | None = None) -> Step:
    """The steps one after the other; `classes` is needed to mix labels. `worker.recipe.augmentation.check` comes first.

    Labels (n,) come out as they are, or, where examples are mixed, as weights (n, classes) that sum to 1.
    """
    made = [_step(step, transform, classes) for step in steps]

    def augment(x: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        for step in made:
            x, targets = step(x, targets, generator)
        return x, targets

    return augment


def _step(step: Augmentation, transform: Transform, classes: int | None) -> Step:
    match step:
        case Mixup():
            return partial(mixup, step, classes)
        case CutMix():
            return partial(cutmix, step, classes)
        case Flip():
            return _image(partial(flip, step))
        case Crop():
            return _image(partial(crop, step))
        case Cutout():
            return _image(partial(cutout, step))
        case ColorJitter():
            return _image(partial(color_jitter, step, transform))
        case Lighting():
            return _image(lighting(step, transform))
        case Noise():
            return _image(partial(noise, step))


def _image(change: Change) -> Step:
    """A change of the inputs alone."""
    return lambda x, targets, generator: (change(x, generator), targets)


def flip(step: Flip, x: Tensor, generator: torch.Generator) -> Tensor:
    """Each image mirrored along its last axis with the step's probability."""
    chosen = _uniform(x, generator) < step.probability
    return torch.where(chosen, x.flip(-1), x)


def crop(step: Crop, x: Tensor, generator: torch.Generator) -> Tensor:
    """Of the padded image, a window of the old size, all places equally likely.

    All windows are a view of the padded batch; taking one of each image copies whole rows. (airbench's `batch_crop`
    has a loop over the shifts in the place of the view.)
    """
    n, _, *size = x.shape
    mode = "constant" if step.fill == "zero" else "reflect"
    windows = functional.pad(x, (step.padding,) * (2 * len(size)), mode)
    for axis, length in enumerate(size, 2):
        windows = windows.unfold(axis, length, 1)  # (n, C, *places, *size) in the end
    places = torch.randint(
        2 * step.padding + 1, (len(size), n), generator=generator, device=generator.device, dtype=torch.int64
    )
    return windows.movedim(1, 1 + len(size))[(torch.arange(n, device=x.device), *places)]


def cutout(step: Cutout, x: Tensor, generator: torch.Generator) -> Tensor:
    """A square of zeros around a pixel of the image, all equally likely; what stands over is cut off."""
    side = torch.full((len(x),), step.size, device=x.device)
    return x * ~_boxes(x, (side, side), generator)


def color_jitter(step: ColorJitter, transform: Transform, x: Tensor, generator: torch.Generator) -> Tensor:
    """Brightness b, contrast c and saturation s of raw values r = x std + mean, joined to one affine map an image.

    With the gray g of a pixel and its mean G over the image: c b (s r + (1 - s) g) + (1 - c) b G, standardized again.
    """
    channels, on = x.shape[1], transform.on(x.device)
    mean, std = on["mean"].to(x.dtype), on["std"].to(x.dtype)
    weights = _gray(channels, x)
    saturation = step.saturation if channels > 1 else 0.0
    b, c, s = (
        1 + amount * (2 * _uniform(x, generator, 2) - 1) for amount in (step.brightness, step.contrast, saturation)
    )
    average = (x.mean((2, 3)) * std + mean) @ weights[:, None]  # (n, 1)
    offset = (c * b * s * mean + (1 - c) * b * average - mean) / std
    changed: Tensor = x * _spread(c * b * s, x) + _spread(offset, x)
    if saturation == 0:
        return changed
    gray = x.movedim(1, -1) @ (weights * std) + weights @ mean  # (n, h, w)
    return changed + gray[:, None] * _spread(c * b * (1 - s) / std, x)


def lighting(step: Lighting, transform: Transform) -> Change:
    """sum_i a_i l_i p_i added to all pixels, a_i normal of deviation `std`, for each image anew."""
    if len(transform.mean) == 1:
        return lambda x, generator: x
    values, vectors = transform.eigen()
    scaled = vectors * values * transform.unit  # of raw values: a column for each a_i

    @cache
    def axes(device: torch.device) -> Tensor:
        rows = torch.tensor(scaled.T.copy(), dtype=torch.float32, device=device)
        return rows / transform.on(device)["std"]

    def change(x: Tensor, generator: torch.Generator) -> Tensor:
        amounts = torch.randn(x.shape[:2], generator=generator, device=generator.device) * step.std
        return x + _spread((amounts @ axes(x.device)).to(x.dtype), x)

    return change


def noise(step: Noise, x: Tensor, generator: torch.Generator) -> Tensor:
    """Normal noise on every value."""
    drawn = torch.randn(x.movedim(1, -1).shape, generator=generator, device=generator.device, dtype=x.dtype)
    return torch.add(x, drawn.movedim(-1, 1), alpha=step.std)


def mixup(
    step: Mixup, classes: int | None, x: Tensor, targets: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Inputs l x + (1 - l) x' with x' another of the batch, targets likewise; l is drawn for each image of a batch."""
    share, partner = _beta(step.alpha, x, generator), _partners(x, generator)
    mixed = torch.lerp(_taken(x, partner), x, _spread(share[:, None], x))
    return mixed, _mixed(targets, partner, share, classes)


def cutmix(
    step: CutMix, classes: int | None, x: Tensor, targets: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A box of another of the batch pasted in; a class has the weight of the area that shows it, counted in pixels."""
    height, width = x.shape[2:]
    share, partner = _beta(step.alpha, x, generator), _partners(x, generator)
    chosen = _uniform(x, generator, 1) < step.probability
    ratio = (1 - share).sqrt()
    sides = tuple((ratio * extent).long() * chosen for extent in (height, width))
    box = _boxes(x, (sides[0], sides[1]), generator)
    kept = 1 - box.sum((1, 2, 3)) / (height * width)
    return torch.lerp(x, _taken(x, partner), box.to(x.dtype)), _mixed(targets, partner, kept, classes)


def views(spec: TestAugmentation, axes: int = 2) -> list[Callable[[Tensor], Tensor]]:
    """What a network looks at in test-time averaging, the image itself first; the mean of the outputs is the answer.

    Shifts go by `shift` both ways along each of the map's axes, zeros move in; with `flip` each view has its mirror
    image (Jordan 2024, airbench, has two of the shifts).
    """
    made: list[Callable[[Tensor], Tensor]] = [_same]
    if spec.shift:
        made += [partial(shifted, axis=axis, by=by) for axis in range(2, 2 + axes) for by in (-spec.shift, spec.shift)]
    return [partial(_mirrored, view) if mirror else view for mirror in range(1 + spec.flip) for view in made]


def shifted(x: Tensor, axis: int, by: int) -> Tensor:
    """All moved along an axis, zeros behind them: y[i] = x[i - by]."""
    return functional.pad(x, (0, 0) * (x.dim() - 1 - axis) + (by, -by))


def _same(x: Tensor) -> Tensor:
    return x


def _mirrored(view: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return view(x.flip(-1))


def _uniform(x: Tensor, generator: torch.Generator, axes: int | None = None) -> Tensor:
    """A number from [0, 1) for each image, (n, 1, ...) with as many axes as x, or `axes`."""
    drawn = torch.rand(len(x), generator=generator, device=generator.device).to(x.dtype)
    return drawn.view(-1, *(1,) * ((x.dim() if axes is None else axes) - 1))


def _beta(alpha: float, x: Tensor, generator: torch.Generator) -> Tensor:
    """(n,) of Beta(alpha, alpha): a / (a + b) of two gamma numbers, in float64, where both are hardly ever 0."""
    shape = torch.full((2, len(x)), alpha, dtype=torch.float64, device=generator.device)
    a, b = torch._standard_gamma(shape, generator=generator)
    return torch.nan_to_num(a / (a + b), 0.5).to(x.dtype)


def _partners(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randperm(len(x), generator=generator, device=generator.device)


def _taken(x: Tensor, index: Tensor) -> Tensor:
    """x[index], channels last if x is."""
    return x.movedim(1, -1)[index].movedim(-1, 1)


def _mixed(targets: Tensor, partner: Tensor, share: Tensor, classes: int | None) -> Tensor:
    """`share` of each target and the rest of its partner's; labels become weights of the classes."""
    if not targets.is_floating_point():
        assert classes is not None, "labels are mixed as weights of so many classes"
        targets = functional.one_hot(targets, classes).to(share.dtype)
    return torch.lerp(targets[partner], targets, share.to(targets.dtype)[:, None])


def _boxes(x: Tensor, sides: tuple[Tensor, Tensor], generator: torch.Generator) -> Tensor:
    """Where a box of sides (n,) each, centred on a random pixel of each image, lies: bool (n, 1, h, w)."""
    inside = []
    for extent, side in zip(x.shape[2:], sides, strict=True):
        centre = torch.randint(extent, (len(x),), generator=generator, device=generator.device)
        start = (centre - side // 2)[:, None]
        places = torch.arange(extent, device=x.device)
        inside.append((places >= start) & (places < start + side[:, None]))
    return (inside[0][:, :, None] & inside[1][:, None, :])[:, None]


def _spread(numbers: Tensor, x: Tensor) -> Tensor:
    """(n, 1 or C) beside x: (n, 1 or C, 1, ...)."""
    return numbers.view(*numbers.shape, *(1,) * (x.dim() - 2))


@cache
def _gray_weights(channels: int, device: torch.device, kind: torch.dtype) -> Tensor:
    weights = GRAY if channels == 3 else (1 / channels,) * channels
    return torch.tensor(weights, dtype=kind, device=device)


def _gray(channels: int, x: Tensor) -> Tensor:
    return _gray_weights(channels, x.device, x.dtype)
