"""Nodes for POSE_KEYPOINT: a list with one OpenPose document per picture, as the other packs pass it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.errors import BadImage
from ..core.file_names import check_typed_name
from ..core.poses.files import read_poses, to_documents
from ..core.poses.reading import parse_poses
from . import host, inputs
from .changes import WritingNode, files_state
from .inputs import PREFIX

if TYPE_CHECKING:
    from torch import Tensor

    from .tools import Inputs

POSES: inputs.Input = ("POSE_KEYPOINT", {})


def to_json(data: Any) -> str:
    """JSON of poses."""
    return json.dumps(data, indent=4)


def draw_poses(poses: Any, **values: bool) -> tuple[Tensor]:
    """Maps of a batch as an IMAGE. values: parameters of the operation that draws poses."""
    from ..core.operation import Job, run_alone
    from ..core.operations.pose_render import PoseRender
    from . import pictures

    file = parse_poses(poses)._replace(is_list=True)
    report = run_alone(PoseRender, {"poses": file, "output": Path()}, dict(values), Job(host.HOOKS))
    return (pictures.batch(report.pictures),)


class SavePoses(WritingNode):
    """Writes poses as OpenPose JSON, one file for the batch."""

    TITLE = f"Save poses ({PREFIX})"
    CATEGORY = f"{PREFIX}/Poses"
    INPUT_TYPES = inputs.fixed({"poses": POSES, "filename_prefix": inputs.prefix("poses")}, hidden=inputs.NODE_ID)

    def save(self, poses: Any, filename_prefix: str, unique_id: str = "") -> dict[str, Any]:
        """Write the file and say where."""
        (entry,) = self.write(filename_prefix, unique_id, ".json", [to_json(poses).encode()])
        return {"ui": {"text": [f"{entry['subfolder']}/{entry['filename']}".lstrip("/")]}}


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
    def IS_CHANGED(cls, file: str | None = None) -> str | float:
        """Change with the file."""
        return files_state(lambda: [] if file is None else filter(None, [_inside(file)]))

    def load(self, file: str) -> tuple[list[dict[str, Any]]]:
        """Read the poses; raises BadImage when the file is not there or holds something else."""
        path = _inside(file)
        if path is None or not path.is_file():
            raise BadImage("no such file of poses", where=file, fix="put the file into the input folder")
        poses = read_poses(path)
        for text in poses.notes:
            host.HOOKS.note(f"{file}: {text}")
        return (to_documents(poses.poses),)


def _inside(name: str) -> Path | None:
    """Path of a file below ComfyUI's own folders; None for one that is elsewhere. Links in them are the user's own.

    Raises BadParameter for a name that no file can have.
    """
    folders = host.paths()
    path = Path(os.path.normpath(Path(folders.get_annotated_filepath(check_typed_name(name, "file"))).absolute()))
    own = (folders.get_input_directory(), folders.get_output_directory(), folders.get_temp_directory())
    return path if any(path.is_relative_to(Path(folder).absolute()) for folder in own) else None


def nodes() -> dict[str, type]:
    """Class name → node."""
    every = {"PosesSave": SavePoses, "PosesLoad": LoadPoses}
    return {PREFIX + name: node for name, node in every.items()}
