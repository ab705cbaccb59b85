"""Embeddings inside pictures, as A1111 shares them: base64 JSON in a PNG text chunk, or bits in the pixels.

Pixels: JSON is packed by zlib; the low nibbles of its bytes are the low nibbles of the pixels in a strip on the left,
the high nibbles those of a strip on the right, rows first, three channels each. Both are XORed with the low nibbles of
x = 1664525 x + 1013904223 mod 2^32 (from 0), mod 255. A black column borders each strip. The upper nibbles are
decoration. Only lossless pictures keep this. Verified against a picture that A1111's codec wrote.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ...core.errors import BadImage, BadWeights
from ...core.files import atomic_write
from ...core.images.headers import PNG_SIGNATURE, iter_png_chunks
from ...core.regular_files import open_regular_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

KEYWORD = b"sd-ti-embedding"
TENSOR = "TORCHTENSOR"
SUFFIXES = frozenset({".png", ".webp", ".avif"})
MOST_JSON = 8 << 20
"""Bytes of JSON that are unpacked and parsed; 75 vectors for both encoders of SDXL are about 4 MB."""
MOST_FILE = 128 << 20
SIDE = 256
"""Height of written pictures and width of their middle, in pixels."""
_COPY = "get the original picture: resized, re-encoded or lossy copies hold nothing"


def read_image(path: Path) -> tuple[dict[str, Any], str]:
    """Content of an embedding picture and where it was found: "PNG text" or "pixels". Tensors are float64.

    Raises BadWeights for a damaged picture, one without an embedding, or one that unpacks to more than MOST_JSON.
    """
    where = str(path)
    try:
        if path.stat().st_size > MOST_FILE:
            raise BadWeights(f"is larger than {MOST_FILE} bytes", where=where, fix="check what kind of file it is")
        text = _png_text(path)
        if text is not None:
            return _parse_json(_decode(text, where), where), "PNG text"
        return _parse_json(_decode_pixels(_pixels(path), where), where), "pixels"
    except BadImage as error:
        raise BadWeights(error.what, where=error.where or where, fix=error.fix) from error
    except OSError as error:
        what = f"cannot be read ({error.strerror or error})"
        raise BadWeights(what, where=where, fix="check the name") from error


def write_image(path: Path, content: Mapping[str, Any], rows: NDArray[np.float32]) -> Path:
    """Write an embedding picture: .png holds the content as text and as pixels, .webp as pixels.

    content: JSON with tensors in it. rows: [n, d], drawn in the middle of the picture. Raises WriteFailed.
    """
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    data = json.dumps(content, default=_encode).encode()
    picture, target = Image.fromarray(_paint(data, rows)), io.BytesIO()
    if path.suffix.lower() == ".png":
        info = PngInfo()
        info.add_text(KEYWORD.decode(), base64.b64encode(data).decode())
        picture.save(target, "PNG", pnginfo=info)
    else:
        picture.save(target, "WEBP", lossless=True, quality=80)
    return atomic_write(path, target.getvalue())


def _encode(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return {TENSOR: value.detach().cpu().to(torch.float32).tolist()}
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def _png_text(path: Path) -> bytes | None:
    """Base64 text of a PNG's chunk, None without one or for another format."""
    with open_regular_file(path) as file:
        if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
            return None
        for kind, data in iter_png_chunks(file, (b"tEXt", b"zTXt", b"iTXt"), where=str(path)):
            if data.startswith(KEYWORD + b"\0"):
                return _text(kind, data[len(KEYWORD) + 1 :], str(path))
    return None


def _text(kind: bytes, rest: bytes, where: str) -> bytes:
    """Text of a chunk behind its keyword: plain, packed, or international with a flag, a method and two names."""
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return unpack(rest[1:], where)
    packed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    return unpack(text, where) if packed else text


def _decode(text: bytes, where: str) -> bytes:
    try:
        data = base64.b64decode(text)
    except binascii.Error as error:
        raise BadWeights(f"its text is not base64 ({error})", where=where, fix=_COPY) from error
    return data


def unpack(data: bytes, where: str) -> bytes:
    """Unpack zlib data of at most MOST_JSON bytes; what follows its end is ignored. Raises BadWeights."""
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(data, MOST_JSON + 1)
    except zlib.error as error:
        raise BadWeights(f"its data cannot be unpacked ({error})", where=where, fix=_COPY) from error
    if len(found) > MOST_JSON:
        raise BadWeights(f"unpacks to more than {MOST_JSON} bytes; nothing was kept", where=where)
    if not inflater.eof:
        raise BadWeights("its data is cut off", where=where, fix=_COPY)
    return found


def _parse_json(data: bytes, where: str) -> dict[str, Any]:
    if len(data) > MOST_JSON:
        raise BadWeights(f"holds {len(data)} bytes of JSON, more than {MOST_JSON}", where=where)
    try:
        content = json.loads(data, object_hook=_restore_tensor)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadWeights(f"its JSON cannot be read ({type(error).__name__})", where=where, fix=_COPY) from error
    if not isinstance(content, dict):
        raise BadWeights("its JSON is no table", where=where, fix=_COPY)
    return content


def _restore_tensor(table: dict[str, Any]) -> Any:
    return torch.from_numpy(np.array(table[TENSOR], dtype=np.float64)) if TENSOR in table else table


def _pixels(path: Path) -> NDArray[np.uint8]:
    from ...core.images.reading import read_pictures

    return read_pictures(path)[0].pixels


def _decode_pixels(pixels: NDArray[np.uint8], where: str) -> bytes:
    nibbles = _cut_border(pixels) & 0x0F
    black = np.flatnonzero(~nibbles.any(axis=(0, 2)))
    if len(black) < 2 or black[0] == 0 or black[-1] == nibbles.shape[1] - 1:
        raise BadWeights("holds no embedding, neither as text nor in its pixels", where=where, fix=_COPY)
    left, right = nibbles[:, : black[0]], nibbles[:, black[-1] + 1 :]
    if left.shape != right.shape:
        raise BadWeights("its two strips of data differ in width", where=where, fix=_COPY)
    key = _key(left.size).reshape(left.shape)
    return unpack(((right ^ key) << 4 | (left ^ key)).tobytes(), where)


def _cut_border(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Cut to the rows and columns that hold a pixel without a 0 in any channel."""
    lit = pixels.min(axis=2) > 0
    rows, columns = np.flatnonzero(lit.any(axis=1)), np.flatnonzero(lit.any(axis=0))
    if not len(rows):
        return pixels[:0]
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _key(count: int) -> NDArray[np.uint8]:
    """Nibbles to XOR with; each round doubles how many states are known."""
    states = np.array([1013904223], np.uint64)
    factor, step, mask = 1664525, 1013904223, 0xFFFFFFFF
    while len(states) < count:
        ahead = (states * np.uint64(factor) + np.uint64(step)) & np.uint64(mask)
        states = np.concatenate([states, ahead])
        factor, step = factor * factor & mask, step * (factor + 1) & mask
    return ((states[:count] % np.uint64(255)) & np.uint64(15)).astype(np.uint8)


def _paint(data: bytes, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Picture of strip, black column, the vectors as grey tiles, black column, strip."""
    packed = np.frombuffer(zlib.compress(data, 9), np.uint8)
    columns = -(-len(packed) // (SIDE * 3))
    levels = _grey_levels(rows)
    bright = 0x80 | levels[:, :1].repeat(columns, axis=1)[..., None].repeat(3, axis=2) & 0x70
    filled = np.resize(packed, (SIDE, columns, 3))
    key = _key(filled.size).reshape(filled.shape)
    left, right = bright | (filled & 15 ^ key), bright | (filled >> 4 ^ key)
    middle = levels[..., None].repeat(3, axis=2) | np.uint8(1)
    black = np.zeros((SIDE, 1, 3), np.uint8)
    return np.concatenate([left, black, middle, black, right], axis=1).astype(np.uint8)


def _grey_levels(rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Sizes of the numbers as SIDE x SIDE greys."""
    size = np.abs(rows)
    grey = size * (255 / max(float(size.max()), 1e-12))
    down, across = (np.arange(SIDE) * length // SIDE for length in rows.T.shape)
    return grey.T[down][:, across].astype(np.uint8)
