"""A ControlNet as it begins: a copy of the UNet's first half that adds nothing yet.

The map reader starts otherwise than diffusers': there a map fades by a third in each of eight layers, and nothing is
learnt for a long time. The convolutions of zeros behind it protect the UNet all the same.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTHS = (16, 32, 96, 256)
"""Of the layers of map readers, as in the first ControlNets."""
GAIN, LAST_GAIN = 1.8, 0.5
"""Of the map reader's layers, so that a map keeps its strength through them."""


def build_control(unet: Any, widths: Sequence[int] = WIDTHS) -> Any:
    """A ControlNetModel for a UNet2DConditionModel. widths: of its map reader; the first is at full size."""
    control = import_module("diffusers").ControlNetModel.from_unet(
        unet, conditioning_embedding_out_channels=tuple(widths)
    )
    reader = control.controlnet_cond_embedding
    for layer in (reader.conv_in, *reader.blocks, reader.conv_out):
        gain = GAIN if layer is not reader.conv_out else LAST_GAIN
        nn.init.normal_(layer.weight, std=gain / layer.weight[0].numel() ** 0.5)
        nn.init.zeros_(layer.bias)
    return control
