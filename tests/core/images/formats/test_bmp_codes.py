from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import pytest

from underdrawing.core.errors import BadImage
from underdrawing.core.images.formats.bmp_codes import count_pixels
from underdrawing.core.images.reading import read_pictures

if TYPE_CHECKING:
    from pathlib import Path

ROW, END = b"\0\0", b"\0\1"


def make(bits: int, width: int, height: int, codes: bytes) -> bytes:
    """Run-length coded BMP with a palette of greys."""
    palette = b"".join(bytes([level, level, level, 0]) for level in range(1 << bits))
    start = 54 + len(palette)
    head = b"BM" + struct.pack("<IHHI", start + len(codes), 0, 0, start)
    kind = 1 if bits == 8 else 2
    return (
        head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, kind, len(codes), 0, 0, 0, 0) + palette + codes
    )


@pytest.mark.parametrize("bits", [4, 8])
def test_whole_pictures_are_read_and_short_ones_refused(tmp_path: Path, bits: int) -> None:
    row = (b"\x06\x01\0\4\1\1\1\1" if bits == 8 else b"\x06\x11\0\4\x11\x11") + ROW
    (tmp_path / "x.bmp").write_bytes(make(bits, 10, 20, row * 20 + END))
    assert np.array_equal(read_pictures(tmp_path / "x.bmp")[0].pixels, np.full((20, 10, 3), 1))
    for codes in (row * 10 + END, row * 19 + END, row * 19 + b"\3\1", b"", END):
        (tmp_path / "x.bmp").write_bytes(make(bits, 10, 20, codes))
        with pytest.raises(BadImage, match="the BMP is damaged: its data are"):
            read_pictures(tmp_path / "x.bmp")


def test_rows_may_end_early_and_be_jumped_over() -> None:
    assert count_pixels(b"\1\1\0\0" * 3 + END, 10, 3, four=False) == 30
    assert count_pixels(b"\1\1\0\0\1\1" + END, 10, 2, four=False) == 20
    assert count_pixels(b"\0\2\0\2\x0a\1" + END, 10, 3, four=False) == 30
    assert count_pixels(b"\0\2\0", 10, 3, four=False) == 0


@pytest.mark.parametrize("bits", [4, 8])
def test_what_takes_long_is_refused(tmp_path: Path, bits: int) -> None:
    (tmp_path / "x.bmp").write_bytes(make(bits, 9000, 9000, END))
    with pytest.raises(BadImage, match="it was not decoded"):
        read_pictures(tmp_path / "x.bmp")
