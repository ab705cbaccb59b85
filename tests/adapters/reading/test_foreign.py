"""What a refusal says: the model, who wrote the file, and what to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from underdrawing.adapters import load_adapter
from underdrawing.core.errors import BadWeights

if TYPE_CHECKING:
    from pathlib import Path

AI_TOOLKIT = {"software": '{"name": "ai-toolkit"}'}
LORA = ("lora_A.weight", "lora_B.weight")


def refuse(folder: Path, *keys: str, **header: str) -> BadWeights:
    save_file({key: torch.ones(4, 4) for key in keys}, folder / "a.safetensors", header)
    with pytest.raises(BadWeights) as caught:
        load_adapter(folder / "a.safetensors")
    return caught.value


@pytest.mark.parametrize(
    ("module", "header", "what"),
    [
        (
            "diffusion_model.double_stream_blocks.0.block.attn1.to_q",
            AI_TOOLKIT,
            "LoRA for HiDream, written by ai-toolkit;",
        ),
        ("transformer.layers.0.attention.o", {"ot_branch": "master"}, "LoRA for Ideogram 4, written by OneTrainer;"),
        ("lora_prior_unet_down_blocks_0_2_attention_attn_to_q", {}, "LoRA for Stable Cascade;"),
        ("diffusion_model.double_blocks.0.img_attn.q", {"modelspec.architecture": "flux-3/lora"}, "LoRA for Flux.3;"),
    ],
)
def test_a_lora_for_another_model_is_named(tmp_path: Path, module: str, header: dict[str, str], what: str) -> None:
    error = refuse(tmp_path, *(f"{module}.{suffix}" for suffix in LORA), **header)
    assert what in error.what
    assert "that model is not offered here" in error.what
    assert error.fix.startswith("load it with the LoRA loader of the program that runs that model; here are read LoRAs")
    assert "Flux.1" in error.fix


def test_an_unknown_model_is_told_by_its_header(tmp_path: Path) -> None:
    keys = [f"diffusion_model.stream_blocks.0.attn.to_q.{suffix}" for suffix in LORA]
    error = refuse(tmp_path, *keys, ss_base_model_version="boogu_image", **AI_TOOLKIT)
    assert "for boogu_image by its header, written by ai-toolkit" in error.what
    assert "the program that runs its model" in error.fix


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        (("double_blocks.0.img_attn.qkv.weight", "img_in.weight"), "a whole transformer"),
        (("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight",), "a full checkpoint"),
        (("transformer_blocks.0.attn.to_q.weight", "controlnet_x_embedder.weight"), "a ControlNet"),
        (("control_layers.0.attention.to_q.weight",), "a ControlNet"),
        (("ip_adapter_proj_model.proj.weight", "double_blocks.0.processor.k_proj.weight"), "an IP-Adapter"),
    ],
)
def test_other_files_of_transformer_models_are_named(tmp_path: Path, keys: tuple[str, ...], what: str) -> None:
    assert refuse(tmp_path, *keys).what == f"is {what}, not a LoRA-family adapter"


def test_a_layer_stored_whole_beside_factors_makes_no_checkpoint(tmp_path: Path) -> None:
    module = "transformer.transformer_blocks.0.attn.to_q"
    keys = [f"{module}.{suffix}" for suffix in LORA]
    tensors = {key: torch.ones(2, 3072) if "A" in key else torch.ones(3072, 2) for key in keys}
    tensors["transformer.transformer_blocks.0.ff.net.2.weight"] = torch.ones(2, 2)
    save_file(tensors, tmp_path / "a.safetensors", {"modelspec.architecture": "flux-1-dev"})
    assert len(load_adapter(tmp_path / "a.safetensors").used) == 2
