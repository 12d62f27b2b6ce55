"""Raw values to inputs: moments against numpy, whitening against its definition, and what a bundle keeps of them."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from worker.inputs import Transform, fit, permutation
from worker.recipe.augmentation import Input

SHAPES = [(3, 6, 5), (1, 8, 8), (2, 40), (2, 4, 3, 5)]


def images(shape: tuple[int, ...], n: int = 60, kind: type = np.uint8) -> np.ndarray:
    channels, *size = shape
    raw = np.random.default_rng(0).normal(90, 30, (n, *size, channels)).clip(0, 255)
    return raw.astype(kind)


def parts(raw: np.ndarray, *sizes: int) -> Iterator[np.ndarray]:
    yield from np.split(raw, np.cumsum(sizes))


@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64, np.int16])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_moments_are_numpys_whatever_the_batches(shape: tuple[int, ...], kind: type) -> None:
    raw = images(shape, kind=kind)
    axes = tuple(range(raw.ndim - 1))
    for batches in (parts(raw), parts(raw, 1, 7, 30)):
        transform = fit(None, batches, shape)
        np.testing.assert_allclose(transform.mean, raw.mean(axes, np.float64), rtol=1e-12)
        np.testing.assert_allclose(transform.std, raw.std(axes, np.float64), rtol=1e-12)


def test_moments_keep_their_digits_far_from_zero() -> None:
    raw = np.random.default_rng(1).normal(0, 1, (4_000, 5, 1)) + 1e7
    transform = fit(None, np.split(raw, 40), (1, 5))
    assert transform.std[0] == pytest.approx(raw.std(), rel=1e-10)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["standardized", "raw"])
def test_a_call_is_the_formula_bit_for_bit(shape: tuple[int, ...], kind: str) -> None:
    raw = images(shape)
    transform = fit(Input(kind=kind), [raw], shape)
    mean, std = np.float32(transform.mean), np.float32(transform.std)
    expected = np.moveaxis((raw.astype(np.float32) - mean) / std, -1, 1)
    x = transform(torch.from_numpy(raw))
    assert x.dtype == torch.float32
    assert np.array_equal(x.numpy(), expected)
    assert x.is_contiguous(memory_format=torch.channels_last) if len(shape) == 3 else x.is_contiguous()


def test_the_whole_and_its_batches_give_the_same_numbers() -> None:
    raw = torch.from_numpy(images((3, 6, 5)))
    transform = fit(None, [raw.numpy()], (3, 6, 5))
    assert torch.equal(transform(raw), torch.cat([transform(batch) for batch in raw.split(7)]))


def test_raw_values_are_not_written_to() -> None:
    raw = torch.rand(4, 3, 3, 2, generator=torch.Generator().manual_seed(0))
    before = raw.clone()
    fit(None, [raw.numpy()], (2, 3, 3))(raw)
    assert torch.equal(raw, before)


@pytest.mark.parametrize(("kind", "expected"), [(np.uint8, 1.0), (np.float32, 255.0)])
def test_raw_divides_only_bytes(kind: type, expected: float) -> None:
    raw = np.full((5, 2, 2, 1), 255, kind)
    assert fit(Input(kind="raw"), [raw], (1, 2, 2))(torch.from_numpy(raw)).max().item() == expected


@pytest.mark.parametrize("value", [7.0, 0.1])
def test_a_constant_channel_becomes_zero(value: float) -> None:
    raw = images((2, 4, 4), kind=np.float64)
    raw[..., 1] = value
    transform = fit(None, parts(raw, 11, 13), (2, 4, 4))
    assert transform.std[1] == 1.0
    assert transform(torch.from_numpy(raw))[:, 1].abs().max() < 1e-6


def correlated(n: int = 2_000) -> np.ndarray:
    random = np.random.default_rng(3)
    return (random.normal(size=(n, 18)) @ random.normal(size=(18, 18))).reshape(n, 3, 3, 2)


@pytest.mark.parametrize("kind", ["pca", "zca"])
def test_whitened_values_have_unit_covariance(kind: str) -> None:
    raw = correlated()
    transform = fit(Input(kind=kind, eps=1e-9), parts(raw, 100, 900), (2, 3, 3))
    x = transform(torch.from_numpy(raw)).movedim(1, -1).flatten(1).double().numpy()
    np.testing.assert_allclose(np.cov(x.T, bias=True), np.eye(18), atol=1e-4)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-4)


def test_zca_is_pca_turned_back() -> None:
    raw = correlated()
    pca, zca = (fit(Input(kind=kind), [raw], (2, 3, 3)).matrix for kind in ("pca", "zca"))
    assert pca is not None
    assert zca is not None
    vectors = pca / np.linalg.norm(pca, axis=0)
    np.testing.assert_allclose(zca, pca @ vectors.T, atol=1e-5)
    np.testing.assert_allclose(zca, zca.T, atol=1e-6)
    gains = np.linalg.norm(pca, axis=0)
    assert (np.diff(gains) >= 0).all(), "the first component varies most, so it is divided by most"


def test_eps_damps_what_does_not_vary() -> None:
    raw = correlated()
    raw[..., 1] = raw[..., 0]
    matrix = fit(Input(kind="pca", eps=0.25), [raw], (2, 3, 3)).matrix
    assert matrix is not None
    assert np.linalg.norm(matrix, axis=0)[-9:] == pytest.approx(2.0, rel=1e-5)


def test_whitening_counts_bytes_over_255() -> None:
    raw = images((2, 3, 3), 500)
    bytes_, floats = (fit(Input(kind="zca"), [one], (2, 3, 3)) for one in (raw, raw / 255))
    x, same = bytes_(torch.from_numpy(raw)), floats(torch.from_numpy(raw / 255))
    torch.testing.assert_close(x, same, atol=1e-4, rtol=1e-4)


def test_whitening_refuses_large_examples_before_it_reads_one() -> None:
    def never() -> Iterator[np.ndarray]:
        raise AssertionError("read")
        yield

    with pytest.raises(ValueError, match=r"pca whitens at most 4,096 values an example, but \[3, 64, 64\] has 12,288"):
        fit(Input(kind="pca"), never(), (3, 64, 64))


def test_whitening_reads_no_more_than_it_needs() -> None:
    read = []

    def batches() -> Iterator[np.ndarray]:
        for number in range(60):
            read.append(number)
            yield np.random.default_rng(number).normal(size=(1_000, 2, 1))

    fit(Input(kind="zca"), batches(), (1, 2))
    assert len(read) == 50


@pytest.mark.parametrize("kind", ["standardized", "pca"])
def test_nothing_cannot_be_fitted(kind: str) -> None:
    with pytest.raises(ValueError, match="the training part is empty; give it at least one example"):
        fit(Input(kind=kind), [], (1, 2))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["standardized", "zca"])
def test_permutation_moves_whole_positions(shape: tuple[int, ...], kind: str) -> None:
    raw = images(shape)
    plain, moved = (
        fit(Input(kind=kind, permute=permute), [raw], shape)(torch.from_numpy(raw)).flatten(2)
        for permute in (False, True)
    )
    order = permutation(int(np.prod(shape[1:])))
    assert torch.equal(moved, plain[:, :, list(order)])
    assert sorted(order) == list(range(len(order)))


def test_the_permutation_is_the_same_everywhere() -> None:
    """SplitMix64 from 0 begins with e220..., 6e78..., 06c4...: the third is the least."""
    assert permutation(12) == (2, 4, 6, 8, 5, 10, 1, 11, 7, 0, 9, 3)


@pytest.mark.parametrize(
    "spec", [Input(), Input(kind="raw"), Input(kind="pca"), Input(kind="zca", permute=True)], ids=lambda one: one.kind
)
def test_constants_hold_all_that_inference_needs(spec: Input) -> None:
    raw = images((3, 4, 4))
    transform = fit(spec, [raw], (3, 4, 4))
    again = Transform.from_constants(transform.constants())
    assert torch.equal(again(torch.from_numpy(raw)), transform(torch.from_numpy(raw)))
    assert (again.mean, again.std, again.order) == (transform.mean, transform.std, transform.order)
    with pytest.raises(ValueError, match="no covariance is kept of 3 channels"):
        again.eigen()


def test_constants_of_an_unknown_kind() -> None:
    with pytest.raises(ValueError, match="there is no kind 'sobel'; it is one of standardized, raw, pca, zca"):
        Transform.from_constants({"kind": "sobel", "mean": np.zeros(1), "std": np.ones(1)})


def test_eigenpairs_of_the_colours() -> None:
    raw = images((3, 6, 5), kind=np.float64) @ np.random.default_rng(2).normal(size=(3, 3))
    values, vectors = fit(None, parts(raw, 10, 25), (3, 6, 5)).eigen()
    covariance = np.cov(raw.reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(vectors @ np.diag(values) @ vectors.T, covariance, rtol=1e-9)
    assert values[0] > values[1] > values[2] > 0
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-12)


def test_eigenvalues_of_bytes_are_those_of_values_up_to_one() -> None:
    raw = images((3, 6, 5))
    bytes_, floats = fit(None, [raw], (3, 6, 5)), fit(Input(kind="raw"), [raw / 255], (3, 6, 5))
    np.testing.assert_allclose(bytes_.eigen()[0], floats.eigen()[0], rtol=1e-9)
    assert (bytes_.unit, floats.unit) == (255.0, 1.0)
