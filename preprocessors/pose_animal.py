"""Poses of animals from RTMPose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from ..core.annotator import Alias, Annotator, ControlMap, Kind, Request, Spec
from ..core.aux_inputs import RESOLUTION, Widget
from ..core.params import Params, about, between
from .people.runtimes import RUNTIME_HELP, Runtime, check_packages
from .weights.rtmpose_files import AP10K, AP10K_BY_COMFYUI, AP10K_CROP, AP10K_TORCH, ap10k
from .weights.yolo_files import BY_COMFYUI, DETECTOR_HELP, EVERY, Detector, comfyui_choice, detector_file

if TYPE_CHECKING:
    from ..core.poses.model import Pose
    from ..core.weights.record import Weight
    from .people.yolo import Image

BEASTS = tuple(range(14, 24))
"""COCO's classes of animals: bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe."""
WIDGETS = (
    comfyui_choice("bbox_detector", "yolox_l.torchscript.pt", "detector", BY_COMFYUI),
    Widget(name="pose_estimator", default=AP10K_BY_COMFYUI[0], choices=AP10K_BY_COMFYUI),
    RESOLUTION,
)


class AnimalParams(Params, frozen=True):
    """What to look for, and with what."""

    detector: Annotated[Detector, about(DETECTOR_HELP)] = "yolox_l"
    min_confidence: Annotated[float, between(0.05, 1, "How sure an animal must be", step=0.05)] = 0.3
    min_point: Annotated[
        float, between(0, 1, "How sure a point must be; 0 draws all, as the ControlNet was taught", step=0.05)
    ] = 0
    max_animals: Annotated[int, between(1, 100, "At most so many animals, surest first")] = 50
    parity: Annotated[
        bool, about("As A1111 and ComfyUI: yolox gets swapped colours, what looks like two species is drawn twice")
    ] = False
    runtime: Annotated[Runtime, about(RUNTIME_HELP)] = "auto"


class PoseAnimal(Annotator[AnimalParams]):
    """Animals as coloured lines: 17 points each, in the colours of ControlNet AnimalPose.

    YOLOX finds birds, cats, dogs, horses, sheep, cows, elephants, bears, zebras and giraffes, RTMPose their points, as
    taught on AP-10K. Where the package onnxruntime is installed it runs their ONNX files, elsewhere torch runs those
    made for it; `runtime` decides otherwise. The number format and the OpenVINO backend can be chosen with torch only.
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
        weights=(*EVERY, AP10K, AP10K_TORCH),
        requires=("cv2", "torch"),
        input_size="original",
        smooth=False,
    )

    @classmethod
    def weights_for(cls, params: AnimalParams) -> tuple[Weight, ...]:
        """Return the chosen files. Raises BadParameter for one that the runtime cannot run."""
        detector, estimator = _files(params)
        return (estimator,) if detector is None else (detector, estimator)

    def load(self, params: AnimalParams) -> None:
        """Look for packages first, then for the files. Raises MissingExtra, and as `Annotator.load`."""
        check_packages(self.weights_for(params))
        super().load(params)

    def run(self, request: Request[AnimalParams]) -> ControlMap:
        """Maps and one Pose per picture, both at the map's size."""
        from .people.posed import black, drawn, run_elsewhere, sized

        p = request.params
        poses = tuple(sized(self._found(image, p), request.size) for image in request.images)
        elsewhere = run_elsewhere(self.weights_for(p), self.placement)
        notes = (*black("no animal was found", [pose.animals for pose in poses]), *elsewhere)
        return ControlMap(drawn(poses), poses=poses, notes=notes)

    def _found(self, image: Image, p: AnimalParams) -> Pose:
        from ..core.poses.model import Point, Pose
        from .people import figures, rtmpose

        (height, width), (detector, estimator) = image.shape[:2], _files(p)
        boxes = figures.detected(image, detector, self.placement, BEASTS, sure=p.min_confidence, parity=p.parity)
        if not len(boxes):
            return Pose((), width, height)
        found = rtmpose.points(image, boxes[: p.max_animals], estimator, self.placement, AP10K_CROP)
        animals = (
            tuple(Point(x, y, min(sure, 1.0)) if sure > 0 and sure >= p.min_point else None for x, y, sure in rows)
            for rows in found.tolist()
        )
        return Pose((), width, height, tuple(animal for animal in animals if any(animal)))


def _files(p: AnimalParams) -> tuple[Weight | None, Weight]:
    where = PoseAnimal.spec.id
    return detector_file(p.detector, p.runtime, where), ap10k(p.runtime, where)
