"""The reference model's networks: SD1's structure and names of keys with small widths."""

from __future__ import annotations

from importlib import import_module
from typing import Any

SCALING_FACTOR = 0.18215
"""SD1's factor from the VAE's latents to the UNet's."""
LATENT = 16
"""Side of the latents of a picture of 128."""
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "block_out_channels": [32, 32, 64, 96],
    "layers_per_block": 2,
    "latent_channels": 4,
    "norm_num_groups": 8,
    "sample_size": 128,
    "scaling_factor": SCALING_FACTOR,
}
UNET: dict[str, Any] = {
    "sample_size": LATENT,
    "in_channels": 4,
    "out_channels": 4,
    "block_out_channels": [64, 96, 128, 128],
    "layers_per_block": 2,
    "cross_attention_dim": 128,
    "attention_head_dim": 2,
    "norm_num_groups": 16,
}
CONTROL_WIDTHS = (8, 16, 32, 64)
"""Of the ControlNets' map readers."""
TEXT: dict[str, Any] = {
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 12,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": 128,
}


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


def describe_text(vocabulary: int) -> dict[str, Any]:
    """Arguments of the text encoder's configuration for so many tokens."""
    tokens = {"bos_token_id": vocabulary - 2, "eos_token_id": vocabulary - 1, "pad_token_id": vocabulary - 1}
    return {"vocab_size": vocabulary, **TEXT, **tokens}
