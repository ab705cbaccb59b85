"""Weights of one layer a block as a start for more: the further layers change nothing at first, and then learn.

So a model that was trained with few layers goes on in SD1's whole structure, and draws the same pictures there.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

SILENT = ("conv2", "proj_out", "out_proj", "fc2")
"""The layer by which a block adds to its input: with zeros there it adds nothing."""
_LAYER = re.compile(r".*\b(?:resnets|attentions|layers|controlnet_down_blocks)\.\d+\.")
_RESNET = re.compile(r"down_blocks\.\d+\.resnets\.(\d+)\.")
_LAST_UP = re.compile(r"(up_blocks\.\d+\.(?:resnets|attentions))\.1\.(.*)")
_ZERO_CONV = re.compile(r"controlnet_down_blocks\.(\d+)\.(.*)")


def deepen(shallow: Mapping[str, Tensor], deep: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights for a deeper module of the same widths: shallow's by their new names, and further layers.

    deep: the new module's own weights. Serves UNet, ControlNet, VAE and text encoder. A layer that lacks only some of
    its weights is left as it is.
    """
    depth = count_layers(deep)
    weights = {rename_key(name, depth): value for name, value in shallow.items()}
    known = {match[0] for name in weights if (match := _LAYER.match(name))}
    further = {name: value for name, value in deep.items() if (match := _LAYER.match(name)) and match[0] not in known}
    return weights | {name: _begin(name, value) for name, value in further.items()}


def count_layers(names: Mapping[str, Tensor]) -> int:
    """Layers of each block."""
    return 1 + max((int(match[1]) for name in names if (match := _RESNET.search(name))), default=0)


def rename_key(name: str, depth: int) -> str:
    """Where a weight of one layer a block is in a module of so many.

    A UNet's last layer on the way up takes what comes from the level above, so it stays the last one. A ControlNet's
    output for a layer belongs to the last one of its block; that for the way down stays behind it.
    """
    if match := _LAST_UP.fullmatch(name):
        return f"{match[1]}.{depth}.{match[2]}"
    match = _ZERO_CONV.fullmatch(name)
    if match is None or match[1] == "0":
        return name
    level, place = divmod(int(match[1]) - 1, 2)
    return f"controlnet_down_blocks.{1 + level * (depth + 1) + depth - 1 + place}.{match[2]}"


def _begin(name: str, value: Tensor) -> Tensor:
    """A further layer's weight; a shortcut lets its first inputs through and drops what was skipped to it."""
    module, _, kind = name.rpartition(".")
    if module.endswith(SILENT) or module.startswith("controlnet_down_blocks"):
        return torch.zeros_like(value)
    if not module.endswith("conv_shortcut"):
        return value.detach()
    if kind == "bias":
        return torch.zeros_like(value)
    return torch.eye(value.shape[0], value[0].numel(), device=value.device).view_as(value)
