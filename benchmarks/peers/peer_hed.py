"""controlnet-aux's own HED, if it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from peers import peer
from safetensors.torch import load_file

if TYPE_CHECKING:
    from pathlib import Path


def load(weights: Path) -> tuple[Any, Any]:
    """Return the peer's HEDdetector on a safetensors file, and its module of helpers (nms)."""
    hed = peer.folder("hed")
    network = hed.ControlNetHED_Apache2()
    network.load_state_dict({name: tensor.float() for name, tensor in load_file(weights).items()}, strict=True)
    return hed.HEDdetector(network.float().eval()), peer.folder("util")


def sides(detector: Any, image: torch.Tensor) -> list[torch.Tensor]:
    """Run the peer's network alone, as its detector does: eager float32 on [1, 3, H, W], to five side logits."""
    with torch.no_grad():
        return detector.netNetwork(image)
