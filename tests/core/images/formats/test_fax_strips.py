from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.support.poison import encoded, ramp

from underdrawing.core.errors import BadImage
from underdrawing.core.images.reading import read_pictures

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS: list[dict[str, Any]] = [
    {"compression": "group4"},
    {"compression": "group4", "tiffinfo": {278: 16}},
    {"compression": "group3"},
    {"compression": "tiff_ccitt"},
]


def dots(height: int = 60, width: int = 90) -> Image.Image:
    return Image.fromarray(ramp(height, width)[..., 0] > 120).convert("1")


def change(data: bytes, tag: int, value: int) -> bytes:
    """Set the last number of a tag."""
    start = struct.unpack("<I", data[4:8])[0]
    changed = bytearray(data)
    for at in range(start + 2, len(data), 12):
        number, kind, count, place = struct.unpack("<HHII", data[at : at + 12])
        if number == tag:
            size = {3: 2, 4: 4}[kind]
            place = (at + 8 if count * size <= 4 else place) + size * (count - 1)
            changed[place : place + size] = value.to_bytes(size, "little")
            return bytes(changed)
    raise AssertionError(tag)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("flat", [False, True])
def test_whole_files_are_read(tmp_path: Path, options: dict[str, Any], flat: bool) -> None:
    picture = Image.new("1", (90, 60), 1) if flat else dots()
    (tmp_path / "x.tif").write_bytes(encoded(picture, "TIFF", **options))
    assert np.array_equal(read_pictures(tmp_path / "x.tif")[0].pixels[..., 0], np.asarray(picture) * np.uint8(255))


@pytest.mark.parametrize("options", [OPTIONS[0], *OPTIONS[2:]])
@pytest.mark.parametrize("flat", [False, True])
def test_files_with_too_few_rows_are_refused(tmp_path: Path, options: dict[str, Any], flat: bool) -> None:
    data = encoded(Image.new("1", (90, 60), 1) if flat else dots(), "TIFF", **options)
    (tmp_path / "x.tif").write_bytes(change(change(data, 257, 90), 278, 90))
    with pytest.raises(BadImage, match="its data end before the picture does"):
        read_pictures(tmp_path / "x.tif")


@pytest.mark.parametrize("options", OPTIONS)
def test_strips_that_end_early_are_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / "x.tif").write_bytes(change(encoded(dots(), "TIFF", **options), 279, 3))
    with pytest.raises(BadImage, match="damaged"):
        read_pictures(tmp_path / "x.tif")


def test_a_length_of_0_means_what_is_left(tmp_path: Path) -> None:
    (tmp_path / "x.tif").write_bytes(change(encoded(dots(), "TIFF", compression="group4"), 279, 0))
    assert np.array_equal(read_pictures(tmp_path / "x.tif")[0].pixels[..., 0], np.asarray(dots()) * np.uint8(255))
