"""Poses of animals from RTMPose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget
from ..core.params import Params, about, between
from .weights.inference_backend import INFERENCE_BACKEND_HELP, InferenceBackend, check_packages
from .weights.rtmpose_files import AP10K, AP10K_BY_COMFYUI, AP10K_CROP, AP10K_TORCH, choose_animal_estimator
from .weights.yolo_files import ALL_DETECTORS, BY_COMFYUI, DETECTOR_HELP, Detector, choose_detector, comfyui_choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.images.types import Images
    from ..core.poses.model import Pose
    from ..core.weights.record import Weight
    from .people.yolo import Image

ANIMALS = tuple(range(14, 24))
"""COCO's classes of animals: bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe."""
WIDGETS = (
    comfyui_choice("bbox_detector", "yolox_l.torchscript.pt", "detector", BY_COMFYUI),
    Widget(name="pose_estimator", default=AP10K_BY_COMFYUI[0], choices=AP10K_BY_COMFYUI),
    RESOLUTION,
)


class AnimalParams(Params, frozen=True):
    """What to look for, and with what."""

    old_names: ClassVar[dict[str, str]] = {
        "min_point": "min_keypoint_confidence",
        "parity": "reference_compat",
        "runtime": "inference_backend",
    }

    detector: Annotated[Detector, about(DETECTOR_HELP)] = "yolox_l"
    min_confidence: Annotated[float, between(0.05, 1, "Minimum detection confidence", step=0.05)] = 0.3
    min_keypoint_confidence: Annotated[
        float, between(0, 1, "Minimum keypoint confidence; 0 draws all, as the ControlNet was trained with", step=0.05)
    ] = 0
    max_animals: Annotated[int, between(1, 100, "Maximum number of animals, by confidence")] = 50
    reference_compat: Annotated[
        bool, about("As A1111 and ComfyUI: yolox gets RGB, and an animal that looks like two species is drawn twice")
    ] = False
    inference_backend: Annotated[InferenceBackend, about(INFERENCE_BACKEND_HELP)] = "auto"


class PoseAnimal(Annotator[AnimalParams]):
    """Animals as coloured lines: 17 points each, in the colours of ControlNet AnimalPose.

    YOLOX finds birds, cats, dogs, horses, sheep, cows, elephants, bears, zebras and giraffes, RTMPose their points, as
    trained on AP-10K. Where the package onnxruntime is installed it runs their ONNX files, elsewhere torch runs those
    made for it; `inference_backend` chooses otherwise. dtype and the OpenVINO backend apply to torch only.
    `yolo_nas` needs onnxruntime, `rtdetr` needs transformers and has no OpenVINO. The picture is searched at its own
    size and drawn at the map's. Where no animal is found the map is black, and a note says so.
    """

    spec = Spec(
        id="pose_animal",
        title="Animal pose (RTMPose, AP-10K)",
        kind=Kind.POSE,
        licence="Apache-2.0 (yolo_nas: non-commercial)",
        commercial=True,
        source="Jiang et al. 2023, arXiv:2303.07399; Yu et al. 2021, arXiv:2108.12617; open-mmlab/mmpose",
        aliases=(
            Alias("animal_openpose", "a1111"),
            Alias("AnimalPosePreprocessor", "comfyui", {}, "AnimalPose Estimator (AP10K)", WIDGETS),
        ),
        consumers=("abehonest/ControlNet_AnimalPose (control_sd15_animal_openpose)",),
        weights=(*ALL_DETECTORS, AP10K, AP10K_TORCH),
        requires=("cv2", "torch"),
        input_size="original",
        smooth=False,
    )

    @classmethod
    def weights_for(cls, params: AnimalParams) -> tuple[Weight, ...]:
        """Return the chosen files. Raises BadParameter for one that the inference backend cannot run."""
        detector, estimator = _files(params)
        return (estimator,) if detector is None else (detector, estimator)

    def load(self, params: AnimalParams) -> None:
        """Look for packages first, then for the files. Raises MissingExtra, and as `Annotator.load`."""
        check_packages(self.weights_for(params))
        super().load(params)

    def run(self, request: Request[AnimalParams]) -> ControlMap:
        """Maps and one Pose per picture, both at the map's size."""
        from ..core.poses.model import scale_pose
        from .people.pose_maps import device_fallback_notes, empty_map_notes

        p = request.params
        poses = tuple(scale_pose(self._find_animals(image, p), request.size) for image in request.images)
        notes = empty_map_notes("no animal was found", [pose.animals for pose in poses])
        notes += device_fallback_notes(self.weights_for(p), self.placement)
        return ControlMap(self.draw_poses(poses, p), poses=poses, notes=notes)

    def draw_poses(self, poses: Sequence[Pose], params: AnimalParams) -> Images:
        """Maps of poses, as `core.video.redrawing.PoseDrawing`."""
        from .people.pose_maps import draw_poses

        return draw_poses(poses)

    def _find_animals(self, image: Image, p: AnimalParams) -> Pose:
        from ..core.poses.model import Keypoint, Pose
        from .people import rtmpose
        from .people.detection import detect_boxes

        (height, width), (detector, estimator) = image.shape[:2], _files(p)
        boxes = detect_boxes(
            image,
            detector,
            self.placement,
            ANIMALS,
            min_confidence=p.min_confidence,
            reference_compat=p.reference_compat,
        )
        if not len(boxes):
            return Pose((), width, height)
        keypoints = rtmpose.estimate_keypoints(image, boxes[: p.max_animals], estimator, self.placement, AP10K_CROP)
        animals = (
            tuple(Keypoint(x, y, min(c, 1.0)) if c > 0 and c >= p.min_keypoint_confidence else None for x, y, c in rows)
            for rows in keypoints.tolist()
        )
        return Pose((), width, height, tuple(animal for animal in animals if any(animal)))


def _files(p: AnimalParams) -> tuple[Weight | None, Weight]:
    where = PoseAnimal.spec.id
    return choose_detector(p.detector, p.inference_backend, where), choose_animal_estimator(p.inference_backend, where)
