from __future__ import annotations

import pytest
from tests.support.official import key_list

from underdrawing.pipeline.models.kinds import build_kind_error, find_kind

LORA = "lora_unet_down_blocks_0_attentions_0_proj_in"
FILES = {
    "checkpoint": ["model.diffusion_model.input_blocks.0.0.weight", "first_stage_model.encoder.conv_in.weight"],
    "vae": ["first_stage_model.encoder.conv_in.weight", "first_stage_model.decoder.mid.attn_1.q.weight"],
    "unet": ["down_blocks.0.resnets.0.conv1.weight", "conv_in.weight"],
    "controlnet": ["control_model.input_hint_block.0.weight", "control_model.zero_convs.0.0.weight"],
    "union": ["task_embedding", "controlnet_cond_embedding.conv_in.weight", "transformer_layes.0.ln_1.weight"],
    "control_lora": ["lora_controlnet", "input_blocks.0.0.up", "input_blocks.0.0.down", "zero_convs.0.0.weight"],
    "t2i": ["body.0.block1.weight", "conv_in.weight"],
    "t2i_style": ["style_embedding", "transformer_layes.0.attn.in_proj_weight", "proj"],
    "lora": [f"{LORA}.lora_down.weight", f"{LORA}.alpha"],
    "embedding": ["emb_params"],
    "lllite": ["lllite_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q.down.0.weight"],
    "ip_adapter": ["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"],
    "other": ["double_blocks.0.img_attn.qkv.weight", "single_blocks.0.linear1.weight", "img_in.weight"],
    "text_encoder": ["text_model.embeddings.token_embedding.weight"],
    "unknown": ["backbone.layer1.weight"],
}


@pytest.mark.parametrize(("kind", "keys"), FILES.items(), ids=FILES)
def test_files_are_recognised(kind: str, keys: list[str]) -> None:
    assert find_kind(keys) == kind


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("lora", "is a LoRA, a checkpoint is needed. Next: use it in the prompt"),
        ("controlnet", "is a ControlNet, a checkpoint is needed. Next: use it as model of a control"),
        ("vae", "is a VAE, a checkpoint is needed. Next: use it as VAE"),
        ("lllite", "is a ControlNet-LLLite, which is not supported"),
        ("other", "is a model of Flux.1, a checkpoint of Stable Diffusion is needed"),
        ("unknown", "is no file of a known kind"),
    ],
)
def test_errors_say_what_a_file_is(kind: str, words: str) -> None:
    error = build_kind_error(dict.fromkeys(FILES[kind], (8, 8)), {}, where="a.safetensors", needed="a checkpoint")
    assert str(error).startswith("a.safetensors: ")
    assert words in str(error)


@pytest.mark.parametrize("name", ["sd15_unet_diffusers", "sdxl_unet_ldm"])
def test_official_unets_alone_are_no_checkpoints(name: str) -> None:
    assert find_kind(key_list(name)) == "unet"
