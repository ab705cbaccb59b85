"""Run by ComfyUI's Python in its folder: writes a shallow SD1 that ComfyUI takes for one, with the real text encoder.

Arguments: file, seed. Every layer that tells ComfyUI the family has its real width; blocks are few.
"""

from __future__ import annotations

import sys
from importlib import import_module

import torch
from safetensors.torch import save_file


def write(path: str, seed: int) -> None:
    """Random weights in half precision."""
    layers = import_module("comfy.ops").disable_weight_init
    model = import_module("comfy.ldm.modules.diffusionmodules.openaimodel").UNetModel(
        image_size=32, in_channels=4, out_channels=4, model_channels=320, num_res_blocks=[1, 1], channel_mult=[1, 1],
        transformer_depth=[1, 0], transformer_depth_middle=1, transformer_depth_output=[1, 1, 0, 0],
        context_dim=768, num_heads=8, use_spatial_transformer=True, use_linear_in_transformer=False, legacy=False,
        use_checkpoint=False, operations=layers, dtype=torch.float16,
    )  # fmt: skip
    config = import_module("transformers").CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    clip = import_module("transformers").CLIPTextModel(config).half()
    draw = torch.Generator().manual_seed(seed)
    tensors = {f"model.diffusion_model.{key}": value for key, value in model.state_dict().items()}
    tensors |= {f"cond_stage_model.transformer.{key}": value for key, value in clip.state_dict().items()}
    for key, value in tensors.items():
        if value.is_floating_point():
            tensors[key] = (torch.randn(value.shape, generator=draw) * 0.02 + ("norm" in key) * 1.0).half()
    save_file(tensors, path)


if __name__ == "__main__":
    sys.path.insert(0, ".")
    sys.argv, (file, number) = [sys.argv[0], "--cpu"], sys.argv[1:]
    import_module("comfy.options").enable_args_parsing()
    write(file, int(number))
