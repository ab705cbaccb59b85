"""Instance norm and activated batch norm, fast on CPUs. Needs torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from .row_tiling import is_eager_cpu

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-5
CHUNK = 2**17
"""Numbers worked on at once, so that they stay in a CPU's cache."""


def can_split(x: Tensor) -> bool:
    """Whether it pays to work on a tensor piece by piece: in the CPU's memory, in one run, not being traced."""
    return is_eager_cpu(x) and x.is_contiguous()


def apply_instance_norm(x: Tensor, slope: float = 1.0) -> Tensor:
    """Bring every channel of every picture to mean 0 and variance 1 over all its pixels, then leaky ReLU of that slope.

    x: [B, C, H, W], may be overwritten. slope: 0 is ReLU, 1 is none. The statistics are float32 whatever x is.

    torch's own kernels take 5 to 20 times as long on channels-last tensors, and its group norm loses half its digits
    there. OpenVINO, for which networks are traced, loses digits in instance norm but not in group norm.
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined]
        return _apply_leaky_relu(F.group_norm(x, x.shape[1], eps=EPSILON), slope)
    rows = x.permute(0, 2, 3, 1)
    if not can_split(rows):
        return _apply_leaky_relu(F.instance_norm(x, eps=EPSILON), slope)
    for picture in rows.flatten(1, 2):
        _normalise(picture, slope)
    return x


def apply_leaky_affine(x: Tensor, scale: Tensor, shift: Tensor, slope: float) -> Tensor:
    """Leaky ReLU of x * scale + shift by channel, as a new tensor. x: [B, C, H, W]; scale, shift: float32 [C]."""
    rows = x.permute(0, 2, 3, 1)
    if not can_split(rows):
        wide = (1, -1, 1, 1)
        return F.leaky_relu_((x * scale.view(wide) + shift.view(wide)).to(x.dtype), slope)
    result = torch.empty_like(rows)
    length = max(1, CHUNK // rows.shape[-1])
    for piece, out in zip(_split_rows(rows, length), _split_rows(result, length), strict=True):
        out.copy_(F.leaky_relu_(piece.float().mul(scale).add_(shift), slope))
    return result.permute(0, 3, 1, 2)


def _split_rows(x: Tensor, length: int) -> tuple[Tensor, ...]:
    return x.flatten(0, 2).split(length)


def _apply_leaky_relu(x: Tensor, slope: float) -> Tensor:
    return x if slope == 1 else F.leaky_relu_(x, slope) if slope else F.relu_(x)


def _normalise(rows: Tensor, slope: float) -> None:
    """Change [pixels, C] in place."""
    pieces = rows.split(max(1, CHUNK // rows.shape[1]))
    scale, shift = _compute_scale_and_shift(pieces, rows[0].float(), len(rows))
    for piece in pieces:
        exact = piece.float()  # the piece itself if it is float32
        _apply_leaky_relu(exact.mul_(scale).add_(shift), slope)
        if exact is not piece:
            piece.copy_(exact)


def _compute_scale_and_shift(pieces: tuple[Tensor, ...], pilot: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Take the moments about one pixel, so that a mean far from zero does not cost the variance its digits."""
    sums, squares = torch.zeros_like(pilot), torch.zeros_like(pilot)
    for piece in pieces:
        moved = piece.float() - pilot
        sums += moved.sum(0)
        squares += moved.square_().sum(0)
    mean = sums / count
    variance = (squares / count - mean * mean).clamp_min(0)
    scale = torch.rsqrt(variance + EPSILON)
    return scale, -(mean + pilot) * scale
