"""Files of poses: OpenPose JSON of any origin, one document or a list, and maps that hold their poses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadImage
from ..images.headers import PNG_SIGNATURE
from ..regular_files import read_regular_file
from .model import to_openpose
from .reading import PoseFile, parse_poses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Pose

INSIDE = "openpose"
"""Key of a map's info under which its pose stands."""
MOST_BYTES = 64 * 2**20
"""Largest file that is read as poses."""


def read_poses(path: str | Path) -> PoseFile:
    """Read poses of any form, also out of a map of `build_map_info`.

    Raises BadImage, naming the document of a list that is at fault.
    """
    where = str(path)
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise BadImage(f"is larger than {MOST_BYTES} bytes", where=where, fix="poses take a few kilobytes each")
        content = read_regular_file(path)
        if not content:
            raise BadImage("the file is empty (0 bytes)", where=where, fix="save the poses again")
        data = _read_map(path) if content.startswith(PNG_SIGNATURE) else json.loads(_decode(content))
    except OSError as error:
        what = f"the file cannot be opened ({error.strerror or error})"
        raise BadImage(what, where=where, fix="check the name") from error
    except (ValueError, RecursionError) as error:
        raise BadImage(f"this is not JSON ({error})", where=where, fix="save the poses again") from error
    try:
        return parse_poses(data)
    except BadImage as error:
        place = (
            f"{where}{error.where}" if error.where.startswith("[") else ", ".join(filter(None, (where, error.where)))
        )
        raise BadImage(error.what, where=place, fix=error.fix) from error


def build_map_info(pose: Pose, **more: str) -> dict[str, Any]:
    """Info of a map that holds its pose, for `core.images.writing.encode_png`."""
    return {INSIDE: to_openpose(pose, confidences=True), **more}


def _decode(content: bytes) -> str:
    """Text of JSON in UTF-8 or UTF-16, with or without a mark. Raises ValueError."""
    return content.decode(json.detect_encoding(content))


def _read_map(path: str | Path) -> object:
    from ..images.writing import read_info

    found = read_info(path).get(INSIDE)
    if found is None:
        what = "the picture does not hold its poses"
        raise BadImage(what, where=str(path), fix="name a map of `underdrawing pose render`, or the JSON of a pose")
    return found


def to_documents(poses: Iterable[Pose]) -> list[dict[str, Any]]:
    """OpenPose documents of poses, in pixels, as nodes pass them on."""
    return [to_openpose(pose) for pose in poses]


def from_documents(data: Any) -> list[Pose]:
    """Read poses from OpenPose documents of any origin, one or a list. Raises BadImage."""
    return list(parse_poses(data).poses)
