"""Probability of a person per pixel. Needs numpy, OpenCV, torch.

Source: MediaPipe's Selfie Segmentation, general model (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ...weights import mediapipe_files
from .inference import CropNetwork
from .regions import full_region

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ....core.images.geometry import Size
    from ....core.networks.placement import Placement


class PersonSegmenter:
    """Segments people; the picture is stretched to the network's square."""

    def __init__(self, placement: Placement) -> None:
        self.net = CropNetwork(mediapipe_files.SELFIE_SEGMENTATION, placement)

    def __call__(self, image: NDArray[np.uint8], size: Size) -> NDArray[np.float32]:
        """Probability [*size], 0 .. 1, of a picture [H, W, 3]."""
        small = self.net(image, [full_region(image)])["mask"][0, 0]
        large = cv2.resize(small, (size.width, size.height), interpolation=cv2.INTER_LINEAR)
        return np.clip(large, 0, 1).astype(np.float32)
