"""Poses of people from MediaPipe's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Annotator, ControlMap, Kind, Request, Spec
from ..core.params import Params, about, between
from ..core.poses.names import LIMB_SCALING_HELP, LimbScaling
from .weights import mediapipe_files
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.images.types import Images
    from ..core.poses.model import Pose
    from ..core.weights.record import Weight

BODY = (mediapipe_files.POSE_DETECTION, mediapipe_files.POSE_LANDMARK_FULL)
HANDS = (mediapipe_files.PALM_DETECTION_FULL, mediapipe_files.HAND_LANDMARK_FULL)
FACE = (mediapipe_files.FACE_DETECTION_SHORT_RANGE, mediapipe_files.FACE_LANDMARK, mediapipe_files.IRIS_LANDMARK)


class PoseParams(Params, frozen=True):
    """What to look for, and how to draw it."""

    old_names: ClassVar[dict[str, str]] = {"search": "search_levels"}

    body: Annotated[bool, about("Draw bodies")] = True
    hands: Annotated[bool, about("Find and draw hands")] = True
    face: Annotated[bool, about("Find and draw faces")] = True
    max_people: Annotated[int, between(1, 100, "Maximum number of people, by confidence")] = 10
    min_confidence: Annotated[float, between(0.1, 1, "Minimum detection confidence", step=0.05)] = 0.6
    search_levels: Annotated[int, between(1, 4, "1 searches the whole picture, higher also ever smaller tiles")] = 3
    sticks: Annotated[LimbScaling, about(f"Limb width scaling. {LIMB_SCALING_HELP}")] = "plain"
    min_keypoint_confidence: Annotated[float, between(0, 1, "Minimum keypoint confidence", step=0.05)] = 0.5


class PoseMediapipe(Annotator[PoseParams]):
    """People as coloured sticks with hands and faces, in the colours and order of OpenPose.

    All networks come with the package and may be used commercially. Several people are found; small ones need
    `search_levels` of 2 or more, which takes longer. A hand or face that belongs to no body is drawn by itself. Of
    people whom the picture's border cuts off, the network sometimes invents legs; a `min_keypoint_confidence` of 0.8
    leaves most of them out. The picture is searched at its own size and drawn at the map's. Where nobody is found the
    map is black, and a note says so.
    """

    spec = Spec(
        id="pose_mediapipe",
        title="Pose (MediaPipe)",
        kind=Kind.POSE,
        version=3,
        licence="Apache-2.0",
        commercial=True,
        source="https://github.com/google-ai-edge/mediapipe (BlazePose, MediaPipe Hands, Face Mesh)",
        consumers=(
            "control_v11p_sd15_openpose",
            "thibaud/controlnet-openpose-sdxl-1.0",
            "xinsir/controlnet-openpose-sdxl-1.0",
            "SDXL union, type 0",
            *list_controls("pose"),
        ),
        weights=(*BODY, *HANDS, *FACE),
        requires=("cv2", "torch"),
        input_size="original",
        smooth=False,
    )

    @classmethod
    def weights_for(cls, params: PoseParams) -> tuple[Weight, ...]:
        """Bodies always, hands and faces when they are drawn."""
        return (*BODY, *(HANDS if params.hands else ()), *(FACE if params.face else ()))

    def run(self, request: Request[PoseParams]) -> ControlMap:
        """Maps and one Pose per picture, both at the map's size."""
        from ..core.poses.model import scale_pose
        from .nets.mediapipe.people import PeopleFinder, SearchOptions
        from .people.pose_maps import empty_map_notes

        p = request.params
        options = SearchOptions(
            p.body, p.hands, p.face, p.max_people, p.min_confidence, p.search_levels, p.min_keypoint_confidence
        )
        finder = PeopleFinder(self.placement, options)
        poses = tuple(scale_pose(finder(image), request.size) for image in request.images)
        notes = empty_map_notes("nobody was found", [pose.people for pose in poses])
        return ControlMap(self.draw_poses(poses, p), poses=poses, notes=notes)

    def draw_poses(self, poses: Sequence[Pose], params: PoseParams) -> Images:
        """Maps of poses, as `core.video.redrawing.PoseDrawing`."""
        from .people.pose_maps import draw_poses

        p = params
        return draw_poses(poses, body=p.body, hands=p.hands, face=p.face, sticks=p.sticks)
