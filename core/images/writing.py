"""Control maps to files, byte for byte the same for the same map."""

from __future__ import annotations

import io
import json as _json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import BadImage
from ..files import atomic_write
from ..regular_files import open_regular_file
from .headers import PNG_SIGNATURE, iter_png_chunks
from .marks import KEYWORD
from .pixels import stretch_range

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..annotator import ControlMap


def write_map(
    control_map: ControlMap, index: int, folder: Path, stem: str, *, values: bool = False, json: bool = False
) -> tuple[Path, ...]:
    """Write one map of a batch atomically; the picture comes last, so that where it stands the rest stands too.

    Writes ``stem.png``; with values, where the map has them, ``stem.npy`` (float32) and for [H, W] also
    ``stem.values.png`` (16-bit grey); with json ``stem.json``, where the map has poses (OpenPose) or classes.
    Returns the paths written, the picture first. Raises WriteFailed.
    """
    parts: dict[str, bytes] = {}
    if values and control_map.values is not None:
        labels = control_map.segments is not None
        parts.update(_encode_value_files(control_map.values[index], control_map.info, labels=labels))
    if json and (document := build_document(control_map, index)) is not None:
        parts[".json"] = _encode_json(document).encode() + b"\n"
    parts[".png"] = encode_png(control_map.images[index], control_map.info)
    paths = [folder / f"{stem}{suffix}" for suffix in parts]
    for path, data in zip(paths, parts.values(), strict=True):
        atomic_write(path, data)
    return (paths[-1], *paths[:-1])


def encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16], info: dict[str, Any]) -> bytes:
    """Encode uint8 [H, W, 3] as 8-bit RGB or uint16 [H, W] as 16-bit grey PNG, with info as JSON in a text chunk."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text(KEYWORD, _encode_json(info))
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG", pnginfo=text, compress_level=4)
    return target.getvalue()


def encode_values(values: NDArray[np.float32], info: dict[str, Any]) -> bytes:
    """Encode [H, W] numbers as 16-bit grey, minimum to maximum; the text chunk's `range` undoes it.

    value = low + (high - low) * grey / 65535. A flat array is all 0. Values that are not finite become 0 and are
    counted in `not_finite`.
    """
    finite = np.isfinite(values)
    known = values[finite]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    grey = np.rint(stretch_range(np.where(finite, values, low)) * 65535).astype(np.uint16)
    extra: dict[str, Any] = {"range": [low, high]}
    if missing := int(values.size - known.size):
        extra["not_finite"] = missing
    return encode_png(grey, {**info, **extra})


def encode_labels(values: NDArray[np.float32], info: dict[str, Any]) -> bytes:
    """Encode [H, W] class indices 0..65535 as 16-bit grey, unchanged; `range` is that of `encode_values`."""
    return encode_png(values.astype(np.uint16), {**info, "range": [0, 65535]})


def encode_npy(values: NDArray[np.float32]) -> bytes:
    """Encode as .npy: float32, C order, little-endian."""
    target = io.BytesIO()
    np.lib.format.write_array(target, np.ascontiguousarray(values, dtype="<f4"), allow_pickle=False)
    return target.getvalue()


def read_info(path: str | Path) -> dict[str, Any]:
    """Info of a map written here, {} for another PNG. Raises BadImage when the file is no whole PNG."""
    where = str(path)
    try:
        with open_regular_file(path) as file:
            if file.read(len(PNG_SIGNATURE)) != PNG_SIGNATURE:
                raise BadImage("this is no PNG, maps are", where=where, fix="name a map that was written here")
            texts = [data for kind, data in iter_png_chunks(file, (b"tEXt",), where=where) if kind == b"tEXt"]
    except (OSError, ValueError) as error:
        raise BadImage(f"the file cannot be opened ({error})", where=where, fix="check the name") from error
    return _parse_info(texts, where)


def _parse_info(texts: list[bytes], where: str) -> dict[str, Any]:
    start = KEYWORD.encode() + b"\0"
    for text in texts:
        if text.startswith(start):
            try:
                info = _json.loads(text[len(start) :])
            except ValueError as error:
                raise BadImage(f"its info is no JSON ({error})", where=where, fix="make the map again") from error
            return info if isinstance(info, dict) else {}
    return {}


def _encode_json(value: object) -> str:
    return _json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _encode_value_files(values: NDArray[np.float32], info: dict[str, Any], *, labels: bool) -> dict[str, bytes]:
    parts = {".npy": encode_npy(values)}
    plane = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if plane.ndim == 2:
        parts[".values.png"] = (encode_labels if labels else encode_values)(plane, info)
    return parts


def build_document(control_map: ControlMap, index: int) -> dict[str, Any] | None:
    """What is found in a picture, apart from the picture: people or classes."""
    if control_map.poses is not None:
        from ..poses.model import to_openpose

        return to_openpose(control_map.poses[index])
    if control_map.segments is not None:
        from ..segments import to_json

        return to_json(control_map.segments[index])
    return None
