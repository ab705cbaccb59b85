"""Inputs of the golden outputs: exact pieces of the bundled photographs, so that nothing hangs on a resampler."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PHOTOS = Path(__file__).resolve().parents[3] / "examples" / "photos"
LOW = {"pose_detection": -1, "face_detection_short_range": -1}
"""Value of black where it is not 0."""


def photo(name: str) -> NDArray[np.uint8]:
    """RGB [H, W, 3] of a bundled photograph."""
    read = cv2.imread(str(PHOTOS / f"{name}.png"), cv2.IMREAD_COLOR)
    assert read is not None
    return np.ascontiguousarray(read[..., ::-1]).astype(np.uint8)


def crops() -> dict[str, NDArray[np.uint8]]:
    """Uint8 [B, H, W, 3] for each network."""
    woman, man = photo("astronaut"), photo("camera")
    half = [woman[::2, ::2], man[::2, ::2]]
    head = woman[60:252, 130:322]
    pieces = {
        "pose_detection": [each[:224, 16:240] for each in half],
        "pose_landmark_full": half,
        "palm_detection_full": [man[100:292, 200:392], head],
        "hand_landmark_full": [np.kron(man[150:206, 280:336], np.ones((4, 4, 1), np.uint8)), woman[60:284, 130:354]],
        "face_detection_short_range": [woman[60:188, 160:288], man[100:228, 170:298]],
        "face_landmark": [head, man[80:272, 140:332]],
        "iris_landmark": [woman[81:145, 171:235]],
        "selfie_segmentation": half,
    }
    return {name: np.ascontiguousarray(np.stack(each)) for name, each in pieces.items()}


def sample(name: str, value: NDArray[np.float32]) -> NDArray[np.float32]:
    """Part of an output that is kept; pictures are channels first."""
    if name == "heatmap":
        return value[:, ::4, ::8, ::8]
    if name == "mask":
        return value[:, :, ::8, ::8]
    return value[:, ::16] if name == "boxes" else value
