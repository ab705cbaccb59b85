"""What moved between two frames: dense optical flow, and where a picture explains another. Needs numpy and OpenCV.

Flow is that of Kroeger et al. 2016 (arXiv:1603.03590) as OpenCV computes it, on grey pictures of a working size.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..images.types import Pixels

    Grey = NDArray[np.uint8]
    """uint8 [h, w] at the working size."""
    Flow = NDArray[np.float32]
    """float32 [h, w, 2]: how many pixels to the right and down each pixel of one frame lies in another."""

WORKING_SIDE = 256
"""Length of the shorter side at which frames are compared; smaller frames keep their size."""
STATIC_LEVELS, MOVED_LEVELS = 5, 14
"""Most that a pixel's brightness may change, of 255, to count as standing still, or as found again after moving."""
RETURN_PIXELS = 1.0
"""Most that flow there and back may be off, beside a twentieth of its length."""


def shrink_frame(pixels: Pixels) -> Grey:
    """Smoothed grey picture [h, w] of a frame at the working size."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    scale = min(1.0, WORKING_SIDE / min(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = grey if scale == 1 else cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 0.8), np.uint8)


def find_static(first: Grey, second: Grey) -> NDArray[np.bool_]:
    """Where two frames show the same, but for a change of the light on all of it, so that nothing moved there."""
    change = first.astype(np.int16) - second.astype(np.int16)
    return np.abs(change - np.median(change)) <= STATIC_LEVELS


def find_flow(target: Grey, source: Grey) -> Flow:
    """Where each pixel of target lies in source. Frames of fewer than 16 pixels a side count as unmoved."""
    if min(target.shape) < 16 or np.array_equal(target, source):
        return np.zeros((*target.shape, 2), np.float32)
    return np.asarray(_build_method().calc(target, source, None), np.float32)


@cache
def _build_method() -> Any:
    return cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)


def warp_back(plane: NDArray[Any], flow: Flow, *, nearest: bool = False) -> NDArray[Any]:
    """A plane [H, W] or [H, W, C] of source as target sees it; flow of any size. Beyond the border its edge goes on."""
    height, width = plane.shape[:2]
    if not flow.any():
        return plane
    if flow.shape[:2] != (height, width):
        factors = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
        flow = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR) * factors
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    how = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    return cv2.remap(plane, columns + flow[..., 0], rows + flow[..., 1], how, borderMode=cv2.BORDER_REPLICATE)


def match_frames(target: Grey, source: Grey, flows: tuple[Flow, Flow] | None = None) -> tuple[Flow, NDArray[np.bool_]]:
    """Flow from target to source, and where it can be trusted.

    There source, moved by the flow, shows what target shows, from within its borders, and the flow back leads to where
    it came from. flows: there and back, where they are known.
    """
    flow, back = flows or (find_flow(target, source), find_flow(source, target))
    height, width = target.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    if not flow.any():
        return flow, inside & _is_equal(target, source)
    way = flow + warp_back(back, flow)
    length = np.linalg.norm(flow, axis=-1)
    returns = np.linalg.norm(way, axis=-1) <= RETURN_PIXELS + 0.05 * length
    return flow, inside & returns & _is_equal(target, warp_back(source, flow))


def _is_equal(first: Grey, second: Grey) -> NDArray[np.bool_]:
    return np.abs(first.astype(np.int16) - second.astype(np.int16)) <= MOVED_LEVELS
