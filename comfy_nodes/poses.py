"""Nodes for POSE_KEYPOINT: a list with one OpenPose document per picture, as the other packs pass it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from ..core.errors import BadImage
from ..core.poses.names import Sticks
from . import host, inputs
from .annotators import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor

    from ..core.poses.model import Pose
    from .tools import Inputs

POSES: inputs.Input = ("POSE_KEYPOINT", {})


def keypoints(poses: Iterable[Pose]) -> list[dict[str, Any]]:
    """Poses as they are handed on."""
    from ..core.poses.model import to_openpose

    return [to_openpose(pose) for pose in poses]


def poses_of(data: Any) -> list[Pose]:
    """Read poses from any pack, one document or a list. Raises BadImage."""
    from ..core.poses.model import from_openpose

    return [from_openpose(one) for one in (data if isinstance(data, (list, tuple)) else [data])]


def json_of(data: Any) -> str:
    """JSON of poses."""
    return json.dumps(data, indent=4)


def _yes(text: str) -> inputs.Input:
    return ("BOOLEAN", {"default": True, "tooltip": text})


class RenderPoses:
    """Draws poses as the ControlNets were taught to see them."""

    TITLE = f"Draw poses ({PREFIX})"
    CATEGORY = f"{PREFIX}/Poses"
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("IMAGE",)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("map",)
    FUNCTION = "draw"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Poses, parts, sticks, size."""
        parts = {"body": _yes("Draw bodies"), "hands": _yes("Draw hands"), "face": _yes("Draw faces")}
        sticks: inputs.Input = (list(get_args(Sticks)), {"tooltip": "How sticks grow with the map"})
        return {"required": {"poses": POSES}, "optional": parts | {"sticks": sticks, "resolution": RESOLUTION}}

    def draw(
        self,
        poses: Any,
        body: bool = True,
        hands: bool = True,
        face: bool = True,
        sticks: Sticks = "plain",
        resolution: int = 0,
    ) -> tuple[Tensor]:
        """Draw every pose; raises BadImage when there is none or their canvases differ."""
        import numpy as np

        from ..core.images.geometry import Size, target_size
        from ..core.poses.drawing import draw_pose
        from ..core.poses.model import scaled
        from . import pictures

        read = poses_of(poses)
        if len({(pose.width, pose.height) for pose in read}) != 1:
            raise BadImage(f"{len(read)} poses without one common canvas size", fix="draw them one by one")
        size = target_size(Size(read[0].height, read[0].width), resolution)
        drawn = [draw_pose(scaled(pose, size), body=body, hands=hands, face=face, sticks=sticks) for pose in read]
        return (pictures.image(np.stack(drawn)),)


RESOLUTION: inputs.Input = ("INT", {**inputs.RESOLUTION[1], "default": 0})


class EditPoses:
    """Chooses people and parts, moves, scales and mirrors them."""

    TITLE = f"Edit poses ({PREFIX})"
    CATEGORY = f"{PREFIX}/Poses"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("POSE_KEYPOINT",), ("poses",), "edit"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Poses and changes."""
        share = {"default": 0.0, "min": -2.0, "max": 2.0, "step": 0.01}
        optional: dict[str, inputs.Input] = {
            "people": ("STRING", {"default": "", "tooltip": "Who stays, as in 1, 3; empty: everybody"}),
            "body": _yes("Keep bodies"),
            "hands": _yes("Keep hands"),
            "face": _yes("Keep faces"),
            "mirror": ("BOOLEAN", {"default": False, "tooltip": "Exchange left and right"}),
            "scale": ("FLOAT", {"default": 1.0, "min": 0.05, "max": 20.0, "step": 0.01, "tooltip": "About the middle"}),
            "right": ("FLOAT", {**share, "tooltip": "Move to the right, in widths of the picture"}),
            "down": ("FLOAT", {**share, "tooltip": "Move down, in heights of the picture"}),
        }
        return {"required": {"poses": POSES}, "optional": optional}

    def edit(
        self,
        poses: Any,
        people: str = "",
        body: bool = True,
        hands: bool = True,
        face: bool = True,
        mirror: bool = False,
        scale: float = 1.0,
        right: float = 0.0,
        down: float = 0.0,
    ) -> tuple[list[dict[str, Any]]]:
        """Change every pose of the batch in the same way."""
        from ..core.poses.edit import chosen, mirrored, moved, parts

        kept = [parts(chosen(pose, people), body=body, hands=hands, face=face) for pose in poses_of(poses)]
        turned = [mirrored(pose) if mirror else pose for pose in kept]
        return (keypoints(moved(pose, scale=scale, right=right, down=down) for pose in turned),)


class SavePoses:
    """Writes poses as OpenPose JSON, one file for the batch."""

    TITLE = f"Save poses ({PREFIX})"
    CATEGORY = f"{PREFIX}/Poses"
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ()
    FUNCTION, OUTPUT_NODE = "save", True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Poses and the start of the file name."""
        prefix = ("STRING", {"default": "poses", "tooltip": "Start of the file name, below the output folder"})
        return {"required": {"poses": POSES, "filename_prefix": prefix}}

    def save(self, poses: Any, filename_prefix: str) -> dict[str, Any]:
        """Write the file and say where."""
        from ..core.files import atomic_write

        path, entry = next(host.new_files(filename_prefix, ".json", 1))
        atomic_write(path, json_of(poses).encode())
        return {"ui": {"text": [f"{entry['subfolder']}/{path.name}".lstrip("/")]}}


class LoadPoses:
    """Reads OpenPose JSON of any origin from the input folder."""

    TITLE = f"Load poses ({PREFIX})"
    CATEGORY = f"{PREFIX}/Poses"
    RETURN_TYPES, RETURN_NAMES, FUNCTION = ("POSE_KEYPOINT",), ("poses",), "load"

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Name of the file."""
        text = "File below the input folder; write [output] behind the name for the output folder"
        return {"required": {"file": ("STRING", {"default": "poses.json", "tooltip": text})}}

    @classmethod
    def IS_CHANGED(cls, file: str | None = None) -> str:
        """Change with the file."""
        path = None if file is None else _inside(file)
        return f"{path.stat().st_mtime_ns}" if path is not None and path.is_file() else ""

    def load(self, file: str) -> tuple[list[dict[str, Any]]]:
        """Read the poses; raises BadImage when the file is not there or holds something else."""
        from ..core.poses.files import read_poses

        path = _inside(file)
        if path is None or not path.is_file():
            raise BadImage("no such file of poses", where=file, fix="put the file into the input folder")
        return (keypoints(read_poses(path).poses),)


def _inside(name: str) -> Path | None:
    """Path of a file below ComfyUI's own folders; None for one that is elsewhere."""
    folders = host.paths()
    path = Path(folders.get_annotated_filepath(name)).resolve()
    own = (folders.get_input_directory(), folders.get_output_directory(), folders.get_temp_directory())
    return path if any(path.is_relative_to(Path(folder).resolve()) for folder in own) else None


def nodes() -> dict[str, type]:
    """Class name → node."""
    every = {"PosesDraw": RenderPoses, "PosesEdit": EditPoses, "PosesSave": SavePoses, "PosesLoad": LoadPoses}
    return {PREFIX + name: node for name, node in every.items()}
