from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image, features
from tests.support.poison import encoded, ramp

from underdrawing.core.errors import BadImage
from underdrawing.core.images.formats.avif_items import check_avif, read_coded_size
from underdrawing.core.images.geometry import Size
from underdrawing.core.images.reading import read_pictures

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif("avif" not in features.get_supported(), reason="this Pillow has no AVIF")
HEIGHT, WIDTH = 48, 64
OPTIONS: list[dict[str, Any]] = [
    {},
    {"subsampling": "4:0:0"},
    {"quality": 100, "subsampling": "4:4:4"},
    {"save_all": True, "append_images": [Image.new("RGB", (WIDTH, HEIGHT))]},
]


def make(**options: Any) -> bytes:
    return encoded(ramp(HEIGHT, WIDTH), "AVIF", speed=10, **options)


def refuse(folder: Path, data: bytes) -> str:
    (folder / "x").write_bytes(data)
    with pytest.raises(BadImage) as caught:
        read_pictures(folder / "x")
    return str(caught.value)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize(("width", "height"), [(WIDTH, 2 * HEIGHT), (WIDTH + 1, HEIGHT), (9000, 9000)])
def test_a_header_that_promises_more_is_refused(
    tmp_path: Path, options: dict[str, Any], width: int, height: int
) -> None:
    data = make(**options)
    at = data.index(b"ispe") + 8
    said = data[:at] + struct.pack(">II", width, height) + data[at + 8 :]
    assert f"says {width} x {height} pixels and holds {WIDTH} x {HEIGHT}" in refuse(tmp_path, said)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_file_that_ends_early_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    data = make(**options)
    (tmp_path / "whole").write_bytes(data)
    assert read_pictures(tmp_path / "whole")[0].pixels.shape == (HEIGHT, WIDTH, 3)
    if "save_all" in options:  # the second picture stands last
        data = data[: len(data) * 3 // 4]
    for cut in (1, 10, 100, len(data) // 2):
        refuse(tmp_path, data[:-cut])


def test_data_that_end_in_zeros_are_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    data = encoded(noise, "AVIF", speed=10, quality=90)
    assert "its data end in zeros" in refuse(tmp_path, data[:-500] + bytes(500))


@pytest.mark.parametrize("alpha", [False, True])
def test_whole_files_pass(alpha: bool) -> None:
    pixels = np.dstack([ramp(HEIGHT, WIDTH), ramp(HEIGHT, WIDTH)[..., 1]]) if alpha else ramp(HEIGHT, WIDTH)
    check_avif(io.BytesIO(encoded(pixels, "AVIF", speed=10)), where="")


def test_sizes_of_coded_data() -> None:
    assert read_coded_size(make()[make().index(b"mdat") + 4 :]) == Size(HEIGHT, WIDTH)
    assert read_coded_size(b"") is None
    assert read_coded_size(bytes(40)) is None
    assert read_coded_size(b"\x0a\x0b\xff") is None


def test_every_cut_and_every_changed_byte_is_read_or_refused(tmp_path: Path) -> None:
    data = make()
    for at in range(0, len(data) - 100, 7):
        for changed in (data[:at], data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :]):
            try:
                check_avif(io.BytesIO(changed), where="")
            except BadImage:
                continue
