"""The report of an adapter in words: modules by block."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.adapters.prompts.block_weights import count_blocks
from underdrawing.adapters.reading.report_text import adapter_lines


def show_blocks(tmp_path: Path, modules: dict[str, int]) -> str:
    tensors: dict[str, torch.Tensor] = {}
    for name, width in modules.items():
        tensors |= {f"{name}.lora_down.weight": torch.zeros(2, width), f"{name}.lora_up.weight": torch.zeros(width, 2)}
    save_file(tensors, tmp_path / "a.safetensors")
    lines = list(adapter_lines(load_adapter(tmp_path / "a.safetensors").report()))
    return next((line for line in lines if "blocks" in line), "")


def test_blocks_of_a_unet(tmp_path: Path) -> None:
    blocks = "lora_unet_down_blocks_{}_attentions_{}_transformer_blocks_0_attn1_to_q"
    modules = {blocks.format(0, 0): 320, blocks.format(0, 1): 320, blocks.format(1, 0): 640}
    modules |= {"lora_te_text_model_encoder_layers_0_mlp_fc1": 768}
    assert "BASE 1, IN01-IN02 1 each, IN04 1" in show_blocks(tmp_path, modules)


def test_blocks_of_a_transformer() -> None:
    modules = [f"transformer.transformer_blocks.{n}.attn.to_q" for n in (0, 1, 25)]
    modules += ["transformer.single_blocks.3.linear1", "transformer.proj_out", "text_encoder.encoder.layers.0.mlp.fc1"]
    assert count_blocks(modules, "flux1") == {"CLIP": 1, "D00": 1, "D01": 1, "S03": 1, "OUT": 1, "D25": 1}
    assert count_blocks(["unet.time_embedding.linear_1", "unet.conv_in"], "sd15") == {"IN00": 1, "": 1}


def test_base_models_that_a_file_fits_as_well(tmp_path: Path) -> None:
    layer = "lora_unet_double_blocks_0_img_attn_proj"
    tensors = {f"{layer}.lora_down.weight": torch.zeros(2, 3072), f"{layer}.lora_up.weight": torch.zeros(3072, 2)}
    save_file(tensors, tmp_path / "a.safetensors")
    lines = list(adapter_lines(load_adapter(tmp_path / "a.safetensors").report()))
    (line,) = (line for line in lines if "base model" in line)
    assert "flux1" in line
    assert "or chroma" in line
