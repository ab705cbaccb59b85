from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from underdrawing.core.errors import BadImage
from underdrawing.core.images.convert import to_images, to_masks
from underdrawing.core.images.geometry import Size
from underdrawing.core.images.pixels import compute_luminance, lay_over_white, to_8bit

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (5, 7, 3)).astype(np.uint8)
GREY = RGB[..., 0]


def three(grey: NDArray[Any]) -> NDArray[Any]:
    return np.repeat(grey[..., None], 3, axis=-1)


def check(x: Any, expected: NDArray[Any]) -> None:
    got = to_images(x)
    assert got.dtype == np.uint8
    assert got.flags.c_contiguous
    assert np.array_equal(got, expected)


def test_arrays() -> None:
    check(RGB, RGB[None])
    check(GREY, three(GREY)[None])
    check(GREY[..., None], three(GREY)[None])
    check(np.stack([RGB, RGB[::-1]]), np.stack([RGB, RGB[::-1]]))
    check(np.stack([GREY, GREY])[..., None], np.stack([three(GREY)] * 2))
    check(RGB[::-1, ::2], RGB[::-1, ::2][None])
    check(np.asfortranarray(RGB), RGB[None])


def test_a_ready_batch_is_not_copied() -> None:
    batch = np.ascontiguousarray(RGB[None])
    assert to_images(batch) is batch


def test_number_formats() -> None:
    check(GREY > 100, three(np.where(GREY > 100, 255, 0))[None])
    check(RGB.astype(np.uint16) * 257, RGB[None])
    for kind in (np.float16, np.float32, np.float64):
        check((RGB / 255).astype(kind), RGB[None])
    check(np.array([[[0.5, 0.999, 0.0]]], np.float32), np.array([[[[128, 255, 0]]]], np.uint8))
    check(np.array([[[-0.2, 1.3, 0.25]]]), np.array([[[[0, 255, 64]]]], np.uint8))


def test_alpha_is_laid_over_white() -> None:
    alpha = RNG.integers(0, 256, GREY.shape).astype(np.uint8)
    exact = (RGB * (alpha[..., None] / 255)) + 255 * (1 - alpha[..., None] / 255)
    got = to_images(np.dstack([RGB, alpha]))[0]
    assert np.abs(got - exact).max() <= 0.5
    check(np.dstack([RGB, np.zeros_like(alpha)]), np.full((1, 5, 7, 3), 255))


def test_every_blend_of_colour_and_alpha_is_rounded_to_nearest() -> None:
    colour, alpha = (a.astype(np.uint8) for a in np.mgrid[0:256, 0:256])
    got = lay_over_white(three(colour), alpha)[..., 0].astype(int)
    numerator = colour.astype(int) * alpha + 255 * (255 - alpha.astype(int))
    assert np.abs(2 * (got * 255 - numerator)).max() <= 255


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 65535))
def test_sixteen_bits_round(value: int) -> None:
    assert int(to_8bit(np.array([value], np.uint16))[0]) == round(value / 257)


def test_luminance_is_pillows() -> None:
    assert np.array_equal(compute_luminance(RGB), np.asarray(Image.fromarray(RGB).convert("L")))


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "uint8"])
def test_tensors(kind: str) -> None:
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(np.ascontiguousarray(RGB)[None])
    if kind != "uint8":
        batch = (batch.float() / 255).to(getattr(torch, kind)).requires_grad_()
    got = to_images(batch)
    assert got.dtype == np.uint8
    assert np.abs(got[0].astype(int) - RGB).max() <= (1 if kind == "bfloat16" else 0)


def test_pillow_paths_and_lists(tmp_path: Path) -> None:
    picture = Image.fromarray(RGB)
    path = tmp_path / "a picture.png"
    picture.save(path)
    for one in (picture, path, str(path)):
        check(one, RGB[None])
    check([RGB, picture, path, GREY], np.stack([RGB, RGB, RGB, three(GREY)]))
    check((np.stack([RGB, RGB]), RGB), np.stack([RGB] * 3))


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I", "I;16", "F"]
)
def test_pillow_modes(mode: str) -> None:
    white = Image.new("RGB", (7, 5), "white")
    if mode in ("I", "I;16"):
        picture = Image.fromarray(np.full((5, 7), 65535, np.uint16 if mode == "I;16" else np.int32))
    elif mode == "F":
        picture = Image.fromarray(np.ones((5, 7), np.float32))
    else:
        picture = white.convert("P").convert("PA") if mode == "PA" else white.convert(mode)
    assert picture.mode == mode
    check(picture, np.full((1, 5, 7, 3), 255))


def test_pillow_pictures_are_brought_upright_and_left_alone() -> None:
    picture = Image.fromarray(RGB)
    picture.getexif()[0x0112] = 3
    check(picture, RGB[None, ::-1, ::-1])
    assert picture.getexif()[0x0112] == 3
    assert np.array_equal(np.asarray(picture), RGB)


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (np.zeros((2, 9, 9)), "channels first"),
        (np.zeros((3, 9, 9), np.uint8), "channels first"),
        (np.zeros((2, 3, 9, 9), np.uint8), "channels first"),
        (np.zeros((9, 9, 2), np.uint8), "could be"),
        (np.zeros((2, 2, 2, 9, 3), np.uint8), "not a picture"),
        (np.zeros(9, np.uint8), "not a picture"),
        (np.zeros((0, 9, 3), np.uint8), "empty"),
        (np.zeros((0, 9, 9, 3), np.uint8), "empty"),
        ([], "empty"),
        (np.full((9, 9, 3), np.nan), "NaN"),
        (np.full((9, 9, 3), np.inf), "infinite"),
        (np.full((9, 9, 3), 200.0), "200"),
        (np.full((9, 9, 3), -1.0), "-1"),
        (np.zeros((9, 9, 3), np.int64), "int64"),
        (np.zeros((9, 9, 3), np.complex64), "complex64"),
        (None, "NoneType"),
        (7, "int"),
        (b"\x89PNG", "bytes"),
        ([[0, 0], [0, 0]], "int"),
        ([RGB, RGB[:3]], "7 x 3, 7 x 5"),
        ("no such file.png", "no such file"),
    ],
)
def test_refused(x: Any, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        to_images(x)


# --- masks

SIZE = Size(4, 6)
MASK = RNG.random(SIZE) > 0.5


def same(x: Any, expected: NDArray[Any], count: int = 1) -> None:
    got = to_masks(x, count, SIZE)
    assert got.dtype == np.bool_
    assert got.shape == (count, *SIZE)
    assert np.array_equal(got, np.broadcast_to(expected, got.shape))


def test_masks_of_every_kind(tmp_path: Path) -> None:
    eight = MASK.astype(np.uint8) * 255
    path = tmp_path / "mask.png"
    Image.fromarray(eight).save(path)
    for one in (
        MASK,
        eight,
        MASK.astype(np.float32),
        eight.astype(np.uint16) * 257,
        Image.fromarray(eight),
        path,
        str(path),
    ):
        same(one, MASK)
        same(one, MASK, count=3)
        same([one], MASK)
    for one in (
        MASK[None],
        MASK[..., None],
        MASK[None, None],
        three(eight),
        three(eight)[None],
        MASK[None, :, :, None],
    ):
        same(one, MASK)


def test_mask_thresholds() -> None:
    row = np.tile(np.arange(125, 131), (4, 1))
    same(row.astype(np.uint8), row > 127)
    same(row.astype(np.uint8) / 255, row > 127)
    same(np.tile(np.array([0, 0.49999, 0.5, 0.6, 1, 1]), (4, 1)), np.array([0, 0, 1, 1, 1, 1], bool))


def test_alpha_of_a_mask_counts_unless_opaque(tmp_path: Path) -> None:
    colour = np.zeros((*SIZE, 3), np.uint8)
    drawn = np.dstack([colour, MASK.astype(np.uint8) * 255])
    same(drawn, MASK)
    Image.fromarray(drawn).save(tmp_path / "drawn.png")
    same(tmp_path / "drawn.png", MASK)
    opaque = np.dstack([three(MASK.astype(np.uint8) * 255), np.full(SIZE, 255, np.uint8)])
    same(opaque, MASK)
    same(Image.fromarray(opaque), MASK)


def test_masks_are_stretched_with_half_coverage() -> None:
    large = np.kron(MASK, np.ones((10, 10))) > 0
    same(large, MASK)
    same([large, MASK, large[None]], MASK, count=3)
    half = np.zeros((8, 12), np.bool_)
    half[:, ::2] = True
    same(half, np.ones(SIZE, np.bool_))


@pytest.mark.parametrize("x", [np.zeros((2, 4, 6), np.bool_), [MASK, MASK], []])
def test_number_of_masks_must_fit(x: Any) -> None:
    with pytest.raises(BadImage, match="masks for 3 pictures"):
        to_masks(x, 3, SIZE)


@pytest.mark.parametrize("value", [np.nan, 255.0])
def test_float_masks_off_scale(value: float) -> None:
    with pytest.raises(BadImage):
        to_masks(np.full(SIZE, value), 1, SIZE)
