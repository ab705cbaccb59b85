"""Poses of people from DWPose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, switch
from ..core.params import Params, about, between
from ..core.poses.names import LIMB_SCALING_HELP, LimbScaling
from .weights.inference_backend import INFERENCE_BACKEND_HELP, InferenceBackend, check_packages
from .weights.rtmpose_files import (
    BY_COMFYUI,
    CROPS,
    ESTIMATOR_HELP,
    WHOLE_BODY,
    WHOLE_BODY_TORCH,
    Estimator,
    choose_estimator,
)
from .weights.transformer_controls import list_controls
from .weights.yolo_files import ALL_DETECTORS, DETECTOR_HELP, Detector, choose_detector, comfyui_choice
from .weights.yolo_files import BY_COMFYUI as DETECTORS_BY_COMFYUI

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.images.types import Images
    from ..core.poses.model import Pose
    from ..core.weights.record import Weight
    from .people.yolo import Image

PERSON = (0,)
"""COCO's class of people."""
WIDGETS = (
    switch("detect_hand", "enable", "hands"),
    switch("detect_body", "enable", "body"),
    switch("detect_face", "enable", "face"),
    RESOLUTION,
    comfyui_choice("bbox_detector", "yolox_l.onnx", "detector", DETECTORS_BY_COMFYUI),
    comfyui_choice("pose_estimator", "dw-ll_ucoco_384_bs5.torchscript.pt", "estimator", BY_COMFYUI),
    comfyui_choice("scale_stick_for_xinsr_cn", "disable", "sticks", {"disable": "plain", "enable": "comfyui"}),
)


class DwposeParams(Params, frozen=True):
    """What to look for, with what, and how to draw it."""

    old_names: ClassVar[dict[str, str]] = {
        "min_point": "min_keypoint_confidence",
        "parity": "reference_compat",
        "runtime": "inference_backend",
    }

    body: Annotated[bool, about("Draw bodies")] = True
    hands: Annotated[bool, about("Draw hands")] = True
    face: Annotated[bool, about("Draw faces")] = True
    detector: Annotated[Detector, about(DETECTOR_HELP)] = "yolox_l"
    estimator: Annotated[Estimator, about(ESTIMATOR_HELP)] = "dw-ll_ucoco_384"
    min_confidence: Annotated[float, between(0.05, 1, "Minimum detection confidence", step=0.05)] = 0.3
    min_keypoint_confidence: Annotated[float, between(0, 1, "Minimum keypoint confidence", step=0.05)] = 0.3
    max_people: Annotated[int, between(1, 100, "Maximum number of people, by confidence")] = 50
    whole_picture: Annotated[bool, about("Where nobody is detected, use the whole picture as one bounding box")] = False
    sticks: Annotated[LimbScaling, about(f"Limb width scaling. {LIMB_SCALING_HELP}")] = "plain"
    reference_compat: Annotated[bool, about("As A1111 and ComfyUI: yolox gets RGB, although it was trained on BGR")] = (
        False
    )
    inference_backend: Annotated[InferenceBackend, about(INFERENCE_BACKEND_HELP)] = "auto"


class PoseDwpose(Annotator[DwposeParams]):
    """People as coloured sticks with hands and faces, found by DWPose.

    YOLOX finds people, a network of 133 points finds their joints, fingers and faces. Where the package onnxruntime is
    installed it runs their ONNX files, elsewhere torch runs those made for it; `inference_backend` chooses otherwise.
    dtype and the OpenVINO backend apply to torch only. `yolo_nas` and `dw-ll_ucoco` need onnxruntime,
    `rtdetr` needs transformers and has no OpenVINO. The files may be used commercially; the data that the second was
    trained with (COCO-WholeBody) was published for research. The picture is searched at its own size and drawn at the
    map's. TorchScript files, which ComfyUI also offers, are programs and are refused; another file of the same network
    runs in their place. Where nobody is found the map is black, and a note says so.
    """

    spec = Spec(
        id="pose_dwpose",
        title="Pose (DWPose)",
        kind=Kind.POSE,
        version=2,
        licence="Apache-2.0 (yolo_nas: non-commercial)",
        commercial=True,
        source="Yang et al. 2023, arXiv:2307.15880; https://github.com/IDEA-Research/DWPose",
        aliases=(
            Alias("dw_openpose_full", "a1111"),
            Alias("DWPreprocessor", "comfyui", {}, "DWPose Estimator", WIDGETS),
            Alias("dwpose", "controlnet_aux", {"whole_picture": True}),
            Alias("DWposeDetector", "controlnet_aux", {"whole_picture": True}),
        ),
        consumers=(
            "control_v11p_sd15_openpose",
            "thibaud/controlnet-openpose-sdxl-1.0",
            "xinsir/controlnet-openpose-sdxl-1.0",
            "SDXL union, type 0",
            *list_controls("pose"),
        ),
        weights=(*ALL_DETECTORS, *WHOLE_BODY.values(), *WHOLE_BODY_TORCH.values()),
        requires=("cv2", "torch"),
        input_size="original",
        smooth=False,
    )

    @classmethod
    def weights_for(cls, params: DwposeParams) -> tuple[Weight, ...]:
        """Return the chosen files. Raises BadParameter for one that the inference backend cannot run."""
        detector, estimator = _files(params)
        return (estimator,) if detector is None else (detector, estimator)

    def load(self, params: DwposeParams) -> None:
        """Look for packages first, then for the files. Raises MissingExtra, and as `Annotator.load`."""
        check_packages(self.weights_for(params))
        super().load(params)

    def run(self, request: Request[DwposeParams]) -> ControlMap:
        """Maps and one Pose per picture, both at the map's size."""
        from ..core.poses.model import scale_pose
        from .people.pose_maps import device_fallback_notes, empty_map_notes

        p = request.params
        poses = tuple(scale_pose(self._find_people(image, p), request.size) for image in request.images)
        notes = empty_map_notes("nobody was found", [pose.people for pose in poses])
        notes += device_fallback_notes(self.weights_for(p), self.placement)
        return ControlMap(self.draw_poses(poses, p), poses=poses, notes=notes)

    def draw_poses(self, poses: Sequence[Pose], params: DwposeParams) -> Images:
        """Maps of poses, as `core.video.redrawing.PoseDrawing`."""
        from .people.pose_maps import draw_poses

        p = params
        return draw_poses(poses, body=p.body, hands=p.hands, face=p.face, sticks=p.sticks)

    def _find_people(self, image: Image, p: DwposeParams) -> Pose:
        from ..core.poses.model import Pose
        from .people import rtmpose
        from .people.coco_keypoints import people_from_keypoints
        from .people.detection import detect_boxes, whole_image

        detector, estimator = _files(p)
        boxes = detect_boxes(
            image,
            detector,
            self.placement,
            PERSON,
            min_confidence=p.min_confidence,
            reference_compat=p.reference_compat,
        )
        if not len(boxes) and p.whole_picture:
            boxes = whole_image(image)
        height, width = image.shape[:2]
        if not len(boxes):
            return Pose((), width, height)
        crop = CROPS[p.estimator]
        keypoints = rtmpose.estimate_keypoints(image, boxes[: p.max_people], estimator, self.placement, crop)
        people = people_from_keypoints(keypoints, p.min_keypoint_confidence, body=p.body, hands=p.hands, face=p.face)
        return Pose(people, width, height)


def _files(p: DwposeParams) -> tuple[Weight | None, Weight]:
    where = PoseDwpose.spec.id
    return choose_detector(p.detector, p.inference_backend, where), choose_estimator(
        p.estimator, p.inference_backend, where
    )
