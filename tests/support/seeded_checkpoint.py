"""A cut-down SD1 checkpoint whose weights are the same wherever they are made, for comparing with what others drew.

Its structure and names are those of `tiny_diffusion`; every tensor is drawn by numpy's Philox from its name, so neither
torch's nor diffusers' version counts. Its spread keeps numbers near 1 through the networks: the UNet answers with the
strength of noise, prompts are seen in pictures, and the VAE's deviations are next to nothing, as trained ones are.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np
import torch

from underdrawing.core.tensor_files.safetensors_io import write_safetensors

from .tiny_diffusion import make_ldm_table

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = "first_stage_model.quant_conv"
"""Answers with means, then with logarithms of variances."""
LOG_VARIANCE = -30.0


def draw_tensor(name: str, shape: tuple[int, ...]) -> torch.Tensor:
    """Values of a tensor, float32, by its name and shape: kernels normal with one over their inputs, norms near 1."""
    generator = np.random.Generator(np.random.Philox(key=zlib.crc32(name.encode())))
    values = (generator.random(shape, dtype=np.float64) - 0.5) * 12**0.5  # of unit variance
    if len(shape) < 2:
        return torch.from_numpy(values * 0.1 + name.endswith("weight")).float()
    spread = 0.5 if "embedding" in name else np.prod(shape[1:]) ** -0.5
    return torch.from_numpy(values * spread).float()


def make_seeded_table(**options: int) -> dict[str, torch.Tensor]:
    """Weights under LDM's names. options: of `make_ldm_table`."""
    found = {
        name: draw_tensor(name, tuple(value.shape)) if value.is_floating_point() else value
        for name, value in make_ldm_table("sd1", **options).items()
    }
    channels = len(found[f"{MOMENTS}.bias"]) // 2
    found[f"{MOMENTS}.weight"][channels:] = 0
    found[f"{MOMENTS}.bias"][channels:] = LOG_VARIANCE
    return found


def write_seeded_checkpoint(path: Path, **options: int) -> Path:
    """One safetensors file in LDM's layout."""
    return write_safetensors(path, make_seeded_table(**options), {"format": "pt"})
