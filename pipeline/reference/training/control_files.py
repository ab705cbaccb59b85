"""Control-LoRAs as they are written, and read back into training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ....checkpoints.layouts.unet import name_control_key
from ...training.controls.files import MARK
from .starting import copy_weights

if TYPE_CHECKING:
    from torch import Tensor

    from ...training.controls.low_rank import LowRankControl

STRENGTHS = {"depth": 1.3, "inpaint": 1.2}
"""What the outputs of Control-LoRAs are multiplied by, where short training leaves them too weak: of 1, 1.15 and 1.3
the one with the smallest error on the first 48 judged scenes; for inpainting of 1, 1.1 and 1.2 on the first 24."""
OUTPUTS = ("zero_convs.", "middle_block_out.")


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


def strengthen(tensors: dict[str, Tensor], factor: float) -> dict[str, Tensor]:
    """A Control-LoRA whose outputs are multiplied by a factor; as if it were used with that weight."""
    return {name: value * factor if name.startswith(OUTPUTS) else value for name, value in tensors.items()}
