"""Draw poses."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from ..operation import Inputs, Job, Operation, Picture, Report, Spec, slot, target
from ..params import Params, about, between
from ..poses.files import PoseFile
from ..poses.names import LIMB_SCALING_HELP, LimbScaling
from ._poses import ANIMALS, MODE, PEOPLE, POSES, SIZE, FitMode, Selection

if TYPE_CHECKING:
    from ..poses.model import Pose


class RenderInputs(Inputs, frozen=True):
    """Poses of files, or of one batch."""

    poses: Annotated[PoseFile, slot("poses", POSES, repeat="each")]
    output: Annotated[Path, target("pictures", "Folder for the maps", suffix="")]


class RenderParams(Params, frozen=True):
    """Who and what is drawn, how, and how large."""

    body: Annotated[bool, about("Draw bodies")] = True
    hands: Annotated[bool, about("Draw hands")] = True
    face: Annotated[bool, about("Draw faces")] = True
    sticks: Annotated[LimbScaling, about(f"Limb width scaling. {LIMB_SCALING_HELP}")] = "plain"
    resolution: Annotated[
        int, between(0, 1_000_000, "Shorter side of the map in pixels; 0: that of the poses", step=8)
    ] = 0
    animals: Annotated[bool, about(ANIMALS)] = True
    people: Annotated[str, about(PEOPLE)] = ""
    size: Annotated[str, about(SIZE)] = ""
    mode: Annotated[FitMode, about(MODE)] = "just"


class PoseRender(Operation[RenderInputs, RenderParams]):
    """Draw poses as the ControlNets were trained to see them.

    Read are OpenPose's 15, 18, 19 and 25 keypoints, COCO's 17 (MMPose, COCO results), AlphaPose, whole bodies,
    BlazePose, the editors' form, answers of an API around them, and coordinates in pixels, from 0 to 1 or from -1 to 1.
    Where no canvas is stated, size says it.

    Folders and globs are taken too. Maps are named after their files: NAME.png, or NAME_00001.png and so on where a
    file holds a list. A map holds its poses: editing NAME.png gets them back.
    """

    spec = Spec(
        id="pose.render",
        title="Draw poses",
        names={"comfyui": "UnderdrawingPosesDraw"},
        added=("animals", "people", "size", "mode"),
    )

    def run(self, inputs: RenderInputs, params: RenderParams, job: Job) -> Report:
        """Draw every pose. Raises BadImage for a canvas that is too large, BadParameter."""
        from ..poses.drawing import draw_pose
        from ..poses.files import build_map_info
        from ..poses.model import to_openpose

        selection = Selection.of(params)
        pictures: list[Picture] = []
        documents: list[dict[str, Any]] = []
        for number, pose in enumerate(inputs.poses.poses):
            fitted = selection.fit(selection.choose(pose), free=number in inputs.poses.free)
            final = _resize(fitted, params.resolution)
            ending = f"_{number + 1:05}" if inputs.poses.is_list else ""
            pixels = draw_pose(final, sticks=params.sticks)
            pictures.append(Picture(pixels, build_map_info(final, sticks=params.sticks), ending))
            documents.append(to_openpose(final))
        notes = selection.list_notes(inputs.poses) if pictures else ("holds no poses",)
        return Report(data=documents, pictures=tuple(pictures), notes=notes)


def _resize(pose: Pose, resolution: int) -> Pose:
    from ..images.geometry import Size, find_target_size
    from ..poses.model import scale_pose

    return scale_pose(pose, find_target_size(Size(pose.height, pose.width), resolution))
