from __future__ import annotations

import pytest

from underdrawing.checkpoints.layouts.vae import name_vae_keys
from underdrawing.pipeline.reference.names import name_vae_key

LAYERS = ("norm1.weight", "conv1.bias", "norm2.weight", "conv2.weight", "conv_shortcut.weight")


def list_keys() -> list[str]:
    """Keys of an AutoencoderKL with four levels."""
    down = [f"encoder.down_blocks.{a}.resnets.{b}.{c}" for a in range(4) for b in range(2) for c in LAYERS]
    up = [f"decoder.up_blocks.{a}.resnets.{b}.{c}" for a in range(4) for b in range(3) for c in LAYERS]
    middle = [f"{h}.mid_block.resnets.{i}.{c}" for h in ("encoder", "decoder") for i in range(2) for c in LAYERS[:4]]
    attention = [
        f"encoder.mid_block.attentions.0.{n}.weight" for n in ("group_norm", "to_q", "to_k", "to_v", "to_out.0")
    ]
    between = [f"encoder.down_blocks.{a}.downsamplers.0.conv.bias" for a in range(3)]
    between += [f"decoder.up_blocks.{a}.upsamplers.0.conv.bias" for a in range(3)]
    ends = ["encoder.conv_in.weight", "decoder.conv_norm_out.bias", "decoder.conv_out.bias", "post_quant_conv.weight"]
    return [*down, *up, *middle, *attention, *between, *ends]


def test_names_come_back() -> None:
    original = {name_vae_key(key): key for key in list_keys()}
    assert {slot.key: name for name, slot in name_vae_keys(original).items()} == original


def test_diffusers_names_stay() -> None:
    assert {name: slot.key for name, slot in name_vae_keys(list_keys()).items()} == {key: key for key in list_keys()}


@pytest.mark.parametrize(("old", "new"), [("query", "to_q"), ("value", "to_v"), ("proj_attn", "to_out.0")])
def test_earlier_diffusers_names_are_read(old: str, new: str) -> None:
    key = f"encoder.mid_block.attentions.0.{old}.weight"
    assert name_vae_keys([key])[f"encoder.mid_block.attentions.0.{new}.weight"].key == key
