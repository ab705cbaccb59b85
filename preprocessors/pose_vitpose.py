"""Poses of people from RT-DETR and ViTPose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params, about, between
from ..core.poses.names import LIMB_SCALING_HELP, LimbScaling
from .weights.rtdetr_files import RTDETR
from .weights.transformer_controls import list_controls
from .weights.vitpose_files import VITPOSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.images.types import Images
    from ..core.poses.model import Pose
    from .people.vitpose import Image


class VitposeParams(Params, frozen=True):
    """What to look for, and how to draw it."""

    old_names: ClassVar[dict[str, str]] = {"min_point": "min_keypoint_confidence"}

    min_confidence: Annotated[float, between(0.05, 1, "Minimum detection confidence", step=0.05)] = 0.3
    min_keypoint_confidence: Annotated[float, between(0, 1, "Minimum keypoint confidence", step=0.05)] = 0.3
    max_people: Annotated[int, between(1, 100, "Maximum number of people, by confidence")] = 50
    sticks: Annotated[LimbScaling, about(f"Limb width scaling. {LIMB_SCALING_HELP}")] = "plain"


class PoseVitpose(Annotator[VitposeParams]):
    """People as coloured sticks, found by RT-DETR and ViTPose; no hands, no faces.

    The weights may be used commercially. The picture is searched at its own size and drawn at the map's. Where nobody
    is found the map is black, and a note says so.
    """

    spec = Spec(
        id="pose_vitpose",
        title="Pose (ViTPose)",
        kind=Kind.POSE,
        version=2,
        licence="Apache-2.0",
        commercial=True,
        source="Xu et al. 2022, arXiv:2204.12484; Zhao et al. 2023, arXiv:2304.08069; transformers",
        consumers=(
            "control_v11p_sd15_openpose",
            "thibaud/controlnet-openpose-sdxl-1.0",
            "xinsir/controlnet-openpose-sdxl-1.0",
            "SDXL union, type 0",
            *list_controls("pose"),
        ),
        weights=(RTDETR, VITPOSE),
        requires=("cv2", "torch", "transformers.models.rt_detr", "transformers.models.vitpose"),
        input_size="original",
        smooth=False,
    )

    def run(self, request: Request[VitposeParams]) -> ControlMap:
        """Maps and one Pose per picture, both at the map's size."""
        from ..core.poses.model import scale_pose
        from .people.pose_maps import empty_map_notes

        p = request.params
        poses = tuple(scale_pose(self._find_people(image, p), request.size) for image in request.images)
        notes = empty_map_notes("nobody was found", [pose.people for pose in poses])
        return ControlMap(self.draw_poses(poses, p), poses=poses, notes=notes)

    def draw_poses(self, poses: Sequence[Pose], params: VitposeParams) -> Images:
        """Maps of poses, as `core.video.redrawing.PoseDrawing`."""
        from .people.pose_maps import draw_poses

        return draw_poses(poses, sticks=params.sticks)

    def _find_people(self, image: Image, p: VitposeParams) -> Pose:
        from ..core.poses.model import Pose
        from .people import rtdetr, vitpose
        from .people.coco_keypoints import people_from_keypoints

        boxes = rtdetr.detect_boxes(image, self.placement, (rtdetr.PERSON,), min_confidence=p.min_confidence)
        keypoints = vitpose.estimate_keypoints(image, boxes[: p.max_people], self.placement)
        people = people_from_keypoints(keypoints, p.min_keypoint_confidence, hands=False, face=False)
        return Pose(people, image.shape[1], image.shape[0])
