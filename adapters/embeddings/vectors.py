"""Values of embedding files as vectors, and the text encoder that vectors of a width are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...core.errors import BadWeights
from ..modules.architectures import SUPPORTED, UNET_MODELS
from ..modules.parts import TEXT_ENCODER

if TYPE_CHECKING:
    from pathlib import Path

WIDTHS = {
    encoder.width: part for architecture in UNET_MODELS.values() for part, encoder in architecture.encoders.items()
}
"""Text encoder by width: CLIP-L, OpenCLIP-H (SD2), OpenCLIP-bigG."""
"""Width → text encoder."""
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
MOST_VECTORS, MOST_WIDTH = 1024, 8192


def read_vectors(value: Any, key: str, path: Path) -> Tensor:
    """A value of the file as [n, d] fp32 in memory of its own; axes of one are left out; not checked for NaN."""
    if not isinstance(value, Tensor):
        raise bad_key("is no tensor", key, path)
    if value.dtype not in FLOATS:
        raise bad_key(f"is {str(value.dtype).removeprefix('torch.')}, and vectors are floating-point", key, path)
    if value.ndim == 0 or sum(size != 1 for size in value.shape[:-1]) > 1:
        raise bad_key(f"has the shape {list(value.shape)[:8]}, and vectors are [n, d] or [d]", key, path)
    rows = value.reshape(-1, value.shape[-1]) if value.numel() else value[None]
    if not 1 <= rows.shape[0] <= MOST_VECTORS or not 1 <= rows.shape[1] <= MOST_WIDTH:
        limit = f"1 to {MOST_VECTORS} vectors of 1 to {MOST_WIDTH} numbers"
        raise bad_key(f"has the shape {list(value.shape)}; an embedding has {limit}", key, path)
    return rows.detach().to(torch.float32, copy=True).contiguous()


def bad_key(what: str, key: str, path: Path) -> BadWeights:
    """The error for a key of a file."""
    return BadWeights(what, where=f"{path}, key {key[:80]!r}", fix="export the embedding again")


def assign_encoder(name: str, rows: Tensor) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Vectors under the text encoder they are wide enough for; another width goes to the first, with a note."""
    width = rows.shape[1]
    known = f"{width} wide, which no text encoder of {SUPPORTED} is; taken for the first"
    return {WIDTHS.get(width, TEXT_ENCODER): rows}, () if width in WIDTHS else (f"{name[:80]!r} is {known}",)
