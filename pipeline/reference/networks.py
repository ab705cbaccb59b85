"""The reference model's networks: SD1's structure and names of keys with small widths."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ...checkpoints.layouts.reference_shape import UNET, VAE, describe_text

CONTROL_WIDTHS = (8, 16, 32, 64)
"""Of the ControlNets' map readers."""


def build_vae() -> Any:
    """A new AutoencoderKL. Raises ModuleNotFoundError without diffusers."""
    return import_module("diffusers").AutoencoderKL(**VAE)


def build_unet() -> Any:
    """A new UNet2DConditionModel, whose last layer answers nothing yet."""
    unet = import_module("diffusers").UNet2DConditionModel(**UNET)
    import_module("torch").nn.init.zeros_(unet.conv_out.weight)
    return unet


def build_text_encoder(vocabulary: int) -> Any:
    """A new CLIPTextModel for so many tokens, the last two being start and end."""
    transformers = import_module("transformers")
    return transformers.CLIPTextModel(transformers.CLIPTextConfig(**describe_text(vocabulary)))
