"""ComfyUI's tensors and our arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core.errors import BadImage
from ..core.images.convert import to_images

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from ..core.images.types import Images
    from ..core.operation import Picture


def arrays(image: Tensor) -> Images:
    """uint8 [B, H, W, 3] of an IMAGE [B, H, W, C]; rounds, so that a map that comes back has the bytes it left with."""
    return to_images(image)


def mask_arrays(mask: Tensor) -> NDArray[np.float32]:
    """float32 [B, H, W, 1] of a MASK [B, H, W] or [H, W], cut to 0..1; NaN is 0."""
    planes = mask.detach().cpu().float().nan_to_num().clamp(0, 1).numpy()
    return planes.reshape(-1, *planes.shape[-2:], 1)


def image(pixels: NDArray[Any]) -> Tensor:
    """IMAGE, float32 on the CPU, of uint8 [B, H, W, 3]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(torch.float32) / 255


def batch(drawings: Sequence[Picture]) -> Tensor:
    """IMAGE of pictures. Raises BadImage when there is none or they differ in size."""
    if len({picture.pixels.shape for picture in drawings}) != 1:
        what = f"{len(drawings)} poses have no common canvas size" if drawings else "there are no poses to draw"
        raise BadImage(what, fix="set a size, or draw them one by one" if drawings else "connect poses of somebody")
    return image(np.stack([picture.pixels for picture in drawings]))


def numbers(values: NDArray[np.float32]) -> Tensor:
    """Numbers as they are: MASK of [B, H, W], IMAGE of [B, H, W, 3]."""
    return torch.from_numpy(np.ascontiguousarray(values))


def mask(pixels: NDArray[np.uint8]) -> Tensor:
    """MASK of a grey map uint8 [B, H, W, 3]."""
    return image(pixels[..., 0])
