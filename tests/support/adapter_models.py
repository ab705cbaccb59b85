"""Small models with the real module names: trees of layers that hold weights and compute nothing."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from unittest.mock import Mock, patch

import torch
from torch import nn

from underdrawing.adapters.modules.layers import Module, TextEncoder, UNet

if TYPE_CHECKING:
    from collections.abc import Generator

    from torch import Tensor

SD15 = UNet((8, 16, 32, 32), (1, 1, 1, 0), 16, linear=False)
SD21 = UNet((8, 16, 32, 32), (1, 1, 1, 0), 24)
SDXL = UNet((8, 16, 32), (0, 2, 10), 32, middle=10, added=12)
CLIP = TextEncoder("clip_l", 12, 16)
BIGG = TextEncoder("clip_g", 32, 20, projection=True)


def model(parts: dict[str, Module], seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
    """A module tree with these layers, random weights."""
    root, generator = nn.Module(), torch.Generator().manual_seed(seed)
    with skip_start_values():
        layers = {name: _layer(part) for name, part in parts.items()}
    for name, layer in layers.items():
        owner = root
        *path, last = name.split(".")
        for step in path:
            if step not in owner._modules:
                owner.add_module(step, nn.Module())
            owner = owner.get_submodule(step)
        for parameter in layer.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator).to(dtype)
        owner.add_module(last, layer)
    return root.requires_grad_(False)


@contextmanager
def skip_start_values() -> Generator[None, None, None]:
    """Layers are made with memory as it is: every value is given to them afterwards."""
    with ExitStack() as stack:
        for kind in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Embedding):
            stack.enter_context(patch.object(kind, "reset_parameters", Mock()))
        yield


def _layer(module: Module) -> nn.Module:
    shape = module.shape
    match module.kind:
        case "Linear":
            return nn.Linear(shape[1], shape[0], bias=module.bias)
        case "Conv1d":
            return nn.Conv1d(shape[1], shape[0], shape[2])
        case "Conv2d":
            return nn.Conv2d(shape[1], shape[0], (shape[2], shape[3]))
        case "GroupNorm":
            return nn.GroupNorm(1, shape[0])
        case "Conv3d":
            return nn.Conv3d(shape[1], shape[0], (shape[2], shape[3], shape[4]))
        case "LayerNorm":
            return nn.LayerNorm(shape[0])
        case "Embedding":
            return nn.Embedding(4, shape[1])
        case "RMSNorm":
            return nn.LayerNorm(shape[0], bias=module.bias)


def unet(shape: UNet = SD15, seed: int = 0, dtype: torch.dtype = torch.float32) -> nn.Module:
    return model(shape.modules(), seed, dtype)


def encoder(shape: TextEncoder = CLIP, seed: int = 1) -> nn.Module:
    return model(shape.modules(), seed)


def lora(
    modules: dict[str, Module], prefix: str, *, rank: int = 2, alpha: float = 1.0, seed: int = 2
) -> dict[str, Tensor]:
    """kohya-style tensors for every Linear and Conv2d of the modules."""
    generator, tensors = torch.Generator().manual_seed(seed), dict[str, "Tensor"]()
    for name, module in modules.items():
        if module.kind not in ("Linear", "Conv2d"):
            continue
        stem, shape = f"{prefix}{name.replace('.', '_')}", module.shape
        ones = (1,) * (len(shape) - 2)
        tensors[f"{stem}.lora_down.weight"] = torch.randn((rank, *shape[1:]), generator=generator) * 0.1
        tensors[f"{stem}.lora_up.weight"] = torch.randn((shape[0], rank, *ones), generator=generator) * 0.1
        tensors[f"{stem}.alpha"] = torch.tensor(alpha)
    return tensors
