"""Boxes of people and animals from whichever detector is chosen. Imported lazily (needs numpy and OpenCV)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.networks.onnx import onnx_network
from ..weights.yolo_files import RTDETR, YOLOX
from . import yolo
from .runtimes import is_onnx

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ...core.networks.placement import Placement
    from ...core.weights.record import Weight

    Array = NDArray[np.float32]
    Image = NDArray[np.uint8]


def detected(
    image: Image,
    detector: Weight | None,
    placement: Placement,
    classes: Sequence[int],
    *,
    sure: float = yolo.SURE,
    parity: bool = False,
) -> Array:
    """Boxes of these COCO classes in a picture [H, W, 3] RGB: float32 [N, 4], left, top, right, bottom, surest first.

    detector: its file; without one the whole picture is the only box. YOLOX was trained on BGR and gets it. parity: it
    gets RGB, and boxes suppress only those of their own class, as in A1111 and ComfyUI.
    """
    if detector is None:
        return whole(image)
    if detector == RTDETR:
        from ..nets.vitpose import figures

        return figures(image, placement, classes, sure=sure)
    seen = yolo.letterbox(image)
    if is_onnx(detector) and detector != YOLOX:
        outputs = onnx_network(detector, placement)(seen.pixels)
        return yolo.nas_boxes(outputs, seen.scale, classes, sure=sure).corners
    pixels = seen.pixels if parity else np.ascontiguousarray(seen.pixels[:, ::-1])
    output = _yolox(pixels, detector, placement)
    return yolo.yolox_boxes(output, seen.scale, classes, sure=sure, apart=parity).corners


def _yolox(pixels: Image, detector: Weight, placement: Placement) -> Array:
    if is_onnx(detector):
        return onnx_network(detector, placement)(pixels)[0][0]
    from ..nets.yolox import cells

    return cells(detector, placement)(pixels)[0]


def whole(image: Image) -> Array:
    """The whole picture as one box."""
    height, width = image.shape[:2]
    return np.array([[0, 0, width, height]], np.float32)
