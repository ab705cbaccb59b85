"""MediaPipe's own solutions, if the package is installed (below 1.0, which removed them), drawn as our maps are."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from peers import peer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from underdrawing.core.poses.drawing import draw_pose
from underdrawing.core.poses.model import Keypoint, Person, Pose
from underdrawing.preprocessors.nets.mediapipe.topology import BODY_SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Image = NDArray[np.uint8]
    Run = Callable[[Image], Image]

VISIBLE = 0.5
SHOULDERS = (11, 12)


def solutions() -> Any:
    """Import mediapipe's solutions. Raises ModuleNotFoundError with what to install."""
    try:
        import mediapipe  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("mediapipe is not installed: make parity installs it") from error
    if not hasattr(mediapipe, "solutions"):
        raise ModuleNotFoundError("this mediapipe has no solutions: pip install 'mediapipe<1'")
    return mediapipe.solutions


def face() -> tuple[Run, None]:
    """controlnet-aux's face mesh, which draws what MediaPipe finds."""
    solutions()
    annotation = peer.folder("mediapipe_face.mediapipe_face_common").generate_annotation
    return lambda image: annotation(image, 10, 0.5), None


def mask() -> tuple[Run, None]:
    """Probability of a person, as grey levels."""
    model = solutions().selfie_segmentation.SelfieSegmentation(model_selection=0)

    def call(image: Image) -> Image:
        chance = np.clip(model.process(image).segmentation_mask, 0, 1)
        return np.repeat(np.rint(chance * 255).astype(np.uint8)[..., None], 3, axis=-1)

    return call, None


def pose() -> tuple[Run, None]:
    """The one body that MediaPipe finds, drawn by us."""
    model = solutions().pose.Pose(static_image_mode=True, model_complexity=1, min_detection_confidence=0.6)

    def call(image: Image) -> Image:
        height, width = image.shape[:2]
        found = model.process(image).pose_landmarks
        people = () if found is None else (Person(_slots(found.landmark, width, height)),)
        return draw_pose(Pose(people, width, height))

    return call, None


def _slots(landmarks: Any, width: int, height: int) -> tuple[Keypoint | None, ...]:
    """OpenPose's 18 keypoints of BlazePose's 33."""
    left, right = (landmarks[number] for number in SHOULDERS)
    neck = None
    if min(left.visibility, right.visibility) >= VISIBLE:
        neck = Keypoint((left.x + right.x) / 2 * width, (left.y + right.y) / 2 * height, 1.0)
    return tuple(neck if number is None else _point(landmarks[number], width, height) for number in BODY_SLOTS)


def _point(landmark: Any, width: int, height: int) -> Keypoint | None:
    inside = 0 <= landmark.x < 1 and 0 <= landmark.y < 1
    return Keypoint(landmark.x * width, landmark.y * height, 1.0) if inside and landmark.visibility >= VISIBLE else None
