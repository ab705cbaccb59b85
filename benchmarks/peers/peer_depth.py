"""Depth networks of others on given weights: transformers' modules as they are, and controlnet-aux's MiDaS."""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from peers import peer, torchvision_stand_in

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.support import random_weights
from tests.support.depth_keys import hybrid, to_transformers, vit_small
from tests.support.depth_reference import build_reference

from underdrawing.preprocessors.nets import dpt_hybrid
from underdrawing.preprocessors.nets.depth_anything import BACKBONES

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from torch import Tensor

    Image = NDArray[np.uint8]

Tensors = dict[str, "Tensor"]
LAST = {"depth_dav2": "depth_head.scratch.output_conv2.2.bias", "depth_midas": "scratch.output_conv.4.bias"}


def weights(name: str) -> Tensors:
    """Random weights under the official keys, with the last bias raised so that nothing is cut off."""
    made = random_weights.tensors(vit_small() if name == "depth_dav2" else hybrid(768))
    made[LAST[name]] += 10000
    return made


def depth_anything_maps() -> tuple[Callable[[Image], Image], Tensors]:
    """What scripts around transformers do, without its image processor: cubic to 518, bilinear back, to bytes."""
    tensors = weights("depth_dav2")
    module = depth_anything_module(tensors)

    def call(image: Image) -> Image:
        small = cv2.resize(image.astype(np.float32) / 255, (518, 518), interpolation=cv2.INTER_CUBIC)
        small = (small - np.array([0.485, 0.456, 0.406], np.float32)) / np.array([0.229, 0.224, 0.225], np.float32)
        raw = module(torch.from_numpy(small).permute(2, 0, 1)[None].float())
        plane = torch.nn.functional.interpolate(raw[:, None], size=image.shape[:2], mode="bilinear")[0, 0].numpy()
        levels = (plane - plane.min()) / (plane.max() - plane.min()) * 255
        return np.repeat(levels.astype(np.uint8)[..., None], 3, axis=-1)

    return call, tensors


def midas_pair() -> tuple[Any, Tensors]:
    """controlnet-aux's MidasDetector and the tensors it runs on. Raises ModuleNotFoundError with what to install."""
    tensors = weights("depth_midas")
    detector = midas(tensors)
    if detector is None:
        raise ModuleNotFoundError("controlnet-aux's MiDaS needs timm: pip install --no-deps timm==0.6.13")
    return detector, tensors


def depth_anything_module(tensors: Tensors) -> Callable[[Tensor], Tensor]:
    """DepthAnythingForDepthEstimation, eager float32 on [1, 3, H, W]."""
    sizes = BACKBONES["small"]
    return _eager(build_reference(sizes, sizes.taps[2], to_transformers(tensors)))


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
    torchvision_stand_in.install()
    with tempfile.TemporaryDirectory() as folder:
        torch.save(tensors, Path(folder) / "dpt_hybrid-midas-501f0c75.pt")
        return peer.folder("midas").MidasDetector.from_pretrained(folder)
