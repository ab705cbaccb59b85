"""Pictures whose data end before the picture does are refused; whole ones are the decoder's."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from tests.support.poison import chunk, encoded, raw_png

from underdrawing.core.errors import BadImage
from underdrawing.core.images.formats.png_rows import count_png_bytes
from underdrawing.core.images.geometry import Size
from underdrawing.core.images.headers import PngHeader
from underdrawing.core.images.reading import read_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH, HEIGHT = 160, 120
KINDS = [
    (bits, colour)
    for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items()
    for bits in depths
]
JPEGS: list[dict[str, Any]] = [
    {},
    {"quality": 98, "subsampling": 0},
    {"progressive": True},
    {"progressive": True, "subsampling": 0},
    {"optimize": True, "quality": 20},
    {"restart_marker_rows": 1},
    {"restart_marker_blocks": 3},
    {"progressive": True, "restart_marker_rows": 1},
]


def picture() -> NDArray[np.uint8]:
    """A ramp with a field of noise."""
    ramp = np.stack(np.broadcast_arrays(np.arange(WIDTH)[None, :], np.arange(HEIGHT)[:, None], 77), -1)
    ramp[40:80, 40:100] = np.random.default_rng(0).integers(0, 255, (40, 60, 3))
    return ramp.astype(np.uint8)


def refuse(folder: Path, data: bytes) -> str:
    (folder / "x").write_bytes(data)
    with pytest.raises(BadImage) as caught:
        read_pictures(folder / "x")
    return str(caught.value)


def png(bits: int, colour: int, rows: int, level: int, interlaced: int = 0) -> bytes:
    """PNG of 50 x 40 with so many bytes as rows of it take."""
    header = PngHeader(Size(40, 50), bits, b"", colour, bool(interlaced))
    whole = count_png_bytes(header.size, header)
    row = b"\0" + bytes([level]) * (count_png_bytes(Size(1, 50), header._replace(interlaced=False)) - 1)
    data = (row * 40)[: whole * rows // 40] if not interlaced else bytes(whole * rows // 40)
    palette = [chunk(b"PLTE", bytes(3 << min(bits, 8)))] if colour == 3 else []
    made = bytearray(raw_png((50, 40), bits, colour, data, *palette))
    if interlaced:
        body = struct.pack(">IIBBBBB", 50, 40, bits, colour, 0, 0, 1)
        made[8:33] = chunk(b"IHDR", body)
    return bytes(made)


@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize(("bits", "colour"), KINDS)
@pytest.mark.parametrize("level", [0, 1, 255])
def test_pngs_with_too_few_rows(tmp_path: Path, bits: int, colour: int, level: int, interlaced: int) -> None:
    (tmp_path / "whole").write_bytes(png(bits, colour, 40, level, interlaced))
    assert read_pictures(tmp_path / "whole")[0].pixels.shape == (40, 50, 3)
    for rows in (0, 1, 20, 39):
        assert "damaged" in refuse(tmp_path, png(bits, colour, rows, level, interlaced))


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpegs_that_end_early(tmp_path: Path, options: dict[str, Any], mode: str) -> None:
    data = encoded(Image.fromarray(picture()).convert(mode), "JPEG", **options)
    (tmp_path / "whole").write_bytes(data)
    assert read_pictures(tmp_path / "whole")[0].pixels.shape == (HEIGHT, WIDTH, 3)
    start = data.index(b"\xff\xda") + 14
    for cut in np.linspace(start, len(data) - 20, 40).astype(int):
        assert "the JPEG is" in refuse(tmp_path, data[:cut] + b"\xff\xd9")
        refuse(tmp_path, data[:cut])


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_jpegs_that_lack_their_last_bytes(tmp_path: Path, options: dict[str, Any], mode: str) -> None:
    """A decoder looks ahead by some bytes. By chance what it makes up may not depend on what it is given for them."""
    data = encoded(Image.fromarray(picture()).convert(mode), "JPEG", **options)
    (tmp_path / "whole").write_bytes(data)
    whole = read_pictures(tmp_path / "whole")[0].pixels
    wrong = 0
    for cut in (1, 2, 3, 5, 8, 13, 21, 34):
        (tmp_path / "cut").write_bytes(data[: -2 - cut] + b"\xff\xd9")
        try:
            wrong += not np.array_equal(read_pictures(tmp_path / "cut")[0].pixels, whole)
        except BadImage:
            continue
    assert wrong <= ("progressive" in options)


@pytest.mark.parametrize("options", JPEGS)
def test_jpegs_whose_header_promises_more(tmp_path: Path, options: dict[str, Any]) -> None:
    data = encoded(picture(), "JPEG", **options)
    frame = max(data.find(b"\xff\xc0\0"), data.find(b"\xff\xc2\0"))
    for at, side in ((frame + 5, HEIGHT), (frame + 7, WIDTH)):
        assert "the JPEG is" in refuse(tmp_path, data[:at] + struct.pack(">H", side + 16) + data[at + 2 :])


@pytest.mark.parametrize("options", JPEGS)
def test_whole_jpegs_are_what_pillow_makes_of_them(tmp_path: Path, options: dict[str, Any]) -> None:
    data = encoded(picture(), "JPEG", **options) + b"trailing bytes"
    (tmp_path / "whole").write_bytes(data)
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(read_pictures(tmp_path / "whole")[0].pixels, np.asarray(image))


def gif_parts(data: bytes) -> tuple[int, list[bytes]]:
    """Start of the blocks of the first frame, and the blocks."""
    at = data.index(b",\0\0\0\0") + 9
    at += 2 + (3 * (2 << (data[at] & 7)) if data[at] & 0x80 else 0)
    start, blocks = at, list[bytes]()
    while data[at]:
        blocks.append(data[at : at + 1 + data[at]])
        at += 1 + data[at]
    return start, blocks


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize("flat", [False, True])
def test_gifs_with_too_few_pixels(tmp_path: Path, interlace: int, flat: bool) -> None:
    pixels = np.full_like(picture(), 200) if flat else picture()
    data = encoded(pixels, "GIF", interlace=interlace)
    (tmp_path / "whole").write_bytes(data)
    assert read_pictures(tmp_path / "whole")[0].pixels.shape == (HEIGHT, WIDTH, 3)
    start, blocks = gif_parts(data)
    if len(blocks) > 1:
        refuse(tmp_path, data[:start] + b"".join(blocks[: len(blocks) // 2]) + b"\0;")
    frame, tall = data.index(b",\0\0\0\0"), struct.pack("<H", 2 * HEIGHT)
    assert "damaged" in refuse(tmp_path, data[:8] + tall + data[10 : frame + 7] + tall + data[frame + 9 :])


@pytest.mark.parametrize("lossless", [False, True])
def test_webps_that_end_early(tmp_path: Path, lossless: bool) -> None:
    data = encoded(picture(), "WEBP", lossless=lossless)
    for part in (0.3, 0.6, 0.9, 0.99):
        end = int(len(data) * part) // 2 * 2
        refuse(tmp_path, data[:end])
        sizes = b"RIFF" + struct.pack("<I", end - 8) + data[8:16] + struct.pack("<I", end - 20)
        refuse(tmp_path, sizes + data[20:end])


def tiff_tags(data: bytes) -> dict[int, int]:
    """Position of the value of each tag of the first directory."""
    start = struct.unpack("<I", data[4:8])[0]
    count = struct.unpack("<H", data[start : start + 2])[0]
    places = [start + 2 + 12 * number for number in range(count)]
    return {struct.unpack("<H", data[at : at + 2])[0]: at + 8 for at in places}


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_tiffs_with_too_few_rows(tmp_path: Path, compression: str | None) -> None:
    data = bytearray(encoded(picture(), "TIFF", compression=compression))
    (tmp_path / "whole").write_bytes(data)
    assert read_pictures(tmp_path / "whole")[0].pixels.shape == (HEIGHT, WIDTH, 3)
    tags = tiff_tags(bytes(data))
    for changed in ((257,), (257, 278)):
        taller = bytearray(data)
        for tag in changed:
            taller[tags[tag] : tags[tag] + 4] = struct.pack("<I", 2 * HEIGHT)
        refuse(tmp_path, bytes(taller))
    if compression is not None:
        shorter = bytearray(data)
        length = struct.unpack("<I", shorter[tags[279] : tags[279] + 4])[0]
        shorter[tags[279] : tags[279] + 4] = struct.pack("<I", length // 2)
        refuse(tmp_path, bytes(shorter))


@pytest.mark.parametrize("rows", [1, 7, 50, 120])
def test_tiffs_of_jpeg_strips_are_read(tmp_path: Path, rows: int) -> None:
    data = encoded(picture(), "TIFF", compression="jpeg", tiffinfo={278: max(8, rows // 8 * 8)})
    (tmp_path / "whole").write_bytes(data)
    assert read_pictures(tmp_path / "whole")[0].pixels.shape == (HEIGHT, WIDTH, 3)
