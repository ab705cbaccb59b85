"""Pictures that cost more than their pixels are refused before they are decoded, and large ones stay within 512 MB."""

from __future__ import annotations

import io
import struct
import threading
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from tests.support.forked import LIMIT_MEMORY, needs_limits, start_cases
from tests.support.poison import chunk, encoded, ramp, raw_png, tiff

from underdrawing.core.errors import BadImage
from underdrawing.core.images import loading, reading
from underdrawing.core.images.reading import read_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CHILD = (
    LIMIT_MEMORY
    + """
import numpy, cv2
from PIL import Image, ImageCms
from underdrawing.core.errors import BadImage
from underdrawing.core.images.convert import read_masks
from underdrawing.core.images.geometry import Size
from underdrawing.core.images.reading import read_pictures

def case(path, *mask):
    limit_memory(512 * 2**20)
    try:
        print("read", read_masks(path, 1, Size(8, 8)) if mask else read_pictures(path)[0].pixels.shape)
    except BadImage as error:
        print("refused", error)
"""
)


def jpeg_of_scans(count: int) -> bytes:
    data = encoded(ramp(256, 256), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * count + b"\xff\xd9"


def jpeg_with(extra: bytes) -> bytes:
    data = encoded(ramp(), "JPEG")
    return data[:2] + extra + data[2:]


def webp_canvas(side: int) -> bytes:
    images = [Image.fromarray(ramp()), Image.fromarray(ramp()[::-1].copy())]
    data = bytearray(encoded(images[0], "WEBP", save_all=True, append_images=images[1:], lossless=True))
    data[24:30] = (side - 1).to_bytes(3, "little") * 2
    return bytes(data)


def packed_zeros(count: int) -> bytes:
    """zlib's stream of so many zeros: one packed piece again and again, as a full flush lets pieces stand alone."""
    packer = zlib.compressobj(1, wbits=-15)
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    end = packer.compress(bytes(count % (1 << 20))) + packer.flush()
    return b"\x78\x01" + piece * (count >> 20) + end + struct.pack(">I", (count % 65521) << 16 | 1)


def blank_png(width: int, height: int, bits: int, colour: int, channels: int) -> bytes:
    body = packed_zeros(height * (1 + width * bits * channels // 8))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def tiff_tiles(side: int) -> bytes:
    tags = [(256, 4, 1, 16), (257, 4, 1, 16), (258, 3, 1, 8), (259, 3, 1, 8), (262, 3, 1, 1)]
    tags += [(322, 4, 1, side), (323, 4, 1, side), (324, 4, 1, 200), (325, 4, 1, 20)]
    return tiff(tags, bytes(200))


def tiff_directories(count: int) -> bytes:
    page = struct.pack("<HHHII", 1, 256, 4, 1, 16)
    pages = [page + struct.pack("<I", 8 + 18 * (number + 1) if number < count - 1 else 0) for number in range(count)]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(pages)


CHUNKS = chunk(b"tEXt", b"a\0b")
REFUSED: dict[str, Callable[[], bytes]] = {
    "2000 scans.jpg": lambda: jpeg_of_scans(2000),
    "fill between segments.jpg": lambda: jpeg_with(b"\xff" * (8 << 20)),
    "fill in the data.jpg": lambda: encoded(ramp(), "JPEG")[:-2] + b"\xff" * (8 << 20) + b"\xd9",
    "segments.jpg": lambda: jpeg_with(b"\xff\xfe\0\2" * 1_000_000),
    "metadata.jpg": lambda: jpeg_with((b"\xff\xe5\xff\xff" + bytes(65533)) * 1500),
    "chunks.png": lambda: raw_png((16, 1), 8, 2, bytes(49), CHUNKS * 1_000_000),
    "empty data chunks.png": lambda: raw_png((16, 1), 8, 2, bytes(49), chunk(b"IDAT", b"") * 1_000_000),
    "one chunk.png": lambda: raw_png((16, 1), 8, 2, bytes(49), chunk(b"prVt", bytes(100 << 20))),
    "canvas.webp": lambda: webp_canvas(9999),
    "tiles.tif": lambda: tiff_tiles(60000),
    "tag.tif": lambda: tiff([(256, 4, 1, 16), (700, 1, 2**32 - 1, 8)], bytes(64)),
    "tags.tif": lambda: tiff([(700 + number, 1, 1 << 20, 8) for number in range(60000)], bytes(1 << 20)),
    "directories.tif": lambda: tiff_directories(200_000),
}
LARGE: dict[str, Callable[[], bytes]] = {
    "9999 of 16-bit RGBA.png": lambda: blank_png(9999, 9999, 16, 6, 4),
    "5400 of 16-bit RGBA.png": lambda: blank_png(5400, 5400, 16, 6, 4),
    "9999 of RGBA.png": lambda: blank_png(9999, 9999, 8, 6, 4),
    "7700 of RGBA.png": lambda: blank_png(7700, 7700, 8, 6, 4),
    "9999 of 16-bit grey.png": lambda: blank_png(9999, 9999, 16, 0, 1),
    "9999 of grey.png": lambda: blank_png(9999, 9999, 8, 0, 1),
    "tall.png": lambda: blank_png(1, 10**6, 8, 2, 3),
    "8500.jpg": lambda: encoded(Image.new("RGB", (8500, 8500)), "JPEG"),
    "9999.jpg": lambda: encoded(Image.new("RGB", (9999, 9999)), "JPEG"),
    "6000 progressive.jpg": lambda: encoded(Image.new("RGB", (6000, 6000)), "JPEG", progressive=True),
    "9999 progressive.jpg": lambda: encoded(Image.new("RGB", (9999, 9999)), "JPEG", progressive=True),
    "4900.webp": lambda: encoded(Image.new("RGB", (4900, 4900)), "WEBP", method=0),
    "6000.gif": lambda: encoded(Image.new("P", (6000, 6000)), "GIF"),
    "8000.tif": lambda: encoded(Image.new("RGB", (8000, 8000)), "TIFF", compression="tiff_lzw"),
    "4000.avif": lambda: encoded(Image.new("RGB", (4000, 4000)), "AVIF", speed=10),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_costs_too_much_is_refused_before_a_decoder_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_bytes(REFUSED[name]())
    monkeypatch.setattr(loading, "load_frame", None)
    monkeypatch.setattr(reading, "load_frame", None)
    if not name.endswith("tiles.tif"):
        monkeypatch.setattr(reading, "open_picture", None)
    with pytest.raises(BadImage, match=r"not decoded|more than"):
        read_pictures(tmp_path / name)


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    with start_cases(CHILD, tmp_path_factory.mktemp("child")) as run:
        yield run


@needs_limits
@pytest.mark.parametrize("name", REFUSED | LARGE)
def test_every_picture_takes_at_most_512_megabytes(child: Callable[..., str], tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes((REFUSED | LARGE)[name]())
    report = child(tmp_path / name)
    assert "not enough memory" not in report
    if name in REFUSED:
        assert report.startswith("refused")


@needs_limits
def test_a_mask_takes_at_most_512_megabytes(child: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(blank_png(9999, 6000, 8, 0, 1))
    assert child(tmp_path / "mask.png", "mask").startswith("read")


def test_what_is_refused_as_a_map_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tall.png"
    path.write_bytes(blank_png(1, 10**6, 8, 2, 3))
    monkeypatch.setattr(reading, "load_frame", None)
    with pytest.raises(BadImage, match="would give a map of 512 x"):
        read_pictures(path, resolution=512)


def test_a_slow_picture_does_not_keep_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread is held while it decodes; another reads a picture meanwhile."""
    slow, quick = tmp_path / "slow.png", tmp_path / "quick.png"
    for path in (slow, quick):
        path.write_bytes(encoded(ramp(), "PNG"))
    inside, go_on, load = threading.Event(), threading.Event(), loading.load_frame

    def wait(file: io.BufferedReader, *rest: object, where: str) -> None:
        if where == str(slow):
            inside.set()
            assert go_on.wait(60)
        load(file, *rest, where=where)  # type: ignore[arg-type]

    monkeypatch.setattr(reading, "load_frame", wait)
    found: list[int] = []
    first = threading.Thread(target=lambda: found.append(len(read_pictures(slow))))
    second = threading.Thread(target=lambda: found.append(len(read_pictures(quick)) + 1))
    first.start()
    assert inside.wait(60)
    second.start()
    second.join(60)
    assert found == [2]
    go_on.set()
    first.join(60)
    assert found == [2, 1]
    assert np.array_equal(read_pictures(slow)[0].pixels, ramp())
