"""Control-LoRAs as files, in the layout of Stability AI's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ....checkpoints.layouts.unet import name_control_key
from .starting import copy_weights

if TYPE_CHECKING:
    from torch import Tensor

    from ...training.controls.low_rank import LowRankControl

MARK = "lora_controlnet"
"""Key by which loaders know such a file."""


def build_control_lora(low: LowRankControl, names: frozenset[str]) -> dict[str, Tensor]:
    """A Control-LoRA in Stability's layout, with the mark by which it is known. names: modules of the UNet."""
    tensors = {MARK: torch.tensor([])}
    for key, value in low.direct.items():
        tensors[name_control_key(key.replace("-", "."), names)] = value
    for key, up in low.up.items():
        name = name_control_key(key.replace("-", "."), names).removesuffix(".weight")
        tensors[f"{name}.up"], tensors[f"{name}.down"] = up, low.down[key]
    return {name: value.detach().half().contiguous() for name, value in tensors.items()}


def load_control_lora(low: LowRankControl, tensors: dict[str, Tensor], names: frozenset[str], *, where: str) -> None:
    """The inverse. Raises BadWeights when a weight is missing or too many."""
    own: dict[str, str] = {}
    for key in low.direct:
        own[name_control_key(key.replace("-", "."), names)] = f"direct.{key}"
    for key in low.up:
        name = name_control_key(key.replace("-", "."), names).removesuffix(".weight")
        own |= {f"{name}.up": f"up.{key}", f"{name}.down": f"down.{key}"}
    found = {own.get(name, name): value for name, value in tensors.items() if name != MARK}
    copy_weights(low, found, where=where)
