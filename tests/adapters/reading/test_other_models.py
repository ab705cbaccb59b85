"""Files for other base models are refused by the model's name, in every spelling that trainers write."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from tests.support.adapter_models import SD15

from underdrawing.adapters import load_adapter
from underdrawing.adapters.modules.spellings import to_ldm_name
from underdrawing.adapters.reading.other_models import find_other_model, find_unsupported
from underdrawing.core.errors import BadWeights

MODULES = [
    ("double_blocks.0.img_attn.qkv", 3072, "Flux.1"),
    ("single_blocks.7.linear1", 3072, "Flux.1"),
    ("single_transformer_blocks.0.attn.to_q", 3072, "Flux.1"),
    ("single_transformer_blocks.3.proj_mlp", 3072, "Flux.1"),
    ("double_blocks.0.img_attn.proj", 6144, "Flux.2"),
    ("single_transformer_blocks.0.attn.to_qkv_mlp_proj", 3072, "Flux.2"),
    ("transformer_blocks.0.ff.linear_in", 3072, "Flux.2"),
    ("distilled_guidance_layer.layers.0.in_layer", 5120, "Chroma"),
    ("joint_blocks.0.context_block.attn.qkv", 1536, "SD3"),
    ("transformer_blocks.0.attn.add_q_proj", 2432, "SD3"),
    ("transformer_blocks.0.img_mlp.net.0.proj", 3072, "Qwen-Image"),
    ("transformer_blocks.59.attn.to_q", 3072, "Qwen-Image"),
    ("layers.0.attention.qkv", 3840, "Z-Image"),
    ("layers.0.attention.to_q", 3840, "Z-Image"),
    ("layers.0.feed_forward.w1", 3840, "Z-Image"),
    ("layers.0.attention.qkv", 2304, "Lumina 2"),
    ("layers.0.attn.to_q", 2304, "Lumina 2"),
    ("blocks.0.self_attn.q", 5120, "Wan"),
    ("blocks.0.cross_attn.k_img", 5120, "Wan"),
    ("blocks.0.ffn.0", 5120, "Wan"),
    ("blocks.0.attn1.to_q", 5120, "Wan"),
    ("vace_blocks.0.self_attn.q", 5120, "Wan"),
    ("vace_blocks.0.attn1.to_q", 5120, "Wan"),
    ("face_adapter.fuser_blocks.0.linear1_q", 5120, "Wan"),
    ("face_adapter.0.to_q", 5120, "Wan"),
    ("blocks.0.self_attn.q_proj", 2048, "Anima"),
    ("blocks.0.mlp.layer1", 2048, "Anima"),
    ("blocks.0.attn.wq", 6144, "Krea 2"),
    ("blocks.0.mlp.gate", 6144, "Krea 2"),
    ("transformer_blocks.0.attn1.to_q", 1152, "PixArt"),
    ("transformer_blocks.0.attn1.to_q", 2048, "LTX-Video"),
    ("transformer_blocks.0.attn1.to_q", 2240, "Sana"),
    ("joint_transformer_blocks.0.attn.to_q", 3072, "AuraFlow"),
    ("double_stream_blocks.0.block.attn1.to_q", 2560, "HiDream"),
    ("layers.0.self_attention.to_q", 4096, "Ernie"),
    ("double_blocks.0.img_mlp.fc1", 3072, "HunyuanVideo"),
]
PREFIXES = ["transformer.", "diffusion_model.", "base_model.model.", "", "transformer.base_model.model.", "net."]
UNDERSCORED = ["lora_unet_", "lora_unet__", "lora_transformer_", "lycoris_", "lora_unet__orig_mod_"]


def factors(stem: str, width: int, suffix: str) -> dict[str, torch.Tensor]:
    other = suffix.replace("lora_A", "lora_B").replace("down", "up")
    return {f"{stem}.{suffix}": torch.zeros(4, width), f"{stem}.{other}": torch.zeros(width, 4)}


@pytest.mark.parametrize(("module", "width", "model"), MODULES)
def test_every_spelling_names_the_model(module: str, width: int, model: str) -> None:
    stems = [prefix + module for prefix in PREFIXES] + [prefix + module.replace(".", "_") for prefix in UNDERSCORED]
    for stem in stems:
        for suffix in ("lora_A.weight", "lora_A.default.weight", "lora_down.weight", "lora.down.weight"):
            found = find_other_model(factors(stem, width, suffix), {})
            assert found is not None, stem
            assert model in found, stem


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("double_blocks.0.processor.qkv_lora1.down.weight", "Flux.1"),
        ("diffusion_model.double_blocks.0.img_attn_qkv.lora_A.weight", "HunyuanVideo"),
        ("lora_te_layers_0_self_attn_q_proj.lora_down.weight", "language model"),
        ("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "language model"),
        ("t5.encoder.block.0.layer.0.SelfAttention.q.lora_down.weight", "T5"),
        ("lora_te3_encoder_block_0_layer_0_SelfAttention_q.lora_down.weight", "T5"),
        ("lora_prior_unet_down_blocks_0_1_attention.lora_down.weight", "Cascade"),
        ("down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight", "AnimateDiff"),
        ("image_proj.proj.weight", "IP-Adapter"),
        ("lllite_unet_input_blocks_4_1.depth1.weight", "LLLite"),
        ("control_model.input_blocks.0.0.weight", "ControlNet"),
        ("decoder.up.0.block.0.conv1.weight", "VAE"),
        ("model.1.sub.0.RDB1.conv1.0.weight", "upscaler"),
        ("text_model.encoder.layers.0.self_attn.q_proj.weight", "text encoder"),
    ],
)
def test_other_files_are_named(tmp_path: Path, key: str, word: str) -> None:
    save_file({key: torch.zeros(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(BadWeights, match=word):
        load_adapter(tmp_path / "a.safetensors")


def test_a_text_encoder_alone_asks_for_the_model(tmp_path: Path) -> None:
    tensors = factors("lora_te3_encoder_block_0_layer_0_SelfAttention_q", 4096, "lora_down.weight")
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(BadWeights, match=r"T5 text encoder alone.*modelspec\.architecture"):
        load_adapter(tmp_path / "a.safetensors")
    save_file(tensors, tmp_path / "a.safetensors", {"modelspec.architecture": "flux-1-dev/lora"})
    adapter = load_adapter(tmp_path / "a.safetensors")
    assert (adapter.unused, next(iter(adapter.modules)).partition(".")[0]) == ({}, "text_encoder_2")


def test_a_text_encoder_of_ours_beside_another_denoiser_is_not_applied_alone(tmp_path: Path) -> None:
    tensors = factors("lora_te1_text_model_encoder_layers_0_mlp_fc1", 768, "lora_down.weight")
    tensors |= factors("lora_unet_double_stream_blocks_0_block_attn1_to_q", 2560, "lora_down.weight")
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(BadWeights, match="HiDream"):
        load_adapter(tmp_path / "a.safetensors")


def test_the_header_and_the_config_name_the_model(tmp_path: Path) -> None:
    encoder = factors("lora_te1_text_model_encoder_layers_0_mlp_fc1", 768, "lora_down.weight")
    save_file(encoder, tmp_path / "a.safetensors", {"modelspec.architecture": "hidream-i1/lora"})
    with pytest.raises(BadWeights, match="HiDream"):
        load_adapter(tmp_path / "a.safetensors")
    save_file(encoder, tmp_path / "a.safetensors", {"modelspec.architecture": "flux-1-dev/lora"})
    assert load_adapter(tmp_path / "a.safetensors").base_model == "flux1"
    own = factors("base_model.model.down_blocks.0.attentions.0.proj_in", 320, "lora_A.weight")
    save_file(own, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text('{"auto_mapping": {"base_model_class": "ControlNetModel"}}')
    with pytest.raises(BadWeights, match="ControlNetModel"):
        load_adapter(tmp_path)


@pytest.mark.parametrize(
    ("module", "width", "model"),
    [
        ("double_blocks.3.img_attn_q", 2048, "HunyuanVideo 1.5"),
        ("layers.3.attention.o", 4608, "Ideogram 4"),
        ("layers.3.cross_attn.q_proj", 2048, "ACE-Step"),
        ("transformer_blocks.0.audio_attn1.to_q", 2048, "LTX-2"),
        ("transformer_blocks.0.attn1.to_q", 1920, "CogVideoX"),
        ("blocks.0.attn1.to_q", 1408, "HunyuanDiT"),
        ("nerf_blocks.0.param_generator", 3072, "Chroma Radiance"),
        ("time_condition_embed.timestep_embedder.linear_1", 4096, "CogView4"),
        ("transformer_blocks.27.attn1.to_q", 4096, "CogView4"),
    ],
)
def test_models_without_a_table_are_named(module: str, width: int, model: str) -> None:
    for stem in [f"diffusion_model.{module}", f"lora_unet_{module.replace('.', '_')}"]:
        assert model in (find_unsupported(factors(stem, width, "lora_down.weight"), {}) or "")
    known = factors("diffusion_model.double_blocks.3.img_attn_q_norm", 128, "lora_down.weight")
    assert find_unsupported(known, {"ss_base_model_version": "hidream"}) is None


def test_the_header_tells_ltx_2_from_ltx_video() -> None:
    tensors = factors("diffusion_model.transformer_blocks.0.attn2.to_q", 4096, "lora_down.weight")
    assert find_unsupported(tensors, {}) is None
    assert find_unsupported(tensors, {"ss_base_model_version": "ltx2"}) == "LTX-2"


ALL = frozenset(SD15.modules())
OWN = sorted(n for n, m in SD15.modules().items() if m.kind in ("Linear", "Conv2d") and "_blocks." in n)


@given(data=st.data())
@settings(max_examples=200, deadline=None, database=None)
def test_no_unet_of_ours_is_taken_for_another_model(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.sampled_from(OWN), min_size=1, max_size=3))
    ldm = data.draw(st.booleans())
    prefix = data.draw(st.sampled_from([*PREFIXES, *UNDERSCORED]))
    tensors: dict[str, torch.Tensor] = {}
    for name in names:
        spelt = to_ldm_name(name, ALL) if ldm else name
        stem = prefix + (spelt.replace(".", "_") if prefix in UNDERSCORED else spelt)
        tensors |= factors(stem, data.draw(st.sampled_from([320, 768, 1280, 2048, 4096])), "lora_A.weight")
    assert find_other_model(tensors, {}) is None
