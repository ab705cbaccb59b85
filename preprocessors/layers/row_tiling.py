"""Runs convolutions over a picture band by band on the CPU. Needs torch.

Features of a large picture do not fit a CPU's cache, and C libraries ask the system for memory anew for every
large tensor: a pass over fresh memory takes ten times as long as one over memory in use. Bands that overlap by what
the convolutions see beyond a row give the same features in small tensors that are used again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

TILE_BYTES = 3 * 2**23
"""What the widest features of one band take, unless the halo would cost too much."""


def run_in_row_tiles(
    run: Callable[..., Sequence[Tensor]], inputs: Sequence[Tensor], *, halo: int, channels: int, strides: Sequence[int]
) -> list[Tensor]:
    """Run a stack of zero-padded convolutions on [B, C, H, W] of one height, in bands of rows where that is faster.

    halo: rows an output row depends on above and below it, at least; a multiple of the strides. channels: of the
    widest features at the inputs' size. strides: how many rows of the inputs each output's row stands for.
    """
    height, width = inputs[0].shape[2:]
    if not is_eager_cpu(inputs[0]):
        return list(run(*inputs))
    rows = find_tile_rows(width * channels * inputs[0].element_size(), halo)
    if height <= rows + halo:
        return list(run(*inputs))
    parts = [_run_tile(run, inputs, top, rows, halo, strides) for top in range(0, height, rows)]
    return [torch.cat(part, dim=2) for part in zip(*parts, strict=True)]


def is_eager_cpu(x: Tensor) -> bool:
    """Whether x is on the CPU and what is done to it happens now, and is not recorded for another backend."""
    return x.device.type == "cpu" and not torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]


def find_tile_rows(row_bytes: int, halo: int) -> int:
    """Rows of a band without its halo: enough that the halo costs little, a multiple of 16."""
    return -(-max(TILE_BYTES // row_bytes - 2 * halo, 4 * halo) // 16) * 16


def _run_tile(
    run: Callable[..., Sequence[Tensor]],
    inputs: Sequence[Tensor],
    top: int,
    rows: int,
    halo: int,
    strides: Sequence[int],
) -> list[Tensor]:
    """Outputs of rows top .. top + rows."""
    height = inputs[0].shape[2]
    bottom = min(top + rows, height)
    first, last = max(0, top - halo), min(height, bottom + halo)
    results = run(*(x[:, :, first:last] for x in inputs))
    return [y[:, :, (top - first) // s : (bottom - first) // s] for y, s in zip(results, strides, strict=False)]
