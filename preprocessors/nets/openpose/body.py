"""Bodies in pictures. Needs numpy, OpenCV and torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from ....core.images.geometry import Size
from ....core.networks.batching import run_in_chunks
from ....core.networks.cache import load_network
from ...weights import openpose_files
from .assembly import assemble
from .limbs import find_limbs
from .network import PARTS, build_body
from .peaks import find_peaks
from .resampling import InputPlan, build_axes, plan_input

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ....core.images.types import Images
    from ....core.networks.placement import Placement

    F32 = NDArray[np.float32]

GREY = 128
"""What pads a picture on the right and below."""


class Joint(NamedTuple):
    """Pixel of the picture, and heat there, which may be a little beyond 0..1."""

    x: int
    y: int
    score: float


Joints = tuple["Joint | None", ...]
"""One person's 18 joints in OpenPose's order."""


def find_bodies(images: Images, placement: Placement) -> list[list[Joints]]:
    """People of each picture uint8 [B, H, W, 3] RGB."""
    plan = plan_input(Size(*images.shape[1:3]))
    seen = np.stack([prepare_input(image, plan) for image in images])
    maps = run_in_chunks(load_network(openpose_files.BODY, build_body, placement), seen, placement)
    return [decode_bodies(one, plan) for one in maps]


def prepare_input(image: NDArray[np.uint8], plan: InputPlan) -> NDArray[np.uint8]:
    """What the network sees of an RGB picture: BGR, 184 pixels high, padded with grey to multiples of 8."""
    shrinks = plan.content.height < plan.picture.height
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LANCZOS4
    canvas = np.full((*plan.padded, 3), GREY, np.uint8)
    small = cv2.resize(np.ascontiguousarray(image[..., ::-1]), plan.content[::-1], interpolation=method)
    canvas[: plan.content.height, : plan.content.width] = small
    return canvas


def decode_bodies(maps: F32, plan: InputPlan) -> list[Joints]:
    """People in the network's maps [57, cells, cells]."""
    sides = build_axes(plan)
    peaks = find_peaks(maps[:PARTS], plan, sides)
    limbs = find_limbs(maps[PARTS:], peaks, sides)
    return [
        tuple(
            None if at < 0 else Joint(int(peak.x[at]), int(peak.y[at]), float(peak.score[at]))
            for at, peak in zip(person, peaks, strict=True)
        )
        for person in assemble(limbs, peaks)
    ]
