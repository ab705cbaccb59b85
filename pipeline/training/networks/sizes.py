"""Rank and scale of each layer."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from torch import nn

from ....adapters.deltas.base import compute_scale

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .params import NetworkParams
    from .targets import Target


class Size(NamedTuple):
    """rank: 0 where a layer is not trained. scale: factor on the change. request: the rank before it was lowered."""

    rank: int
    scale: float
    request: int


def find_size(target: Target, params: NetworkParams, block_ranks: Mapping[str, float]) -> Size:
    """Rank and scale of a layer. The scale is that of the rank that was asked for, so that a lowered one changes
    nothing else. A LoKr's rank is not lowered: above a limit its operands are whole."""
    module = target.module
    spatial = isinstance(module, nn.Conv2d) and math.prod(module.kernel_size) > 1
    request, alpha = params.rank, params.alpha
    if target.block in block_ranks:
        request = round(block_ranks[target.block])
    if request and spatial and params.conv_rank:
        request = params.conv_rank
    if not request:
        return Size(0, 0.0, 0)
    if spatial and params.conv_alpha:
        alpha = params.conv_alpha
    elif spatial and params.conv_rank and alpha:
        alpha *= params.conv_rank / params.rank
    scale = compute_scale(alpha or request, request, stabilised=params.rslora)
    shape = module.weight.shape
    most = request if params.algorithm == "lokr" else min(shape[0], math.prod(shape[1:]))
    return Size(min(request, most), scale, request)
