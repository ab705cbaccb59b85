"""Text encoders of models with transformers: which one a prefix and a layer's name mean, in trainers' numbering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from tests.support.transformer_models import shrink

from underdrawing.adapters import load_adapter
from underdrawing.adapters.modules.architectures import TRANSFORMER_MODELS

if TYPE_CHECKING:
    from pathlib import Path

T5 = "encoder.block.0.layer.0.SelfAttention.q"
GATE = "encoder.block.3.layer.1.DenseReluDense.wi_0"
CLIP = "text_model.encoder.layers.0.mlp.fc1"
DECODER = "layers.7.self_attn.q_proj"
CASES = [
    ("flux1", f"lora_te3_{T5}", f"text_encoder_2.{T5}"),
    ("flux1", f"lora_te2_{T5}", f"text_encoder_2.{T5}"),
    ("flux1", f"lora_te1_{CLIP}", "text_encoder.encoder.layers.0.mlp.fc1"),
    ("flux1", f"text_encoders.t5xxl.transformer.{GATE}", f"text_encoder_2.{GATE}"),
    ("flux1", f"text_encoders.clip_l.transformer.{CLIP}", "text_encoder.encoder.layers.0.mlp.fc1"),
    ("flux1", f"t5.{T5}", f"text_encoder_2.{T5}"),
    ("flux1", f"text_encoder_2.{T5}", f"text_encoder_2.{T5}"),
    ("sd3", f"lora_te1_{CLIP}", "text_encoder.encoder.layers.0.mlp.fc1"),
    ("sd3", f"lora_te2_{CLIP}", "text_encoder_2.encoder.layers.0.mlp.fc1"),
    ("sd3", f"clip_g.{CLIP}", "text_encoder_2.encoder.layers.0.mlp.fc1"),
    ("sd3", f"lora_te3_{T5}", f"text_encoder_3.{T5}"),
    ("sd3", f"text_encoder_3.{T5}", f"text_encoder_3.{T5}"),
    ("chroma", f"lora_te1_{T5}", f"text_encoder.{T5}"),
    ("chroma", f"lora_te_{T5}", f"text_encoder.{T5}"),
    ("chroma", f"text_encoders.t5xxl.transformer.{T5}", f"text_encoder.{T5}"),
    ("pixart", f"lora_te_{T5}", f"text_encoder.{T5}"),
    ("qwen_image", f"lora_te_{DECODER}", f"text_encoder.{DECODER}"),
    ("qwen_image", f"text_encoders.qwen25_7b.transformer.model.{DECODER}", f"text_encoder.{DECODER}"),
    ("qwen_image", f"text_encoder.model.language_model.{DECODER}", f"text_encoder.{DECODER}"),
    ("hunyuan_video", f"lora_te1_{DECODER}", f"text_encoder.{DECODER}"),
    ("hunyuan_video", f"llama.{DECODER}", f"text_encoder.{DECODER}"),
    ("hunyuan_video", f"text_encoders.llama.transformer.model.{DECODER}", f"text_encoder.{DECODER}"),
    ("hunyuan_video", f"lora_te2_{CLIP}", "text_encoder_2.encoder.layers.0.mlp.fc1"),
    ("hunyuan_video", f"text_encoders.clip_l.transformer.{CLIP}", "text_encoder_2.encoder.layers.0.mlp.fc1"),
    ("lumina2", f"lora_te_{DECODER}", f"text_encoder.{DECODER}"),
    ("anima", f"lora_te_{DECODER}", f"text_encoder.{DECODER}"),
    ("anima", f"text_encoders.qwen3_06b.transformer.model.{DECODER}", f"text_encoder.{DECODER}"),
]


@pytest.mark.parametrize(("architecture", "stem", "module"), CASES)
def test_the_encoder_is_found_beside_a_denoiser(architecture: str, stem: str, module: str, tmp_path: Path) -> None:
    name = stem.replace(".", "_") if stem.startswith("lora_") else stem
    tensors = {f"{name}.lora_down.weight": torch.ones(2, 8), f"{name}.lora_up.weight": torch.ones(8, 2)}
    for layer, shape in list(shrink(architecture).items()):
        if shape.kind == "Linear":
            tensors[f"transformer.{layer}.lora_A.weight"] = torch.ones(2, shape.shape[1])
            tensors[f"transformer.{layer}.lora_B.weight"] = torch.ones(shape.shape[0], 2)
    save_file(tensors, tmp_path / "a.safetensors", dict(TRANSFORMER_MODELS[architecture].metadata))
    adapter = load_adapter(tmp_path / "a.safetensors")
    assert adapter.unused == {}
    assert adapter.used[f"{name}.lora_up.weight"] == module


def test_folders_of_the_parts_of_a_model(tmp_path: Path) -> None:
    stems = {"transformer": "single_transformer_blocks.0.proj_mlp", "text_encoder_2": T5, "text_encoder": CLIP}
    for folder, stem in stems.items():
        (tmp_path / folder).mkdir()
        name = f"base_model.model.{stem}"
        tensors = {f"{name}.lora_A.weight": torch.ones(2, 8), f"{name}.lora_B.weight": torch.ones(8, 2)}
        save_file(tensors, tmp_path / folder / "adapter_model.safetensors")
    adapter = load_adapter(tmp_path)
    assert adapter.unused == {}
    assert adapter.modules.keys() == {
        "transformer.single_transformer_blocks.0.proj_mlp",
        f"text_encoder_2.{T5}",
        "text_encoder.encoder.layers.0.mlp.fc1",
    }


def test_a_layer_that_no_encoder_of_the_model_has_is_named(tmp_path: Path) -> None:
    name = f"text_encoders.qwen25_7b.transformer.model.{DECODER}"
    tensors = {f"{name}.lora_A.weight": torch.ones(2, 8), f"{name}.lora_B.weight": torch.ones(8, 2)}
    for layer in ("transformer_blocks.0.norm1.linear", "single_transformer_blocks.0.proj_mlp"):
        tensors[f"transformer.{layer}.lora_A.weight"] = torch.ones(2, 8)
        tensors[f"transformer.{layer}.lora_B.weight"] = torch.ones(8, 2)
    save_file(tensors, tmp_path / "a.safetensors", dict(TRANSFORMER_MODELS["flux1"].metadata))
    adapter = load_adapter(tmp_path / "a.safetensors")
    assert len(adapter.unused) == 2
    assert all("text encoder of Flux.1" in reason for reason in adapter.unused.values())
