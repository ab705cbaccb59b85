"""Self-attention of diffusers' networks on CPUs whose fast units torch's own does not use.

The answer is softmax(Q K^T / sqrt(d)) V (A. Vaswani et al., Attention Is All You Need, 2017), for some queries at a
time, so that never more than a small part of the table of all pairs is held.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch

from ...core.networks.products import is_traced, learns, multiply, prefers_onednn

if TYPE_CHECKING:
    from torch import Tensor

FEWEST_TOKENS = 256
"""Below, there is nothing to win."""
QUERIES = 256
"""At a time."""


class QuickAttention:
    """An attention processor of diffusers: all tokens look at each other; anything else is left to diffusers."""

    def __init__(self) -> None:
        self._plain = import_module("diffusers.models.attention_processor").AttnProcessor2_0()

    def __call__(self, attn: Any, hidden_states: Tensor, *more: Any, **named: Any) -> Tensor:
        """What the layer answers to [B, T, D]."""
        others = [value for value in (*more, *named.values()) if value is not None]
        if others or not _suits(hidden_states):
            return self._plain(attn, hidden_states, *more, **named)
        query, key, value = attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states)
        if learns(query, key, value):
            return self._plain(attn, hidden_states, *more, **named)
        return attn.to_out[1](attn.to_out[0](attend(query, key, value, attn.heads)))


def quicken_attention(module: Any) -> None:
    """Let layers of self-attention take the faster way, where there is one."""
    if not prefers_onednn():
        return
    layers = import_module("diffusers.models.attention_processor")
    for part in module.modules():
        if type(part) is layers.Attention and type(part.processor) is layers.AttnProcessor2_0 and _is_plain(part):
            part.set_processor(QuickAttention())


def _is_plain(layer: Any) -> bool:
    """Whether a layer does nothing but attend."""
    norms = (layer.group_norm, layer.spatial_norm, layer.norm_q, layer.norm_k, layer.norm_cross)
    extra = layer.residual_connection or layer.rescale_output_factor != 1 or layer.is_cross_attention
    return not extra and all(norm is None for norm in norms)


def _suits(hidden: Tensor) -> bool:
    plain = hidden.ndim == 3 and hidden.device.type == "cpu" and hidden.dtype in (torch.float32, torch.bfloat16)
    return plain and hidden.shape[1] >= FEWEST_TOKENS and not is_traced() and not learns(hidden)


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int) -> Tensor:
    """What queries [B, T, D] find at keys and values [B, S, D], whose channels are those of the heads one by one.

    In bfloat16 the table is computed and summed in float32, and rounded afterwards, as torch does.
    """
    width = query.shape[2] // heads
    answer = torch.empty_like(query)
    for row in range(len(query)):
        for first in range(0, query.shape[2], width):
            some = slice(first, first + width)
            keys, values = key[row, :, some].float().contiguous(), value[row, :, some].t().contiguous()
            asked, into = query[row, :, some].split(QUERIES), answer[row, :, some].split(QUERIES)
            for queries, found in zip(asked, into, strict=True):
                table = torch.softmax(multiply(queries.float(), keys).mul_(width**-0.5), -1)
                found.copy_(multiply(table.to(query.dtype), values))
    return answer
