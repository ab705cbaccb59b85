"""Control-LoRAs read back into training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....checkpoints.layouts.unet import name_control_key
from ...training.controls.files import MARK
from .starting import copy_weights

if TYPE_CHECKING:
    from torch import Tensor

    from ...training.controls.low_rank import LowRankControl


def load_control_lora(low: LowRankControl, tensors: dict[str, Tensor], names: frozenset[str], *, where: str) -> None:
    """The inverse of build_control_lora. Raises BadWeights when a weight is missing or too many."""
    own: dict[str, str] = {}
    for key in low.direct:
        own[name_control_key(key.replace("-", "."), names)] = f"direct.{key}"
    for key in low.up:
        name = name_control_key(key.replace("-", "."), names).removesuffix(".weight")
        own |= {f"{name}.up": f"up.{key}", f"{name}.down": f"down.{key}"}
    found = {own.get(name, name): value for name, value in tensors.items() if name != MARK}
    copy_weights(low, found, where=where)
