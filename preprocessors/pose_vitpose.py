"""Poses of people from RT-DETR and ViTPose."""

from __future__ import annotations

from typing import Annotated

from ..core.annotator import Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params, about, between
from ..core.poses.names import STICKS_HELP, Sticks
from .weights.vitpose_files import DETECTOR, ESTIMATOR


class VitposeParams(Params, frozen=True):
    """What to look for, and how to draw it."""

    min_confidence: Annotated[float, between(0.05, 1, "How sure a person must be", step=0.05)] = 0.3
    min_point: Annotated[float, between(0, 1, "How sure a point must be", step=0.05)] = 0.3
    max_people: Annotated[int, between(1, 100, "At most so many people, surest first")] = 50
    sticks: Annotated[Sticks, about(STICKS_HELP)] = "plain"


class PoseVitpose(Annotator[VitposeParams]):
    """People as coloured sticks, found by RT-DETR and ViTPose; no hands, no faces.

    The weights may be used commercially. The picture is searched at its own size and drawn at the map's. Where nobody
    is found the map is black, and a note says so.
    """

    spec = Spec(
        id="pose_vitpose",
        title="Pose (ViTPose)",
        kind=Kind.POSE,
        licence="Apache-2.0",
        commercial=True,
        source="Xu et al. 2022, arXiv:2204.12484; Zhao et al. 2023, arXiv:2304.08069; transformers",
        consumers=(
            "control_v11p_sd15_openpose",
            "thibaud/controlnet-openpose-sdxl-1.0",
            "xinsir/controlnet-openpose-sdxl-1.0",
            "SDXL union, type 0",
        ),
        weights=(DETECTOR, ESTIMATOR),
        requires=("cv2", "torch", "transformers"),
        input_size="original",
        smooth=False,
    )

    def run(self, request: Request[VitposeParams]) -> ControlMap:
        """Maps and one Pose per picture, both at the map's size."""
        from ..core.poses.model import Pose
        from .nets import vitpose
        from .people.coco_people import people
        from .people.posed import black, drawn, sized

        p, (height, width) = request.params, request.images.shape[1:3]
        poses: list[Pose] = []
        for image in request.images:
            found = vitpose.found(image, self.placement, sure=p.min_confidence, most=p.max_people)
            somebody = people(found, p.min_point, hands=False, face=False)
            poses.append(sized(Pose(somebody, width, height), request.size))
        notes = black("nobody was found", [pose.people for pose in poses])
        return ControlMap(drawn(poses, sticks=p.sticks), poses=tuple(poses), notes=notes)
