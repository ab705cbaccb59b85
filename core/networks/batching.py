"""Batch size of networks.

On a CPU single pictures are at least as fast as batches, and always run alone, so that a picture's bytes are the same
alone and in a batch. On GPUs batches are faster; their size is bounded by the number of pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

    from ..images.types import Images, Values
    from .placement import Placement

STACK_PIXELS = {"cuda": 2**22, "mps": 2**21}
"""Pixels of one batch, by kind of device: 16 maps of 512 x 512 on CUDA, 8 on MPS."""


def find_chunk_length(placement: Placement, height: int, width: int) -> int:
    """Batch size for pictures of this size, at least 1."""
    return max(1, STACK_PIXELS.get(placement.device.partition(":")[0], 0) // (height * width))


def iter_chunks(images: Images, placement: Placement) -> Iterator[Tensor]:
    """Cut pictures uint8 [B, H, W, 3] into tensors float32 [b, 3, H, W] in 0..255 of the batch size of the device."""
    length = find_chunk_length(placement, *images.shape[1:3])
    for start in range(0, len(images), length):
        yield torch.tensor(images[start : start + length]).permute(0, 3, 1, 2).float()


def run_in_chunks(network: Callable[[Tensor], Tensor], images: Images, placement: Placement) -> Values:
    """Run a network over pictures and join what it returns as float32 [B, ...]."""
    return np.concatenate([network(chunk).float().cpu().numpy() for chunk in iter_chunks(images, placement)])
