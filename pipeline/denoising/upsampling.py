"""UNets at sizes that cannot be halved three times: how the way back up meets the numbers of the way down.

diffusers and ComfyUI enlarge to the size that is needed and convolve; A1111 doubles, convolves, and then brings the
result to the size, so that edges differ. Pictures whose sides are multiples of 64 are the same.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Generator

NAME = "upsamplers"
"""What diffusers' blocks call the lists of them."""


@contextmanager
def double_before_fitting(unet: Any) -> Generator[None]:
    """While entered, a UNet of diffusers enlarges as A1111 does; what runs elsewhere stays as it is."""
    layers = _list_upsamplers(unet) if isinstance(unet, nn.Module) else []
    sizes: dict[nn.Module, Any] = {}

    def take_size(layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        sizes[layer] = inputs[1] if len(inputs) > 1 else None
        return inputs[:1]

    def fit(layer: nn.Module, _: Any, answer: Any) -> Any:
        size = sizes.pop(layer, None)
        return (
            answer if size is None or tuple(answer.shape[-2:]) == tuple(size) else functional.interpolate(answer, size)
        )

    handles = [
        handle
        for one in layers
        for handle in (one.register_forward_pre_hook(take_size), one.register_forward_hook(fit))
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _list_upsamplers(unet: nn.Module) -> list[nn.Module]:
    lists = [module for name, module in unet.named_modules() if name.rpartition(".")[2] == NAME]
    return [layer for found in lists if isinstance(found, nn.ModuleList) for layer in found]
