"""Arithmetic of pixel values: dtypes to 8 bit, alpha over white, orientation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..errors import BadImage

if TYPE_CHECKING:
    from numpy.typing import NDArray

A = TypeVar("A", bound="NDArray[Any]")

OVERSHOOT = 0.5
"""How far floats may leave 0..1 (resampling does that) and be clipped; further out they are on another scale."""


_BLOCK = 1 << 20
_FROM_16 = ((np.arange(65536, dtype=np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def to_8bit(array: NDArray[Any], *, where: str = "") -> NDArray[np.uint8]:
    """Bring any picture's numbers to uint8 0..255, rounding to nearest.

    uint8 as it is; bool to 0 and 255; uint16 0..65535 and float 0..1 scaled. Raises BadImage for NaN, infinities,
    floats on another scale, and other dtypes.
    """
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return _FROM_16[array]
    if array.dtype.kind == "f":
        check_unit_range(array, where=where)
        scaled = np.clip(array, 0, 1).astype(np.float32) * np.float32(255)
        return np.rint(scaled).astype(np.uint8)
    raise BadImage(
        f"pixels of type {array.dtype} have no agreed range",
        where=where,
        fix="convert to uint8, uint16 or float in 0..1",
    )


def check_unit_range(array: NDArray[Any], *, where: str = "") -> None:
    """Raise BadImage unless a float array is finite and in 0..1 (give or take OVERSHOOT)."""
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        raise BadImage("the picture holds NaN or infinite values", where=where, fix="repair it where it was made")
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise BadImage(
            f"float values run from {low:g} to {high:g}, expected 0 to 1",
            where=where,
            fix="bring them to 0..1, or to uint8 0..255",
        )


def stretch_range(array: NDArray[Any]) -> NDArray[np.float64]:
    """Map minimum..maximum of finite numbers to 0..1; a flat array becomes 0."""
    low, high = float(array.min()), float(array.max())
    span = high - low
    return (array.astype(np.float64) - low) / span if span > 0 else np.zeros(array.shape)


def lay_over_white(pixels: NDArray[np.uint8], alpha: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Lay [..., 3] with alpha [...] over white, rounding to nearest."""
    if alpha is None:
        return pixels
    cover = alpha[..., None].astype(np.uint16)
    return ((pixels * cover + (255 - cover) * np.uint16(255) + np.uint16(127)) // np.uint16(255)).astype(np.uint8)


def compute_luminance(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Grey [...] of RGB [..., 3 or more] by ITU-R BT.601, as Pillow's mode L."""
    grey = np.empty(pixels.shape[:-1], np.uint8)
    flat, target = pixels.reshape(-1, pixels.shape[-1]), grey.reshape(-1)
    for start in range(0, len(flat), _BLOCK):  # in blocks, since the sums are four times as large
        red, green, blue = flat[start : start + _BLOCK, :3].astype(np.uint32).T
        target[start : start + _BLOCK] = (red * 19595 + green * 38470 + blue * 7471 + 32768) >> 16
    return grey


def apply_orientation(array: A, orientation: int) -> A:
    """Turn [H, W, ...] upright by its EXIF orientation 1-8; other numbers leave it as it is."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)  # type: ignore[assignment]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]  # type: ignore[assignment]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]  # type: ignore[assignment]
    return array
