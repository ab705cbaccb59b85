"""ComfyUI's tensors and our arrays. Imported lazily (needs numpy and torch)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..core.images.convert import to_images

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from ..core.images.types import Images


def arrays(image: Tensor) -> Images:
    """uint8 [B, H, W, 3] of an IMAGE [B, H, W, C]; rounds, so that a map that comes back has the bytes it left with."""
    return to_images(image)


def mask_arrays(mask: Tensor) -> NDArray[np.float32]:
    """float32 [B, H, W, 1] of a MASK [B, H, W] or [H, W], cut to 0..1; NaN is 0."""
    planes = mask.detach().cpu().float().nan_to_num().clamp(0, 1).numpy()
    return planes.reshape(-1, *planes.shape[-2:], 1)


def image(pixels: NDArray[Any]) -> Tensor:
    """IMAGE, float32 on the processor, of uint8 [B, H, W, 3]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).to(torch.float32) / 255


def numbers(values: NDArray[np.float32]) -> Tensor:
    """Numbers as they are: MASK of [B, H, W], IMAGE of [B, H, W, 3]."""
    return torch.from_numpy(np.ascontiguousarray(values))


def mask(pixels: NDArray[np.uint8]) -> Tensor:
    """MASK of a grey map uint8 [B, H, W, 3]."""
    return image(pixels[..., 0])
