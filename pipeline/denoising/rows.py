"""Rows of a batch that are the same, computed once.

With guidance a network sees the same latents for the prompt and the negative prompt. Until it first looks at the prompt
it would compute the same twice: the first block of SD1's and SD2's UNets and ControlNets, with the attention that costs
most. SDXL adds the prompt's vector to the step, so that its rows differ from the beginning.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import Tensor

from ...core.networks.convolution import is_traced

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator


@contextmanager
def share_rows(network: Any) -> Generator[None]:
    """Let a UNet or ControlNet of diffusers compute equal rows once; others stay as they are."""
    modules = [module for module in _list_early(network) if "forward" not in vars(module)]
    for module in modules:
        module.forward = partial(compute_once, module.forward)
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
