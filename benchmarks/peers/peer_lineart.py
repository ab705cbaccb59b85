"""controlnet-aux's own line networks and TEED, if it is installed, on random weights under the published names."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from peers import peer

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.golden.lineart.weights import weights  # pyright: ignore[reportMissingImports]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Tensors = dict[str, Tensor]


def lineart() -> tuple[Any, Tensors]:
    """Return the peer's LineartDetector, both of whose networks are one here, and the tensors it runs on."""
    package = peer.folder("lineart")
    network, tensors = filled(package.Generator(3, 1, 3), "lineart")
    return package.LineartDetector(network, network), tensors


def anime() -> tuple[Any, Tensors]:
    """Return the peer's LineartAnimeDetector and the tensors it runs on."""
    package = peer.folder("lineart_anime")
    norm = functools.partial(torch.nn.InstanceNorm2d, affine=False, track_running_stats=False)
    network, tensors = filled(package.UnetGenerator(3, 1, 8, 64, norm_layer=norm), "anime")
    return package.LineartAnimeDetector(network), tensors


def teed() -> tuple[Any, Tensors]:
    """Return the peer's TEEDdetector and the tensors it runs on."""
    network, tensors = filled(peer.folder("teed.ted").TED(), "teed")
    return peer.folder("teed").TEEDdetector(network), tensors


def filled(network: Any, name: str) -> tuple[Any, Tensors]:
    """Fill a network in place."""
    tensors = weights(name, {key: tuple(value.shape) for key, value in network.state_dict().items()})
    network.load_state_dict(tensors, strict=True)
    return network.eval(), tensors


def called(detector: Any, image: NDArray[np.uint8], **options: Any) -> NDArray[np.uint8]:
    """Call a detector at the picture's own size, which must be square and a multiple of 64."""
    side = min(image.shape[:2])
    sizes = {"detect_resolution": side}
    if "safe_steps" not in options:
        sizes["image_resolution"] = side
    with torch.no_grad():
        return detector(image, output_type="np", **sizes, **options)
