from __future__ import annotations

from typing import Any

import pytest
from tests.support.official import key_list

from underdrawing.checkpoints.layouts.configurations import configure_text_encoder, configure_unet

UNETS: dict[str, tuple[str, dict[str, Any]]] = {
    "sd15": ("sd1", {"cross_attention_dim": 768, "attention_head_dim": 8, "use_linear_projection": False}),
    "sd21": ("sd2", {"cross_attention_dim": 1024, "attention_head_dim": [5, 10, 20, 20],
                      "use_linear_projection": True}),
    "sdxl": ("sdxl", {
        "cross_attention_dim": 2048, "attention_head_dim": [5, 10, 20], "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "transformer_layers_per_block": [1, 2, 10], "projection_class_embeddings_input_dim": 2816,
    }),
    "sdxl_refiner": ("sdxl_refiner", {
        "cross_attention_dim": 1280, "attention_head_dim": [6, 12, 24, 24],
        "block_out_channels": [384, 768, 1536, 1536],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "transformer_layers_per_block": [1, 4, 4, 4], "projection_class_embeddings_input_dim": 2560,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", UNETS)
def test_official_unets(name: str) -> None:
    family, expected = UNETS[name]
    shapes = {key: tuple(shape) for key, shape in key_list(f"{name}_unet_diffusers").items()}
    found = configure_unet(shapes, family)  # type: ignore[arg-type]
    assert {key: found[key] for key in expected} == expected
    assert (found["in_channels"], found["out_channels"], found["layers_per_block"]) == (4, 4, 2)
    assert [block.startswith("CrossAttn") for block in found["up_block_types"]] == [
        block.startswith("CrossAttn") for block in reversed(found["down_block_types"])
    ]


@pytest.mark.parametrize(
    ("name", "width", "layers", "heads"),
    [("clip_l_transformers", 768, 12, 12), ("openclip_h_sd2_transformers", 1024, 23, 16),
     ("openclip_bigg_transformers", 1280, 32, 20)],
)  # fmt: skip
def test_official_text_encoders(name: str, width: int, layers: int, heads: int) -> None:
    shapes = {key.removeprefix("text_model."): tuple(shape) for key, shape in key_list(name).items()}
    found = configure_text_encoder(shapes, openclip=heads > 12)
    assert (found["hidden_size"], found["num_hidden_layers"], found["num_attention_heads"]) == (width, layers, heads)
    assert found["hidden_act"] == ("gelu" if heads > 12 else "quick_gelu")
    assert (found["vocab_size"], found["eos_token_id"], found["intermediate_size"]) == (49408, 49407, 4 * width)
