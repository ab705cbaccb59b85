"""A ControlNet as a Control-LoRA: the UNet's weights plus differences of low rank, and what is its own as it is."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

OWN = "controlnet_"
"""Start of the names of what the UNet has not: map reader and convolutions of zeros."""


class LowRankControl(nn.Module):
    """Trains `up` and `down` of each larger weight of a ControlNetModel, and the rest directly.

    A weight's change is up @ down; it is added to what the layer answers, so that neither whole weights nor their
    gradients are made anew in a step. Names of parameters have dashes for dots: modules of torch take no dots. control:
    becomes part of this module, and answers with the changes from now on.
    """

    def __init__(self, control: Any, rank: int) -> None:
        super().__init__()
        self._control = [control.requires_grad_(False)]
        self.direct = nn.ParameterDict()
        self.up = nn.ParameterDict()
        self.down = nn.ParameterDict()
        modules = dict(control.named_modules())
        for name, value in control.named_parameters():
            key = name.replace(".", "-")
            rows, columns = len(value), value[0].numel() if value.ndim else 1
            layer = modules[name.rpartition(".")[0]]
            whole = name.startswith(OWN) or value.ndim < 2 or min(rows, columns) <= 2 * rank
            if whole or not isinstance(layer, nn.Linear | nn.Conv2d):
                self.direct[key] = value.requires_grad_(True)
            else:
                self.up[key] = nn.Parameter(torch.zeros(rows, rank))
                self.down[key] = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
                layer.register_forward_hook(partial(self._add, key))

    @property
    def config(self) -> Any:
        """Of the ControlNetModel."""
        return self._control[0].config

    @property
    def reader(self) -> Any:
        """The map reader, whose weights are trained directly."""
        return self._control[0].controlnet_cond_embedding

    def forward(self, *inputs: Any, **options: Any) -> Any:
        """As the ControlNetModel."""
        return self._control[0](*inputs, **options)

    def merge(self) -> dict[str, Tensor]:
        """Weights of the ControlNetModel that this stands for."""
        frozen = dict(self._control[0].named_parameters())
        merged = {key.replace("-", "."): value for key, value in self.direct.items()}
        for key, up in self.up.items():
            name = key.replace("-", ".")
            merged[name] = frozen[name] + (up @ self.down[key]).view_as(frozen[name])
        return merged

    def _add(self, key: str, layer: nn.Module, inputs: tuple[Tensor, ...], answer: Tensor) -> Tensor:
        """What a layer answers, and what the change of its weight adds to it."""
        up, down = self.up[key], self.down[key]
        if isinstance(layer, nn.Conv2d):
            narrow = down.view(len(down), -1, *layer.kernel_size)
            hidden = F.conv2d(inputs[0], narrow, None, layer.stride, layer.padding, layer.dilation)  # type: ignore[arg-type]
            return answer + F.conv2d(hidden, up[..., None, None])
        return answer + F.linear(F.linear(inputs[0], down), up)

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move the frozen weights too."""
        self._control[0]._apply(fn)
        return super()._apply(fn, recurse)
