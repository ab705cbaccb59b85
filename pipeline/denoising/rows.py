"""Rows of a batch that are the same, computed once; and those that need much memory, one after the other.

With guidance a network sees the same latents for the prompt and the negative prompt. Until it first looks at the prompt
it would compute the same twice: the first block of SD1's and SD2's UNets and ControlNets, with the attention that costs
most. SDXL adds the prompt's vector to the step, so that its rows differ from the beginning.

Feed-forward layers hold sixteen times their input for a while, which sets the peak of memory where latents are widest;
there they take one row at a time.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ...core.networks.products import is_traced

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


FEWEST_TOKENS = 1024
"""Of a row: below, little memory is saved, and weights would be read twice for it."""


@contextmanager
def share_rows(network: Any) -> Generator[None]:
    """Let a UNet or ControlNet of diffusers compute equal rows once, large ones one by one."""
    ways = [(compute_once, module) for module in _list_early(network)]
    ways += [(compute_apart, module) for module in _list_wide(network)]
    modules = [module for _, module in ways if "forward" not in vars(module)]
    for way, module in ways:
        if "forward" not in vars(module):
            module.forward = partial(way, module.forward)
    try:
        yield
    finally:
        for module in modules:
            del module.forward


def _list_early(network: Any) -> Iterator[Any]:
    """Layers before the first look at the prompt that cost something."""
    blocks = getattr(network, "down_blocks", ())
    for first in list(blocks)[:1]:
        yield from list(getattr(first, "resnets", ()))[:1]
        for attention in list(getattr(first, "attentions", ()))[:1]:
            yield attention.transformer_blocks[0].attn1


def _list_wide(network: Any) -> list[Any]:
    """Feed-forward layers of the transformers."""
    named = network.named_modules() if isinstance(network, torch.nn.Module) else ()
    return [module for name, module in named if name.endswith(".ff")]


def compute_apart(forward: Callable[..., Tensor], hidden: Tensor, *more: Any, **named: Any) -> Tensor:
    """What a layer that looks at each token by itself answers to [B, T, D], row by row on a CPU where T is large."""
    large = hidden.ndim == 3 and hidden.shape[1] >= FEWEST_TOKENS and hidden.device.type == "cpu"
    if len(hidden) < 2 or not large or is_traced():
        return forward(hidden, *more, **named)
    answer = torch.empty_like(hidden)
    for row, into in zip(hidden.split(1), answer.split(1), strict=True):
        into.copy_(forward(row, *more, **named))
    return answer


def compute_once(forward: Callable[..., Tensor], hidden: Tensor, *more: Any, **named: Any) -> Tensor:
    """What a layer answers to a batch [B, ...], of its first row where all rows of all tensors are the same."""
    tensors = [value for value in (hidden, *more, *named.values()) if isinstance(value, Tensor)]
    if len(hidden) < 2 or is_traced() or not all(_is_even(value, len(hidden)) for value in tensors):
        return forward(hidden, *more, **named)
    first = [value[:1] if isinstance(value, Tensor) else value for value in (hidden, *more)]
    others = {name: value[:1] if isinstance(value, Tensor) else value for name, value in named.items()}
    answer = forward(*first, **others)
    return answer.expand(len(hidden), *answer.shape[1:])


def _is_even(value: Tensor, count: int) -> bool:
    return value.ndim > 0 and len(value) == count and bool((value[1:] == value[:1]).all())
