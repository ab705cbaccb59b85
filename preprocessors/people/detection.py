"""Bounding boxes of people and animals from whichever detector is chosen. Needs numpy and OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.networks.onnx import load_onnx_network
from ..weights.inference_backend import is_onnx
from ..weights.yolo_files import RTDETR, YOLOX
from . import yolo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]


def detect_boxes(
    image: Image,
    detector: Weight | None,
    placement: Placement,
    classes: Sequence[int],
    *,
    min_confidence: float = yolo.MIN_CONFIDENCE,
    reference_compat: bool = False,
) -> Array:
    """Boxes of these COCO classes in an image [H, W, 3] RGB: float32 [N, 4], left, top, right, bottom, by confidence.

    detector: its file; without one the whole image is the only box. YOLOX was trained on BGR and gets it.
    reference_compat: it gets RGB, and boxes suppress only those of their own class, as in A1111 and ComfyUI.
    """
    if detector is None:
        return whole_image(image)
    if detector == RTDETR:
        from . import rtdetr

        return rtdetr.detect_boxes(image, placement, classes, min_confidence=min_confidence)
    fitted = yolo.letterbox(image)
    if is_onnx(detector) and detector != YOLOX:
        outputs = load_onnx_network(detector, placement)(fitted.pixels)
        return yolo.decode_yolo_nas(outputs, fitted.scale, classes, min_confidence=min_confidence).corners
    pixels = fitted.pixels if reference_compat else np.ascontiguousarray(fitted.pixels[:, ::-1])
    output = _run_yolox(pixels, detector, placement)
    return yolo.decode_yolox(
        output, fitted.scale, classes, min_confidence=min_confidence, per_class=reference_compat
    ).corners


def _run_yolox(pixels: Image, detector: Weight, placement: Placement) -> Array:
    if is_onnx(detector):
        return load_onnx_network(detector, placement)(pixels)[0][0]
    from ..nets.yolox import load_yolox

    return load_yolox(detector, placement)(pixels)[0]


def whole_image(image: Image) -> Array:
    """The whole image as one box."""
    height, width = image.shape[:2]
    return np.array([[0, 0, width, height]], np.float32)
