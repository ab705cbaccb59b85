"""Depth networks of others on given weights: transformers' modules as they are, and controlnet-aux's MiDaS."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import peer
import torch

from underdrawing.preprocessors.nets import depth_anything, dpt_hybrid

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

Tensors = dict[str, "Tensor"]


def depth_anything_module(tensors: Tensors) -> Callable[[Tensor], Tensor]:
    """DepthAnythingForDepthEstimation, eager float32 on [1, 3, H, W]."""
    return _eager(depth_anything.recipe(2, "small", "original")._replace(wrap=None)(tensors, {}, "random"))


def dpt_module(tensors: Tensors) -> Callable[[Tensor], Tensor]:
    """DPTForDepthEstimation, eager float32 on [1, 3, 384, 384], the only size it takes."""
    return _eager(dpt_hybrid.RECIPES["original"]._replace(wrap=None)(tensors, {}, "random"))


def _eager(module: Any) -> Callable[[Tensor], Tensor]:
    module = module.float().eval()

    def run(x: Tensor) -> Tensor:
        with torch.no_grad():
            return module(x).predicted_depth

    return run


def midas(tensors: Tensors) -> Any | None:
    """controlnet-aux's MidasDetector, or None where it or timm (0.6.13) is not installed."""
    if find_spec(peer.PACKAGE) is None or find_spec("timm") is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        torch.save(tensors, Path(folder) / "dpt_hybrid-midas-501f0c75.pt")
        return peer.folder("midas").MidasDetector.from_pretrained(folder)
