"""A module that is ready to run, and the host's hook that owns its memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from .placement import Placement

    Keeper = Callable[[nn.Module, Placement], Callable[[], None]]


class Network:
    """A loaded module that runs in inference mode; floating tensors given to it are moved to its device and format.

    Pictures and kernels lie with their channels last, which convolutions are faster with; a module that is not says so
    with an attribute `channels_first`.
    """

    def __init__(self, module: nn.Module, placement: Placement) -> None:
        self.module, self.placement = module, placement
        self.prepare = _keepers[-1](module, placement) if _keepers else None
        self.dtype: torch.dtype = getattr(torch, placement.dtype)
        self.layout = torch.contiguous_format if is_channels_first(module) else torch.channels_last

    def __call__(self, *inputs: Any) -> Any:
        """Run the module on tensors [B, C, H, W] (or whatever it takes); the output is on its device, in its format."""
        if self.prepare is not None:
            self.prepare()
        with torch.inference_mode():
            return self.module(*(self._move(value) for value in inputs))

    def _move(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor):
            return value
        moved = value.to(self.placement.device, self.dtype if value.is_floating_point() else value.dtype)
        return moved.contiguous(memory_format=self.layout) if moved.ndim == 4 else moved


_keepers: list[Keeper] = []


def set_keeper(keeper: Keeper) -> None:
    """Let a host's memory management own the networks that are built from now on.

    keeper: given a new module on its device; what it returns is called before every run and brings the module back
    there. It may raise, to stop a run between two pictures or tiles.
    """
    _keepers[:] = [keeper]


def is_channels_first(module: nn.Module) -> bool:
    """Whether a module says that it is no faster with channels last."""
    return bool(getattr(module, "channels_first", False))
