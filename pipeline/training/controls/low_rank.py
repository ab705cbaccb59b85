"""A ControlNet as a Control-LoRA: the UNet's weights plus differences of low rank, and what is its own as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

OWN = "controlnet_"
"""Start of the names of what the UNet has not: map reader and convolutions of zeros."""


class LowRankControl(nn.Module):
    """Trains `up` and `down` of each larger weight of a ControlNetModel, and the rest directly.

    Names of parameters have dashes for dots: modules of torch take no dots. A weight's change is up @ down.
    """

    def __init__(self, control: Any, rank: int) -> None:
        super().__init__()
        self._control = [control.requires_grad_(False)]
        self.direct = nn.ParameterDict()
        self.up = nn.ParameterDict()
        self.down = nn.ParameterDict()
        for name, value in control.named_parameters():
            key = name.replace(".", "-")
            rows, columns = len(value), value[0].numel()
            if name.startswith(OWN) or value.ndim < 2 or min(rows, columns) <= 2 * rank:
                self.direct[key] = nn.Parameter(value.detach().clone())
            else:
                self.up[key] = nn.Parameter(torch.zeros(rows, rank))
                self.down[key] = nn.Parameter(torch.randn(rank, columns) / columns**0.5)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """As the ControlNetModel."""
        return torch.func.functional_call(self._control[0], self.merge(), inputs, options)

    def merge(self) -> dict[str, Tensor]:
        """Weights of the ControlNetModel that this stands for."""
        frozen = dict(self._control[0].named_parameters())
        merged = {key.replace("-", "."): value for key, value in self.direct.items()}
        for key, up in self.up.items():
            name = key.replace("-", ".")
            merged[name] = frozen[name] + (up @ self.down[key]).view_as(frozen[name])
        return merged

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move the frozen weights too."""
        self._control[0]._apply(fn)
        return super()._apply(fn, recurse)
