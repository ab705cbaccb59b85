"""Files of poses: OpenPose JSON of any origin, one document or a list, and maps that hold their poses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import BadImage
from ..images.headers import PNG_SIGNATURE
from .model import from_openpose, to_openpose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Pose

INSIDE = "openpose"
"""Key of a map's info under which its pose stands."""
MOST_BYTES = 64 * 2**20
"""Largest file that is read as poses."""


class PoseFile(NamedTuple):
    """Poses of a file. listed: they stood in a list, which is how ComfyUI keeps those of a batch."""

    poses: tuple[Pose, ...]
    is_list: bool


def read_poses(path: str | Path) -> PoseFile:
    """Read poses in either coordinate convention, also out of a map of `build_map_info`.

    Raises BadImage, naming the document of a list that is at fault.
    """
    where = str(path)
    try:
        if Path(path).stat().st_size > MOST_BYTES:
            raise BadImage(f"is larger than {MOST_BYTES} bytes", where=where, fix="poses take a few kilobytes each")
        content = Path(path).read_bytes()
        data = _read_map(path) if content.startswith(PNG_SIGNATURE) else json.loads(content)
    except OSError as error:
        what = f"the file cannot be opened ({error.strerror or error})"
        raise BadImage(what, where=where, fix="check the name") from error
    except (ValueError, RecursionError) as error:
        raise BadImage(f"this is not JSON ({error})", where=where, fix="save the poses again") from error
    documents = data if isinstance(data, list) else [data]
    poses = (_parse_pose(one, f"{where}[{i}]" if isinstance(data, list) else where) for i, one in enumerate(documents))
    return PoseFile(tuple(poses), isinstance(data, list))


def build_map_info(pose: Pose, **more: str) -> dict[str, Any]:
    """Info of a map that holds its pose, for `core.images.writing.encode_png`."""
    return {INSIDE: to_openpose(pose, confidences=True), **more}


def _read_map(path: str | Path) -> object:
    from ..images.writing import read_info

    found = read_info(path).get(INSIDE)
    if found is None:
        what = "the picture does not hold its poses"
        raise BadImage(what, where=str(path), fix="name a map of `underdrawing pose render`, or the JSON of a pose")
    return found


def _parse_pose(document: object, where: str) -> Pose:
    try:
        return from_openpose(document)
    except BadImage as error:
        place = ", ".join(filter(None, (where, error.where)))
        raise BadImage(error.what, where=place, fix=error.fix) from error


def to_documents(poses: Iterable[Pose]) -> list[dict[str, Any]]:
    """OpenPose documents of poses, in pixels, as nodes pass them on."""
    return [to_openpose(pose) for pose in poses]


def from_documents(data: Any) -> list[Pose]:
    """Read poses from OpenPose documents of any origin, one or a list. Raises BadImage."""
    return [from_openpose(one) for one in (data if isinstance(data, (list, tuple)) else [data])]
