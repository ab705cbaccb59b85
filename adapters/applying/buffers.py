"""Memory for patched weights: large blocks that cost little to take and little to give back."""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeVar

    from torch import Tensor

    Name = TypeVar("Name")

ALIGN = 64
WORTHWHILE = 1 << 24
"""Bytes below which the ordinary allocator does."""


def allocate_like(originals: Mapping[Name, Tensor]) -> dict[Name, Tensor]:
    """Uninitialised tensors of the originals' shapes, strides, dtypes and devices, each with a storage of its own.

    CPU tensors share one private mapping with huge pages where the system has them: 600 MB then are 300 pages to fault
    in and to release instead of 150,000. The mapping is released when its last tensor is.
    """
    sizes = {name: _block_size(tensor) for name, tensor in originals.items()}
    total = sum(sizes.values())
    if total < max(1, WORTHWHILE):
        return {name: torch.empty_like(tensor.detach()) for name, tensor in originals.items()}
    block, offset, buffers = _map_memory(total), 0, dict[object, "Tensor"]()
    for name, tensor in originals.items():
        if not sizes[name]:
            buffers[name] = torch.empty_like(tensor.detach())
            continue
        flat = torch.frombuffer(block, dtype=tensor.dtype, count=tensor.numel(), offset=offset)
        buffers[name] = flat.as_strided(tensor.shape, tensor.stride())
        offset += sizes[name]
    return buffers  # type: ignore[return-value]


def _block_size(tensor: Tensor) -> int:
    """Bytes in a block, 0 for what does not belong there."""
    dense = tensor.is_contiguous() or (tensor.ndim == 4 and tensor.is_contiguous(memory_format=torch.channels_last))
    if tensor.device.type != "cpu" or not dense or type(tensor.detach()) is not torch.Tensor:
        return 0
    return -(-tensor.numel() * tensor.element_size() // ALIGN) * ALIGN


def _map_memory(size: int) -> mmap.mmap:
    if not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(-1, size)
    block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        try:
            block.madvise(mmap.MADV_HUGEPAGE)
        except OSError:
            return block  # a kernel without huge pages
    return block
