"""Maps and notes of pose annotators, from their poses. Needs numpy and OpenCV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.networks.onnx import load_onnx_network
from ...core.poses.drawing import draw_pose
from ...core.tiling.notes import describe_pictures
from ..weights.inference_backend import is_onnx
from ..weights.rtmpose_files import AP10K, WHOLE_BODY, WHOLE_BODY_TORCH
from ..weights.yolo_files import YOLOX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...core.images.types import Images
    from ...core.networks.placement import Placement
    from ...core.poses.model import Pose
    from ...core.poses.names import LimbScaling
    from ...core.weights.record import Weight

ALSO_FOR_TORCH = (YOLOX, AP10K, *(WHOLE_BODY[name] for name in WHOLE_BODY_TORCH))
"""ONNX files of networks that are also published for torch."""


def draw_poses(
    poses: Iterable[Pose], *, body: bool = True, hands: bool = True, face: bool = True, sticks: LimbScaling = "plain"
) -> Images:
    """Maps of poses of one size, uint8 [B, H, W, 3]."""
    return np.stack([draw_pose(pose, body=body, hands=hands, face=face, sticks=sticks) for pose in poses])


def device_fallback_notes(weights: Iterable[Weight], placement: Placement) -> tuple[str, ...]:
    """Notes on ONNX files that run on another device than the one asked for, and on what would run there."""
    fallbacks = {weight: load_onnx_network(weight, placement).note for weight in weights if is_onnx(weight)}
    hint = "; or set inference_backend to torch"
    notes = (f"{note}{hint if weight in ALSO_FOR_TORCH else ''}" for weight, note in fallbacks.items() if note)
    return tuple(dict.fromkeys(notes))


def empty_map_notes(what: str, results: Sequence[Sequence[object]]) -> tuple[str, ...]:
    """Note on the pictures in which nothing was found; what: e.g. "nobody was found"."""
    empty = (index for index, result in enumerate(results) if not result)
    return describe_pictures(f"{what} in picture {{}}: the map is black", empty)
