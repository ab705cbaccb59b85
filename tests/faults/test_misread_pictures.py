"""Kinds of TIFFs that a decoder would take for others without a word are read right or refused by name."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
from PIL import Image
from tests.support.poison import encoded

from underdrawing.core.errors import BadImage
from underdrawing.core.images.reading import read_pictures

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HEIGHT, WIDTH = 12, 20
RAMP = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
STRETCHED = np.rint(RAMP / RAMP.max() * 255)


def make_tiff(
    pixels: NDArray[Any], *, order: Literal["<", ">"] = "<", compression: int = 1, planar: int = 1, big: bool = False
) -> bytes:
    """TIFF of one strip (of one each colour in planes), with every tag that a reader needs."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    layers = [pixels[..., number] for number in range(channels)] if planar == 2 and channels > 1 else [pixels]
    strips = [layer.astype(pixels.dtype.newbyteorder(order)).tobytes() for layer in layers]
    strips = [zlib.compress(strip) for strip in strips] if compression == 8 else strips
    form = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    values = {256: [WIDTH], 257: [HEIGHT], 258: [pixels.dtype.itemsize * 8] * channels, 259: [compression]}
    values |= {262: [1 if channels == 1 else 2], 273: [0] * len(strips), 277: [channels], 278: [HEIGHT]}
    values |= {279: [len(strip) for strip in strips], 284: [planar], 339: [form] * channels}
    offset, entry = (order + "Q", order + "HHQ") if big else (order + "I", order + "HHI")
    head = struct.pack(order + "2sHHHQ", b"", 43, 8, 0, 16) if big else struct.pack(order + "2sHI", b"", 42, 8)
    wide = struct.calcsize(offset)
    data = len(head) + (8 if big else 2) + len(values) * (struct.calcsize(entry) + wide) + wide
    entries, tail = b"", b""
    values[273] = [data + 256 + sum(map(len, strips[:number])) for number in range(len(strips))]
    for tag, numbers in sorted(values.items()):
        packed = struct.pack(f"{order}{len(numbers)}I", *numbers)
        if len(packed) > wide:
            packed, tail = struct.pack(offset, data + len(tail)), tail + packed
        entries += struct.pack(entry, tag, 4, len(numbers)) + packed.ljust(wide, b"\0")
    count = struct.pack(order + ("Q" if big else "H"), len(values))
    start = (b"II" if order == "<" else b"MM") + head[2:]
    return start + count + entries + bytes(wide) + tail.ljust(256, b"\0") + b"".join(strips)


def read(folder: Path, data: bytes) -> NDArray[np.uint8]:
    (folder / "x.tif").write_bytes(data)
    return read_pictures(folder / "x.tif")[0].pixels


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("kind", ["i2", "i4", "f4"])
def test_numbers_in_either_byte_order(tmp_path: Path, order: Literal["<", ">"], compression: int, kind: str) -> None:
    pixels = (RAMP * 100 - 9000).astype(kind)
    found = read(tmp_path, make_tiff(pixels, order=order, compression=compression))
    assert np.abs(found[..., 0] - STRETCHED).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compression", [1, 8])
def test_signed_bytes(tmp_path: Path, order: Literal["<", ">"], compression: int) -> None:
    found = read(tmp_path, make_tiff((RAMP - 120).astype("i1"), order=order, compression=compression))
    assert np.abs(found[..., 0] - STRETCHED).max() <= 1


@pytest.mark.parametrize("kind", ["u4", "i2", "i1", "f4", "f8"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_every_kind_of_number(tmp_path: Path, kind: str, order: Literal["<", ">"]) -> None:
    pixels = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]]) / (1 if kind[0] in "ui" else 300) - (
        9 if kind[0] == "i" else 0
    )
    pixels = pixels * 500 if kind == "u4" else np.minimum(pixels, 127)
    found = read(tmp_path, make_tiff(pixels.astype(kind), order=order))
    levels = pixels.astype(kind).astype(float)
    wanted = levels * 255 if kind[0] == "f" else (levels - levels.min()) / np.ptp(levels) * 255
    assert np.abs(found - wanted).max() <= 1


@pytest.mark.parametrize("kind", ["u2", "f4", "u4"])
def test_planes_of_more_than_8_bits_are_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(BadImage, match="this kind of TIFF is not read here: its colours lie in planes"):
        read(tmp_path, make_tiff(np.dstack([RAMP] * 3).astype(kind), planar=2))


def test_planes_of_8_bits(tmp_path: Path) -> None:
    pixels = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]]).astype(np.uint8)
    assert np.array_equal(read(tmp_path, make_tiff(pixels, planar=2)), pixels)


@pytest.mark.parametrize("compression", [34712, 34933, 50002])
def test_compressions_that_no_decoder_knows(tmp_path: Path, compression: int) -> None:
    with pytest.raises(BadImage, match=f"compressed by method {compression}"):
        read(tmp_path, make_tiff(np.dstack([RAMP] * 3).astype(np.uint8), compression=compression))


@pytest.mark.parametrize("order", ["<", ">"])
def test_large_tiffs_in_either_byte_order(tmp_path: Path, order: Literal["<", ">"]) -> None:
    pixels = np.dstack([RAMP, RAMP[::-1], RAMP[:, ::-1]]).astype(np.uint8)
    assert np.array_equal(read(tmp_path, make_tiff(pixels, order=order, big=True)), pixels)


@pytest.mark.parametrize("compression", [1, 8])
def test_tiles_named_as_strips(tmp_path: Path, compression: int) -> None:
    """Pillow reads them right when libtiff does it, and takes uncompressed ones for rows."""
    tile = np.zeros((16, 32), np.uint8)
    tile[:HEIGHT, :WIDTH] = RAMP
    body = zlib.compress(tile.tobytes()) if compression == 8 else tile.tobytes()
    data, old = (
        make_tiff(RAMP.astype(np.uint8), compression=compression),
        len(zlib.compress(bytes(RAMP.astype(np.uint8)))),
    )
    old = old if compression == 8 else RAMP.size
    for before, after in (
        ((278, 4, 1, HEIGHT), (322, 4, 1, 32)),
        ((284, 4, 1, 1), (323, 4, 1, 16)),
        ((279, 4, 1, old), (279, 4, 1, len(body))),
    ):
        assert struct.pack("<HHII", *before) in data
        data = data.replace(struct.pack("<HHII", *before), struct.pack("<HHII", *after))
    data = data[:-old] + body
    if compression == 8:
        assert np.array_equal(read(tmp_path, data)[..., 0], RAMP)
        return
    with pytest.raises(BadImage, match="0 of 1 tiles"):
        read(tmp_path, data)


def test_jpeg_strips_of_grey_with_alpha(tmp_path: Path) -> None:
    grey = Image.fromarray(RAMP.astype(np.uint8))
    data = encoded(Image.merge("LA", (grey, Image.new("L", grey.size, 255))), "TIFF", compression="jpeg", quality=95)
    assert np.abs(read(tmp_path, data)[..., 0].astype(int) - RAMP).max() <= 30


def test_a_palette_that_is_cut_off(tmp_path: Path) -> None:
    """Pillow reads the numbers of colours as levels of grey."""
    palette = Image.fromarray(np.dstack([RAMP] * 3).astype(np.uint8)).quantize(32)
    data = encoded(palette, "TIFF", compression="tiff_lzw")
    assert read(tmp_path, data).shape == (HEIGHT, WIDTH, 3)
    for cut in (1, 100, 1000):
        with pytest.raises(BadImage, match="the TIFF is cut off"):
            read(tmp_path, data[:-cut])


def test_damage_behind_the_first_picture_is_a_note(tmp_path: Path) -> None:
    pages = [Image.fromarray((RAMP // divisor).astype(np.uint8)) for divisor in (1, 2)]
    data = bytearray(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    second = struct.unpack("<I", data[4:8])[0]
    second += 2 + 12 * struct.unpack("<H", data[second : second + 2])[0]
    place = struct.unpack("<I", data[second : second + 4])[0]
    data[place : place + 14] = struct.pack("<HHHII", 1, 700, 4, 1, 0)
    (tmp_path / "x.tif").write_bytes(data)
    (picture,) = read_pictures(tmp_path / "x.tif")
    assert np.array_equal(picture.pixels[..., 0], RAMP)
    assert "what follows the first picture of the file was passed over" in " ".join(picture.notes)
    with pytest.raises(BadImage, match="damaged"):
        read_pictures(tmp_path / "x.tif", all_frames=True)
