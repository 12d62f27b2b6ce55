"""Augmentation against numpy, image by image; how often, how even, how repeatable; and what is refused beforehand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter
from scipy import stats
from torch import Tensor

from worker.inputs import Transform, fit
from worker.recipe.augmentation import Augmentation, Input, TestAugmentation, check
from worker.training.augment import augmenter, shifted, views

CLASSES = 5
SHAPES = [(3, 9, 7), (2, 12), (1, 5, 4, 6)]
KINDS = ["flip", "crop", "cutout", "color_jitter", "lighting", "mixup", "cutmix", "noise"]


def spec(kind: str, **values: Any) -> Augmentation:
    made: Augmentation = TypeAdapter(Augmentation).validate_python({"kind": kind, **values})
    return made


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def prepared(shape: tuple[int, ...] = (3, 9, 7), n: int = 64) -> tuple[Tensor, Transform]:
    channels, *size = shape
    raw = np.random.default_rng(5).integers(0, 256, (n, *size, channels), dtype=np.uint8)
    transform = fit(None, [raw], shape)
    return transform(torch.from_numpy(raw)), transform


def changed(step: Augmentation, x: Tensor, transform: Transform, seed: int = 0) -> Tensor:
    return augmenter([step], transform, CLASSES)(x, torch.zeros(len(x), dtype=torch.int64), generator(seed))[0]


def layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.dim() == 4 else torch.contiguous_format


def window(x: np.ndarray, shift: tuple[int, ...], padding: int, mode: str) -> np.ndarray:
    """The crop of one image (C, *size) that begins at `shift` of the padded one."""
    wide = np.pad(x, [(0, 0)] + [(padding, padding)] * len(shift), mode=mode)
    places = tuple(slice(start, start + length) for start, length in zip(shift, x.shape[1:], strict=True))
    return wide[(slice(None), *places)]


@pytest.mark.parametrize("fill", ["zero", "reflect"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_crop_is_one_window_of_the_padded_image(shape: tuple[int, ...], fill: str) -> None:
    x, transform = prepared(shape, 40)
    cropped = changed(spec("crop", padding=2, fill=fill), x, transform).numpy()
    mode = "constant" if fill == "zero" else "reflect"
    shifts = list(np.ndindex(*[5] * len(shape[1:])))
    for before, after in zip(x.numpy(), cropped, strict=True):
        assert any(np.array_equal(after, window(before, shift, 2, mode)) for shift in shifts)


def test_all_shifts_are_equally_likely() -> None:
    image = torch.arange(1.0, 26).reshape(1, 1, 5, 5)  # the value at the corner tells the shift
    cropped = changed(spec("crop", padding=2), image.expand(10_000, -1, -1, -1), prepared()[1])
    corners = cropped[:, 0, 2, 2].long().bincount(minlength=26)[1:]
    assert corners.min() > 0
    assert stats.chisquare(corners.numpy()).pvalue > 0.01


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_flips_mirror_the_last_axis_as_often_as_they_should(shape: tuple[int, ...], probability: float) -> None:
    x, transform = prepared(shape, 1_000)
    flipped = changed(spec("flip", probability=probability), x, transform)
    same, mirrored = ((flipped == one).flatten(1).all(1) for one in (x, x.flip(-1)))
    assert (same | mirrored).all()
    share = (~same).double().mean().item()
    assert share == pytest.approx(probability, abs=0 if probability in (0, 1) else 0.05)


@pytest.mark.parametrize("size", [3, 4])
def test_a_cutout_is_one_square_cut_off_at_the_edge(size: int) -> None:
    x, transform = prepared((3, 9, 7), 400)
    x = x + 10  # so that nothing else is 0
    zeros = (changed(spec("cutout", size=size), x, transform) == 0).numpy()
    expected = []
    for row, column in np.ndindex(9, 7):
        mask = np.zeros((9, 7), bool)
        top, left = row - size // 2, column - size // 2
        mask[max(0, top) : top + size, max(0, left) : left + size] = True
        expected.append(mask)
    found = np.array([[np.array_equal(mask, one[0]) for mask in expected] for one in zeros])
    assert (zeros == zeros[:, :1]).all()
    assert (found.sum(1) >= 1).all()
    assert len(np.unique(found.argmax(1))) > 40
    kept = x.numpy() * ~zeros
    assert np.array_equal(changed(spec("cutout", size=size), x, transform).numpy(), kept)


def jittered(raw: np.ndarray, b: float, c: float, s: float) -> np.ndarray:
    """One image (C, h, w) in raw values, step after step."""
    weights = np.array([0.299, 0.587, 0.114]) if len(raw) == 3 else np.full(len(raw), 1 / len(raw))
    raw = b * raw
    raw = c * raw + (1 - c) * np.tensordot(weights, raw, 1).mean()
    return s * raw + (1 - s) * np.tensordot(weights, raw, 1)


def factors(step: Any, n: int, seed: int, channels: int) -> np.ndarray:
    source = generator(seed)
    amounts = [step.brightness, step.contrast, step.saturation if channels > 1 else 0.0]
    return np.array([1 + amount * (2 * torch.rand(n, generator=source).numpy() - 1) for amount in amounts]).T


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_color_jitter_is_its_formula_in_raw_values(channels: int) -> None:
    x, transform = prepared((channels, 6, 5))
    step = spec("color_jitter", brightness=0.4, contrast=0.3, saturation=0.8)
    got = changed(step, x, transform, seed=3).double().numpy()
    mean, std = (np.array(values)[:, None, None] for values in (transform.mean, transform.std))
    for before, after, chosen in zip(x.double().numpy(), got, factors(step, len(x), 3, channels), strict=True):
        np.testing.assert_allclose(after, (jittered(before * std + mean, *chosen) - mean) / std, atol=2e-5)


def test_saturation_leaves_gray_pictures_alone() -> None:
    raw = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 1), dtype=np.uint8).repeat(3, 3)
    transform = fit(None, [raw], (3, 6, 6))
    x = transform(torch.from_numpy(raw))
    step = spec("color_jitter", brightness=0, contrast=0, saturation=1)
    torch.testing.assert_close(changed(step, x, transform), x, atol=1e-5, rtol=0)
    alone, one = prepared((1, 6, 6))
    assert torch.equal(changed(step, alone, one), alone)


def test_lighting_moves_colours_along_their_principal_axes() -> None:
    x, transform = prepared((3, 6, 5), 20_000)
    moved = (changed(spec("lighting", std=0.1), x, transform) - x).double()
    assert (moved - moved.mean((2, 3), keepdim=True)).abs().max() < 1e-5
    shift = moved.mean((2, 3)).numpy() * transform.std / 255  # of values up to 1
    values, vectors = transform.eigen()
    along = shift @ vectors
    np.testing.assert_allclose(along.std(0), 0.1 * values, rtol=0.02)
    assert np.abs(np.corrcoef(along.T) - np.eye(3)).max() < 0.03


def test_lighting_leaves_gray_pictures_alone() -> None:
    x, transform = prepared((1, 6, 5))
    assert changed(spec("lighting"), x, transform) is x


def test_lighting_needs_colours_that_were_measured() -> None:
    _, transform = prepared()
    with pytest.raises(ValueError, match="lighting: no covariance is kept of 3 channels"):
        augmenter([spec("lighting")], Transform.from_constants(transform.constants()))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_noise_has_its_deviation(shape: tuple[int, ...]) -> None:
    x, transform = prepared(shape, 2_000)
    added = changed(spec("noise", std=0.3), x, transform) - x
    assert added.std().item() == pytest.approx(0.3, rel=0.02)
    assert added.mean().item() == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_mixup_mixes_inputs_and_targets_alike(shape: tuple[int, ...]) -> None:
    x, transform = prepared(shape)
    y = torch.arange(len(x)) % CLASSES
    mixed, targets = augmenter([spec("mixup", alpha=0.5)], transform, CLASSES)(x, y, generator())
    source = generator()
    a, b = torch._standard_gamma(torch.full((2, len(x)), 0.5, dtype=torch.float64), generator=source)
    share, partner = (a / (a + b)).numpy(), torch.randperm(len(x), generator=source).numpy()
    one_hot, images = np.eye(CLASSES)[y], x.double().numpy()
    spread = share.reshape(-1, *[1] * len(shape))
    np.testing.assert_allclose(mixed, spread * images + (1 - spread) * images[partner], atol=1e-5)
    np.testing.assert_allclose(targets, share[:, None] * one_hot + (1 - share[:, None]) * one_hot[partner], atol=1e-6)
    assert torch.equal(targets.sum(1), torch.ones(len(x)))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_have_the_beta_distribution(alpha: float) -> None:
    x = torch.eye(2).repeat(2_000, 1)[:, :, None]  # two channels: the mixture shows its shares
    mixed, _ = augmenter([spec("mixup", alpha=alpha)], prepared()[1], CLASSES)(
        x, torch.zeros(len(x), dtype=torch.int64), generator()
    )
    shares = mixed[::2, 0, 0].numpy()
    shares = shares[(shares > 0) & (shares < 1)]  # a partner of the same kind leaves 1
    assert stats.kstest(shares, "beta", (alpha, alpha)).pvalue > 0.01


def test_mixup_of_numbers() -> None:
    x, transform = prepared((2, 12))
    y = x.flatten(1)[:, :3].contiguous()
    mixed, targets = augmenter([spec("mixup")], transform)(x, y, generator())
    assert torch.equal(targets, mixed.flatten(1)[:, :3])


def test_cutmix_weighs_classes_by_the_pixels_that_are_seen() -> None:
    n, size = 300, (9, 7)
    x = torch.arange(1.0, n + 1).view(n, 1, 1, 1).expand(n, 3, *size).contiguous(memory_format=torch.channels_last)
    y = torch.arange(n) % CLASSES
    mixed, targets = augmenter([spec("cutmix")], prepared()[1], CLASSES)(x, y, generator())
    pasted = (mixed != x)[:, 0].numpy()
    for number, (image, box) in enumerate(zip(mixed[:, 0].numpy(), pasted, strict=True)):
        rows, columns = box.any(1), box.any(0)
        assert np.array_equal(box, np.outer(rows, columns))
        assert rows.sum() == 0 or np.ptp(np.flatnonzero(rows)) + 1 == rows.sum()
        others = set(image[box].tolist())
        assert len(others) <= 1
        expected = np.zeros(CLASSES)
        expected[y[number]] += 1 - box.mean()
        expected[int(others.pop() - 1) % CLASSES if others else 0] += box.mean()
        np.testing.assert_allclose(targets[number].numpy(), expected, atol=1e-6)
    assert (mixed[:, :1] == mixed).all()
    assert 0.1 < pasted.mean() < 0.5


def test_cutmix_with_its_probability() -> None:
    x, transform = prepared(n=2_000)
    y = torch.arange(len(x)) % CLASSES
    never, targets = augmenter([spec("cutmix", probability=0)], transform, CLASSES)(x, y, generator())
    assert torch.equal(never, x)
    assert torch.equal(targets, torch.nn.functional.one_hot(y, CLASSES).float())
    step = [spec("cutmix", alpha=50, probability=0.25)]  # l near 1/2: a box is never empty
    share = (augmenter(step, transform, CLASSES)(x, y, generator())[0] != x).flatten(1).any(1).double().mean()
    assert share.item() == pytest.approx(0.25, abs=0.03)


def test_mixtures_of_mixtures_still_sum_to_one() -> None:
    x, transform = prepared()
    steps = [spec("mixup"), spec("cutmix"), spec("mixup")]
    _, targets = augmenter(steps, transform, CLASSES)(x, torch.arange(len(x)) % CLASSES, generator())
    torch.testing.assert_close(targets.sum(1), torch.ones(len(x)), atol=1e-6, rtol=0)
    assert targets.min() >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_decides_all_and_the_input_stays(kind: str) -> None:
    x, transform = prepared((3, 9, 8))
    before, y = x.clone(), torch.arange(len(x)) % CLASSES
    run: Callable[..., tuple[Tensor, Tensor]] = augmenter([spec(kind)], transform, CLASSES)
    first, again, other = (run(x, y, generator(seed)) for seed in (1, 1, 2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert torch.equal(x, before)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    run(x, y, generator())
    assert torch.equal(torch.rand(1), expected), "the global generator was used"


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_type_and_layout_stay(shape: tuple[int, ...]) -> None:
    x, transform = prepared(shape)
    kinds = KINDS if len(shape) == 3 else ["flip", "crop", "mixup", "noise"]
    steps = [spec("crop", padding=1) if kind == "crop" else spec(kind) for kind in kinds]
    for step in steps:
        for kind in (torch.float32, torch.float64):
            out = changed(step, x.to(kind), transform)
            assert out.dtype == kind
            assert out.is_contiguous(memory_format=layout(x)), step.kind


def test_strengths_of_nothing_change_nothing() -> None:
    x, transform = prepared()
    off = [spec("flip", probability=0), spec("color_jitter", brightness=0, contrast=0, saturation=0)]
    out, targets = augmenter(off, transform)(x, torch.arange(len(x)), generator())
    assert torch.equal(out, x)
    assert torch.equal(targets, torch.arange(len(x)))


def test_steps_come_in_the_order_written() -> None:
    x, transform = prepared()
    y = torch.arange(len(x))
    both = augmenter([spec("crop", padding=1), spec("flip")], transform)(x, y, generator())[0]
    source = generator()
    first, _ = augmenter([spec("crop", padding=1)], transform)(x, y, source)
    assert torch.equal(both, augmenter([spec("flip")], transform)(first, y, source)[0])


@pytest.mark.parametrize(("shape", "count"), [((3, 9, 7), 10), ((2, 12), 6), ((1, 5, 4, 6), 14)], ids=str)
def test_views_are_the_image_its_shifts_and_their_mirror_images(shape: tuple[int, ...], count: int) -> None:
    x, _ = prepared(shape, 3)
    seen = [view(x) for view in views(TestAugmentation(flip=True, shift=2), len(shape) - 1)]
    assert len(seen) == count
    assert torch.equal(seen[0], x)
    for plain in seen:
        assert plain.shape == x.shape
        assert plain.is_contiguous(memory_format=layout(x))
    assert torch.equal(seen[count // 2], x.flip(-1))
    assert all(not torch.equal(one, other) for number, one in enumerate(seen) for other in seen[:number])
    assert torch.equal(seen[1][:, :, :-2], x[:, :, 2:])
    assert (seen[1][:, :, -2:] == 0).all()


def test_without_views_the_image_alone_is_seen() -> None:
    x, _ = prepared()
    (only,) = views(TestAugmentation())
    assert only(x) is x
    assert torch.equal(shifted(x, 3, 2)[..., 2:], x[..., :-2])


REFUSED = [
    ("cutout", {}, (1, 64), Input(), "augment.0: cutout works on images, but the examples are of 64; leave it out"),
    ("lighting", {}, (1, 8, 8, 8), Input(), "lighting works on images, but the examples are of 8x8x8"),
    ("flip", {}, (1, 8, 8), Input(permute=True), "flip needs neighbouring pixels, but input: permute scatters them"),
    ("crop", {}, (1, 8, 8), Input(kind="pca"), "crop needs neighbouring pixels, but input: pca mixes them"),
    ("color_jitter", {}, (3, 8, 8), Input(kind="zca"), "color_jitter changes raw colours, but input: zca mixes them"),
    ("lighting", {}, (99, 8, 8), Input(), "lighting is for up to 64 channels, but there are 99"),
    ("crop", {"padding": 8}, (3, 8, 9), Input(), "crop with padding: 8 can miss all of a map of 8x9; write at most 7"),
    ("cutout", {"size": 9}, (3, 8, 9), Input(), "cutout with size: 9 is larger than a map of 8x9; write at most 8"),
]


@pytest.mark.parametrize(("kind", "values", "shape", "given", "sentence"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_cannot_be_done_is_refused(
    kind: str, values: dict[str, int], shape: tuple[int, ...], given: Input, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        check([spec(kind, **values)], shape, given)


def test_cutmix_needs_classes_and_views_need_pixels() -> None:
    with pytest.raises(ValueError, match=r"augment\.1: cutmix mixes classes by area, but the task is regression; wr"):
        check([spec("mixup"), spec("cutmix")], (3, 8, 8), None, "regression")
    with pytest.raises(ValueError, match="views need neighbouring pixels, but input: permute scatters them"):
        check([], (3, 8, 8), Input(permute=True), views=TestAugmentation(flip=True))
    with pytest.raises(ValueError, match=r"input: zca whitens at most 4,096 values an example, but \[3, 64, 64\] has"):
        check([], (3, 64, 64), Input(kind="zca"))
    with pytest.raises(ValueError, match="shift: 8 leaves nothing of a map of 8x9; lower it"):
        check([], (3, 8, 9), views=TestAugmentation(shift=8))


@pytest.mark.parametrize("kind", KINDS)
def test_what_can_be_done_passes(kind: str) -> None:
    check([spec(kind)], (3, 8, 8), views=TestAugmentation(flip=True, shift=1))
    check([spec("flip"), spec("crop", padding=2)], (3, 8, 8), Input(kind="zca"))
