"""What every pose annotator does with its poses at the end. Imported lazily (needs numpy and OpenCV)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...core.networks.onnx import onnx_network
from ...core.poses.drawing import draw_pose
from ...core.poses.model import scaled as sized
from ..weights.rtmpose_files import AP10K, WHOLE_BODY, WHOLE_BODY_TORCH
from ..weights.yolo_files import YOLOX
from .runtimes import is_onnx

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ...core.images.types import Images
    from ...core.networks.placement import Placement
    from ...core.poses.model import Pose
    from ...core.poses.names import Sticks
    from ...core.weights.record import Weight

__all__ = ["black", "drawn", "run_elsewhere", "sized"]

WITH_TORCH = (YOLOX, AP10K, *(WHOLE_BODY[name] for name in WHOLE_BODY_TORCH))
"""ONNX files of networks that also come for torch."""


def drawn(
    poses: Iterable[Pose], *, body: bool = True, hands: bool = True, face: bool = True, sticks: Sticks = "plain"
) -> Images:
    """Maps of poses of one size, uint8 [B, H, W, 3]."""
    return np.stack([draw_pose(pose, body=body, hands=hands, face=face, sticks=sticks) for pose in poses])


def run_elsewhere(weights: Iterable[Weight], placement: Placement) -> tuple[str, ...]:
    """Notes on ONNX files that run on another device than was asked for, and on what would run there."""
    told = {weight: onnx_network(weight, placement).note for weight in weights if is_onnx(weight)}
    other = "; or set runtime to torch"
    notes = (f"{note}{other if weight in WITH_TORCH else ''}" for weight, note in told.items() if note)
    return tuple(dict.fromkeys(notes))


def black(what: str, found: Sequence[Sequence[object]]) -> tuple[str, ...]:
    """Note that says in which pictures nothing was found."""
    empty = ", ".join(str(number) for number, some in enumerate(found, start=1) if not some)
    return (f"{what} in picture {empty}: the map is black",) if empty else ()
