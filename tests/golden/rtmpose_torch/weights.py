"""Random weights by which the networks of people's and animals' points and YOLOX-L neither die nor saturate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support import random_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

GAIN = {"whole_body": 1.0, "animal": 1.02, "yolox": 0.86}
STEM = "backbone.backbone.stem.conv.conv.weight"


def random(name: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Table under these keys: factors of norms and shortcuts near 1, the picture's 0..255 made small."""
    made = random_weights.tensors(shapes, gain=GAIN[name])
    for key in shapes:
        if key.endswith((".g", ".scale")):
            made[key] += 1
        elif key == STEM:
            made[key] /= 128
        elif key.endswith("uv.weight"):
            made[key] *= 2
        elif "preds" in key:
            made[key] *= 4
    return made
