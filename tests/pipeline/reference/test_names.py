from __future__ import annotations

import pytest

from underdrawing.checkpoints.layouts.unet import name_control_key
from underdrawing.pipeline.reference.names import name_text_key, name_unet_key, name_vae_key

MODULES = frozenset({"up_blocks.0.upsamplers.0.conv", "up_blocks.1.attentions.0.proj_in"})


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("conv_in.weight", "input_blocks.0.0.weight"),
        ("down_blocks.0.resnets.1.conv1.bias", "input_blocks.2.0.in_layers.2.bias"),
        ("down_blocks.1.downsamplers.0.conv.weight", "input_blocks.6.0.op.weight"),
        ("mid_block.attentions.0.proj_in.weight", "middle_block.1.proj_in.weight"),
        ("up_blocks.0.upsamplers.0.conv.weight", "output_blocks.2.1.conv.weight"),
        ("time_embedding.linear_1.weight", "time_embed.0.weight"),
    ],
)
def test_unet(key: str, name: str) -> None:
    assert name_unet_key(key, MODULES) == name


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("encoder.conv_in.weight", "encoder.conv_in.weight"),
        ("encoder.down_blocks.2.resnets.0.conv_shortcut.bias", "encoder.down.2.block.0.nin_shortcut.bias"),
        ("encoder.down_blocks.0.downsamplers.0.conv.weight", "encoder.down.0.downsample.conv.weight"),
        ("encoder.mid_block.resnets.1.norm1.weight", "encoder.mid.block_2.norm1.weight"),
        ("decoder.mid_block.attentions.0.to_out.0.bias", "decoder.mid.attn_1.proj_out.bias"),
        ("decoder.up_blocks.0.resnets.2.conv2.weight", "decoder.up.3.block.2.conv2.weight"),
        ("decoder.up_blocks.2.upsamplers.0.conv.bias", "decoder.up.1.upsample.conv.bias"),
        ("decoder.conv_norm_out.weight", "decoder.norm_out.weight"),
        ("post_quant_conv.weight", "post_quant_conv.weight"),
    ],
)
def test_vae(key: str, name: str) -> None:
    assert name_vae_key(key) == name


@pytest.mark.parametrize("start", ["", "text_model."])
def test_text_encoder(start: str) -> None:
    key = f"{start}encoder.layers.3.mlp.fc1.weight"
    assert name_text_key(key) == "transformer.text_model.encoder.layers.3.mlp.fc1.weight"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("controlnet_down_blocks.11.weight", "zero_convs.11.0.weight"),
        ("controlnet_mid_block.bias", "middle_block_out.0.bias"),
        ("controlnet_cond_embedding.conv_in.weight", "input_hint_block.0.weight"),
        ("controlnet_cond_embedding.blocks.5.weight", "input_hint_block.12.weight"),
        ("controlnet_cond_embedding.conv_out.bias", "input_hint_block.14.bias"),
        ("down_blocks.0.resnets.0.norm1.weight", "input_blocks.1.0.in_layers.0.weight"),
    ],
)
def test_controlnet(key: str, name: str) -> None:
    assert name_control_key(key, MODULES) == name
