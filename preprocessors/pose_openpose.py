"""Poses of people from OpenPose's networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget, switch
from ..core.params import Params, Value, about
from ..core.poses.names import LIMB_SCALING_HELP, LimbScaling
from .weights import openpose_files
from .weights.transformer_controls import list_controls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.images.types import Images
    from ..core.poses.model import Pose
    from ..core.weights.record import Weight

WIDGETS = (
    switch("detect_hand", "enable", "hands"),
    switch("detect_body", "enable", "body"),
    switch("detect_face", "enable", "face"),
    RESOLUTION,
    Widget(
        name="scale_stick_for_xinsr_cn",
        default="disable",
        choices=("disable", "enable"),
        means={"disable": {"sticks": "plain"}, "enable": {"sticks": "comfyui"}},
    ),
)


def _parts(*, body: bool = True, hands: bool = False, face: bool = False) -> dict[str, Value]:
    return {"body": body, "hands": hands, "face": face}


class OpenposeParams(Params, frozen=True):
    """What to look for, and how to draw it."""

    body: Annotated[bool, about("Draw bodies")] = True
    hands: Annotated[bool, about("Find and draw hands")] = True
    face: Annotated[bool, about("Find and draw faces")] = True
    sticks: Annotated[LimbScaling, about(f"Limb width scaling. {LIMB_SCALING_HELP}")] = "plain"
    crops: Annotated[
        Literal["picture", "map"],
        about("picture: hands and faces are looked for in the picture as it is; map: in the map's size, as hosts do"),
    ] = "picture"


class PoseOpenpose(Annotator[OpenposeParams]):
    """People as coloured sticks with hands and faces, from OpenPose's own networks.

    In float32 the people, joints and pixels are those of A1111, ComfyUI and controlnet_aux at the same size, hands and
    faces too with `crops` = map; in bfloat16 joints may lie a pixel or two aside. By default hands and faces are cut
    from the picture as it is, which shows more of small ones. Landmarks of a face keep their slots when some are
    missing. Only non-commercial use is allowed: `pose_mediapipe` may be used by everybody. A hand takes four runs of
    its network, so hands are slow on the CPU. The name `openpose_hand` means body and hands, as in A1111;
    controlnet_aux draws the hands alone under that name. Pictures more than 8 times wider than high are searched at a
    smaller scale. Where nobody is found the map is black, and a note says so.
    """

    spec = Spec(
        id="pose_openpose",
        title="Pose (OpenPose)",
        kind=Kind.POSE,
        licence=openpose_files.LICENCE,
        commercial=False,
        source="Cao et al. 2017, arXiv:1611.08050; Simon et al. 2017, arXiv:1704.07809; lllyasviel/ControlNet",
        aliases=(
            Alias("openpose", "a1111", _parts()),
            Alias("openpose_hand", "a1111", _parts(hands=True)),
            Alias("openpose_face", "a1111", _parts(face=True)),
            Alias("openpose_faceonly", "a1111", _parts(body=False, face=True)),
            Alias("openpose_full", "a1111", _parts(hands=True, face=True)),
            Alias("OpenposePreprocessor", "comfyui", _parts(hands=True, face=True), "OpenPose Pose", WIDGETS),
            Alias("openpose", "controlnet_aux", _parts()),
            Alias("openpose_hand", "controlnet_aux", _parts(hands=True)),
            Alias("openpose_face", "controlnet_aux", _parts(face=True)),
            Alias("openpose_faceonly", "controlnet_aux", _parts(body=False, face=True)),
            Alias("openpose_full", "controlnet_aux", _parts(hands=True, face=True)),
            Alias("OpenposeDetector", "controlnet_aux", _parts()),
        ),
        consumers=(
            "control_v11p_sd15_openpose",
            "control_sd15_openpose",
            "thibaud/controlnet-openpose-sdxl-1.0",
            "xinsir/controlnet-openpose-sdxl-1.0",
            "SDXL union, type 0",
            *list_controls("pose"),
        ),
        weights=(openpose_files.BODY, openpose_files.HAND, openpose_files.FACE),
        requires=("cv2", "torch"),
        input_size="original",
        smooth=False,
        bf16=True,
    )

    @classmethod
    def weights_for(cls, params: OpenposeParams) -> tuple[Weight, ...]:
        """Bodies always, hands and faces when they are drawn."""
        files = ((openpose_files.BODY, True), (openpose_files.HAND, params.hands), (openpose_files.FACE, params.face))
        return tuple(weight for weight, needed in files if needed)

    def run(self, request: Request[OpenposeParams]) -> ControlMap:
        """Maps and one Pose per picture, both at the map's size."""
        from .nets.openpose.people import SearchOptions, find_people
        from .people.pose_maps import empty_map_notes

        p = request.params
        options = SearchOptions(hands=p.hands, face=p.face, full_resolution=p.crops == "picture")
        poses = find_people(request.images, request.size, options, self.placement)
        notes = empty_map_notes("nobody was found", [pose.people for pose in poses])
        return ControlMap(self.draw_poses(poses, p), poses=poses, notes=notes)

    def draw_poses(self, poses: Sequence[Pose], params: OpenposeParams) -> Images:
        """Maps of poses, as `core.video.redrawing.PoseDrawing`."""
        from .people.pose_maps import draw_poses

        p = params
        return draw_poses(poses, body=p.body, hands=p.hands, face=p.face, sticks=p.sticks)
