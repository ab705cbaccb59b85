"""LoRA files for the tiny diffusion models, in kohya's names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from underdrawing.core.tensor_files.safetensors_io import write_safetensors

if TYPE_CHECKING:
    from pathlib import Path

UNET = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q"
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"


def write_lora(path: Path, *, width: int = 32, text: bool = True, seed: int = 0) -> Path:
    """A LoRA of SD1's names with width columns: one layer of the UNet and, with text, one of the text encoder."""
    generator = torch.Generator().manual_seed(seed)
    rows = {UNET: (width, width)} | ({TEXT: (4 * width, width)} if text else {})
    tensors: dict[str, torch.Tensor] = {}
    for name, (outputs, inputs) in rows.items():
        tensors[f"{name}.lora_up.weight"] = torch.randn(outputs, 2, generator=generator)
        tensors[f"{name}.lora_down.weight"] = torch.randn(2, inputs, generator=generator)
        tensors[f"{name}.alpha"] = torch.tensor(2.0)
    return write_safetensors(path, tensors)
